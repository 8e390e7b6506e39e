/**
 * The log as it is stored, batch by batch: what each producer did in each partition, replayed (A8, A9, A10, A11).
 *
 * A state machine per partition and producer id, with Kafka's rules: an epoch never goes down; a transaction is closed by a marker of its
 * epoch (transaction version 1) or of a higher one (version 2, and whenever the coordinator fenced the producer); a marker that raises the
 * epoch has sequences begin at 0; a marker may be repeated. Batches name their transaction through the values in them.
 */
import { CONTROL, NONE } from '../history/tables.ts'
import type { Table } from '../history/columns.ts'
import type { Evidence, PartitionLog } from './evidence.ts'
import type { Code } from './catalogue.ts'
import { read, type Steps } from './steps.ts'
import { ABORT_MARKER, COMMIT_MARKER, OPEN_AT_REST, OUTSIDE } from './value-index.ts'

const SEQUENCE_MASK = 0x7fff_ffff
/** Half of all sequences: what is further ahead is behind. */
const SEQUENCE_HALF = 0x4000_0000

const NOT_OPEN = -2
/** A transaction is open whose values are not known: those of the broker's own topics, and what compaction has left empty. */
const OPEN_UNNAMED = OUTSIDE

interface ProducerInLog {
  readonly partition: number
  readonly producerId: number
  epoch: number
  /** Whose values the batches of this epoch hold; `NONE`: not known yet. */
  writer: number
  /** Of the last batch of this epoch; `NONE`: no batch yet. */
  lastSequence: number
  /** Nothing is known of what came before: any sequence may come. */
  isBeginning: boolean
  open: number
  openedAt: number
  lastClosed: number
  lastDataEpoch: number
  coordinatorEpoch: number
  /** Of the last marker, with no data since; `NONE`: there is data since. */
  markerEpoch: number
  markerControl: number
}

/** Where transactions began in a partition, in the order of offsets. */
export interface OpenedTransactions {
  readonly offsets: number[]
  readonly transactions: number[]
}

/** @returns for each partition, where committed and other transactions began */
export function* producerLogPass(evidence: Evidence): Steps<ReadonlyMap<number, OpenedTransactions>> {
  const replay = new Replay(evidence)
  if (evidence.lastScan === undefined) return replay.opened
  yield read('logBatch', (rows) => {
    for (let row = 0; row < rows.length; row += 1) if (rows.scan[row] === evidence.lastScan) replay.batch(rows, row)
  })
  replay.finish()
  return replay.opened
}

class Replay {
  readonly opened = new Map<number, OpenedTransactions>()
  readonly #evidence: Evidence
  readonly #producers: Map<number, ProducerInLog>[] = []
  readonly #nextOffset: number[] = []
  readonly #keepsOpened: boolean

  constructor(evidence: Evidence) {
    this.#evidence = evidence
    this.#keepsOpened = evidence.head.tables.watermarks.length > 0
  }

  batch(rows: Table<'logBatch'>, row: number): void {
    const partition = rows.partition[row] as number
    const baseOffset = rows.baseOffset[row] as number
    const expected = this.#nextOffset[partition] ?? 0
    if (baseOffset < expected) {
      const place = this.#evidence.placeName(partition)
      throw new RangeError(`logBatch rows of ${place} are not in order: offset ${baseOffset} after ${expected - 1}`)
    }
    this.#nextOffset[partition] = (rows.lastOffset[row] as number) + 1
    if (rows.producerId[row] === NONE || rows.control[row] === CONTROL.other) return
    const producer = this.#producerOf(partition, rows.producerId[row] as number)
    if (rows.control[row] === CONTROL.data) this.#data(producer, rows, row)
    else this.#marker(producer, rows, row)
  }

  #producerOf(partition: number, producerId: number): ProducerInLog {
    const producers = (this.#producers[partition] ??= new Map<number, ProducerInLog>())
    let producer = producers.get(producerId)
    if (producer === undefined) {
      producer = {
        partition,
        producerId,
        epoch: NONE,
        writer: NONE,
        lastSequence: NONE,
        isBeginning: true,
        open: NOT_OPEN,
        openedAt: NONE,
        lastClosed: OUTSIDE,
        lastDataEpoch: NONE,
        coordinatorEpoch: NONE,
        markerEpoch: NONE,
        markerControl: CONTROL.data,
      }
      producers.set(producerId, producer)
    }
    return producer
  }

