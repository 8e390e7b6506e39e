/**
 * One run of a workload, from making its topics to the last reading of its logs, in phases:
 *
 *     topics are made → running → (faults end) healed → roles stop → settled → drained → scanned
 *
 * Owns the order of things, the players that take over from those that ended, and the limits; what is done to whom is the
 * stage's, what is written and read is the workload's. Uses the world of `control` alone, so under virtual time a run is a function
 * of its seed.
 */
import type { Admin } from '../../client/index.ts'
import type { PartitionName } from '../history/tables.ts'
import { errorText, isExpected } from '../workloads/outcomes.ts'
import { Participant } from '../workloads/participant.ts'
import { allPartitions } from '../workloads/partitions.ts'
import type { Role, Timeouts, Worker, WorkloadPlan } from '../workloads/workload.ts'
import { readCoordinators, readGroupOffsets, readProducers, scanLogs } from './ground-truth.ts'
import type { Player, Stage } from './stage.ts'
import { noteStuck, retrying, within } from './time-limits.ts'

export interface RunOptions {
  readonly run: string
  readonly plan: WorkloadPlan
  readonly stage: Stage
  /** The process that drives the run: nothing is done to it, and its history takes what it sees. */
  readonly control: Worker
  readonly durationMs: number
  readonly timeouts: Timeouts
  /** Reads the logs before the roles begin and once they have stopped as well, not only at rest. */
  readonly scansOften?: boolean
  readonly onPhase?: (phase: Phase) => void
}

export type Phase = 'topics' | 'running' | 'healed' | 'settled' | 'drained' | 'scanned'

const UNDECIDED_STATES: readonly string[] = ['Ongoing', 'PrepareCommit', 'PrepareAbort', 'PrepareEpochFence']
const TOPICS_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 60_000
const READ_LIMIT_MS = 120_000
const TAKE_OVER_PAUSE_MS = 200
const SETTLE_POLL_MS = 250
const DRAIN_POLL_MS = 500

/** Rejects only when the topics cannot be made, or with an error that no cluster explains. */
export async function runWorkload(options: RunOptions): Promise<void> {
  const { run, control, plan, timeouts } = options
  const me = new Participant(control, { run, timeouts }, { clientId: 'semel-verify' })
  control.history.record('processStarted', {
    process: control.process,
    kind: 'client',
    role: 'control',
    at: control.nowMs(),
  })
  try {
    await new Run(options, me, allPartitions(plan.topics)).go()
  } finally {
    await me.close()
    control.history.flush()
  }
}

class Run {
  readonly #options: RunOptions
  readonly #me: Participant
  readonly #control: Worker
  readonly #partitions: readonly PartitionName[]
  readonly #admin: Admin
  #scans = 0

  constructor(options: RunOptions, me: Participant, partitions: readonly PartitionName[]) {
    this.#options = options
    this.#me = me
    this.#control = options.control
    this.#partitions = partitions
    this.#admin = me.kafka.admin()
  }

