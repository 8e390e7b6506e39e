/** Every cell of the table in SPEC.md: a state, what comes in, what is answered, and the state after it. */
import { describe, expect, test } from 'vitest'
import { EXPIRATION_MS, TransactionShell, V1, V2 } from './transaction-shell.test-kit.ts'
import { TRANSACTION_STATES } from './transaction-metadata.ts'
import type { TransactionState } from './transaction-metadata.ts'

const EVENTS = {
  init: (shell) => shell.init().errorCode,
  add: (shell) => shell.add(shell.producer)[0],
  verify: (shell) => shell.verify(shell.producer)[0],
  'commit v1': (shell) => shell.end(shell.producer, true, V1).errorCode,
  'abort v1': (shell) => shell.end(shell.producer, false, V1).errorCode,
  'commit v2': (shell) => shell.end(shell.producer, true, V2).errorCode,
  'commit v2, retry': (shell) => shell.end(before(shell), true, V2).errorCode,
  'abort v2': (shell) => shell.end(shell.producer, false, V2).errorCode,
  'abort v2, retry': (shell) => shell.end(before(shell), false, V2).errorCode,
  timeout: (shell) => (shell.pass(90_000), 'NONE'),
  expiry: (shell) => (shell.pass(EXPIRATION_MS), 'NONE'),
  markers: (shell) => {
    const { producerId, producerEpoch } = shell.producer
    const intent = { transactionalId: 'transfers-1', producerId, producerEpoch, coordinatorEpoch: 1 }
    const rest = { committed: true, transactionVersion: 2, partitions: [] }
    shell.append(shell.coordinator.markersWritten({ ...intent, ...rest }, [], shell.nowMs).records)
    return 'NONE'
  },
} satisfies Record<string, (shell: TransactionShell) => string | undefined>

type Event = keyof typeof EVENTS

function before(shell: TransactionShell) {
  const { producerId, producerEpoch } = shell.producer
  return { producerId, producerEpoch: producerEpoch - 1 }
}

/** The answer, and the state after it where that is another one. */
type Cell = readonly [answer: string, after?: TransactionState | 'unknown']

const AGAIN: Cell = ['CONCURRENT_TRANSACTIONS']
const FENCED: Cell = ['PRODUCER_FENCED']
const REFUSED: Cell = ['INVALID_TXN_STATE']
const NOTHING: Cell = ['NONE']
const DECIDED: Omit<Record<Event, Cell>, 'timeout' | 'expiry' | 'markers'> = {
  init: AGAIN,
  add: AGAIN,
  verify: AGAIN,
  'commit v1': AGAIN,
  'abort v1': AGAIN,
  'commit v2': AGAIN,
  'commit v2, retry': AGAIN,
  'abort v2': AGAIN,
  'abort v2, retry': AGAIN,
}

const TABLE: Record<TransactionState, Record<Event, Cell>> = {
  Empty: {
    init: ['NONE'],
    add: ['NONE', 'Ongoing'],
    verify: ['TRANSACTION_ABORTABLE'],
    'commit v1': REFUSED,
    'abort v1': REFUSED,
    'commit v2': REFUSED,
    'commit v2, retry': FENCED,
    'abort v2': ['NONE', 'PrepareAbort'],
    'abort v2, retry': FENCED,
    timeout: NOTHING,
    expiry: ['NONE', 'unknown'],
    markers: ['throws'],
  },
  Ongoing: {
    init: ['CONCURRENT_TRANSACTIONS', 'PrepareAbort'],
    add: ['NONE'],
    verify: ['NONE'],
    'commit v1': ['NONE', 'PrepareCommit'],
    'abort v1': ['NONE', 'PrepareAbort'],
    'commit v2': ['NONE', 'PrepareCommit'],
    'commit v2, retry': FENCED,
    'abort v2': ['NONE', 'PrepareAbort'],
    'abort v2, retry': FENCED,
    timeout: ['NONE', 'PrepareAbort'],
    // It has timed out long before.
    expiry: ['NONE', 'PrepareAbort'],
    markers: ['throws'],
  },
  PrepareCommit: { ...DECIDED, timeout: NOTHING, expiry: NOTHING, markers: ['NONE', 'CompleteCommit'] },
  PrepareAbort: { ...DECIDED, timeout: NOTHING, expiry: NOTHING, markers: ['NONE', 'CompleteAbort'] },
  CompleteCommit: {
    init: ['NONE', 'Empty'],
    add: ['NONE', 'Ongoing'],
    verify: ['TRANSACTION_ABORTABLE'],
    'commit v1': ['NONE'],
    'abort v1': REFUSED,
    'commit v2': REFUSED,
    'commit v2, retry': ['NONE'],
    'abort v2': ['NONE', 'PrepareAbort'],
    'abort v2, retry': REFUSED,
    timeout: NOTHING,
    expiry: ['NONE', 'unknown'],
    markers: ['throws'],
  },
  CompleteAbort: {
    init: ['NONE', 'Empty'],
    add: ['NONE', 'Ongoing'],
    verify: ['TRANSACTION_ABORTABLE'],
    'commit v1': REFUSED,
    'abort v1': ['NONE'],
    'commit v2': REFUSED,
    // Deviation: INVALID_TXN_STATE in Kafka (KAFKA-20785).
    'commit v2, retry': FENCED,
    'abort v2': ['NONE', 'PrepareAbort'],
    'abort v2, retry': ['NONE'],
    timeout: NOTHING,
    expiry: ['NONE', 'unknown'],
    markers: ['throws'],
  },
}

/** A coordinator with the id in a state, at an epoch that has one before it. */
function shellIn(state: TransactionState): TransactionShell {
  const shell = new TransactionShell()
  shell.init()
  const producer = shell.init()
  if (state === 'Empty') return shell
  shell.add(producer)
  if (state === 'Ongoing') return shell
  shell.end(producer, state.endsWith('Commit'))
  if (state.startsWith('Complete')) shell.complete()
  return shell
}

describe.each(TRANSACTION_STATES)('in %s', (state) => {
  test.each(Object.entries(TABLE[state]) as [Event, Cell][])('%s: %j', (event, [answer, after = state]) => {
    const shell = shellIn(state)
    expect(shell.state).toBe(state)
    const writtenBefore = shell.log.length
    if (answer === 'throws') {
      expect(() => EVENTS[event](shell)).toThrow(/is completed by nothing/)
    } else {
      expect(EVENTS[event](shell)).toBe(answer)
    }
    expect(shell.state).toBe(after)
    // One record where something changes, none where nothing does; a new epoch in Empty is a change.
    const isChange = after !== state || (state === 'Empty' && event === 'init')
    expect(shell.log.length - writtenBefore).toBe(isChange ? 1 : 0)
  })
})
