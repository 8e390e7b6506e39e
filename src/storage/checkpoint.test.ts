import { describe, expect, test } from 'vitest'
import { MemoryFileSystem } from '../runtime/memory-file-system.ts'
import { SimDisk } from '../testing/sim-disk.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { crc32c } from '../base/crc32c.ts'
import { CheckpointSlots } from './checkpoint-slots.ts'
import { CHECKPOINT_VERSION, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { UnsupportedFormatError } from './errors.ts'
import { encodeStoredProducers } from './stored-producers.ts'

const checkpoint: Checkpoint = {
  generation: 9,
  lsn: 1_234_567,
  isClean: true,
  nextLogId: 5,
  droppedLogIds: [2, 3],
  logs: [
    {
      logId: 4,
      topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
      topic: 'orders',
      partition: 1,
      segmentBytes: 2 ** 30,
      logStartOffset: 10,
      logEndOffset: 5_000_000_000,
      snapshotOffset: 4_000_000_000,
      bytesSinceIndexEntry: 77,
      leaderEpochs: [{ epoch: 3, startOffset: 8 }],
      segments: [
        {
          baseOffset: 8,
          endOffset: 5_000_000_000,
          sizeBytes: 1_000_000,
          indexBytes: 80,
          timeIndexBytes: 36,
          transactionIndexBytes: 34,
          transactionIndexCrc: 0xfedc_ba98,
          maxTimestamp: { timestamp: 1_700_000_000_000, offset: 40 },
          lastIndexedTimestamp: -1,
        },
      ],
      producerSnapshotBytes: new Uint8Array(encodeStoredProducers([])),
    },
  ],
}

describe('a checkpoint', () => {
  test('is read back as it was written, whatever follows it in the file', () => {
    const bytes = encodeCheckpoint(checkpoint)
    expect(decodeCheckpoint(bytes)).toEqual({ kind: 'valid', checkpoint })
    expect(decodeCheckpoint(Buffer.concat([bytes, Buffer.alloc(100, 7)]))).toEqual({ kind: 'valid', checkpoint })
  })

  test('of version 1, without checksums of the indexes of aborted transactions, is still read', () => {
    // Written by the encoder of version 1.
    const bytes = Buffer.from(
      '73656d656c636b70000000011d71589800000000000000040000003a180105010101030000000000000000000000000000' +
        '00010174028080400212120e010200010012f80a10184480a0abfef9621080a0abfef96200',
      'hex',
    )
    const decoded = decodeCheckpoint(bytes)
    const log = decoded.kind === 'valid' ? decoded.checkpoint.logs[0] : undefined
    expect(log).toMatchObject({ topic: 't', partition: 2, logEndOffset: 9 })
    expect(log?.segments[0]).toMatchObject({ transactionIndexBytes: 34, transactionIndexCrc: undefined })
  })

  test('with any byte changed or cut off is damaged', () => {
    const bytes = encodeCheckpoint(checkpoint)
    for (let position = 0; position < bytes.length; position++) {
      const changed = Buffer.from(bytes)
      changed[position] = (changed[position] as number) ^ 0x10
      expect(decodeCheckpoint(changed).kind).toBe('damaged')
      expect(decodeCheckpoint(bytes.subarray(0, position)).kind).toBe('damaged')
    }
  })

  test('has a header of 28 bytes whose layout stays', () => {
    const bytes = Buffer.from(encodeCheckpoint({ ...checkpoint, lsn: 0, nextLogId: 1, droppedLogIds: [], logs: [] }))
    // lsn 0, clean, next log id 1, no dropped logs, no logs
    const body = '00' + '01' + '01' + '00' + '00'
    expect(bytes.subarray(0, 12).toString('hex')).toBe(Buffer.from('semelckp').toString('hex') + '00000002')
    expect(bytes.subarray(16).toString('hex')).toBe('0000000000000009' + '00000005' + body)
    expect(bytes.readUInt32BE(12)).toBe(crc32c(Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16)])))
  })
})

