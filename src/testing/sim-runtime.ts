/**
 * The whole world as a function of a seed: virtual time, a disk that forgets what was not flushed, a network in memory.
 *
 * Time stands still unless the clock is told otherwise: `await runtime.clock.runUntil(work)`.
 */

import type { Logger, Runtime } from '../base/runtime.ts'
import { silentLogger } from '../runtime/logger.ts'
import { SimClock } from './sim-clock.ts'
import { type CrashDamage, type DiskOperation, SimDisk } from './sim-disk.ts'
import { SimEvents } from './sim-events.ts'
import { SimNetwork } from './sim-network.ts'
import { SimRandom } from './sim-random.ts'

export interface SimRuntimeOptions {
  readonly logger?: Logger
  readonly diskCapacityBytes?: number
  /** Without it, file operations complete in no time. */
  readonly diskLatencyMs?: (operation: DiskOperation, random: SimRandom) => number
  /** One way. */
  readonly networkLatencyMs?: { readonly min: number; readonly max: number }
  /** Delivers what was written in one piece as several. */
  readonly splits?: boolean
}

export interface SimRuntime extends Runtime {
  readonly clock: SimClock
  readonly random: SimRandom
  readonly fileSystem: SimDisk
  readonly network: SimNetwork
  readonly events: SimEvents
  /** Loses power: this runtime's disk stops, and the answer has what was left of it; time and network go on. */
  afterCrash(damage?: CrashDamage): SimRuntime
  /** The process ends, the machine does not: all that was written is found again. */
  afterKill(): SimRuntime
}

export function simRuntime(seed: number, options: SimRuntimeOptions = {}): SimRuntime {
  const random = new SimRandom(seed)
  const clock = new SimClock()
  const diskRandom = random.fork()
  const faultRandom = random.fork()
  const { diskCapacityBytes: capacityBytes, diskLatencyMs, networkLatencyMs: latencyMs, splits } = options
  const disk = new SimDisk({
    clock,
    ...(capacityBytes !== undefined && { capacityBytes }),
    ...(diskLatencyMs !== undefined && { latencyMs: (operation) => diskLatencyMs(operation, diskRandom) }),
  })
  const network = new SimNetwork({
    clock,
    random: random.fork(),
    ...(latencyMs !== undefined && { latencyMs }),
    ...(splits !== undefined && { splits }),
  })
  const withDisk = (fileSystem: SimDisk): SimRuntime => ({
    clock,
    random,
    fileSystem,
    network,
    logger: options.logger ?? silentLogger,
    events: new SimEvents(),
    afterCrash: (damage) =>
      withDisk(damage === undefined ? fileSystem.crash(faultRandom) : fileSystem.crash(faultRandom, damage)),
    afterKill: () => withDisk(fileSystem.kill()),
  })
  return withDisk(disk)
}
