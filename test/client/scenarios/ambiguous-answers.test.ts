/**
 * One row again with more seeds: SEEDS=100 npx vitest run test/client/scenarios/ambiguous -t 'EndTxn, cut after'
 *
 * The matrix of ambiguous answers: each request of a transaction is lost before it is carried out, its answer afterwards, the
 * connection is cut inside the answer, both come too late. Whatever is lost, the effects are there exactly once: records
 * of the transactions that were committed, whole and in order, and the offset of the last of them.
 */
import { expect, test } from 'vitest'
import type { KafkaError } from '../../../src/client/errors.ts'
import type { Producer } from '../../../src/client/producer/producer.ts'
import type { Action } from '../../../src/testing/meddler-rules.ts'
import { GROUP, inScenario, type TransactionVersion } from './scenario-kit.ts'

const SEEDS = Number(process.env['SEEDS'] ?? 3)
const TRANSACTIONS = 6

/** Longer than the request timeout of scenarios, 2 s: at the repetition, soon after it, in a later transaction. */
const LATE_MS: readonly number[] = [2_001, 2_025, 2_060]

const FAULTS: readonly Action[] = [
  { do: 'cut before' },
  { do: 'drop request' },
  { do: 'cut after' },
  { do: 'drop response' },
  { do: 'cut inside', byteCount: 9 },
  { do: 'delay request', ms: 2_001 },
  { do: 'delay response', ms: 2_001 },
]

const APIS: readonly (readonly [api: string, versions: readonly TransactionVersion[]])[] = [
  ['Produce', [1, 2]],
  ['InitProducerId', [1, 2]],
  ['AddPartitionsToTxn', [1]],
  ['AddOffsetsToTxn', [1]],
  ['TxnOffsetCommit', [1, 2]],
  ['EndTxn', [1, 2]],
]

const ROWS = APIS.flatMap(([api, versions]) =>
  versions.flatMap((version) => FAULTS.map((action) => [api, action.do, version, action] as const)),
)

/** Runs transaction n until it is committed or, every third, aborted. @returns the producer to go on with */
async function carryOut(start: () => Producer, producer: Producer, n: number): Promise<Producer> {
  let current = producer
  const boom = new Error('the user gives it up')
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await current.transaction(async (tx) => {
        void tx.send('t', { value: `${n}`, partition: 0 })
        void tx.send('t', { value: `${n}`, partition: 1 })
        await tx.flush()
        void tx.send('t', { value: `${n}'`, partition: n % 2 })
        await tx.sendOffsets([{ topic: 't', partition: 0, offset: n + 1 }], GROUP)
        if (n % 3 === 2) throw boom
      })
      return current
    } catch (error) {
      if (error === boom) return current
      const { code, recovery } = error as KafkaError
      expect(['abort-transaction', 'restart-producer'], `${n}: ${String(error)}`).toContain(recovery)
      expect(code, 'a fault that passes is waited out').not.toBe('COMMIT_OUTCOME_UNKNOWN')
      if (recovery === 'restart-producer') {
        await current.close()
        current = start()
      }
    }
  }
  throw new Error(`transaction ${n} did not come about in 5 tries`)
}

test.each(ROWS)('%s, %s, transaction version %i: effects exactly once', async (api, _, version, action) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await inScenario(
      async (scenario) => {
        const start = (): Producer => scenario.transactional(version)
        let producer = start()
        const late = 'ms' in action ? { ...action, ms: LATE_MS[seed % LATE_MS.length]! } : action
        const skip = api === 'InitProducerId' ? 0 : (seed - 1) % 4
        const rule = scenario.meddler.on({ api, skip, action: late })
        for (let n = 0; n < TRANSACTIONS; n++) producer = await carryOut(start, producer, n)
        expect(rule.exchanges, 'the fault happened').toHaveLength(1)
        await producer.close()
        await scenario.settled()
        const done = Array.from({ length: TRANSACTIONS }, (_one, n) => n).filter((n) => n % 3 !== 2)
        const expected = [0, 1].map((partition) =>
          done.flatMap((n) => (n % 2 === partition ? [`${n}`, `${n}'`] : [`${n}`])),
        )
        expect(await scenario.committed(), `seed ${seed}`).toEqual(expected)
        expect(await scenario.committedOffset(), `seed ${seed}`).toBe(Math.max(...done) + 1)
      },
      { seed },
    )
  }
})
