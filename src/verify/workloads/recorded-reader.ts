/** One life of a consumer, and what it does in the history: what it was given, what it read, what it committed. */
import {
  type Consumer,
  type ConsumerOptions,
  type ConsumerRecord,
  type GroupMetadata,
  KafkaError,
} from '../../client/index.ts'
import {
  ASSIGNMENT_CHANGE,
  NO_TRANSACTION,
  NO_WRITER,
  NONE,
  type PartitionName,
  READ_COMMITTED,
  READ_UNCOMMITTED,
} from '../history/tables.ts'
import { decodeValue } from '../history/value.ts'
import { errorText, isExpected, outcomeOfOffsetCommit } from './outcomes.ts'
import type { Participant } from './participant.ts'

export type ReaderOptions = ReaderPlace & {
  readonly isolation?: 'read_committed' | 'read_uncommitted'
  readonly consumer?: ConsumerOptions<string>
}

/** Topics are shared out in the group; partitions are this reader's own, and a group then only keeps offsets. */
type ReaderPlace =
  | { readonly group: string; readonly topics: readonly string[]; readonly partitions?: never }
  | { readonly group?: string; readonly partitions: readonly PartitionName[]; readonly topics?: never }

/** The transaction in which something was used. */
interface Use {
  readonly writer: number
  readonly transaction: number
}

const OUTSIDE: Use = { writer: NO_WRITER, transaction: NO_TRANSACTION }
const CLOSE_TIMEOUT_MS = 5_000
/** An error that comes at once must not be asked for again at once. */
const RETRY_PAUSE_MS = 100

export class RecordedReader {
  readonly id: number
  readonly #me: Participant
  readonly #group: string
  readonly #consumer: Consumer
  #polls = 0
  #isUsable = true

