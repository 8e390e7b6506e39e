/** Commits of a group's offsets, each with what became of it: on its own, or with its transaction. */
import { NO_WRITER, NONE, OUTCOMES } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import { read, type Steps } from './steps.ts'
import { ABORTED, COMMITTED, NO_VALUE, OUTSIDE, TOLD_OK } from './value-index.ts'

export interface OffsetCommit {
  readonly group: string
  readonly partition: number
  readonly offset: number
  readonly generation: number
  /** `OUTSIDE`: on its own. */
  readonly transaction: number
  readonly invokedAt: number
  /** Since when it was surely in force; Infinity when nobody was told. */
  readonly ackedAt: number
  readonly certainty: 'committed' | 'maybe' | 'never'
}

export function offsetCommits(evidence: Evidence): readonly OffsetCommit[] {
  const { offsetCommitInvoked: invoked, offsetCommitCompleted: completed } = evidence.head.tables
  const key = (process: number, commit: number): number => process * 0x1_0000_0000 + commit
  const answers = new Map<number, number>()
  for (let row = 0; row < completed.length; row += 1) {
    answers.set(key(completed.process[row] as number, completed.commit[row] as number), row)
  }
  return Array.from({ length: invoked.length }, (_, row): OffsetCommit => {
    const answer = answers.get(key(invoked.process[row] as number, invoked.commit[row] as number))
    const outcome = answer === undefined ? undefined : OUTCOMES[completed.outcome[answer] as number]
    const answeredAt = answer === undefined ? Infinity : (completed.at[answer] as number)
    const writer = invoked.writer[row] as number
    const transaction =
      writer === NO_WRITER ? OUTSIDE : evidence.transactions.find(writer, invoked.transaction[row] as number)
    const fate = transaction === OUTSIDE ? alone(outcome, answeredAt) : withTransaction(evidence, transaction, outcome)
    return {
      group: evidence.text(invoked.group[row] as number),
      partition: invoked.partition[row] as number,
      offset: invoked.offset[row] as number,
      generation: invoked.generation[row] as number,
      transaction,
      invokedAt: invoked.at[row] as number,
      ...fate,
    }
  })
}

type Fate = Pick<OffsetCommit, 'ackedAt' | 'certainty'>

function alone(outcome: string | undefined, answeredAt: number): Fate {
  if (outcome === 'ok') return { certainty: 'committed', ackedAt: answeredAt }
  return { certainty: outcome === 'fail' ? 'never' : 'maybe', ackedAt: Infinity }
}

/** Its answer is there only when it was not taken into the transaction, or when nobody knows. */
function withTransaction({ transactions }: Evidence, id: number, outcome: string | undefined): Fate {
  const status = transactions.status[id]
  if (status === ABORTED || outcome === 'fail') return { certainty: 'never', ackedAt: Infinity }
  if (status !== COMMITTED || outcome === 'unknown') return { certainty: 'maybe', ackedAt: Infinity }
  const isTold = transactions.told[id] === TOLD_OK
  return { certainty: 'committed', ackedAt: isTold ? (transactions.endedAt[id] as number) : Infinity }
}

/**
 * Commits that nobody wrote down: who processes by a pipeline has its offsets committed with the outputs. A transaction that cites an
 * input may have committed the offset behind it.
 */
export function* impliedCommits(evidence: Evidence): Steps<readonly OffsetCommit[]> {
  const { values, transactions, head } = evidence
  const { effects } = head.info.expectations
  if (effects === undefined || head.tables.offsetFetched.length === 0) return []
  const ends = new Map<number, { transaction: number; partition: number; offset: number }>()
  yield read('citation', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      const value = values.find(rows.writer[row] as number, rows.number[row] as number)
      const transaction = value === NO_VALUE ? OUTSIDE : (values.transaction[value] as number)
      if (transaction === OUTSIDE) continue
      const partition = rows.partition[row] as number
      const offset = (rows.offset[row] as number) + 1
      const key = transaction * evidence.logs.length + partition
      const before = ends.get(key)
      if (before === undefined) ends.set(key, { transaction, partition, offset })
      else before.offset = Math.max(before.offset, offset)
    }
  })
  return Array.from(ends.values(), ({ transaction, partition, offset }): OffsetCommit => {
    const isAborted = transactions.status[transaction] === ABORTED
    const invokedAt = transactions.beganAt[transaction] as number
    const certainty = isAborted ? 'never' : 'maybe'
    return {
      group: effects.group,
      partition,
      offset,
      generation: NONE,
      transaction,
      invokedAt,
      ackedAt: Infinity,
      certainty,
    }
  })
}
