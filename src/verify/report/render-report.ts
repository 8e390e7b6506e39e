/**
 * A run as one page of HTML: the verdict, what was found, a timeline of all that happened, and the same as tables.
 *
 * The page is complete in itself. It fetches nothing and is forbidden to; only the one script and the one style sheet
 * that are in it may run, by their checksums, so that nothing a history holds could become either.
 */
import { createHash } from 'node:crypto'
import type { Verdict } from '../check/verdict.ts'
import type { History } from '../history/history.ts'
import { findingsSection } from './findings-section.ts'
import { placeExamples } from './finding-places.ts'
import { Html, html } from './html.ts'
import { overviewSection } from './overview-section.ts'
import { RunFacts } from './run-facts.ts'
import { STYLES } from './styles.ts'
import { tablesSection } from './tables-section.ts'
import { buildTimeline } from './timeline/build-timeline.ts'
import { timeScale } from './timeline/page/time-scale.ts'
import { timelineScript, timelineSection } from './timeline/timeline-section.ts'
import { collectTransactions } from './transactions.ts'

export interface ReportOptions {
  /** What runs the same again; put together from the history unless given, as far as it knows. */
  readonly command?: string
}

const ICON =
  'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"%3E%3Cpath d="M2 8l4 4 8-9" ' +
  'fill="none" stroke="%230d8f7f" stroke-width="3"/%3E%3C/svg%3E'

/** @returns the page, at most a few megabytes however long the history is */
export function renderReport(history: History, verdict: Verdict, { command }: ReportOptions = {}): string {
  const facts = new RunFacts(history)
  const transactions = collectTransactions(facts)
  const examples = placeExamples(verdict)
  const timeline = buildTimeline(facts, examples, transactions, timeScale())
  const script = timelineScript()
  const policy =
    `default-src 'none'; script-src ${checksum(script)}; style-src ${checksum(STYLES)}; ` +
    "img-src data:; base-uri 'none'; form-action 'none'"
  const title = `${verdict.workload}, run ${verdict.run}`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – semel verify</title>
<link rel="icon" href="${ICON}">
<style>${Html.trusted(STYLES)}</style>
</head>
<body>
<nav aria-label="Sections"><a href="#findings">Findings</a><a href="#time">Timeline</a>
<a href="#tables">Tables</a></nav>
<main>
${overviewSection(facts, verdict, command)}
${findingsSection(facts, verdict, examples)}
${timelineSection(timeline, verdict.run)}
${tablesSection(
  facts,
  transactions,
  timeline.groups.flatMap(({ lanes }) => lanes),
)}
</main>
<footer>semel verify · what the checker saw is in the history; this page only shows it</footer>
<script>${Html.trusted(script)}</script>
</body>
</html>
`.text
}

function checksum(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
