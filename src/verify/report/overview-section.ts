/**
 * The head of the report: the verdict in one sentence, which run it is of, how large it was, and how to have it again.
 */
import { failureCount, type Verdict } from '../check/verdict.ts'
import type { RunFacts } from './run-facts.ts'
import { type Html, html } from './html.ts'

/** Names of what the simulation and a cluster are called in a history. */
const SIMULATION = 'simulation'

export function overviewSection(facts: RunFacts, verdict: Verdict, command: string | undefined): Html {
  const { run, seed, workload, target, counts } = verdict
  const failures = failureCount(verdict)
  const isSound = failures === 0
  const repeated = command ?? guessedCommand(facts, verdict)
  const length = facts.lastMs - facts.firstMs
  const identity: readonly (readonly [string, string])[] = [
    ['Run', run],
    ['Workload', workload],
    ['Seed', String(seed)],
    ['Target', target],
    ['Length', length < 600_000 ? `${(length / 1_000).toFixed(1)} s` : `${(length / 60_000).toFixed(1)} min`],
  ]
  const figures: readonly (readonly [string, number, string])[] = [
    [
      'values sent',
      counts.sent,
      counts.acknowledged === 0 ? '' : `${counts.acknowledged} acknowledged outside transactions`,
    ],
    ['in the log', counts.inLog, 'at rest'],
    ['values read', counts.read, 'by read_committed readers'],
    ['transactions', counts.transactions, transactionsText(verdict)],
    ['faults', counts.faults, counts.faults === 0 ? 'nothing was done to the system' : 'done to the system meanwhile'],
  ]
  return html`
<header class="${isSound ? 'sound' : 'broken'}">
<p class="badge">${isSound ? '✓ holds' : '✗ broken'}</p>
<h1>${isSound ? 'Exactly once holds' : `Exactly once is broken in ${failures} ${failures === 1 ? 'way' : 'ways'}`}</h1>
<p class="sentence">${sentence(verdict)}</p>
<dl class="identity">${identity.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>
<ul class="figures">${figures.map(
    ([name, count, more]) =>
      html`<li><strong>${count.toLocaleString('en-US')}</strong><span>${name}</span><small>${more}</small></li>`,
  )}</ul>
<p class="repeat"><span>Again:</span> <code>${repeated}</code></p>
</header>`
}

function sentence({ anomalies, counts }: Verdict): string {
  const broken = anomalies.filter(({ isAllowed }) => !isAllowed)
  const allowed = anomalies.length - broken.length
  const also = allowed === 0 ? '' : ` What is allowed was found too, of ${plural(allowed, 'kind')}.`
  if (broken.length === 0) {
    const size = `${plural(counts.transactions, 'transaction')} and ${plural(counts.sent, 'value')}`
    return `Nothing that is forbidden was found in what ${size} left behind.${also}`
  }
  const kinds = broken.map(({ code, name, count }) => `${name} (${code}, ${plural(count, 'time')})`)
  return `Found: ${kinds.join('; ')}.${also}`
}

function transactionsText({ counts }: Verdict): string {
  const { committed, aborted, unresolved } = counts
  return `${committed} committed, ${aborted} aborted${unresolved === 0 ? '' : `, ${unresolved} unresolved`}`
}

function plural(count: number, one: string): string {
  return `${count.toLocaleString('en-US')} ${one}${count === 1 ? '' : 's'}`
}

/** From what a history knows; the rate is not in it. */
function guessedCommand(facts: RunFacts, { target, workload, seed }: Verdict): string {
  if (target === SIMULATION) return `npm run sim -- --seed ${seed} --workload ${workload}`
  const [runningAt, healedAt] = [facts.phases.get('running'), facts.phases.get('healed')]
  const seconds = runningAt === undefined || healedAt === undefined ? 0 : Math.round((healedAt - runningAt) / 1_000)
  const duration = seconds === 0 ? '' : ` --duration ${seconds}s`
  const faults = facts.history.tables.fault.length === 0 ? ' --faults none' : ''
  return `semel verify run --target ${target} --workload ${workload}${duration}${faults} --seed ${seed}`
}
