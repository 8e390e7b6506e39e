/**
 * One run of a workload, and at each of its file operations: what a crash there would leave, and what the client knew by then.
 *
 * A point holds what was learned until the next event of the disk: an answer that did not wait for the disk comes out in between,
 * as operations take time and the network takes none, and is held against the broker.
 */
import { SimDisk } from '../sim-disk.ts'
import type { DiskImage, DiskOperation } from '../sim-disk.ts'
import { CrashBroker, newWorld } from './crash-broker.ts'
import type { World } from './crash-broker.ts'
import type { Fact } from './facts.ts'
import type { Participant } from './participant.ts'

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

/** What a workload acts on. */
export interface Stage {
  participant: Participant
  /** Stops the broker as an operator does, or ends its process, and starts it again. Producers have to be made anew. */
  restart(how: 'stop' | 'kill'): Promise<Participant>
  /** Another connection to the same broker, by the same client. */
  readonly world: World
}

export interface CrashWorkload {
  readonly name: string
  /** One sentence for lists. */
  readonly summary: string
  readonly properties?: Readonly<Record<string, string>>
  run(stage: Stage): Promise<void>
}

const LIMIT_MS = 3_600_000

/** @param options.lies  the disk says of flushes that they are done, and does nothing */
export async function record(
  workload: CrashWorkload,
  seed: number,
  { lies = false }: { readonly lies?: boolean } = {},
): Promise<Recording> {
  const world = newWorld(seed)
  const latencies = world.random.fork()
  const facts: Fact[] = []
  const points: CrashPoint[] = []
  let operation = ''
  let isOpen = false
  const close = (): void => {
    const point = points.at(-1)
    if (isOpen && point !== undefined) point.facts = facts.length
    isOpen = false
  }
  const options = {
    clock: world.clock,
    latencyMs: (kind: DiskOperation) =>
      kind === 'read' ? 0 : kind === 'sync' ? 1 + latencies.below(3) : latencies.below(3),
    trace: (line: string) => {
      operation = line
    },
    onChange: (moment: 'begun' | 'completed') => {
      close()
      if (moment === 'completed') return
      points.push({ image: disk.image(), facts: facts.length, operation, atMs: world.clock.nowMs() })
      isOpen = true
    },
  }
  let disk: SimDisk = new SimDisk(options)
  disk.lie(lies)
  const work = async (): Promise<void> => {
    let broker = await CrashBroker.start(world, disk, workload.properties)
    const stage: Stage = {
      participant: await broker.connect(facts),
      world,
      restart: async (how) => {
        if (how === 'stop') await broker.broker.close()
        else {
          disk = disk.kill()
          disk.lie(lies)
          world.network.cut()
        }
        broker = await CrashBroker.start(world, disk, workload.properties)
        stage.participant = await broker.connect(facts)
        return stage.participant
      },
    }
    await workload.run(stage)
    await broker.broker.close()
  }
  await world.clock.runUntil(work(), LIMIT_MS)
  close()
  return { points, facts }
}
