import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryFileSystem } from '../runtime/memory-file-system.ts'
import { silentLogger } from '../runtime/logger.ts'
import { buildBatch, readBatchHeader, readRecords } from '../protocol/record-batch.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { SimDisk } from '../testing/sim-disk.ts'
import type { DiskOperation } from '../testing/sim-disk.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { CorruptionError, StorageFailure } from './errors.ts'
import { LogStore } from './log-store.ts'
import type { LogStoreOptions } from './log-store.ts'
import { decodeProducerSnapshot } from './producer-snapshot.ts'
import { OffsetOutOfRange } from './partition-log.ts'
import type { PartitionLog } from './partition-log.ts'
import type { StorageLimits } from './storage-limits.ts'

const DIRECTORY = '/data'
const NAME = { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', topic: 'orders', partition: 0, segmentBytes: 1000 }
const JOURNAL_LIMITS = { journalFileBytes: 16_384 }

interface World {
  readonly disk: SimDisk
  readonly clock: SimClock
}

async function open(
  world: World,
  limits: Partial<StorageLimits> = {},
  durability: LogStoreOptions['durability'] = 'fsync',
): Promise<LogStore> {
  const runtime = { clock: world.clock, random: new SimRandom(1), fileSystem: world.disk, logger: silentLogger }
  return await LogStore.open({ runtime, directory: DIRECTORY, durability, limits: { ...JOURNAL_LIMITS, ...limits } })
}

function newWorld(): World {
  return { disk: new SimDisk(), clock: new SimClock() }
}

interface Draft {
  readonly timestamps?: readonly number[]
  readonly valueBytes?: number
}

function append(store: LogStore, log: PartitionLog, { timestamps = [1000], valueBytes = 20 }: Draft = {}): Uint8Array {
  const records = timestamps.map((timestamp) => ({ timestamp, key: null, value: Buffer.alloc(valueBytes, 7) }))
  const batch = buildBatch({ records, baseOffset: log.logEndOffset, partitionLeaderEpoch: 1 })
  store.append([{ log, batch, header: readBatchHeader(batch) }])
  return batch
}

async function durable(store: LogStore): Promise<void> {
  await store.whenDurable(store.appendedLsn)
}

async function baseOffsets(log: PartitionLog, fromOffset = 0): Promise<number[]> {
  const found: number[] = []
  for await (const header of log.batchHeaders(fromOffset)) found.push(header.baseOffset)
  return found
}

describe('appending', () => {
  test('batches can be read in the tick of their append, and are durable later', async () => {
    const store = await open(newWorld())
    const log = store.createLog(NAME)
    const batch = append(store, log, { timestamps: [1, 2, 3] })
    expect(log.logEndOffset).toBe(3)
    expect(log.read(1, 3, 1000, true)).toEqual([batch])
    expect(store.durableLsn).toBe(0)
    expect(store.pendingBytes).toBeGreaterThan(batch.length)
    await durable(store)
    expect(store.durableLsn).toBe(store.appendedLsn)
    await store.close()
    expect(() => append(store, log)).toThrow(StorageFailure)
  })

  test('onDurable is told before promises resolve, and many waiters share a flush', async () => {
    const store = await open(newWorld())
    const log = store.createLog(NAME)
    const events: string[] = []
    store.onDurable((lsn) => events.push(`durable ${lsn}`))
    const waits: Promise<void>[] = []
    for (let count = 0; count < 3; count++) {
      append(store, log)
      const lsn = store.appendedLsn
      waits.push(store.whenDurable(lsn).then(() => void events.push(`resolved ${lsn}`)))
    }
    await Promise.all(waits)
    expect(events).toEqual(['durable 4', 'resolved 2', 'resolved 3', 'resolved 4'])
    await store.close()
  })

  test('an idle log has no files and no directory', async () => {
    const world = newWorld()
    const store = await open(world)
    for (let partition = 0; partition < 100; partition++) store.createLog({ ...NAME, partition })
    await durable(store)
    await store.checkpoint()
    expect(await world.disk.list(DIRECTORY)).toEqual(['checkpoint-a', 'checkpoint-b', 'journal'])
    await store.close()
    expect((await open(world)).recovery).toMatchObject({ partitions: 100, cleanShutdown: true, framesReplayed: 0 })
  })

  test('a batch at another offset than the end of its log is our own mistake and changes nothing', async () => {
    const store = await open(newWorld())
    const log = store.createLog(NAME)
    const batch = buildBatch({ records: [{ timestamp: 1, key: null, value: null }], baseOffset: 5 })
    expect(() => store.append([{ log, batch, header: readBatchHeader(batch) }])).toThrow('log ends at 0')
    expect(log.logEndOffset).toBe(0)
    append(store, log)
    await durable(store)
  })
})

describe('draining and reading', () => {
  test('tails are drained after a while, and segments are ended at segmentBytes', async () => {
    const world = newWorld()
    const store = await open(world)
    const log = store.createLog(NAME)
    for (let count = 0; count < 25; count++) append(store, log, { valueBytes: 100 })
    await durable(store)
    expect(log.segments).toHaveLength(0)
    await world.clock.advance(1000)
    expect(log.segments.length).toBeGreaterThan(3)
    for (const segment of log.segments) expect(segment.sizeBytes).toBeLessThanOrEqual(NAME.segmentBytes)
    expect(log.segments.at(-1)?.endOffset).toBe(25)
    expect(store.pendingBytes).toBe(0)
    expect(log.sizeBytes).toBe(log.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    await store.close()
  })

  test('a batch larger than a segment gets a segment of its own', async () => {
    const store = await open(newWorld())
    const log = store.createLog(NAME)
    for (const valueBytes of [10, 3000, 10]) append(store, log, { valueBytes })
    await store.checkpoint()
    expect(log.segments.map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2])
  })

  test('recent batches are read without the disk, old ones from segments; both are whole and within maxBytes', async () => {
    const store = await open(newWorld(), { recentBatchesBytes: 300, indexIntervalBytes: 200 })
    const log = store.createLog(NAME)
    const batches = Array.from({ length: 30 }, () => append(store, log, { timestamps: [1, 2], valueBytes: 30 }))
    await store.checkpoint()
    const inMemory = log.read(58, 60, 1000, true) as Uint8Array[]
    expect(inMemory.map((bytes) => Buffer.from(bytes))).toEqual([batches[29]])
    const size = (batches[0] as Uint8Array).length
    const fromDisk = log.read(3, 60, 3 * size, true)
    expect(fromDisk).toBeInstanceOf(Promise)
    expect((await fromDisk).map((bytes) => Buffer.from(bytes))).toEqual(
      batches.slice(1, 4).map((bytes) => Buffer.from(bytes)),
    )
    expect(await log.read(3, 60, size - 1, false)).toEqual([])
    expect(await log.read(3, 60, 1, true)).toHaveLength(1)
    expect(await log.read(3, 7, 10_000, true)).toHaveLength(2)
    expect(log.read(60, 60, 1000, true)).toEqual([])
    expect(() => log.read(61, 100, 1000, true)).toThrow(OffsetOutOfRange)
  })

  test('no more files are open than the limit, and idle time opens none', async () => {
    const world = newWorld()
    let open_ = 0
    let most = 0
    const counting = new Proxy(world.disk, {
      get(disk, property) {
        const member: unknown = Reflect.get(disk, property, disk)
        if (typeof member !== 'function') return member
        if (property !== 'open') return member.bind(disk)
        return async (path: string, mode: 'read' | 'write' | 'create') => {
          const file = await disk.open(path, mode)
          if (path.includes('journal')) return file
          open_ += 1
          most = Math.max(most, open_)
          const close = file.close.bind(file)
          file.close = async () => {
            open_ -= 1
            await close()
          }
          return file
        }
      },
    })
    const store = await open({ ...world, disk: counting }, { openFiles: 10, recentBatchesBytes: 0, drainBytes: 1 })
    const logs = Array.from({ length: 20 }, (_, partition) => store.createLog({ ...NAME, partition }))
    for (let round = 0; round < 3; round++) {
      for (const log of logs) append(store, log)
      await store.checkpoint()
    }
    await Promise.all(logs.map(async (log) => expect(await log.read(1, 3, 1000, true)).toHaveLength(2)))
    // One more for each of the reads and flushes that were under way at once.
    expect(most).toBeLessThanOrEqual(10 + logs.length)
    await store.checkpoint()
    expect(open_).toBeLessThanOrEqual(10)
    await store.close()
    expect(open_).toBe(0)
  })

  test('damage in a segment is an error of the reader, never data', async () => {
    const world = newWorld()
    const store = await open(world, { recentBatchesBytes: 0 })
    const log = store.createLog(NAME)
    append(store, log)
    append(store, log)
    await store.checkpoint()
    world.disk.rot(log.segments[0]?.path('log') as string, 80, Buffer.from([255, 255, 255]))
    await expect(log.read(0, 2, 1000, true)).rejects.toThrow(CorruptionError)
    expect(store.failure).toBeUndefined()
  })

  test('an index that cannot be trusted is built anew', async () => {
    const world = newWorld()
    let store = await open(world, { recentBatchesBytes: 0, indexIntervalBytes: 100 })
    let log = store.createLog({ ...NAME, segmentBytes: 4000 })
    for (let count = 0; count < 60; count++) append(store, log)
    await store.close()
    const files = log.segments.map((segment) => segment.path('index'))
    const before = files.map((path) => Buffer.from(world.disk.readFile(path)))
    for (const path of files) world.disk.rot(path, 0, Buffer.alloc(16, 0xff))
    store = await open(world, { recentBatchesBytes: 0, indexIntervalBytes: 100 })
    log = store.log(NAME.topicId, 0) as PartitionLog
    for (let offset = 0; offset < 60; offset++) {
      const [bytes] = await log.read(offset, 60, 1, true)
      expect(readBatchHeader(bytes as Uint8Array).baseOffset).toBe(offset)
    }
    // The segment being written has its files repaired.
    expect(Buffer.from(world.disk.readFile(files.at(-1) as string))).toEqual(before.at(-1))
    await store.close()
  })
})

describe('finding by timestamp', () => {
  test('agrees with a search through all records, in memory and on disk, across restarts', async () => {
    const timestamps = fc.array(fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 40,
    })
    await fc.assert(
      fc.asyncProperty(
        timestamps,
        fc.nat(30),
        fc.nat(40),
        fc.nat(100),
        async (batches, drained, start, upperPercent) => {
          const world = newWorld()
          const limits = { recentBatchesBytes: 300, indexIntervalBytes: 120, loadedIndexBytes: 50 }
          let store = await open(world, limits)
          let log = store.createLog({ ...NAME, segmentBytes: 700 })
          const records: { offset: number; timestamp: number; batchEnd: number }[] = []
          for (const [index, batch] of batches.entries()) {
            if (index === drained) await store.checkpoint()
            const bytes = append(store, log, { timestamps: batch })
            for (const { offset, timestamp } of readRecords(bytes, { maxDecompressedBytes: 1000 })) {
              records.push({ offset, timestamp, batchEnd: log.logEndOffset })
            }
          }
          const logStartOffset = Math.min(start, log.logEndOffset)
          store.setLogStartOffset(log, logStartOffset)
          if (drained % 2 === 0) {
            await store.close()
            store = await open(world, limits)
            log = store.log(NAME.topicId, 0) as PartitionLog
          }
          const upper = Math.ceil((log.logEndOffset * upperPercent) / 100)
          const kept = records.filter(({ offset }) => offset >= logStartOffset)
          for (let target = 0; target <= 61; target += 6) {
            const hit = kept.find(({ timestamp }) => timestamp >= target)
            const expected = hit !== undefined && hit.offset < upper ? hit : undefined
            const found = await log.offsetForTimestamp(target, upper)
            expect(found).toEqual(
              expected && { offset: expected.offset, timestamp: expected.timestamp, leaderEpoch: 1 },
            )
          }
          // Batches are looked at as wholes, so only for a start between batches is the answer one of these records.
          const whole = kept.filter(({ batchEnd }) => batchEnd <= upper)
          const isBetween = records.every(
            ({ offset, batchEnd }) => offset >= logStartOffset || batchEnd <= logStartOffset,
          )
          if (isBetween) {
            const largest = Math.max(...whole.map(({ timestamp }) => timestamp))
            const expected = whole.find(({ timestamp }) => timestamp === largest)
            expect((await log.maxTimestamp(upper))?.offset).toBe(expected?.offset)
          }
          await store.close()
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('restarting', () => {
  test('a store killed without warning replays its journal, one that was closed does not', async () => {
    const world = newWorld()
    let store = await open(world)
    const log = store.createLog(NAME)
    for (let count = 0; count < 10; count++) append(store, log)
    await durable(store)
    const killed = { ...world, disk: world.disk.kill() }
    store = await open(killed)
    expect(store.recovery).toMatchObject({ framesReplayed: 11, cleanShutdown: false, partitions: 1, bytesCut: 0 })
    const found = store.log(NAME.topicId, 0) as PartitionLog
    expect(await baseOffsets(found)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(found.leaderEpochs).toEqual([{ epoch: 1, startOffset: 0 }])
    await store.close()
    store = await open(killed)
    expect(store.recovery).toMatchObject({ framesReplayed: 0, cleanShutdown: true })
    expect(await baseOffsets(store.log(NAME.topicId, 0) as PartitionLog, 7)).toEqual([7, 8, 9])
  })

  test('the producer table of the last checkpoint is handed back, and kept while the broker has not loaded', async () => {
    const world = newWorld()
    const producers = [
      {
        producerId: 1,
        producerEpoch: 0,
        coordinatorEpoch: -1,
        lastTimestampMs: 5,
        currentTransactionFirstOffset: undefined,
        batches: [1, 2, 3, 4, 5].map((lastSequence) => ({
          lastSequence,
          lastOffset: lastSequence,
          offsetDelta: 0,
          timestampMs: 5,
        })),
      },
    ]
    let store = await open(world)
    store.producerStateOf = () => producers
    let log = store.createLog(NAME)
    for (let count = 0; count < 20; count++) append(store, log, { valueBytes: 100 })
    await store.checkpoint()
    append(store, log)
    await durable(store)
    const killed = { ...world, disk: world.disk.kill() }
    store = await open(killed)
    log = store.log(NAME.topicId, 0) as PartitionLog
    expect([log.snapshotOffset, log.logEndOffset]).toEqual([20, 21])
    expect(log.producerSnapshot).toEqual(producers)
    await store.close()
    store = await open(killed)
    log = store.log(NAME.topicId, 0) as PartitionLog
    expect([log.snapshotOffset, log.logEndOffset]).toEqual([20, 21])
    expect(log.producerSnapshot).toEqual(producers)
    // Kafka's own snapshot stands at the start of each segment but the first.
    for (const segment of log.segments.slice(1)) {
      const [found] = decodeProducerSnapshot(killed.disk.readFile(segment.path('snapshot')))
      expect(found?.batches).toEqual(producers[0]?.batches.slice(4))
    }
  })

  test('aborted transactions met again while loading are known already, later ones are added', async () => {
    const world = newWorld()
    const store = await open(world)
    const log = store.createLog(NAME)
    const aborted = (marker: number) => ({
      producerId: marker,
      firstOffset: marker - 1,
      lastOffset: marker,
      lastStableOffset: marker + 1,
    })
    for (let count = 0; count < 4; count++) append(store, log)
    log.appendAborted(aborted(1))
    // No producer table is given, so the broker will begin to load at offset 0, before what is in the index.
    await store.checkpoint()
    append(store, log)
    log.appendAborted(aborted(4))
    await durable(store)
    const reopened = await open({ ...world, disk: world.disk.kill() })
    const found = reopened.log(NAME.topicId, 0) as PartitionLog
    expect(found.snapshotOffset).toBe(0)
    expect(found.abortedTransactions(0, 5)).toEqual([{ producerId: 1, firstOffset: 0 }])
    for (const marker of [1, 4]) found.appendAborted(aborted(marker))
    expect(found.abortedTransactions(0, 5)).toEqual([
      { producerId: 1, firstOffset: 0 },
      { producerId: 4, firstOffset: 3 },
    ])
    await reopened.close()
  })

  test('a second store on the same directory is told who holds it', async () => {
    const world = newWorld()
    const store = await open(world)
    await expect(open(world)).rejects.toThrow(/in use/)
    await store.close()
    await (await open(world)).close()
  })

  test('one torn checkpoint slot is survived, two are refused', async () => {
    const world = newWorld()
    let store = await open(world)
    append(store, store.createLog(NAME))
    await store.close()
    // Generation 1 is in slot a, 2 in slot b.
    world.disk.rot(`${DIRECTORY}/checkpoint-b`, 30, Buffer.from([1, 2, 3]))
    store = await open(world)
    expect(await baseOffsets(store.log(NAME.topicId, 0) as PartitionLog)).toEqual([0])
    await store.close()
    for (const slot of ['a', 'b']) world.disk.rot(`${DIRECTORY}/checkpoint-${slot}`, 30, Buffer.from([9, 9, 9]))
    await expect(open(world)).rejects.toThrow(/checksum.*restore this data directory/s)
  })

  test.each([
    ['a missing .log file', (disk: SimDisk, log: PartitionLog) => disk.remove(log.segments[0]?.path('log') as string)],
    ['a missing directory', (disk: SimDisk, log: PartitionLog) => disk.removeDirectory(log.directory)],
    [
      'a short .log file',
      async (disk: SimDisk, log: PartitionLog) => {
        const file = await disk.open(log.segments[0]?.path('log') as string, 'write')
        await file.truncate(100)
      },
    ],
    [
      'damage at the end of the last segment',
      async (disk: SimDisk, log: PartitionLog) => {
        const segment = log.segments.at(-1)
        disk.rot(segment?.path('log') as string, (segment?.sizeBytes ?? 0) - 3, Buffer.from([1]))
      },
    ],
    [
      'the topic id of another topic',
      async (disk: SimDisk, log: PartitionLog) =>
        disk.rot(`${log.directory}/partition.metadata`, 25, Buffer.from('XXXX')),
    ],
    ['a missing journal', (disk: SimDisk) => disk.removeDirectory(`${DIRECTORY}/journal`)],
  ])('%s is refused with the file and what to do', async (_, damage) => {
    const world = newWorld()
    const store = await open(world)
    const log = store.createLog(NAME)
    for (let count = 0; count < 20; count++) append(store, log, { valueBytes: 100 })
    await store.close()
    await damage(world.disk, log)
    const refusal = await open(world).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(CorruptionError)
    expect((refusal as CorruptionError).file).toContain(DIRECTORY)
    expect((refusal as CorruptionError).advice).not.toBe('')
  })

  test('files longer than the checkpoint says are cut, and other files are removed', async () => {
    const world = newWorld()
    const store = await open(world, { indexIntervalBytes: 100 })
    const log = store.createLog({ ...NAME, segmentBytes: 10_000 })
    for (let count = 0; count < 20; count++) append(store, log)
    await store.close()
    const [segment] = log.segments
    const before = new Map<string, Buffer>()
    for (const name of await world.disk.list(log.directory)) {
      const path = `${log.directory}/${name}`
      before.set(name, Buffer.from(world.disk.readFile(path)))
      if (!name.startsWith('0')) continue
      const file = await world.disk.open(path, 'write')
      await file.write([Buffer.alloc(50, 9)], await file.sizeBytes())
    }
    for (const name of ['00000000000000000020.log', '00000000000000000020.snapshot']) {
      await world.disk.open(`${log.directory}/${name}`, 'create')
    }
    await world.disk.makeDirectory(`${DIRECTORY}/orders-1`)
    const reopened = await open(world, { indexIntervalBytes: 100 })
    expect(reopened.recovery.bytesCut).toBe(150)
    expect(await world.disk.list(DIRECTORY)).not.toContain('orders-1')
    expect(await world.disk.list(log.directory)).toEqual([...before.keys()])
    for (const [name, bytes] of before) {
      expect(Buffer.from(world.disk.readFile(`${log.directory}/${name}`))).toEqual(bytes)
    }
    expect(segment?.indexBytes).toBeGreaterThan(8)
  })

  test("somebody else's directory with the name of a partition is refused, not removed", async () => {
    const world = newWorld()
    await (await open(world)).close()
    await world.disk.makeDirectory(`${DIRECTORY}/backup-2024`)
    await world.disk.open(`${DIRECTORY}/backup-2024/letters.txt`, 'create')
    await expect(open(world)).rejects.toThrow(/letters\.txt/)
    expect(await world.disk.list(`${DIRECTORY}/backup-2024`)).toEqual(['letters.txt'])
  })
})

describe('deleting', () => {
  test('a topic created again under its name has nothing of the old one, and the old directory goes', async () => {
    const world = newWorld()
    let store = await open(world)
    const first = store.createLog(NAME)
    for (let count = 0; count < 5; count++) append(store, first)
    await store.checkpoint()
    store.dropLogs([first])
    const second = store.createLog({ ...NAME, topicId: 'AAAAAAAAAAAAAAAAAAAAAg' })
    append(store, second)
    await store.checkpoint()
    expect(() => first.read(0, 5, 1000, true)).toThrow(OffsetOutOfRange)
    expect(await baseOffsets(second)).toEqual([0])
    await store.close()
    store = await open(world)
    expect([...store.logs()].map(({ topicId }) => topicId)).toEqual(['AAAAAAAAAAAAAAAAAAAAAg'])
    expect((await world.disk.list(DIRECTORY)).filter((name) => name.startsWith('orders'))).toEqual(['orders-0'])
  })

  test('with durability os the directory of a dropped log goes only once no power cut can bring the log back', async () => {
    for (const names of ['kept', 'lost'] as const) {
      const world = newWorld()
      const store = await open(world, {}, 'os')
      const log = store.createLog(NAME)
      append(store, log)
      await store.checkpoint()
      store.dropLogs([log])
      const again = store.createLog({ ...NAME, topicId: 'AAAAAAAAAAAAAAAAAAAAAg' })
      append(store, again)
      await world.clock.advance(1000)
      expect((await world.disk.list(DIRECTORY)).filter((name) => name.endsWith('-delete'))).toEqual([])
      const disk = world.disk.crash(new SimRandom(1), { writes: 'lost', names, garbles: false })
      const found = await open({ disk, clock: new SimClock() }, {}, 'os')
      expect([...found.logs()].map(({ topicId }) => topicId)).not.toContain(NAME.topicId)
    }
  })

  test('a log may be appended to and dropped while a checkpoint that knows it is being taken', async () => {
    const clock = new SimClock()
    const world = { clock, disk: new SimDisk({ clock, latencyMs: () => 1 }) }
    const store = await clock.runUntil(open(world))
    const [first, second] = [0, 1].map((partition) => store.createLog({ ...NAME, partition })) as [
      PartitionLog,
      PartitionLog,
    ]
    for (const log of [first, second]) append(store, log)
    const checkpoint = store.checkpoint()
    await clock.advance(0.5)
    for (const log of [first, second]) append(store, log)
    store.dropLogs([first])
    await clock.runUntil(checkpoint)
    await clock.runUntil(durable(store))
    const reopened = await clock.runUntil(open({ clock, disk: world.disk.kill() }))
    // Both appends and the drop come after the checkpoint.
    expect(reopened.recovery.framesReplayed).toBe(3)
    expect([...reopened.logs()].map(({ partition, logEndOffset }) => [partition, logEndOffset])).toEqual([[1, 2]])
  })

  test('records below a new log start are refused at once, and their segments go with the next checkpoint', async () => {
    const world = newWorld()
    const store = await open(world)
    const log = store.createLog(NAME)
    for (let count = 0; count < 30; count++) append(store, log, { valueBytes: 100 })
    await store.checkpoint()
    const files = (await world.disk.list(log.directory)).length
    const sizeBytes = log.sizeBytes
    store.setLogStartOffset(log, 20)
    expect(() => log.read(19, 30, 1000, true)).toThrow(OffsetOutOfRange)
    expect(await world.disk.list(log.directory)).toHaveLength(files)
    await store.checkpoint()
    expect(log.segments[0]?.baseOffset).toBeLessThanOrEqual(20)
    expect(log.segments[0]?.endOffset).toBeGreaterThan(20)
    expect((await world.disk.list(log.directory)).length).toBeLessThan(files)
    expect(log.sizeBytes).toBeLessThan(sizeBytes)
    expect((await baseOffsets(log)).at(0)).toBe(20)
  })
})

describe('a disk that fails', () => {
  const faults: readonly { operation: DiskOperation; path: string; at?: number }[] = [
    { operation: 'write', path: 'journal' },
    { operation: 'sync', path: 'journal' },
    { operation: 'write', path: 'orders-0' },
    { operation: 'sync', path: 'orders-0' },
    { operation: 'create', path: 'orders-0' },
    { operation: 'makeDirectory', path: 'orders-0', at: 1 },
    { operation: 'syncDirectory', path: 'orders-0' },
    { operation: 'write', path: 'checkpoint' },
    { operation: 'sync', path: 'checkpoint' },
  ]

  test.each(faults.flatMap((fault) => (['EIO', 'ENOSPC'] as const).map((code) => ({ ...fault, code }))))(
    '$code at $operation of $path stops the store, and a restart has all that was acknowledged',
    async ({ operation, path, at, code }) => {
      const world = newWorld()
      const store = await open(world, { drainBytes: 300 })
      const log = store.createLog(NAME)
      let failure: Error | undefined
      store.onFailure((error) => {
        failure = error
      })
      await durable(store)
      world.disk.inject({ operation, at: at ?? 2, code, path, isPermanent: true })
      let acknowledged = 0
      for (let count = 0; count < 60 && store.failure === undefined; count++) {
        try {
          append(store, log)
          if (count % 10 === 9) await store.checkpoint()
          await durable(store)
          acknowledged = log.logEndOffset
        } catch (error) {
          expect(error).toBeInstanceOf(StorageFailure)
        }
      }
      expect(store.failure).toBeInstanceOf(StorageFailure)
      expect(failure).toBe(store.failure)
      expect((store.failure as StorageFailure).code).toBe(code)
      expect(() => append(store, log)).toThrow(StorageFailure)
      await expect(store.checkpoint()).rejects.toThrow(StorageFailure)
      await store.close().catch((error: unknown) => expect(error).toBeInstanceOf(StorageFailure))

      world.disk.clearFaults()
      for (const disk of [world.disk.kill(), world.disk.crash(new SimRandom(3))]) {
        const restarted = await open({ ...world, disk })
        const found = restarted.log(NAME.topicId, 0)
        expect(found?.logEndOffset ?? 0).toBeGreaterThanOrEqual(acknowledged)
        expect(await baseOffsets(found as PartitionLog)).toEqual(
          Array.from({ length: found?.logEndOffset ?? 0 }, (_, index) => index),
        )
        append(restarted, found as PartitionLog)
        await durable(restarted)
        await restarted.close()
      }
    },
  )
})

describe('durability memory', () => {
  const options = () => ({
    runtime: {
      clock: new SimClock(),
      random: new SimRandom(1),
      fileSystem: new MemoryFileSystem(),
      logger: silentLogger,
    },
    directory: DIRECTORY,
    durability: 'memory' as const,
    limits: { drainBytes: 500, recentBatchesBytes: 100 },
  })

  test('acknowledges in the next microtask and keeps neither journal nor checkpoint', async () => {
    const given = options()
    const store = await LogStore.open(given)
    const log = store.createLog(NAME)
    for (let count = 0; count < 30; count++) append(store, log)
    await durable(store)
    await given.runtime.clock.advance(1000)
    expect(await baseOffsets(log)).toHaveLength(30)
    await store.checkpoint()
    expect(await given.runtime.fileSystem.list(DIRECTORY)).toEqual(['orders-0'])
    await store.close()
  })

  test('refuses a directory that holds durable data', async () => {
    const world = newWorld()
    await (await open(world)).close()
    await expect(open(world, {}, 'memory')).rejects.toThrow(/durability fsync or os/)
  })
})

test('what is appended, dropped, cut and restarted in any order is what a list would hold', async () => {
  const command = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('append' as const), log: fc.nat(2), valueBytes: fc.nat(300) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('start' as const), log: fc.nat(2), percent: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('checkpoint' as const), waits: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(800) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), cleanly: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('recreate' as const), log: fc.nat(2) }) },
  )
  const limits = {
    drainBytes: 700,
    recentBatchesBytes: 600,
    indexIntervalBytes: 150,
    openFiles: 4,
    checkpointJournalBytes: 4000,
  }
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 80 }), async (commands) => {
      let world = newWorld()
      let store = await open(world, limits)
      let nextId = 1
      const newName = (partition: number) => {
        const topicId = Buffer.from(String(nextId++).padStart(16, '0')).toString('base64url')
        return { ...NAME, topicId, partition }
      }
      const model = [0, 1, 2].map((partition) => ({ name: newName(partition), start: 0, batches: [] as Uint8Array[] }))
      for (const { name } of model) store.createLog(name)
      const logOf = (index: number) => store.log(model[index]?.name.topicId as string, index) as PartitionLog
      for (const step of commands) {
        switch (step.kind) {
          case 'append':
            model[step.log]?.batches.push(append(store, logOf(step.log), { valueBytes: step.valueBytes }))
            break
          case 'start': {
            const log = logOf(step.log)
            const start =
              log.logStartOffset + Math.floor(((log.logEndOffset - log.logStartOffset) * step.percent) / 100)
            store.setLogStartOffset(log, start)
            Object.assign(model[step.log] as object, { start })
            break
          }
          case 'checkpoint': {
            const checkpoint = store.checkpoint()
            if (step.waits) await checkpoint
            break
          }
          case 'wait':
            await world.clock.advance(step.ms)
            break
          case 'restart':
            await durable(store)
            if (step.cleanly) await store.close()
            world = { ...world, disk: world.disk.kill() }
            store = await open(world, limits)
            break
          case 'recreate': {
            store.dropLogs([logOf(step.log)])
            model[step.log] = { name: newName(step.log), start: 0, batches: [] }
            store.createLog((model[step.log] as { name: typeof NAME }).name)
          }
        }
      }
      for (const [index, { start, batches }] of model.entries()) {
        const log = logOf(index)
        expect([log.logStartOffset, log.logEndOffset]).toEqual([start, batches.length])
        const found: Buffer[] = []
        for await (const bytes of log.readBatches(0)) found.push(Buffer.from(bytes))
        expect(found).toEqual(batches.slice(start).map((bytes) => Buffer.from(bytes)))
        for (let offset = start; offset < batches.length; offset++) {
          const [bytes] = await log.read(offset, batches.length, 1, true)
          expect(readBatchHeader(bytes as Uint8Array).baseOffset).toBe(offset)
        }
      }
      await store.close()
    }),
    { numRuns: 60 },
  )
})
