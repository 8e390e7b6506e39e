import { expect, test } from 'vitest'
import { SimRandom } from '../../testing/sim-random.ts'
import { NO_TRANSACTION, READ_COMMITTED, type Row, TABLE_NAMES, type TableName } from '../history/tables.ts'
import { FollowingChecker } from './follow.ts'
import { Model } from './model.test-kit.ts'

const AT = { topic: 'orders', partition: 0 }
const OTHER = { topic: 'orders', partition: 1 }
const OPTIONS = { lateMs: 5, graceMs: 20 }

/** Rows by hand: the time goes on by one with each. */
class Tale {
  readonly checker = new FollowingChecker(OPTIONS)
  #now = 0

  constructor() {
    this.row('readerStarted', { reader: 1, process: 9, group: '', isolation: READ_COMMITTED, isSubscribed: 0 })
  }

  row<T extends TableName>(table: T, row: Omit<Row<T>, 'at'>): this {
    this.#now += 1
    this.checker.record(table, { ...row, at: this.#now } as unknown as Row<T>)
    return this
  }

  send(number: number, transaction = NO_TRANSACTION, partition = AT): this {
    return this.row('sendInvoked', { writer: 7, number, transaction, partition })
  }

  ack(number: number): this {
    return this.row('sendCompleted', { writer: 7, number, outcome: 'ok', offset: -1, error: '' })
  }

  asked(transaction: number, isCommit: 0 | 1): this {
    return this.row('transactionEnding', { writer: 7, transaction, isCommit })
  }

  told(transaction: number, outcome: 'ok' | 'fail' | 'unknown' = 'ok'): this {
    return this.row('transactionEnded', { writer: 7, transaction, outcome, error: '' })
  }

  read(number: number, offset: number, partition = AT): this {
    return this.row('read', { reader: 1, poll: 0, partition, offset, writer: 7, number })
  }

  end(): string[] {
    this.checker.finish()
    return this.checker.findings.map(({ code }) => code)
  }
}

test('an acknowledged value that was passed and that nobody is given is lost', () => {
  const tale = new Tale().send(0).ack(0).send(1).ack(1).send(2).ack(2).read(0, 0).read(2, 2)
  expect(tale.end()).toEqual(['A1'])
})

test('a value of unknown outcome may be missing', () => {
  expect(new Tale().send(0).ack(0).send(1).send(2).ack(2).read(0, 0).read(2, 1).end()).toEqual([])
})

test('a passed value that another reader is given in time is not lost', () => {
  const tale = new Tale().send(0).ack(0).send(1).ack(1).read(1, 1)
  tale.row('readerStarted', { reader: 2, process: 9, group: '', isolation: READ_COMMITTED, isSubscribed: 0 })
  tale.row('read', { reader: 2, poll: 0, partition: AT, offset: 0, writer: 7, number: 0 })
  expect(tale.end()).toEqual([])
})

test('a value at a second place is a duplicate', () => {
  expect(new Tale().send(0).send(1).read(0, 0).read(1, 1).read(0, 2).end()).toEqual(['A3'])
})

test('a value of a transaction that was aborted is not to be read', () => {
  expect(new Tale().send(0, 1).asked(1, 0).told(1).read(0, 0).end()).toEqual(['A5'])
  expect(new Tale().send(0, 1).asked(1, 1).told(1, 'fail').read(0, 0).end()).toEqual(['A5'])
})

test('a value of a transaction that nobody has asked to commit is not to be read', () => {
  expect(new Tale().send(0, 1).read(0, 0).end()).toEqual(['A6'])
})

test('a commit whose answer was lost may show either way, but not half of it', () => {
  const half = () => new Tale().send(0, 1).send(1, 1, OTHER).send(2, 1, OTHER).asked(1, 1).told(1, 'unknown')
  expect(half().end()).toEqual([])
  expect(half().read(0, 0).read(1, 0, OTHER).read(2, 1, OTHER).end()).toEqual([])
  expect(half().read(0, 0).read(2, 1, OTHER).end()).toEqual(['A1', 'A7'])
})

test('a reader with partitions of its own does not go back, unless it was moved', () => {
  const two = () => new Tale().send(0).send(1).read(0, 0).read(1, 1)
  expect(two().read(0, 0).end()).toEqual(['A14'])
  const sought = { reader: 1, partition: AT, change: 3, generation: -1, offset: 0 }
  expect(two().row('assignment', sought).read(0, 0).end()).toEqual([])
})

test('what a reader did may be told before what the writer did', () => {
  const tale = new Tale().read(0, 0).read(1, 1).send(0).ack(0).send(1).ack(1)
  expect(tale.end()).toEqual([])
})

test('nothing is found while it follows runs in which nothing is wrong', () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const random = new SimRandom(seed)
    const { draft } = new Model(seed, (limit) => random.below(limit)).run()
    const rows = TABLE_NAMES.flatMap((table) => draft.rows[table].map((row) => ({ table, row })))
    const timed = rows.filter(({ row }) => 'at' in row).sort((a, b) => timeOf(a.row) - timeOf(b.row))
    const checker = new FollowingChecker(OPTIONS)
    for (const { table, row } of timed) checker.record(table, row)
    checker.finish()
    expect(checker.findings, `seed ${seed}`).toEqual([])
    expect(checker.counts.read).toBe(draft.rows.read.length)
  }
})