  #data(producer: ProducerInLog, rows: Table<'logBatch'>, row: number): void {
    const { values } = this.#evidence
    const baseOffset = rows.baseOffset[row] as number
    const lastOffset = rows.lastOffset[row] as number
    const producerEpoch = rows.producerEpoch[row] as number
    const isTransactional = rows.isTransactional[row] === 1
    if (producerEpoch < producer.epoch) {
      this.#report('A10', producer, baseOffset, OUTSIDE, () => {
        return `data of epoch ${producerEpoch} lies behind epoch ${producer.epoch}`
      })
      return
    }
    const log = this.#evidence.log(producer.partition)
    const first = log.values.find(baseOffset, lastOffset + 1, (value) => value >= 0)
    const firstValue = first === undefined ? OUTSIDE : log.values.get(first)
    const transaction = firstValue === OUTSIDE ? OUTSIDE : (values.transaction[firstValue] as number)
    this.#sequence(producer, log, rows, row)
    if (producerEpoch !== producer.epoch) producer.writer = NONE
    producer.epoch = producerEpoch
    producer.lastDataEpoch = producerEpoch
    producer.markerEpoch = NONE
    if (firstValue !== OUTSIDE) {
      this.#writer(producer, baseOffset, values.nameOf(firstValue).writer)
      const other = log.values.find(baseOffset, lastOffset + 1, (value) => {
        return value >= 0 && values.transaction[value] !== transaction
      })
      if (other !== undefined) {
        const otherId = values.transaction[log.values.get(other)] as number
        this.#report('A10', producer, other, otherId, () => {
          return `a batch of ${this.#name(transaction)} holds a value of ${this.#name(otherId)}`
        })
      }
    }
    if (isTransactional) this.#transactional(producer, baseOffset, firstValue !== OUTSIDE, transaction)
    else {
      if (producer.open !== NOT_OPEN) {
        this.#report('A10', producer, baseOffset, producer.open, () => {
          return `data outside of transactions lies within ${this.#name(producer.open)}`
        })
      }
      if (transaction !== OUTSIDE) {
        this.#report('A10', producer, baseOffset, transaction, () => {
          return `a value of ${this.#name(transaction)} lies in a batch that is not transactional`
        })
      }
    }
  }

  #transactional(producer: ProducerInLog, baseOffset: number, hasValues: boolean, transaction: number): void {
    if (hasValues && transaction === OUTSIDE) {
      this.#report('A10', producer, baseOffset, OUTSIDE, () => {
        return 'a value that was sent outside of transactions lies in a transactional batch'
      })
    }
    if (producer.open === NOT_OPEN) {
      if (transaction !== OUTSIDE && this.#isBehind(transaction, producer.lastClosed)) {
        this.#report('A10', producer, baseOffset, transaction, () => {
          return `data of ${this.#name(transaction)} lies behind the marker of ${this.#name(producer.lastClosed)}`
        })
      }
      producer.open = transaction
      producer.openedAt = baseOffset
      if (this.#keepsOpened && transaction !== OUTSIDE) this.#remember(producer.partition, baseOffset, transaction)
    } else if (producer.open === OPEN_UNNAMED) {
      producer.open = transaction
    } else if (hasValues && transaction !== producer.open) {
      this.#report('A10', producer, baseOffset, transaction, () => {
        return `data of ${this.#name(transaction)} lies within ${this.#name(producer.open)}`
      })
    }
  }

  #marker(producer: ProducerInLog, rows: Table<'logBatch'>, row: number): void {
    const offset = rows.baseOffset[row] as number
    const epoch = rows.producerEpoch[row] as number
    const control = rows.control[row] as number
    const coordinatorEpoch = rows.coordinatorEpoch[row] as number
    if (epoch < producer.epoch) {
      this.#report('A10', producer, offset, OUTSIDE, () => {
        return `a marker of epoch ${epoch} lies behind epoch ${producer.epoch}`
      })
      return
    }
    if (coordinatorEpoch !== NONE && coordinatorEpoch < producer.coordinatorEpoch) {
      this.#report('A10', producer, offset, producer.open, () => {
        return `a marker of coordinator epoch ${coordinatorEpoch} lies behind ${producer.coordinatorEpoch}`
      })
    }
    producer.coordinatorEpoch = Math.max(producer.coordinatorEpoch, coordinatorEpoch)
    if (producer.open !== NOT_OPEN) this.#close(producer, control)
    else if (this.#isRepeatedOtherwise(producer, epoch, control)) {
      const { lastClosed } = producer
      this.#report('A8', producer, offset, lastClosed, () => {
        return `the marker of ${this.#name(lastClosed)} is followed by one that says the opposite`
      })
    }
    if (epoch > producer.epoch) {
      producer.epoch = epoch
      producer.writer = NONE
      producer.lastSequence = NONE
    }
    // Where the log has been cut, the batches that came before this marker are not known.
    const { scanned } = this.#evidence.log(producer.partition)
    if (producer.lastDataEpoch !== NONE || scanned?.from === 0) producer.isBeginning = false
    producer.markerEpoch = epoch
    producer.markerControl = control
  }

  #close(producer: ProducerInLog, control: number): void {
    const { markers } = this.#evidence.transactions
    const id = producer.open
    producer.open = NOT_OPEN
    if (id === OPEN_UNNAMED) return
    producer.lastClosed = id
    markers[id] = (markers[id] as number) | (control === CONTROL.commitMarker ? COMMIT_MARKER : ABORT_MARKER)
  }

  /** The same epoch, above that of the data, so of the same transaction; with version 1 it may be of one that wrote nothing here. */
  #isRepeatedOtherwise(producer: ProducerInLog, epoch: number, control: number): boolean {
    return (
      producer.lastClosed !== OUTSIDE &&
      producer.markerEpoch === epoch &&
      epoch > producer.lastDataEpoch &&
      control !== producer.markerControl
    )
  }

  #sequence(producer: ProducerInLog, log: PartitionLog, rows: Table<'logBatch'>, row: number): void {
    const baseSequence = rows.baseSequence[row] as number
    if (baseSequence === NONE) return
    const baseOffset = rows.baseOffset[row] as number
    const epoch = rows.producerEpoch[row] as number
    const goesOn = epoch === producer.epoch && producer.lastSequence !== NONE
    const expected = goesOn ? (producer.lastSequence + 1) & SEQUENCE_MASK : 0
    const ahead = (baseSequence - expected) & SEQUENCE_MASK
    const mayBeAhead = producer.isBeginning || (log.shrinks && ahead < SEQUENCE_HALF)
    if (ahead !== 0 && !mayBeAhead) {
      this.#report('A11', producer, baseOffset, OUTSIDE, () => {
        return `a batch of epoch ${epoch} has sequence ${baseSequence} where ${expected} comes`
      })
    }
    producer.isBeginning = false
    producer.lastSequence = (baseSequence + (rows.lastOffset[row] as number) - baseOffset) & SEQUENCE_MASK
  }

  #writer(producer: ProducerInLog, offset: number, writer: number): void {
    if (producer.writer !== NONE && producer.writer !== writer) {
      const before = producer.writer
      this.#report('A10', producer, offset, OUTSIDE, () => {
        return `writers ${before} and ${writer} both wrote with epoch ${producer.epoch}`
      })
    }
    producer.writer = writer
  }

  /** Transactions of one writer come in the order of their numbers. */
  #isBehind(transaction: number, closed: number): boolean {
    if (closed === OUTSIDE || transaction > closed) return false
    const { transactions } = this.#evidence
    return transactions.nameOf(transaction).writer === transactions.nameOf(closed).writer
  }

  #remember(partition: number, offset: number, transaction: number): void {
    const opened = this.opened.get(partition) ?? { offsets: [], transactions: [] }
    opened.offsets.push(offset)
    opened.transactions.push(transaction)
    this.opened.set(partition, opened)
  }

  finish(): void {
    const { transactions } = this.#evidence
    for (const producers of this.#producers) {
      for (const producer of producers?.values() ?? []) if (producer.open !== NOT_OPEN) this.#hanging(producer)
    }
    for (let id = 0; id < transactions.length; id += 1) {
      if (((transactions.markers[id] as number) & (COMMIT_MARKER | ABORT_MARKER)) !== (COMMIT_MARKER | ABORT_MARKER))
        continue
      this.#evidence.findings.report('A8', { transactions: [id] }, () => {
        return `${this.#name(id)} has COMMIT markers in some partitions and ABORT markers in others`
      })
    }
  }

  #hanging(producer: ProducerInLog): void {
    const { transactions } = this.#evidence
    const id = producer.open
    if (id !== OPEN_UNNAMED) transactions.markers[id] = (transactions.markers[id] as number) | OPEN_AT_REST
    this.#report('A9', producer, producer.openedAt, id, () => {
      return `${this.#name(id)} is open since offset ${producer.openedAt} and has no marker`
    })
  }

  #name(transaction: number): string {
    return transaction === OUTSIDE ? 'a transaction that is not known' : this.#evidence.transactionName(transaction)
  }

  #report(code: Code, producer: ProducerInLog, offset: number, transaction: number, what: () => string): void {
    const involved = [transaction, producer.open].filter((id) => id >= 0)
    const anchor = { places: [{ partition: producer.partition, offset }], transactions: involved }
    const where = `${this.#evidence.placeName(producer.partition)} offset ${offset}, producer id ${producer.producerId}`
    this.#evidence.findings.report(code, anchor, () => `${what()} (${where})`)
  }
}
