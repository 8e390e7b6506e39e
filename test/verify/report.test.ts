/**
 * The report: what it shows of a history, that nothing in a history becomes part of the page, and that it stays small.
 */
import { createHash } from 'node:crypto'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { check } from '../../src/verify/check/check.ts'
import { Draft } from '../../src/verify/check/draft.test-kit.ts'
import type { History } from '../../src/verify/history/history.ts'
import { NO_TRANSACTION, NO_WRITER, NONE, TABLE_NAMES, TABLES } from '../../src/verify/history/tables.ts'
import { placeExamples } from '../../src/verify/report/finding-places.ts'
import { html, scriptJson } from '../../src/verify/report/html.ts'
import { renderReport } from '../../src/verify/report/render-report.ts'
import { RunFacts } from '../../src/verify/report/run-facts.ts'
import { wordsOf } from '../../src/verify/report/slice-words.ts'
import { buildTimeline } from '../../src/verify/report/timeline/build-timeline.ts'
import { packRows } from '../../src/verify/report/timeline/pack-rows.ts'
import { timelineControl } from '../../src/verify/report/timeline/page/control.ts'
import { laneDrawing } from '../../src/verify/report/timeline/page/drawing.ts'
import { timeScale } from '../../src/verify/report/timeline/page/time-scale.ts'
import { thinPoints, thinSteps } from '../../src/verify/report/timeline/thin-out.ts'
import type { Lane, Timeline } from '../../src/verify/report/timeline/timeline.ts'
import { collectTransactions } from '../../src/verify/report/transactions.ts'
import { largeHistory } from './large-history.ts'

const MARKUP = '</script><img src=x onerror="alert(1)"><!--\'&'
const PAGE_BYTES_MAX = 5_000_000

const scale = timeScale()
const drawing = laneDrawing(scale)

function timelineOf(history: History): Timeline {
  const facts = new RunFacts(history)
  return buildTimeline(facts, placeExamples(check(history)), collectTransactions(facts), scale)
}

function lanesOf<K extends Lane['kind']>(timeline: Timeline, kind: K): Extract<Lane, { kind: K }>[] {
  const lanes = timeline.groups.flatMap((group) => group.lanes)
  return lanes.filter((lane): lane is Extract<Lane, { kind: K }> => lane.kind === kind)
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const one of numbers) total += one
  return total
}

