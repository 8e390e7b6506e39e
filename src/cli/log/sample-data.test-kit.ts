/** A small data directory made by the storage room itself, for tests of what looks into one. */
import { encodeGroupRecord, encodeTransactionRecord } from '../../broker/coordinator-log.ts'
import type { KeyedRecord } from '../../broker/coordinator-log.ts'
import type { File } from '../../base/runtime.ts'
import { encodeRecord } from '../../protocol/codec.ts'
import { buildMarkerBatch } from '../../protocol/control-record.ts'
import type { MarkerType } from '../../protocol/control-record.ts'
import { consumerProtocolAssignment } from '../../protocol/messages/consumer-protocol-assignment.ts'
import { consumerProtocolSubscription } from '../../protocol/messages/consumer-protocol-subscription.ts'
import { buildBatch, readBatchHeader } from '../../protocol/record-batch.ts'
import type { BatchOptions, RecordDraft } from '../../protocol/record-batch.ts'
import { nodeClock } from '../../runtime/clock.ts'
import { silentLogger } from '../../runtime/logger.ts'
import { MemoryFileSystem } from '../../runtime/memory-file-system.ts'
import { LogStore } from '../../storage/log-store.ts'
import type { PartitionLog } from '../../storage/partition-log.ts'
import type { StorageLimits } from '../../storage/storage-limits.ts'
import { SimRandom } from '../../testing/sim-random.ts'

export const DATA = '/data'
const T0 = Date.parse('2026-01-01T00:00:00.000Z')
const PRODUCER = { producerId: 1000, producerEpoch: 0 }

export function topicId(number: number): string {
  return Buffer.alloc(16, number).toString('base64url')
}

export function text(value: string): Uint8Array {
  return Buffer.from(value)
}

export class SampleStore {
  readonly store: LogStore
  #timestamp = T0
  #lsn = 0

  constructor(store: LogStore) {
    this.store = store
  }

  log(topic: string, number: number, segmentBytes = 1 << 20): PartitionLog {
    return this.store.createLog({ topicId: topicId(number), topic, partition: 0, segmentBytes })
  }

  append(log: PartitionLog, options: Omit<BatchOptions, 'records'>, ...values: readonly RecordDraft[]): number {
    return this.#append(
      log,
      buildBatch({ partitionLeaderEpoch: 3, ...options, records: values, baseOffset: log.logEndOffset }),
    )
  }

  /** A record of an internal topic. */
  record(log: PartitionLog, { key, value }: KeyedRecord): void {
    this.append(log, {}, { key, value, timestamp: this.now() })
  }

  marker(log: PartitionLog, markerType: MarkerType, producer = PRODUCER): number {
    return this.#append(
      log,
      buildMarkerBatch({
        ...producer,
        markerType,
        coordinatorEpoch: 7,
        timestampMs: this.now(),
        baseOffset: log.logEndOffset,
        partitionLeaderEpoch: 3,
      }),
    )
  }

  now(): number {
    this.#timestamp += 1000
    return this.#timestamp
  }

  durable(): Promise<void> {
    return this.store.whenDurable(this.#lsn)
  }

  /** Offset of the first record. */
  #append(log: PartitionLog, batch: Uint8Array): number {
    const header = readBatchHeader(batch)
    this.#lsn = this.store.append([{ log, batch, header }])
    return header.baseOffset
  }
}

export async function openStore(
  fileSystem: MemoryFileSystem,
  limits: Partial<StorageLimits> = {},
): Promise<SampleStore> {
  const runtime = { clock: nodeClock(), fileSystem, random: new SimRandom(1), logger: silentLogger }
  return new SampleStore(
    await LogStore.open({
      runtime,
      directory: DATA,
      durability: 'fsync',
      limits: { journalFileBytes: 64 * 1024, indexIntervalBytes: 100, ...limits },
    }),
  )
}

/** Transactions in `orders`: 0..1 plain, 2..4 committed, 5..6 aborted, 7 open. */
export function fillOrders(sample: SampleStore): PartitionLog {
  const orders = sample.log('orders', 1, 400)
  const transactional = { ...PRODUCER, isTransactional: true }
  sample.append(
    orders,
    { compression: 'gzip' },
    { key: text('A'), value: text('first'), timestamp: sample.now(), headers: [{ key: 'trace', value: text('x y') }] },
    { key: null, value: Uint8Array.of(0, 1, 255), timestamp: sample.now() },
  )
  sample.append(
    orders,
    { ...transactional, baseSequence: 0 },
    { key: text('B'), value: text('paid'), timestamp: sample.now() },
    { key: text('B'), value: null, timestamp: sample.now() },
  )
  sample.marker(orders, 'COMMIT')
  const firstOffset = sample.append(
    orders,
    { ...transactional, baseSequence: 2 },
    { key: text('C'), value: text('never'), timestamp: sample.now() },
  )
  const lastOffset = sample.marker(orders, 'ABORT')
  orders.appendAborted({ producerId: PRODUCER.producerId, firstOffset, lastOffset, lastStableOffset: lastOffset + 1 })
  sample.append(
    orders,
    { ...transactional, baseSequence: 3 },
    { key: text('D'), value: text('later'), timestamp: sample.now() },
  )
  return orders
}

