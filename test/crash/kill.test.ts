/**
 * `kill -9` of a real broker process at random moments of a transactional load, and of its start; between lives the end of the
 * journal is torn where nothing acknowledged lies. SEMEL_CRASH_SCALE (default 1) multiplies the kills; SEMEL_SEED sets the seed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { ConnectionClosed } from '../../src/testing/wire-client.ts'
import type { TestClient } from '../broker/test-broker.ts'
import { judge, load, newHistory } from './broker-load.ts'
import type { History } from './broker-load.ts'
import { BrokerProcess, connectTo } from './broker-process.ts'
import { newestFrames, overwrite } from './journal-tail.ts'

const KILLS = Math.round(15 * Number(process.env['SEMEL_CRASH_SCALE'] ?? 1))
const SEED = Number(process.env['SEMEL_SEED'] ?? 20_261_120)
/** Small, so that files are left and checkpoints taken within a life. */
const LIMITS = ['-X', 'semel.journal.file.bytes=1048576', '-X', 'semel.checkpoint.bytes=1048576']
const { clock } = nodeRuntime()

const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(ms, resolve))

/** An append whose answer is not waited for. */
interface Unanswered {
  readonly value: string
  isAnswered: boolean
}

function appendWithoutWaiting(client: TestClient, history: History): Unanswered {
  const append: Unanswered = { value: `unanswered-${history.lives}`, isAnswered: false }
  history.attempted.add(append.value)
  client.produce('plain', { values: [append.value] }).then(
    ({ baseOffset }) => {
      append.isAnswered = true
      history.acknowledged.set(append.value, baseOffset)
    },
    (error: unknown) => expect(error).toBeInstanceOf(ConnectionClosed),
  )
  return append
}

/** Loads until the process is killed, in the middle of it or right after one last append. */
async function loadUntilKilled(broker: BrokerProcess, client: TestClient, history: History, random: SimRandom) {
  const endsQuietly = random.chance(0.5)
  let isOver = false
  const timer = clock.setTimer(50 + random.below(500), () => {
    isOver = true
    if (!endsQuietly) void broker.kill()
  })
  await load(client, history, { rounds: 10_000, goesOn: () => !isOver }).catch((error: unknown) => {
    if (!(error instanceof ConnectionClosed)) throw error
  })
  timer.cancel()
  const last = client.wire.isClosed ? undefined : appendWithoutWaiting(client, history)
  await pause(random.below(4))
  await broker.kill()
  await client.wire.closed
  return last
}

/** Damages bytes behind the last acknowledged frame. @returns what it did */
async function tear(dataDir: string, random: SimRandom, last: Unanswered | undefined): Promise<string> {
  const frame = (await newestFrames(dataDir)).at(-1)
  if (frame === undefined) return 'nothing'
  const isUnanswered = last !== undefined && !last.isAnswered && frame.body.includes(last.value)
  if (isUnanswered) {
    const from = frame.from + random.below(frame.to - frame.from)
    await overwrite(frame.path, from, new Uint8Array(frame.to - from))
    return 'cut'
  }
  const garbage = new Uint8Array(1 + random.below(5000))
  random.fill(garbage)
  await overwrite(frame.path, frame.to, garbage)
  return 'garbage'
}

test('a broker process killed at any moment keeps what it acknowledged, whole transactions only', {
  timeout: 120_000 + KILLS * 10_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'semel-kill-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const random = new SimRandom(SEED)
  const history = newHistory()
  const told: string[] = []
  let port = 0
  try {
    for (let life = 0; life <= KILLS; life += 1) {
      await using broker = new BrokerProcess(dataDir, port, LIMITS)
      // Now and then it is killed while it starts.
      if (life > 0 && life < KILLS && random.chance(0.2)) {
        await pause(150 + random.below(400))
        await broker.kill()
        told.push('killed at the start')
        continue
      }
      port = await broker.ready()
      const client = await connectTo(port)
      await judge(client, history)
      if (life === KILLS) break
      const last = await loadUntilKilled(broker, client, history, random)
      told.push(`killed, ${random.chance(0.7) ? await tear(dataDir, random, last) : 'nothing'} torn`)
    }
  } catch (error) {
    throw new Error(`${told.join('; ')}; seed ${SEED}`, { cause: error })
  }
  expect(history.transactions.length).toBeGreaterThan(KILLS)
})
