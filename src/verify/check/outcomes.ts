/**
 * What became of each transaction, by all evidence: what the client was told, markers in the log at rest, and what readers were given
 * (A1, A5 where client and marker contradict each other; A17).
 *
 * A transaction whose outcome nobody was told is committed if and only if a read_committed reader was given one of its values or a COMMIT
 * marker is in the log. Where client and marker contradict each other, the marker is believed from there on, so that one cause is not
 * reported many times over.
 */
import type { Evidence } from './evidence.ts'
import {
  ABORT_MARKER,
  ABORTED,
  COMMIT_ASKED,
  COMMIT_MARKER,
  COMMITTED,
  NOTHING_ASKED,
  OPEN_AT_REST,
  TOLD_FAIL,
  TOLD_OK,
  UNRESOLVED,
} from './value-index.ts'

export function resolveOutcomes(evidence: Evidence): void {
  const { transactions, findings, lastScan } = evidence
  let unresolved = 0
  for (let id = 0; id < transactions.length; id += 1) {
    const told = whatClientKnows(evidence, id)
    const markers = transactions.markers[id] as number
    const isCommitted = (markers & COMMIT_MARKER) !== 0
    const isAborted = (markers & ABORT_MARKER) !== 0
    let status: number
    // Two markers that differ have been reported; which one is meant, the client may know.
    if (isCommitted && isAborted) status = told === ABORTED ? ABORTED : COMMITTED
    else if (isCommitted) {
      status = COMMITTED
      if (told === ABORTED) reportCommittedAnyway(evidence, id)
    } else if (isAborted) {
      status = ABORTED
      if (told === COMMITTED) reportLostCommit(evidence, id)
    } else if (told !== UNRESOLVED) status = told
    else if ((transactions.read[id] as number) > 0) status = COMMITTED
    else {
      status = UNRESOLVED
      if ((markers & OPEN_AT_REST) !== 0) reportUnresolved(evidence, id)
      else if (lastScan === undefined && (transactions.sent[id] as number) > 0) unresolved += 1
    }
    transactions.status[id] = status
  }
  if (unresolved > 0) {
    findings.notChecked(
      'A17',
      `${unresolved} transactions of unknown outcome left no trace, and there is no raw scan at rest`,
    )
  }
  checkCoordinators(evidence)
}

/** `UNRESOLVED`: it was asked to commit and does not know. */
function whatClientKnows({ transactions }: Evidence, id: number): number {
  if (transactions.asked[id] !== COMMIT_ASKED) return ABORTED
  if (transactions.told[id] === TOLD_OK) return COMMITTED
  return transactions.told[id] === TOLD_FAIL ? ABORTED : UNRESOLVED
}

function reportLostCommit(evidence: Evidence, id: number): void {
  evidence.findings.report('A1', { transactions: [id] }, () => {
    return `the commit of ${evidence.transactionName(id)} was acknowledged, and the log has its ABORT marker`
  })
}

function reportCommittedAnyway(evidence: Evidence, id: number): void {
  const { asked } = evidence.transactions
  evidence.findings.report('A5', { transactions: [id] }, () => {
    const known =
      asked[id] === NOTHING_ASKED
        ? 'nobody asked to commit'
        : asked[id] === COMMIT_ASKED
          ? 'was refused its commit for good'
          : 'was asked to abort'
    return `${evidence.transactionName(id)}, which ${known}, has a COMMIT marker in the log`
  })
}

function reportUnresolved(evidence: Evidence, id: number): void {
  evidence.findings.report('A17', { transactions: [id] }, () => {
    return `${evidence.transactionName(id)} was asked to commit, its outcome is unknown, and at rest it is still open`
  })
}

const UNDECIDED: ReadonlySet<string> = new Set(['Ongoing', 'PrepareCommit', 'PrepareAbort', 'PrepareEpochFence'])

/** What coordinators say at rest, of transactional ids of this run. */
function checkCoordinators(evidence: Evidence): void {
  const { writerStarted, coordinatorState } = evidence.head.tables
  const ours = new Set<number>(writerStarted.transactionalId.subarray(0, writerStarted.length))
  for (let row = 0; row < coordinatorState.length; row += 1) {
    const at = coordinatorState.at[row] as number
    const transactionalId = coordinatorState.transactionalId[row] as number
    const state = evidence.text(coordinatorState.state[row] as number)
    if (!UNDECIDED.has(state) || !ours.has(transactionalId) || at < (evidence.restAt ?? -Infinity)) continue
    evidence.findings.report('A17', { transactionalId: evidence.text(transactionalId), at }, () => {
      return `at rest the coordinator has the transaction of '${evidence.text(transactionalId)}' in ${state}`
    })
  }
}
