/**
 * Committed offsets and what was made of the records below them: what OffsetFetch answered while the run went on, and at rest each
 * passed input with exactly one committed output (A21, A22).
 */
import { NONE } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import type { OffsetCommit } from './offset-commits.ts'
import { EMPTY, OffsetMap } from './offset-map.ts'
import { read, type Steps } from './steps.ts'
import { IN_LOG, NO_VALUE, OUTSIDE } from './value-index.ts'

interface Fetched {
  readonly group: string
  readonly partition: number
  readonly offset: number
  readonly invokedAt: number
  readonly at: number
}

export function checkFetchedOffsets(evidence: Evidence, commits: readonly OffsetCommit[]): void {
  const place = ({ group, partition }: { group: string; partition: number }): string => `${partition} ${group}`
  const commitsByPlace = Map.groupBy(commits, place)
  for (const [at, fetches] of Map.groupBy(fetchedOffsets(evidence), place)) {
    // Of a group whose commits nobody wrote down nothing can be said.
    const known = commitsByPlace.get(at)
    if (known === undefined) continue
    const meant = known.map(({ partition, offset }) => nextVisible(evidence, partition, offset))
    for (const fetched of fetches) checkFetched(evidence, fetched, known, meant)
    checkRegress(evidence, fetches, known)
  }
}

function fetchedOffsets(evidence: Evidence): Fetched[] {
  const { offsetFetched } = evidence.head.tables
  return Array.from({ length: offsetFetched.length }, (_, row) => ({
    group: evidence.text(offsetFetched.group[row] as number),
    partition: offsetFetched.partition[row] as number,
    offset: offsetFetched.offset[row] as number,
    invokedAt: offsetFetched.invokedAt[row] as number,
    at: offsetFetched.at[row] as number,
  }))
}

/** @param meant  of each commit, what somebody who begins there reads first */
function checkFetched(
  evidence: Evidence,
  fetched: Fetched,
  commits: readonly OffsetCommit[],
  meant: readonly number[],
): void {
  const { offset, partition } = fetched
  const found = nextVisible(evidence, partition, offset)
  // Two offsets with nothing visible between them mean the same: positions move past markers and aborted records.
  const isSame = (place: number): boolean =>
    offset !== NONE && (commits[place]?.offset === offset || meant[place] === found)
  const same = commits.filter((commit, place) => commit.invokedAt <= fetched.at && isSame(place))
  const possible = same.filter(({ certainty }) => certainty !== 'never')
  const isBeginning = offset !== NONE && found === nextVisible(evidence, partition, 0)
  if (offset !== NONE && possible.length === 0 && !isBeginning) {
    const [refused] = same
    report(evidence, fetched, refused, () => {
      if (refused === undefined) return 'which nobody had committed'
      if (refused.transaction === OUTSIDE) return 'the commit of which was refused'
      return `which was committed in ${evidence.transactionName(refused.transaction)} only, and that was aborted`
    })
    return
  }
  // What came into force before another was asked for does not come back after that one.
  const lost = commits.find(
    (commit, place) =>
      commit.certainty === 'committed' &&
      commit.ackedAt < fetched.invokedAt &&
      commit.offset > offset &&
      !isSame(place) &&
      !possible.some(({ ackedAt }) => ackedAt >= commit.invokedAt),
  )
  if (lost !== undefined) {
    report(evidence, fetched, lost, () => `though ${lost.offset} was committed, and acknowledged at ${lost.ackedAt}`)
  }
}

/** Infinity: nothing. */
function nextVisible(evidence: Evidence, partition: number, offset: number): number {
  const log = evidence.log(partition)
  const isVisible = (value: number): boolean => value >= 0 && evidence.isVisible(value)
  return log.values.find(Math.max(0, offset), log.scanned?.to ?? log.highestRead + 1, isVisible) ?? Infinity
}

function checkRegress(evidence: Evidence, fetches: readonly Fetched[], commits: readonly OffsetCommit[]): void {
  const completed = fetches.toSorted((a, b) => a.at - b.at)
  let next = 0
  let highest: Fetched | undefined
  for (const fetched of fetches.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (; next < completed.length && (completed[next] as Fetched).at < fetched.invokedAt; next += 1) {
      const one = completed[next] as Fetched
      if (highest === undefined || one.offset > highest.offset) highest = one
    }
    if (highest === undefined || fetched.offset >= highest.offset) continue
    const { invokedAt, offset, partition } = highest
    if (nextVisible(evidence, partition, offset) === nextVisible(evidence, partition, fetched.offset)) continue
    const isSetBack = commits.some((commit) => {
      return commit.offset === fetched.offset && commit.certainty !== 'never' && commit.ackedAt >= invokedAt
    })
    if (!isSetBack) report(evidence, fetched, undefined, () => `after ${offset}, and nobody had set it back`)
  }
}

