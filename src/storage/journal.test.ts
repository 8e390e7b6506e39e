import { describe, expect, test } from 'vitest'
import { appendDurably, bodyOf, DIRECTORY, durable, openJournal } from '../testing/journal-harness.ts'
import { SimClock } from '../testing/sim-clock.ts'
import { SimDisk, type SimDiskOptions } from '../testing/sim-disk.ts'
import { SimRandom } from '../testing/sim-random.ts'
import { JournalFailed } from './errors.ts'
import { FLUSH_MARK_IDLE_MS, type Journal } from './journal.ts'
import { ZERO_STEP_BYTES } from './journal-file-writer.ts'

interface Traced {
  readonly disk: SimDisk
  readonly clock: SimClock
  readonly lines: string[]
}

async function tracedDisk(options: SimDiskOptions = {}): Promise<Traced> {
  const lines: string[] = []
  const clock = new SimClock()
  const disk = new SimDisk({ clock, trace: (line) => void lines.push(line), ...options })
  await clock.runUntil(disk.makeDirectory('/data'))
  await clock.runUntil(disk.syncDirectory('/'))
  return { disk, clock, lines }
}

const count = (lines: readonly string[], operation: string): number =>
  lines.filter((line) => line.includes(` ${operation} `)).length

/** One frame of so many bytes, durable. Too large to have zeros laid after it. */
async function appendLarge(journal: Journal, byteCount: number): Promise<void> {
  const lsn = journal.append([bodyOf(1, byteCount)])
  await durable(journal, lsn)
}

const names = (replayed: readonly { body: Buffer }[]): number[] => replayed.map(({ body }) => body.readUInt32BE(0))

