/** A role that others read from: plain values from every even process, transactions (some aborted) from every odd one. */
import type { PartitionName } from '../history/tables.ts'
import { between, chance, pick } from './dice.ts'
import { Pace } from './pace.ts'
import { participating } from './participant.ts'
import { WriterSlot } from './takeover.ts'
import type { PlanOptions, Role } from './workload.ts'

const VALUES_MAX = 5

export function feeder(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return {
    name: 'feeder',
    count: 2,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const isTransactional = worker.index % 2 === 1
        const transactionalId = `${plan.run}-feeder-${worker.index}`
        const writers = new WriterSlot(me, isTransactional ? { transactionalId } : {})
        const pace = new Pace(worker, plan.rate)
        const { random } = worker.runtime
        while (await pace.next()) {
          const current = await writers.get()
          if (current === undefined) break
          const { writer } = current
          const targets = Array.from({ length: between(random, 1, VALUES_MAX) }, () => pick(random, partitions))
          if (!isTransactional) {
            await Promise.all(targets.map((to) => writer.send(to)))
            continue
          }
          await writer.transaction(async (tx) => {
            for (const to of targets) await tx.send(to)
            return chance(random, plan.abortShare) ? 'abort' : 'commit'
          })
        }
      }),
  }
}
