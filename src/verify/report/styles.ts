/** The style sheet of the report: light and dark by what the reader's system says, light on paper. */

const LIGHT = `
  --ground: #f7f8f9; --card: #ffffff; --ink: #1a2027; --soft: #59636e; --line: #dde2e7; --faint: #eef1f4;
  --accent: #1f6feb; --good: #0b7a5c; --good-ground: #e3f5ee; --bad: #b42318; --bad-ground: #fdeceb;
  --committed: #168a7c; --aborted: #7d8791; --aborted-ground: #e3e7eb; --refused: #c2560a; --refused-ground: #fbe6d3;
  --unknown: #7a3fd1; --unknown-ground: #ece3fb; --open: #c4156f; --ending: rgba(0, 0, 0, 0.28);
  --fault: #f0b23c; --fault-line: #b97a08; --fault-ink: #3d2a02; --send: #2f6fde; --read: #7d8f14; --life: #aab3bc;
  --high: #7d8791; --stable: #1f6feb; --lag: #e0533d; --phase-0: #e6eaee; --phase-1: #d5dce3; --band: rgba(31, 111,
  235, 0.13);`

const DARK = `
  --ground: #12161b; --card: #1a2027; --ink: #e6eaee; --soft: #9aa5b1; --line: #303a45; --faint: #232b34;
  --accent: #6aa5ff; --good: #45c9a3; --good-ground: #123129; --bad: #ff8a7d; --bad-ground: #3a1a17;
  --committed: #2fb5a3; --aborted: #8a95a1; --aborted-ground: #333d47; --refused: #f0944a; --refused-ground: #47301c;
  --unknown: #b48cff; --unknown-ground: #33264d; --open: #ff6bb3; --ending: rgba(0, 0, 0, 0.42);
  --fault: #a8751a; --fault-line: #e0a83f; --fault-ink: #fff3d9; --send: #6aa5ff; --read: #b3c23e; --life: #55606c;
  --high: #8a95a1; --stable: #6aa5ff; --lag: #ff7a66; --phase-0: #262f38; --phase-1: #323d48; --band: rgba(106, 165,
  255, 0.16);`

export const STYLES = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 56px; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto,
  "DejaVu Sans", sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 16px 24px 40px; }
nav { position: sticky; top: 0; z-index: 5; display: flex; gap: 20px; padding: 8px 24px; background: var(--card);
  border-bottom: 1px solid var(--line); font-size: 14px; }
a { color: var(--accent); text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
h1, h2, h3 { line-height: 1.25; margin: 0; }
h2 { font-size: 22px; margin: 40px 0 10px; }
h3 { font-size: 16px; }
code, .code, td.place, kbd { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 0.92em; }
kbd { border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px; padding: 0 4px; background:
  var(--card); }
.hint, .note, .lead, small { color: var(--soft); font-weight: normal; }
.hint { font-size: 13.5px; }
.note { font-size: 13.5px; margin: 4px 0; }

header { background: var(--card); border: 1px solid var(--line); border-top: 5px solid var(--good); border-radius: 10px;
  padding: 20px 24px; margin-top: 12px; }
header.broken { border-top-color: var(--bad); }
header h1 { font-size: 30px; display: inline; vertical-align: middle; }
.badge { display: inline-block; margin: 0 12px 0 0; padding: 3px 12px; border-radius: 99px; font-weight: 600;
  vertical-align: middle;
  color: var(--good); background: var(--good-ground); }
.broken .badge { color: var(--bad); background: var(--bad-ground); }
.sentence { margin: 8px 0 16px; font-size: 16.5px; overflow-wrap: anywhere; }
.identity { display: flex; flex-wrap: wrap; gap: 6px 32px; margin: 0 0 16px; }
.identity dt { font-size: 12.5px; color: var(--soft); }
.identity dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 10px; list-style: none;
  margin: 0 0 16px;
  padding: 0; }
