/** Partitions on the timeline: where their high watermark and last stable offset stood, and how far apart they were. */
import { NONE } from '../../history/tables.ts'
import type { RunFacts } from '../run-facts.ts'
import type { TimeScale } from './page/time-scale.ts'
import { compareNames } from '../compare-names.ts'
import { thinSteps } from './thin-out.ts'
import type { PartitionLane, Steps } from './timeline.ts'

/** In all lanes together. */
const STEPS_MAX = 60_000

interface GrowingSteps {
  readonly at: number[]
  readonly value: number[]
}

interface Marks {
  readonly highWatermark: GrowingSteps
  readonly lastStableOffset: GrowingSteps
  readonly lag: GrowingSteps
}

export function partitionLanes(facts: RunFacts, scale: TimeScale): PartitionLane[] {
  const { spanTicks } = facts
  const partitions = collectMarks(facts)
  const stepsMax = Math.max(30, Math.floor(STEPS_MAX / (3 * Math.max(1, partitions.size))))
  const thin = (steps: Steps): Steps => thinSteps(steps, scale, spanTicks, stepsMax)
  const lanes = [...partitions].map(([partition, { highWatermark, lastStableOffset, lag }]): PartitionLane => {
    const offsetMax = Math.max(highestOf(highWatermark), highestOf(lastStableOffset))
    const lagMax = highestOf(lag)
    return {
      kind: 'partition',
      label: facts.shortName(facts.partitionName(partition)),
      detail: `to ${offsetMax}, ${lagMax === 0 ? 'none blocked' : `at most ${lagMax} blocked`}`,
      highWatermark: thin(highWatermark),
      lastStableOffset: thin(lastStableOffset),
      lag: thin(lag),
      offsetMax,
      lagMax,
    }
  })
  return lanes.sort((one, other) => compareNames(one.label, other.label))
}

function collectMarks(facts: RunFacts): Map<number, Marks> {
  const { watermarks } = facts.history.tables
  const partitions = new Map<number, Marks>()
  const order = Array.from({ length: watermarks.length }, (_, row) => row)
  order.sort((one, other) => (watermarks.at[one] as number) - (watermarks.at[other] as number))
  for (const row of order) {
    const partition = watermarks.partition[row] as number
    const marks = partitions.get(partition) ?? { highWatermark: none(), lastStableOffset: none(), lag: none() }
    partitions.set(partition, marks)
    const at = facts.ticks(watermarks.at[row] as number)
    add(marks.highWatermark, at, watermarks.highWatermark[row] as number)
    add(marks.lastStableOffset, at, watermarks.lastStableOffset[row] as number)
    const stable = watermarks.lastStableOffset[row] as number
    const high = marks.highWatermark.value.at(-1)
    // Where each is asked for by itself, the high watermark was asked for first, and both have moved on since: what
    // is shown is never too much.
    if (stable !== NONE && high !== undefined) add(marks.lag, at, Math.max(0, high - stable))
  }
  return partitions
}

function add({ at, value }: GrowingSteps, time: number, said: number): void {
  if (said === NONE) return
  at.push(time)
  value.push(said)
}

function highestOf({ value }: GrowingSteps): number {
  return value.reduce((highest, one) => Math.max(highest, one), 0)
}

function none(): GrowingSteps {
  return { at: [], value: [] }
}