function fillCoordinators(sample: SampleStore): void {
  const transactions = sample.log('__transaction_state', 2)
  sample.record(
    transactions,
    encodeTransactionRecord({
      transactionalId: 'transfers-1',
      valueVersion: 1,
      value: {
        producerId: 1000,
        previousProducerId: -1,
        nextProducerId: -1,
        producerEpoch: 0,
        nextProducerEpoch: -1,
        transactionTimeoutMs: 60_000,
        transactionStatus: 1,
        transactionPartitions: [{ topic: 'orders', partitionIds: [0] }],
        transactionLastUpdateTimestampMs: T0,
        transactionStartTimestampMs: T0,
        clientTransactionVersion: 2,
      },
    }),
  )
  sample.record(transactions, encodeTransactionRecord({ transactionalId: 'old', value: null, valueVersion: 0 }))

  const offsets = sample.log('__consumer_offsets', 3)
  sample.record(
    offsets,
    encodeGroupRecord({
      type: 'OffsetCommit',
      key: { group: 'readers', topic: 'orders', partition: 0 },
      valueVersion: 4,
      value: {
        offset: 5,
        leaderEpoch: 3,
        metadata: 'as of noon',
        commitTimestamp: T0,
        expireTimestamp: -1,
        topicId: topicId(1),
      },
    }),
  )
  const member = {
    groupInstanceId: null,
    clientId: 'c',
    clientHost: '/127.0.0.1',
    rebalanceTimeout: 1,
    sessionTimeout: 2,
  }
  const subscription = encodeRecord(consumerProtocolSubscription, 1, { topics: ['orders'] })
  const assignment = encodeRecord(consumerProtocolAssignment, 1, {
    assignedPartitions: [{ topic: 'orders', partitions: [0] }],
  })
  sample.record(
    offsets,
    encodeGroupRecord({
      type: 'GroupMetadata',
      key: { group: 'readers' },
      valueVersion: 3,
      value: {
        protocolType: 'consumer',
        generation: 2,
        protocol: 'range',
        leader: 'm1',
        currentStateTimestamp: T0,
        members: [
          { ...member, memberId: 'm1', subscription, assignment },
          { ...member, memberId: 'm2', subscription: Uint8Array.of(9), assignment: Uint8Array.of() },
        ],
      },
    }),
  )
}

/** Everything, with a clean shutdown. */
export async function sampleDirectory(): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem()
  const first = await openStore(fileSystem)
  const orders = fillOrders(first)
  fillCoordinators(first)
  first.store.producerStateOf = (log) => (log === orders ? [STORED_PRODUCER] : [])
  await first.durable()
  await first.store.close()
  return fileSystem
}

const STORED_PRODUCER = {
  ...PRODUCER,
  coordinatorEpoch: 7,
  lastTimestampMs: T0 + 8000,
  currentTransactionFirstOffset: 7,
  batches: [{ lastSequence: 3, lastOffset: 7, offsetDelta: 0, timestampMs: T0 + 8000 }],
}

// ---- damage

export async function readAll(fileSystem: MemoryFileSystem, path: string): Promise<Buffer> {
  return use(fileSystem, path, async (file) => {
    const bytes = Buffer.alloc(await file.sizeBytes())
    await file.read(bytes, 0)
    return bytes
  })
}

export async function overwrite(
  fileSystem: MemoryFileSystem,
  path: string,
  bytes: Uint8Array,
  position = 0,
): Promise<void> {
  await use(fileSystem, path, (file) => file.write([bytes], position))
}

export async function flip(fileSystem: MemoryFileSystem, path: string, position: number): Promise<void> {
  const byte = (await readAll(fileSystem, path))[position]!
  await overwrite(fileSystem, path, Uint8Array.of(byte ^ 0x40), position)
}

export async function truncate(fileSystem: MemoryFileSystem, path: string, sizeBytes: number): Promise<void> {
  await use(fileSystem, path, (file) => file.truncate(sizeBytes))
}

async function use<T>(fileSystem: MemoryFileSystem, path: string, action: (file: File) => Promise<T>): Promise<T> {
  const file = await fileSystem.open(path, 'create')
  try {
    return await action(file)
  } finally {
    await file.close()
  }
}
