/** `semel txn …` and `semel producer …`: transactions, who holds them, and how to end those that nobody will (KIP-664). */
import { nodeClock } from '../../runtime/clock.ts'
import {
  type ClusterFlags,
  confirmed,
  type DangerFlags,
  durationMs,
  partitionOf,
  say,
  show,
  table,
  timestamp,
  UsageError,
  wholeNumber,
  withAdmin,
} from '../session.ts'

export interface TxnListFlags extends ClusterFlags {
  readonly state: readonly string[]
  readonly producerId: readonly string[]
  readonly olderThan?: string
  readonly pattern?: string
}

export function txnList(flags: TxnListFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const transactions = await admin.listTransactions({
      states: flags.state,
      producerIds: flags.producerId.map((text) => wholeNumber('--producer-id', text)),
      ...(flags.olderThan === undefined ? {} : { olderThanMs: durationMs(flags.olderThan, '--older-than') }),
      ...(flags.pattern === undefined ? {} : { pattern: flags.pattern }),
    })
    show(flags, transactions, (all) =>
      table(
        ['TRANSACTIONAL ID', 'COORDINATOR', 'PRODUCER ID', 'STATE'],
        all.map(({ transactionalId, coordinatorId, producerId, state }) => [
          transactionalId,
          coordinatorId,
          producerId,
          state,
        ]),
      ),
    )
  })
}

export function txnDescribe(transactionalIds: readonly string[], flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const described = await Promise.all(transactionalIds.map((id) => admin.describeTransaction(id)))
    const nowMs = nodeClock().nowMs()
    show(flags, described, (all) =>
      table(
        ['TRANSACTIONAL ID', 'COORDINATOR', 'PRODUCER ID', 'EPOCH', 'STATE', 'TIMEOUT MS', 'SINCE', 'MS', 'PARTITIONS'],
        all.map((one) => [
          one.transactionalId,
          one.coordinatorId,
          one.producerId,
          one.producerEpoch,
          one.state,
          one.timeoutMs,
          timestamp(one.startTimestampMs),
          one.startTimestampMs === undefined ? undefined : nowMs - one.startTimestampMs,
          one.partitions.map(({ topic, partition }) => `${topic}:${partition}`).join(','),
        ]),
      ),
    )
  })
}

export function describeProducers(partitions: readonly string[], flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const producers = await admin.describeProducers(partitions.map(partitionOf))
    show(flags, producers, (all) =>
      table(
        [
          'TOPIC',
          'PARTITION',
          'PRODUCER ID',
          'EPOCH',
          'COORDINATOR EPOCH',
          'LAST SEQUENCE',
          'LAST WRITE',
          'OPEN SINCE OFFSET',
        ],
        all.map((one) => [
          one.topic,
          one.partition,
          one.producerId,
          one.producerEpoch,
          one.coordinatorEpoch,
          one.lastSequence,
          timestamp(one.lastTimestampMs),
          one.openSinceOffset,
        ]),
      ),
    )
  })
}

export interface FindHangingFlags extends ClusterFlags {
  readonly topic: readonly string[]
  readonly olderThan: string
}

export function txnFindHanging(flags: FindHangingFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const hanging = await admin.findHangingTransactions({
      olderThanMs: durationMs(flags.olderThan, '--older-than'),
      ...(flags.topic.length === 0 ? {} : { topics: flags.topic }),
    })
    show(flags, hanging, (all) =>
      all.length === 0
        ? `no transaction has been idle for longer than ${flags.olderThan} without an end in sight`
        : [
            table(
              [
                'TOPIC',
                'PARTITION',
                'PRODUCER ID',
                'EPOCH',
                'COORDINATOR EPOCH',
                'START OFFSET',
                'LAST WRITE',
                'IDLE MS',
                'WHY',
              ],
              all.map((one) => [
                one.topic,
                one.partition,
                one.producerId,
                one.producerEpoch,
                one.coordinatorEpoch,
                one.openSinceOffset,
                timestamp(one.lastTimestampMs),
                one.idleMs,
                one.why,
              ]),
            ),
            '',
            ...all.map(
              ({ topic, partition, openSinceOffset }) =>
                `semel txn abort ${topic}:${partition} --start-offset ${openSinceOffset}`,
            ),
          ].join('\n'),
    )
  })
}

export function txnAbort(
  partition: string,
  flags: ClusterFlags & DangerFlags & { readonly startOffset?: string },
): Promise<number> {
  return withAdmin(flags, async (admin) => {
    if (flags.startOffset === undefined)
      throw new UsageError('txn abort needs --start-offset; `semel txn find-hanging` prints the whole command')
    const startOffset = wholeNumber('--start-offset', flags.startOffset)
    if (
      !(await confirmed(
        `abort the transaction that began at offset ${startOffset} of ${partition}; what it wrote there is never seen`,
        flags,
      ))
    )
      return
    const { by } = await admin.abortTransaction({ ...partitionOf(partition), startOffset })
    say(
      by === 'markers'
        ? 'aborted'
        : 'this broker writes no markers for admins, so the transactional id was fenced instead, which aborts all that it had open',
    )
  })
}

export function fence(transactionalIds: readonly string[], flags: ClusterFlags & DangerFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    if (
      !(await confirmed(`abort what is open under ${transactionalIds.join(', ')} and shut out who uses it now`, flags))
    )
      return
    for (const id of transactionalIds) {
      const { producerId, producerEpoch } = await admin.fenceProducer(id)
      say(`${id}: producer id ${producerId}, epoch ${producerEpoch}; older epochs are refused from now on`)
    }
  })
}

/** Producers with a transactional id. */
export function producerList(flags: ClusterFlags): Promise<number> {
  return txnList({ ...flags, state: [], producerId: [] })
}
