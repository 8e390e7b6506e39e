import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { KafkaError } from '../../errors.ts'
import { FakeCluster, Told } from './producer.test-kit.ts'
import { TransactionManager } from './transaction-manager.ts'
import type { ProducerEvent, ProducerState } from './transaction-table.ts'
import { PRODUCER_TABLE } from './transaction-table.ts'

const STATES = Object.keys(PRODUCER_TABLE) as ProducerState[]
const EVENTS = Object.keys(PRODUCER_TABLE.Ready) as ProducerEvent[]
const SHORT: Readonly<Record<string, string>> = {
  Committing: 'CommittingTransaction',
  Aborting: 'AbortingTransaction',
  '–': 'impossible',
}

test('the table is the one that SPEC.md draws', () => {
  const spec = readFileSync(new URL('./SPEC.md', import.meta.url), 'utf8')
  const lines = spec.split('\n')
  const start = lines.findIndex((line) => line.startsWith('| event | Uninitialized'))
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => SHORT[cell.trim()] ?? cell.trim())
  const states = cells(lines[start]!).slice(1)
  expect(states).toEqual(STATES)
  const drawn = lines.slice(start + 2, start + 2 + EVENTS.length).map(cells)
  expect(drawn.map(([event]) => event)).toEqual(EVENTS)
  for (const [event, ...outcomes] of drawn) {
    expect([event, ...outcomes]).toEqual([
      event,
      ...STATES.map((state) => PRODUCER_TABLE[state][event as ProducerEvent]),
    ])
  }
})

/** A manager that was brought to the state by what leads there. */
function managerIn(state: ProducerState): TransactionManager {
  const holder = { hasIncomplete: false, hasInFlight: false, resetSequences: () => undefined, abandon: () => undefined }
  const manager = new TransactionManager(
    {
      transactionalId: 'tx',
      transactionTimeoutMs: 1,
      requestTimeoutMs: 1,
      retryBackoffMs: 1,
      retryBackoffMaxMs: 1,
      maxBlockMs: 1_000,
      transactionVersion: 'auto',
      random: () => 0,
    },
    new FakeCluster(),
    holder,
  )
  const nobody = new Told()
  const group = { groupId: 'g', generationId: -1, memberId: '', groupInstanceId: null }
  const reply = (response: object): void => {
    const { requests } = manager.poll(0, () => 1)
    expect(requests).toHaveLength(1)
    manager.onReply(1, { ok: true, response, version: 5, nodeId: 0, broker: 'b' } as never, 0)
  }
  const steps: Readonly<Record<ProducerState, readonly (() => void)[]>> = {
    Uninitialized: [],
    Initializing: [() => manager.init(nobody, 0)],
    Ready: [() => manager.init(nobody, 0), () => reply({ errorCode: 'NONE', producerId: 1, producerEpoch: 0 })],
    InTransaction: [
      ...[() => manager.init(nobody, 0), () => reply({ errorCode: 'NONE', producerId: 1, producerEpoch: 0 })],
      () => void manager.begin(),
      // So that there is something to end.
      () => manager.sendOffsets(new Map([['t', new Map([[0, { offset: 1 }]])]]), group, nobody, 0),
    ],
    CommittingTransaction: [],
    AbortingTransaction: [],
    AbortableError: [],
    FatalError: [() => manager.fatal(new KafkaError('PRODUCER_FENCED', 'x'))],
  }
  const after: Partial<Record<ProducerState, () => void>> = {
    CommittingTransaction: () => manager.commit(nobody, 0),
    AbortingTransaction: () => manager.abort(nobody, 0),
    AbortableError: () => manager.abortable(new KafkaError('TRANSACTION_ABORTABLE', 'x')),
  }
  const last = after[state]
  for (const step of last === undefined ? steps[state] : steps.InTransaction) step()
  last?.()
  expect(manager.state).toBe(state)
  return manager
}

describe.each(STATES)('a call by the user in state %s', (state) => {
  test.each(['init', 'begin', 'write', 'commit', 'abort'] as const)('%s', (event) => {
    const outcome = PRODUCER_TABLE[state][event]
    const manager = managerIn(state)
    const told = new Told()
    if (event === 'init') manager.init(told, 0)
    else if (event === 'commit') manager.commit(told, 0)
    else if (event === 'abort') manager.abort(told, 0)
    else {
      const refusal = event === 'begin' ? manager.begin() : manager.checkWrite()
      if (refusal !== undefined) told.failed(refusal)
    }
    if (outcome === 'refuse') {
      expect(told.outcomes).toEqual(['ILLEGAL_STATE'])
      expect(manager.state).toBe(state)
    } else if (outcome === 'fail') {
      expect(told.error).toBe(manager.error)
      expect(told.error).toBeInstanceOf(KafkaError)
      expect(manager.state).toBe(state)
    } else {
      expect(told.error).toBeUndefined()
      expect(manager.state).toBe(outcome === 'stay' ? state : outcome)
    }
  })
})

describe.each(STATES)('a failure in state %s', (state) => {
  test.each(['abortable', 'fatal'] as const)('%s', (event) => {
    const outcome = PRODUCER_TABLE[state][event]
    const manager = managerIn(state)
    const before = manager.error
    const act = (): void => manager[event](new KafkaError('TRANSACTION_ABORTABLE', 'why'))
    if (outcome === 'impossible') {
      expect(act).toThrow(`${event} in state ${state}`)
      return
    }
    act()
    expect(manager.state).toBe(outcome === 'ignore' ? state : outcome)
    if (outcome === 'ignore') expect(manager.error).toBe(before)
    else expect(manager.error?.message).toContain('why')
  })
})

describe('answers', () => {
  test('an id leads from Initializing to Ready, a refusal back', () => {
    const manager = managerIn('Initializing')
    manager.poll(0, () => 1)
    const refusal = { errorCode: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', producerId: -1, producerEpoch: -1 }
    manager.onReply(1, { ok: true, response: refusal, version: 5, nodeId: 0, broker: 'b' } as never, 0)
    expect(manager.state).toBe(PRODUCER_TABLE.Initializing.initRefused)
    expect(managerIn('Ready').state).toBe(PRODUCER_TABLE.Initializing.initialized)
  })

  test.each(['CommittingTransaction', 'AbortingTransaction'] as const)(
    'an EndTxn that is answered ends %s',
    (state) => {
      const manager = managerIn(state)
      const answer = (response: object): string[] => {
        const { requests } = manager.poll(0, () => 1)
        manager.onReply(1, { ok: true, response, version: 5, nodeId: 0, broker: 'b' } as never, 0)
        return requests.map(({ api }) => api.name)
      }
      if (state === 'CommittingTransaction') {
        const partitions = [{ partitionIndex: 0, errorCode: 'NONE' }]
        expect(answer({ topics: [{ name: 't', partitions }] })).toEqual(['TxnOffsetCommit'])
      }
      expect(answer({ errorCode: 'NONE', producerId: 1, producerEpoch: 1 })).toEqual(['EndTxn'])
      expect(manager.state).toBe(PRODUCER_TABLE[state].ended)
      expect(manager.identity).toEqual({ producerId: 1, producerEpoch: 1 })
    },
  )
})
