/**
 * A scripted life of a log store beside a model of it, for crash tests.
 *
 * Every change of the store is one step here, in journal order. After a crash the store must hold exactly what some prefix of
 * the steps adds up to, and that prefix must contain every step that was acknowledged: nothing lost, nothing half done,
 * nothing out of order. Producer tables and aborted transactions are functions of a log's name and offsets, so that what
 * is found after a crash can be computed instead of remembered.
 */
import { expect } from 'vitest'
import { buildBatch, readBatchHeader } from '../../src/protocol/record-batch.ts'
import type { BatchHeader } from '../../src/protocol/record-batch.ts'
import type { StoredProducerState } from '../../src/protocol/stored-producer-state.ts'
import { LogStore } from '../../src/storage/log-store.ts'
import type { Durability } from '../../src/storage/log-store.ts'
import type { PartitionLog } from '../../src/storage/partition-log.ts'
import type { StorageLimits } from '../../src/storage/storage-limits.ts'
import { SimClock } from '../../src/testing/sim-clock.ts'
import type { SimDisk } from '../../src/testing/sim-disk.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

export const DATA_DIRECTORY = '/var/semel/data'

/** Small enough that every mechanism is at work within some dozens of batches. */
const TINY_LIMITS: Partial<StorageLimits> = {
  journalFileBytes: 4096,
  checkpointJournalBytes: 6000,
  drainBytes: 900,
  drainWriteBytes: 600,
  recentBatchesBytes: 500,
  openFiles: 5,
  loadedIndexBytes: 64,
  indexIntervalBytes: 150,
  scanChunkBytes: 400,
}

export interface LogName {
  readonly topicId: string
  readonly topic: string
  readonly partition: number
}

type Step =
  | { readonly kind: 'create'; readonly name: LogName }
  | { readonly kind: 'drop'; readonly names: readonly LogName[] }
  | { readonly kind: 'append'; readonly batches: readonly { readonly name: LogName; readonly bytes: Uint8Array }[] }
  | { readonly kind: 'log-start'; readonly name: LogName; readonly offset: number }

interface ModelLog {
  readonly name: LogName
  logStartOffset: number
  logEndOffset: number
  batches: { readonly header: BatchHeader; readonly bytes: Uint8Array }[]
}

/** What a prefix of the steps adds up to. */
function replay(steps: readonly Step[]): Map<string, ModelLog> {
  const logs = new Map<string, ModelLog>()
  for (const step of steps) {
    switch (step.kind) {
      case 'create':
        logs.set(keyOf(step.name), { name: step.name, logStartOffset: 0, logEndOffset: 0, batches: [] })
        break
      case 'drop':
        for (const name of step.names) logs.delete(keyOf(name))
        break
      case 'append':
        for (const { name, bytes } of step.batches) {
          const log = logs.get(keyOf(name)) as ModelLog
          const header = readBatchHeader(bytes)
          log.batches.push({ header, bytes })
          log.logEndOffset = header.lastOffset + 1
        }
        break
      case 'log-start':
        ;(logs.get(keyOf(step.name)) as ModelLog).logStartOffset = step.offset
    }
  }
  return logs
}

function keyOf({ topicId, partition }: LogName): string {
  return `${topicId}-${partition}`
}

/** The producer table of a log at an offset. */
function producersAt(log: PartitionLog, offset: number): StoredProducerState[] {
  if (offset === 0) return []
  const batches = Array.from({ length: Math.min(5, offset) }, (_, index) => {
    const lastOffset = offset - Math.min(5, offset) + index
    return { lastSequence: lastOffset, lastOffset, offsetDelta: 0, timestampMs: 1000 + lastOffset }
  })
  return [
    {
      producerId: 1000 + log.partition,
      producerEpoch: 3,
      coordinatorEpoch: 7,
      lastTimestampMs: 999 + offset,
      currentTransactionFirstOffset: offset % 2 === 0 ? undefined : offset - 1,
      batches,
    },
  ]
}

/** Every third batch or so ends an aborted transaction that began two batches before. */
function abortedBy(header: BatchHeader) {
  if (header.baseOffset % 3 !== 1) return undefined
  return {
    producerId: 5000 + header.baseOffset,
    firstOffset: Math.max(0, header.baseOffset - 4),
    lastOffset: header.lastOffset,
    lastStableOffset: header.lastOffset + 1,
  }
}

export class ModelledStore {
  readonly disk: SimDisk
  readonly clock = new SimClock()
  readonly #random: SimRandom
  readonly #durability: Durability
  readonly #segmentBytes: number
  readonly steps: Step[] = []
  /** How many steps were durable for certain. */
  acknowledged = 0
  store: LogStore | undefined
  isDiskStopped = false

  constructor(disk: SimDisk, seed: number, durability: Durability = 'fsync', segmentBytes = 800) {
    this.disk = disk
    this.#random = new SimRandom(seed)
    this.#durability = durability
    this.#segmentBytes = segmentBytes
    void disk.crashed.then(() => {
      this.isDiskStopped = true
    })
  }

  get random(): SimRandom {
    return this.#random
  }

  async open(durability: Durability = this.#durability): Promise<LogStore> {
    this.store = await openOn(this.disk, this.clock, durability)
    return this.store
  }

  log(name: LogName): PartitionLog {
    return this.store?.log(name.topicId, name.partition) as PartitionLog
  }

