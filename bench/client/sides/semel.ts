/** semel's own client, from the sources. */
import { createRequire } from 'node:module'
import { Kafka } from '../../../src/client/index.ts'
import { type CaseKind, type Description, type Run, type Side, TRANSACTION_MS } from '../contract.ts'
import { PipelineProgress, produceFor, Reading, transactFor } from '../loops.ts'

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string }
/** How often the pipeline is asked how far it has come: it tells of commits in no other way. */
const STATS_INTERVAL_MS = 2
const PIPELINE_BATCH = { maxRecords: 50_000, maxBytes: 64 * 1024 * 1024, maxWaitMs: TRANSACTION_MS }

const kafkaOf = ({ broker }: Run): Kafka => new Kafka({ brokers: [broker], clientId: 'bench' })

export const side: Side = {
  describe(kind: CaseKind): Description {
    const config = {
      single: 'defaults: acks=all, idempotent, 5 requests in flight, send() with one record',
      batch: 'defaults: acks=all, idempotent, 5 requests in flight, send() with 100 records',
      consume:
        'defaults: run({ eachBatch }), autoCommit, read_committed, 1 MiB per partition, CRCs checked; maxPollRecords 5,000',
      transaction: 'transactionalId, otherwise defaults, tx.send() with 100 records',
      pipeline: `kafka.pipeline, exactly_once, batch ${JSON.stringify(PIPELINE_BATCH)}`,
    }[kind]
    return { package: 'semel', version, config }
  },

  async prepare(run) {
    if (run.kind === 'consume') return consume(run)
    if (run.kind === 'pipeline') return pipeline(run)
    return run.kind === 'transaction' ? transact(run) : produce(run)
  },
}

const recordOf = (value: Buffer) => ({ value })

async function produce(run: Run) {
  const kafka = kafkaOf(run)
  const producer = kafka.producer()
  await producer.init()
  const { topic } = run
  return {
    run: () =>
      produceFor(run, {
        single: (value) => producer.send(topic, { value }),
        batch: (values) => producer.send(topic, values.map(recordOf)),
      }),
    close: () => kafka.close(),
  }
}

async function transact(run: Run) {
  const kafka = kafkaOf(run)
  const producer = kafka.producer({ transactionalId: run.name })
  await producer.init()
  const { topic } = run
  let transaction: Awaited<ReturnType<typeof producer.begin>>
  return {
    run: () =>
      transactFor(run, {
        async begin() {
          transaction = await producer.begin()
        },
        batch: (values) => transaction.send(topic, values.map(recordOf)),
        commit: () => transaction.commit(),
      }),
    close: () => kafka.close(),
  }
}

async function consume(run: Run) {
  const kafka = kafkaOf(run)
  const consumer = kafka.consumer({ groupId: run.name, topics: [run.topic], maxPollRecords: 5_000 })
  const reading = new Reading(run)
  return {
    run() {
      consumer
        .run({
          eachBatch({ records }) {
            for (const { value } of records) reading.add(value)
          },
        })
        .catch(reading.fail)
      return reading.done
    },
    close: () => kafka.close(),
  }
}

async function pipeline(run: Run) {
  const kafka = kafkaOf(run)
  const progress = new PipelineProgress(run)
  let isBegun = false
  const flow = kafka.pipeline({
    groupId: run.name,
    from: run.topic,
    transactionalId: run.name,
    batch: PIPELINE_BATCH,
    async process(records, output) {
      if (!isBegun) progress.begin()
      isBegun = true
      await output.send(
        run.outTopic,
        records.map(({ value }) => ({ value })),
      )
    },
  })
  let processed = 0
  const watch = (): void => {
    const { recordsProcessed } = flow.stats()
    if (recordsProcessed === processed) return
    progress.read(recordsProcessed - processed)
    processed = recordsProcessed
    progress.committed()
  }
  return {
    async run() {
      const timer = setInterval(watch, STATS_INTERVAL_MS)
      flow.run().catch(progress.fail)
      try {
        return await progress.done
      } finally {
        clearInterval(timer)
      }
    },
    close: () => kafka.close(),
  }
}
