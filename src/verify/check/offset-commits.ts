/** Commits of a group's offsets, each with what became of it: on its own, or with its transaction. */
import { NO_WRITER, OUTCOMES } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import { ABORTED, COMMITTED, OUTSIDE, TOLD_OK } from './value-index.ts'

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
