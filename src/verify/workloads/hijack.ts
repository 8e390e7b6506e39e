/** Several processes that all believe to own one transactional id: each takes it from the others, in the middle of their work. */
import type { PartitionName } from '../history/tables.ts'
import { between, chance, pick } from './dice.ts'
import { participating } from './participant.ts'
import { Pace } from './pace.ts'
import { allPartitions } from './partitions.ts'
import { settleMs } from './queue.ts'
import { WriterSlot } from './takeover.ts'
import { assignedReader, watch } from './watch.ts'
import type { PlanOptions, Role, Workload } from './workload.ts'

const PARTITIONS = 3
const TRANSACTIONS_MAX = 6
const SENDS_MAX = 4
/** How long a rival may think between two sends, and before it strikes again: time for the others to take over. */
const THINK_MAX_MS = 40
const REST_MAX_MS = 200

export const hijack: Workload = {
  name: 'hijack',
  summary: 'several processes fight for one transactional id; those who lose it must be shut out',
  plan(options) {
    const { run, replicationFactor } = options
    const topic = { topic: `${run}-hijack`, partitions: PARTITIONS, replicationFactor }
    const partitions = allPartitions([topic])
    return {
      topics: [topic],
      expectations: { settleMs: settleMs(options) },
      roles: [rival(options, partitions), assignedReader(options, partitions), watch(options, partitions)],
    }
  },
}

function rival(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return {
    name: 'rival',
    count: 3,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const { random } = worker.runtime
        const writers = new WriterSlot(me, { transactionalId: `${plan.run}-hijacked` })
        const pace = new Pace(worker, plan.rate)
        for (;;) {
          const current = await writers.get()
          if (current === undefined) break
          const { writer } = current
          for (let left = between(random, 1, TRANSACTIONS_MAX); left > 0 && writer.isUsable; left -= 1) {
            if (!(await pace.next())) break
            await writer.transaction(async (tx) => {
              for (let sends = between(random, 1, SENDS_MAX); sends > 0; sends -= 1) {
                await tx.send(pick(random, partitions))
                if (chance(random, 0.5)) await worker.pause(between(random, 0, THINK_MAX_MS))
              }
              return chance(random, plan.abortShare) ? 'abort' : 'commit'
            })
          }
          writer.giveUp()
          await worker.pause(between(random, 0, REST_MAX_MS))
        }
      }),
  }
}
