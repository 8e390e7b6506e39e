import { describe, expect, test } from 'vitest'
import { fileSystemContract } from '../runtime/file-system.contract.ts'
import { SimClock } from './sim-clock.ts'
import { type CrashDamage, type DiskImage, SimDisk } from './sim-disk.ts'
import { SECTOR_BYTES } from './sim-file.ts'
import { SimRandom } from './sim-random.ts'

const LOSE_ALL: CrashDamage = { writes: 'lost', names: 'lost', garbles: false }

fileSystemContract('simulated disk', async () => {
  const fileSystem = new SimDisk()
  await fileSystem.makeDirectory('/data')
  return { fileSystem, directory: '/data' }
})

const text = (value: string): Uint8Array => Buffer.from(value)
const content = (disk: SimDisk, path: string): string => Buffer.from(disk.readFile(path)).toString()

async function durableFile(disk: SimDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(path, 'create')
  await file.write([bytes], 0)
  await file.sync()
  await file.close()
  await disk.syncDirectory('/')
}

describe('a crash', () => {
  test('keeps what was flushed and loses what was not', async () => {
    const disk = new SimDisk()
    await durableFile(disk, '/a', text('durable'))
    const file = await disk.open('/a', 'write')
    await file.write([text('DURABLE')], 0)
    await file.write([text(' and more')], 7)
    expect(content(disk, '/a')).toBe('DURABLE and more')
    expect(content(disk.crash(new SimRandom(1), LOSE_ALL), '/a')).toBe('durable')
    expect(content(disk.crash(new SimRandom(1), { ...LOSE_ALL, writes: 'kept' }), '/a')).toBe('DURABLE and more')
  })

  test('loses names whose directory was not synced, and brings removed ones back', async () => {
    const disk = new SimDisk()
    await durableFile(disk, '/kept', text('1'))
    await durableFile(disk, '/removed', text('2'))
    const file = await disk.open('/created', 'create')
    await file.write([text('3')], 0)
    await file.sync()
    await disk.remove('/removed')
    await disk.rename('/kept', '/renamed')
    expect(await disk.list('/')).toEqual(['created', 'renamed'])
    expect(await disk.crash(new SimRandom(1), LOSE_ALL).list('/')).toEqual(['kept', 'removed'])
    const kept = disk.crash(new SimRandom(1), { ...LOSE_ALL, names: 'kept' })
    expect(await kept.list('/')).toEqual(['created', 'renamed'])
    expect(content(kept, '/created')).toBe('3')
  })

  test('never leaves a rename half done', async () => {
    const disk = new SimDisk()
    await durableFile(disk, '/old', text('old'))
    await durableFile(disk, '/new', text('new'))
    await disk.rename('/new', '/old')
    const found = new Set<string>()
    for (let seed = 0; seed < 50; seed += 1) {
      const after = disk.crash(new SimRandom(seed))
      found.add(`${(await after.list('/')).join()}=${content(after, '/old')}`)
    }
    expect([...found].sort()).toEqual(['new,old=old', 'old=new'])
  })

  test('tears a write at sector boundaries, keeps any part of it, and touches nothing beside it', async () => {
    const disk = new SimDisk()
    await durableFile(disk, '/a', Buffer.alloc(4 * SECTOR_BYTES, 'o'))
    const file = await disk.open('/a', 'write')
    await file.write([Buffer.alloc(2 * SECTOR_BYTES, 'n')], SECTOR_BYTES + 100)
    const shapes = new Set<string>()
    for (let seed = 0; seed < 600; seed += 1) {
      const bytes = Buffer.from(disk.crash(new SimRandom(seed)).readFile('/a'))
      expect(bytes.subarray(0, SECTOR_BYTES + 100).every((byte) => byte === 0x6f)).toBe(true)
      expect(bytes.subarray(3 * SECTOR_BYTES + 100).every((byte) => byte === 0x6f)).toBe(true)
      const sectors = [SECTOR_BYTES + 100, 2 * SECTOR_BYTES, 3 * SECTOR_BYTES].map((at) =>
        bytes.toString('latin1', at, at + 50),
      )
      shapes.add(sectors.map((sector) => (/^o+$/.test(sector) ? 'o' : /^n+$/.test(sector) ? 'n' : '?')).join(''))
    }
    for (const shape of ['ooo', 'nnn', 'noo', 'ono', 'nno']) expect(shapes).toContain(shape)
    expect([...shapes].some((shape) => shape.includes('?'))).toBe(true)
  })

  test('makes nothing durable that was written after the flush began', async () => {
    const clock = new SimClock()
    const disk = new SimDisk({ clock, latencyMs: (operation) => (operation === 'sync' ? 10 : 0) })
    const work = async (): Promise<void> => {
      const file = await disk.open('/a', 'create')
      await disk.syncDirectory('/')
      await file.write([text('a')], 0)
      const flushed = file.sync()
      await file.write([text('b')], 1)
      await flushed
    }
    await clock.runUntil(work())
    expect(content(disk.crash(new SimRandom(1), LOSE_ALL), '/a')).toBe('a')
  })

  test('at operation k leaves that operation and all later ones forever pending', async () => {
    const disk = new SimDisk()
    disk.crashAt(2)
    const done: string[] = []
    const work = async (): Promise<void> => {
      const file = await disk.open('/a', 'create')
      done.push('create')
      await disk.syncDirectory('/')
      done.push('syncDirectory')
      await file.write([text('x')], 0)
      done.push('write')
    }
    await Promise.race([work(), disk.crashed])
    expect(done).toEqual(['create', 'syncDirectory'])
    expect(disk.operations).toBe(3)
    expect(content(disk.crash(new SimRandom(1), { ...LOSE_ALL, writes: 'kept' }), '/a')).toBe('x')
    expect(content(disk.crash(new SimRandom(1), LOSE_ALL), '/a')).toBe('')
  })

  test('may leave a file with the size it was given and zeros where the bytes never arrived', async () => {
    const disk = new SimDisk()
    await durableFile(disk, '/a', text('durable'))
    const file = await disk.open('/a', 'write')
    await file.write([text('DURABLE and more')], 0)
    const found = content(disk.crash(new SimRandom(1), { ...LOSE_ALL, writes: 'zeroed' }), '/a')
    expect(found).toBe(`durable${'\0'.repeat(9)}`)
  })

  test('can be tried at every operation of a run that goes on', async () => {
    const images: DiskImage[] = []
    const disk: SimDisk = new SimDisk({ onChange: (moment) => moment === 'begun' && images.push(disk.image()) })
    const file = await disk.open('/a', 'create')
    await disk.syncDirectory('/')
    for (const letter of 'abc') {
      await file.write([text(letter)], letter.charCodeAt(0) - 97)
      await file.sync()
    }
    await disk.rename('/a', '/b')
    await disk.syncDirectory('/')
    await file.write([text('XYZ')], 0)
    const crashed = images.map((image) => image.crash(new SimRandom(1), LOSE_ALL))
    const found = await Promise.all(crashed.map(async (each) => await each.list('/')))
    expect(found.map((names) => names.join())).toEqual(['', '', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'b'])
    expect(crashed.slice(2, 10).map((each) => content(each, '/a'))).toEqual([
      '',
      '',
      'a',
      'a',
      'ab',
      'ab',
      'abc',
      'abc',
    ])
    expect(content(crashed.at(-1) as SimDisk, '/b')).toBe('abc')
    const killed = (images[4] as DiskImage).kill()
    expect(content(killed, '/a')).toBe('ab')
    expect(content(killed.crash(new SimRandom(1), LOSE_ALL), '/a')).toBe('a')
  })

  test('is a function of the seed', async () => {
    const disk = new SimDisk()
    const file = await disk.open('/a', 'create')
    await disk.syncDirectory('/')
    for (let at = 0; at < 20; at += 1) await file.write([Buffer.alloc(700, at)], at * 500)
    const first = disk.crash(new SimRandom(42)).readFile('/a')
    expect(disk.crash(new SimRandom(42)).readFile('/a')).toEqual(first)
  })
})

