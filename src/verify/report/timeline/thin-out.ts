/** Fewer points than there were, where more would make the page too large; what they add up to stays the same. */
import type { TimeScale } from './page/time-scale.ts'
import type { Points, Steps } from './timeline.ts'

/** @param pointsMax  more than these are added up, as many as fall into one of so many equal parts of the run */
export function thinPoints({ at, count }: Points, spanTicks: number, pointsMax: number): Points {
  if (at.length <= pointsMax) return { at, count }
  const length = spanTicks / pointsMax
  const sums = new Map<number, number>()
  at.forEach((time, row) => {
    const part = Math.min(pointsMax - 1, Math.floor(time / length))
    sums.set(part, (sums.get(part) ?? 0) + (count[row] as number))
  })
  const parts = [...sums.keys()].sort((one, other) => one - other)
  return {
    at: parts.map((part) => Math.round((part + 0.5) * length)),
    count: parts.map((part) => sums.get(part) as number),
  }
}

/** @param stepsMax  of more than these, the first, highest and last of each part of the run are kept */
export function thinSteps(line: Steps, scale: TimeScale, spanTicks: number, stepsMax: number): Steps {
  if (line.at.length <= stepsMax) return line
  const view = { from: 0, to: spanTicks, width: Math.max(1, Math.floor(stepsMax / 3)) }
  const corners = scale.stepCorners(line, view)
  return {
    at: corners.map(({ x }) => Math.round(scale.ticksAt(x, view))),
    value: corners.map(({ value }) => value),
  }
}
