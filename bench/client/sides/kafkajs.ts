/** kafkajs. */
import { createRequire } from 'node:module'
import kafkajs, { type Kafka } from 'kafkajs'
import type { CaseKind, Description, Run, Side } from '../contract.ts'
import { PipelineProgress, produceFor, Reading, transactFor } from '../loops.ts'

const { Kafka: Client, logLevel, Partitioners } = kafkajs
const { version } = createRequire(import.meta.url)('kafkajs/package.json') as { version: string }

const kafkaOf = ({ broker }: Run): Kafka =>
  new Client({ clientId: 'bench', brokers: [broker], logLevel: logLevel.NOTHING })

const createPartitioner = Partitioners.DefaultPartitioner
const FETCH = { maxBytesPerPartition: 1024 * 1024, maxBytes: 50 * 1024 * 1024, maxWaitTimeInMs: 500 }

export const side: Side = {
  describe(kind: CaseKind): Description {
    const config = {
      single: 'acks=all, not idempotent (its idempotent mode sends one request at a time), send() with one message',
      batch: 'acks=all, not idempotent, send() with 100 messages',
      consume: 'eachBatch, autoCommit, read_committed, 1 MiB per partition',
      transaction: 'transactional, maxInFlightRequests 1 as documented, send() with 100 messages',
      pipeline: 'eachBatch, transaction.send, transaction.sendOffsets (by group id: TxnOffsetCommit v1), commit',
    }[kind]
    return { package: 'kafkajs', version, config }
  },

  async prepare(run) {
    if (run.kind === 'consume') return consume(run)
    if (run.kind === 'pipeline') return pipeline(run)
    return run.kind === 'transaction' ? transact(run) : produce(run)
  },
}

const prepared = (run: Run) => kafkaOf(run)

async function produce(run: Run) {
  const producer = prepared(run).producer({ createPartitioner })
  await producer.connect()
  const { topic } = run
  return {
    run: () =>
      produceFor(run, {
        single: (value) => producer.send({ topic, acks: -1, messages: [{ value }] }),
        batch: (values) => producer.send({ topic, acks: -1, messages: values.map((value) => ({ value })) }),
      }),
    close: () => producer.disconnect(),
  }
}

async function transact(run: Run) {
  const producer = prepared(run).producer({
    createPartitioner,
    transactionalId: run.name,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  const { topic } = run
  let transaction = await producer.transaction()
  let isFirst = true
  return {
    run: () =>
      transactFor(run, {
        async begin() {
          if (!isFirst) transaction = await producer.transaction()
          isFirst = false
        },
        batch: (values) => transaction.send({ topic, messages: values.map((value) => ({ value })) }),
        commit: () => transaction.commit(),
      }),
    close: () => producer.disconnect(),
  }
}

async function consume(run: Run) {
  const consumer = prepared(run).consumer({ groupId: run.name, readUncommitted: false, ...FETCH })
  await consumer.connect()
  await consumer.subscribe({ topics: [run.topic], fromBeginning: true })
  const reading = new Reading(run)
  return {
    async run() {
      await consumer.run({
        eachBatch: async ({ batch }) => {
          for (const { value } of batch.messages) reading.add(value)
        },
      })
      return reading.done
    },
    close: () => consumer.disconnect(),
  }
}

async function pipeline(run: Run) {
  const kafka = prepared(run)
  const consumer = kafka.consumer({ groupId: run.name, readUncommitted: false, ...FETCH })
  const producer = kafka.producer({
    createPartitioner,
    transactionalId: run.name,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await consumer.connect()
  await producer.connect()
  await consumer.subscribe({ topics: [run.topic], fromBeginning: true })
  const progress = new PipelineProgress(run)
  let transaction: Awaited<ReturnType<typeof producer.transaction>> | undefined
  const offsets = new Map<number, string>()
  return {
    async run() {
      consumer.on('consumer.crash', ({ payload }) => progress.fail(payload.error))
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          if (transaction === undefined) {
            progress.begin()
            transaction = await producer.transaction()
          }
          progress.read(batch.messages.length)
          await transaction.send({ topic: run.outTopic, messages: batch.messages.map(({ value }) => ({ value })) })
          offsets.set(batch.partition, String(Number(batch.lastOffset()) + 1))
          if (!progress.isDue) return
          const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset }))
          await patiently(() =>
            (transaction as NonNullable<typeof transaction>).sendOffsets({
              consumerGroupId: run.name,
              topics: [{ topic: run.topic, partitions }],
            }),
          )
          offsets.clear()
          await transaction.commit()
          transaction = undefined
          progress.committed()
        },
      })
      return progress.done
    },
    async close() {
      await consumer.disconnect()
      await producer.disconnect()
    },
  }
}

/** kafkajs does not repeat AddOffsetsToTxn while the markers of the transaction before are written: the caller must. */
async function patiently(call: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await call()
      return
    } catch (error) {
      if ((error as { type?: string }).type !== 'CONCURRENT_TRANSACTIONS') throw error
    }
  }
}