.figures li { background: var(--faint); border-radius: 8px; padding: 10px 14px; display: flex; flex-direction: column; }
.figures strong { font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.figures small { font-size: 12.5px; }
.repeat { margin: 0; display: flex; gap: 10px; align-items: baseline; }
.repeat code { background: var(--faint); padding: 4px 10px; border-radius: 6px; overflow-wrap: anywhere; user-select:
  all; }

.wide { overflow: auto; max-height: 520px; }
.wide thead th { position: sticky; top: 0; background: var(--card); }
table { border-collapse: collapse; font-size: 13.5px; min-width: 100%; }
th, td { text-align: left; padding: 3px 12px 3px 0; vertical-align: top; border-bottom: 1px solid var(--faint); }
th { font-weight: 600; }
thead th { color: var(--soft); border-bottom-color: var(--line); white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: break-word; }
td.place { white-space: nowrap; }
tr.heading th { padding-top: 10px; color: var(--soft); font-weight: normal; }
.contents { margin-bottom: 18px; background: var(--card); border-radius: 8px; }
.contents th, .contents td { padding: 7px 14px; }
.contents th[scope=row] { white-space: nowrap; }
.tag { display: inline-block; padding: 0 8px; border-radius: 99px; font-size: 12.5px; white-space: nowrap; border: 1px
  solid var(--line); }
.tag.broken { color: var(--bad); background: var(--bad-ground); border-color: transparent; font-weight: 600; }
.tag.allowed { color: var(--soft); background: var(--faint); border-color: transparent; }
.tag.fault { background: var(--fault); color: var(--fault-ink); border-color: transparent; }
.tag.transaction { color: var(--committed); border-color: var(--committed); }
.tag.operation { color: var(--send); border-color: var(--send); }
.tag.log { color: var(--soft); }
.row-fault td { background: color-mix(in srgb, var(--fault) 14%, transparent); }

article.finding { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--bad);
  border-radius: 8px;
  padding: 14px 18px; margin: 0 0 14px; }
article.finding.allowed { border-left-color: var(--aborted); }
.definition, .reason { margin: 6px 0; }
details { border-top: 1px solid var(--faint); padding: 6px 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
details[id]:target { background: color-mix(in srgb, var(--accent) 10%, transparent); box-shadow: -6px 0 0
  var(--accent); }
article:target { box-shadow: 0 0 0 2px var(--accent); }
.told { border-top: 1px solid var(--faint); margin: 0; padding: 6px 0; overflow-wrap: anywhere; }
.jump { display: inline-block; margin: 4px 0; font-size: 13.5px; }
details.table table { min-width: 0; }
details.table th, details.table td { padding-right: 28px; }
details.table { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px;
  margin-bottom: 8px; }
.not-checked { color: var(--soft); font-size: 14px; margin-top: 18px; }
.not-checked h3 { font-size: 14px; }
.not-checked ul { margin: 4px 0; padding-left: 20px; }
.none { margin: 0; }

#timeline { position: relative; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0
  14px 14px;
  touch-action: pan-y; }
.definitions { position: absolute; }
#axis { position: sticky; top: 38px; z-index: 3; display: flex; background: var(--card); border-bottom: 1px solid
  var(--line);
  padding-top: 8px; }
.tools { width: 206px; flex: none; display: flex; flex-wrap: wrap; gap: 3px; align-content: end; padding: 0 10px 4px
  0; }
.tools button { font: inherit; font-size: 13px; line-height: 1.4; min-width: 27px; padding: 0 6px; border-radius: 5px;
  cursor: pointer;
  border: 1px solid var(--line); background: var(--faint); color: var(--ink); }
.tools button:hover { border-color: var(--accent); }
#timeline-window { font-size: 12px; color: var(--soft); width: 100%; white-space: nowrap; }
.scale { flex: auto; min-width: 0; align-self: end; cursor: col-resize; }
.scale svg { display: block; width: 100%; }
.times text { font-size: 11.5px; fill: var(--soft); }
.tick, .grid, .base { stroke: var(--line); fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--faint); }
.phase-line { stroke: var(--soft); stroke-dasharray: 2 3; fill: none; opacity: 0.6; }
.overview .ground { fill: var(--faint); }
#overview-window { fill: var(--accent); opacity: 0.55; }
.group { padding-top: 12px; }
.group h3 { font-size: 14px; margin-bottom: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 2px 0 6px; padding: 0; list-style: none; font-size:
  12.5px;
  color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 5px; }