  async go(): Promise<void> {
    const { plan, stage, durationMs, scansOften = false } = this.#options
    this.#options.onPhase?.('topics')
    await this.#makeTopics()
    if (scansOften) await this.#scan()
    const cast = new Cast(plan.roles, stage, this.#control)
    this.#enter('running')
    cast.begin()
    stage.beginFaults()
    await this.#control.pause(durationMs)
    await stage.heal()
    this.#enter('healed')
    await cast.end()
    if (scansOften) await this.#scan()
    await this.#settle()
    this.#enter('settled')
    await this.#drain()
    this.#enter('drained')
    await this.#scan()
    await readCoordinators(this.#me, READ_LIMIT_MS)
    await readProducers(this.#me, this.#partitions, READ_LIMIT_MS)
    await readGroupOffsets(this.#me, READ_LIMIT_MS)
    this.#enter('scanned')
  }

  #enter(phase: Phase): void {
    this.#control.history.record('phase', { phase, at: this.#control.nowMs() })
    this.#control.history.flush()
    this.#options.onPhase?.(phase)
  }

  async #makeTopics(): Promise<void> {
    const { topics } = this.#options.plan
    for (const topic of topics) {
      await this.#needed(`making the topic ${topic.topic}`, async () => {
        try {
          await this.#admin.createTopics([topic])
        } catch (error) {
          // An earlier try was carried out, only its answer was lost.
          if (errorText(error) !== 'TOPIC_ALREADY_EXISTS') throw error
        }
      })
    }
    await this.#needed('finding leaders of the topics', async () => {
      await this.#ends('read_uncommitted')
    })
  }

  /** Without it there is no run. */
  async #needed(what: string, work: () => Promise<void>): Promise<void> {
    const startedMs = this.#control.nowMs()
    for (;;) {
      try {
        await work()
        return
      } catch (error) {
        const forMs = this.#control.nowMs() - startedMs
        if (forMs > TOPICS_LIMIT_MS || !(isExpected(error) || isTopicMissing(error))) throw error
      }
      await this.#control.pause(TAKE_OVER_PAUSE_MS)
    }
  }

  async #ends(isolationLevel: 'read_committed' | 'read_uncommitted'): Promise<readonly number[]> {
    const wanted = this.#partitions.map((partition) => ({ ...partition, at: 'latest' as const }))
    const answers = await this.#admin.listOffsets(wanted, { isolationLevel })
    return answers.map(({ offset = 0 }) => offset)
  }

  /** Until no transaction is open any more. */
  async #settle(): Promise<void> {
    const { settleMs } = this.#options.plan.expectations
    const startedMs = this.#control.nowMs()
    let open: readonly string[] = ['nobody answered']
    while (this.#control.nowMs() - startedMs < settleMs) {
      const left = startedMs + settleMs - this.#control.nowMs()
      const found = await retrying(this.#control, 'looking for open transactions', left, () => this.#open())
      if (found === undefined) return
      open = found
      if (open.length === 0) return
      await this.#control.pause(SETTLE_POLL_MS)
    }
    for (const what of open) noteStuck(this.#control, what, startedMs)
  }

  async #open(): Promise<readonly string[]> {
    const stable = await this.#ends('read_committed')
    const high = await this.#ends('read_uncommitted')
    // One that has added a partition and written nothing holds no reader up, and is to end all the same.
    const listed = await this.#admin.listTransactions({ states: UNDECIDED_STATES })
    const undecided = listed.filter(({ transactionalId }) => transactionalId.startsWith(this.#options.run))
    const unstable = this.#partitions.flatMap(({ topic, partition }, index) =>
      (stable[index] as number) < (high[index] as number)
        ? [`last stable offset of ${topic}-${partition} is ${stable[index]}, high watermark ${high[index]}`]
        : [],
    )
    return [...unstable, ...undecided.map(({ transactionalId, state }) => `${transactionalId} is ${state}`)]
  }

  /** A new reader takes everything that is committed, to the ends that are known. */
  async #drain(): Promise<void> {
    const ends = await retrying(this.#control, 'finding the ends of the logs', READ_LIMIT_MS, () =>
      this.#ends('read_uncommitted'),
    )
    if (ends === undefined) return
    const reader = this.#me.openReader({ partitions: this.#partitions })
    const isBehind = (index: number): boolean =>
      (reader.position(this.#partitions[index] as PartitionName) ?? 0) < (ends[index] as number)
    const startedMs = this.#control.nowMs()
    while (ends.some((_, index) => isBehind(index))) {
      await reader.poll({ timeoutMs: DRAIN_POLL_MS, maxRecords: 5_000 })
      if (this.#control.nowMs() - startedMs < READ_LIMIT_MS) continue
      for (const [index, { topic, partition }] of this.#partitions.entries()) {
        if (isBehind(index)) noteStuck(this.#control, `draining ${topic}-${partition} to ${ends[index]}`, startedMs)
      }
      break
    }
    await reader.close()
  }

  async #scan(): Promise<void> {
    await scanLogs(this.#me, this.#partitions, this.#scans, READ_LIMIT_MS)
    this.#scans += 1
  }
}

function isTopicMissing(error: unknown): boolean {
  return errorText(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
}

/** Who plays what: each part has a player at all times, until the end. */
class Cast {
  readonly #roles: readonly Role[]
  readonly #stage: Stage
  readonly #control: Worker
  readonly #players = new Map<string, Player>()
  readonly #parts: Promise<void>[] = []
  #isEnding = false

  constructor(roles: readonly Role[], stage: Stage, control: Worker) {
    this.#roles = roles
    this.#stage = stage
    this.#control = control
  }

  begin(): void {
    for (const role of this.#roles) {
      for (let index = 0; index < role.count; index += 1) this.#parts.push(this.#play(role, index))
    }
  }

  /** Tells all to stop, and waits; those that do not are killed. */
  async end(): Promise<void> {
    this.#isEnding = true
    for (const player of this.#players.values()) player.stop()
    await within(this.#control, 'roles that were told to stop', STOP_LIMIT_MS, Promise.all(this.#parts))
    for (const [part, player] of this.#players) {
      noteStuck(this.#control, `${part} does not stop`, this.#control.nowMs() - STOP_LIMIT_MS)
      player.kill()
    }
    await within(this.#control, 'roles that were killed', STOP_LIMIT_MS, Promise.all(this.#parts))
  }

  async #play(role: Role, index: number): Promise<void> {
    const part = `${role.name} ${index}`
    for (let incarnation = 0; !this.#isEnding; incarnation += 1) {
      const player = this.#stage.start(role, index, incarnation)
      const { history } = this.#control
      const { process } = player
      this.#players.set(part, player)
      history.record('processStarted', { process, kind: 'client', role: part, at: this.#control.nowMs() })
      const cause = await player.ended
      this.#players.delete(part)
      history.record('processEnded', { process, cause, at: this.#control.nowMs() })
      if (!this.#isEnding) await this.#control.pause(TAKE_OVER_PAUSE_MS)
    }
  }
}
