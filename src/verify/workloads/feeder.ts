/** Roles that write for others to read: some processes in transactions (some of them aborted), some plain values. */
import type { Random } from '../../base/runtime.ts'
import type { PartitionName } from '../history/tables.ts'
import { between, chance, pick } from './dice.ts'
import { Pace } from './pace.ts'
import { participating } from './participant.ts'
import type { Meaning } from './recorded-writer.ts'
import { WriterSlot } from './takeover.ts'
import type { PlanOptions, Role } from './workload.ts'

const VALUES_MAX = 5

interface Feeding {
  readonly name: string
  readonly count: number
  /** Of processes, by their index. */
  readonly isTransactional: (index: number) => boolean
  /** Values that are written together, at most. */
  readonly valuesMax: number
  readonly draw: (random: Random) => { readonly to: PartitionName; readonly meaning?: Meaning }
}

/** Plain values from every even process, transactions from every odd one. */
export function feeder(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return feeding(plan, {
    name: 'feeder',
    count: 2,
    isTransactional: (index) => index % 2 === 1,
    valuesMax: VALUES_MAX,
    draw: (random) => ({ to: pick(random, partitions) }),
  })
}

export function feeding(plan: PlanOptions, { name, count, isTransactional, valuesMax, draw }: Feeding): Role {
  return {
    name,
    count,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const transactionalId = `${plan.run}-${name}-${worker.index}`
        const inTransactions = isTransactional(worker.index)
        const writers = new WriterSlot(me, inTransactions ? { transactionalId } : {})
        const pace = new Pace(worker, plan.rate)
        const { random } = worker.runtime
        while (await pace.next()) {
          const current = await writers.get()
          if (current === undefined) break
          const { writer } = current
          const values = Array.from({ length: between(random, 1, valuesMax) }, () => draw(random))
          if (!inTransactions) {
            await Promise.all(values.map(({ to, meaning }) => writer.send(to, meaning)))
            continue
          }
          await writer.transaction(async (tx) => {
            for (const { to, meaning } of values) await tx.send(to, meaning)
            return chance(random, plan.abortShare) ? 'abort' : 'commit'
          })
        }
      }),
  }
}
