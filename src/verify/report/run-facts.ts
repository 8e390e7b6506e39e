/** Who is who in a history, and from when to when it goes: what all parts of the report look up. */
import type { Column } from '../history/columns.ts'
import type { History } from '../history/history.ts'
import { OUTCOMES, READ_COMMITTED, TABLE_NAMES, TABLES } from '../history/tables.ts'
import { TICKS_PER_MS } from './timeline/timeline.ts'

export interface ProcessFacts {
  readonly process: number
  /** 'copier 0' */
  readonly role: string
  readonly startedAt: number
  /** `undefined`: it was not seen to end. */
  endedAt: number | undefined
  /** 'done', 'killed', what it died of; '': it was not seen to end. */
  cause: string
}

export interface WriterFacts {
  readonly writer: number
  readonly process: number
  readonly transactionalId: string
  /** When it was told that it may begin, `undefined`: never. */
  readyAt: number | undefined
}

export interface ReaderFacts {
  readonly process: number
  readonly isCommittedOnly: boolean
}

export class RunFacts {
  readonly history: History
  /** Milliseconds of the history's clock. */
  readonly firstMs: number
  readonly lastMs: number
  /** In the order of their start. */
  readonly processes: ReadonlyMap<number, ProcessFacts>
  readonly writers: ReadonlyMap<number, WriterFacts>
  readonly readers: ReadonlyMap<number, ReaderFacts>
  /** When each was reached, in order. */
  readonly phases: ReadonlyMap<string, number>

  constructor(history: History) {
    this.history = history
    const [firstMs, lastMs] = extent(history)
    this.firstMs = firstMs
    this.lastMs = lastMs
    this.processes = this.#readProcesses()
    this.writers = this.#readWriters()
    const { readerStarted, phase } = history.tables
    const readers = new Map<number, ReaderFacts>()
    for (let row = 0; row < readerStarted.length; row += 1) {
      const process = readerStarted.process[row] as number
      const isCommittedOnly = readerStarted.isolation[row] === READ_COMMITTED
      readers.set(readerStarted.reader[row] as number, { process, isCommittedOnly })
    }
    this.readers = readers
    const phases = new Map<string, number>()
    for (let row = 0; row < phase.length; row += 1) {
      phases.set(this.text(phase.phase[row] as number), phase.at[row] as number)
    }
    this.phases = phases
  }

  text(number: number): string {
    return this.history.strings[number] ?? ''
  }

  /** 'orders-0' */
  partitionName(number: number): string {
    const name = this.history.partitions[number]
    return name === undefined ? '' : `${name.topic}-${name.partition}`
  }

  /** Without the name of the run, with which topics, groups and ids of a run begin. */
  shortName(name: string): string {
    const prefix = `${this.history.info.run}-`
    return name.startsWith(prefix) && name.length > prefix.length ? name.slice(prefix.length) : name
  }

  /** Of the run, from its first moment. */
  ticks(ms: number): number {
    return Math.round((Math.min(ms, this.lastMs) - this.firstMs) * TICKS_PER_MS)
  }

  get spanTicks(): number {
    return Math.max(1, this.ticks(this.lastMs))
  }

  /** '12.3456 s': since the first moment of the run. */
  timeText(ms: number): string {
    return `${((ms - this.firstMs) / 1_000).toFixed(4)} s`
  }

  /** 'writer 65536 (copier 0)' */
  writerName(writer: number): string {
    const process = this.writers.get(writer)?.process
    const role = process === undefined ? undefined : this.processes.get(process)?.role
    return role === undefined ? `writer ${writer}` : `writer ${writer} (${role})`
  }

  #readProcesses(): Map<number, ProcessFacts> {
    const { processStarted, processEnded } = this.history.tables
    const processes = new Map<number, ProcessFacts>()
    for (let row = 0; row < processStarted.length; row += 1) {
      const process = processStarted.process[row] as number
      const role = this.text(processStarted.role[row] as number)
      const startedAt = processStarted.at[row] as number
      // Who starts a process and the process itself may both say so.
      if (!processes.has(process)) processes.set(process, { process, role, startedAt, endedAt: undefined, cause: '' })
    }
    for (let row = 0; row < processEnded.length; row += 1) {
      const facts = processes.get(processEnded.process[row] as number)
      if (facts === undefined) continue
      facts.endedAt = processEnded.at[row] as number
      facts.cause = this.text(processEnded.cause[row] as number)
    }
    return processes
  }

  #readWriters(): Map<number, WriterFacts> {
    const { writerStarted, writerReady } = this.history.tables
    const writers = new Map<number, WriterFacts>()
    for (let row = 0; row < writerStarted.length; row += 1) {
      const writer = writerStarted.writer[row] as number
      const process = writerStarted.process[row] as number
      const transactionalId = this.text(writerStarted.transactionalId[row] as number)
      writers.set(writer, { writer, process, transactionalId, readyAt: undefined })
    }
    for (let row = 0; row < writerReady.length; row += 1) {
      const facts = writers.get(writerReady.writer[row] as number)
      const isReady = OUTCOMES[writerReady.outcome[row] as number] === 'ok'
      if (facts !== undefined && isReady) facts.readyAt = writerReady.at[row] as number
    }
    return writers
  }
}

/** The first and the last moment that any row names. */
function extent({ tables }: History): readonly [number, number] {
  let first = Infinity
  let last = -Infinity
  for (const name of TABLE_NAMES) {
    const table = tables[name] as unknown as { readonly length: number } & Readonly<Record<string, Column>>
    for (const column of Object.keys(TABLES[name])) {
      if (column !== 'at' && column !== 'until') continue
      const times = table[column] as Column
      for (let row = 0; row < table.length; row += 1) {
        const at = times[row] as number
        if (at < first) first = at
        if (at > last) last = at
      }
    }
  }
  return first > last ? [0, 0] : [first, last]
}
