/** Faults on the timeline: a lane for each kind. */
import { compareNames } from '../compare-names.ts'
import type { RunFacts } from '../run-facts.ts'
import { packRows } from './pack-rows.ts'
import type { TimeScale } from './page/time-scale.ts'
import type { FaultLane } from './timeline.ts'

const ROWS_MAX = 5
/** Of a kind; what is more is drawn together with its neighbours. */
const FAULTS_MAX = 500

interface Fault {
  readonly from: number
  readonly to: number
  readonly target: string
  readonly detail: string
}

export function faultLanes(facts: RunFacts, scale: TimeScale): FaultLane[] {
  const { fault } = facts.history.tables
  const kinds = new Map<string, Fault[]>()
  for (let row = 0; row < fault.length; row += 1) {
    const kind = facts.text(fault.kind[row] as number)
    const from = facts.ticks(fault.at[row] as number)
    const to = Math.max(from, facts.ticks(fault.until[row] as number))
    const one = {
      from,
      to,
      target: facts.text(fault.target[row] as number),
      detail: facts.text(fault.detail[row] as number),
    }
    const ofKind = kinds.get(kind) ?? []
    ofKind.push(one)
    kinds.set(kind, ofKind)
  }
  return [...kinds]
    .sort(([one], [other]) => compareNames(one, other))
    .map(([kind, faults]) => lane(kind, faults, facts, scale))
}

function lane(kind: string, faults: readonly Fault[], { spanTicks }: RunFacts, scale: TimeScale): FaultLane {
  const sorted = faults.toSorted((one, other) => one.from - other.from)
  const from = sorted.map((one) => one.from)
  const to = sorted.map((one) => one.to)
  const row = packRows(from, to, spanTicks / 250, ROWS_MAX)
  const detail = `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`
  const head = { kind: 'fault', label: kind, detail, rows: Math.max(...row) + 1 } as const
  if (sorted.length <= FAULTS_MAX) {
    const targets = sorted.map((one) => one.target)
    return { ...head, row, from, to, count: from.map(() => 1), targets, details: sorted.map((one) => one.detail) }
  }
  const keyOf = (at: number): string => String(row[at])
  const view = { from: 0, to: spanTicks, width: FAULTS_MAX }
  const bundles = scale.bundles({ from, to, count: from.map(() => 1), keyOf }, view, { gapPx: 1, widthMin: 1 })
  return {
    ...head,
    row: bundles.map(({ first }) => row[first] as number),
    from: bundles.map((bundle) => bundle.from),
    to: bundles.map((bundle) => bundle.to),
    count: bundles.map(({ count }) => count),
    targets: bundles.map(({ first, count }) => (count === 1 ? (sorted[first]?.target ?? '') : '')),
    details: bundles.map(({ first, count }) => (count === 1 ? (sorted[first]?.detail ?? '') : '')),
  }
}