  constructor(me: Participant, { group, topics, partitions, isolation = 'read_committed', consumer }: ReaderOptions) {
    this.#me = me
    this.#group = group ?? ''
    this.id = me.worker.newReader()
    const { sessionMs } = me.timeouts
    this.#consumer = me.kafka.consumer<string>({
      ...(group === undefined ? {} : { groupId: group }),
      ...(topics === undefined ? { partitions } : { topics }),
      isolationLevel: isolation,
      autoCommit: false,
      autoCreateTopics: false,
      sessionTimeoutMs: sessionMs,
      heartbeatIntervalMs: Math.ceil(sessionMs / 6),
      // A member that stands still for longer than this is no member, which is what pauses are to bring about.
      maxPollIntervalMs: sessionMs * 3,
      fetchMaxWaitMs: 400,
      onAssigned: (all) => this.#assigned(all, 'assigned'),
      onRevoked: (all) => this.#assigned(all, 'revoked'),
      onLost: (all) => this.#assigned(all, 'lost'),
      ...consumer,
    })
    me.history.record('readerStarted', {
      reader: this.id,
      process: me.worker.process,
      group: this.#group,
      isolation: isolation === 'read_committed' ? READ_COMMITTED : READ_UNCOMMITTED,
      isSubscribed: topics === undefined ? 0 : 1,
      at: me.nowMs(),
    })
    if (partitions !== undefined) this.#assigned(partitions, 'assigned')
  }

  /** Whether it may be polled again. If not, a new reader has to take over. */
  get isUsable(): boolean {
    return this.#isUsable
  }

  groupMetadata(): GroupMetadata {
    return this.#consumer.groupMetadata()
  }

  assignment(): readonly PartitionName[] {
    return this.#consumer.assignment()
  }

  position(partition: PartitionName): number | undefined {
    return this.#consumer.position(partition)
  }

  /** What fetches have told; see `Consumer.lag`. */
  lag(): ReturnType<Consumer['lag']> {
    return this.#consumer.lag()
  }

  /** What it read, already recorded; nothing when it failed in a way a role lives with. @param use  where it is used */
  async poll(
    options: { readonly timeoutMs?: number; readonly maxRecords?: number },
    use: Use = OUTSIDE,
  ): Promise<readonly ConsumerRecord[]> {
    const poll = this.#polls
    this.#polls += 1
    const invokedAt = this.#me.nowMs()
    try {
      const records = await this.#consumer.poll(options)
      const at = this.#me.nowMs()
      for (const { topic, partition, offset, value } of records) {
        const name = decodeValue(this.#me.run, value)
        this.#me.history.record('read', {
          reader: this.id,
          poll,
          partition: { topic, partition },
          offset,
          writer: name?.writer ?? NO_WRITER,
          number: name?.number ?? 0,
          at,
        })
      }
      this.#me.history.record('poll', { reader: this.id, poll, outcome: 'ok', error: '', ...use, invokedAt, at })
      return records
    } catch (error) {
      this.#me.history.record('poll', {
        reader: this.id,
        poll,
        outcome: 'fail',
        error: errorText(error),
        ...use,
        invokedAt,
        at: this.#me.nowMs(),
      })
      if (!isExpected(error)) throw error
      if ((error as KafkaError).recovery === 'restart-producer') this.#isUsable = false
      await this.#me.worker.pause(RETRY_PAUSE_MS)
      return []
    }
  }

  /** Goes on at this offset, where the partition is still its own. */
  seek(partition: PartitionName, offset: number): void {
    const isOurs = this.#consumer
      .assignment()
      .some((one) => one.topic === partition.topic && one.partition === partition.partition)
    if (!isOurs) return
    this.#consumer.seek(partition, offset)
    this.#assigned([partition], 'sought', offset)
  }

  /** Outside transactions. Whether it was acknowledged. */
  async commit(offsets: readonly (PartitionName & { readonly offset: number })[]): Promise<boolean> {
    const noted = this.noteCommit(offsets, OUTSIDE)
    try {
      await this.#consumer.commit(offsets)
    } catch (error) {
      this.#commitCompleted(noted, outcomeOfOffsetCommit(error), errorText(error))
      if (!isExpected(error)) throw error
      return false
    }
    this.#commitCompleted(noted, 'ok', '')
    return true
  }

  /** What OffsetFetch answers, recorded. `undefined`: no answer. */
  async committed(partitions: readonly PartitionName[]): Promise<ReadonlyMap<string, number> | undefined> {
    const invokedAt = this.#me.nowMs()
    const found = new Map<string, number>()
    try {
      const committed = await this.#consumer.committed(partitions)
      const at = this.#me.nowMs()
      for (const { topic, partition } of partitions) {
        const offset = committed.get(topic)?.get(partition)?.offset ?? NONE
        this.#me.history.record('offsetFetched', {
          group: this.#group,
          partition: { topic, partition },
          offset,
          invokedAt,
          at,
        })
        if (offset !== NONE) found.set(`${topic}/${partition}`, offset)
      }
      return found
    } catch (error) {
      if (!isExpected(error)) throw error
      return undefined
    }
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#isUsable = false
    await this.#consumer.close({ timeoutMs: CLOSE_TIMEOUT_MS })
    this.#me.history.record('readerEnded', { reader: this.id, at: this.#me.nowMs() })
  }

  /** Writes down that offsets are about to be committed. @returns the numbers of these commits */
  noteCommit(offsets: readonly (PartitionName & { readonly offset: number })[], use: Use): readonly number[] {
    const { history, worker } = this.#me
    const { generationId } = this.#consumer.groupMetadata()
    const noted = offsets.map(({ topic, partition, offset }) => {
      const commit = this.#me.nextCommit()
      history.record('offsetCommitInvoked', {
        process: worker.process,
        commit,
        reader: this.id,
        group: this.#group,
        partition: { topic, partition },
        offset,
        generation: generationId,
        ...use,
        at: this.#me.nowMs(),
      })
      return commit
    })
    history.flush()
    return noted
  }

  /** Of offsets that were to go with a transaction. */
  commitRefused(noted: readonly number[], error: unknown): void {
    // The transaction decides; that it can only be aborted now is all that this says.
    this.#commitCompleted(noted, 'unknown', errorText(error))
  }

  #commitCompleted(noted: readonly number[], outcome: 'ok' | 'fail' | 'unknown', error: string): void {
    const at = this.#me.nowMs()
    for (const commit of noted) {
      this.#me.history.record('offsetCommitCompleted', { process: this.#me.worker.process, commit, outcome, error, at })
    }
  }

  #assigned(partitions: readonly PartitionName[], change: keyof typeof ASSIGNMENT_CHANGE, offset = NONE): void {
    const generation = this.#group === '' ? NONE : this.#generation()
    for (const { topic, partition } of partitions) {
      this.#me.history.record('assignment', {
        reader: this.id,
        partition: { topic, partition },
        change: ASSIGNMENT_CHANGE[change],
        generation,
        offset,
        at: this.#me.nowMs(),
      })
    }
    this.#me.history.flush()
  }

  #generation(): number {
    return this.#consumer.groupMetadata().generationId
  }
}
