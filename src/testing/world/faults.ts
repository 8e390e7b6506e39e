/**
 * What goes wrong in a run: a list of faults drawn from the seed before it begins, each with the moment, the target and the draws of
 * its own, so that the run can be repeated with some of them left out and the rest stays as it was.
 *
 * Each seed takes a random part of the kinds at a random rate ("swarm testing"): a run that has everything at once rarely gets
 * deep into anything.
 */
import type { CrashDamage } from '../sim-disk.ts'
import type { Direction, Disturbance } from '../sim-network.ts'
import { SimRandom } from '../sim-random.ts'
import type { BrokerNode } from './broker-node.ts'
import type { World } from './world.ts'

export const FAULT_KINDS = [
  // The network.
  'slow-link',
  'hold-requests',
  'hold-replies',
  'hold-both',
  'hold-connection',
  'lose-requests',
  'lose-replies',
  'cut-all',
  'cut-one',
  'swizzle',
  'stray-requests',
  // Processes.
  'pause-client',
  'hiccup-client',
  'pause-broker',
  'hiccup-broker',
  'kill-client',
  'clock-jump-client',
  // The broker and its machine.
  'kill-broker',
  'restart-broker',
  'power-cut',
  'power-cut-twice',
  'clock-jump-broker',
  // Its disk.
  'slow-disk',
  'eio-once',
  'eio-for-good',
  'disk-full',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface PlannedFault {
  readonly kind: FaultKind
  /** After the faults begin; some wait a little longer, for a moment in which their target is busy. */
  readonly atMs: number
  readonly durationMs: number
  /** Which of the targets there are then, as a fraction. */
  readonly target: number
  /** Of the generator for everything else. */
  readonly seed: number
}

/** A client's process, as far as faults reach it. */
export interface Victim {
  readonly name: string
  pause(): void
  resume(): void
  kill(): void
  stepWallClock(byMs: number): void
}

export interface FaultTargets {
  readonly world: World
  readonly brokers: readonly BrokerNode[]
  /** Those that live now. */
  clients(): readonly Victim[]
  /** Told of each fault that had a target: what it was, and until when. */
  onFault(fault: { kind: FaultKind; target: string; detail: string; atMs: number; untilMs: number }): void
}

const KIND_SHARE = 0.4
/** Of seeds in which nothing goes wrong. */
const CALM_SHARE = 0.03
/** How many faults there are in a run, about. */
const COUNTS: readonly number[] = [3, 10, 25, 60]
const HICCUP_MS_MAX = 400
const STRAY = 'stray'
const STRAYS_MAX = 12
const STRAY_PAUSE_MS_MAX = 30
const CLOCK_JUMP_MS_MAX = 60_000

/** @param durationMs  none is planned to begin later, or to last longer */
export function planFaults(random: SimRandom, durationMs: number, kinds: readonly FaultKind[]): PlannedFault[] {
  if (kinds.length === 0 || random.chance(CALM_SHARE)) return []
  const chosen = kinds.filter(() => random.chance(KIND_SHARE))
  if (chosen.length === 0) chosen.push(random.pick(kinds))
  const intervalMs = durationMs / random.pick(COUNTS)
  const faults: PlannedFault[] = []
  for (let atMs = between(random, 0, 2 * intervalMs); atMs < durationMs; atMs += between(random, 0, 2 * intervalMs)) {
    const kind = random.pick(chosen)
    const longestMs = kind.startsWith('hiccup') ? HICCUP_MS_MAX : random.pick([300, 2_000, 8_000])
    faults.push({
      kind,
      atMs,
      durationMs: Math.min(between(random, 10, longestMs), durationMs - atMs),
      target: random.nextUint32() / 2 ** 32,
      seed: random.nextUint32(),
    })
  }
  return faults
}

/** Does all of them, at their moments. Resolves when the last is over. */
export async function inflict(faults: readonly PlannedFault[], targets: FaultTargets): Promise<void> {
  const { world } = targets
  const beganMs = world.clock.monotonicMs()
  const running: Promise<void>[] = []
  for (const fault of faults) {
    await world.pause(Math.max(0, beganMs + fault.atMs - world.clock.monotonicMs()))
    running.push(inflictOne(fault, targets))
  }
  await Promise.all(running)
}

async function inflictOne(fault: PlannedFault, targets: FaultTargets): Promise<void> {
  const random = new SimRandom(fault.seed)
  const { kind, durationMs } = fault
  const { world } = targets
  await aim(fault, random, targets)
  const atMs = world.clock.monotonicMs()
  const done = INFLICTORS[kind]({ fault, random, targets })
  if (done === undefined) return
  world.trace.addText(`fault ${kind} ${done.target} ${done.detail ?? ''}`)
  targets.onFault({ kind, target: done.target, detail: done.detail ?? '', atMs, untilMs: atMs + durationMs })
  if (done.undo === undefined) return
  await world.pause(durationMs)
  await done.undo()
}

/** What ends or stops somebody hits hardest while there is something under way: most of these wait for such a moment. */
async function aim({ kind, target }: PlannedFault, random: SimRandom, targets: FaultTargets): Promise<void> {
  const at = AIMED_AT[kind]
  if (at === undefined || random.chance(UNAIMED_SHARE)) return
  const name = at === 'client' ? pickBy(target, targets.clients())?.name : pickBy(target, targets.brokers)?.name
  if (name === undefined) return
  await targets.world.busyMoment(name, 1 + random.below(AIM_REQUESTS_MAX), AIM_LIMIT_MS)
  if (random.chance(0.5)) await targets.world.pause(between(random, 0, AIM_LATER_MS_MAX))
}

const UNAIMED_SHARE = 0.3
const AIM_REQUESTS_MAX = 6
const AIM_LIMIT_MS = 8_000
/** For the answer to be on its way, or there. */
const AIM_LATER_MS_MAX = 4

const AIMED_AT: Partial<Readonly<Record<FaultKind, 'client' | 'broker'>>> = {
  'cut-all': 'broker',
  'cut-one': 'broker',
  'hold-connection': 'broker',
  'pause-client': 'client',
  'hiccup-client': 'client',
  'kill-client': 'client',
  'pause-broker': 'broker',
  'hiccup-broker': 'broker',
  'kill-broker': 'broker',
  'restart-broker': 'broker',
  'power-cut': 'broker',
  'power-cut-twice': 'broker',
  'eio-once': 'broker',
}

interface Inflicted {
  readonly target: string
  readonly detail?: string
  /** At the end of the fault's time. */
  readonly undo?: () => void | Promise<void>
}

interface Moment {
  readonly fault: PlannedFault
  readonly random: SimRandom
  readonly targets: FaultTargets
}

type Inflictor = (moment: Moment) => Inflicted | undefined

const INFLICTORS: Readonly<Record<FaultKind, Inflictor>> = {
  'slow-link': (moment) => disturb(moment, { kind: 'slow', latencyMs: between(moment.random, 5, 600) }, 'both'),
  'hold-requests': (moment) => disturb(moment, { kind: 'hold' }, 'requests'),
  'hold-replies': (moment) => disturb(moment, { kind: 'hold' }, 'replies'),
  'hold-both': (moment) => disturb(moment, { kind: 'hold' }, 'both'),
  'lose-requests': (moment) => disturb(moment, { kind: 'lose' }, 'requests'),
  'lose-replies': (moment) => disturb(moment, { kind: 'lose' }, 'replies'),
  'hold-connection'({ fault, random, targets: { world } }) {
    const held = pickBy(fault.target, world.network.directions)
    if (held === undefined) return undefined
    const isReplies = random.chance(0.3)
    const undo = world.network.disturb({
      kind: 'hold',
      touches: ({ connection, from }) => connection === held.connection && (from === held.to) === isReplies,
    })
    return { target: `${held.from} > ${held.to}`, detail: isReplies ? 'replies' : 'requests', undo }
  },
  'cut-all'({ targets: { world } }) {
    return { target: 'all', detail: `${world.network.cut()} connections` }
  },
  'cut-one'({ fault, targets: { world } }) {
    const cut = pickBy(fault.target, world.network.directions)
    if (cut === undefined) return undefined
    world.network.cut(({ connection }) => connection === cut.connection)
    return { target: `${cut.from} > ${cut.to}` }
  },
  /** FoundationDB's: hosts are held one after the other and released in another order. */
  swizzle({ fault, random, targets }) {
    const { world } = targets
    const names = targets.clients().map(({ name }) => name)
    const held = names.filter(() => random.chance(0.6))
    if (held.length === 0) return undefined
    const stepMs = fault.durationMs / (2 * held.length)
    const work = async (): Promise<void> => {
      const releases: (() => void)[] = []
      for (const name of held) {
        const touches = ({ from, to }: Direction): boolean => from === name || to === name
        releases.push(world.network.disturb({ kind: 'hold', touches }))
        await world.pause(stepMs)
      }
      while (releases.length > 0) {
        releases.splice(random.below(releases.length), 1)[0]?.()
        await world.pause(stepMs)
      }
    }
    const working = work()
    return { target: held.join(', '), undo: () => working }
  },
  /** Requests of the past come again, as from a zombie or a proxy that repeats: in their order, on a connection of their own. */
  'stray-requests'({ random, targets: { world } }) {
    const { kept } = world.requests
    const last = random.below(kept.length + 1)
    const strays = kept.slice(Math.max(0, last - 1 - random.below(STRAYS_MAX)), last)
    const [first] = strays
    if (first === undefined) return undefined
    const frames = strays.filter(({ port }) => port === first.port).map(({ frame }) => frame)
    world.network.connect({ host: STRAY, port: first.port }).then(
      async (socket) => {
        for (const frame of frames) {
          socket.write([frame])
          await world.pause(between(random, 0, STRAY_PAUSE_MS_MAX))
        }
        socket.destroy()
      },
      // Nobody listens: then they are lost.
      () => undefined,
    )
    return { target: STRAY, detail: `requests ${strays.map(({ apiKey }) => apiKey).join(' ')}` }
  },

  'pause-client': (moment) => pauseClient(moment),
  'hiccup-client': (moment) => pauseClient(moment),
  'pause-broker': (moment) => pauseBroker(moment),
  'hiccup-broker': (moment) => pauseBroker(moment),
  'kill-client'({ fault, targets }) {
    const victim = pickBy(fault.target, targets.clients())
    victim?.kill()
    return victim && { target: victim.name }
  },
  'clock-jump-client'({ fault, random, targets }) {
    const victim = pickBy(fault.target, targets.clients())
    const byMs = Math.round(between(random, -CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX))
    victim?.stepWallClock(byMs)
    return victim && { target: victim.name, detail: `${byMs} ms` }
  },

  'kill-broker'(moment) {
    const node = brokerOf(moment)
    if (node === undefined) return undefined
    node.kill()
    return { target: node.name, undo: () => node.start() }
  },
  'restart-broker'(moment) {
    const node = brokerOf(moment)
    if (node === undefined) return undefined
    const { world } = moment.targets
    // A close that takes too long ends in SIGKILL, as with every service manager.
    const closed = Promise.race([node.stop(), world.pause(moment.fault.durationMs)])
    return {
      target: node.name,
      async undo() {
        await closed
        node.kill()
        node.start()
      },
    }
  },
  'power-cut'(moment) {
    const node = brokerOf(moment)
    if (node === undefined) return undefined
    node.powerOff()
    return { target: node.name, undo: () => node.start() }
  },
  /** The second time while it recovers from the first. */
  'power-cut-twice'(moment) {
    const node = brokerOf(moment)
    if (node === undefined) return undefined
    const { world } = moment.targets
    const damage: CrashDamage = { writes: 'mixed', names: 'mixed', garbles: true }
    node.powerOff()
    return {
      target: node.name,
      async undo() {
        node.start()
        await world.pause(between(moment.random, 0.1, 30))
        node.powerOff(damage)
        await world.pause(between(moment.random, 1, 500))
        node.start()
      },
    }
  },
  'clock-jump-broker'(moment) {
    const node = brokerOf(moment)
    const byMs = Math.round(between(moment.random, -CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX))
    node?.stepWallClock(byMs)
    return node && { target: node.name, detail: `${byMs} ms` }
  },

  'slow-disk'(moment) {
    const node = brokerOf(moment)
    if (node === undefined) return undefined
    const factor = moment.random.pick([5, 50, 500])
    node.slowDisk(factor)
    return { target: node.name, detail: `x ${factor}`, undo: () => node.slowDisk(1) }
  },
  'eio-once': (moment) => failDisk(moment, 'EIO', false),
  'eio-for-good': (moment) => failDisk(moment, 'EIO', true),
  'disk-full': (moment) => failDisk(moment, 'ENOSPC', true),
}

/** Between clients and brokers: one client, or all of them. */
function disturb(
  { fault, random, targets }: Moment,
  how: { readonly kind: 'hold' | 'lose' } | { readonly kind: 'slow'; readonly latencyMs: number },
  which: 'requests' | 'replies' | 'both',
): Inflicted | undefined {
  const { world } = targets
  const brokers = new Set(targets.brokers.map(({ name }) => name))
  const victim = random.chance(0.3) ? undefined : pickBy(fault.target, targets.clients())
  const touches = ({ from, to }: Direction): boolean => {
    const isRequest = brokers.has(to)
    const client = isRequest ? from : to
    return (
      (victim === undefined || victim.name === client) && (which === 'both' || (which === 'requests') === isRequest)
    )
  }
  const disturbance: Disturbance = { ...how, touches }
  const undo = world.network.disturb(disturbance)
  const detail = how.kind === 'slow' ? `${Math.round(how.latencyMs)} ms` : ''
  return { target: victim?.name ?? 'all', detail, undo }
}

function pauseClient({ fault, targets }: Moment): Inflicted | undefined {
  const victim = pickBy(fault.target, targets.clients())
  victim?.pause()
  return victim && { target: victim.name, undo: () => victim.resume() }
}

function pauseBroker(moment: Moment): Inflicted | undefined {
  const node = brokerOf(moment)
  node?.pause()
  return node && { target: node.name, undo: () => node.resume() }
}

function failDisk(moment: Moment, code: 'EIO' | 'ENOSPC', isPermanent: boolean): Inflicted | undefined {
  const node = brokerOf(moment)
  if (node === undefined) return undefined
  const operation =
    code === 'ENOSPC' ? 'write' : moment.random.pick(['write', 'sync', 'create', 'syncDirectory'] as const)
  const undo = node.failDisk({ operation, at: 1 + moment.random.below(5), code, isPermanent })
  return { target: node.name, detail: `${code} ${operation}${isPermanent ? ' for good' : ''}`, undo }
}

function brokerOf({ fault, targets }: Moment): BrokerNode | undefined {
  return pickBy(fault.target, targets.brokers)
}

function pickBy<T>(fraction: number, choices: readonly T[]): T | undefined {
  return choices[Math.min(choices.length - 1, Math.floor(fraction * choices.length))]
}

function between(random: SimRandom, min: number, max: number): number {
  return min + (random.nextUint32() / 2 ** 32) * (max - min)
}
