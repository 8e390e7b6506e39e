/**
 * Media that break their word: bytes that rot after they were flushed, and a drive that says "flushed" too early.
 *
 * The broker cannot keep its promises then. What it can do is to say so: a start refuses with a reason, or a read answers
 * CORRUPT_MESSAGE; what it hands out is true. Rot among the frames of the last flush looks like a torn tail (src/storage/SPEC.md), so
 * that there the end may be missing, and nothing but the end.
 */
import { CorruptionError, UnsupportedFormatError } from '../../storage/errors.ts'
import type { SimDisk } from '../sim-disk.ts'
import { SimRandom } from '../sim-random.ts'
import { CrashBroker, newWorld } from './crash-broker.ts'
import { judge } from './judge.ts'
import type { Participant } from './participant.ts'
import { judgePrefix } from './prefix-judge.ts'
import type { CrashWorkload } from './live-run.ts'
import type { CrashPoint, Recording } from './recording.ts'
import { check, ReadRefused, Violation } from './violation.ts'

export interface DamagedMediumOptions {
  readonly workload: CrashWorkload
  readonly recording: Recording
  readonly point: number
  readonly damage: number
  readonly seed: number
}

/** `kept`: nobody noticed, and nothing is wrong. `shorter`: the end is missing. */
export type Verdict = 'refused' | 'read refused' | 'kept' | 'shorter'

const SECTOR_BYTES = 512
const DOWNTIME_MS = 1000

/** Rots a few bytes that were flushed before the point, somewhere on the disk. @throws Violation */
export async function afterRot(options: DamagedMediumOptions): Promise<Verdict> {
  const { recording, point } = options
  const { image } = recording.points[point] as CrashPoint
  const random = new SimRandom(seedOf(options))
  const files = image.files().filter(({ durableBytes }) => durableBytes > 0)
  if (files.length === 0) return 'kept'
  const { path, durableBytes } = random.pick(files)
  const at = random.below(durableBytes)
  const seed = random.nextUint32()
  const kind = random.pick(['bit', 'bit', 'zeros', 'garbage'])
  const rotten = (): SimDisk => {
    const disk = image.crash(new SimRandom(seed), { writes: 'kept', names: 'kept', garbles: false })
    if (disk.files().some((file) => file.path === path)) rot(disk, path, at, kind, new SimRandom(seed))
    return disk
  }
  try {
    return await judged(options, rotten(), (participant) => judge(participant, { clients: 'restart' }))
  } catch (error) {
    const isJournal = path.includes('/journal/')
    if (!(error instanceof Violation) || !isJournal) throw describe(error, `${kind} at ${at} of ${path}`)
    try {
      const verdict = await judged(options, rotten(), judgePrefix)
      return verdict === 'kept' ? 'shorter' : verdict
    } catch (again) {
      throw describe(again, `${kind} at ${at} of ${path}`)
    }
  }
}

/** A power cut at the point, on a disk that had lied all the time. @throws Violation */
export async function afterLies(options: DamagedMediumOptions): Promise<Verdict> {
  const { recording, point } = options
  const { image } = recording.points[point] as CrashPoint
  const verdict = await judged(options, image.crash(new SimRandom(seedOf(options))), judgePrefix)
  return verdict === 'kept' ? 'shorter' : verdict
}

async function judged(
  { workload, recording, point, seed }: DamagedMediumOptions,
  disk: SimDisk,
  ask: (participant: Participant) => Promise<void>,
): Promise<Verdict> {
  const { facts, atMs } = recording.points[point] as CrashPoint
  const world = newWorld(seed, atMs + DOWNTIME_MS)
  const work = async (): Promise<Verdict> => {
    let broker: CrashBroker
    try {
      broker = await CrashBroker.start(world, disk, workload.properties)
    } catch (error) {
      if (!(error instanceof CorruptionError || error instanceof UnsupportedFormatError)) throw error
      check(error.message.includes('/data'), `a refusal names a file, not: ${error.message}`)
      return 'refused'
    }
    try {
      await ask(await broker.connect(recording.facts.slice(0, facts)))
      return 'kept'
    } catch (error) {
      if (error instanceof ReadRefused) return 'read refused'
      const { failure } = broker.broker
      if (failure !== undefined) throw describe(failure, 'the broker stopped')
      throw error
    }
  }
  return await world.clock.runUntil(work())
}

function rot(disk: SimDisk, path: string, at: number, kind: string, random: SimRandom): void {
  const bytes = disk.readFile(path)
  if (at >= bytes.length) return
  const from = kind === 'bit' ? at : at - (at % SECTOR_BYTES)
  const patch = bytes.slice(from, kind === 'bit' ? at + 1 : Math.min(from + SECTOR_BYTES, bytes.length))
  if (kind === 'bit') patch[0] = (patch[0] as number) ^ (1 << random.below(8))
  else if (kind === 'zeros') patch.fill(0)
  else random.fill(patch)
  disk.rot(path, from, patch)
}

function describe(error: unknown, where: string): Error {
  const reason = error instanceof Error ? error.message : String(error)
  return new Violation(`${where}: ${reason}`, { cause: error })
}

function seedOf({ point, damage, seed }: DamagedMediumOptions): number {
  return (seed * 1009 + point) * 1009 + damage
}
