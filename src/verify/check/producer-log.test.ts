import { describe, expect, test } from 'vitest'
import { CONTROL, NO_TRANSACTION, NONE } from '../history/tables.ts'
import { check } from './check.ts'
import { Draft } from './draft.test-kit.ts'

const AT = { topic: 'orders', partition: 0 }
const PRODUCER = 5

/** The log of one partition by hand, and what its producers sent. Transactions that were not told otherwise have asked to commit. */
class Log {
  readonly draft = new Draft()
  readonly #numbers = new Map<number, number>()
  readonly #begun = new Set<string>()
  #offset: number
  readonly #from: number

  constructor(from = 0) {
    this.#from = from
    this.#offset = from
  }

  data(epoch: number, sequence: number, count: number, transaction = NO_TRANSACTION, writer = 1): this {
    if (transaction !== NO_TRANSACTION && !this.#begun.has(`${writer} ${transaction}`)) {
      this.#begun.add(`${writer} ${transaction}`)
      this.draft.add('transactionBegun', { writer, transaction, at: 1 })
      this.draft.add('transactionEnding', { writer, transaction, isCommit: 1, at: 2 })
    }
    this.#batch(epoch, sequence, CONTROL.data, count, transaction === NO_TRANSACTION ? 0 : 1, NONE)
    for (let index = 0; index < count; index += 1) {
      const number = this.#numbers.get(writer) ?? 0
      this.#numbers.set(writer, number + 1)
      this.draft.add('sendInvoked', { writer, number, transaction, partition: AT, at: 1 })
      this.draft.add('logRecord', { scan: 0, partition: AT, offset: this.#offset + index, writer, number })
    }
    this.#offset += count
    return this
  }

  marker(epoch: number, decision: 'commit' | 'abort', coordinatorEpoch = 1): this {
    const control = decision === 'commit' ? CONTROL.commitMarker : CONTROL.abortMarker
    this.#batch(epoch, NONE, control, 1, 1, coordinatorEpoch)
    this.#offset += 1
    return this
  }

  #batch(
    epoch: number,
    sequence: number,
    control: number,
    count: number,
    isTransactional: number,
    coordinator: number,
  ) {
    this.draft.add('logBatch', {
      scan: 0,
      partition: AT,
      baseOffset: this.#offset,
      lastOffset: this.#offset + count - 1,
      producerId: PRODUCER,
      producerEpoch: epoch,
      baseSequence: sequence,
      isTransactional,
      control,
      coordinatorEpoch: coordinator,
    })
  }

  codes(): string[] {
    this.draft.add('logScan', { scan: 0, partition: AT, from: this.#from, to: this.#offset, at: 100 })
    return check(this.draft.history()).anomalies.map(({ code }) => code)
  }
}

describe('what Kafka allows', () => {
  test.each([
    [
      'version 1: markers of the epoch of the data, sequences go on',
      new Log().data(0, 0, 2, 1).marker(0, 'commit').data(0, 2, 1, 2).marker(0, 'abort'),
    ],
    [
      'version 2: each marker raises the epoch, sequences begin anew',
      new Log().data(0, 0, 2, 1).marker(1, 'commit').data(1, 0, 1, 2).marker(2, 'abort'),
    ],
    [
      'the coordinator fences: its marker has a higher epoch than the data',
      new Log().data(3, 0, 2, 1).marker(4, 'abort').data(5, 0, 1, 1, 2).marker(5, 'commit'),
    ],
    [
      'a marker that is repeated',
      new Log().data(0, 0, 1, 1).marker(1, 'commit').marker(1, 'commit').data(1, 0, 1, 2).marker(2, 'commit'),
    ],
    [
      'version 1: markers of transactions that wrote nothing here',
      new Log().data(0, 0, 1, 1).marker(0, 'commit').marker(0, 'abort').marker(0, 'commit'),
    ],
    ['a marker before any data', new Log().marker(0, 'abort').data(0, 0, 1, 1).marker(0, 'commit')],
    ['sequences begin again after the last one', new Log().data(0, 2 ** 31 - 2, 2).data(0, 0, 1)],
    ['a batch across the end of sequences', new Log().data(0, 2 ** 31 - 1, 3).data(0, 2, 1)],
    ['of a producer that is not known any sequence', new Log().data(0, 17, 2).data(0, 19, 1)],
    [
      'where the log was cut off, any sequence behind a marker',
      new Log(50).marker(0, 'commit').data(0, 8, 1, 2).marker(0, 'commit'),
    ],
    ['an epoch of its own after a batch that was given up', new Log().data(0, 0, 5).data(1, 0, 1)],
  ])('%s', (_name, log) => {
    expect(log.codes()).toEqual([])
  })
})

describe('what should have been refused', () => {
  test.each([
    ['A10', 'data of an older epoch', new Log().data(2, 0, 1).data(1, 0, 1)],
    [
      'A10',
      'version 2: data of the epoch that a marker has ended',
      new Log().data(0, 0, 1, 1).marker(1, 'commit').data(0, 1, 1, 1),
    ],
    [
      'A10',
      'version 1: data behind the marker of its own transaction',
      new Log().data(0, 0, 1, 1).marker(0, 'abort').data(0, 1, 1, 1).marker(0, 'abort'),
    ],
    ['A10', 'a marker of an older epoch', new Log().data(2, 0, 1, 1).marker(1, 'abort').marker(2, 'commit')],
    [
      'A10',
      'a marker of an older coordinator',
      new Log().data(0, 0, 1, 1).marker(0, 'commit', 4).data(0, 1, 1, 2).marker(0, 'commit', 3),
    ],
    ['A10', 'data of one transaction within another', new Log().data(0, 0, 1, 1).data(0, 1, 1, 2).marker(0, 'commit')],
    ['A10', 'data outside of transactions within one', new Log().data(0, 0, 1, 1).data(0, 1, 1).marker(0, 'commit')],
    ['A10', 'two writers with one epoch', new Log().data(0, 0, 1).data(0, 1, 1, NO_TRANSACTION, 2)],
    ['A11', 'a sequence that is left out', new Log().data(0, 0, 2).data(0, 3, 1)],
    ['A11', 'a sequence that is used twice', new Log().data(0, 0, 2).data(0, 1, 1)],
    ['A11', 'a new epoch that does not begin with 0', new Log().data(0, 0, 2).data(1, 2, 1)],
    [
      'A11',
      'sequences that go on over a marker that raised the epoch',
      new Log().data(0, 0, 2, 1).marker(1, 'commit').data(1, 2, 1, 2).marker(2, 'commit'),
    ],
    [
      'A11',
      'after a marker alone, in a log from its beginning',
      new Log().marker(0, 'commit').data(0, 8, 1, 2).marker(0, 'commit'),
    ],
    [
      'A8',
      'version 2: a second marker that says the opposite',
      new Log().data(0, 0, 1, 1).marker(1, 'commit').marker(1, 'abort'),
    ],
  ])('%s: %s', (code, _name, log) => {
    expect(log.codes()).toContain(code)
  })
})
