/**
 * Every record of one topic is copied once to another, its offset committed in the same transaction, by several members of one
 * group: some with a consumer and a producer in their own hands, some with a pipeline. After Kafka's TransactionalMessageCopier.
 */
import { KafkaError } from '../../client/index.ts'
import { NO_TRANSACTION, NONE, type PartitionName, READ_COMMITTED } from '../history/tables.ts'
import { encodeValue } from '../history/value.ts'
import { chance } from './dice.ts'
import { feeder } from './feeder.ts'
import { isExpected } from './outcomes.ts'
import { type Participant, participating } from './participant.ts'
import { allPartitions, endsOf, startsOf } from './partitions.ts'
import { settleMs } from './queue.ts'
import { ReaderSlot, WriterSlot } from './takeover.ts'
import { assignedReader, watch } from './watch.ts'
import type { PlanOptions, Role, Worker, Workload } from './workload.ts'

const PARTITIONS = 4
const RECORDS_MAX = 20
const POLL_TIMEOUT_MS = 200
const RESTART_PAUSE_MS = 200
const STOP_DEADLINE_MS = 5_000
/** Batches that are aborted on purpose are done again as often as it takes. */
const RETRIES = 1_000

export const copier: Workload = {
  name: 'copier',
  summary: 'copies a topic, outputs and input offsets in one transaction, by hand and by pipelines in one group',
  plan(options) {
    const { run, replicationFactor } = options
    const input = { topic: `${run}-input`, partitions: PARTITIONS, replicationFactor }
    const output = { topic: `${run}-output`, partitions: PARTITIONS, replicationFactor }
    const group = `${run}-copiers`
    return {
      topics: [input, output],
      expectations: {
        effects: { group, inputs: [input.topic], outputs: [output.topic] },
        settleMs: settleMs(options),
      },
      roles: [
        feeder(options, allPartitions([input])),
        handCopier(options, group, input.topic, output.topic),
        pipelineCopier(options, group, input.topic, output.topic),
        assignedReader(options, allPartitions([output])),
        watch(options, allPartitions([input, output])),
      ],
    }
  },
}

function handCopier(plan: PlanOptions, group: string, input: string, output: string): Role {
  return {
    name: 'copier',
    count: 2,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const { random } = worker.runtime
        const writers = new WriterSlot(me, { transactionalId: `${plan.run}-copier-${worker.index}` })
        const readers = new ReaderSlot(me, { group, topics: [input] })
        for (;;) {
          const current = await writers.get()
          if (current === undefined) break
          const { writer, isNew } = current
          // Once a new writer has begun, what the old one left open is over, so committed offsets tell how far it got.
          if (isNew) await readers.renew()
          const reader = await readers.get()
          let read: Awaited<ReturnType<typeof reader.poll>> = []
          const outcome = await writer.transaction(async (tx) => {
            const use = { writer: tx.writer, transaction: tx.number }
            read = await reader.poll({ timeoutMs: POLL_TIMEOUT_MS, maxRecords: RECORDS_MAX }, use)
            for (const { topic, partition, offset } of read) {
              await tx.send({ topic: output, partition }, { cites: { topic, partition, offset } })
            }
            if (read.length > 0) await tx.sendOffsets(reader, endsOf(read))
            return chance(random, plan.abortShare) ? 'abort' : 'commit'
          })
          // A consumer does not go back by itself after an abort.
          if (outcome === 'fail') for (const start of startsOf(read)) reader.seek(start, start.offset)
        }
        await readers.close()
      }),
  }
}

/** Whatever ends a pipeline, another one takes its place. */
function pipelineCopier(plan: PlanOptions, group: string, input: string, output: string): Role {
  return {
    name: 'pipeline',
    count: 2,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        while (!worker.isStopping) {
          try {
            await runPipeline(me, plan, group, input, output)
          } catch (error) {
            if (!isExpected(error)) throw error
          }
          await worker.pause(RESTART_PAUSE_MS)
        }
      }),
  }
}

/**
 * A pipeline begins and ends its transactions by itself. Each call of `process` is one of them; that it is about to be committed is
 * written down at its end, and what became of it is in the log.
 */
