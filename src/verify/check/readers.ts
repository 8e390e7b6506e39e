/** Who read, and how they were moved: readers of a history and, for each, when it was assigned, lost or sought which partition. */
import { READ_COMMITTED } from '../history/tables.ts'
import type { HistoryHead } from './steps.ts'

export interface Reader {
  readonly reader: number
  readonly group: string
  readonly isCommitted: boolean
  readonly isSubscribed: boolean
  /** Times at which a partition was given to it, taken from it, or its position set; ascending, by partition. */
  readonly moves: Map<number, number[]>
}

/** A reader whose beginning was not recorded is one of which nothing can be demanded. */
function unknownReader(reader: number): Reader {
  return { reader, group: '', isCommitted: false, isSubscribed: true, moves: new Map<number, number[]>() }
}

export class Readers {
  readonly #readers = new Map<number, Reader>()
  // Reads come in runs.
  #last: Reader | undefined

  constructor({ tables, strings }: HistoryHead) {
    const { readerStarted, assignment } = tables
    for (let row = 0; row < readerStarted.length; row += 1) {
      const reader = readerStarted.reader[row] as number
      this.#readers.set(reader, {
        reader,
        group: strings[readerStarted.group[row] as number] as string,
        isCommitted: readerStarted.isolation[row] === READ_COMMITTED,
        isSubscribed: readerStarted.isSubscribed[row] === 1,
        moves: new Map<number, number[]>(),
      })
    }
    for (let row = 0; row < assignment.length; row += 1) {
      const { moves } = this.get(assignment.reader[row] as number)
      const partition = assignment.partition[row] as number
      const times = moves.get(partition)
      if (times === undefined) moves.set(partition, [assignment.at[row] as number])
      else times.push(assignment.at[row] as number)
    }
  }

  get(reader: number): Reader {
    if (this.#last?.reader === reader) return this.#last
    let found = this.#readers.get(reader)
    if (found === undefined) {
      found = unknownReader(reader)
      this.#readers.set(reader, found)
    }
    this.#last = found
    return found
  }

  all(): Iterable<Reader> {
    return this.#readers.values()
  }
}
