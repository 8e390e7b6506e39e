/**
 * One operation of the disk fails, or all from there on do, under a running broker: from then on it acknowledges nothing, says
 * why, and a start on the repaired disk keeps all that was acknowledged, whether the process ended or the power was lost.
 */
import { SimDisk } from '../sim-disk.ts'
import type { Fault } from '../sim-disk.ts'
import { SimRandom } from '../sim-random.ts'
import { CrashBroker, newWorld } from './crash-broker.ts'
import { judge } from './judge.ts'
import { LiveRun } from './live-run.ts'
import type { CrashWorkload } from './live-run.ts'
import { latencies } from './recording.ts'
import { check } from './violation.ts'

export interface DiskFaultOptions {
  readonly workload: CrashWorkload
  readonly seed: number
  /** Of the changes of the disk, from 0. */
  readonly operation: number
  readonly fault: FaultKind
}

export type FaultKind = Pick<Fault, 'code' | 'isPermanent' | 'writtenShare'>

export const FAULT_KINDS: readonly FaultKind[] = [
  { code: 'EIO' },
  { code: 'EIO', isPermanent: true },
  { code: 'EIO', writtenShare: 1 },
  { code: 'ENOSPC', writtenShare: 0 },
  { code: 'ENOSPC', isPermanent: true, writtenShare: 0.3 },
]

/** `stopped`: the broker said why. `went on`: the fault was met by something that the broker can do without, or by nothing. */
export type FaultVerdict = 'stopped' | 'went on'

const LIMIT_MS = 3_600_000
const LATE_ANSWERS_MS = 200
const DOWNTIME_MS = 1000

/** @throws Violation, or whatever else came out of it */
export async function afterFault({ workload, seed, operation, fault }: DiskFaultOptions): Promise<FaultVerdict> {
  const world = newWorld(seed)
  const disk = new SimDisk({ clock: world.clock, latencyMs: latencies(world) })
  const live = new LiveRun(workload, world, disk)
  await world.clock.runUntil(workload.prepare?.(disk, world) ?? Promise.resolve(), LIMIT_MS)
  disk.inject({ operation: 'change', at: operation + 1, ...fault })
  const problem = await world.clock.runUntil(
    live.run().then(
      () => undefined,
      (error: unknown) => error,
    ),
    LIMIT_MS,
  )
  const reason = live.failure ?? problem
  if (reason !== undefined) {
    const told = `${String(reason)} ${String((reason as Error).cause)}`
    check(told.includes(fault.code), `a broker whose disk fails says so, not: ${told}`)
  }
  // An answer that was under way when the disk failed gets out now, and is held against the broker.
  await world.clock.advance(LATE_ANSWERS_MS)
  live.disk.clearFaults()
  const image = live.disk.image()
  for (const found of [image.kill(), image.crash(new SimRandom(seed + operation))]) {
    const next = newWorld(seed + operation, world.clock.nowMs() + DOWNTIME_MS)
    const recovered = async (): Promise<void> => {
      const broker = await CrashBroker.start(next, found, workload.properties)
      await judge(await broker.connect([...live.facts]), { clients: operation % 2 === 0 ? 'survive' : 'restart' })
    }
    await next.clock.runUntil(recovered(), LIMIT_MS)
  }
  return reason === undefined ? 'went on' : 'stopped'
}
