/**
 * Log stores that live many times: each life is of any durability and ends by a clean stop, a kill (what was written stays in the
 * system's cache) or a power cut (what was not flushed is damaged), at any file operation, also in the middle of recovery.
 * What one life has shown, no later one may miss.
 *
 * SEMEL_CRASH_SCALE (default 1) multiplies the number of runs; SEMEL_SEED sets the first seed.
 */
import { test } from 'vitest'
import { uuidFromBytes } from '../../src/base/uuid.ts'
import type { Durability } from '../../src/storage/log-store.ts'
import { SimDisk } from '../../src/testing/sim-disk.ts'
import { SimRandom } from '../../src/testing/sim-random.ts'
import { checkRecovered, loadLogs, ModelledStore } from './log-store-model.ts'
import type { LogName } from './log-store-model.ts'

const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const SEED = Number(process.env['SEMEL_SEED'] ?? 1)
const LIVES = 8

/** What must be found by the next life. */
interface Promised {
  /** Steps that survive a power cut. */
  flushed: number
  /** Steps that survive the end of the process. */
  written: number
}

/** A life over the steps that are on disk. @returns whether it ended by a clean stop */
async function live(
  life: ModelledStore,
  durability: Durability,
  random: SimRandom,
  promised: Promised,
): Promise<boolean> {
  const store = await life.open()
  await loadLogs(store)
  const found = await checkRecovered(store, life.steps, life.acknowledged)
  life.steps.length = found
  promised.flushed = found
  promised.written = found
  const names: LogName[] = [...store.logs()].map(({ topicId, topic, partition }) => ({ topicId, topic, partition }))
  const create = (): void => {
    const topic = ['orders', 'payments', 'refunds'].find((each) => names.every((name) => name.topic !== each))
    if (topic === undefined) return
    const id = new Uint8Array(16)
    random.fill(id)
    for (const partition of [0, 1]) {
      const name = { topicId: uuidFromBytes(id), topic, partition }
      names.push(name)
      life.create(name)
    }
  }
  if (names.length === 0) create()
  for (let step = 0; step < 14; step++) {
    const name = names[random.below(names.length)]
    const action = random.below(10)
    if (action < 5 && name !== undefined) life.append(name, names[random.below(names.length)] as LogName)
    else if (action === 5) create()
    else if (action === 6 && name !== undefined) {
      const doomed = names.filter(({ topic }) => topic === name.topic)
      life.drop(...doomed)
      for (const one of doomed) names.splice(names.indexOf(one), 1)
      if (random.chance(0.5)) create()
    } else if (action === 7 && name !== undefined) {
      const { logStartOffset, logEndOffset } = life.log(name)
      life.setLogStartOffset(name, logStartOffset + random.below(logEndOffset - logStartOffset + 1))
    } else if (action === 8) {
      const count = life.steps.length
      await store.checkpoint()
      promised.flushed = count
    } else if (action === 9) await life.clock.advance(600)
    if (random.chance(0.6)) {
      await life.acknowledge()
      promised.written = life.acknowledged
      if (durability === 'fsync') promised.flushed = life.acknowledged
    }
  }
  if (random.chance(0.7)) return false
  await store.close()
  promised.flushed = life.steps.length
  promised.written = life.steps.length
  return true
}

async function run(seed: number, durabilities: readonly Durability[]): Promise<void> {
  const random = new SimRandom(seed)
  let disk = new SimDisk()
  let steps: ModelledStore['steps'] = []
  let promised: Promised = { flushed: 0, written: 0 }
  for (let count = 0; count < LIVES; count++) {
    const durability = durabilities[random.below(durabilities.length)] as Durability
    const life = new ModelledStore(disk, seed * 100 + count, durability)
    life.steps.push(...steps)
    life.acknowledged = promised.written
    // About a third of the crashes hit recovery.
    disk.crashAt(disk.operations + random.below(random.chance(0.35) ? 25 : 220))
    const current = { ...promised }
    const isClosed = await Promise.race([live(life, durability, random, current), disk.crashed])
    // A copy: what hangs on the stopped disk may still hear of something.
    promised = { ...current }
    promised.written = Math.max(promised.written, life.acknowledged)
    const isKilled = isClosed !== true && random.chance(0.5)
    if (durability === 'fsync' && life.store !== undefined) promised.flushed = promised.written
    if (!isKilled) promised.written = promised.flushed
    disk = isKilled ? disk.kill() : disk.crash(random)
    steps = life.steps
  }
  const last = new ModelledStore(disk, seed)
  const store = await last.open()
  await loadLogs(store)
  await checkRecovered(store, steps, promised.written)
  await store.close()
}

test.each([
  ['fsync', ['fsync']],
  ['os', ['os']],
  ['either, changing between starts', ['fsync', 'os']],
] as const)(
  'with durability %s, many lives keep what each was promised',
  { timeout: 600_000 },
  async (_, durabilities) => {
    for (let seed = SEED; seed < SEED + Math.round(40 * SCALE); seed++) {
      try {
        await run(seed, durabilities)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  },
)
