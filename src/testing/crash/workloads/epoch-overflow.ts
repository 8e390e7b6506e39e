/** A producer whose epochs come to their end in the midst of its transactions, and who gets another producer id for it. */
import { decodeTransactionRecord, encodeTransactionRecord } from '../../../broker/coordinator-log.ts'
import { coordinatorBatch, TRANSACTION_STATE_TOPIC } from '../../../broker/coordinator-log.ts'
import { readBatchHeader, readRecords, setBaseOffset } from '../../../protocol/record-batch.ts'
import { silentLogger } from '../../../runtime/logger.ts'
import { LogStore } from '../../../storage/log-store.ts'
import type { PartitionLog } from '../../../storage/partition-log.ts'
import type { SimDisk } from '../../sim-disk.ts'
import { CrashBroker, DATA_DIRECTORY } from '../crash-broker.ts'
import type { World } from '../crash-broker.ts'
import type { CrashWorkload } from '../live-run.ts'

const LARGEST_EPOCH = 32_767
const EPOCHS_LEFT = 5
const ID = 'ending'

export const epochOverflow: CrashWorkload = {
  name: 'epoch-overflow',
  summary: 'transactions of both versions over the largest producer epoch, to another producer id',
  async prepare(disk, world) {
    const broker = await CrashBroker.start(world, disk)
    const participant = await broker.connect([])
    for (const id of [ID, `${ID}-old`]) await participant.init(id)
    await broker.broker.close()
    await raiseEpochs(disk, world)
  },
  async run({ participant }) {
    await participant.createTopic('out', 2)
    const producer = await participant.transactional(ID)
    const old = await participant.transactional(`${ID}-old`, { version: 1 })
    for (let round = 0; round < 7; round += 1) {
      await producer.send({ topic: 'out', partition: 0 }, 2)
      await producer.sendOffset('group', { topic: 'out', partition: 0 }, round + 1)
      await (round % 3 === 1 ? producer.abort() : producer.commit())
      await old.send({ topic: 'out', partition: 1 })
      await (round % 3 === 2 ? old.abort() : old.commit())
      if (round % 2 === 0) await old.renew()
    }
    await producer.send({ topic: 'out', partition: 1 })
  },
}

/** As if both ids had ended some thirty thousand transactions. */
async function raiseEpochs(disk: SimDisk, { clock, random }: World): Promise<void> {
  const runtime = { clock, random, fileSystem: disk, logger: silentLogger }
  const store = await LogStore.open({ runtime, directory: DATA_DIRECTORY, durability: 'fsync' })
  for (const log of store.logs())
    if (log.topic === TRANSACTION_STATE_TOPIC) await raiseEpochsIn(store, log, clock.nowMs())
  await store.whenDurable(store.appendedLsn)
  await store.close()
}

async function raiseEpochsIn(store: LogStore, log: PartitionLog, nowMs: number): Promise<void> {
  const raised = []
  for await (const batch of log.readBatches(0)) {
    for (const stored of readRecords(batch, { maxDecompressedBytes: 1_000_000 })) {
      const record = decodeTransactionRecord(stored)
      if (record?.value === null || record === undefined) continue
      const value = { ...record.value, producerEpoch: LARGEST_EPOCH - EPOCHS_LEFT }
      raised.push(encodeTransactionRecord({ ...record, value }))
    }
  }
  if (raised.length === 0) return
  const batch = coordinatorBatch(raised, nowMs)
  setBaseOffset(batch, log.logEndOffset)
  store.append([{ log, batch, header: readBatchHeader(batch) }])
}
