/**
 * The timeline in words, for those who cannot see it or want to search: phases, faults, processes, transactional ids,
 * transactions.
 */
import { compareNames } from './compare-names.ts'
import { type Html, html } from './html.ts'
import type { RunFacts } from './run-facts.ts'
import {
  type Lane,
  type PartitionLane,
  TICKS_PER_MS,
  TRANSACTION_OUTCOMES,
  type TransactionOutcome,
} from './timeline/timeline.ts'
import type { TransactionFacts } from './transactions.ts'

/** Rows of a table; what is more is left out, and said. */
const ROWS_MAX = 500

const OUTCOME_TEXTS: Readonly<Record<TransactionOutcome, string>> = {
  committed: 'committed',
  aborted: 'aborted',
  refused: 'commit refused, aborted',
  unknown: 'client was not told',
  open: 'open at the end',
}

/** The most telling first, where there are too many. */
const BY_INTEREST: readonly TransactionOutcome[] = ['open', 'unknown', 'refused', 'aborted', 'committed']

export function tablesSection(
  facts: RunFacts,
  transactions: readonly TransactionFacts[],
  lanes: readonly Lane[],
): Html {
  return html`
<section id="tables" aria-labelledby="tables-title">
<h2 id="tables-title">As tables</h2>
${phaseTable(facts)}
${faultTable(facts)}
${processTable(facts)}
${idTable(transactions)}
${transactionTable(facts, transactions)}
${partitionTable(lanes.filter((lane) => lane.kind === 'partition'))}
</section>`
}

interface Column {
  readonly name: string
  readonly isNumber?: boolean
}

type Cell = string | number | Html

function tableDetails(
  id: string,
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  total = rows.length,
): Html | undefined {
  if (rows.length === 0) return undefined
  const shown = rows.slice(0, ROWS_MAX)
  const note = total > shown.length ? html`<p class="note">${shown.length} of ${total} are shown.</p>` : undefined
  const classOf = (at: number): string => (columns[at]?.isNumber === true ? 'number' : '')
  const cellOf = (cell: Cell, at: number): Html => html`<td class="${classOf(at)}">${cell}</td>`
  return html`
<details class="table" id="${id}"><summary><span>${title} (${total})</span></summary>${note}<div class="wide"><table>
<thead><tr>${columns.map(({ name }, at) => html`<th scope="col" class="${classOf(at)}">${name}</th>`)}</tr></thead>
<tbody>${shown.map((row) => html`<tr>${row.map(cellOf)}</tr>`)}</tbody>
</table></div></details>`
}

const number = (name: string): Column => ({ name, isNumber: true })
const text = (name: string): Column => ({ name })

function phaseTable(facts: RunFacts): Html | undefined {
  const rows = [...facts.phases].map(([phase, at]) => [facts.timeText(at), phase])
  return tableDetails('table-phases', 'Phases', [number('Reached at'), text('Phase')], rows)
}

function faultTable(facts: RunFacts): Html | undefined {
  const { fault } = facts.history.tables
  const order = Array.from({ length: fault.length }, (_, row) => row)
  order.sort((one, other) => (fault.at[one] as number) - (fault.at[other] as number))
  const rows = order.slice(0, ROWS_MAX).map((row) => {
    const at = fault.at[row] as number
    return [
      facts.timeText(at),
      spanText((fault.until[row] as number) - at),
      facts.text(fault.kind[row] as number),
      facts.text(fault.target[row] as number),
      facts.text(fault.detail[row] as number),
    ]
  })
  const columns = [number('From'), number('For'), text('Kind'), text('Target'), text('Detail')]
  return tableDetails('table-faults', 'Faults', columns, rows, fault.length)
}