  create(name: LogName): void {
    this.store?.createLog({ ...name, segmentBytes: this.#segmentBytes })
    this.#step({ kind: 'create', name })
  }

  drop(...names: LogName[]): void {
    this.store?.dropLogs(names.map((name) => this.log(name)))
    this.#step({ kind: 'drop', names })
  }

  /** One frame with a batch for each log named. */
  append(...names: LogName[]): void {
    const store = this.store as LogStore
    const ends = new Map<PartitionLog, number>()
    const appends = names.map((name) => {
      const log = this.log(name)
      const baseOffset = ends.get(log) ?? log.logEndOffset
      const batch = randomBatch(this.#random, baseOffset)
      const header = readBatchHeader(batch)
      ends.set(log, header.lastOffset + 1)
      return { log, batch, header, name }
    })
    store.append(appends)
    // What the broker does in the same tick: replay.
    for (const { log, header } of appends) noteAborted(log, header)
    this.#step({ kind: 'append', batches: appends.map(({ name, batch }) => ({ name, bytes: batch })) })
  }

  setLogStartOffset(name: LogName, offset: number): void {
    this.store?.setLogStartOffset(this.log(name), offset)
    this.#step({ kind: 'log-start', name, offset })
  }

  async acknowledge(): Promise<void> {
    const count = this.steps.length
    const store = this.store as LogStore
    await store.whenDurable(store.appendedLsn)
    this.acknowledged = Math.max(this.acknowledged, count)
  }

  #step(step: Step): void {
    const count = this.steps.push(step)
    if (this.#durability !== 'fsync') return
    const store = this.store as LogStore
    store.whenDurable(store.appendedLsn).then(
      () => {
        this.acknowledged = Math.max(this.acknowledged, count)
      },
      () => {
        // The disk has failed; the step was never acknowledged.
      },
    )
  }
}

function noteAborted(log: PartitionLog, header: BatchHeader): void {
  const aborted = abortedBy(header)
  if (aborted !== undefined) log.appendAborted(aborted)
}

export function randomBatch(random: SimRandom, baseOffset: number): Uint8Array {
  const count = 1 + random.below(3)
  const records = Array.from({ length: count }, () => {
    const value = new Uint8Array(random.below(120))
    random.fill(value)
    return { timestamp: 1_000_000 + random.below(100_000), key: null, value }
  })
  return buildBatch({ records, baseOffset, partitionLeaderEpoch: 1 })
}

export async function openOn(
  disk: SimDisk,
  clock: SimClock,
  durability: Durability,
  limits: Partial<StorageLimits> = TINY_LIMITS,
): Promise<LogStore> {
  const runtime = { clock, random: new SimRandom(1), fileSystem: disk, logger: silentLogger }
  const store = await LogStore.open({ runtime, directory: DATA_DIRECTORY, durability, limits })
  store.producerStateOf = (log) => producersAt(log, log.logEndOffset)
  return store
}

/** As the broker at its start: goes over what came after the snapshot. */
export async function loadLogs(store: LogStore): Promise<void> {
  for (const log of store.logs()) {
    expect(log.snapshotOffset).toBeLessThanOrEqual(log.logEndOffset)
    expect(log.producerSnapshot).toEqual(producersAt(log, log.snapshotOffset))
    for await (const header of log.batchHeaders(log.snapshotOffset)) noteAborted(log, header)
  }
}

/**
 * Checks that the store holds a prefix of the steps, with all that were acknowledged.
 *
 * @returns the length of the prefix
 */
export async function checkRecovered(store: LogStore, steps: readonly Step[], acknowledged: number): Promise<number> {
  const found = await contentsOf(store)
  for (let length = steps.length; length >= acknowledged; length--) {
    const model = replay(steps.slice(0, length))
    if (describe(model) === found) {
      await checkReads(store, model)
      return length
    }
  }
  const expected = describe(replay(steps.slice(0, acknowledged)))
  throw new Error(
    `no prefix of the ${steps.length} steps with the ${acknowledged} acknowledged ones is what was recovered:\n` +
      `acknowledged:\n${expected}\nfound:\n${found}\nall:\n${describe(replay(steps))}`,
  )
}

function describe(logs: Map<string, ModelLog>): string {
  const lines = [...logs.values()].map((log) => {
    const batches = log.batches.filter(({ header }) => header.lastOffset >= log.logStartOffset)
    return lineOf(
      log.name,
      log.logStartOffset,
      log.logEndOffset,
      batches.map(({ bytes }) => bytes),
    )
  })
  return lines.sort().join('\n')
}

async function contentsOf(store: LogStore): Promise<string> {
  const lines: string[] = []
  for (const log of store.logs()) {
    const batches: Uint8Array[] = []
    for await (const bytes of log.readBatches(log.logStartOffset)) batches.push(bytes)
    lines.push(lineOf(log, log.logStartOffset, log.logEndOffset, batches))
  }
  return lines.sort().join('\n')
}

function lineOf(name: LogName, logStartOffset: number, logEndOffset: number, batches: readonly Uint8Array[]): string {
  const contents = batches.map((bytes) => Buffer.from(bytes).toString('base64').slice(0, 200)).join(' ')
  return `${keyOf(name)} ${name.topic} ${logStartOffset} to ${logEndOffset}: ${contents}`
}

/** Reads at every offset give the batch that holds it, and the aborted transactions are those of the batches. */
async function checkReads(store: LogStore, model: Map<string, ModelLog>): Promise<void> {
  for (const { name, logStartOffset, logEndOffset, batches } of model.values()) {
    const log = store.log(name.topicId, name.partition) as PartitionLog
    const kept = batches.filter(({ header }) => header.lastOffset >= logStartOffset)
    for (const { header, bytes } of kept) {
      const offset = Math.max(header.baseOffset, logStartOffset)
      const [first] = await log.read(offset, logEndOffset, 1, true)
      expect(Buffer.compare(first as Uint8Array, bytes)).toBe(0)
    }
    const expected = kept.flatMap(({ header }) => abortedBy(header) ?? [])
    const found = log.abortedTransactions(logStartOffset, logEndOffset + 1)
    expect(found).toEqual(expected.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })))
  }
}
