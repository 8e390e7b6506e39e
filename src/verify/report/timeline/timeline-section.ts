/**
 * The timeline in the page: its frame, the whole run as it looks before anything is zoomed, and what the script needs
 * to go on.
 */
import { Html, html, scriptJson } from '../html.ts'
import { laneDrawing } from './page/drawing.ts'
import { timelineControl } from './page/control.ts'
import { timeScale, type View } from './page/time-scale.ts'
import type { Lane, Timeline } from './timeline.ts'

/** Of what is drawn before the script knows how wide the page is. */
const WIDTH = 1_000

/** `id` of the element that holds the timeline's data. */
const DATA_ID = 'timeline-data'

/** The script of the page, as text: each part is a function that refers to nothing outside itself. */
export function timelineScript(): string {
  const parts = { timeScale, laneDrawing, timelineControl }
  const sources = Object.entries(parts).map(([name, part]) => `const ${name} = ${part}`)
  const script = [
    ...sources,
    'const scale = timeScale()',
    `const timeline = JSON.parse(document.getElementById('${DATA_ID}').textContent)`,
    'timelineControl(window, timeline, scale, laneDrawing(scale))',
  ].join('\n')
  // A browser counts a line end as one character, however the files were written, and so must the script's checksum.
  return `\n'use strict';\n{\n${script.replaceAll('\r\n', '\n')}\n}\n`
}

/** @param run  the name that topics and ids begin with, which is left out of labels */
export function timelineSection(timeline: Timeline, run: string): Html {
  const scale = timeScale()
  const drawing = laneDrawing(scale)
  const view: View = { from: 0, to: timeline.spanTicks, width: WIDTH }
  const lanes = timeline.groups.flatMap((group) => group.lanes)
  const phaseStarts = lanes.flatMap((lane) => (lane.kind === 'phase' ? lane.from : []))
  const drawn = (lane: Lane): Html => Html.trusted(drawing.draw(lane, view, phaseStarts))
  const axis = Html.trusted(drawing.drawAxis(view))
  let number = 0
  const groups = timeline.groups.map(
    ({ name, title, hint, lanes: ofGroup, note }) => html`
<section class="group group-${name}" aria-label="${title}">
<h3>${title} <span class="hint">${hint}</span></h3>
${name === 'transactions' ? LEGENDS.transactions : undefined}
${name === 'processes' ? LEGENDS.processes : undefined}
${name === 'partitions' ? LEGENDS.partitions : undefined}
${ofGroup.map((lane) => {
  const height = drawing.heightOf(lane)
  const at = number
  number += 1
  return html`<div class="lane"><div class="label" title="${lane.label}: ${lane.detail}"><span>${lane.label}</span>
<small>${lane.detail}</small></div>
<svg class="track" data-lane="${at}" role="group" aria-label="${lane.label}" height="${height}"
viewBox="0 0 ${WIDTH} ${height}" preserveAspectRatio="none">${drawn(lane)}</svg></div>`
})}
${note === undefined ? undefined : html`<p class="note">${note}</p>`}
</section>`,
  )
  return html`
<section id="time" aria-labelledby="time-title">
<h2 id="time-title">Timeline</h2>
<p class="lead">All times count from the first moment of the run; names are shown without ${`${run}-`} before them.
<span class="needs-script">Drag to move, hold <kbd>Ctrl</kbd> and turn the wheel to zoom, drag along the times to pick a
stretch. Keys: <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>←</kbd> <kbd>→</kbd> move, <kbd>0</kbd> the whole run,
<kbd>n</kbd> <kbd>p</kbd> next and previous mark, <kbd>↑</kbd> <kbd>↓</kbd> lanes, <kbd>Enter</kbd> follows a
finding.</span> <a href="#tables">The same as tables</a></p>
<div id="timeline" tabindex="0" role="group" aria-label="Timeline of the run" aria-describedby="timeline-window">
${DEFINITIONS}
<div id="axis">
<div class="tools">
<button type="button" id="zoom-in" title="Zoom in (+)" aria-label="Zoom in">+</button>
<button type="button" id="zoom-out" title="Zoom out (−)" aria-label="Zoom out">−</button>
<button type="button" id="earlier" title="Earlier (←)" aria-label="Earlier">←</button>
<button type="button" id="later" title="Later (→)" aria-label="Later">→</button>
<button type="button" id="whole" title="The whole run (0)">all</button>
<span id="timeline-window" aria-live="polite">the whole run, ${scale.lengthText(timeline.spanTicks)}</span>
</div>
<div class="scale">
<svg class="times" height="26" viewBox="0 0 ${WIDTH} 26" preserveAspectRatio="none">${axis}</svg>
<svg class="overview" height="4" viewBox="0 0 1000 4" preserveAspectRatio="none" aria-hidden="true">
<rect class="ground" width="1000" height="4"/><rect id="overview-window" x="0" width="1000" height="4"/></svg>
</div>
</div>
${groups}
<div id="band" hidden></div>
<div id="cursor" hidden></div>
<div id="tip" aria-hidden="true" hidden></div>
</div>
</section>
<script type="application/json" id="${DATA_ID}">${scriptJson(timeline)}</script>`
}

