/**
 * Runs the catalogue over its log, `__cluster_metadata`-0, and makes the broker follow it: partitions appear, change
 * their configuration and go as topics do.
 *
 * Decisions are core/metadata's. Invariants: the record that creates a topic precedes its logs in the journal, the one
 * that deletes it precedes their removal; no answer leaves before it is durable.
 */
import type { Runtime } from '../base/runtime.ts'
import { newUuid } from '../base/uuid.ts'
import type { Catalogue, CatalogueResult, NewTopic, Topic, TopicResult } from '../core/metadata/catalogue.ts'
import { decodeCatalogueRecord, encodeCatalogueRecord } from '../core/metadata/catalogue-records.ts'
import type { CatalogueRecord } from '../core/metadata/catalogue-records.ts'
import { METADATA_TOPIC } from '../core/metadata/topic-name.ts'
import { PartitionState } from '../core/partition/partition-state.ts'
import type { PartitionStateOptions } from '../core/partition/partition-state.ts'
import { readMarker } from '../protocol/control-record.ts'
import { readBatchHeader, readRecords, setBaseOffset, setPartitionLeaderEpoch } from '../protocol/record-batch.ts'
import type { LogStore } from '../storage/log-store.ts'
import type { PartitionLog } from '../storage/partition-log.ts'
import { coordinatorBatch } from './coordinator-log.ts'
import { Partition } from './partition.ts'
import type { PartitionTable } from './partition-table.ts'

/** The id KRaft gives the same topic: 15 zero bytes and a one. */
const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const METADATA_SEGMENT_BYTES = 64 * 1024 * 1024

export interface CatalogueListeners {
  /** A setting of the broker or a feature changed. */
  onSettingsChanged(): void
  onTopicDeleted(topic: Topic): void
}

export class CatalogueRuntime {
  readonly catalogue: Catalogue
  readonly #runtime: Runtime
  readonly #store: LogStore
  readonly #partitions: PartitionTable
  readonly #stateOptions: PartitionStateOptions
  #log: PartitionLog | undefined
  #listeners: CatalogueListeners | undefined
  #lastLsn = 0
  /** What is left of the block of producer ids in use. */
  #nextProducerId = 0
  #producerIdsEnd = 0
  #producerIdsLsn = 0

  constructor(
    catalogue: Catalogue,
    runtime: Runtime,
    store: LogStore,
    partitions: PartitionTable,
    stateOptions: PartitionStateOptions,
  ) {
    this.catalogue = catalogue
    this.#runtime = runtime
    this.#store = store
    this.#partitions = partitions
    this.#stateOptions = stateOptions
  }

  topic(name: string): Topic | undefined {
    return this.catalogue.topic(name)
  }

  topicById(topicId: string): Topic | undefined {
    return this.catalogue.topicById(topicId)
  }

