/** @confluentinc/kafka-javascript: librdkafka behind the promises of its KafkaJS module. */
import { createRequire } from 'node:module'
import { KafkaJS } from '@confluentinc/kafka-javascript'
import type { CaseKind, Description, Run, Side } from '../contract.ts'
import { PipelineProgress, produceFor, Reading, transactFor } from '../loops.ts'

const { version, librdkafka } = createRequire(import.meta.url)('@confluentinc/kafka-javascript/package.json') as {
  version: string
  librdkafka: string
}

const kafkaOf = ({ broker }: Run) =>
  new KafkaJS.Kafka({ kafkaJS: { clientId: 'bench', brokers: [broker], logLevel: KafkaJS.logLevel.NOTHING } })

/** Its default. Its guide asks for 0 where each send is waited for; with so many outstanding that is slower. */
const PRODUCER = { 'linger.ms': 5 }
const CONSUMER = { 'js.consumer.max.batch.size': -1, 'max.partition.fetch.bytes': 1024 * 1024 }

export const side: Side = {
  describe(kind: CaseKind): Description {
    const config = {
      single: 'acks=all, idempotent, linger.ms 5, send() with one message',
      batch: 'acks=all, idempotent, linger.ms 5, send() with 100 messages',
      consume: 'eachBatch, unlimited batch size, autoCommit, read_committed, 1 MiB per partition',
      transaction: 'transactional, linger.ms 5, send() with 100 messages',
      pipeline: 'eachBatch, producer.send, producer.sendOffsets({ consumer }), commit',
    }[kind]
    return { package: '@confluentinc/kafka-javascript', version: `${version} (librdkafka ${librdkafka})`, config }
  },

  async prepare(run) {
    if (run.kind === 'consume') return consume(run)
    if (run.kind === 'pipeline') return pipeline(run)
    return run.kind === 'transaction' ? transact(run) : produce(run)
  },
}

async function produce(run: Run) {
  const producer = kafkaOf(run).producer({ ...PRODUCER, kafkaJS: { idempotent: true, acks: -1 } })
  await producer.connect()
  const { topic } = run
  return {
    run: () =>
      produceFor(run, {
        single: (value) => producer.send({ topic, messages: [{ value }] }),
        batch: (values) => producer.send({ topic, messages: values.map((value) => ({ value })) }),
      }),
    close: () => producer.disconnect(),
  }
}

async function transact(run: Run) {
  const producer = kafkaOf(run).producer({ ...PRODUCER, kafkaJS: { transactionalId: run.name } })
  await producer.connect()
  const { topic } = run
  return {
    run: () =>
      transactFor(run, {
        begin: async () => void (await producer.transaction()),
        batch: (values) => producer.send({ topic, messages: values.map((value) => ({ value })) }),
        commit: () => producer.commit(),
      }),
    close: () => producer.disconnect(),
  }
}

function consumerOf(run: Run, autoCommit: boolean) {
  return kafkaOf(run).consumer({
    ...CONSUMER,
    kafkaJS: { groupId: run.name, fromBeginning: true, autoCommit, readUncommitted: false },
  })
}

async function consume(run: Run) {
  const consumer = consumerOf(run, true)
  await consumer.connect()
  await consumer.subscribe({ topics: [run.topic] })
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
  const consumer = consumerOf(run, false)
  const producer = kafkaOf(run).producer({ ...PRODUCER, kafkaJS: { transactionalId: run.name } })
  await consumer.connect()
  await producer.connect()
  await consumer.subscribe({ topics: [run.topic] })
  const progress = new PipelineProgress(run)
  const offsets = new Map<number, string>()
  return {
    async run() {
      await consumer.run({
        eachBatch: async ({ batch }) => {
          try {
            if (!producer.isActive()) {
              progress.begin()
              await producer.transaction()
            }
            progress.read(batch.messages.length)
            await producer.send({ topic: run.outTopic, messages: batch.messages.map(({ value }) => ({ value })) })
            offsets.set(batch.partition, String(Number(batch.lastOffset()) + 1))
            if (!progress.isDue) return
            const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset }))
            await producer.sendOffsets({ consumer, topics: [{ topic: run.topic, partitions }] })
            offsets.clear()
            await producer.commit()
            progress.committed()
          } catch (error) {
            progress.fail(error)
            throw error
          }
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
