/** Makes the timeline of a run: which lanes there are, in which order, and what is left out of it. */
import { compareNames } from '../compare-names.ts'
import type { PlacedExample } from '../finding-places.ts'
import type { RunFacts } from '../run-facts.ts'
import type { TransactionFacts } from '../transactions.ts'
import { faultLanes } from './fault-lanes.ts'
import { packRows } from './pack-rows.ts'
import type { TimeScale } from './page/time-scale.ts'
import { partitionLanes } from './partition-lanes.ts'
import { processLanes } from './process-lanes.ts'
import type { FindingLane, LaneGroup, PhaseLane, Timeline } from './timeline.ts'
import { transactionLanes } from './transaction-lanes.ts'

/** Of a group; what is more is named in its note. */
const LANES_MAX = 40
const FINDING_ROWS_MAX = 5

export function buildTimeline(
  facts: RunFacts,
  examples: readonly PlacedExample[],
  transactions: readonly TransactionFacts[],
  scale: TimeScale,
): Timeline {
  const groups: readonly (LaneGroup | undefined)[] = [
    findingGroup(facts, examples),
    phaseGroup(facts),
    faultGroup(facts, scale),
    transactionGroup(facts, transactions, scale),
    processGroup(facts),
    partitionGroup(facts, scale),
  ]
  return { spanTicks: facts.spanTicks, groups: groups.filter((group) => group !== undefined) }
}

function findingGroup(facts: RunFacts, examples: readonly PlacedExample[]): LaneGroup | undefined {
  const placed = examples.flatMap(({ place, ...rest }) => (place === undefined ? [] : [{ ...rest, place }]))
  if (placed.length === 0) return undefined
  placed.sort((one, other) => Number(one.mark) - Number(other.mark))
  const at = placed.map(({ place }) => facts.ticks(place.at))
  const row = packRows(at, at, facts.spanTicks / 25, FINDING_ROWS_MAX)
  const unplaced = examples.length - placed.length
  const lane: FindingLane = {
    kind: 'finding',
    label: 'examples',
    detail: `${placed.length} with a place in time`,
    rows: Math.max(...row) + 1,
    row,
    at,
    from: placed.map(({ place }) => facts.ticks(place.from)),
    to: placed.map(({ place }) => facts.ticks(place.to)),
    isAllowed: placed.map(({ isAllowed }) => (isAllowed ? 1 : 0)),
    codes: placed.map(({ code }) => code),
    texts: placed.map(({ code, example }) => `${code}: ${example.what}`),
    targets: placed.map(({ id }) => id),
  }
  return {
    name: 'findings',
    title: 'Findings',
    hint: 'Each mark leads to its example; the line is the time that its rows span.',
    lanes: [lane],
    ...(unplaced > 0 && { note: `${unplaced} more without a time of their own are in the findings above.` }),
  }
}

function phaseGroup(facts: RunFacts): LaneGroup | undefined {
  if (facts.phases.size === 0) return undefined
  const reached = [...facts.phases].sort(([, one], [, other]) => one - other)
  const starts = reached.map(([, at]) => facts.ticks(at))
  const lane: PhaseLane = {
    kind: 'phase',
    label: 'phases',
    detail: '',
    from: [0, ...starts],
    to: [...starts, facts.spanTicks],
    names: ['topics are made', ...reached.map(([name]) => name)],
  }
  return {
    name: 'phases',
    title: 'Phases',
    hint: 'From "healed" on nothing is done to the system any more.',
    lanes: [lane],
  }
}

function faultGroup(facts: RunFacts, scale: TimeScale): LaneGroup | undefined {
  const lanes = faultLanes(facts, scale)
  if (lanes.length === 0) return undefined
  const hint = 'What was done to the system, by kind; the name in a bar is whom it met.'
  return { name: 'faults', title: 'Faults', hint, ...limited(lanes, 'kinds of faults') }
}

function transactionGroup(
  facts: RunFacts,
  transactions: readonly TransactionFacts[],
  scale: TimeScale,
): LaneGroup | undefined {
  if (transactions.length === 0) return undefined
  const byId = new Map<string, TransactionFacts[]>()
  for (const transaction of transactions) {
    const ofId = byId.get(transaction.transactionalId) ?? []
    ofId.push(transaction)
    byId.set(transaction.transactionalId, ofId)
  }
  // Those in which most did not simply commit come first into the lanes that there are; then all by name.
  const odd = (ofId: readonly TransactionFacts[]): number =>
    ofId.filter(({ outcome }) => outcome !== 'committed' && outcome !== 'aborted').length
  const chosen = [...byId].sort(([, one], [, other]) => odd(other) - odd(one)).slice(0, LANES_MAX)
  chosen.sort(([one], [other]) => compareNames(one, other))
  const hint = 'By transactional id, as their clients saw them: begun, asked to end, told what became of it.'
  const hidden = byId.size - chosen.length
  return {
    name: 'transactions',
    title: 'Transactions',
    hint,
    lanes: transactionLanes(facts, scale, new Map(chosen)),
    ...(hidden > 0 && { note: `${hidden} more transactional ids are in the table below.` }),
  }
}

function processGroup(facts: RunFacts): LaneGroup | undefined {
  const lanes = processLanes(facts)
  if (lanes.length === 0) return undefined
  const hint = 'The line is a life; above it is what was sent, below it what was read, on it what failed.'
  return { name: 'processes', title: 'Processes', hint, ...limited(lanes, 'parts') }
}

function partitionGroup(facts: RunFacts, scale: TimeScale): LaneGroup | undefined {
  const lanes = partitionLanes(facts, scale)
  if (lanes.length === 0) return undefined
  const byLag = lanes.toSorted((one, other) => other.lagMax - one.lagMax).slice(0, LANES_MAX)
  const shown = lanes.filter((lane) => byLag.includes(lane))
  const hint =
    'Above, high watermark and last stable offset; below, how far they are apart: what open transactions block.'
  const hidden = lanes.length - shown.length
  return {
    name: 'partitions',
    title: 'Partitions',
    hint,
    lanes: shown,
    ...(hidden > 0 && { note: `${hidden} more partitions, with less between the two, are not shown.` }),
  }
}

function limited<T>(lanes: readonly T[], what: string): { readonly lanes: readonly T[]; readonly note?: string } {
  const hidden = lanes.length - LANES_MAX
  if (hidden <= 0) return { lanes }
  return { lanes: lanes.slice(0, LANES_MAX), note: `${hidden} more ${what} are not shown here.` }
}
