/**
 * What brokers said of a partition's ends (A18). Two answers are in order only if one was complete before the other was asked for; what
 * overlaps may have been true in either order.
 */
import { NONE } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import type { OpenedTransactions } from './producer-log.ts'
import { COMMIT_ASKED, COMMITTED, OUTSIDE } from './value-index.ts'

const COLUMNS = {
  highWatermark: 'high watermark',
  lastStableOffset: 'last stable offset',
  logStartOffset: 'log start offset',
} as const

interface Answer {
  readonly value: number
  readonly invokedAt: number
  readonly at: number
}

type Answers = Record<keyof typeof COLUMNS, Answer[]>

/** @param opened  where transactions begin in each partition, in the order of offsets */
export function checkWatermarks(evidence: Evidence, opened: ReadonlyMap<number, OpenedTransactions>): void {
  for (const [partition, answers] of answersByPartition(evidence)) {
    for (const column of Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]) {
      compareInOrder(answers[column], answers[column], (before, now) => {
        report(evidence, partition, now.at, now.value, () => {
          return `${COLUMNS[column]} of ${evidence.placeName(partition)} went back from ${before.value} to ${now.value}`
        })
      })
    }
    compareInOrder(answers.lastStableOffset, answers.highWatermark, (before, now) => {
      report(evidence, partition, now.at, now.value, () => {
        const where = evidence.placeName(partition)
        return `last stable offset of ${where} was ${before.value} at ${before.at}, and later the high watermark is ${now.value}`
      })
    })
    checkOpenTransactions(evidence, partition, answers.lastStableOffset, opened.get(partition))
  }
  checkRows(evidence)
  checkTimeLookups(evidence)
}

function answersByPartition({ head }: Evidence): ReadonlyMap<number, Answers> {
  const { watermarks } = head.tables
  const found = new Map<number, Answers>()
  for (let row = 0; row < watermarks.length; row += 1) {
    const partition = watermarks.partition[row] as number
    let answers = found.get(partition)
    if (answers === undefined) {
      answers = { highWatermark: [], lastStableOffset: [], logStartOffset: [] }
      found.set(partition, answers)
    }
    const invokedAt = watermarks.invokedAt[row] as number
    const at = watermarks.at[row] as number
    for (const column of Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]) {
      const value = watermarks[column][row] as number
      if (value !== NONE) answers[column].push({ value, invokedAt, at })
    }
  }
  return found
}

/** Calls back for each of `later` that is below one of `earlier` that was complete before it was asked for. */
function compareInOrder(
  earlier: readonly Answer[],
  later: readonly Answer[],
  onBelow: (before: Answer, now: Answer) => void,
): void {
  const completed = earlier.toSorted((a, b) => a.at - b.at)
  let next = 0
  let highest: Answer | undefined
  for (const now of later.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (; next < completed.length && (completed[next] as Answer).at < now.invokedAt; next += 1) {
      const one = completed[next] as Answer
      if (highest === undefined || one.value > highest.value) highest = one
    }
    if (highest !== undefined && now.value < highest.value) onBelow(highest, now)
  }
}

/** Until its commit was asked for, a transaction that is committed was surely open. */
function checkOpenTransactions(
  evidence: Evidence,
  partition: number,
  answers: readonly Answer[],
  opened: OpenedTransactions | undefined,
): void {
  if (opened === undefined) return
  const { status, asked, endingAt } = evidence.transactions
  // Of all that begin at or below a place: the one whose commit was asked for last.
  const longest: number[] = []
  let last = OUTSIDE
  for (const id of opened.transactions) {
    const isSure = status[id] === COMMITTED && asked[id] === COMMIT_ASKED
    if (isSure && (last === OUTSIDE || (endingAt[id] as number) > (endingAt[last] as number))) last = id
    longest.push(last)
  }
  for (const { value, at } of answers) {
    const below = countBelow(opened.offsets, value)
    const id = longest[below - 1]
    if (id === undefined || id === OUTSIDE || at >= (endingAt[id] as number)) continue
    evidence.findings.report('A18', { places: [{ partition, offset: value }], transactions: [id], at }, () => {
      const where = `${value} of ${evidence.placeName(partition)}`
      return `last stable offset ${where} at ${at} is beyond the begin of ${evidence.transactionName(id)}, which was open`
    })
  }
}

/** How many of these ascending numbers are below `limit`. */
function countBelow(sorted: readonly number[], limit: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < limit) low = middle + 1
    else high = middle
  }
  return low
}

function checkRows(evidence: Evidence): void {
  const { watermarks } = evidence.head.tables
  for (let row = 0; row < watermarks.length; row += 1) {
    const highWatermark = watermarks.highWatermark[row] as number
    const lastStableOffset = watermarks.lastStableOffset[row] as number
    if (highWatermark === NONE || lastStableOffset <= highWatermark) continue
    const partition = watermarks.partition[row] as number
    report(evidence, partition, watermarks.at[row] as number, lastStableOffset, () => {
      const where = evidence.placeName(partition)
      return `last stable offset ${lastStableOffset} of ${where} is above its high watermark ${highWatermark}`
    })
  }
}

function checkTimeLookups(evidence: Evidence): void {
  const { timeLookup } = evidence.head.tables
  for (let row = 0; row < timeLookup.length; row += 1) {
    const offset = timeLookup.offset[row] as number
    const lastStableOffset = timeLookup.lastStableOffset[row] as number
    if (offset === NONE || lastStableOffset === NONE || offset < lastStableOffset) continue
    const partition = timeLookup.partition[row] as number
    report(evidence, partition, timeLookup.at[row] as number, offset, () => {
      const where = evidence.placeName(partition)
      return `a search by time found offset ${offset} of ${where}, at or above the last stable offset ${lastStableOffset}`
    })
  }
}

function report(evidence: Evidence, partition: number, at: number, offset: number, what: () => string): void {
  evidence.findings.report('A18', { places: [{ partition, offset }], at }, what)
}