describe('appending', () => {
  test('numbers frames from 1 and gives them back, in order, after a restart', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk)
    expect([1, 2, 3].map((name) => journal.append([bodyOf(name, 10 * name)]))).toEqual([1, 2, 3])
    expect(journal.appendedLsn).toBe(3)
    expect(journal.durableLsn).toBe(0)
    await durable(journal, 3)
    await journal.close()
    const { replayed } = await openJournal(disk)
    expect(replayed).toEqual([1, 2, 3].map((name) => ({ lsn: name, body: bodyOf(name, 10 * name) })))
  })

  test('a body is all its chunks, small or large, one after the other', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk, { fileSizeBytes: 1 << 20 })
    const large = bodyOf(1, 100_000)
    journal.append([large.subarray(0, 50_000), Buffer.alloc(0), large.subarray(50_000)])
    journal.append([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')])
    journal.append([bodyOf(2, 4096)])
    journal.append(Array.from({ length: 3000 }, (_, at) => Buffer.from(`${at} `)))
    await journal.close()
    const { replayed } = await openJournal(disk)
    expect(replayed[0]?.body.equals(large)).toBe(true)
    expect(replayed[1]?.body.toString()).toBe('abc')
    expect(replayed[2]?.body.equals(bodyOf(2, 4096))).toBe(true)
    expect(replayed[3]?.body.toString().split(' ').length).toBe(3001)
  })

  test('goes on with the next LSN after a restart, and never gives one twice', async () => {
    const { disk } = await tracedDisk()
    const given = new Set<number>()
    for (let life = 0; life < 5; life += 1) {
      const { journal, replayed } = await openJournal(disk)
      expect(names(replayed)).toEqual(Array.from({ length: life * 3 }, (_, at) => at))
      for (const lsn of await appendDurably(journal, ...[0, 1, 2].map((at) => bodyOf(life * 3 + at, 50)))) {
        expect(given.has(lsn)).toBe(false)
        given.add(lsn)
      }
      await journal.close()
    }
  })

  test('a frame needs a body', async () => {
    const { journal } = await openJournal((await tracedDisk()).disk)
    expect(() => journal.append([])).toThrow(/has a body/)
    expect(() => journal.append([Buffer.alloc(0)])).toThrow(/has a body/)
  })

  test('rolls over to a file prepared beforehand, and a frame larger than a file gets one to itself', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk, { fileSizeBytes: 1000 })
    for (const [name, size] of [400, 400, 5000, 400, 900, 10].entries())
      await appendDurably(journal, bodyOf(name, size))
    await journal.close()
    const sizes = await Promise.all(
      (await disk.list(DIRECTORY)).map(async (name) => (await disk.stat(`${DIRECTORY}/${name}`))?.sizeBytes),
    )
    expect(sizes.filter((size) => size === 32 + 32 + 5000).length).toBe(1)
    expect(sizes.length).toBeGreaterThanOrEqual(4)
    expect(names((await openJournal(disk)).replayed)).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('group commit', () => {
  test('what arrives during a flush leaves in one write and one flush, and never are two under way', async () => {
    const { disk, clock, lines } = await tracedDisk({ latencyMs: () => 1 })
    const { journal } = await clock.runUntil(openJournal(disk, { fileSizeBytes: 1 << 20, clock }))
    lines.length = 0
    const acknowledged: number[] = []
    journal.onDurable = (lsn) => void acknowledged.push(lsn)
    const first = journal.append([bodyOf(1, 100)])
    await clock.settle()
    for (let name = 2; name <= 65; name += 1) journal.append([bodyOf(name, 100)])
    expect(journal.pendingBytes).toBe(65 * 132)
    await clock.runUntil(durable(journal, 65))
    expect(acknowledged).toEqual([first, 65])
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['write', 'sync', 'write', 'sync'])
    expect(journal.pendingBytes).toBe(0)
  })

  test('all appends of one tick share a flush', async () => {
    const { disk, lines } = await tracedDisk()
    const { journal } = await openJournal(disk, { fileSizeBytes: 1 << 20 })
    lines.length = 0
    await appendDurably(journal, ...Array.from({ length: 100 }, (_, name) => bodyOf(name, 50)))
    expect(count(lines, 'write')).toBe(1)
    expect(count(lines, 'sync')).toBe(1)
  })

  test('a frame appended while hearing of durability goes out with the next flush', async () => {
    const { journal } = await openJournal((await tracedDisk()).disk)
    const acknowledged: number[] = []
    journal.onDurable = (lsn) => {
      acknowledged.push(lsn)
      if (lsn < 3) journal.append([bodyOf(lsn + 1, 20)])
    }
    await appendDurably(journal, bodyOf(1, 20))
    await durable(journal, 3)
    expect(acknowledged).toEqual([1, 2, 3])
  })

  test('nothing is acknowledged before it is flushed', async () => {
    const { disk, clock } = await tracedDisk({ latencyMs: (operation) => (operation === 'sync' ? 100 : 0) })
    const { journal } = await clock.runUntil(openJournal(disk, { clock }))
    journal.append([bodyOf(1, 20)])
    await clock.advance(99)
    expect(journal.durableLsn).toBe(0)
    await clock.advance(1)
    expect(journal.durableLsn).toBe(1)
  })

  test('with os durability frames are acknowledged once written, without a flush', async () => {
    const { disk, lines } = await tracedDisk()
    const { journal } = await openJournal(disk, { durability: 'os', fileSizeBytes: 1 << 20 })
    lines.length = 0
    await appendDurably(journal, bodyOf(1, 50))
    await appendDurably(journal, bodyOf(2, 50))
    expect(count(lines, 'write')).toBe(2)
    expect(count(lines, 'sync')).toBe(0)
    await journal.close()
    expect(count(lines, 'sync')).toBeGreaterThan(0)
    const after = disk.crash(new SimRandom(1), { writes: 'lost', names: 'lost', garbles: false })
    expect(names((await openJournal(after)).replayed)).toEqual([1, 2])
  })

  test('with os durability a checkpoint may rely on a journal of which nothing was flushed', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk, { durability: 'os' })
    const afterLsn = (await appendDurably(journal, bodyOf(1, 50), bodyOf(2, 50))).at(-1) as number
    const found = disk.crash(new SimRandom(1), { writes: 'lost', names: 'lost', garbles: false })
    const { journal: next } = await openJournal(found, { durability: 'os', afterLsn })
    const [lsn] = await appendDurably(next, bodyOf(3, 50))
    const { replayed } = await openJournal(found.kill(), { afterLsn })
    expect(replayed.map((frame) => frame.lsn)).toEqual([lsn])
  })

  test('with os durability what is asked to be flushed survives a power cut, over files', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk, { durability: 'os', fileSizeBytes: 1000 })
    for (let name = 1; name <= 12; name += 1) await appendDurably(journal, bodyOf(name, 200))
    await journal.flush(journal.durableLsn)
    const found = disk.crash(new SimRandom(1), { writes: 'lost', names: 'lost', garbles: false })
    expect(names((await openJournal(found)).replayed)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1))
  })

  test('with os durability a power cut takes what it takes, and the rest is a prefix', async () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const { disk } = await tracedDisk()
      const { journal } = await openJournal(disk, { durability: 'os', fileSizeBytes: 1000 })
      for (let name = 0; name < 20; name += 1) await appendDurably(journal, bodyOf(name, 150))
      const { replayed, journal: next } = await openJournal(disk.crash(new SimRandom(seed)), { durability: 'os' })
      expect(names(replayed)).toEqual(Array.from({ length: replayed.length }, (_, at) => at))
      await appendDurably(next, bodyOf(99, 10))
    }
  })

  test('small writes have zeros laid ahead of them in the background, large ones do not', async () => {
    const { disk, clock, lines } = await tracedDisk({ latencyMs: () => 1 })
    const { journal } = await clock.runUntil(openJournal(disk, { fileSizeBytes: 8 * ZERO_STEP_BYTES, clock }))
    const path = `${DIRECTORY}/00000000000000000001.journal`
    const size = async (): Promise<number> => (await clock.runUntil(disk.stat(path)))?.sizeBytes ?? 0
    expect(await size()).toBe(32 + ZERO_STEP_BYTES)
    let lsn = 0
    while (lsn < 20) {
      lsn = journal.append([bodyOf(lsn + 1, 50_000)])
      await clock.runUntil(durable(journal, lsn))
    }
    await clock.advance(10)
    expect(await size()).toBe(32 + 2 * ZERO_STEP_BYTES)
    lines.length = 0
    for (let large = 0; large < 4; large += 1) {
      lsn = journal.append([bodyOf(lsn + 1, 500_000)])
      await clock.runUntil(durable(journal, lsn))
    }
    expect(count(lines, 'write')).toBe(4)
    await clock.runUntil(journal.close())
    const { replayed } = await clock.runUntil(openJournal(disk, { clock }))
    expect(names(replayed)).toEqual(Array.from({ length: 24 }, (_, at) => at + 1))
  })

  test('zeros on their way never land on frames', async () => {
    let latencyMs = 0
    const { disk, clock } = await tracedDisk({ latencyMs: () => latencyMs })
    const fileSizeBytes = 8 * ZERO_STEP_BYTES
    const { journal } = await clock.runUntil(openJournal(disk, { clock, fileSizeBytes }))
    await clock.runUntil(appendLarge(journal, ZERO_STEP_BYTES / 2))
    latencyMs = 100
    journal.append([bodyOf(2, 100)])
    await new Promise<void>((resolve) => {
      journal.onDurable = () => {
        latencyMs = 1
        resolve()
      }
      void clock.advance(200)
    })
    // Reaches past the zeros that are there, into those that are being written.
    journal.append([bodyOf(3, ZERO_STEP_BYTES)])
    await clock.advance(1000)
    expect(journal.durableLsn).toBeGreaterThanOrEqual(3)
    expect(names((await clock.runUntil(openJournal(disk.kill(), { clock }))).replayed)).toEqual([1, 2, 3])
  })
})

