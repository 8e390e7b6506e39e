/** Processes on the timeline: a lane for each part that they play, with what was sent and read in it. */
import { OUTCOMES } from '../../history/tables.ts'
import type { RunFacts } from '../run-facts.ts'
import { thinPoints } from './thin-out.ts'
import type { Points, ProcessLane } from './timeline.ts'

/** In all lanes together. */
const POINTS_MAX = 75_000

interface Activity {
  readonly sends: GrowingPoints
  readonly reads: GrowingPoints
  readonly failures: GrowingPoints
}

interface GrowingPoints {
  readonly at: number[]
  readonly count: number[]
  total: number
}

export function processLanes(facts: RunFacts): ProcessLane[] {
  const { spanTicks } = facts
  const parts = new Map<string, number[]>()
  for (const { role, process } of facts.processes.values()) parts.set(role, [...(parts.get(role) ?? []), process])
  const activities = collectActivities(facts)
  const pointsMax = Math.floor(POINTS_MAX / (3 * Math.max(1, parts.size)))
  return [...parts].map(([role, processes]) => {
    const lives = processes.flatMap((process) => facts.processes.get(process) ?? [])
    const { sends, reads, failures } = activities.get(role) as Activity
    const thin = (points: GrowingPoints): Points => thinPoints(inOrder(points), spanTicks, pointsMax)
    const did = [
      `${lives.length} ${lives.length === 1 ? 'life' : 'lives'}`,
      ...(sends.total > 0 ? [`${sends.total} sent`] : []),
      ...(reads.total > 0 ? [`${reads.total} read`] : []),
      ...(failures.total > 0 ? [`${failures.total} failed`] : []),
    ]
    return {
      kind: 'process',
      label: role,
      detail: did.join(', '),
      from: lives.map(({ startedAt }) => facts.ticks(startedAt)),
      to: lives.map(({ endedAt }) => (endedAt === undefined ? spanTicks : facts.ticks(endedAt))),
      causes: lives.map(({ cause }) => cause),
      processes: lives.map(({ process }) => process),
      sends: thin(sends),
      reads: thin(reads),
      failures: thin(failures),
    }
  })
}

function collectActivities(facts: RunFacts): Map<string, Activity> {
  const { sendInvoked, sendCompleted, read, poll } = facts.history.tables
  const activities = new Map<string, Activity>()
  for (const { role } of facts.processes.values()) {
    if (!activities.has(role)) activities.set(role, { sends: none(), reads: none(), failures: none() })
  }
  const ofProcess = (process: number | undefined): Activity | undefined =>
    activities.get(facts.processes.get(process as number)?.role as string)
  const ofWriter = cached((writer) => ofProcess(facts.writers.get(writer)?.process))
  const ofReader = cached((reader) => ofProcess(facts.readers.get(reader)?.process))
  for (let row = 0; row < sendInvoked.length; row += 1) {
    add(ofWriter(sendInvoked.writer[row] as number)?.sends, facts.ticks(sendInvoked.at[row] as number))
  }
  for (let row = 0; row < sendCompleted.length; row += 1) {
    if (OUTCOMES[sendCompleted.outcome[row] as number] === 'ok') continue
    add(ofWriter(sendCompleted.writer[row] as number)?.failures, facts.ticks(sendCompleted.at[row] as number))
  }
  for (let row = 0; row < read.length; row += 1) {
    add(ofReader(read.reader[row] as number)?.reads, facts.ticks(read.at[row] as number))
  }
  for (let row = 0; row < poll.length; row += 1) {
    if (OUTCOMES[poll.outcome[row] as number] === 'ok') continue
    add(ofReader(poll.reader[row] as number)?.failures, facts.ticks(poll.at[row] as number))
  }
  return activities
}

/** Rows of one writer or reader come in runs. */
function cached<T>(find: (key: number) => T): (key: number) => T {
  let last: { key: number; value: T } | undefined
  return (key) => {
    if (last?.key !== key) last = { key, value: find(key) }
    return last.value
  }
}

function none(): GrowingPoints {
  return { at: [], count: [], total: 0 }
}

/** What happens at one moment, as the records of one poll do, is one point. */
function add(points: GrowingPoints | undefined, at: number): void {
  if (points === undefined) return
  points.total += 1
  const last = points.at.length - 1
  if (points.at[last] === at) points.count[last] = (points.count[last] as number) + 1
  else {
    points.at.push(at)
    points.count.push(1)
  }
}

/** Rows of several processes were written one file after the other. */
function inOrder({ at, count }: GrowingPoints): Points {
  const order = at.map((_, row) => row).sort((one, other) => (at[one] as number) - (at[other] as number))
  return { at: order.map((row) => at[row] as number), count: order.map((row) => count[row] as number) }
}