function processTable(facts: RunFacts): Html | undefined {
  const rows = [...facts.processes.values()].map(({ process, role, startedAt, endedAt, cause }) => [
    process,
    role,
    facts.timeText(startedAt),
    endedAt === undefined ? '' : facts.timeText(endedAt),
    cause === '' ? 'not seen to end' : cause,
  ])
  const columns = [number('Process'), text('Part'), number('From'), number('To'), text('End')]
  return tableDetails('table-processes', 'Processes', columns, rows)
}

interface IdSummary {
  readonly counts: Record<TransactionOutcome, number>
  values: number
  longestMs: number
}

function idTable(transactions: readonly TransactionFacts[]): Html | undefined {
  const byId = new Map<string, IdSummary>()
  for (const { transactionalId, outcome, values, begunAt, endedAt } of transactions) {
    const counts = { committed: 0, aborted: 0, refused: 0, unknown: 0, open: 0 }
    const summary = byId.get(transactionalId) ?? { counts, values: 0, longestMs: 0 }
    byId.set(transactionalId, summary)
    summary.counts[outcome] += 1
    summary.values += values
    summary.longestMs = Math.max(summary.longestMs, endedAt - begunAt)
  }
  const rows = [...byId]
    .sort(([one], [other]) => compareNames(one, other))
    .map(([id, { counts, values, longestMs }]) => [
      id,
      ...TRANSACTION_OUTCOMES.map((outcome) => counts[outcome]),
      values,
      spanText(longestMs),
    ])
  const columns = [
    text('Transactional id'),
    ...TRANSACTION_OUTCOMES.map((outcome) => number(OUTCOME_TEXTS[outcome])),
    number('Values'),
    number('Longest'),
  ]
  return tableDetails('table-transactional-ids', 'Transactional ids', columns, rows)
}

function transactionTable(facts: RunFacts, transactions: readonly TransactionFacts[]): Html | undefined {
  const isCut = transactions.length > ROWS_MAX
  const order = isCut ? mostTelling(transactions) : transactions
  const rows = order.map((one) => [
    facts.timeText(one.begunAt),
    one.transactionalId,
    facts.writerName(one.writer),
    one.number,
    one.values,
    one.endingAt === undefined ? 'nothing' : one.isCommit ? 'commit' : 'abort',
    spanText(one.endedAt - one.begunAt),
    OUTCOME_TEXTS[one.outcome],
    one.overAt === undefined ? one.error : `${one.error} certainly over at ${facts.timeText(one.overAt)}`.trim(),
  ])
  const columns = [
    number('Begun'),
    text('Transactional id'),
    text('Writer'),
    number('Number'),
    number('Values'),
    text('Asked for'),
    number('For'),
    text('Outcome'),
    text('Remark'),
  ]
  const title = isCut ? 'Transactions, the most telling' : 'Transactions'
  return tableDetails('table-transactions', title, columns, rows, transactions.length)
}

function partitionTable(lanes: readonly PartitionLane[]): Html | undefined {
  const rows = lanes.map(({ label, offsetMax, lagMax, lag }) => {
    const at = lag.at[lag.value.indexOf(lagMax)]
    const when = at === undefined || lagMax === 0 ? '' : `${(at / TICKS_PER_MS / 1_000).toFixed(4)} s`
    return [label, offsetMax, lagMax, when]
  })
  const columns = [text('Partition'), number('Highest offset'), number('Most blocked'), number('At')]
  return tableDetails('table-partitions', 'Partitions', columns, rows)
}

function mostTelling(transactions: readonly TransactionFacts[]): readonly TransactionFacts[] {
  const rank = ({ outcome }: TransactionFacts): number => BY_INTEREST.indexOf(outcome)
  const length = ({ begunAt, endedAt }: TransactionFacts): number => endedAt - begunAt
  const byInterest = transactions.toSorted((one, other) => rank(one) - rank(other) || length(other) - length(one))
  return byInterest.slice(0, ROWS_MAX).sort((one, other) => one.begunAt - other.begunAt)
}

function spanText(ms: number): string {
  if (ms <= 0) return ''
  return ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(3)} s`
}
