import { describe, expect, test } from 'vitest'
import type { ProducerCore } from '../core/producer/producer-core.ts'
import type { Operation } from '../core/producer/transaction-manager.ts'
import type { ProducerState } from '../core/producer/transaction-table.ts'
import { KafkaError } from '../errors.ts'
import { Transaction } from './transaction.ts'

/** A transaction on a core that does as the test says. */
function scripted() {
  const core = {
    state: 'InTransaction' as ProducerState,
    error: undefined as KafkaError | undefined,
    ends: [] as { what: 'commit' | 'abort'; operation: Operation }[],
    commit: (operation: Operation) => void core.ends.push({ what: 'commit', operation }),
    abort: (operation: Operation) => void core.ends.push({ what: 'abort', operation }),
  }
  const tx = new Transaction({
    core: core as unknown as ProducerCore,
    nowMs: () => 0,
    wake: () => undefined,
    accept: () => Promise.resolve(),
    accepted: () => Promise.resolve(),
    flush: () => Promise.resolve(),
    dropWaiting: () => undefined,
  })
  return { core, tx }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

const UNKNOWN = new KafkaError('COMMIT_OUTCOME_UNKNOWN', 'no answer')

describe('abort', () => {
  test.each(['Uninitialized', 'Initializing'] as const)(
    'has happened when only the new epoch behind it did not come (%s)',
    async (state) => {
      const { core, tx } = scripted()
      const aborted = tx.abort()
      core.state = state
      core.ends[0]!.operation.failed(new KafkaError('REQUEST_TIMEOUT', 'no producer id'))
      await aborted
      expect(tx.isFinished).toBe(true)
    },
  )

  test('that is not confirmed may be repeated', async () => {
    const { core, tx } = scripted()
    const first = tx.abort()
    core.state = 'AbortingTransaction'
    core.ends[0]!.operation.failed(new KafkaError('REQUEST_TIMEOUT', 'not confirmed'))
    await expect(first).rejects.toThrow('not confirmed')
    expect(tx.isFinished).toBe(false)
    const second = tx.abort()
    core.ends[1]!.operation.succeeded()
    await second
    expect(tx.fate).toBe('aborted')
  })
})

describe('a commit of unknown outcome', () => {
  test('is watched; what comes of it is told to the next commit', async () => {
    const { core, tx } = scripted()
    const first = tx.commit()
    await turn()
    core.state = 'CommittingTransaction'
    core.ends[0]!.operation.failed(UNKNOWN)
    await expect(first).rejects.toThrow('COMMIT_OUTCOME_UNKNOWN')
    expect(tx.fate).toBe('unknown')
    // Still nothing, then it has happened.
    core.ends[1]!.operation.failed(UNKNOWN)
    core.ends[2]!.operation.succeeded()
    expect(tx.fate).toBe('committed')
    expect(tx.isFinished).toBe(false)
    await tx.commit()
    expect(tx.isFinished).toBe(true)
    expect(core.ends).toHaveLength(3)
  })

  test('that nobody will ever know ends the producer, and says so each time', async () => {
    const { core, tx } = scripted()
    const first = tx.commit()
    await turn()
    core.state = 'CommittingTransaction'
    core.ends[0]!.operation.failed(UNKNOWN)
    await expect(first).rejects.toThrow('no answer')
    core.state = 'FatalError'
    core.ends[1]!.operation.failed(new KafkaError('COMMIT_OUTCOME_UNKNOWN', 'fenced meanwhile'))
    await expect(tx.commit()).rejects.toThrow('fenced meanwhile')
    await expect(tx.commit()).rejects.toThrow('fenced meanwhile')
    await expect(tx.abort()).rejects.toThrow('fenced meanwhile')
    expect(tx.isFinished).toBe(true)
  })
})

test('a commit that was refused leaves the transaction to be aborted', async () => {
  const { core, tx } = scripted()
  const committed = tx.commit()
  await turn()
  core.state = 'AbortableError'
  core.ends[0]!.operation.failed(new KafkaError('TRANSACTION_ABORTABLE', 'no'))
  await expect(committed).rejects.toThrow('no')
  const aborted = tx.abort()
  core.ends[1]!.operation.succeeded()
  await aborted
  expect(tx.fate).toBe('aborted')
})

test('the signal is aborted as soon as the core has an error', () => {
  const { core, tx } = scripted()
  const { signal } = tx
  core.state = 'AbortableError'
  core.error = new KafkaError('TRANSACTION_ABORTABLE', 'why')
  tx.check()
  expect(signal.reason).toBe(core.error)
})
