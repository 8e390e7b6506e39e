/** Torn tails are passed over; damage to what had been flushed is refused, with the file and the position. */

import { describe, expect, test } from 'vitest'
import { appendDurably, bodyOf, DIRECTORY, durable, openJournal } from '../testing/journal-harness.ts'
import { SimDisk } from '../testing/sim-disk.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { CorruptionError, UnsupportedFormatError } from './errors.ts'
import { encodeFileHeader, encodeFrameHeader, FILE_HEADER_BYTES, FRAME_HEADER_BYTES } from './journal-frame.ts'

const BODY_BYTES = 100
const FRAME_BYTES = FRAME_HEADER_BYTES + BODY_BYTES
const FRAMES_PER_FILE = 5
const FILE_SIZE_BYTES = FILE_HEADER_BYTES + FRAMES_PER_FILE * FRAME_BYTES
const options = { fileSizeBytes: FILE_SIZE_BYTES }

const pathOf = (sequence: number): string => `${DIRECTORY}/${String(sequence).padStart(20, '0')}.journal`
const positionOf = (index: number): number => FILE_HEADER_BYTES + index * FRAME_BYTES
const names = (replayed: readonly { body: Buffer }[]): number[] => replayed.map(({ body }) => body.readUInt32BE(0))
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1)

/** Frames 1 … `frameCount` of equal size, each flushed by itself, five to a file; then the process is killed. */
async function journalOf(frameCount: number): Promise<SimDisk> {
  const disk = new SimDisk()
  await disk.makeDirectory('/data')
  const { journal } = await openJournal(disk, options)
  for (let name = 1; name <= frameCount; name += 1) await appendDurably(journal, bodyOf(name, BODY_BYTES))
  return disk.kill()
}

function flip(disk: SimDisk, path: string, position: number): void {
  const byte = disk.readFile(path)[position] as number
  disk.rot(path, position, Uint8Array.of(byte ^ 0x40))
}

async function refusal(disk: SimDisk, afterLsn = 0): Promise<CorruptionError> {
  const before = (await disk.list(DIRECTORY)).map((name) => disk.readFile(`${DIRECTORY}/${name}`))
  const error = await openJournal(disk, { ...options, afterLsn }).then(
    () => new Error('it opened'),
    (refused: unknown) => refused,
  )
  expect(error).toBeInstanceOf(CorruptionError)
  // A refusal changes nothing, so that it is given again and can be looked into.
  expect((await disk.list(DIRECTORY)).map((name) => disk.readFile(`${DIRECTORY}/${name}`))).toEqual(before)
  return error as CorruptionError
}