function timeOf(row: object): number {
  return (row as { at: number }).at
}

test('what it remembers does not grow with the run: writers come and go, and are not told', () => {
  const checker = new FollowingChecker({ lateMs: 5, graceMs: 20 })
  const started = { reader: 1, process: 9, group: '', isolation: READ_COMMITTED, isSubscribed: 0, at: 0 }
  checker.record('readerStarted', started)
  let now = 0
  let offset = 0
  let most = 0
  for (let writer = 0; writer < 1_000; writer += 1) {
    checker.record('writerStarted', { writer, process: writer, transactionalId: 't', at: now })
    for (let number = 0; number < 100; number += 1) {
      const transaction = 1 + Math.floor(number / 10)
      now += 1
      checker.record('sendInvoked', { writer, number, transaction, partition: AT, at: now })
      if (number % 10 !== 9) continue
      const isCommit = transaction % 3 === 0 ? 0 : 1
      checker.record('transactionEnding', { writer, transaction, isCommit, at: now })
      const outcome = transaction % 3 === 1 ? 'ok' : 'unknown'
      checker.record('transactionEnded', { writer, transaction, outcome, error: '', at: now })
      if (isCommit === 0) continue
      for (let given = number - 9; given <= number; given += 1, offset += 1) {
        checker.record('read', { reader: 1, poll: 0, partition: AT, offset, writer, number: given, at: now })
      }
    }
    checker.record('processEnded', { process: writer, cause: 'killed', at: now })
    most = Math.max(most, checker.remembered)
  }
  checker.finish()
  expect(checker.findings).toEqual([])
  expect(checker.counts.sent).toBe(100_000)
  expect(most).toBeLessThan(300)
})

test('rows before and after a fault and a finding are kept in full, and a bounded number of them', () => {
  const tale = new Tale()
  for (let number = 0; number < 10_000; number += 1) tale.send(number)
  tale.row('fault', { kind: 'kill', target: 'broker', detail: '', until: 1 })
  for (let number = 10_000; number < 20_000; number += 1) tale.send(number)
  const [window] = tale.checker.windows
  expect(window?.because).toBe('fault kill broker')
  const numbers = (window?.rows ?? []).flatMap(({ table, row }) =>
    table === 'sendInvoked' ? [(row as Row<'sendInvoked'>).number] : [],
  )
  expect(numbers[0]).toBe(8_001)
  expect(numbers.at(-1)).toBe(11_999)
})
