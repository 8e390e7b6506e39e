/**
 * Transactions of one to four sends and polls over a few partitions, in random order, some aborted; beside them plain idempotent
 * sends, of which the broker tells where they lie. After Jepsen's workload of the same name.
 */
import type { PartitionName } from '../history/tables.ts'
import { between, chance, pick } from './dice.ts'
import { Pace } from './pace.ts'
import { type Participant, participating } from './participant.ts'
import { allPartitions, endsOf } from './partitions.ts'
import type { RecordedReader } from './recorded-reader.ts'
import type { RecordedTransaction } from './recorded-writer.ts'
import { ReaderSlot, WriterSlot } from './takeover.ts'
import { assignedReader, subscribedReader, watch } from './watch.ts'
import type { PlanOptions, Role, Workload } from './workload.ts'

const OPERATIONS_MAX = 4
const BURST_MAX = 12
const IN_FLIGHT_PAUSE_MS = 4
const SEND_SHARE = 0.7
const POLL_TIMEOUT_MS = 20
const POLL_RECORDS_MAX = 50

export const queue: Workload = {
  name: 'queue',
  summary: 'random transactions of sends and polls over a few partitions, and plain sends beside them',
  plan(options) {
    const { run, replicationFactor } = options
    const topics = [
      { topic: `${run}-queue-a`, partitions: 3, replicationFactor },
      { topic: `${run}-queue-b`, partitions: 2, replicationFactor },
    ]
    const partitions = allPartitions(topics)
    const names = topics.map(({ topic }) => topic)
    return {
      topics,
      expectations: { settleMs: settleMs(options) },
      roles: [
        transactor(options, partitions, names),
        sender(options, partitions),
        assignedReader(options, partitions),
        subscribedReader(options, `${run}-members`, names, 2),
        watch(options, partitions),
      ],
    }
  },
}

/** Until an open transaction has timed out and the coordinator has noticed, with room for a slow machine. */
export function settleMs({ timeouts }: PlanOptions): number {
  return timeouts.transactionMs * 2 + 20_000
}

/** Even ones share the partitions with each other and commit offsets with their transactions, odd ones read everything. */
function transactor(plan: PlanOptions, partitions: readonly PartitionName[], topics: readonly string[]): Role {
  return {
    name: 'transactor',
    count: 4,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const isMember = worker.index % 2 === 0
        const writers = new WriterSlot(me, { transactionalId: `${plan.run}-queue-${worker.index}` })
        const readers = new ReaderSlot(me, isMember ? { group: `${plan.run}-queue`, topics } : { partitions })
        const pace = new Pace(worker, plan.rate)
        while (await pace.next()) {
          const current = await writers.get()
          if (current === undefined) break
          const reader = await readers.get()
          await current.writer.transaction((tx) => operate(me, plan, tx, partitions, reader, isMember))
        }
        await readers.close()
      }),
  }
}

async function operate(
  { worker }: Participant,
  plan: PlanOptions,
  tx: RecordedTransaction,
  partitions: readonly PartitionName[],
  reader: RecordedReader,
  isMember: boolean,
): Promise<'commit' | 'abort'> {
  const { random } = worker.runtime
  const read: (PartitionName & { readonly offset: number })[] = []
  for (let left = between(random, 1, OPERATIONS_MAX); left > 0; left -= 1) {
    if (chance(random, SEND_SHARE)) {
      await tx.send(pick(random, partitions))
      if (chance(random, 0.3)) await worker.pause(random.nextUint32() % IN_FLIGHT_PAUSE_MS)
    } else {
      const use = { writer: tx.writer, transaction: tx.number }
      read.push(...(await reader.poll({ timeoutMs: POLL_TIMEOUT_MS, maxRecords: POLL_RECORDS_MAX }, use)))
    }
  }
  if (isMember && read.length > 0) await tx.sendOffsets(reader, endsOf(read))
  return chance(random, plan.abortShare) ? 'abort' : 'commit'
}

/** Several sends at once, so that more than one request is in flight when something goes wrong. */
function sender(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return {
    name: 'sender',
    count: 1,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const writers = new WriterSlot(me)
        const pace = new Pace(worker, plan.rate)
        const { random } = worker.runtime
        while (await pace.next()) {
          const current = await writers.get()
          if (current === undefined) break
          const { writer } = current
          const only = chance(random, 0.5) ? pick(random, partitions) : undefined
          const sends: Promise<unknown>[] = []
          for (let left = between(random, 1, BURST_MAX); left > 0; left -= 1) {
            sends.push(writer.send(only ?? pick(random, partitions)))
            // Time enough for the one before to be in a request of its own, and not for its answer.
            if (chance(random, 0.7)) await worker.pause(random.nextUint32() % IN_FLIGHT_PAUSE_MS)
          }
          await Promise.all(sends)
        }
      }),
  }
}
