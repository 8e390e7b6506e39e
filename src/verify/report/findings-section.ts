/**
 * What was found, each kind with its meaning and examples, and each example with the rows of the history that show it.
 */
import type { Finding, FindingExample, SliceRow, Verdict } from '../check/verdict.ts'
import { TABLE_NAMES } from '../history/tables.ts'
import { findingId, type PlacedExample } from './finding-places.ts'
import { type Html, html } from './html.ts'
import type { RunFacts } from './run-facts.ts'
import { type RowKind, type Words, wordsOf } from './slice-words.ts'

const KIND_NAMES: Readonly<Record<RowKind, string>> = {
  fault: 'fault',
  transaction: 'transaction',
  operation: 'operation',
  log: 'broker',
}

export function findingsSection(facts: RunFacts, verdict: Verdict, examples: readonly PlacedExample[]): Html {
  const { anomalies, notChecked } = verdict
  const placed = new Map(examples.map((one) => [one.example, one]))
  const context: Context = { facts, placed }
  return html`
<section id="findings" aria-labelledby="findings-title">
<h2 id="findings-title">Findings</h2>
${anomalies.length === 0 ? html`<p class="none">None.</p>` : contents(anomalies)}
${anomalies.map((finding, index) => findingArticle(context, finding, index))}
${notChecked.length === 0 ? undefined : notCheckedNote(notChecked)}
</section>`
}

interface Context {
  readonly facts: RunFacts
  readonly placed: ReadonlyMap<FindingExample, PlacedExample>
}

function contents(anomalies: readonly Finding[]): Html {
  const rows = anomalies.map(
    ({ code, name, isAllowed, count, summary }, index) => html`<tr class="${isAllowed ? 'allowed' : 'broken'}">
<td>${verdictBadge(isAllowed)}</td><th scope="row"><a href="#${findingId(index)}">${code} ${name}</a></th>
<td class="number">${count}</td><td>${summary}</td></tr>`,
  )
  return html`<div class="wide"><table class="contents"><thead><tr><th scope="col">Verdict</th><th scope="col">What</th>
<th scope="col" class="number">Times</th><th scope="col">The first</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function verdictBadge(isAllowed: boolean): Html {
  return isAllowed ? html`<span class="tag allowed">allowed</span>` : html`<span class="tag broken">✗ broken</span>`
}

function findingArticle(context: Context, finding: Finding, index: number): Html {
  const { code, name, isAllowed, reason, count, definition, examples } = finding
  const why = isAllowed ? html`<p class="reason"><strong>Allowed:</strong> ${reason}.</p>` : undefined
  const shown = count > examples.length ? `the first ${examples.length} of ${count}` : `${count} in all`
  return html`
<article class="finding ${isAllowed ? 'allowed' : 'broken'}" id="${findingId(index)}">
<h3>${verdictBadge(isAllowed)} <span class="code">${code}</span> ${name} <span class="hint">${shown}</span></h3>
<p class="definition">${definition}</p>
${why}
${examples.map((example, at) => exampleDetails(context, example, !isAllowed && at === 0))}
</article>`
}

function exampleDetails({ facts, placed }: Context, example: FindingExample, isOpen: boolean): Html {
  const { id = '', place, mark } = placed.get(example) ?? {}
  // What is allowed is told, not shown.
  if (example.slice.length === 0) return html`<p class="told" id="${id}">${example.what}</p>`
  const from = place === undefined ? 0 : facts.ticks(place.from)
  const to = place === undefined ? 0 : facts.ticks(place.to)
  const link =
    place === undefined
      ? undefined
      : html`<a class="jump" href="#timeline" data-mark="${mark}" data-from="${from}" data-to="${to}">
show on the timeline</a>`
  return html`
<details id="${id}"${isOpen ? OPEN : undefined}>
<summary><span>${example.what}</span></summary>
${link}
${sliceTable(facts, example)}
</details>`
}

const OPEN = html` open`

function sliceTable(facts: RunFacts, { slice, omitted }: FindingExample): Html {
  const lines = withoutRepetitions(inCausalOrder(slice))
  const timed = lines.filter(({ row }) => typeof row['at'] === 'number')
  const rest = lines.filter(({ row }) => typeof row['at'] !== 'number')
  const repeated = slice.length - lines.length
  return html`<div class="wide" tabindex="0" role="region" aria-label="Rows that show it"><table class="slice">
<thead><tr><th scope="col" class="number">Time</th><th scope="col">Kind</th><th scope="col">Who</th>
<th scope="col">What</th><th scope="col">Where</th></tr></thead>
<tbody>${timed.map((row) => sliceRow(facts, row))}</tbody>
${rest.length === 0 ? undefined : untimed(facts, rest)}
</table></div>
${note(repeated, 'rows are left out that say again what was said before.')}
${note(omitted, 'more rows of the history belong to it.')}`
}

function note(count: number, what: string): Html | undefined {
  return count === 0 ? undefined : html`<p class="note">${count} ${what}</p>`
}

interface Line {
  readonly row: SliceRow['row']
  readonly table: string
  readonly words: Words
}

/** What happened in the same moment, in the order in which it must have. */
function inCausalOrder(slice: readonly SliceRow[]): SliceRow[] {
  const timeOf = ({ row }: SliceRow): number => (typeof row['at'] === 'number' ? row['at'] : Number.MAX_VALUE)
  // Tables are declared in the order of a life, but for the beginning of a transaction, which precedes its values.
  const rankOf = ({ table }: SliceRow): number =>
    table === 'transactionBegun' ? TABLE_NAMES.indexOf('sendInvoked') - 0.5 : TABLE_NAMES.indexOf(table)
  return slice.toSorted((one, other) => timeOf(one) - timeOf(other) || rankOf(one) - rankOf(other))
}

/** Brokers are asked again and again: what they say is shown when it is new. */
function withoutRepetitions(slice: readonly SliceRow[]): Line[] {
  const said = new Map<string, string>()
  return slice.flatMap(({ table, row }): Line[] => {
    const words = wordsOf({ table, row })
    if (table !== 'watermarks' && table !== 'transition') return [{ row, table, words }]
    const about = `${table} ${words.who} ${words.where} ${words.what.replace(/\d+/g, '')}`
    if (said.get(about) === words.what) return []
    said.set(about, words.what)
    return [{ row, table, words }]
  })
}

function untimed(facts: RunFacts, rows: readonly Line[]): Html {
  return html`<tbody><tr class="heading"><th scope="rowgroup" colspan="5">Without a time of their own: the log at
rest, and what values stand for</th></tr>${rows.map((row) => sliceRow(facts, row))}</tbody>`
}

function sliceRow(facts: RunFacts, { row, table, words }: Line): Html {
  const { kind, who, what, where } = words
  const { at, until } = row
  const time = typeof at === 'number' ? facts.timeText(at) : ''
  const more =
    kind === 'fault' && typeof until === 'number' && until > Number(at) ? `, to ${facts.timeText(until)}` : ''
  return html`<tr class="row-${kind}" title="${table}"><td class="number">${time}</td>
<td><span class="tag ${kind}">${KIND_NAMES[kind]}</span></td>
<td>${who}</td><td>${what}${more}</td><td class="place">${where}</td></tr>`
}

function notCheckedNote(notChecked: readonly string[]): Html {
  const items = notChecked.map((what) => html`<li>${what}</li>`)
  return html`<div class="not-checked"><h3>Not checked</h3><ul>${items}</ul></div>`
}
