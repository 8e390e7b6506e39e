import { describe, expect, test } from 'vitest'
import { describeTransactions, listTransactions } from './transaction-listing.ts'
import { TransactionShell } from './transaction-shell.test-kit.ts'

function shellWithAll(): TransactionShell {
  const shell = new TransactionShell()
  const idle = shell.init({ id: 'idle' })
  expect(idle.producerId).toBe(1000)
  const old = shell.init({ id: 'open-old' })
  shell.add(old, { id: 'open-old', partitions: [0, 2] })
  shell.nowMs += 10_000
  const young = shell.init({ id: 'open-young' })
  shell.add(young, { id: 'open-young' })
  const done = shell.init({ id: 'done' })
  shell.add(done, { id: 'done' })
  shell.end(done, true, 5, 'done')
  shell.complete()
  return shell
}

const ALL = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null }
const prefix = (pattern: string) => (pattern === '(' ? undefined : (id: string) => id.startsWith(pattern))

describe('ListTransactions', () => {
  test.each([
    ['all', {}, ['idle', 'open-old', 'open-young', 'done']],
    ['by state', { stateFilters: ['Ongoing'] }, ['open-old', 'open-young']],
    ['by several states', { stateFilters: ['Empty', 'CompleteCommit'] }, ['idle', 'done']],
    ['by a state that is never seen', { stateFilters: ['Dead'] }, []],
    ['by producer id', { producerIdFilters: [1000, 1003] }, ['idle', 'done']],
    [
      'by age: who has no transaction counts as older than any, as in Kafka',
      { durationFilter: 5000 },
      ['idle', 'open-old'],
    ],
    ['by age, to the millisecond', { durationFilter: 10_000, stateFilters: ['Ongoing'] }, []],
    ['by pattern', { transactionalIdPattern: 'open' }, ['open-old', 'open-young']],
    ['an empty pattern is none', { transactionalIdPattern: '' }, ['idle', 'open-old', 'open-young', 'done']],
    ['by all at once', { transactionalIdPattern: 'open', producerIdFilters: [1001], durationFilter: 1 }, ['open-old']],
  ])('%s', (_, filters, expected) => {
    const shell = shellWithAll()
    const reply = listTransactions(shell.coordinator, { ...ALL, ...filters }, prefix, shell.nowMs)
    expect(reply.errorCode).toBe('NONE')
    expect(reply.unknownStateFilters).toEqual([])
    expect(reply.transactionStates.map(({ transactionalId }) => transactionalId)).toEqual(expected)
  })

  test('unknown states are named in the answer and find nothing', () => {
    const shell = shellWithAll()
    const reply = listTransactions(shell.coordinator, { ...ALL, stateFilters: ['Open', 'Empty'] }, prefix, shell.nowMs)
    expect(reply.unknownStateFilters).toEqual(['Open'])
    expect(reply.transactionStates).toEqual([{ transactionalId: 'idle', producerId: 1000, transactionState: 'Empty' }])
    const nothing = listTransactions(shell.coordinator, { ...ALL, stateFilters: ['Open'] }, prefix, shell.nowMs)
    expect(nothing.transactionStates).toEqual([])
  })

  test('what is no pattern is refused', () => {
    const shell = shellWithAll()
    const reply = listTransactions(shell.coordinator, { ...ALL, transactionalIdPattern: '(' }, prefix, shell.nowMs)
    expect(reply).toMatchObject({ errorCode: 'INVALID_REGULAR_EXPRESSION', transactionStates: [] })
  })
})

test('DescribeTransactions tells what is open, and of ids it does not know that it does not', () => {
  const shell = shellWithAll()
  const { transactionStates } = describeTransactions(shell.coordinator, ['open-old', 'done', 'nobody', ''])
  expect(transactionStates).toMatchObject([
    {
      errorCode: 'NONE',
      transactionState: 'Ongoing',
      producerId: 1001,
      producerEpoch: 0,
      transactionTimeoutMs: 60_000,
      transactionStartTimeMs: shell.nowMs - 10_000,
      topics: [{ topic: 't', partitions: [0, 2] }],
    },
    { errorCode: 'NONE', transactionState: 'CompleteCommit', producerEpoch: 1, topics: [] },
    { errorCode: 'TRANSACTIONAL_ID_NOT_FOUND', transactionalId: 'nobody' },
    { errorCode: 'INVALID_REQUEST', transactionalId: '' },
  ])
})
