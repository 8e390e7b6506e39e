/**
 * One life of a producer, and what it does in the history.
 *
 * Each value is written down before it is sent, each end of a transaction before it is asked for; so whatever becomes of this
 * process, nothing is in the cluster that the history does not know.
 */
import { KafkaError, type Producer, type ProducerOptions, type Transaction } from '../../client/index.ts'
import { NO_TRANSACTION, NONE, type Outcome, type PartitionName } from '../history/tables.ts'
import { encodeValue } from '../history/value.ts'
import { chance } from './dice.ts'
import { errorText, isExpected, outcomeOfCommit, outcomeOfSend } from './outcomes.ts'
import type { Participant } from './participant.ts'
import type { RecordedReader } from './recorded-reader.ts'

export interface WriterOptions {
  /** Without it the writer is idempotent only. */
  readonly transactionalId?: string
  readonly transactionTimeoutMs?: number
  readonly producer?: ProducerOptions
}

/** What a value stands for, beside itself. */
export interface Meaning {
  readonly key?: string
  /** Filled up to. */
  readonly sizeBytes?: number
  /** The record it was made from. */
  readonly cites?: PartitionName & { readonly offset: number }
  readonly effect?: { readonly account: number; readonly amount: number }
}

/** How often the outcome of a commit is asked for. */
const COMMITS_MAX = 3
const CLOSE_TIMEOUT_MS = 2_000
const RETRY_PAUSE_MS = 100
/** Of the transactions that are aborted: all they sent is in the log before. */
const FLUSH_SHARE = 0.7

export class RecordedWriter {
  readonly id: number
  readonly #me: Participant
  readonly #producer: Producer
  #values = 0
  #transactions = 0
  #isUsable = true

  private constructor(me: Participant, id: number, producer: Producer) {
    this.#me = me
    this.id = id
    this.#producer = producer
  }

  static async open(me: Participant, options: WriterOptions): Promise<RecordedWriter> {
    const { history, timeouts } = me
    const { transactionalId, transactionTimeoutMs = timeouts.transactionMs } = options
    const producer = me.kafka.producer({
      ...(transactionalId === undefined ? {} : { transactionalId, transactionTimeoutMs }),
      deliveryTimeoutMs: timeouts.deliveryMs,
      maxBlockMs: timeouts.deliveryMs,
      ...me.producer,
      ...options.producer,
    })
    const id = me.worker.newWriter()
    history.record('writerStarted', {
      writer: id,
      process: me.worker.process,
      transactionalId: transactionalId ?? '',
      at: me.nowMs(),
    })
    history.flush()
    const writer = new RecordedWriter(me, id, producer)
    try {
      await producer.init()
    } catch (error) {
      writer.#ready('unknown', errorText(error))
      await writer.close()
      throw error
    }
    writer.#ready('ok', '')
    return writer
  }

  /** Whether another transaction may be begun. If not, a new writer has to take over. */
  get isUsable(): boolean {
    return this.#isUsable
  }

  /** Outside transactions. Resolves with where the value lies; `undefined` when that is not known or it failed. */
  async send(to: PartitionName, meaning: Meaning = {}): Promise<number | undefined> {
    const { history } = this.#me
    const number = this.note(to, NO_TRANSACTION, meaning)
    history.flush()
    try {
      const { offset } = await this.#producer.send(to.topic, this.#record(to, number, NO_TRANSACTION, meaning))
      this.#completed(number, 'ok', offset, '')
      return offset
    } catch (error) {
      this.#completed(number, outcomeOfSend(error), NONE, errorText(error))
      this.#failed(error)
      return undefined
    }
  }

