/**
 * One run of a workload, and at each of its file operations: what a crash there would leave, and what the client knew by then.
 *
 * A point holds what was learned until the next event of the disk: an answer that did not wait for the disk comes out in between,
 * as operations take time and the network takes none, and is held against the broker.
 */
import { SimDisk } from '../sim-disk.ts'
import type { DiskImage, DiskOperation } from '../sim-disk.ts'
import { newWorld } from './crash-broker.ts'
import type { World } from './crash-broker.ts'
import type { Fact } from './facts.ts'
import { LiveRun } from './live-run.ts'
import type { CrashWorkload } from './live-run.ts'

export interface CrashPoint {
  readonly image: DiskImage
  /** How many of the facts were known. */
  facts: number
  /** The operation, to read a failure by. */
  readonly operation: string
  readonly atMs: number
}

export interface Recording {
  readonly points: readonly CrashPoint[]
  readonly facts: readonly Fact[]
}

export interface RecordingOptions {
  /** The disk says of flushes that they are done, and does nothing. */
  readonly lies?: boolean
}

const LIMIT_MS = 3_600_000

export async function record(
  workload: CrashWorkload,
  seed: number,
  options: RecordingOptions = {},
): Promise<Recording> {
  const world = newWorld(seed)
  const points: CrashPoint[] = []
  let operation = ''
  let isOpen = false
  let isPrepared = false
  const close = (): void => {
    const point = points.at(-1)
    if (isOpen && point !== undefined) point.facts = live.facts.length
    isOpen = false
  }
  const disk = new SimDisk({
    clock: world.clock,
    latencyMs: latencies(world),
    trace: (line) => {
      operation = line
    },
    onChange: (moment) => {
      close()
      if (moment === 'completed' || !isPrepared) return
      points.push({ image: live.disk.image(), facts: live.facts.length, operation, atMs: world.clock.nowMs() })
      isOpen = true
    },
  })
  const live = new LiveRun(workload, world, disk)
  await world.clock.runUntil(workload.prepare?.(disk, world) ?? Promise.resolve(), LIMIT_MS)
  isPrepared = true
  disk.lie(options.lies === true)
  await world.clock.runUntil(live.run(), LIMIT_MS)
  close()
  return { points, facts: live.facts }
}

/** Flushes take longest, so that requests gather behind them and answers that do not wait are seen. */
export function latencies(world: World): (operation: DiskOperation) => number {
  const random = world.random.fork()
  return (operation) => {
    if (operation === 'read') return 0
    return (operation === 'sync' ? 1 : 0) + random.below(3)
  }
}
