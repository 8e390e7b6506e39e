/**
 * Where a moment lies on the screen, which moments are written on the axis, and how a view of the run is moved.
 *
 * Everything in this folder also runs in the page, where it arrives as the text of one function: so each file is one
 * function that refers to nothing but what it is given and what is declared inside it.
 */

/** What is on the screen: the ticks from `from` to `to`, on so many pixels. */
export interface View {
  readonly from: number
  readonly to: number
  readonly width: number
}

/** Neighbours that would touch each other, drawn as one. `first`: the row with which it begins. */
export interface Bundle {
  readonly x: number
  readonly width: number
  readonly count: number
  readonly first: number
  readonly from: number
  readonly to: number
}

export type TimeScale = ReturnType<typeof timeScale>

export function timeScale() {
  const TICKS_PER_MS = 10
  const SPAN_MIN = 10 * TICKS_PER_MS
  const STEPS_MS = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
  ]
  const MARK_WIDTH_MIN = 90

  function xOf(ticks: number, { from, to, width }: View): number {
    return ((ticks - from) / (to - from)) * width
  }

  function ticksAt(x: number, { from, to, width }: View): number {
    return from + (x / width) * (to - from)
  }

  /** '3.25 s', '1:05:00.5'. @param stepMs  how much neighbours differ: as many digits as that needs */
  function timeText(ticks: number, stepMs: number): string {
    const digits = stepMs >= 1_000 ? 0 : stepMs >= 100 ? 1 : stepMs >= 10 ? 2 : stepMs >= 1 ? 3 : 4
    const seconds = ticks / TICKS_PER_MS / 1_000
    if (seconds < 600) return `${seconds.toFixed(digits)} s`
    const whole = Math.floor(seconds)
    const rest = (seconds - whole).toFixed(digits)
    const carried = whole + (rest.startsWith('1') ? 1 : 0)
    const two = (value: number): string => String(value).padStart(2, '0')
    const clock = `${Math.floor(carried / 3_600)}:${two(Math.floor(carried / 60) % 60)}:${two(carried % 60)}`
    return clock + rest.slice(1)
  }

  /** 'for 1.2 s', as short as it is clear. */
  function lengthText(ticks: number): string {
    const ms = ticks / TICKS_PER_MS
    if (ms < 1) return `${ms.toFixed(1)} ms`
    if (ms < 1_000) return `${ms.toFixed(0)} ms`
    return ms < 600_000 ? `${(ms / 1_000).toFixed(2)} s` : `${(ms / 60_000).toFixed(1)} min`
  }

  function axisMarks(view: View): { readonly x: number; readonly text: string }[] {
    const spanMs = (view.to - view.from) / TICKS_PER_MS
    const wantedMs = spanMs / Math.max(1, view.width / MARK_WIDTH_MIN)
    const stepMs = STEPS_MS.find((step) => step >= wantedMs) ?? Math.ceil(wantedMs / 86_400_000) * 86_400_000
    const step = stepMs * TICKS_PER_MS
    const marks = []
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      marks.push({ x: xOf(at, view), text: timeText(at, stepMs) })
    }
    return marks
  }

  /** The same span length or less, inside the run. */
  function within(from: number, length: number, width: number, spanTicks: number): View {
    const kept = Math.min(Math.max(length, Math.min(SPAN_MIN, spanTicks)), spanTicks)
    const start = Math.min(Math.max(0, from), spanTicks - kept)
    return { from: start, to: start + kept, width }
  }

  /** @param factor  below 1 shows less of the run, larger; the moment `at` stays where it is */
  function zoomed(view: View, factor: number, at: number, spanTicks: number): View {
    const length = Math.min(Math.max((view.to - view.from) * factor, Math.min(SPAN_MIN, spanTicks)), spanTicks)
    const share = (at - view.from) / (view.to - view.from)
    return within(at - share * length, length, view.width, spanTicks)
  }

  function panned(view: View, byTicks: number, spanTicks: number): View {
    return within(view.from + byTicks, view.to - view.from, view.width, spanTicks)
  }

  /** A span with some room around it. */
  function shown(from: number, to: number, width: number, spanTicks: number): View {
    const room = Math.max((to - from) * 0.25, SPAN_MIN / 2)
    return within(from - room, to - from + 2 * room, width, spanTicks)
  }

  /**
   * What of the rows is in view. Narrow neighbours of one key that are less than `gapPx` apart become one; what is wide
   * enough to be seen by itself stays so.
   *
   * @param from  in order, or nearly: a row may begin before the one ahead of it
   * @param keyOf  rows with different keys are never drawn together
   * @param widthMin  pixels; what is shorter is drawn as wide as this
   */
  function bundles(
    rows: {
      readonly from: readonly number[]
      readonly to: readonly number[]
      readonly count: readonly number[]
      readonly keyOf: (row: number) => string
    },
    view: View,
    { gapPx, widthMin }: { readonly gapPx: number; readonly widthMin: number },
  ): Bundle[] {
    const result: { x: number; width: number; count: number; first: number; from: number; to: number }[] = []
    /** The last of each key, while narrow ones may join it. */
    const open = new Map<string, (typeof result)[number]>()
    for (let row = 0; row < rows.from.length; row += 1) {
      const from = rows.from[row] as number
      const to = Math.max(from, rows.to[row] as number)
      if (to < view.from || from > view.to) continue
      const x = Math.max(-2, xOf(from, view))
      const end = Math.max(Math.min(view.width + 2, xOf(to, view)), x + widthMin)
      const key = rows.keyOf(row)
      const last = open.get(key)
      const isNarrow = end - x < 2 * widthMin
      if (isNarrow && last !== undefined && x - (last.x + last.width) < gapPx) {
        last.width = Math.max(last.width, end - last.x)
        last.count += rows.count[row] as number
        last.to = Math.max(last.to, to)
        continue
      }
      const bundle = { x, width: end - x, count: rows.count[row] as number, first: row, from, to }
      if (isNarrow) open.set(key, bundle)
      else open.delete(key)
      result.push(bundle)
    }
    return result
  }

  /** How much happened in each column of pixels that has any, the most in one, and in all. */
  function densities(
    points: { readonly at: readonly number[]; readonly count: readonly number[] },
    view: View,
    columnWidth: number,
  ): {
    readonly bars: { readonly x: number; readonly count: number }[]
    readonly highest: number
    readonly total: number
  } {
    const columns = Math.ceil(view.width / columnWidth)
    const sums = new Float64Array(columns + 1)
    for (let row = 0; row < points.at.length; row += 1) {
      const at = points.at[row] as number
      if (at < view.from || at > view.to) continue
      const column = Math.min(columns - 1, Math.floor(xOf(at, view) / columnWidth))
      sums[column] = (sums[column] as number) + (points.count[row] as number)
    }
    const bars = []
    let highest = 0
    let total = 0
    for (let column = 0; column < columns; column += 1) {
      const count = sums[column] as number
      if (count === 0) continue
      bars.push({ x: column * columnWidth, count })
      highest = Math.max(highest, count)
      total += count
    }
    return { bars, highest, total }
  }

  /**
   * The corners of a step line in view, at most three for each column of pixels: its first, highest and last value
   * there.
   */
  function stepCorners(
    line: { readonly at: readonly number[]; readonly value: readonly number[] },
    view: View,
  ): { readonly x: number; readonly value: number }[] {
    const corners: { x: number; value: number }[] = []
    const isShown = (row: number): boolean => row < line.at.length && (line.at[row] as number) <= view.to
    let row = 0
    while (row < line.at.length && (line.at[row] as number) <= view.from) row += 1
    if (row > 0) corners.push({ x: 0, value: line.value[row - 1] as number })
    while (isShown(row)) {
      const x = xOf(line.at[row] as number, view)
      const first = line.value[row] as number
      let highest = first
      let last = first
      for (; isShown(row) && Math.floor(xOf(line.at[row] as number, view)) === Math.floor(x); row += 1) {
        last = line.value[row] as number
        highest = Math.max(highest, last)
      }
      corners.push({ x, value: first })
      if (highest > first) corners.push({ x, value: highest })
      if (last < highest) corners.push({ x, value: last })
    }
    return corners
  }

  return {
    xOf,
    ticksAt,
    timeText,
    lengthText,
    axisMarks,
    within,
    zoomed,
    panned,
    shown,
    bundles,
    densities,
    stepCorners,
  }
}