async function runPipeline(
  me: Participant,
  plan: PlanOptions,
  group: string,
  input: string,
  output: string,
): Promise<void> {
  const { worker, history } = me
  const { timeouts } = plan
  const transactionalId = `${plan.run}-pipeline-${worker.index}`
  const notes = new PipelineNotes(me, `${transactionalId}-0`, group)
  const pipeline = me.kafka.pipeline({
    groupId: group,
    from: input,
    transactionalId,
    transactionTimeoutMs: Math.max(1_000, timeouts.transactionMs),
    batch: { maxRecords: RECORDS_MAX },
    retry: { retries: RETRIES, backoffMs: 1, backoffMaxMs: 100, producerRestartsMax: RETRIES },
    consumer: {
      sessionTimeoutMs: timeouts.sessionMs,
      heartbeatIntervalMs: Math.ceil(timeouts.sessionMs / 6),
      maxPollIntervalMs: timeouts.sessionMs * 3,
      fetchMaxWaitMs: 400,
      autoCreateTopics: false,
    },
    producer: { ...me.producer, deliveryTimeoutMs: timeouts.deliveryMs, maxBlockMs: timeouts.deliveryMs },
    async process(records, out, { offsets }) {
      const transaction = notes.begin()
      for (const { topic, partition, offset } of records) {
        const value = notes.value(transaction, output, { topic, partition, offset })
        await out.send(output, { partition, value })
      }
      notes.commits(transaction, offsets)
      const isAborted = chance(worker.runtime.random, plan.abortShare)
      notes.ending(transaction, isAborted ? 0 : 1)
      if (isAborted) throw new KafkaError('USER_CODE_FAILED', 'aborted on purpose')
    },
  })
  history.flush()
  await stopWith(worker, pipeline)
}

async function stopWith(
  worker: Worker,
  pipeline: { run(): Promise<void>; stop(options: { deadlineMs: number }): Promise<void> },
): Promise<void> {
  let isOver = false
  const running = pipeline.run().finally(() => {
    isOver = true
  })
  void worker.stopping.then(async () => {
    if (!isOver) await pipeline.stop({ deadlineMs: STOP_DEADLINE_MS })
  })
  await running
}

/** What is known of the producer and the consumer inside a pipeline. */
class PipelineNotes {
  readonly #me: Participant
  readonly #group: string
  readonly #writer: number
  readonly #reader: number
  #transactions = NO_TRANSACTION
  #values = 0

  constructor(me: Participant, transactionalId: string, group: string) {
    this.#me = me
    this.#group = group
    this.#reader = me.worker.newReader()
    me.history.record('readerStarted', {
      reader: this.#reader,
      process: me.worker.process,
      group,
      isolation: READ_COMMITTED,
      isSubscribed: 1,
      at: me.nowMs(),
    })
    this.#writer = me.worker.newWriter()
    me.history.record('writerStarted', {
      writer: this.#writer,
      process: me.worker.process,
      transactionalId,
      at: me.nowMs(),
    })
  }

  begin(): number {
    this.#transactions += 1
    const transaction = this.#transactions
    this.#me.history.record('transactionBegun', { writer: this.#writer, transaction, at: this.#me.nowMs() })
    return transaction
  }

  value(transaction: number, topic: string, cites: { topic: string; partition: number; offset: number }): Buffer {
    const { history, run } = this.#me
    const writer = this.#writer
    const number = this.#values
    this.#values += 1
    const partition = { topic, partition: cites.partition }
    history.record('sendInvoked', { writer, number, transaction, partition, at: this.#me.nowMs() })
    const cited = { topic: cites.topic, partition: cites.partition }
    history.record('citation', { writer, number, partition: cited, offset: cites.offset })
    history.flush()
    return encodeValue(run, { writer, number, transaction })
  }

  /** The pipeline commits these with the transaction. In which generation, it does not tell. */
  commits(transaction: number, offsets: readonly (PartitionName & { readonly offset: number })[]): void {
    for (const { topic, partition, offset } of offsets) {
      this.#me.history.record('offsetCommitInvoked', {
        process: this.#me.worker.process,
        commit: this.#me.nextCommit(),
        reader: this.#reader,
        group: this.#group,
        partition: { topic, partition },
        offset,
        generation: NONE,
        writer: this.#writer,
        transaction,
        at: this.#me.nowMs(),
      })
    }
  }

  ending(transaction: number, isCommit: 0 | 1): void {
    const { history } = this.#me
    history.record('transactionEnding', { writer: this.#writer, transaction, isCommit, at: this.#me.nowMs() })
    history.flush()
  }
}
