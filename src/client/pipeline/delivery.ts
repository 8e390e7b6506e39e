/**
 * The three guarantees: in which order a batch is processed, its results stored and its offsets committed.
 *
 *     exactly_once    begin → process → results and offsets in one transaction → commit: both or neither
 *     at_least_once   process → results stored → offsets committed: a crash in between repeats the batch
 *     at_most_once    offsets committed → process → results stored: a crash in between loses the batch
 *
 * Owns that order and nothing else; what a failure means is decided in core/pipeline/failure.ts.
 */
import type { Step } from '../core/pipeline/failure.ts'
import { KafkaError } from '../errors.ts'
import type { AnyTopic, KeyIn, RecordIn, ValueIn } from '../topic.ts'
import type { Batch } from './batch.ts'
import type { ConsumerPort, Output, ProducerPort, TransactionPort } from './ports.ts'

export type Guarantee = 'exactly_once' | 'at_least_once' | 'at_most_once'

/** A failure, and the step it came up in. */
export class BatchFailure extends Error {
  override name = 'BatchFailure'
  readonly step: Step
  override readonly cause: unknown

  constructor(step: Step, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause))
    this.step = step
    this.cause = cause
  }
}

export interface Attempt {
  readonly batch: Batch
  /** Runs user code, and must not be called twice. */
  readonly process: (output: Output) => Promise<void>
  /** Throws when a partition of the batch is not ours any more. */
  readonly assertHeld: () => void
}

export interface Delivery {
  /** Rejects with BatchFailure; then nothing of the batch has taken effect, unless the code is COMMIT_OUTCOME_UNKNOWN. */
  run(attempt: Attempt): Promise<void>
}

/** One step of a batch; what it throws becomes a BatchFailure of that step. */
async function during<T>(step: Step, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new BatchFailure(step, error)
  }
}

export function exactlyOnce(producer: ProducerPort, consumer: ConsumerPort): Delivery {
  return {
    async run({ batch, process, assertHeld }) {
      const tx = await during('begin', () => producer.begin())
      try {
        await during('process', () => process(tx))
        await during('offsets', async () => {
          // The membership of now, as long as all partitions are still ours: a rebalance that left them to us did no harm.
          assertHeld()
          await tx.sendOffsets(batch.offsets, consumer.groupMetadata())
        })
      } catch (error) {
        await abort(tx, error)
        throw error
      }
      try {
        await during('commit', () => tx.commit())
      } catch (error) {
        // Whatever is not a refusal may have been a commit: then an abort must not be tried, but the outcome asked for.
        if (isRefusal(error)) await abort(tx, error)
        throw error
      }
    },
  }
}

/** What made the abort necessary is reported; an abort that fails says the same or worse of the producer. */
async function abort(tx: TransactionPort, reason: unknown): Promise<void> {
  try {
    await tx.abort()
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    // Without an abort the producer cannot begin again: it is replaced, which aborts what is open.
    const cause = reason instanceof BatchFailure ? reason.cause : reason
    throw new BatchFailure(
      'commit',
      new KafkaError('INVALID_TXN_STATE', `the transaction could not be aborted: ${error.message}`, {
        recovery: error.recovery === 'fix-configuration' ? 'fix-configuration' : 'restart-producer',
        cause,
      }),
    )
  }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof BatchFailure && error.cause instanceof KafkaError && error.cause.recovery === 'abort-transaction'
  )
}

export function atLeastOnce(producer: ProducerPort, consumer: ConsumerPort): Delivery {
  return {
    async run({ batch, process, assertHeld }) {
      const output = new StoredOutput(producer)
      await during('process', async () => {
        try {
          await process(output)
        } finally {
          await output.settle()
        }
      })
      await during('process', () => output.stored())
      await during('offsets', async () => {
        assertHeld()
        await consumer.commit(batch.offsets)
      })
    },
  }
}

export function atMostOnce(producer: ProducerPort, consumer: ConsumerPort): Delivery {
  return {
    async run({ batch, process, assertHeld }) {
      await during('offsets', async () => {
        assertHeld()
        await consumer.commit(batch.offsets)
      })
      const output = new StoredOutput(producer)
      await during('process', async () => {
        try {
          await process(output)
        } finally {
          await output.settle()
        }
      })
      await during('process', () => output.stored())
    },
  }
}

/** Collects the acknowledgements of what one batch sent outside a transaction. */
class StoredOutput implements Output {
  readonly #producer: ProducerPort
  readonly #pending = new Set<Promise<unknown>>()
  #error: unknown
  #hasFailed = false

  constructor(producer: ProducerPort) {
    this.#producer = producer
  }

  /** Resolves when all is stored, as there is nothing that would hold it back later: the batch waits for it in `stored`. */
  async send<T extends AnyTopic>(
    topic: T,
    records: RecordIn<KeyIn<T>, ValueIn<T>> | readonly RecordIn<KeyIn<T>, ValueIn<T>>[],
  ): Promise<void> {
    const list = (Array.isArray(records) ? records : [records]) as readonly RecordIn<KeyIn<T>, ValueIn<T>>[]
    const sent = this.#producer.send(topic, list).then(
      () => undefined,
      (error: unknown) => {
        if (!this.#hasFailed) this.#error = error
        this.#hasFailed = true
      },
    )
    this.#pending.add(sent)
    void sent.then(() => this.#pending.delete(sent))
    if (this.#pending.size >= PENDING_SENDS_MAX) await Promise.race(this.#pending)
    if (this.#hasFailed) throw this.#error
  }

  /** Waits for everything under way, whatever becomes of it. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  async stored(): Promise<void> {
    await this.settle()
    if (this.#hasFailed) throw this.#error
  }
}

/** Sends of one batch that wait for their acknowledgement; more wait in `send`. */
const PENDING_SENDS_MAX = 1_000
