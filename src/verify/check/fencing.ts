/** Whether a producer that was replaced could still commit (A19), and whether partitions of a group had one owner (A20). */
import { ASSIGNMENT_CHANGE, NONE, OUTCOMES } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import type { OffsetCommit } from './offset-commits.ts'
import type { Readers } from './readers.ts'
import { COMMIT_ASKED, TOLD_OK } from './value-index.ts'

interface Incarnation {
  readonly writer: number
  readonly startedAt: number
  readyAt: number
  producerId: number
  producerEpoch: number
  /** When a newer one was ready, and which. */
  fencedAt: number
  fencedBy: number
}

export function checkFencing(evidence: Evidence, commits: readonly OffsetCommit[]): void {
  const incarnations = incarnationsByWriter(evidence)
  const { transactions, findings } = evidence
  const hasOffsets = new Set(commits.map(({ transaction }) => transaction))
  for (let id = 0; id < transactions.length; id += 1) {
    if (transactions.asked[id] !== COMMIT_ASKED || transactions.told[id] !== TOLD_OK) continue
    // A client may answer for a transaction with nothing in it without asking anybody.
    if (transactions.sent[id] === 0 && !hasOffsets.has(id)) continue
    const endingAt = transactions.endingAt[id] as number
    const incarnation = incarnations.get(transactions.nameOf(id).writer)
    if (incarnation === undefined || endingAt <= incarnation.fencedAt) continue
    const { fencedAt, fencedBy } = incarnation
    findings.report('A19', { transactions: [id], at: endingAt }, () => {
      const newer = `writer ${fencedBy} of the same transactional id was ready at ${fencedAt}`
      return `${evidence.transactionName(id)} was asked to commit at ${endingAt} and was committed, though ${newer}`
    })
  }
}

function incarnationsByWriter({ head }: Evidence): ReadonlyMap<number, Incarnation> {
  const { writerStarted, writerReady } = head.tables
  const found = new Map<number, Incarnation>()
  const byId = new Map<number, Incarnation[]>()
  for (let row = 0; row < writerStarted.length; row += 1) {
    const transactionalId = writerStarted.transactionalId[row] as number
    if (head.strings[transactionalId] === '') continue
    const incarnation: Incarnation = {
      writer: writerStarted.writer[row] as number,
      startedAt: writerStarted.at[row] as number,
      readyAt: Infinity,
      producerId: NONE,
      producerEpoch: NONE,
      fencedAt: Infinity,
      fencedBy: NONE,
    }
    found.set(incarnation.writer, incarnation)
    byId.set(transactionalId, [...(byId.get(transactionalId) ?? []), incarnation])
  }
  for (let row = 0; row < writerReady.length; row += 1) {
    const incarnation = found.get(writerReady.writer[row] as number)
    if (incarnation === undefined || OUTCOMES[writerReady.outcome[row] as number] !== 'ok') continue
    incarnation.readyAt = writerReady.at[row] as number
    incarnation.producerId = writerReady.producerId[row] as number
    incarnation.producerEpoch = writerReady.producerEpoch[row] as number
  }
  for (const siblings of byId.values()) {
    for (const one of siblings) {
      for (const other of siblings) {
        if (!isNewer(other, one) || other.readyAt >= one.fencedAt) continue
        one.fencedAt = other.readyAt
        one.fencedBy = other.writer
      }
    }
  }
  return found
}

function isNewer(other: Incarnation, one: Incarnation): boolean {
  if (other.readyAt === Infinity || one.readyAt === Infinity || other === one) return false
  if (other.startedAt > one.readyAt) return true
  const isComparable = other.producerId !== NONE && other.producerId === one.producerId && one.producerEpoch !== NONE
  return isComparable && other.producerEpoch > one.producerEpoch
}

export function checkOwnership(evidence: Evidence, readers: Readers, commits: readonly OffsetCommit[]): void {
  const { assignment } = evidence.head.tables
  const owners = new Map<string, number>()
  for (let row = 0; row < assignment.length; row += 1) {
    const generation = assignment.generation[row] as number
    const reader = readers.get(assignment.reader[row] as number)
    const isShared = reader.group !== '' && reader.isSubscribed && generation !== NONE
    if (assignment.change[row] !== ASSIGNMENT_CHANGE.assigned || !isShared) continue
    const partition = assignment.partition[row] as number
    const key = `${generation} ${partition} ${reader.group}`
    const owner = owners.get(key)
    owners.set(key, reader.reader)
    if (owner === undefined || owner === reader.reader) continue
    const at = assignment.at[row] as number
    const anchor = { places: [{ partition, offset: NONE }], reader: reader.reader, group: reader.group, at }
    evidence.findings.report('A20', anchor, () => {
      const where = `${evidence.placeName(partition)} in generation ${generation} of '${reader.group}'`
      return `readers ${owner} and ${reader.reader} were both assigned ${where}`
    })
  }
  checkGenerations(evidence, commits)
}

/** A commit that was taken, of a generation older than one that had committed before it was asked for. */
function checkGenerations(evidence: Evidence, commits: readonly OffsetCommit[]): void {
  const byPlace = Map.groupBy(
    commits.filter(({ generation, certainty }) => generation !== NONE && certainty === 'committed'),
    ({ group, partition }) => `${partition} ${group}`,
  )
  for (const all of byPlace.values()) {
    const completed = all.toSorted((a, b) => a.ackedAt - b.ackedAt)
    let next = 0
    let newest: OffsetCommit | undefined
    for (const commit of all.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
      for (; next < completed.length && (completed[next] as OffsetCommit).ackedAt < commit.invokedAt; next += 1) {
        const one = completed[next] as OffsetCommit
        if (newest === undefined || one.generation > newest.generation) newest = one
      }
      if (newest === undefined || commit.generation >= newest.generation) continue
      const { partition, group, offset, generation, invokedAt: at } = commit
      const newer = newest.generation
      evidence.findings.report('A20', { places: [{ partition, offset }], group, at }, () => {
        const where = `${evidence.placeName(partition)} by '${group}'`
        return `a commit of ${where} in generation ${generation} was taken after one of generation ${newer}`
      })
    }
  }
}
