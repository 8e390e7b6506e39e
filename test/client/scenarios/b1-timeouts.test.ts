/**
 * Known bugs around transactions that the coordinator ends because their time is up, as far as a client has a part in them
 * (rows 2, 12 and 14 of the project's list): nothing of such a transaction is seen, nobody is told that it was committed, nothing
 * is left open, and the client can go on.
 */
import { expect, test } from 'vitest'
import { KafkaError } from '../../../src/client/errors.ts'
import type { Producer } from '../../../src/client/producer/producer.ts'
import { GROUP, inScenario, type Scenario, type TransactionVersion } from './scenario-kit.ts'

const VERSIONS: readonly TransactionVersion[] = [1, 2]
const TRANSACTION_TIMEOUT_MS = 3_000
/** Beyond it, and the coordinator's look for such transactions. */
const TIMED_OUT_MS = 5_000

const start = (scenario: Scenario, version: TransactionVersion): Producer =>
  scenario.transactional(version, { transactionTimeoutMs: TRANSACTION_TIMEOUT_MS, maxBlockMs: 20_000 })

/** Commits with what is left of the producer or, when it says that it is of no more use, with a new one. */
async function goOn(scenario: Scenario, version: TransactionVersion, producer: Producer, value: string): Promise<void> {
  const commit = (one: Producer): Promise<void> => one.transaction(async (tx) => tx.send('t', { value, partition: 0 }))
  try {
    await commit(producer)
  } catch (error) {
    expect(error).toMatchObject({ recovery: 'restart-producer' })
    await producer.close({ timeoutMs: 1_000 })
    await commit(start(scenario, version))
  }
}

test.each(VERSIONS)(
  'B1.2 KIP-890: a batch that arrives after the marker of its transaction opens none, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      const producer = start(scenario, version)
      const tx = await producer.begin()
      await tx.send('t', { value: 'early', partition: 0 })
      await tx.flush()
      const held = scenario.meddler.on({
        api: 'Produce',
        times: Number.POSITIVE_INFINITY,
        action: { do: 'hold request' },
      })
      await tx.send('t', { value: 'late', partition: 0 })
      await held.struck()
      await scenario.sleep(TIMED_OUT_MS)
      held.remove()
      const error: unknown = await tx.commit().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(KafkaError)
      expect(['abort-transaction', 'restart-producer']).toContain((error as KafkaError).recovery)
      if ((error as KafkaError).recovery === 'abort-transaction') await tx.abort().catch(() => undefined)
      await goOn(scenario, version, producer, 'after')
      await scenario.settled()
      expect(await scenario.committed()).toEqual([['after'], []])
    })
  },
)

test.each(VERSIONS)(
  'B1.12 KAFKA-20785: a commit that comes when the coordinator has aborted is no success, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      const producer = start(scenario, version)
      const tx = await producer.begin()
      await tx.send('t', { value: 'lost', partition: 0 })
      await tx.sendOffsets([{ topic: 't', partition: 0, offset: 1 }], GROUP)
      await tx.flush()
      const held = scenario.meddler.on({
        api: 'EndTxn',
        times: Number.POSITIVE_INFINITY,
        action: { do: 'hold request' },
      })
      const outcome = tx.commit().then(
        () => undefined,
        (reason: unknown) => reason,
      )
      await scenario.sleep(TIMED_OUT_MS)
      held.remove()
      const error = await outcome
      expect(error).toBeInstanceOf(KafkaError)
      // The first EndTxn may have got through, as far as the client can know.
      expect(error).toMatchObject({ code: 'COMMIT_OUTCOME_UNKNOWN', recovery: 'restart-producer' })
      await goOn(scenario, version, producer, 'after')
      await scenario.settled()
      expect(await scenario.committed()).toEqual([['after'], []])
      expect(await scenario.committedOffset()).toBe(-1)
    })
  },
)

test.each(VERSIONS)(
  'B1.14 KAFKA-6119, 5231: whose transaction was aborted for its age does not go on in it, version %i',
  async (version) => {
    await inScenario(async (scenario) => {
      const producer = start(scenario, version)
      const tx = await producer.begin()
      await tx.send('t', { value: 'early', partition: 0 })
      await tx.flush()
      await scenario.sleep(TIMED_OUT_MS)
      await tx.send('t', { value: 'late', partition: 0 }).catch(() => undefined)
      await tx.send('t', { value: 'late', partition: 1 }).catch(() => undefined)
      const error: unknown = await tx.commit().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(KafkaError)
      expect((error as KafkaError).code, 'it is known not to be committed').not.toBe('COMMIT_OUTCOME_UNKNOWN')
      if ((error as KafkaError).recovery === 'abort-transaction') await tx.abort().catch(() => undefined)
      await goOn(scenario, version, producer, 'after')
      await scenario.settled()
      expect(await scenario.committed()).toEqual([['after'], []])
    })
  },
)

test.each(
  VERSIONS.flatMap((version) =>
    ['Produce', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn', 'InitProducerId']
      .filter((api) => version === 1 || !['AddPartitionsToTxn', 'AddOffsetsToTxn'].includes(api))
      .map((api) => [api, version] as const),
  ),
)('F13 %s, version %i: what is late by more than the time of a transaction changes nothing', async (api, version) => {
  await inScenario(async (scenario) => {
    let producer = start(scenario, version)
    scenario.meddler.on({
      api,
      skip: api === 'InitProducerId' ? 0 : 1,
      action: { do: 'delay request', ms: TIMED_OUT_MS },
    })
    const values = Array.from({ length: 24 }, (_, n) => String(n).padStart(2, '0'))
    for (const [n, value] of values.entries()) {
      for (let attempt = 0; ; attempt++) {
        expect(attempt).toBeLessThan(5)
        try {
          await producer.transaction(async (tx) => {
            for (const partition of [0, 1]) await tx.send('t', { value, partition })
            await tx.sendOffsets([{ topic: 't', partition: 0, offset: n + 1 }], GROUP)
          })
          break
        } catch (error) {
          expect(error).toBeInstanceOf(KafkaError)
          expect((error as KafkaError).code).not.toBe('COMMIT_OUTCOME_UNKNOWN')
          if ((error as KafkaError).recovery !== 'restart-producer') continue
          await producer.close({ timeoutMs: 1_000 })
          producer = start(scenario, version)
        }
      }
      // The late one comes somewhere among these.
      await scenario.sleep(300)
    }
    expect(scenario.runtime.clock.monotonicMs()).toBeGreaterThan(TIMED_OUT_MS + 1_000)
    await scenario.settled()
    expect(await scenario.committed()).toEqual([values, values])
    expect(await scenario.committedOffset()).toBe(values.length)
  })
})