function report(evidence: Evidence, fetched: Fetched, commit: OffsetCommit | undefined, why: () => string): void {
  const { group, partition, offset, at } = fetched
  const transactions = commit !== undefined && commit.transaction >= 0 ? [commit.transaction] : []
  evidence.findings.report('A21', { places: [{ partition, offset }], group, transactions, at }, () => {
    const answer = offset === NONE ? 'no offset' : `offset ${offset}`
    return `'${group}' had ${answer} of ${evidence.placeName(partition)} at ${at}, ${why()}`
  })
}

/** Each record of the inputs that the group has passed, and no other, is cited by exactly one committed output. */
export function* effectsPass(evidence: Evidence): Steps {
  const { effects } = evidence.head.info.expectations
  if (effects === undefined) return
  const committed = offsetsAtRest(evidence, effects.group)
  if (committed === undefined) {
    evidence.findings.notChecked('A21 A22', `offsets of '${effects.group}' were not read at rest`)
    return
  }
  const { values, findings } = evidence
  const outputs = new Set(effects.outputs)
  const cited = new Map<number, OffsetMap>()
  yield read('citation', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      const value = values.find(rows.writer[row] as number, rows.number[row] as number)
      if (value === NO_VALUE || !isThere(evidence, value)) continue
      if (!outputs.has(topicOf(evidence, values.partition[value] as number))) continue
      const partition = rows.partition[row] as number
      const offset = rows.offset[row] as number
      let citing = cited.get(partition)
      if (citing === undefined) {
        citing = new OffsetMap()
        cited.set(partition, citing)
      }
      const other = citing.get(offset)
      if (other === EMPTY) {
        citing.set(offset, value)
        continue
      }
      findings.report('A22', bothAnchors(evidence, value, other, partition, offset), () => {
        const input = `offset ${offset} of ${evidence.placeName(partition)}`
        return `${evidence.valueName(other)} and ${evidence.valueName(value)} are both committed outputs of ${input}`
      })
    }
  })
  for (const [partition, { topic }] of evidence.head.partitions.entries()) {
    if (!effects.inputs.includes(topic)) continue
    compareCited(
      evidence,
      effects.group,
      partition,
      committed.get(partition) ?? 0,
      cited.get(partition) ?? new OffsetMap(),
    )
  }
}

function compareCited(evidence: Evidence, group: string, partition: number, end: number, cited: OffsetMap): void {
  const { findings } = evidence
  const log = evidence.log(partition)
  const where = (offset: number): string => `offset ${offset} of ${evidence.placeName(partition)}`
  log.values.forEach((value, offset) => {
    if (value < 0 || offset >= end || !evidence.isVisible(value) || cited.get(offset) !== EMPTY) return
    findings.report('A21', { places: [{ partition, offset }], values: [value], group }, () => {
      return `'${group}' has committed ${end}, and ${where(offset)} has no committed output`
    })
  })
  cited.forEach((output, offset) => {
    const input = log.values.get(offset)
    const isVisible = input >= 0 && evidence.isVisible(input)
    if (isVisible && offset < end) return
    // What has left the log by itself was there once.
    if (input === EMPTY && log.shrinks && offset < end) return
    const anchor = { ...evidence.anchorOf(output, { partition, offset }), group }
    findings.report('A21', anchor, () => {
      const why = isVisible ? `'${group}' has committed ${end} only` : 'there is nothing that a reader may see'
      return `${evidence.valueName(output)} is a committed output of ${where(offset)}, and ${why}`
    })
  })
}

/** By partition; `undefined`: nothing of the group was read at rest. */
function offsetsAtRest(evidence: Evidence, group: string): ReadonlyMap<number, number> | undefined {
  const restAt = evidence.restAt ?? -Infinity
  const latest = new Map<number, Fetched>()
  for (const fetched of fetchedOffsets(evidence)) {
    if (fetched.group !== group || fetched.invokedAt < restAt) continue
    const before = latest.get(fetched.partition)
    if (before === undefined || fetched.at >= before.at) latest.set(fetched.partition, fetched)
  }
  if (latest.size === 0) return undefined
  return new Map([...latest].map(([partition, { offset }]) => [partition, Math.max(0, offset)]))
}

/** It is committed, and if the log was scanned, it is in it. */
function isThere(evidence: Evidence, value: number): boolean {
  if (!evidence.isVisible(value)) return false
  const { scanned, shrinks } = evidence.log(evidence.values.partition[value] as number)
  return scanned === undefined || shrinks || ((evidence.values.flags[value] as number) & IN_LOG) !== 0
}

function topicOf({ head }: Evidence, partition: number): string {
  return (head.partitions[partition] as { topic: string }).topic
}

function bothAnchors(evidence: Evidence, value: number, other: number, partition: number, offset: number) {
  const [one, two] = [evidence.anchorOf(value, { partition, offset }), evidence.anchorOf(other)]
  return {
    places: [...(one.places ?? []), ...(two.places ?? [])],
    values: [value, other],
    transactions: [...(one.transactions ?? []), ...(two.transactions ?? [])],
  }
}
