/**
 * Draws a lane of the timeline as the inside of an SVG element, for any view of the run. Pure, and the same for the
 * page as it is written and for the page that is zoomed. Runs in the page too: see time-scale.ts.
 *
 * What can be pointed at has the class `mark`, its words in `aria-label`, `data-row` (with which row of the lane it
 * begins), `data-count` (how many it stands for) and `data-from` and `data-to` in ticks.
 */
import type {
  FaultLane,
  FindingLane,
  Lane,
  PartitionLane,
  PhaseLane,
  Points,
  ProcessLane,
  Steps,
  TransactionLane,
} from '../timeline.ts'
import type { Bundle, TimeScale, View } from './time-scale.ts'

export type LaneDrawing = ReturnType<typeof laneDrawing>

export function laneDrawing(scale: TimeScale) {
  const { xOf, bundles, densities, stepCorners, timeText, lengthText, axisMarks } = scale
  const OUTCOMES = ['committed', 'aborted', 'refused', 'unknown', 'open']
  const OUTCOME_TEXTS = [
    'committed',
    'aborted',
    'commit refused, aborted',
    'outcome not told to its client',
    'open at the end',
  ]
  /** Where in a row of 16 pixels a bar lies, by outcome: seen even where a bar is too narrow for its pattern. */
  const OUTCOME_SHAPES = [
    { y: 2, height: 12 },
    { y: 8, height: 6 },
    { y: 2, height: 6 },
    { y: 2, height: 12 },
    { y: 5, height: 6 },
  ]
  const FAULT_ROW = 16
  const TRANSACTION_ROW = 16
  const FINDING_ROW = 18
  const PROCESS_MIDDLE = 20
  const PROCESS_REACH = 15
  const PARTITION_LINES = 34
  const PARTITION_LAG = 18
  const DENSITY_COLUMN = 3
  const NONE = -1
  /** Wider than a letter of the labels inside bars. */
  const LETTER = 6.2

  function heightOf(lane: Lane): number {
    switch (lane.kind) {
      case 'finding':
        return lane.rows * FINDING_ROW + 4
      case 'phase':
        return 22
      case 'fault':
        return lane.rows * FAULT_ROW + 4
      case 'transaction':
        return lane.rows * TRANSACTION_ROW + 4
      case 'process':
        return 2 * PROCESS_MIDDLE
      case 'partition':
        return PARTITION_LINES + PARTITION_LAG + 6
    }
  }

  /** @param phaseStarts  ticks; drawn as lines through every lane */
  function draw(lane: Lane, view: View, phaseStarts: readonly number[]): string {
    return grid(view, heightOf(lane), phaseStarts) + inside(lane, view)
  }

  function inside(lane: Lane, view: View): string {
    switch (lane.kind) {
      case 'finding':
        return findings(lane, view)
      case 'phase':
        return phases(lane, view)
      case 'fault':
        return faults(lane, view)
      case 'transaction':
        return transactions(lane, view)
      case 'process':
        return process(lane, view)
      case 'partition':
        return partition(lane, view)
    }
  }

  /** The axis itself. */
  function drawAxis(view: View): string {
    const texts = axisMarks(view).map(({ x, text }) => {
      const anchor = x < 24 ? 'start' : x > view.width - 30 ? 'end' : 'middle'
      return `<text x="${px(x)}" y="15" text-anchor="${anchor}">${text}</text><path class="tick" d="M${px(x)} 20v5"/>`
    })
    return texts.join('')
  }

  function grid(view: View, height: number, phaseStarts: readonly number[]): string {
    const lines = axisMarks(view).map(({ x }) => `M${px(x)} 0v${height}`)
    const starts = phaseStarts.filter((at) => at >= view.from && at <= view.to)
    const phaseLines = starts.map((at) => `M${px(xOf(at, view))} 0v${height}`)
    return `<path class="grid" d="${lines.join('')}"/><path class="phase-line" d="${phaseLines.join('')}"/>`
  }

  function findings(lane: FindingLane, view: View): string {
    const drawn = lane.at.map((at, row) => {
      const from = lane.from[row] as number
      const to = lane.to[row] as number
      if (to < view.from || from > view.to) return ''
      const y = (lane.row[row] as number) * FINDING_ROW + 11
      const x = xOf(at, view)
      const allowed = lane.isAllowed[row] === 1 ? ' allowed' : ''
      const start = Math.max(-2, xOf(from, view))
      const end = Math.min(view.width + 2, xOf(to, view))
      const shape =
        `<path class="reach" d="M${px(start)} ${y}H${px(end)}"/>` +
        `<path class="diamond" d="M${px(x)} ${y - 7}l7 7l-7 7l-7 -7z"/>` +
        `<text x="${px(x + 10)}" y="${y + 4}">${escaped(lane.codes[row] as string)}</text>`
      const href = escaped(lane.targets[row] as string)
      const data = markData(row, 1, from, to, lane.texts[row] as string)
      return `<a href="#${href}" class="mark finding${allowed}" ${data}>${shape}</a>`
    })
    return drawn.join('')
  }

  function phases(lane: PhaseLane, view: View): string {
    return lane.from
      .map((from, row) => {
        const to = lane.to[row] as number
        if (to < view.from || from > view.to) return ''
        const x = Math.max(-2, xOf(from, view))
        const width = Math.max(1, Math.min(view.width + 2, xOf(to, view)) - x)
        const name = lane.names[row] as string
        const words = `${name}: ${timeText(from, 10)} to ${timeText(to, 10)}, ${lengthText(to - from)}`
        return bar(`phase phase-${row % 2}`, { x, width, y: 2, height: 18 }, markOf(row, 1, from, to, words), name)
      })
      .join('')
  }

  function faults(lane: FaultLane, view: View): string {
    const { from, to, count } = lane
    const keyOf = (row: number): string => String(lane.row[row])
    const drawn = bundles({ from, to, count, keyOf }, view, { gapPx: 1, widthMin: 4 })
    return drawn
      .map((bundle) => {
        const row = bundle.first
        const y = (lane.row[row] as number) * FAULT_ROW + 3
        const isOne = bundle.count === 1
        const target = lane.targets[row] as string
        const text = isOne ? target : `${bundle.count} times`
        const shape = { x: bundle.x, width: bundle.width, y, height: FAULT_ROW - 4 }
        const attributes = markOf(row, bundle.count, bundle.from, bundle.to, faultWords(lane, bundle))
        return bar(isOne ? 'fault' : 'fault several', shape, attributes, text)
      })
      .join('')
  }

  function faultWords(lane: FaultLane, { first, count, from, to }: Bundle): string {
    const until = to > from ? ` to ${timeText(to, 10)}, for ${lengthText(to - from)}` : ''
    if (count > 1) return `${count} faults of ${lane.label}: ${timeText(from, 10)}${until}. Zoom in to see each.`
    const detail = lane.details[first] as string
    return `${lane.label} ${lane.targets[first]}${detail === '' ? '' : ` (${detail})`}: ${timeText(from, 10)}${until}`
  }

  function transactions(lane: TransactionLane, view: View): string {
    const keyOf = (row: number): string => `${lane.row[row]} ${lane.outcome[row]}`
    const rows = { from: lane.begun, to: lane.ended, count: lane.count, keyOf }
    const drawn = bundles(rows, view, { gapPx: 1, widthMin: 2.5 })
    return tails(lane, view) + drawn.map((bundle) => transaction(lane, view, bundle)).join('')
  }

  /** From where a client knew no more, to where it is certainly over. */
  function tails(lane: TransactionLane, view: View): string {
    const lines: string[] = []
    lane.over.forEach((over, row) => {
      const ended = lane.ended[row] as number
      if (over === NONE || over < view.from || ended > view.to) return
      const y = (lane.row[row] as number) * TRANSACTION_ROW + 8
      const end = Math.min(view.width + 2, xOf(over, view))
      lines.push(`M${px(Math.max(-2, xOf(ended, view)))} ${y}H${px(end)}m0 -4v8`)
    })
    return lines.length === 0 ? '' : `<path class="tail" d="${lines.join('')}"/>`
  }

  function transaction(lane: TransactionLane, view: View, bundle: Bundle): string {
    const { first, x, width, count, from, to } = bundle
    const outcome = lane.outcome[first] as number
    const shape = OUTCOME_SHAPES[outcome] as { y: number; height: number }
    const top = (lane.row[first] as number) * TRANSACTION_ROW + 2
    const y = top + shape.y - 2
    const attributes = markOf(first, count, from, to, transactionWords(lane, bundle))
    const place = { x, width, y, height: shape.height }
    let body = rect(`txn ${OUTCOMES[outcome]}`, place)
    const ending = lane.ending[first] as number
    if (count === 1 && ending !== NONE && width > 5) {
      const start = Math.max(x, xOf(ending, view))
      body += rect('ending', { ...place, x: start, width: Math.max(0, x + width - start) })
    }
    if (OUTCOMES[outcome] === 'open') {
      const end = x + width
      body += `<path class="arrow" d="M${px(end - 7)} ${top}l7 6l-7 6z"/>`
    }
    return `<g class="mark transaction" ${attributes}>${body}</g>`
  }

  function transactionWords(lane: TransactionLane, { first, count, from, to }: Bundle): string {
    const outcome = OUTCOME_TEXTS[lane.outcome[first] as number] as string
    if (count > 1) {
      return `${count} transactions of ${lane.label}: ${outcome}; ${timeText(from, 10)} to ${timeText(to, 10)}`
    }
    const values = lane.values[first] as number
    const ending = lane.ending[first] as number
    const error = lane.errors[lane.error[first] as number] ?? ''
    const over = lane.over[first] as number
    return [
      `transaction ${lane.number[first]} of ${lane.writers[lane.writer[first] as number]}: ${outcome}`,
      `begun at ${timeText(from, 1)}`,
      ending === NONE ? 'its end was not asked for' : `end asked for after ${lengthText(ending - from)}`,
      `${lengthText(to - from)} in all`,
      over === NONE ? '' : `certainly over at ${timeText(over, 1)}`,
      `${values} ${values === 1 ? 'value' : 'values'}`,
      error,
    ]
      .filter((text) => text !== '')
      .join('; ')
  }

  function process(lane: ProcessLane, view: View): string {
    return (
      lives(lane, view) +
      density('sends', lane.sends, view, -1) +
      density('reads', lane.reads, view, 1) +
      failures(lane.failures, view)
    )
  }

  function lives(lane: ProcessLane, view: View): string {
    return lane.from
      .map((from, row) => {
        const to = lane.to[row] as number
        if (to < view.from || from > view.to) return ''
        const x = Math.max(-2, xOf(from, view))
        const end = Math.min(view.width + 2, xOf(to, view))
        const cause = lane.causes[row] as string
        const ended = cause === '' ? 'not seen to end' : `${cause} at ${timeText(to, 10)}`
        const words = `process ${lane.processes[row]}, ${lane.label}: from ${timeText(from, 10)}; ${ended}`
        const y = PROCESS_MIDDLE
        const line = `<rect class="life" x="${px(x)}" y="${y - 2}" width="${px(Math.max(1, end - x))}" height="4"/>`
        return `<g class="mark process" ${markOf(row, 1, from, to, words)}>${line}${lifeEnd(cause, end, y)}</g>`
      })
      .join('')
  }

  function lifeEnd(cause: string, x: number, y: number): string {
    if (cause === '') return ''
    if (cause === 'done') return `<path class="done" d="M${px(x)} ${y - 6}v12"/>`
    if (cause === 'killed') return `<path class="killed" d="M${px(x - 5)} ${y - 5}l10 10m0 -10l-10 10"/>`
    return `<path class="died" d="M${px(x)} ${y - 6}l6 11h-12z"/>`
  }

  /** Bars above (`direction` -1) or below the line of life; the square root keeps single ones visible beside many. */
  function density(name: string, points: Points, view: View, direction: 1 | -1): string {
    const { bars, highest, total } = densities(points, view, DENSITY_COLUMN)
    const drawn = bars.map(({ x, count }) => {
      const height = Math.max(2, Math.sqrt(count / highest) * PROCESS_REACH)
      const width = DENSITY_COLUMN - 0.5
      return `M${px(x)} ${PROCESS_MIDDLE + direction * 3}h${width}v${px(direction * height)}h-${width}z`
    })
    return `<path class="${name}" data-count="${total}" d="${drawn.join('')}"/>`
  }

  function failures(points: Points, view: View): string {
    const { bars, total } = densities(points, view, DENSITY_COLUMN)
    const drawn = bars.map(({ x }) => `M${px(x)} ${PROCESS_MIDDLE - 2}h${DENSITY_COLUMN}v4h-${DENSITY_COLUMN}z`)
    return `<path class="failure" data-count="${total}" d="${drawn.join('')}"/>`
  }

  /** What a lane of counts or lines says at a place; '' where there is nothing to say. */
  function valueText(lane: Lane, view: View, x: number): string {
    if (lane.kind === 'partition') {
      const at = scale.ticksAt(x, view)
      const high = valueAt(lane.highWatermark, at)
      const stable = valueAt(lane.lastStableOffset, at)
      return [
        high === undefined ? '' : `high watermark ${high}`,
        stable === undefined ? '' : `last stable offset ${stable}`,
        `${valueAt(lane.lag, at) ?? 0} blocked`,
      ]
        .filter((text) => text !== '')
        .join(', ')
    }
    if (lane.kind !== 'process') return ''
    const named = [
      [lane.sends, 'sent'],
      [lane.reads, 'read'],
      [lane.failures, 'failed'],
    ] as const
    return named
      .flatMap(([points, name]) => {
        const { bars } = densities(points, view, DENSITY_COLUMN)
        const bar = bars.find((one) => x >= one.x && x < one.x + DENSITY_COLUMN)
        return bar === undefined ? [] : [`${bar.count} ${name}`]
      })
      .join(', ')
  }

  function valueAt({ at, value }: Steps, ticks: number): number | undefined {
    const row = at.findLastIndex((time) => time <= ticks)
    return value[row]
  }

  function partition(lane: PartitionLane, view: View): string {
    const lineY = (value: number): number =>
      PARTITION_LINES - (lane.offsetMax === 0 ? 0 : (value / lane.offsetMax) * (PARTITION_LINES - 4))
    const base = PARTITION_LINES + PARTITION_LAG + 4
    const lagY = (value: number): number => base - (lane.lagMax === 0 ? 0 : (value / lane.lagMax) * PARTITION_LAG)
    const lag = stepPath(lane.lag, view, lagY)
    const area = lag === '' ? '' : `<path class="lag" d="${lag}V${px(base)}H${px(firstX(lane.lag, view))}z"/>`
    return (
      `<path class="base" d="M0 ${base}H${px(view.width)}"/>${area}` +
      `<path class="high-watermark" d="${stepPath(lane.highWatermark, view, lineY)}"/>` +
      `<path class="last-stable-offset" d="${stepPath(lane.lastStableOffset, view, lineY)}"/>`
    )
  }

  function stepPath(line: Steps, view: View, yOf: (value: number) => number): string {
    const corners = stepCorners(line, view)
    if (corners.length === 0) return ''
    const path = corners.map(({ x, value }, at) =>
      at === 0 ? `M${px(x)} ${px(yOf(value))}` : `H${px(x)}V${px(yOf(value))}`,
    )
    const last = line.at.at(-1) as number
    return `${path.join('')}H${px(Math.min(view.width, Math.max(0, xOf(last, view))))}`
  }

  function firstX(line: Steps, view: View): number {
    return stepCorners(line, view)[0]?.x ?? 0
  }

  interface Place {
    readonly x: number
    readonly y: number
    readonly width: number
    readonly height: number
  }

  function rect(name: string, { x, y, width, height }: Place): string {
    return `<rect class="${name}" x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"/>`
  }

  /** A bar with its name inside, where there is room. */
  function bar(name: string, place: Place, attributes: string, text: string): string {
    const left = Math.max(place.x, 0)
    const room = place.x + place.width - left - 8
    const shown = text.length * LETTER <= room
    const label = shown
      ? `<text x="${px(left + 5)}" y="${px(place.y + place.height / 2 + 4)}">${escaped(text)}</text>`
      : ''
    return `<g class="mark ${name}" ${attributes}>${rect('box', place)}${label}</g>`
  }

  function markOf(row: number, count: number, from: number, to: number, words: string): string {
    return `tabindex="-1" role="img" ${markData(row, count, from, to, words)}`
  }

  function markData(row: number, count: number, from: number, to: number, words: string): string {
    const data = `data-row="${row}" data-count="${count}" data-from="${from}" data-to="${to}"`
    return `${data} aria-label="${escaped(words)}"`
  }

  function px(value: number): string {
    return String(Math.round(value * 10) / 10)
  }

  function escaped(text: string): string {
    return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  }

  return { draw, drawAxis, heightOf, valueText }
}
