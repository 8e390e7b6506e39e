/**
 * Transactions as their clients saw them, each with what they were told; where they were not told, until when it may
 * have been open. What the checker has found out about them is in the verdict.
 */
import { NO_TRANSACTION, OUTCOMES } from '../history/tables.ts'
import type { RunFacts } from './run-facts.ts'
import type { TransactionOutcome } from './timeline/timeline.ts'

export interface TransactionFacts {
  readonly transactionalId: string
  readonly writer: number
  readonly number: number
  readonly begunAt: number
  /** When its end was asked for. */
  endingAt: number | undefined
  isCommit: boolean
  /** When its client was told, or the last that is known of it; of one that is open, the end of the run. */
  endedAt: number
  outcome: TransactionOutcome
  /** From when on it is certainly over, where its client was not told. */
  overAt: number | undefined
  error: string
  values: number
}

/** In the order in which they were begun. */
export function collectTransactions(facts: RunFacts): TransactionFacts[] {
  const { transactionBegun, transactionEnding, transactionEnded, sendInvoked } = facts.history.tables
  const byWriter = new Map<number, Map<number, TransactionFacts>>()
  const all: TransactionFacts[] = []
  for (let row = 0; row < transactionBegun.length; row += 1) {
    const writer = transactionBegun.writer[row] as number
    const number = transactionBegun.transaction[row] as number
    const transaction: TransactionFacts = {
      transactionalId: facts.writers.get(writer)?.transactionalId ?? '',
      writer,
      number,
      begunAt: transactionBegun.at[row] as number,
      endingAt: undefined,
      isCommit: false,
      endedAt: facts.lastMs,
      outcome: 'open',
      overAt: undefined,
      error: '',
      values: 0,
    }
    const ofWriter = byWriter.get(writer) ?? new Map<number, TransactionFacts>()
    byWriter.set(writer, ofWriter.set(number, transaction))
    all.push(transaction)
  }
  const find = (writer: number | undefined, number: number | undefined): TransactionFacts | undefined =>
    byWriter.get(writer as number)?.get(number as number)
  for (let row = 0; row < transactionEnding.length; row += 1) {
    const transaction = find(transactionEnding.writer[row], transactionEnding.transaction[row])
    if (transaction === undefined) continue
    transaction.endingAt = transactionEnding.at[row] as number
    transaction.isCommit = transactionEnding.isCommit[row] === 1
  }
  const told = new Set<TransactionFacts>()
  for (let row = 0; row < transactionEnded.length; row += 1) {
    const transaction = find(transactionEnded.writer[row], transactionEnded.transaction[row])
    if (transaction === undefined) continue
    told.add(transaction)
    transaction.endedAt = transactionEnded.at[row] as number
    transaction.error = facts.text(transactionEnded.error[row] as number)
    transaction.outcome = outcomeOf(transaction.isCommit, transactionEnded.outcome[row] as number)
  }
  for (let row = 0; row < sendInvoked.length; row += 1) {
    const number = sendInvoked.transaction[row] as number
    if (number === NO_TRANSACTION) continue
    const transaction = find(sendInvoked.writer[row], number)
    if (transaction !== undefined) transaction.values += 1
  }
  all.sort((one, other) => one.begunAt - other.begunAt)
  const untold = all.filter(({ outcome }) => outcome === 'open' || outcome === 'unknown')
  const ends = new UntoldEnds(facts)
  for (const transaction of untold) {
    const next = find(transaction.writer, transaction.number + 1)
    ends.settle(transaction, told.has(transaction), next?.begunAt)
  }
  findSeen(facts, untold)
  return all
}

/** What read_committed readers were given is committed, whether its client was told or not. */
function findSeen(facts: RunFacts, untold: readonly TransactionFacts[]): void {
  if (untold.length === 0) return
  const { sendInvoked, read } = facts.history.tables
  const open = new Map(untold.map((one) => [`${one.writer} ${one.number}`, one]))
  const writers = new Set(untold.map(({ writer }) => writer))
  const byValue = new Map<string, TransactionFacts>()
  for (let row = 0; row < sendInvoked.length; row += 1) {
    const writer = sendInvoked.writer[row] as number
    if (!writers.has(writer)) continue
    const transaction = open.get(`${writer} ${sendInvoked.transaction[row]}`)
    if (transaction !== undefined) byValue.set(`${writer} ${sendInvoked.number[row]}`, transaction)
  }
  for (let row = 0; row < read.length; row += 1) {
    const writer = read.writer[row] as number
    if (!writers.has(writer) || facts.readers.get(read.reader[row] as number)?.isCommittedOnly !== true) continue
    const transaction = byValue.get(`${writer} ${read.number[row]}`)
    if (transaction === undefined || transaction.outcome === 'committed') continue
    if (transaction.outcome === 'open') transaction.endedAt = read.at[row] as number
    transaction.outcome = 'committed'
    transaction.overAt = undefined
    transaction.error = `${transaction.error} its client was not told, but readers were given what it wrote`.trim()
  }
}

function outcomeOf(isCommit: boolean, told: number): TransactionOutcome {
  const outcome = OUTCOMES[told]
  if (outcome === 'ok') return isCommit ? 'committed' : 'aborted'
  // What was refused is not committed; an abort that failed leaves its end to the coordinator.
  return outcome === 'fail' && isCommit ? 'refused' : 'unknown'
}

/**
 * What shows that a transaction is over whose client was not told: the next one of its producer, the next producer of
 * its id, or that all was settled in the end.
 */
class UntoldEnds {
  readonly #facts: RunFacts
  /** When producers of an id were ready, in order. */
  readonly #readyTimes = new Map<string, number[]>()
  readonly #openAtRest = new Set<string>()

  constructor(facts: RunFacts) {
    this.#facts = facts
    for (const { transactionalId, readyAt } of facts.writers.values()) {
      if (readyAt === undefined || transactionalId === '') continue
      const times = this.#readyTimes.get(transactionalId) ?? []
      times.push(readyAt)
      this.#readyTimes.set(transactionalId, times)
    }
    for (const times of this.#readyTimes.values()) times.sort((one, other) => one - other)
    const { coordinatorState } = facts.history.tables
    for (let row = 0; row < coordinatorState.length; row += 1) {
      const state = facts.text(coordinatorState.state[row] as number)
      if (state !== 'Ongoing' && !state.startsWith('Prepare')) continue
      this.#openAtRest.add(facts.text(coordinatorState.transactionalId[row] as number))
    }
  }

  settle(transaction: TransactionFacts, isTold: boolean, nextBegunAt: number | undefined): void {
    const { transactionalId, writer, begunAt, endingAt } = transaction
    const { processes, writers, phases, lastMs } = this.#facts
    const times = this.#readyTimes.get(transactionalId) ?? []
    const settledAt = this.#openAtRest.has(transactionalId) ? undefined : phases.get('settled')
    const overAt = nextBegunAt ?? firstAbove(times, begunAt) ?? settledAt
    if (overAt === undefined) {
      transaction.outcome = 'open'
      transaction.endedAt = lastMs
      return
    }
    transaction.outcome = 'unknown'
    const process = processes.get(writers.get(writer)?.process as number)
    if (!isTold) transaction.endedAt = endingAt ?? Math.max(begunAt, Math.min(process?.endedAt ?? overAt, overAt))
    transaction.overAt = Math.max(overAt, transaction.endedAt)
  }
}

function firstAbove(sorted: readonly number[], limit: number): number | undefined {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) > limit) high = middle
    else low = middle + 1
  }
  return sorted[low]
}
