/**
 * What is true in the end: the logs as they are stored, the coordinators' transactions, the partitions' producers, the groups'
 * offsets. Reads them into the history; judges nothing.
 */
import type { Admin, RawBatch } from '../../client/index.ts'
import { CONTROL, NO_WRITER, NONE, type PartitionName } from '../history/tables.ts'
import { decodeValue } from '../history/value.ts'
import type { Participant } from '../workloads/participant.ts'
import { retrying } from './time-limits.ts'

const CONTROL_OF: Readonly<Record<RawBatch['kind'], number>> = {
  plain: CONTROL.data,
  committed: CONTROL.data,
  aborted: CONTROL.data,
  open: CONTROL.data,
  'abort-marker': CONTROL.abortMarker,
  'commit-marker': CONTROL.commitMarker,
  control: CONTROL.other,
}

/** @param scan  counts the readings of a run */
export async function scanLogs(
  me: Participant,
  partitions: readonly PartitionName[],
  scan: number,
  limitMs: number,
): Promise<void> {
  const admin = me.kafka.admin()
  for (const partition of partitions) {
    const what = `reading the log of ${partition.topic}-${partition.partition}`
    await retrying(me.worker, what, limitMs, () => scanLog(me, admin, partition, scan))
  }
}

async function scanLog(me: Participant, admin: Admin, partition: PartitionName, scan: number): Promise<void> {
  const { history } = me
  const [start] = await admin.listOffsets([{ ...partition, at: 'earliest' }])
  const from = start?.offset ?? 0
  // Read as a whole first: a reading that fails half-way must leave nothing in the history.
  const batches: RawBatch[] = []
  for await (const batch of me.kafka.rawReader().read(partition, from)) batches.push(batch)
  const to = (batches.at(-1)?.lastOffset ?? from - 1) + 1
  history.record('logScan', { scan, partition, from, to, at: me.nowMs() })
  for (const batch of batches) {
    history.record('logBatch', {
      scan,
      partition,
      baseOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      isTransactional: batch.isTransactional ? 1 : 0,
      control: CONTROL_OF[batch.kind],
      coordinatorEpoch: batch.coordinatorEpoch ?? NONE,
    })
    for (const { offset, value } of batch.records) {
      const name = decodeValue(me.run, value)
      history.record('logRecord', {
        scan,
        partition,
        offset,
        writer: name?.writer ?? NO_WRITER,
        number: name?.number ?? 0,
      })
    }
  }
}

/** Of this run's transactional ids. */
export async function readCoordinators(me: Participant, limitMs: number): Promise<void> {
  const admin = me.kafka.admin()
  const described = await retrying(me.worker, 'describing transactions', limitMs, async () => {
    const listed = await admin.listTransactions()
    const ids = listed.map(({ transactionalId }) => transactionalId).filter((id) => id.startsWith(me.run))
    return Promise.all(ids.toSorted().map((id) => admin.describeTransaction(id)))
  })
  const at = me.nowMs()
  for (const { transactionalId, state, producerId, producerEpoch, partitions } of described ?? []) {
    const partitionCount = partitions.length
    me.history.record('coordinatorState', { transactionalId, state, producerId, producerEpoch, partitionCount, at })
  }
}

export async function readProducers(
  me: Participant,
  partitions: readonly PartitionName[],
  limitMs: number,
): Promise<void> {
  const admin = me.kafka.admin()
  const producers = await retrying(me.worker, 'describing producers', limitMs, () =>
    admin.describeProducers(partitions),
  )
  const at = me.nowMs()
  for (const one of producers ?? []) {
    me.history.record('producerState', {
      partition: { topic: one.topic, partition: one.partition },
      producerId: one.producerId,
      producerEpoch: one.producerEpoch,
      lastSequence: one.lastSequence,
      coordinatorEpoch: one.coordinatorEpoch,
      openTransactionOffset: one.openSinceOffset ?? NONE,
      at,
    })
  }
}

/** Of this run's groups. */
export async function readGroupOffsets(me: Participant, limitMs: number): Promise<void> {
  const admin = me.kafka.admin()
  const groups = await retrying(me.worker, 'listing groups', limitMs, () => admin.listGroups())
  const names = (groups ?? []).map(({ groupId }) => groupId).filter((groupId) => groupId.startsWith(me.run))
  for (const group of names.toSorted()) {
    const invokedAt = me.nowMs()
    const offsets = await retrying(me.worker, `offsets of the group ${group}`, limitMs, () =>
      admin.listGroupOffsets(group),
    )
    const at = me.nowMs()
    for (const { topic, partition, offset } of offsets ?? []) {
      me.history.record('offsetFetched', { group, partition: { topic, partition }, offset, invokedAt, at })
    }
  }
}
