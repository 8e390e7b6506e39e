import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { lockByAbstractSocket, lockByPidFile } from './file-lock.ts'
import { silentLogger, textLogger } from './logger.ts'
import { networkContract } from './network.contract.ts'
import { nodeRuntime } from './node-runtime.ts'

const runtime = nodeRuntime({ logger: silentLogger })
const directories: string[] = []

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'semel-runtime-'))
  directories.push(directory)
  return directory
}

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

describe('the lock of a directory', () => {
  const kinds = [
    ...(process.platform === 'linux' ? [['abstract socket', lockByAbstractSocket] as const] : []),
    ['process id file', lockByPidFile] as const,
  ]
  for (const [name, lock] of kinds) {
    test(`(${name}) is taken by one at a time, and its file names the holder`, async () => {
      const path = join(await temporaryDirectory(), '.lock')
      const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lock(path)))
      const taken = attempts.filter((attempt) => attempt.status === 'fulfilled')
      expect(taken.length).toBe(1)
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'ELOCKED' })
      }
      expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ processId: process.pid, host: hostname() })
      await taken[0]?.value.release()
      await (await lock(path)).release()
    })

    test(`(${name}) is refused while another process lives that holds it, and free once that was killed`, async () => {
      const path = join(await temporaryDirectory(), '.lock')
      const module = fileURLToPath(new URL('./file-lock.ts', import.meta.url))
      const script = `import { ${lock.name} } from ${JSON.stringify(module)}
        await ${lock.name}(${JSON.stringify(path)})
        console.log('locked')
        setInterval(() => {}, 1000)`
      const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const gone = new Promise((resolve) => holder.once('exit', resolve))
      await new Promise((resolve) => holder.stdout.once('data', resolve))
      await expect(lock(path)).rejects.toMatchObject({ code: 'ELOCKED' })
      await expect(lock(path)).rejects.toThrow(new RegExp(`process ${holder.pid} on `))
      holder.kill('SIGKILL')
      await gone
      await (await lock(path)).release()
    })
  }

  test('a process id file left by a process with our own id is taken over, and one of another host is not', async () => {
    const path = join(await temporaryDirectory(), '.lock')
    await writeFile(path, JSON.stringify({ processId: process.pid, host: hostname() }))
    await (await lockByPidFile(path)).release()
    await writeFile(path, JSON.stringify({ processId: 1, host: `not-${hostname()}` }))
    await expect(lockByPidFile(path)).rejects.toThrow(/process 1 on not-/)
  })
})

networkContract('Node', () => ({ network: runtime.network, run: (work) => work }))

describe('clock, random, events', () => {
  test('a timer calls back once and not before its time, unless cancelled', async () => {
    const { clock } = runtime
    const startMs = clock.monotonicMs()
    let cancelled = false
    clock
      .setTimer(1, () => {
        cancelled = true
      })
      .cancel()
    // Waited for with a timer of Node's own, for ours does not keep the process alive.
    const keepAlive = setInterval(() => {}, 1000)
    await new Promise<void>((resolve) => clock.setTimer(20, resolve))
    clearInterval(keepAlive)
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(19)
    expect(cancelled).toBe(false)
    expect(Number.isInteger(clock.nowMs())).toBe(true)
  })

  test('a timer beyond the longest of the system waits instead of firing at once', async () => {
    let fired = false
    const timer = runtime.clock.setTimer(2 ** 31 + 1000, () => {
      fired = true
    })
    await new Promise((resolve) => setTimeout(resolve, 20))
    timer.cancel()
    expect(fired).toBe(false)
  })

  test('random numbers use all 32 bits and do not repeat', () => {
    const drawn = Array.from({ length: 5000 }, () => runtime.random.nextUint32())
    expect(drawn.reduce((all, value) => (all | value) >>> 0, 0)).toBe(0xffffffff)
    expect(new Set(drawn).size).toBeGreaterThan(4990)
    const bytes = new Uint8Array(64)
    runtime.random.fill(bytes)
    expect(new Set(bytes).size).toBeGreaterThan(10)
  })

  test('events reach whoever subscribed to the channel by name', () => {
    const seen: unknown[] = []
    const listener = (event: unknown): void => void seen.push(event)
    expect(runtime.events.hasSubscribers('semel:test')).toBe(false)
    runtime.events.publish('semel:test', { at: 1 })
    subscribe('semel:test', listener)
    expect(runtime.events.hasSubscribers('semel:test')).toBe(true)
    runtime.events.publish('semel:test', { at: 2 })
    unsubscribe('semel:test', listener)
    expect(seen).toEqual([{ at: 2 }])
  })
})

describe('log lines', () => {
  const linesAt = (level: 'debug' | 'warn' | 'silent'): string[] => {
    const lines: string[] = []
    const logger = textLogger({ level, clock: { nowMs: () => 0 }, write: (line) => void lines.push(line) })
    logger.debug('noted')
    logger.warn('disk slow', { ms: 12, path: '/data/a b', absent: undefined, nested: { a: 1 }, topic: 'orders-1' })
    logger.error('failed', { error: new Error('gone') })
    return lines
  }

  test('carry time, level, message and fields', () => {
    expect(linesAt('debug')[1]).toBe(
      '1970-01-01T00:00:00.000Z warn  disk slow ms=12 path="/data/a b" nested={"a":1} topic=orders-1\n',
    )
    expect(linesAt('debug')[2]).toMatch(/error failed error="Error: gone/)
  })

  test('below the level are dropped', () => {
    expect(linesAt('debug').length).toBe(3)
    expect(linesAt('warn').length).toBe(2)
    expect(linesAt('silent').length).toBe(0)
  })

  test('survive values that cannot be printed', () => {
    const lines: string[] = []
    const logger = textLogger({ clock: { nowMs: () => 0 }, write: (line) => void lines.push(line) })
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    logger.info('odd', { cycle })
    expect(lines[0]).toContain('cycle="(not printable)"')
  })
})
