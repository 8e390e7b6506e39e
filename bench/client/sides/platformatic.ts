/** @platformatic/kafka. */
import { createRequire } from 'node:module'
import {
  Consumer,
  FetchIsolationLevels,
  type Message,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
} from '@platformatic/kafka'
import type { CaseKind, Description, Run, Side } from '../contract.ts'
import { PipelineProgress, produceFor, Reading, transactFor } from '../loops.ts'

const { version } = createRequire(import.meta.resolve('@platformatic/kafka'))('../package.json') as { version: string }

const base = ({ broker }: Run) => ({ clientId: 'bench', bootstrapBrokers: [broker] })

/** It asks InitProducerId for the successor of producer id 0, epoch 0 otherwise, which a broker refuses. */
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1 }

export const side: Side = {
  describe(kind: CaseKind): Description {
    const config = {
      single: 'acks=all, not idempotent (its idempotent mode sends one request at a time), send() with one message',
      batch: 'acks=all, not idempotent, send() with 100 messages',
      consume: 'consume() stream in flowing mode, autocommit, read_committed, 1 MiB per partition',
      transaction: 'transactional (one request at a time), transaction.send() with 100 messages',
      pipeline: 'stream, transaction.send, addConsumer, addOffset for the last message of each partition, commit',
    }[kind]
    return { package: '@platformatic/kafka', version, config }
  },

  async prepare(run) {
    if (run.kind === 'consume') return consume(run)
    if (run.kind === 'pipeline') return pipeline(run)
    return run.kind === 'transaction' ? transact(run) : produce(run)
  },
}

async function produce(run: Run) {
  const producer = new Producer({ ...base(run), acks: ProduceAcks.ALL })
  await producer.metadata({ topics: [run.topic] })
  const { topic } = run
  return {
    run: () =>
      produceFor(run, {
        single: (value) => producer.send({ messages: [{ topic, value }] }),
        batch: (values) => producer.send({ messages: values.map((value) => ({ topic, value })) }),
      }),
    close: () => producer.close(),
  }
}

const transactional = (run: Run): Producer =>
  new Producer({ ...base(run), acks: ProduceAcks.ALL, idempotent: true, transactionalId: run.name })

async function transact(run: Run) {
  const producer = transactional(run)
  const { topic } = run
  let transaction = await producer.beginTransaction(NO_PRODUCER)
  let isFirst = true
  return {
    run: () =>
      transactFor(run, {
        async begin() {
          if (!isFirst) transaction = await producer.beginTransaction(NO_PRODUCER)
          isFirst = false
        },
        batch: (values) => transaction.send({ messages: values.map((value) => ({ topic, value })) }),
        commit: () => transaction.commit(),
      }),
    close: () => producer.close(),
  }
}

function consumerOf(run: Run): Consumer {
  return new Consumer({
    ...base(run),
    groupId: run.name,
    isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    maxBytes: 50 * 1024 * 1024,
    maxBytesPerPartition: 1024 * 1024,
    maxWaitTime: 500,
  })
}

const fromStart = { mode: MessagesStreamModes.EARLIEST, fallbackMode: MessagesStreamFallbackModes.EARLIEST }

async function consume(run: Run) {
  const consumer = consumerOf(run)
  const reading = new Reading(run)
  return {
    async run() {
      const stream = await consumer.consume({ topics: [run.topic], autocommit: true, ...fromStart })
      stream.on('error', reading.fail)
      stream.on('data', ({ value }) => reading.add(value))
      return reading.done
    },
    close: () => consumer.close(true),
  }
}

async function pipeline(run: Run) {
  const consumer = consumerOf(run)
  const producer = transactional(run)
  const progress = new PipelineProgress(run)
  return {
    async run() {
      const stream = await consumer.consume({ topics: [run.topic], autocommit: false, ...fromStart })
      void transform(stream).catch(progress.fail)
      return progress.done
    },
    async close() {
      await consumer.close(true)
      await producer.close()
    },
  }

  async function transform(stream: AsyncIterable<Message>): Promise<void> {
    let transaction: Awaited<ReturnType<typeof producer.beginTransaction>> | undefined
    let messages: { topic: string; value: Buffer }[] = []
    let sends: Promise<unknown>[] = []
    const last = new Map<number, Message>()
    for await (const message of stream) {
      if (transaction === undefined) {
        progress.begin()
        transaction = await producer.beginTransaction(NO_PRODUCER)
        await transaction.addConsumer(consumer)
      }
      progress.read(1)
      last.set(message.partition, message)
      messages.push({ topic: run.outTopic, value: message.value })
      const isDue = progress.isDue
      if (messages.length >= 1000 || isDue) {
        sends.push(transaction.send({ messages }))
        messages = []
      }
      if (!isDue) continue
      await Promise.all(sends)
      sends = []
      for (const one of last.values()) await transaction.addOffset(one)
      last.clear()
      await transaction.commit()
      transaction = undefined
      progress.committed()
    }
  }
}