describe('damage to flushed frames', () => {
  test('any flipped byte of a flushed frame is refused with its file and the position of the frame', async () => {
    const pristine = await journalOf(13)
    for (let frame = 0; frame < 12; frame += 1) {
      const sequence = 1 + Math.floor(frame / FRAMES_PER_FILE)
      const position = positionOf(frame % FRAMES_PER_FILE)
      for (let at = 0; at < FRAME_BYTES; at += at < FRAME_HEADER_BYTES ? 1 : 33) {
        const disk = pristine.crash(new SimRandom(1), { writes: 'kept', names: 'kept', garbles: false })
        flip(disk, pathOf(sequence), position + at)
        const error = await refusal(disk)
        expect(error).toMatchObject({ file: pathOf(sequence), position })
        expect(error.message).toContain(pathOf(sequence))
        expect(error.advice).not.toBe('')
      }
    }
  })

  test('zeroed frames in the middle are refused, they are no end', async () => {
    const disk = await journalOf(5)
    disk.rot(pathOf(1), positionOf(2), new Uint8Array(FRAME_BYTES))
    expect(await refusal(disk)).toMatchObject({ file: pathOf(1), position: positionOf(2) })
  })

  test('a frame in the place of another is refused: wrong LSN', async () => {
    const disk = await journalOf(5)
    const bytes = disk.readFile(pathOf(1))
    disk.rot(pathOf(1), positionOf(2), bytes.subarray(positionOf(3), positionOf(4)))
    expect(await refusal(disk)).toMatchObject({ file: pathOf(1), position: positionOf(2) })
  })

  test('a frame whole in itself that does not follow the one before is refused: wrong chain', async () => {
    const disk = await journalOf(5)
    const frameMark = Buffer.from(disk.readFile(pathOf(1))).readUInt32BE(12)
    const body = bodyOf(33, BODY_BYTES)
    const frame = Buffer.alloc(FRAME_BYTES)
    body.copy(frame, FRAME_HEADER_BYTES)
    encodeFrameHeader(frame, 0, { frameMark, previousCrc: 12345, lsn: 3, flushedLsn: 2 }, BODY_BYTES, [body])
    disk.rot(pathOf(1), positionOf(2), frame)
    expect(await refusal(disk)).toMatchObject({ file: pathOf(1), position: positionOf(2) })
  })

  test('a missing file in the middle is refused', async () => {
    const disk = await journalOf(13)
    await disk.remove(pathOf(2))
    const error = await refusal(disk)
    expect(error).toMatchObject({ file: pathOf(1), position: positionOf(FRAMES_PER_FILE) })
    expect(error.message).toContain('frame 6')
  })

  test('a missing first file is refused, and is not missed when the checkpoint covers it', async () => {
    const disk = await journalOf(13)
    await disk.remove(pathOf(1))
    expect((await refusal(disk)).message).toContain('frame 1 ')
    expect((await refusal(disk, 4)).message).toContain('no frame 5 or earlier')
    expect(names((await openJournal(disk, { ...options, afterLsn: 5 })).replayed)).toEqual([6, 7, 8, 9, 10, 11, 12, 13])
  })

  test('an empty directory is refused when a checkpoint needs the journal', async () => {
    const disk = new SimDisk()
    await disk.makeDirectory(DIRECTORY)
    expect(await refusal(disk, 7)).toMatchObject({ file: DIRECTORY })
  })

  test('a journal that ends before the checkpoint is refused', async () => {
    expect((await refusal(await journalOf(3), 9)).message).toMatch(/no frame 10|ends with frame 3/)
  })

  test('with os durability a journal that ends before the checkpoint goes on behind it', async () => {
    const disk = new SimDisk()
    await disk.makeDirectory('/data')
    const { journal } = await openJournal(disk, { ...options, durability: 'os' })
    for (let name = 1; name <= 3; name += 1) await appendDurably(journal, bodyOf(name, BODY_BYTES))
    const found = disk.kill()
    const { journal: next } = await openJournal(found, { ...options, durability: 'os', afterLsn: 9 })
    expect(next.durableLsn).toBeGreaterThanOrEqual(9)
    const [lsn] = await appendDurably(next, bodyOf(50, 10))
    await next.close()
    const { replayed } = await openJournal(found, { ...options, durability: 'os', afterLsn: 9 })
    expect(replayed.map((frame) => frame.lsn)).toEqual([lsn])
  })

  test('a damaged file header is refused at position 0', async () => {
    for (let at = 0; at < FILE_HEADER_BYTES; at += 1) {
      const disk = await journalOf(7)
      flip(disk, pathOf(2), at)
      expect(await refusal(disk)).toMatchObject({ file: pathOf(2), position: 0 })
    }
  })

  test('a file of another journal and a file under another name are refused', async () => {
    const disk = await journalOf(7)
    disk.rot(pathOf(2), 0, encodeFileHeader({ frameMark: 1, sequence: 2, durability: 'fsync' }))
    expect((await refusal(disk)).message).toContain('another journal')
    const renamed = await journalOf(7)
    await renamed.rename(pathOf(2), pathOf(9))
    expect((await refusal(renamed)).message).toContain('number 2')
  })
})

describe('other files', () => {
  test('files that are not the journal’s are left alone', async () => {
    const disk = await journalOf(3)
    const foreign = [`${DIRECTORY}/notes.txt`, `${DIRECTORY}/1.journal`, `${pathOf(1)}.bak`]
    for (const path of foreign) {
      const file = await disk.open(path, 'create')
      await file.write([Buffer.from('mine')], 0)
    }
    const { replayed, journal } = await openJournal(disk, options)
    expect(names(replayed)).toEqual([1, 2, 3])
    await journal.cut(journal.durableLsn)
    for (const path of foreign) expect(Buffer.from(disk.readFile(path)).toString()).toBe('mine')
  })

  test('a half-made file is cleared away', async () => {
    const disk = await journalOf(3)
    await (await disk.open(`${pathOf(77)}.new`, 'create')).write([Buffer.from('half')], 0)
    await openJournal(disk, options)
    expect(await disk.stat(`${pathOf(77)}.new`)).toBeUndefined()
  })

  test('a newer format is refused, and says so', async () => {
    const disk = await journalOf(3)
    const header = encodeFileHeader({ frameMark: 5, sequence: 1, durability: 'fsync' })
    header.writeUInt32BE(2, 8)
    const { crc32c } = await import('../base/crc32c.ts')
    header.writeUInt32BE(crc32c(header.subarray(0, 28)), 28)
    disk.rot(pathOf(1), 0, header)
    const refused = openJournal(disk, options)
    await expect(refused).rejects.toBeInstanceOf(UnsupportedFormatError)
    await expect(refused).rejects.toThrow(/version 2.*versions up to 1.*newer semel/)
  })
})

