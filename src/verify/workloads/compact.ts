/**
 * Transactions on a topic that is compacted while they run, with tiny segments: what is gone was replaced by a later value of its
 * key, and what is left is as it was. Where the broker does not compact, it is an ordinary topic with keys.
 */
import { below } from './dice.ts'
import { feeding } from './feeder.ts'
import { allPartitions } from './partitions.ts'
import { settleMs } from './queue.ts'
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

/** Even ones in transactions, odd ones without; a key has its partition. */
function keeper(plan: PlanOptions, topic: string): Role {
  return feeding(plan, {
    name: 'keeper',
    count: 4,
    isTransactional: (index) => index % 2 === 0,
    valuesMax: SENDS_MAX,
    draw: (random) => {
      const key = below(random, KEYS)
      return { to: { topic, partition: key % PARTITIONS }, meaning: { key: `key-${key}`, sizeBytes: VALUE_BYTES } }
    },
  })
}
