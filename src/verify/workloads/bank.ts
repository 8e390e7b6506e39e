/** Transfers between accounts: what is taken in one topic is given in another, in one transaction, so that all amounts add up to 0. */
import type { PartitionName } from '../history/tables.ts'
import { below, between, chance } from './dice.ts'
import { Pace } from './pace.ts'
import { participating } from './participant.ts'
import { allPartitions } from './partitions.ts'
import { settleMs } from './queue.ts'
import { WriterSlot } from './takeover.ts'
import { assignedReader, watch } from './watch.ts'
import type { PlanOptions, Role, Workload } from './workload.ts'

const PARTITIONS = 3
const ACCOUNTS = 12
const TRANSFERS_MAX = 3
const AMOUNT_MAX = 100

export const bank: Workload = {
  name: 'bank',
  summary: 'transfers between accounts in two topics, whose amounts add up to 0',
  plan(options) {
    const { run, replicationFactor } = options
    const debits = { topic: `${run}-debits`, partitions: PARTITIONS, replicationFactor }
    const credits = { topic: `${run}-credits`, partitions: PARTITIONS, replicationFactor }
    const partitions = allPartitions([debits, credits])
    return {
      topics: [debits, credits],
      expectations: { sum: 0, settleMs: settleMs(options) },
      roles: [
        teller(options, debits.topic, credits.topic),
        assignedReader(options, partitions, 2),
        watch(options, partitions),
      ],
    }
  },
}

function teller(plan: PlanOptions, debits: string, credits: string): Role {
  return {
    name: 'teller',
    count: 4,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const writers = new WriterSlot(me, { transactionalId: `${plan.run}-teller-${worker.index}` })
        const pace = new Pace(worker, plan.rate)
        const { random } = worker.runtime
        while (await pace.next()) {
          const current = await writers.get()
          if (current === undefined) break
          await current.writer.transaction(async (tx) => {
            for (let left = between(random, 1, TRANSFERS_MAX); left > 0; left -= 1) {
              const amount = between(random, 1, AMOUNT_MAX)
              const [from, to] = [below(random, ACCOUNTS), below(random, ACCOUNTS)]
              await tx.send(placeOf(debits, from), { effect: { account: from, amount: -amount } })
              await tx.send(placeOf(credits, to), { effect: { account: to, amount } })
            }
            return chance(random, plan.abortShare) ? 'abort' : 'commit'
          })
        }
      }),
  }
}

function placeOf(topic: string, account: number): PartitionName {
  return { topic, partition: account % PARTITIONS }
}