describe('a torn tail', () => {
  test('any damage to the last group, which no later frame knows to be flushed, is passed over', async () => {
    for (let at = 0; at < FRAME_BYTES; at += 3) {
      const disk = await journalOf(3)
      flip(disk, pathOf(1), positionOf(2) + at)
      const { journal, replayed } = await openJournal(disk, options)
      expect(names(replayed)).toEqual([1, 2])
      expect(journal.recovery.bytesCut).toBeGreaterThan(0)
      await appendDurably(journal, bodyOf(77, BODY_BYTES))
      expect(names((await openJournal(disk.kill(), options)).replayed)).toEqual([1, 2, 77])
    }
  })

  test('whole frames behind a torn one are gone with it, and never come back', async () => {
    const disk = new SimDisk()
    await disk.makeDirectory('/data')
    const { journal } = await openJournal(disk, { fileSizeBytes: 1 << 16 })
    await appendDurably(journal, bodyOf(1, BODY_BYTES))
    await appendDurably(journal, ...[2, 3, 4, 5].map((name) => bodyOf(name, BODY_BYTES)))
    let found = disk.kill()
    flip(found, pathOf(1), positionOf(1) + 50)
    for (let life = 0; life < 4; life += 1) {
      const opened = await openJournal(found, { fileSizeBytes: 1 << 16 })
      expect(names(opened.replayed)).toEqual([1, ...upTo(life).map((name) => 100 + name)])
      // As large as what was lost, so that in place they would lie exactly where the old frames begin.
      await appendDurably(opened.journal, bodyOf(101 + life, BODY_BYTES))
      found = found.kill()
    }
  })

  test('a file that begins with the expected LSN and does not follow what was before is no continuation', async () => {
    const disk = await journalOf(3)
    await disk.remove(pathOf(2))
    const frameMark = Buffer.from(disk.readFile(pathOf(1))).readUInt32BE(12)
    const body = bodyOf(44, BODY_BYTES)
    const frame = Buffer.alloc(FRAME_BYTES)
    body.copy(frame, FRAME_HEADER_BYTES)
    encodeFrameHeader(frame, 0, { frameMark, previousCrc: 999, lsn: 4, flushedLsn: 3 }, BODY_BYTES, [body])
    const file = await disk.open(pathOf(2), 'create')
    await file.write([encodeFileHeader({ frameMark, sequence: 2, durability: 'fsync' }), frame], 0)
    const { replayed, journal } = await openJournal(disk, options)
    expect(names(replayed)).toEqual([1, 2, 3])
    expect(journal.recovery.bytesCut).toBeGreaterThan(0)
  })

  test('a clean journal is cut by nothing', async () => {
    const disk = await journalOf(12)
    expect((await openJournal(disk, options)).journal.recovery).toEqual({ framesReplayed: 12, bytesCut: 0 })
  })

  test('a copy of the journal inside a payload is never taken for frames', async () => {
    const disk = await journalOf(13)
    const { journal } = await openJournal(disk, { fileSizeBytes: 1 << 20 })
    const copy = Buffer.concat([1, 2, 3].map((sequence) => disk.readFile(pathOf(sequence))))
    journal.append([copy])
    await durable(journal, journal.appendedLsn)
    const found = disk.kill()
    const current = `${DIRECTORY}/${(await found.list(DIRECTORY)).at(-1)}`
    // Tears the frame that carries the copy: its body is now loose bytes behind the end of the journal.
    const start = Buffer.from(found.readFile(current)).indexOf(copy.subarray(0, 64)) - FRAME_HEADER_BYTES
    flip(found, current, start + 8)
    const { replayed } = await openJournal(found, { fileSizeBytes: 1 << 20 })
    expect(names(replayed)).toEqual(upTo(13))
  })

  test('after an idle second even the last frame counts as flushed, and damage to it is refused', async () => {
    const { SimClock } = await import('../testing/sim-clock.ts')
    const clock = new SimClock()
    const disk = new SimDisk()
    await disk.makeDirectory('/data')
    const { journal } = await openJournal(disk, { fileSizeBytes: 1 << 16, clock })
    await appendDurably(journal, bodyOf(1, BODY_BYTES))
    await clock.advance(1000)
    const found = disk.kill()
    flip(found, pathOf(1), positionOf(0) + 60)
    expect(await refusal(found)).toMatchObject({ file: pathOf(1), position: FILE_HEADER_BYTES })
  })
})

test('a body larger than the read window is recovered, and so are the frames around it', async () => {
  const disk = new SimDisk()
  await disk.makeDirectory('/data')
  const { journal } = await openJournal(disk, { fileSizeBytes: 64 << 20 })
  const sizes = [1000, 9_000_000, 1000, 4 * 1024 * 1024 - 40, 3_000_000, 2_000_000, 10]
  await appendDurably(journal, ...sizes.map((size, name) => bodyOf(name, size)))
  const { replayed } = await openJournal(disk.kill(), { fileSizeBytes: 64 << 20 })
  expect(replayed.map(({ body }) => body.length)).toEqual([...sizes])
  for (const [name, { body }] of replayed.entries()) expect(body.equals(bodyOf(name, body.length))).toBe(true)
})
