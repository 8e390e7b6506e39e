/**
 * Stops the disk at file operations of a whole broker under a transactional load, damages what was not flushed, starts
 * a broker on what is left and asks it, as a client would, whether the promise was kept.
 *
 * SEMEL_CRASH_SCALE (default 1) multiplies points and damages; SEMEL_SEED sets the seed.
 */
import { expect, test } from 'vitest'
import type { CrashDamage } from '../../src/testing/sim-disk.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import type { SimRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker } from '../broker/test-broker.ts'
import { judge, load, newHistory } from './broker-load.ts'
import type { History, LoadOptions } from './broker-load.ts'

const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const SEED = Number(process.env['SEMEL_SEED'] ?? 20_261_120)
const DATA_DIR = '/data'
/** Small, so that the script meets rolls, drains and checkpoints. */
const PROPERTIES = {
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.num.partitions': '2',
  'semel.journal.file.bytes': String(1024 * 1024),
  'semel.checkpoint.bytes': String(1024 * 1024),
}
/** More than a block of producer ids holds. */
const BEYOND_A_BLOCK = 1100

const startOn = (runtime: SimRuntime): Promise<TestBroker> =>
  TestBroker.start({ runtime, dataDir: DATA_DIR, properties: PROPERTIES })

/** A life of a broker under load. With a history that has seen judgement, what it was shown must still be there. */
async function live(runtime: SimRuntime, history: History, options: LoadOptions): Promise<void> {
  const broker = await startOn(runtime)
  const client = await broker.connect()
  if (history.lives > 0) await judge(client, history)
  await load(client, history, options)
  await broker.broker.close()
}

/** A request that was under way when the power went has an unknown outcome. */
function ignoreClosed(error: unknown): void {
  if (!(error instanceof Error && /closed/.test(error.message))) throw error
}

/** Runs a life until it ends or the disk stops. */
async function liveUntilCrash(runtime: SimRuntime, history: History, options: LoadOptions): Promise<void> {
  const work = live(runtime, history, options).catch(ignoreClosed)
  await runtime.clock.runUntil(Promise.race([work, runtime.fileSystem.crashed]))
  // An answer that did not wait for the disk gets out now, and is held against the broker.
  await runtime.clock.advance(50)
}

async function judgeOn(runtime: SimRuntime, history: History): Promise<void> {
  runtime.network.cut()
  const recovering = (async () => {
    const broker = await startOn(runtime)
    await judge(await broker.connect(), history)
    await broker[Symbol.asyncDispose]()
  })()
  await runtime.clock.runUntil(recovering)
}

async function countOperations(options: LoadOptions): Promise<number> {
  const runtime = simRuntime(SEED)
  await runtime.clock.runUntil(live(runtime, newHistory(), options))
  return runtime.fileSystem.operations
}

const DAMAGES: readonly (CrashDamage | undefined)[] = [
  undefined,
  { writes: 'lost', names: 'lost', garbles: false },
  { writes: 'kept', names: 'kept', garbles: false },
]

test('a broker that loses power anywhere keeps what it acknowledged, whole transactions only', {
  timeout: 600_000,
}, async () => {
  const options = { rounds: 9 }
  const operations = await countOperations(options)
  const points = Math.min(operations, Math.round(50 * SCALE))
  let recoveries = 0
  for (let point = 0; point < points; point += 1) {
    const at = Math.floor((point * operations) / points)
    const runtime = simRuntime(SEED + at)
    runtime.fileSystem.crashAt(at)
    const history = newHistory()
    await liveUntilCrash(runtime, history, options)
    for (const damage of DAMAGES) {
      try {
        await judgeOn(runtime.afterCrash(damage), structuredClone(history))
      } catch (error) {
        throw new Error(`crash at operation ${at} of ${operations}, damage ${JSON.stringify(damage)}, seed ${SEED}`, {
          cause: error,
        })
      }
      recoveries += 1
    }
  }
  expect(recoveries).toBe(points * DAMAGES.length)
})

test('a broker that loses power again while it recovers keeps all of it, two crashes deep', {
  timeout: 600_000,
}, async () => {
  const options = { rounds: 6 }
  const operations = await countOperations(options)
  for (let run = 0; run < Math.round(8 * SCALE); run += 1) {
    const random = new SimRandom(SEED + run)
    const runtime = simRuntime(SEED + run)
    const at = [random.below(operations)]
    runtime.fileSystem.crashAt(at[0] as number)
    const history = newHistory()
    try {
      await liveUntilCrash(runtime, history, options)
      let next = runtime
      for (let depth = 0; depth < 2; depth += 1) {
        next = next.afterCrash()
        next.network.cut()
        at.push(random.below(40))
        next.fileSystem.crashAt(at.at(-1) as number)
        const recovery = judgeOn(next, structuredClone(history)).catch(ignoreClosed)
        await next.clock.runUntil(Promise.race([recovery, next.fileSystem.crashed]))
      }
      await judgeOn(next.afterCrash(), history)
    } catch (error) {
      throw new Error(`crashes at operations ${at.join(', ')}, run ${run}, seed ${SEED}`, { cause: error })
    }
  }
})

test('a broker that is killed and loses power in turns never takes back what it has shown', {
  timeout: 600_000,
}, async () => {
  const operations = await countOperations({ rounds: 4 })
  for (let run = 0; run < Math.round(8 * SCALE); run += 1) {
    const random = new SimRandom(SEED + 1000 + run)
    const history = newHistory()
    const told: string[] = []
    let runtime = simRuntime(SEED + run)
    try {
      for (let life = 0; life < 6; life += 1) {
        const at = random.below(operations)
        runtime.fileSystem.crashAt(at)
        await liveUntilCrash(runtime, history, {
          rounds: 4,
          producerIds: life === 1 && run % 4 === 0 ? BEYOND_A_BLOCK : 0,
        })
        const isKilled = random.chance(0.5)
        told.push(`${isKilled ? 'killed' : 'power cut'} at ${at}`)
        runtime = isKilled ? runtime.afterKill() : runtime.afterCrash()
        runtime.network.cut()
      }
      await judgeOn(runtime, history)
    } catch (error) {
      throw new Error(`${told.join(', ')}, run ${run}, seed ${SEED}`, { cause: error })
    }
  }
})
