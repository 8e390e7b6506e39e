/** A stop with clients connected: quick, complete, and the next start has nothing to recover. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { WireClient } from '../../src/testing/wire-client.ts'
import { TestBroker, TestClient } from './test-broker.ts'

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'semel-stop-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A request that waits gives no sign; by then it has long been read. */
const arrived = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200))

test('a consumer that waits for data is answered at once when the broker stops', async () => {
  const dataDir = await directory()
  const broker = await TestBroker.start({ dataDir })
  const client = await broker.connect()
  await client.createTopic('t')
  const waiting = client.fetchRaw('t', 0, { maxWaitMs: 60_000 })
  await arrived()
  const startedMs = performance.now()
  await broker.broker.close()
  expect(performance.now() - startedMs).toBeLessThan(5000)
  expect((await waiting).errorCode).toBe('NONE')
})

test('SIGTERM with an idle and a waiting client ends the process with 0 and leaves nothing to recover', async () => {
  const dataDir = await directory()
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const start = async () => {
    const child = spawn(process.execPath, [main, 'start', '--data', dataDir, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const line = await new Promise<string>((resolve) => child.stdout.once('data', (bytes) => resolve(String(bytes))))
    return { child, line, port: Number(/:(\d+)/.exec(line)?.[1]) }
  }
  const { child, port } = await start()
  const runtime = nodeRuntime()
  const connect = async () =>
    new TestClient(await WireClient.connect(runtime.network, { host: '127.0.0.1', port }), runtime.clock)
  const [idle, busy] = [await connect(), await connect()]
  await busy.createTopic('t')
  await busy.produce('t', { values: ['kept'] })
  const waiting = busy.fetchRaw('t', 1, { maxWaitMs: 60_000 }).catch(() => undefined)
  await arrived()
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  await waiting
  await idle.wire.closed
  const second = await start()
  expect(second.line).not.toMatch(/replayed [1-9]/)
  expect(second.line).toMatch(/clean/)
})