test('of two writes to one place that are under way together, the one that completes last stays', async () => {
  const clock = new SimClock()
  let latencyMs = 0
  const disk = new SimDisk({ clock, latencyMs: () => latencyMs })
  const file = await clock.runUntil(disk.open('/a', 'create'))
  latencyMs = 10
  const slow = file.write([text('slow')], 0)
  latencyMs = 1
  await clock.runUntil(file.write([text('fast')], 0))
  expect(content(disk, '/a')).toBe('fast')
  await clock.runUntil(slow)
  expect(content(disk, '/a')).toBe('slow')
})

test('a killed process leaves everything written, and a power cut later may still take it', async () => {
  const disk = new SimDisk()
  await durableFile(disk, '/a', text('durable'))
  const file = await disk.open('/a', 'write')
  await file.write([text('WRITTEN')], 0)
  const survivor = disk.kill()
  expect(content(survivor, '/a')).toBe('WRITTEN')
  expect(content(survivor.crash(new SimRandom(1), LOSE_ALL), '/a')).toBe('durable')
})

test('a disk that lies about flushes keeps nothing of what it said was flushed', async () => {
  const disk = new SimDisk()
  await durableFile(disk, '/a', text('durable'))
  disk.lie()
  await durableFile(disk, '/b', text('b'))
  const file = await disk.open('/a', 'write')
  await file.write([text('DURABLE')], 0)
  await file.sync()
  const found = disk.crash(new SimRandom(1), LOSE_ALL)
  expect(await found.list('/')).toEqual(['a'])
  expect(content(found, '/a')).toBe('durable')
})

