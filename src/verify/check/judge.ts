/** All passes of the checker in their order, as one walk over a history. What each looks for is in the catalogue. */
import { CATALOGUE, type Code } from './catalogue.ts'
import { conservationPass } from './conservation.ts'
import { checkCoverage, checkSendOrder } from './coverage.ts'
import { checkCycles } from './cycles.ts'
import { type Evidence, gatherEvidence } from './evidence.ts'
import { checkFencing, checkOwnership } from './fencing.ts'
import { type Anchor, Findings } from './findings.ts'
import { checkLiveness } from './liveness.ts'
import { logRecordPass, sendCompletedPass } from './log-records.ts'
import { impliedCommits, offsetCommits } from './offset-commits.ts'
import { checkFetchedOffsets, effectsPass } from './offsets.ts'
import { resolveOutcomes } from './outcomes.ts'
import { producerLogPass } from './producer-log.ts'
import { Readers } from './readers.ts'
import { readEvidencePass, readJudgementPass } from './reads.ts'
import { collectSlices } from './slice.ts'
import type { HistoryHead, Steps } from './steps.ts'
import { ABORTED, ACKNOWLEDGED, COMMITTED, IN_LOG, NO_PARTITION, READ_BY_COMMITTED, UNRESOLVED } from './value-index.ts'
import { type Counts, findingOf, type Verdict } from './verdict.ts'
import { checkWatermarks } from './watermarks.ts'

/** Judges what only the workload that made the history can judge (A23: state stores, A27: sinks). */
export interface Judge {
  readonly codes: readonly Code[]
  judge(history: HistoryHead): readonly { readonly code: Code; readonly what: string; readonly anchor?: Anchor }[]
}

export interface CheckOptions {
  readonly judges?: readonly Judge[]
}

export function* judgeHistory(head: HistoryHead, { judges = [] }: CheckOptions): Steps<Verdict> {
  const { run, seed, workload, target, expectations } = head.info
  const findings = new Findings(expectations.allowed ?? {})
  const evidence = yield* gatherEvidence(head, findings)
  const readers = new Readers(head)
  yield* logRecordPass(evidence)
  const opened = yield* producerLogPass(evidence)
  yield* sendCompletedPass(evidence)
  yield* readEvidencePass(evidence, readers)
  resolveOutcomes(evidence)
  const reads = yield* readJudgementPass(evidence, readers)
  checkCoverage(evidence)
  checkSendOrder(evidence)
  checkWatermarks(evidence, opened)
  const commits = offsetCommits(evidence)
  checkFencing(evidence, commits)
  checkOwnership(evidence, readers, commits)
  checkFetchedOffsets(evidence, [...commits, ...(yield* impliedCommits(evidence))])
  yield* effectsPass(evidence)
  yield* conservationPass(evidence)
  checkCycles(evidence, reads)
  checkLiveness(evidence)
  askJudges(evidence, judges)
  // What is allowed is told, not shown.
  const shown = findings.kinds.filter(({ allowedBecause }) => allowedBecause === undefined)
  const slices = yield* collectSlices(
    evidence,
    shown.flatMap(({ examples }) => examples),
  )
  const anomalies = findings.kinds.map((kind) => {
    const isShown = shown.includes(kind)
    const plain = kind.examples.map(({ what }) => ({ what, slice: [], omitted: 0 }))
    return findingOf(kind, isShown ? slices.splice(0, kind.examples.length) : plain)
  })
  return { run, seed, workload, target, anomalies, counts: count(evidence), notChecked: findings.unchecked }
}

function askJudges({ head, findings }: Evidence, judges: readonly Judge[]): void {
  for (const judge of judges) {
    for (const { code, what, anchor = {} } of judge.judge(head)) findings.report(code, anchor, () => what)
  }
  for (const entry of CATALOGUE) {
    if (!('judgedBy' in entry) || judges.some(({ codes }) => codes.includes(entry.code))) continue
    findings.notChecked(entry.code, `is judged by ${entry.judgedBy}`)
  }
}

function count({ head, values, transactions }: Evidence): Counts {
  let [sent, acknowledged, read, inLog] = [0, 0, 0, 0]
  for (let value = 0; value < values.length; value += 1) {
    const flags = values.flags[value] as number
    if (values.partition[value] !== NO_PARTITION) sent += 1
    if ((flags & ACKNOWLEDGED) !== 0) acknowledged += 1
    if ((flags & READ_BY_COMMITTED) !== 0) read += 1
    if ((flags & IN_LOG) !== 0) inLog += 1
  }
  const byStatus = [0, 0, 0]
  for (const status of transactions.status) byStatus[status] = (byStatus[status] as number) + 1
  return {
    sent,
    acknowledged,
    read,
    inLog,
    transactions: transactions.length,
    committed: byStatus[COMMITTED] as number,
    aborted: byStatus[ABORTED] as number,
    unresolved: byStatus[UNRESOLVED] as number,
    faults: head.tables.fault.length,
  }
}