/** What all marks of a drawing stand for together. */
function markedCount(svg: string): number {
  return sum(Array.from(svg.matchAll(/class="mark[^>]* data-count="(\d+)"/g), ([, count]) => Number(count)))
}

/** A process with a writer that is ready. Its number is that of the process. */
function writer(draft: Draft, number: number, transactionalId: string, at: number): void {
  draft.add('processStarted', { process: number, kind: 'client', role: `teller ${number}`, at })
  draft.add('writerStarted', { writer: number, process: number, transactionalId, at })
  const ready = { producerId: 1, producerEpoch: 0, error: '', at: at + 1 }
  draft.add('writerReady', { writer: number, outcome: 'ok', ...ready })
}

interface Ending {
  readonly isCommit?: 0 | 1
  readonly outcome?: 'ok' | 'fail' | 'unknown'
}

/** Begun at `at`, its end asked for 10 later, told 10 after that. */
function transaction(draft: Draft, of: number, number: number, at: number, { isCommit, outcome }: Ending = {}): void {
  draft.add('transactionBegun', { writer: of, transaction: number, at })
  if (isCommit === undefined) return
  draft.add('transactionEnding', { writer: of, transaction: number, isCommit, at: at + 10 })
  if (outcome === undefined) return
  draft.add('transactionEnded', { writer: of, transaction: number, outcome, error: '', at: at + 20 })
}

describe('nothing in a history becomes part of the page', () => {
  test('a value in a template is escaped, between tags and in attributes', () => {
    expect(html`<p title="${MARKUP}">${MARKUP}</p>`.text).toBe(
      '<p title="&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&lt;!--&#39;&amp;">' +
        '&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&lt;!--&#39;&amp;</p>',
    )
  })

  test('JSON in a script element cannot end it, and reads back as it was', () => {
    const { text } = scriptJson({ [MARKUP]: `${MARKUP}\u2028` })
    expect(text).not.toMatch(/[<>&\u2028]/)
    expect(JSON.parse(text)).toEqual({ [MARKUP]: `${MARKUP}\u2028` })
  })

  test('names that are markup stay text wherever a history may hold one', () => {
    const draft = new Draft()
    const partition = { topic: MARKUP, partition: 0 }
    draft.add('processStarted', { process: 1, kind: MARKUP, role: MARKUP, at: 0 })
    draft.add('writerStarted', { writer: 1, process: 1, transactionalId: MARKUP, at: 0 })
    const begun = { writer: 1, transaction: 1 }
    draft.add('transactionBegun', { ...begun, at: 1 })
    draft.add('sendInvoked', { ...begun, number: 0, partition, at: 2 })
    draft.add('sendInvoked', { ...begun, number: 1, partition, at: 2 })
    draft.add('transactionEnding', { ...begun, isCommit: 0, at: 3 })
    draft.add('transactionEnded', { ...begun, outcome: 'ok', error: MARKUP, at: 4 })
    const reader = { reader: 1, process: 1, group: MARKUP, isolation: 1, isSubscribed: 0 }
    draft.add('readerStarted', { ...reader, at: 5 })
    draft.add('read', { reader: 1, poll: 1, partition, offset: 0, writer: 1, number: 0, at: 6 })
    const use = { writer: NO_WRITER, transaction: NO_TRANSACTION, invokedAt: 5, at: 6 }
    draft.add('poll', { reader: 1, poll: 1, outcome: 'ok', error: MARKUP, ...use })
    draft.add('fault', { kind: MARKUP, target: MARKUP, detail: MARKUP, at: 1, until: 5 })
    draft.add('phase', { phase: MARKUP, at: 1 })
    const marks = { highWatermark: 3, lastStableOffset: 1, logStartOffset: 0 }
    draft.add('watermarks', { partition, ...marks, invokedAt: 3, at: 4 })
    draft.add('processEnded', { process: 1, cause: MARKUP, at: 9 })
    const history = draft.history()
    const info = { ...history.info, run: MARKUP, workload: MARKUP, target: MARKUP }
    const hostile = { ...history, info }
    const verdict = check(hostile)
    expect(verdict.anomalies.map(({ code }) => code)).toContain('A5')
    const page = renderReport(hostile, { ...verdict, notChecked: [MARKUP] }, { command: MARKUP })
    expect(page).not.toContain('<img')
    expect(page.replace('<!doctype', '')).not.toContain('<!')
    expect(page.match(/<script/g)).toHaveLength(2)
    expect(page.match(/<\/script/g)).toHaveLength(2)
  })
})

describe('the page', () => {
  const history = largeHistory(400, 1)
  const page = renderReport(history, check(history))

  test('allows the script and the style sheet that are in it, and nothing else', () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? ''
    expect(policy).toMatch(/^default-src &#39;none&#39;; /)
    for (const [name, text] of [
      ['script', /<script>([\s\S]*?)<\/script>/.exec(page)?.[1]],
      ['style', /<style>([\s\S]*?)<\/style>/.exec(page)?.[1]],
    ] as const) {
      const checksum = createHash('sha256')
        .update(text ?? '')
        .digest('base64')
      expect(policy).toContain(`${name}-src &#39;sha256-${checksum}&#39;`)
    }
    // Of which nothing would be left if they were needed.
    expect(page).not.toMatch(/ style=| on\w+=/)
  })

  test('names nothing that lies elsewhere', () => {
    expect(Array.from(page.matchAll(/(?:src|href)="([^#"][^"]*)"/g), ([, address]) => address?.slice(0, 5))).toEqual([
      'data:',
    ])
  })

  test('has a place for each of its links, and each name once', () => {
    const ids = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const markup = page.replace(/<script>[\s\S]*<\/script>/, '')
    for (const [, target] of markup.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target)
  })

  test('is made of functions that refer to nothing outside themselves', () => {
    const again = (source: unknown): unknown => runInNewContext(`'use strict'; (${String(source)})`)
    const ownScale = (again(timeScale) as typeof timeScale)()
    const own = (again(laneDrawing) as typeof laneDrawing)(ownScale)
    const timeline = timelineOf(history)
    const view = { from: 0, to: timeline.spanTicks, width: 700 }
    for (const lane of timeline.groups.flatMap((group) => group.lanes)) {
      expect(own.draw(lane, view, [10])).toBe(drawing.draw(lane, view, [10]))
      expect(own.valueText(lane, view, 350)).toBe(drawing.valueText(lane, view, 350))
    }
    expect(again(timelineControl)).toBeTypeOf('function')
  })

  test('of a run of which nothing is known says so and is whole', () => {
    const empty = new Draft().history()
    expect(renderReport(empty, check(empty))).toMatch(/Exactly once holds[\s\S]*<\/html>\n$/)
  })

  test('gives the command that repeats the run, or one that is guessed', () => {
    const verdict = check(history)
    expect(renderReport(history, verdict)).toContain('npm run sim -- --seed 1 --workload bank')
    expect(renderReport(history, verdict, { command: 'again' })).toContain('<code>again</code>')
    const cluster = renderReport(history, { ...verdict, target: 'host:9092' })
    expect(cluster).toContain('semel verify run --target host:9092 --workload bank --duration 120s --seed 1')
  })

  test('of more than 100,000 operations stays below 5 MB and leaves nothing uncounted', () => {
    const large = largeHistory(120_000, 2)
    expect(Buffer.byteLength(renderReport(large, check(large)))).toBeLessThan(PAGE_BYTES_MAX)
    const timeline = timelineOf(large)
    const { transactionBegun, sendInvoked, read, fault } = large.tables
    const processes = lanesOf(timeline, 'process')
    expect(sum(processes.flatMap(({ sends }) => sends.count))).toBe(sendInvoked.length)
    expect(sum(processes.flatMap(({ reads }) => reads.count))).toBe(read.length)
    const transactions = lanesOf(timeline, 'transaction')
    expect(sum(transactions.flatMap(({ count }) => count))).toBe(transactionBegun.length)
    expect(sum(transactions.map(({ count }) => count.length))).toBeLessThan(transactionBegun.length)
    expect(sum(lanesOf(timeline, 'fault').flatMap(({ count }) => count))).toBe(fault.length)
  })
})

describe('transactions', () => {
  test.each([
    ['committed', { isCommit: 1, outcome: 'ok' }],
    ['aborted', { isCommit: 0, outcome: 'ok' }],
    ['refused', { isCommit: 1, outcome: 'fail' }],
    ['open', { isCommit: 1, outcome: 'unknown' }],
    ['open', { isCommit: 1 }],
    ['open', {}],
  ] as const)('that are the last of their id are %s after %o', (outcome, ending) => {
    const draft = new Draft()
    writer(draft, 1, 'id', 0)
    transaction(draft, 1, 1, 100, ending)
    draft.add('phase', { phase: 'healed', at: 500 })
    const [found] = collectTransactions(new RunFacts(draft.history()))
    expect(found).toMatchObject({ outcome, endedAt: outcome === 'open' ? 500 : 120, overAt: undefined })
  })

  test('of a process that died end with it, and are over when the next producer of the id is ready', () => {
    const draft = new Draft()
    writer(draft, 1, 'id', 0)
    transaction(draft, 1, 1, 100)
    draft.add('processEnded', { process: 1, cause: 'killed', at: 130 })
    writer(draft, 2, 'other', 140)
    writer(draft, 3, 'id', 200)
    const [found] = collectTransactions(new RunFacts(draft.history()))
    expect(found).toMatchObject({ outcome: 'unknown', endedAt: 130, overAt: 201 })
  })

  test('whose client was not told are over when it begins the next one', () => {
    const draft = new Draft()
    writer(draft, 1, 'id', 0)
    transaction(draft, 1, 1, 100, { isCommit: 1 })
    transaction(draft, 1, 2, 150, { isCommit: 1, outcome: 'ok' })
    const [first, second] = collectTransactions(new RunFacts(draft.history()))
    expect(first).toMatchObject({ outcome: 'unknown', endedAt: 110, overAt: 150 })
    expect(second).toMatchObject({ outcome: 'committed' })
  })

  test.each([
    ['CompleteAbort', 'unknown', 400],
    ['Ongoing', 'open', undefined],
    ['PrepareCommit', 'open', undefined],
  ] as const)(
    'left behind are over once all is settled, unless their coordinator says %s',
    (state, outcome, overAt) => {
      const draft = new Draft()
      writer(draft, 1, 'id', 0)
      transaction(draft, 1, 1, 100)
      draft.add('phase', { phase: 'settled', at: 400 })
      const producer = { producerId: 1, producerEpoch: 0, partitionCount: 0 }
      draft.add('coordinatorState', { transactionalId: 'id', state, ...producer, at: 500 })
      expect(collectTransactions(new RunFacts(draft.history()))[0]).toMatchObject({ outcome, overAt })
    },
  )

  test.each([
    [1, 'committed'],
    [0, 'open'],
  ] as const)('of unknown outcome that a reader of isolation %i was given values of are %s', (isolation, outcome) => {
    const draft = new Draft()
    writer(draft, 1, 'id', 0)
    transaction(draft, 1, 1, 100, { isCommit: 1 })
    const partition = { topic: 't', partition: 0 }
    draft.add('sendInvoked', { writer: 1, number: 0, transaction: 1, partition, at: 105 })
    draft.add('readerStarted', { reader: 1, process: 1, group: '', isolation, isSubscribed: 0, at: 5 })
    draft.add('read', { reader: 1, poll: 1, partition, offset: 0, writer: 1, number: 0, at: 150 })
    expect(collectTransactions(new RunFacts(draft.history()))[0]).toMatchObject({ outcome, values: 1 })
  })
})

describe('the timeline', () => {
  test('has a bar for each fault, life, phase and transaction, and a mark for each example with a time', () => {
    const history = largeHistory(800, 4)
    const verdict = check(history)
    const timeline = timelineOf(history)
    const view = { from: 0, to: timeline.spanTicks, width: 1_200 }
    const drawn = (kind: Lane['kind']): number =>
      sum(lanesOf(timeline, kind).map((lane) => markedCount(drawing.draw(lane, view, []))))
    const { fault, processStarted, phase, transactionBegun } = history.tables
    expect(drawn('fault')).toBe(fault.length)
    expect(drawn('process')).toBe(processStarted.length)
    expect(drawn('phase')).toBe(phase.length + 1)
    expect(drawn('transaction')).toBe(transactionBegun.length)
    const placed = placeExamples(verdict).filter(({ place }) => place !== undefined)
    expect(placed.length).toBeGreaterThan(0)
    expect(drawn('finding')).toBe(placed.length)
  })

  test('shows how far apart high watermark and last stable offset were, though asked for one after the other', () => {
    const draft = new Draft()
    const partition = { topic: 't', partition: 0 }
    const say = (at: number, highWatermark: number, lastStableOffset: number): void => {
      draft.add('watermarks', { partition, highWatermark, lastStableOffset, logStartOffset: NONE, invokedAt: at, at })
    }
    say(0, 5, NONE)
    say(1, NONE, 5)
    say(10, 9, NONE)
    say(11, NONE, 6)
    say(20, 9, NONE)
    say(21, NONE, 10)
    const [lane] = lanesOf(timelineOf(draft.history()), 'partition')
    expect(lane?.lag).toEqual({ at: [10, 110, 210], value: [0, 3, 0] })
    expect(lane).toMatchObject({ offsetMax: 10, lagMax: 3, label: 't-0' })
  })

  test('counts times from the first moment of the run', () => {
    const draft = new Draft()
    draft.add('phase', { phase: 'running', at: 1_000_000 })
    draft.add('fault', { kind: 'cut', target: 'x', detail: '', at: 1_000_250, until: 1_000_500 })
    const [lane] = lanesOf(timelineOf(draft.history()), 'fault')
    expect(lane).toMatchObject({ from: [2_500], to: [5_000] })
  })
})

describe('where a moment lies', () => {
  const view = { from: 100, to: 1_100, width: 500 }

  test('there and back is the same moment', () => {
    expect(scale.xOf(scale.ticksAt(123, view), view)).toBeCloseTo(123)
  })

  test('zooming keeps the moment under the pointer where it is', () => {
    const zoomed = scale.zoomed(view, 0.5, 400, 10_000)
    expect(zoomed.to - zoomed.from).toBeCloseTo(500)
    expect(scale.xOf(400, zoomed)).toBeCloseTo(scale.xOf(400, view))
  })

  test('zooming ends at a millisecond and at the whole run, moving at its ends', () => {
    const near = scale.zoomed(view, 1e-9, 400, 10_000)
    expect(near.to - near.from).toBeCloseTo(100)
    expect(scale.zoomed(view, 1e9, 400, 10_000)).toEqual({ from: 0, to: 10_000, width: 500 })
    expect(scale.panned(view, -5_000, 10_000)).toEqual({ from: 0, to: 1_000, width: 500 })
    expect(scale.panned(view, 50_000, 10_000)).toEqual({ from: 9_000, to: 10_000, width: 500 })
  })

  test('the axis has marks at round times, few enough to read', () => {
    const whole = { from: 0, to: 352_000, width: 1_000 }
    expect(scale.axisMarks(whole).map(({ text }) => text)).toEqual([
      '0 s',
      '5 s',
      '10 s',
      '15 s',
      '20 s',
      '25 s',
      '30 s',
      '35 s',
    ])
    const near = { from: 123_400, to: 123_900, width: 300 }
    expect(scale.axisMarks(near).map(({ text }) => text)).toEqual(['12.34 s', '12.36 s', '12.38 s'])
  })

  test.each([
    [12_345, 1, '1.234 s'],
    [36_000_000, 1_000, '1:00:00'],
    [36_599_999, 100, '1:01:00.0'],
  ])('%i ticks in steps of %i ms are %s', (ticks, stepMs, text) => {
    expect(scale.timeText(ticks, stepMs)).toBe(text)
  })
})

describe('many are drawn together', () => {
  test('spans that overlap lie in rows of their own, as long as there are any', () => {
    expect(packRows([0, 5, 6, 20], [10, 8, 9, 30], 0, 5)).toEqual([0, 1, 2, 0])
    expect(packRows([0, 5, 6], [10, 8, 9], 0, 2)).toEqual([0, 1, 1])
    expect(packRows([0, 10, 12], [10, 11, 13], 2, 5)).toEqual([0, 1, 0])
  })

  test('narrow neighbours become one bar, which counts them; wide ones and other keys stay apart', () => {
    const rows = { from: [0, 2, 4, 500, 504, 508], to: [1, 3, 5, 504, 507, 900], count: [1, 2, 1, 1, 1, 1] }
    const view = { from: 0, to: 1_000, width: 1_000 }
    const all = scale.bundles({ ...rows, keyOf: () => '' }, view, { gapPx: 1, widthMin: 3 })
    expect(all.map(({ count, from, to }) => [count, from, to])).toEqual([
      [4, 0, 5],
      [2, 500, 507],
      [1, 508, 900],
    ])
    const apart = scale.bundles({ ...rows, keyOf: (row) => String(row % 2) }, view, { gapPx: 1, widthMin: 3 })
    expect(sum(apart.map(({ count }) => count))).toBe(7)
    expect(apart.length).toBeGreaterThan(3)
  })

  test('two wide bars that touch stay two', () => {
    const rows = { from: [0, 100], to: [100, 200], count: [1, 1], keyOf: () => '' }
    expect(scale.bundles(rows, { from: 0, to: 200, width: 200 }, { gapPx: 1, widthMin: 3 })).toHaveLength(2)
  })

  test('columns of a density add up to all that is in view', () => {
    const points = { at: [0, 1, 500, 999, 1_000, 1_001], count: [1, 2, 3, 4, 5, 100] }
    const { bars, highest, total } = scale.densities(points, { from: 0, to: 1_000, width: 100 }, 3)
    expect([highest, total]).toEqual([9, 15])
    expect(bars.map(({ count }) => count)).toEqual([3, 3, 9])
  })

  test('a line keeps what it was before, its highest and its last value in each column', () => {
    const line = { at: [0, 100, 101, 102, 500], value: [1, 5, 9, 2, 3] }
    const view = { from: 50, to: 1_050, width: 100 }
    expect(scale.stepCorners(line, view)).toEqual([
      { x: 0, value: 1 },
      { x: 5, value: 5 },
      { x: 5, value: 9 },
      { x: 5, value: 2 },
      { x: 45, value: 3 },
    ])
  })

  test('points and lines are thinned only where they are too many, and nothing is lost in sum and height', () => {
    const at = Array.from({ length: 1_000 }, (_, row) => row * 10)
    const points = { at, count: at.map(() => 2) }
    expect(thinPoints(points, 10_000, 1_000)).toEqual(points)
    const thin = thinPoints(points, 10_000, 100)
    expect([thin.at.length, sum(thin.count)]).toEqual([100, 2_000])
    const line = { at, value: at.map((_, row) => (row === 503 ? 99 : row % 7)) }
    const thinLine = thinSteps(line, scale, 10_000, 300)
    expect(thinLine.at.length).toBeLessThanOrEqual(301)
    expect(Math.max(...thinLine.value)).toBe(99)
  })
})

test('what happened in one moment is shown in the order in which it must have', () => {
  const row = { writer: 1, transaction: 1, number: 0, partition: 't-0', isCommit: 1, outcome: 'ok', error: '', at: 5 }
  const tables = ['transactionEnded', 'transactionEnding', 'sendInvoked', 'transactionBegun', 'writerReady'] as const
  const slice = tables.map((table) => ({ table, row }))
  const history = new Draft().history()
  const verdict = check(history)
  const example = { what: 'x', slice, omitted: 0 }
  const finding = { code: 'A5', name: 'x', isAllowed: false, count: 1, definition: 'x', summary: 'x' } as const
  const page = renderReport(history, { ...verdict, anomalies: [{ ...finding, examples: [example] }] })
  expect(Array.from(page.matchAll(/<tr class="row-\w+" title="(\w+)"/g), ([, table]) => table)).toEqual(
    tables.toReversed(),
  )
})

test('each table of a history has words for its rows', () => {
  for (const table of TABLE_NAMES) {
    const row = Object.fromEntries(
      Object.entries(TABLES[table]).map(([column, type]) => {
        return [column, type === 'string' || type === 'partition' ? `a-${column}` : type === 'outcome' ? 'ok' : 1]
      }),
    )
    const { who, what } = wordsOf({ table, row })
    expect(`${table}: ${who} ${what}`).not.toMatch(/undefined|NaN|: {2}|: $/)
  }
})
