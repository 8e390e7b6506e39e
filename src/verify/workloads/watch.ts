/**
 * Roles that only look, used by all workloads: readers that do nothing else, and a watch over watermarks, times and
 * coordinators.
 */
import { NONE, type PartitionName } from '../history/tables.ts'
import { below } from './dice.ts'
import { isExpected } from './outcomes.ts'
import { type Participant, participating } from './participant.ts'
import { endsOf } from './partitions.ts'
import type { ReaderOptions } from './recorded-reader.ts'
import { ReaderSlot } from './takeover.ts'
import type { PlanOptions, Role } from './workload.ts'

const POLL_TIMEOUT_MS = 200
const POLLS_PER_COMMIT = 5
const WATCH_INTERVAL_MS = 900
const LOOK_BACK_MAX_MS = 2_000
/** Transactions are listed every so many rounds. */
const LIST_EVERY = 5

/** Reads committed records of partitions of its own, from the beginning. */
export function assignedReader(plan: PlanOptions, partitions: readonly PartitionName[], count = 1): Role {
  return readerRole(plan, 'reader', count, { partitions })
}

/** Reads committed records as a member of a group, and commits what it has read. */
export function subscribedReader(plan: PlanOptions, group: string, topics: readonly string[], count = 1): Role {
  return readerRole(plan, 'member', count, { group, topics })
}

function readerRole(plan: PlanOptions, name: string, count: number, options: ReaderOptions): Role {
  return {
    name,
    count,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const slot = new ReaderSlot(me, options)
        const read: (PartitionName & { readonly offset: number })[] = []
        for (let polls = 1; !worker.isStopping; polls += 1) {
          const reader = await slot.get()
          const records = await reader.poll({ timeoutMs: POLL_TIMEOUT_MS })
          if (options.group === undefined) continue
          read.push(...records)
          if (polls % POLLS_PER_COMMIT !== 0 || read.length === 0) continue
          // What was given up since must not be committed: its new owner may be further.
          const ours = new Set(reader.assignment().map(({ topic, partition }) => `${topic}/${partition}`))
          const ends = endsOf(read.splice(0)).filter(({ topic, partition }) => ours.has(`${topic}/${partition}`))
          if (ends.length > 0) await reader.commit(ends)
        }
        await slot.close()
      }),
  }
}

/** Records what the brokers say of these partitions, and looks times up. */
export function watch(plan: PlanOptions, partitions: readonly PartitionName[]): Role {
  return {
    name: 'watch',
    count: 1,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const admin = me.kafka.admin({ timeoutMs: plan.timeouts.deliveryMs })
        for (let round = 0; !worker.isStopping; round += 1) {
          try {
            await recordWatermarks(me, admin, partitions)
            await lookUpTimes(me, admin, partitions)
            if (round % LIST_EVERY === 0) await recordTransitions(me, admin)
          } catch (error) {
            if (!isExpected(error)) throw error
          }
          await worker.pause(WATCH_INTERVAL_MS)
        }
      }),
  }
}

type Admin = ReturnType<Participant['kafka']['admin']>

/** Each answer is a row of its own, with the time it was asked: what two answers say together holds for no moment. */
async function recordWatermarks(me: Participant, admin: Admin, partitions: readonly PartitionName[]): Promise<void> {
  await ask('highWatermark', 'latest', 'read_uncommitted')
  await ask('lastStableOffset', 'latest', 'read_committed')
  await ask('logStartOffset', 'earliest', 'read_uncommitted')

  async function ask(
    column: 'highWatermark' | 'lastStableOffset' | 'logStartOffset',
    place: 'earliest' | 'latest',
    isolationLevel: 'read_committed' | 'read_uncommitted',
  ): Promise<void> {
    const invokedAt = me.nowMs()
    const answers = await admin.listOffsets(
      partitions.map((partition) => ({ ...partition, at: place })),
      { isolationLevel },
    )
    const at = me.nowMs()
    for (const { topic, partition, offset = NONE } of answers) {
      const unknown = { highWatermark: NONE, lastStableOffset: NONE, logStartOffset: NONE }
      me.history.record('watermarks', { partition: { topic, partition }, ...unknown, [column]: offset, invokedAt, at })
    }
  }
}

async function lookUpTimes(me: Participant, admin: Admin, partitions: readonly PartitionName[]): Promise<void> {
  const { clock, random } = me.worker.runtime
  const timestampMs = clock.nowMs() - below(random, LOOK_BACK_MAX_MS)
  const found = await admin.listOffsets(partitions.map((partition) => ({ ...partition, at: { timestampMs } })))
  const stable = await admin.listOffsets(partitions.map((partition) => ({ ...partition, at: 'latest' as const })))
  const at = me.nowMs()
  for (const [index, { topic, partition, offset = NONE }] of found.entries()) {
    const lastStableOffset = stable[index]?.offset ?? NONE
    me.history.record('timeLookup', { partition: { topic, partition }, timestampMs, offset, lastStableOffset, at })
  }
}

async function recordTransitions(me: Participant, admin: Admin): Promise<void> {
  const listed = await admin.listTransactions()
  const at = me.nowMs()
  for (const { transactionalId, producerId, state } of listed) {
    if (!transactionalId.startsWith(me.run)) continue
    me.history.record('transition', { transactionalId, producerId, producerEpoch: NONE, state, at })
  }
}
