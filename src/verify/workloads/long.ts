/**
 * Many transactions that stay open for long, side by side; some longer than they may, so that the broker ends them. One of the topics
 * loses its oldest records on the way.
 */
import type { PartitionName } from '../history/tables.ts'
import { below, between, chance, pick } from './dice.ts'
import { isExpected } from './outcomes.ts'
import { type Participant, participating } from './participant.ts'
import { allPartitions } from './partitions.ts'
import { settleMs } from './queue.ts'
import { WriterSlot } from './takeover.ts'
import { assignedReader, watch } from './watch.ts'
import type { PlanOptions, Role, Workload } from './workload.ts'

const PARTITIONS = 2
const SENDS_MAX = 5
const OVERDUE_SHARE = 0.2
const TRIM_INTERVAL_MS = 700
/** Records below the last stable offset that are left, at most. */
const LEFT_MAX = 30

export const long: Workload = {
  name: 'long',
  summary: 'many long transactions side by side, some beyond their timeout, while records are deleted',
  plan(options) {
    const { run, replicationFactor } = options
    const kept = { topic: `${run}-long-kept`, partitions: PARTITIONS, replicationFactor }
    const trimmed = { topic: `${run}-long-trimmed`, partitions: PARTITIONS, replicationFactor }
    const partitions = allPartitions([kept, trimmed])
    return {
      topics: [kept, trimmed],
      expectations: { settleMs: settleMs(options), shrinks: [trimmed.topic] },
      roles: [
        sleeper(options, partitions),
        trimmer(options, allPartitions([trimmed])),
        assignedReader(options, partitions),
        watch(options, partitions),
      ],
    }
  },
}

function sleeper(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return {
    name: 'sleeper',
    count: 4,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        // The first is nobody's after this process: what it leaves open only the broker can end.
        const names = [`${worker.index}-0-${worker.incarnation}`, `${worker.index}-1`, `${worker.index}-2`]
        const ids = names.map((name) => `${plan.run}-long-${name}`)
        await Promise.all(ids.map((transactionalId) => sleepInTransactions(me, plan, partitions, transactionalId)))
      }),
  }
}

async function sleepInTransactions(
  me: Participant,
  plan: PlanOptions,
  partitions: readonly PartitionName[],
  transactionalId: string,
): Promise<void> {
  const { worker } = me
  const { random } = worker.runtime
  const { transactionMs } = plan.timeouts
  const writers = new WriterSlot(me, { transactionalId })
  for (;;) {
    const current = await writers.get()
    if (current === undefined) break
    await current.writer.transaction(async (tx) => {
      const isOverdue = chance(random, OVERDUE_SHARE)
      const lengthMs = isOverdue ? transactionMs * 1.5 : between(random, 20, Math.ceil(transactionMs / 2))
      const sends = between(random, 1, SENDS_MAX)
      for (let left = sends; left > 0; left -= 1) {
        await tx.send(pick(random, partitions))
        await worker.pause(lengthMs / sends)
      }
      return chance(random, plan.abortShare) ? 'abort' : 'commit'
    })
  }
}

/** Deletes what is decided; what is open stays. */
function trimmer(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return {
    name: 'trimmer',
    count: 1,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const admin = me.kafka.admin({ timeoutMs: plan.timeouts.deliveryMs })
        while (!worker.isStopping) {
          await worker.pause(TRIM_INTERVAL_MS)
          try {
            const stable = await admin.listOffsets(partitions.map((one) => ({ ...one, at: 'latest' as const })))
            const starts = await admin.listOffsets(partitions.map((one) => ({ ...one, at: 'earliest' as const })))
            const deletions = stable.flatMap(({ topic, partition, offset = 0 }, index) => {
              const before = offset - below(worker.runtime.random, LEFT_MAX)
              return before > (starts[index]?.offset ?? 0) ? [{ topic, partition, before }] : []
            })
            if (deletions.length > 0) await admin.deleteRecords(deletions)
          } catch (error) {
            if (!isExpected(error)) throw error
          }
        }
      }),
  }
}
