/**
 * Transactions on a topic that is compacted while they run, with tiny segments: what is gone was replaced by a later value of its
 * key, and what is left is as it was. Where the broker does not compact, it is an ordinary topic with keys.
 */
import type { PartitionName } from '../history/tables.ts'
import { below, between, chance } from './dice.ts'
import { Pace } from './pace.ts'
import { participating } from './participant.ts'
import { allPartitions } from './partitions.ts'
import { settleMs } from './queue.ts'
import { WriterSlot } from './takeover.ts'
import { assignedReader, watch } from './watch.ts'
import type { PlanOptions, Role, Workload } from './workload.ts'

const PARTITIONS = 2
const KEYS = 16
const SENDS_MAX = 4
const VALUE_BYTES = 400

export const compact: Workload = {
  name: 'compact',
  summary: 'transactions on a topic that is compacted while they run',
  plan(options) {
    const { run, replicationFactor } = options
    const topic = {
      topic: `${run}-compact`,
      partitions: PARTITIONS,
      replicationFactor,
      configs: {
        'cleanup.policy': 'compact',
        'segment.bytes': '1048576',
        'segment.ms': '1000',
        'min.cleanable.dirty.ratio': '0.01',
        'max.compaction.lag.ms': '1000',
        'delete.retention.ms': '100',
      },
    }
    const partitions = allPartitions([topic])
    return {
      topics: [topic],
      expectations: { settleMs: settleMs(options), shrinks: [topic.topic] },
      roles: [keeper(options, topic.topic), assignedReader(options, partitions), watch(options, partitions)],
    }
  },
}

/** Even ones in transactions, odd ones without. */
function keeper(plan: PlanOptions, topic: string): Role {
  return {
    name: 'keeper',
    count: 4,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const isTransactional = worker.index % 2 === 0
        const transactionalId = `${plan.run}-keeper-${worker.index}`
        const writers = new WriterSlot(me, isTransactional ? { transactionalId } : {})
        const pace = new Pace(worker, plan.rate)
        const { random } = worker.runtime
        while (await pace.next()) {
          const current = await writers.get()
          if (current === undefined) break
          const { writer } = current
          const keys = Array.from({ length: between(random, 1, SENDS_MAX) }, () => below(random, KEYS))
          if (!isTransactional) {
            await Promise.all(keys.map((key) => writer.send(placeOf(topic, key), meaningOf(key))))
            continue
          }
          await writer.transaction(async (tx) => {
            for (const key of keys) await tx.send(placeOf(topic, key), meaningOf(key))
            return chance(random, plan.abortShare) ? 'abort' : 'commit'
          })
        }
      }),
  }
}

function placeOf(topic: string, key: number): PartitionName {
  return { topic, partition: key % PARTITIONS }
}

function meaningOf(key: number): { readonly key: string; readonly sizeBytes: number } {
  return { key: `key-${key}`, sizeBytes: VALUE_BYTES }
}
