/** Transactions on the timeline: a lane for each transactional id. */
import { NONE } from '../../history/tables.ts'
import type { RunFacts } from '../run-facts.ts'
import type { TransactionFacts } from '../transactions.ts'
import { packRows } from './pack-rows.ts'
import type { TimeScale } from './page/time-scale.ts'
import { TRANSACTION_OUTCOMES, type TransactionLane } from './timeline.ts'

const ROWS_MAX = 4
/** In all lanes together; what is more is drawn together with its neighbours. */
const TRANSACTIONS_MAX = 25_000

export function transactionLanes(
  facts: RunFacts,
  scale: TimeScale,
  transactions: ReadonlyMap<string, readonly TransactionFacts[]>,
): TransactionLane[] {
  let total = 0
  for (const { length } of transactions.values()) total += length
  const isThinned = total > TRANSACTIONS_MAX
  const share = Math.floor(TRANSACTIONS_MAX / transactions.size)
  return [...transactions].map(([id, ofId]) => {
    const lane = fullLane(facts, id, ofId)
    return isThinned && ofId.length > share ? thinned(lane, facts, scale, share) : lane
  })
}

function fullLane(facts: RunFacts, id: string, transactions: readonly TransactionFacts[]): TransactionLane {
  const ticks = (ms: number | undefined): number => (ms === undefined ? NONE : facts.ticks(ms))
  const begun = transactions.map(({ begunAt }) => facts.ticks(begunAt))
  const ended = transactions.map(({ endedAt }) => facts.ticks(endedAt))
  const over = transactions.map(({ overAt }) => ticks(overAt))
  const row = packRows(
    begun,
    ended.map((end, at) => Math.max(end, over[at] as number)),
    0,
    ROWS_MAX,
  )
  const writers = numbered(transactions.map(({ writer }) => facts.writerName(writer)))
  const errors = numbered(transactions.map(({ error }) => error))
  return {
    kind: 'transaction',
    label: facts.shortName(id),
    detail: detailOf(transactions),
    rows: Math.max(...row) + 1,
    row,
    begun,
    ending: transactions.map(({ endingAt }) => ticks(endingAt)),
    ended,
    over,
    outcome: transactions.map(({ outcome }) => TRANSACTION_OUTCOMES.indexOf(outcome)),
    count: transactions.map(() => 1),
    number: transactions.map(({ number }) => number),
    values: transactions.map(({ values }) => values),
    writer: writers.numbers,
    error: errors.numbers,
    writers: writers.texts,
    errors: errors.texts,
  }
}

function thinned(lane: TransactionLane, { spanTicks }: RunFacts, scale: TimeScale, share: number): TransactionLane {
  const keyOf = (at: number): string => `${lane.row[at]} ${lane.outcome[at]}`
  // Two outcomes that alternate are twice as many bars.
  const view = { from: 0, to: spanTicks, width: Math.max(1, Math.floor(share / 2)) }
  const rows = { from: lane.begun, to: lane.ended, count: lane.count, keyOf }
  const bundles = scale.bundles(rows, view, { gapPx: 1, widthMin: 1 })
  const pick = (column: readonly number[], ofMany: number): number[] =>
    bundles.map(({ first, count }) => (count === 1 ? (column[first] as number) : ofMany))
  return {
    ...lane,
    row: bundles.map(({ first }) => lane.row[first] as number),
    begun: bundles.map(({ from }) => from),
    ending: pick(lane.ending, NONE),
    ended: bundles.map(({ to }) => to),
    over: bundles.map(({ first }) => lane.over[first] as number),
    outcome: bundles.map(({ first }) => lane.outcome[first] as number),
    count: bundles.map(({ count }) => count),
    number: pick(lane.number, NONE),
    values: pick(lane.values, 0),
    writer: pick(lane.writer, NONE),
    error: pick(lane.error, NONE),
  }
}

/** '31 committed, 4 aborted' */
function detailOf(transactions: readonly TransactionFacts[]): string {
  return TRANSACTION_OUTCOMES.flatMap((outcome) => {
    const count = transactions.filter((one) => one.outcome === outcome).length
    return count === 0 ? [] : [`${count} ${outcome}`]
  }).join(', ')
}

function numbered(texts: readonly string[]): { readonly texts: string[]; readonly numbers: number[] } {
  const numbers = new Map<string, number>()
  const found = texts.map((text) => {
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    return number
  })
  return { texts: [...numbers.keys()], numbers: found }
}