  /** Replays the catalogue's log. The partitions of its topics are opened by `openPartitions`. */
  async load(): Promise<void> {
    const log = this.#store.log(METADATA_TOPIC_ID, 0)
    if (log === undefined) {
      this.#log = this.#store.createLog({
        topicId: METADATA_TOPIC_ID,
        topic: METADATA_TOPIC,
        partition: 0,
        segmentBytes: METADATA_SEGMENT_BYTES,
      })
      return
    }
    this.#log = log
    for await (const batch of log.readBatches(log.logStartOffset)) {
      for (const { key, value } of readRecords(batch, { maxDecompressedBytes: Infinity })) {
        const record = key === null ? undefined : decodeCatalogueRecord(key, value)
        if (record !== undefined) this.catalogue.replay(record)
      }
    }
  }

  /** Opens the partitions of every topic, with the state their logs give them; removes logs that no topic owns. */
  async openPartitions(): Promise<void> {
    const orphans = [...this.#store.logs()].filter(
      (log) => log !== this.#log && this.catalogue.topicById(log.topicId) === undefined,
    )
    if (orphans.length > 0) this.#lastLsn = this.#store.dropLogs(orphans)
    for (const topic of this.catalogue.topics()) {
      for (let index = 0; index < topic.partitionCount; index += 1) {
        const log = this.#store.log(topic.topicId, index)
        if (log === undefined) {
          this.#openNew(topic, index)
          continue
        }
        const config = this.catalogue.topicConfig(topic)
        log.segmentBytes = config.segmentBytes
        const state = await this.#restoreState(log)
        this.#partitions.add(new Partition(topic, index, state, log, config))
      }
    }
  }

  /** From here on changes of the catalogue change the running broker. */
  listen(listeners: CatalogueListeners): void {
    this.#listeners = listeners
  }

  /** Runs a decision; the answer comes when it is durable. */
  async run<Reply>(decide: (catalogue: Catalogue) => CatalogueResult<Reply>): Promise<Reply> {
    const { records, reply } = decide(this.catalogue)
    this.commit(records)
    await this.#store.whenDurable(this.#lastLsn)
    return reply
  }

  /** Creates topics on behalf of a client or of the broker; the answer comes when they are durable. */
  createTopics(
    topics: readonly NewTopic[],
    { origin, validateOnly }: { readonly origin: 'client' | 'broker'; readonly validateOnly: boolean },
  ): Promise<TopicResult[]> {
    return this.run((catalogue) =>
      catalogue.decideCreateTopics(topics, { origin, validateOnly, newTopicId: () => newUuid(this.#runtime.random) }),
    )
  }

  /**
   * A producer id that nobody has had. Its block is journalled before anything that can carry it; who tells the id without
   * journalling it waits for `producerIdsLsn`.
   */
  nextProducerId(): number {
    if (this.#nextProducerId === this.#producerIdsEnd) {
      const { records, reply } = this.catalogue.decideReserveProducerIds()
      this.commit(records)
      this.#nextProducerId = reply.firstProducerId
      this.#producerIdsEnd = reply.firstProducerId + reply.blockSize
      this.#producerIdsLsn = this.#lastLsn
    }
    const producerId = this.#nextProducerId
    this.#nextProducerId += 1
    return producerId
  }

  /** Once it is durable, no later start gives out an id of the block in use. */
  get producerIdsLsn(): number {
    return this.#producerIdsLsn
  }

  /** Appends decided records and replays them, in this tick. */
  commit(records: readonly CatalogueRecord[]): void {
    const log = this.#log
    if (records.length === 0 || log === undefined) return
    const batch = coordinatorBatch(records.map(encodeCatalogueRecord), this.#runtime.clock.nowMs())
    setBaseOffset(batch, log.logEndOffset)
    setPartitionLeaderEpoch(batch, this.#partitions.leaderEpoch)
    this.#lastLsn = this.#store.append([{ log, batch, header: readBatchHeader(batch) }])
    for (const record of records) {
      const before = record.kind === 'topic' ? this.catalogue.topic(record.name) : undefined
      this.catalogue.replay(record)
      if (record.kind === 'topic') this.#follow(before, this.catalogue.topic(record.name))
      else if (record.kind === 'brokerConfig' || record.kind === 'feature') this.#listeners?.onSettingsChanged()
    }
  }

  /** The producers as the last checkpoint kept them, and every batch since replayed over them. */
  async #restoreState(log: PartitionLog): Promise<PartitionState> {
    const state = new PartitionState(this.#stateOptions)
    const { logStartOffset, snapshotOffset } = log
    state.restore(log.producerSnapshot, { logStartOffset, snapshotOffset })
    for await (const batch of log.storedBatches(snapshotOffset)) {
      const header = readBatchHeader(batch)
      const { aborted } = state.replay(header, header.isControl ? readMarker(batch) : undefined)
      if (aborted !== undefined) log.appendAborted(aborted)
    }
    state.advanceHighWatermark(state.logEndOffset)
    return state
  }

  /** Gives every partition its topic's configuration anew, after the broker's defaults changed. */
  refreshTopicConfigs(): void {
    for (const topic of this.catalogue.topics()) this.#configure(topic)
  }

  #follow(before: Topic | undefined, after: Topic | undefined): void {
    if (before !== undefined && before.topicId !== after?.topicId) {
      const removed = this.#partitions.removeTopic(before.topicId)
      this.#lastLsn = this.#store.dropLogs(removed.map(({ log }) => log))
      this.#listeners?.onTopicDeleted(before)
    }
    if (after === undefined) return
    const existing = this.#partitions.ofTopic(after.name).length
    for (let index = existing; index < after.partitionCount; index += 1) this.#openNew(after, index)
    this.#configure(after)
  }

  #openNew(topic: Topic, index: number): void {
    const config = this.catalogue.topicConfig(topic)
    const { topicId, name } = topic
    const log = this.#store.createLog({ topicId, topic: name, partition: index, segmentBytes: config.segmentBytes })
    this.#lastLsn = this.#store.appendedLsn
    this.#partitions.add(new Partition(topic, index, new PartitionState(this.#stateOptions), log, config))
  }

  #configure(topic: Topic): void {
    const config = this.catalogue.topicConfig(topic)
    for (const partition of this.#partitions.ofTopic(topic.name)) {
      partition.config = config
      partition.log.segmentBytes = config.segmentBytes
    }
  }
}