describe('faults', () => {
  test('strike the n-th change of any kind, and leave of a write as much as they say', async () => {
    for (const [writtenShare, left] of [
      [0, ''],
      [0.5, '12'],
      [1, '1234'],
    ] as const) {
      const disk = new SimDisk()
      disk.inject({ operation: 'change', at: 2, code: 'EIO', writtenShare })
      const file = await disk.open('/a', 'create')
      expect(await file.read(new Uint8Array(1), 0)).toBe(0)
      await expect(file.write([text('1234')], 0)).rejects.toMatchObject({ code: 'EIO' })
      expect(content(disk, '/a')).toBe(left)
    }
  })

  test('a failed flush is reported once, and no later one saves what it lost', async () => {
    const disk = new SimDisk()
    await durableFile(disk, '/a', text('durable'))
    const file = await disk.open('/a', 'write')
    disk.inject({ operation: 'sync', at: 1, code: 'EIO' })
    await file.write([text('DOUBTED')], 0)
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
    await file.sync()
    expect(content(disk, '/a')).toBe('DOUBTED')
    expect(content(disk.crash(new SimRandom(1), LOSE_ALL), '/a')).toBe('durable')
  })

  test('strike the n-th operation of their kind, once or for good, on the paths they name', async () => {
    const disk = new SimDisk()
    disk.inject({ operation: 'write', at: 2, code: 'EIO', path: 'a' })
    disk.inject({ operation: 'truncate', at: 1, code: 'ENOSPC', isPermanent: true })
    const a = await disk.open('/a', 'create')
    const b = await disk.open('/b', 'create')
    await a.write([text('1')], 0)
    await b.write([text('1')], 0)
    await expect(a.write([text('2')], 0)).rejects.toMatchObject({ code: 'EIO' })
    await a.write([text('3')], 0)
    await expect(a.truncate(0)).rejects.toMatchObject({ code: 'ENOSPC' })
    await expect(b.truncate(0)).rejects.toMatchObject({ code: 'ENOSPC' })
  })

  test('a full disk takes what fits, refuses the rest with ENOSPC and takes more once space is free', async () => {
    const disk = new SimDisk({ capacityBytes: 10 })
    const file = await disk.open('/a', 'create')
    await file.write([text('12345678')], 0)
    await expect(file.write([text('abcdef')], 8)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(content(disk, '/a')).toBe('12345678ab')
    expect(await disk.freeBytes()).toBe(0)
    await file.write([text('XX')], 0)
    await file.truncate(0)
    await file.write([text('again')], 0)
  })
})