  /** Rejects as `producer.begin`. */
  async begin(): Promise<RecordedTransaction> {
    try {
      const tx = await this.#producer.begin()
      this.#transactions += 1
      const number = this.#transactions
      this.#me.history.record('transactionBegun', { writer: this.id, transaction: number, at: this.#me.nowMs() })
      return new RecordedTransaction(this.#me, this, tx, number)
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  /**
   * Runs `work` in a transaction and ends it as `work` says; an error that a role lives with aborts it.
   * @returns what became of a commit, 'fail' for what was aborted
   */
  async transaction(work: (tx: RecordedTransaction) => Promise<'commit' | 'abort'>): Promise<Outcome> {
    let tx: RecordedTransaction
    try {
      tx = await this.begin()
    } catch (error) {
      if (!isExpected(error)) throw error
      this.giveUp()
      await this.#me.worker.pause(RETRY_PAUSE_MS)
      return 'fail'
    }
    let end: 'commit' | 'abort' = 'abort'
    try {
      end = await work(tx)
    } catch (error) {
      if (!isExpected(error)) throw error
    }
    if (end === 'commit') return tx.commit()
    await tx.abort()
    return 'fail'
  }

  /** Cannot be used any more: a transaction of it has no end that it knows, or it was fenced. */
  giveUp(): void {
    this.#isUsable = false
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#isUsable = false
    try {
      await this.#producer.close({ timeoutMs: CLOSE_TIMEOUT_MS })
    } catch (error) {
      // Whatever it leaves behind, the cluster ends: that is what is being tested.
      if (!isExpected(error)) throw error
    }
  }

  /** Writes down that a value is about to be sent. @returns its number */
  note(to: PartitionName, transaction: number, { cites, effect }: Meaning): number {
    const { history } = this.#me
    const number = this.#values
    this.#values += 1
    history.record('sendInvoked', { writer: this.id, number, transaction, partition: to, at: this.#me.nowMs() })
    if (cites !== undefined) {
      const { topic, partition, offset } = cites
      history.record('citation', { writer: this.id, number, partition: { topic, partition }, offset })
    }
    if (effect !== undefined) history.record('effect', { writer: this.id, number, ...effect })
    return number
  }

  #record(to: PartitionName, number: number, transaction: number, { key, sizeBytes }: Meaning) {
    const value = encodeValue(this.#me.run, { writer: this.id, number, transaction }, sizeBytes)
    return { partition: to.partition, value, ...(key === undefined ? {} : { key }) }
  }

  /** Sends what was noted. */
  async sendIn(
    tx: Transaction,
    to: PartitionName,
    number: number,
    transaction: number,
    meaning: Meaning,
  ): Promise<void> {
    try {
      await tx.send(to.topic, this.#record(to, number, transaction, meaning))
    } catch (error) {
      this.#completed(number, outcomeOfSend(error), NONE, errorText(error))
      throw error
    }
  }

  #ready(outcome: Outcome, error: string): void {
    this.#me.history.record('writerReady', {
      writer: this.id,
      outcome,
      producerId: NONE,
      producerEpoch: NONE,
      error,
      at: this.#me.nowMs(),
    })
  }

  #completed(number: number, outcome: Outcome, offset: number, error: string): void {
    this.#me.history.record('sendCompleted', {
      writer: this.id,
      number,
      outcome,
      offset,
      error,
      at: this.#me.nowMs(),
    })
  }

  #failed(error: unknown): void {
    if (!(error instanceof KafkaError) || error.recovery === 'restart-producer') this.#isUsable = false
  }
}

export class RecordedTransaction {
  readonly number: number
  readonly #me: Participant
  readonly #writer: RecordedWriter
  readonly #tx: Transaction

  constructor(me: Participant, writer: RecordedWriter, tx: Transaction, number: number) {
    this.#me = me
    this.#writer = writer
    this.#tx = tx
    this.number = number
  }

  get writer(): number {
    return this.#writer.id
  }

  /** Resolves when the value is in the buffer. Rejects with what will end the transaction. */
  async send(to: PartitionName, meaning: Meaning = {}): Promise<void> {
    const number = this.#writer.note(to, this.number, meaning)
    this.#me.history.flush()
    await this.#writer.sendIn(this.#tx, to, number, this.number, meaning)
  }

  /** Commits offsets of the reader's group with the transaction. */
  async sendOffsets(
    reader: RecordedReader,
    offsets: readonly (PartitionName & { readonly offset: number })[],
  ): Promise<void> {
    const noted = reader.noteCommit(offsets, { writer: this.writer, transaction: this.number })
    try {
      await this.#tx.sendOffsets(offsets, reader.groupMetadata())
    } catch (error) {
      reader.commitRefused(noted, error)
      throw error
    }
  }

  async commit(): Promise<Outcome> {
    this.#ending(1)
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#tx.commit()
        return this.#ended('ok', '')
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        if (error.code === 'COMMIT_OUTCOME_UNKNOWN' && attempt < COMMITS_MAX && !this.#me.worker.isStopping) continue
        const outcome = this.#ended(outcomeOfCommit(error), errorText(error))
        if (outcome === 'fail') await this.#abortRefused()
        // A new writer finds out: once it has begun, the transaction is over one way or the other.
        else this.#writer.giveUp()
        return outcome
      }
    }
  }

  async abort(): Promise<Outcome> {
    this.#ending(0)
    try {
      // Values that never reach the log cannot be seen by mistake.
      if (chance(this.#me.worker.runtime.random, FLUSH_SHARE)) await this.#flushed()
      await this.#tx.abort()
      return this.#ended('ok', '')
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#writer.giveUp()
      return this.#ended('unknown', errorText(error))
    }
  }

  async #flushed(): Promise<void> {
    try {
      await this.#tx.flush()
    } catch (error) {
      // What failed is being aborted.
      if (!isExpected(error)) throw error
    }
  }

  /** After a commit that was refused the producer may go on, once it has aborted. */
  async #abortRefused(): Promise<void> {
    try {
      await this.#tx.abort()
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#writer.giveUp()
    }
  }

  #ending(isCommit: 0 | 1): void {
    const { history } = this.#me
    history.record('transactionEnding', {
      writer: this.writer,
      transaction: this.number,
      isCommit,
      at: this.#me.nowMs(),
    })
    history.flush()
  }

  #ended(outcome: Outcome, error: string): Outcome {
    this.#me.history.record('transactionEnded', {
      writer: this.writer,
      transaction: this.number,
      outcome,
      error,
      at: this.#me.nowMs(),
    })
    return outcome
  }
}