/** Patterns, so that outcomes differ without colour too. */
const DEFINITIONS = Html.trusted(`<svg class="definitions" width="0" height="0" aria-hidden="true"><defs>
<pattern id="pattern-aborted" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect class="ground-aborted" width="5" height="5"/><rect class="line-aborted" width="2" height="5"/></pattern>
<pattern id="pattern-refused" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
<rect class="ground-refused" width="5" height="5"/><rect class="line-refused" width="2" height="5"/></pattern>
<pattern id="pattern-unknown" width="4" height="4" patternUnits="userSpaceOnUse">
<rect class="ground-unknown" width="4" height="4"/><circle class="line-unknown" cx="2" cy="2" r="1.1"/></pattern>
</defs></svg>`)

const key = (shape: string, text: string): string =>
  `<li><svg width="26" height="16" aria-hidden="true">${shape}</svg>${text}</li>`

const LEGENDS = {
  transactions: Html.trusted(
    `<ul class="legend">${[
      key('<rect class="txn committed" x="2" y="2" width="22" height="12"/>', 'committed'),
      key('<rect class="txn aborted" x="2" y="8" width="22" height="6"/>', 'aborted'),
      key('<rect class="txn refused" x="2" y="2" width="22" height="6"/>', 'commit refused'),
      key(
        '<rect class="txn unknown" x="2" y="2" width="12" height="12"/><path class="tail" d="M14 8h9m0 -4v8"/>',
        'client was not told; certainly over at the bar',
      ),
      key(
        '<rect class="txn open" x="2" y="5" width="20" height="6"/><path class="arrow" d="M17 2l7 6l-7 6z"/>',
        'open',
      ),
      key(
        '<rect class="txn committed" x="2" y="2" width="22" height="12"/>' +
          '<rect class="ending" x="14" y="2" width="10" height="12"/>',
        'from when its end was asked for',
      ),
    ].join('')}</ul>`,
  ),
  processes: Html.trusted(
    `<ul class="legend">${[
      key('<rect class="sends" x="8" y="2" width="10" height="12"/>', 'values sent'),
      key('<rect class="reads" x="8" y="2" width="10" height="12"/>', 'values read'),
      key('<rect class="failure" x="10" y="4" width="6" height="8"/>', 'failed, or outcome unknown'),
      key('<path class="killed" d="M8 3l10 10m0 -10l-10 10"/>', 'killed'),
      key('<path class="died" d="M13 2l6 11h-12z"/>', 'died of an error'),
      key('<path class="done" d="M13 2v12"/>', 'done'),
    ].join('')}</ul>`,
  ),
  partitions: Html.trusted(
    `<ul class="legend">${[
      key('<path class="high-watermark" d="M2 8H24"/>', 'high watermark'),
      key('<path class="last-stable-offset" d="M2 8H24"/>', 'last stable offset'),
      key('<path class="lag" d="M2 14V6h8v4h6v-8h8v12z"/>', 'blocked, between the two'),
    ].join('')}</ul>`,
  ),
} as const
