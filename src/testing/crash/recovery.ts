/** A start on what a crash left, and the judgement of it; more crashes in the midst of either, as many as wanted. */
import { CorruptionError } from '../../storage/errors.ts'
import type { SimDisk } from '../sim-disk.ts'
import { SimRandom } from '../sim-random.ts'
import { CrashBroker, newWorld } from './crash-broker.ts'
import type { World } from './crash-broker.ts'
import type { Fact } from './facts.ts'
import { judge } from './judge.ts'
import type { JudgePlan } from './judge.ts'
import type { CrashWorkload } from './live-run.ts'
import type { CrashPoint, Recording } from './recording.ts'
import { Violation } from './violation.ts'

export interface RecoveryOptions {
  readonly workload: CrashWorkload
  readonly recording: Recording
  readonly point: number
  readonly damage: number
  readonly seed: number
  /** How often the power fails in all; the first time is the point. */
  readonly depth: number
}

/** Between the crash and the start. */
const DOWNTIME_MS = 1000
/** A start and a judgement are some dozens of operations each. */
const OPERATIONS_OF_A_RECOVERY = 90

/** @throws Violation, or whatever else came out of it */
export async function recover(options: RecoveryOptions): Promise<void> {
  const { recording, point, depth } = options
  const { image, facts: count, atMs } = recording.points[point] as CrashPoint
  const random = new SimRandom(seedOf(options))
  const facts = recording.facts.slice(0, count)
  let disk = image.crash(random)
  let startMs = atMs + DOWNTIME_MS
  for (let crash = 1; crash < depth; crash += 1) {
    disk.crashAt(random.below(OPERATIONS_OF_A_RECOVERY))
    const isKilled = random.chance(0.3)
    startMs = await live(disk, facts, startMs, options, random)
    disk = isKilled ? disk.kill() : disk.crash(random)
  }
  await live(disk, facts, startMs, options, random)
}

/** @returns when the next start may be */
async function live(
  disk: SimDisk,
  facts: Fact[],
  startMs: number,
  { workload }: RecoveryOptions,
  random: SimRandom,
): Promise<number> {
  const world = newWorld(random.nextUint32(), startMs)
  const plan: JudgePlan = { clients: random.pick(['survive', 'survive', 'restart', 'restart', 'restart', 'vanish']) }
  // What hangs on a disk that has stopped must not go on writing down.
  const learned: Fact[] = [...facts]
  const work = (async () => {
    const broker = await start(world, disk, workload)
    await judge(await broker.connect(learned), plan)
  })()
  await world.clock.runUntil(Promise.race([work, disk.crashed]))
  facts.splice(0, facts.length, ...learned)
  return world.clock.nowMs() + DOWNTIME_MS
}

async function start(world: World, disk: SimDisk, workload: CrashWorkload): Promise<CrashBroker> {
  try {
    return await CrashBroker.start(world, disk, workload.properties)
  } catch (error) {
    if (error instanceof CorruptionError)
      throw new Violation(`the broker starts on what a crash left, not: ${error.message}`)
    throw error
  }
}

function seedOf({ point, damage, seed, depth }: RecoveryOptions): number {
  return ((seed * 1009 + point) * 1009 + damage) * 11 + depth
}