.lane { display: flex; align-items: center; border-top: 1px solid var(--faint); }
.label { width: 206px; flex: none; padding-right: 10px; line-height: 1.25; overflow: hidden; }
.label span, .label small { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.label span { font-size: 13px; }
.label small { font-size: 11px; }
.track { display: block; flex: auto; min-width: 0; width: 0; cursor: grab; overflow: hidden; }
#timeline:active .track { cursor: grabbing; }
.track text { font-size: 11px; fill: var(--ink); pointer-events: none; }

.mark:focus { outline: none; }
.mark:focus rect, .mark:focus .diamond, .mark:focus .life { stroke: var(--ink); stroke-width: 2; }
.mark:hover rect, .mark:hover .diamond { stroke: var(--ink); stroke-width: 1.5; }
.mark .ending { stroke: none !important; }
.phase-0 .box { fill: var(--phase-0); }
.phase-1 .box { fill: var(--phase-1); }
.fault .box { fill: var(--fault); stroke: var(--fault-line); }
.fault text { fill: var(--fault-ink); }
.several .box { stroke-dasharray: 3 2; }
.txn { stroke-width: 1; }
.committed { fill: var(--committed); stroke: var(--card); stroke-width: 0.5; }
.aborted { fill: url(#pattern-aborted); stroke: var(--aborted); }
.refused { fill: url(#pattern-refused); stroke: var(--refused); }
.unknown { fill: url(#pattern-unknown); stroke: var(--unknown); stroke-dasharray: 3 2; }
.open, .arrow { fill: var(--open); }
.tail { stroke: var(--unknown); fill: none; stroke-dasharray: 2 2; }
.ending { fill: var(--ending); pointer-events: none; }
.ground-aborted { fill: var(--aborted-ground); } .line-aborted { fill: var(--aborted); }
.ground-refused { fill: var(--refused-ground); } .line-refused { fill: var(--refused); }
.ground-unknown { fill: var(--unknown-ground); } .line-unknown { fill: var(--unknown); }
.life { fill: var(--life); }
.sends { fill: var(--send); }
.reads { fill: var(--read); }
.failure { fill: var(--bad); }
.killed { stroke: var(--bad); stroke-width: 2.5; fill: none; }
.died { fill: var(--bad); }
.done { stroke: var(--soft); stroke-width: 2; }
.high-watermark { stroke: var(--high); stroke-width: 3.5; opacity: 0.55; fill: none; }
.last-stable-offset { stroke: var(--stable); stroke-width: 1.5; fill: none; }
.lag { fill: var(--lag); opacity: 0.85; }
.diamond { fill: var(--bad); }
.reach { stroke: var(--bad); stroke-width: 3; opacity: 0.3; }
.finding.allowed .diamond { fill: var(--card); stroke: var(--soft); stroke-width: 1.5; }
.finding.allowed .reach { stroke: var(--soft); }
.track .finding text { font-weight: 600; }

#band { position: absolute; top: 0; bottom: 0; background: var(--band); border: solid var(--accent); border-width: 0
  1px;
  pointer-events: none; z-index: 2; }
#cursor { position: absolute; top: 0; bottom: 0; width: 0; border-left: 1px dotted var(--soft); pointer-events: none;
  z-index: 4; }
#cursor::after { content: attr(data-text); position: sticky; top: 42px; display: inline-block; padding: 0 5px;
  font-size: 11.5px;
  background: var(--ink); color: var(--card); border-radius: 4px; white-space: nowrap; }
#cursor[data-side=left]::after { transform: translateX(-100%); }
#tip { position: absolute; z-index: 6; max-width: 380px; width: max-content; padding: 6px 10px; font-size: 13px;
  line-height: 1.4;
  background: var(--ink); color: var(--card); border-radius: 6px; pointer-events: none; overflow-wrap: anywhere; }
#band[hidden], #cursor[hidden], #tip[hidden] { display: none; }
html:not([data-script]) .needs-script, html:not([data-script]) .tools button { display: none; }
footer { text-align: center; color: var(--soft); font-size: 13px; padding: 0 24px 28px; }

@media (max-width: 760px) {
  main { padding: 8px 10px 24px; }
  .tools, .label { width: 112px; }
  header h1 { font-size: 23px; }
  #timeline { padding: 0 8px 8px; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  :root { color-scheme: light; ${LIGHT} --ground: #ffffff; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav, .tools button, .jump, .needs-script, #cursor, #tip, #band, .overview { display: none !important; }
  body { font-size: 9.5pt; }
  table { font-size: 8.5pt; }
  td, th { padding-top: 1px; padding-bottom: 1px; }
  details.table:not([open]), #tables:not(:has(details[open])) { display: none; }
  #time { break-before: page; }
  h2 { margin-top: 12px; }
  main { max-width: none; padding: 0; }
  #axis { position: static; }
  header, .lane, tr { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  .wide { overflow: visible; max-height: none; }
}
`