describe('the two slots', () => {
  const written = { lsn: 1, isClean: false, nextLogId: 1, droppedLogIds: [], logs: [] }

  async function slotsIn(fileSystem: MemoryFileSystem): Promise<CheckpointSlots> {
    await fileSystem.makeDirectory('/data')
    return await CheckpointSlots.open(fileSystem, '/data')
  }

  async function overwrite(fileSystem: MemoryFileSystem, name: string, bytes: Uint8Array): Promise<void> {
    const file = await fileSystem.open(`/data/${name}`, 'write')
    await file.write([bytes], 0)
    await file.close()
  }

  test('take turns, and the newest valid one counts', async () => {
    const fileSystem = new MemoryFileSystem()
    const slots = await slotsIn(fileSystem)
    expect(slots.newest).toBeUndefined()
    for (const lsn of [1, 2, 3]) await slots.write({ ...written, lsn })
    expect((await slotsIn(fileSystem)).newest).toMatchObject({ generation: 3, lsn: 3 })
    await overwrite(fileSystem, 'checkpoint-a', Buffer.alloc(20))
    const found = await slotsIn(fileSystem)
    expect(found.newest).toMatchObject({ generation: 2, lsn: 2 })
    await found.write({ ...written, lsn: 4 })
    expect((await slotsIn(fileSystem)).newest).toMatchObject({ generation: 3, lsn: 4 })
  })

  test('a checkpoint that only the cache held when its writer was killed is there for good once settled', async () => {
    for (const flushes of [0, 1]) {
      const disk = new SimDisk()
      await disk.makeDirectory('/data')
      await disk.syncDirectory('/')
      const slots = await CheckpointSlots.open(disk, '/data')
      for (let lsn = 1; lsn <= flushes; lsn++) await slots.write({ ...written, lsn })
      // The write of the next happens, its flush does not.
      disk.crashAt(disk.operations + 1)
      await Promise.race([slots.write({ ...written, lsn: 9 }), disk.crashed])
      const killed = disk.kill()
      const found = await CheckpointSlots.open(killed, '/data')
      expect(found.newest).toMatchObject({ lsn: 9 })
      await found.settle()
      // Torn, the next one must not leave the older one alone: files have been removed that it needs.
      killed.crashAt(killed.operations)
      await Promise.race([found.write({ ...written, lsn: 10 }), killed.crashed])
      const cut = killed.crash(new SimRandom(1), { writes: 'lost', names: 'lost', garbles: false })
      expect((await CheckpointSlots.open(cut, '/data')).newest).toMatchObject({ lsn: 9 })
    }
  })

  test('settling is done or not done, wherever the power is lost', async () => {
    const { operations } = await settled(Number.POSITIVE_INFINITY)
    for (let crashAt = 0; crashAt < operations; crashAt++) {
      const disk = await settled(crashAt)
      for (let seed = 0; seed < 10; seed++) {
        const cut = disk.crash(new SimRandom(seed))
        expect((await CheckpointSlots.open(cut, '/data')).newest).toMatchObject({ lsn: 2 })
      }
    }

    async function settled(crashAt: number): Promise<SimDisk> {
      const disk = new SimDisk()
      await disk.makeDirectory('/data')
      await disk.syncDirectory('/')
      const slots = await CheckpointSlots.open(disk, '/data')
      for (const lsn of [1, 2]) await slots.write({ ...written, lsn })
      disk.crashAt(disk.operations + crashAt)
      await Promise.race([slots.settle(), disk.crashed])
      return disk
    }
  })

  test('refuse a checkpoint of a newer format instead of taking the older slot', async () => {
    const fileSystem = new MemoryFileSystem()
    const slots = await slotsIn(fileSystem)
    for (const lsn of [1, 2]) await slots.write({ ...written, lsn })
    const newer = Buffer.from(encodeCheckpoint({ ...written, generation: 3 }))
    newer.writeUInt32BE(CHECKPOINT_VERSION + 1, 8)
    newer.writeUInt32BE(crc32c(Buffer.concat([newer.subarray(0, 12), newer.subarray(16)])), 12)
    await overwrite(fileSystem, 'checkpoint-a', newer)
    await expect(slotsIn(fileSystem)).rejects.toThrow(UnsupportedFormatError)
  })
})