describe('flush marks', () => {
  test('after an idle second one mark records that all is flushed, and an idle journal stays silent', async () => {
    const { disk, clock, lines } = await tracedDisk()
    const { journal } = await openJournal(disk, { clock, fileSizeBytes: 1 << 20 })
    await appendDurably(journal, bodyOf(1, 20))
    lines.length = 0
    await clock.advance(FLUSH_MARK_IDLE_MS - 1)
    expect(lines).toEqual([])
    await clock.advance(1)
    expect(count(lines, 'write')).toBe(1)
    expect(journal.durableLsn).toBe(2)
    lines.length = 0
    await clock.advance(10 * FLUSH_MARK_IDLE_MS)
    expect(lines).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  test('comes also where the clock has fractions, which do not add up to the second', async () => {
    const { disk, clock } = await tracedDisk()
    const { journal } = await openJournal(disk, { clock, fileSizeBytes: 1 << 20 })
    const atMs = 3500.0142
    await clock.advance(atMs - clock.monotonicMs())
    expect(atMs + FLUSH_MARK_IDLE_MS - atMs).toBeLessThan(FLUSH_MARK_IDLE_MS)
    await appendDurably(journal, bodyOf(1, 20))
    // It took for ever.
    await clock.advance(FLUSH_MARK_IDLE_MS + 10)
    expect(journal.durableLsn).toBe(2)
  })

  test('a busy journal writes none', async () => {
    const { disk, clock } = await tracedDisk()
    const { journal } = await openJournal(disk, { clock, fileSizeBytes: 1 << 20 })
    for (let name = 1; name <= 30; name += 1) {
      await appendDurably(journal, bodyOf(name, 20))
      await clock.advance(FLUSH_MARK_IDLE_MS / 3)
    }
    expect(journal.durableLsn).toBe(30)
  })

  test('marks are not handed to the owner', async () => {
    const { disk, clock } = await tracedDisk()
    const { journal } = await openJournal(disk, { clock })
    await appendDurably(journal, bodyOf(1, 20))
    await clock.advance(2 * FLUSH_MARK_IDLE_MS)
    const [lsn] = await appendDurably(journal, bodyOf(2, 20))
    expect(lsn).toBe(3)
    expect((await openJournal(disk.kill())).replayed.map((frame) => frame.lsn)).toEqual([1, 3])
  })
})

describe('failure', () => {
  for (const operation of ['write', 'sync'] as const) {
    for (const code of ['EIO', 'ENOSPC'] as const) {
      test(`a failed ${operation} (${code}) is told once, is never tried again, and nothing is acknowledged after it`, async () => {
        const { disk, lines } = await tracedDisk()
        const { journal, failures } = await openJournal(disk, { fileSizeBytes: 1 << 20 })
        await appendDurably(journal, bodyOf(1, 20))
        const acknowledged: number[] = []
        journal.onDurable = (lsn) => void acknowledged.push(lsn)
        disk.inject({ operation, at: 1, code })
        lines.length = 0
        journal.append([bodyOf(2, 20)])
        await new SimClock().settle()
        expect(failures.length).toBe(1)
        expect(failures[0]).toBeInstanceOf(JournalFailed)
        expect(failures[0]).toMatchObject({ code })
        expect(() => journal.append([bodyOf(3, 20)])).toThrow(JournalFailed)
        await new SimClock().settle()
        expect(acknowledged).toEqual([])
        expect(journal.durableLsn).toBe(1)
        expect(count(lines, operation)).toBe(1)
        await journal.close()
        expect(failures.length).toBe(1)
        expect(count(lines, 'sync')).toBe(operation === 'sync' ? 1 : 0)
      })
    }
  }

  test('appends that waited for the failed flush are never acknowledged, whatever else succeeds', async () => {
    const { disk, clock } = await tracedDisk({ latencyMs: () => 5 })
    const { journal, failures } = await clock.runUntil(openJournal(disk, { clock }))
    disk.inject({ operation: 'sync', at: 1, code: 'EIO' })
    journal.append([bodyOf(1, 20)])
    await clock.advance(1)
    journal.append([bodyOf(2, 20)])
    await clock.advance(1000)
    expect(failures.length).toBe(1)
    expect(journal.durableLsn).toBe(0)
    expect(journal.pendingBytes).toBeGreaterThan(0)
  })

  test('a failure in the background takes the flush beside it along', async () => {
    const { disk, clock } = await tracedDisk({ latencyMs: () => 1 })
    const fileSizeBytes = 8 * ZERO_STEP_BYTES
    const { journal, failures } = await clock.runUntil(openJournal(disk, { clock, fileSizeBytes }))
    await clock.runUntil(appendLarge(journal, ZERO_STEP_BYTES / 2))
    // The append, the zeros after it, and the next append, which succeeds while the zeros fail.
    disk.inject({ operation: 'write', at: 2, code: 'EIO' })
    journal.onDurable = () => {
      if (journal.appendedLsn === 2) journal.append([bodyOf(3, 100)])
    }
    journal.append([bodyOf(2, 100)])
    await clock.advance(100)
    expect(failures.length).toBe(1)
    expect(journal.appendedLsn).toBe(3)
    expect(journal.durableLsn).toBe(2)
  })

  test('a full disk stops the journal, and what was acknowledged is found again', async () => {
    const { disk } = await tracedDisk({ capacityBytes: 6000 })
    const { journal, failures } = await openJournal(disk, { fileSizeBytes: 1000 })
    let acknowledgedLsn = 0
    journal.onDurable = (lsn) => {
      acknowledgedLsn = lsn
    }
    while (failures.length === 0) {
      journal.append([bodyOf(journal.appendedLsn + 1, 200)])
      await new SimClock().settle()
    }
    expect(failures[0]).toMatchObject({ code: 'ENOSPC' })
    expect(acknowledgedLsn).toBeGreaterThan(10)
    const roomy = new SimDisk()
    await roomy.makeDirectory(DIRECTORY)
    for (const name of await disk.list(DIRECTORY)) {
      const file = await roomy.open(`${DIRECTORY}/${name}`, 'create')
      await file.write([disk.readFile(`${DIRECTORY}/${name}`)], 0)
    }
    const { replayed } = await openJournal(roomy, { fileSizeBytes: 1000 })
    expect(replayed.length).toBeGreaterThanOrEqual(acknowledgedLsn)
  })

  test('preparing the next file may fail once without harm', async () => {
    const { disk } = await tracedDisk()
    const { journal, failures } = await openJournal(disk, { fileSizeBytes: 1000 })
    disk.inject({ operation: 'create', at: 1, code: 'ENOSPC' })
    for (let name = 1; name <= 10; name += 1) await appendDurably(journal, bodyOf(name, 300))
    expect(failures).toEqual([])
    await journal.close()
    expect(names((await openJournal(disk)).replayed)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('no next file at all is a failure', async () => {
    const { disk } = await tracedDisk()
    const { journal, failures } = await openJournal(disk, { fileSizeBytes: 1000 })
    disk.inject({ operation: 'create', at: 1, code: 'ENOSPC', isPermanent: true })
    for (let name = 1; name <= 10 && failures.length === 0; name += 1) {
      journal.append([bodyOf(name, 300)])
      await new SimClock().settle()
    }
    expect(failures[0]).toMatchObject({ code: 'ENOSPC' })
  })

  test('frames that only the cache held after a failed flush are durable once recovery has shown them', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk)
    await appendDurably(journal, bodyOf(1, 20))
    disk.inject({ operation: 'sync', at: 1, code: 'EIO' })
    journal.append([bodyOf(2, 20)])
    await new SimClock().settle()
    const restarted = disk.kill()
    expect(names((await openJournal(restarted)).replayed)).toEqual([1, 2])
    const cut = restarted.crash(new SimRandom(1), { writes: 'lost', names: 'lost', garbles: false })
    expect(names((await openJournal(cut)).replayed)).toEqual([1, 2])
  })
})

describe('cutting and closing', () => {
  test('cut deletes the files that hold only frames up to the LSN, and what is left recovers after it', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk, { fileSizeBytes: 1000 })
    for (let name = 1; name <= 20; name += 1) await appendDurably(journal, bodyOf(name, 200))
    const before = (await disk.list(DIRECTORY)).length
    await journal.cut(0)
    expect((await disk.list(DIRECTORY)).length).toBe(before)
    await journal.cut(10)
    const after = (await disk.list(DIRECTORY)).length
    expect(after).toBeLessThan(before)
    await journal.cut(journal.durableLsn)
    expect((await disk.list(DIRECTORY)).length).toBeLessThan(after)
    await journal.close()
    expect(names((await openJournal(disk, { afterLsn: 20 })).replayed)).toEqual([])
  })

  test('cut keeps every frame after the LSN', async () => {
    for (let lsn = 0; lsn <= 20; lsn += 1) {
      const { disk } = await tracedDisk()
      const { journal } = await openJournal(disk, { fileSizeBytes: 1000 })
      for (let name = 1; name <= 20; name += 1) await appendDurably(journal, bodyOf(name, 200))
      await journal.cut(lsn)
      await journal.close()
      const { replayed } = await openJournal(disk, { afterLsn: lsn })
      expect(names(replayed)).toEqual(Array.from({ length: 20 - lsn }, (_, at) => lsn + 1 + at))
    }
  })

  test('cuts asked for together are done one after the other, and close waits for them', async () => {
    const { disk, clock } = await tracedDisk({ latencyMs: () => 1 })
    const { journal } = await clock.runUntil(openJournal(disk, { clock, fileSizeBytes: 1000 }))
    for (let name = 1; name <= 20; name += 1) await clock.runUntil(appendDurably(journal, bodyOf(name, 200)))
    const cuts = [5, 15, 10].map((lsn) => journal.cut(lsn))
    await clock.runUntil(journal.close())
    const left = await clock.runUntil(disk.list(DIRECTORY))
    await clock.runUntil(Promise.all(cuts))
    expect(await clock.runUntil(disk.list(DIRECTORY))).toEqual(left)
    const { replayed } = await clock.runUntil(openJournal(disk, { clock, afterLsn: 15 }))
    expect(names(replayed)).toEqual([16, 17, 18, 19, 20])
  })

  test('close flushes everything, is done once, and nothing is taken afterwards', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk)
    journal.append([bodyOf(1, 20)])
    const closed = journal.close()
    expect(journal.close()).toBe(closed)
    expect(() => journal.append([bodyOf(2, 20)])).toThrow(JournalFailed)
    await closed
    expect(journal.durableLsn).toBe(journal.appendedLsn)
    const after = disk.crash(new SimRandom(1), { writes: 'lost', names: 'lost', garbles: false })
    expect(names((await openJournal(after)).replayed)).toEqual([1])
  })

  test('close reports a flush that failed while closing', async () => {
    const { disk } = await tracedDisk()
    const { journal } = await openJournal(disk)
    journal.append([bodyOf(1, 20)])
    disk.inject({ operation: 'sync', at: 1, code: 'EIO' })
    await expect(journal.close()).rejects.toMatchObject({ code: 'EIO' })
  })
})
