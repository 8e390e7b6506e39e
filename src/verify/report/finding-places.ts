/** Names of findings in the page, and when what they show happened. */
import type { FindingExample, SliceRow, Verdict } from '../check/verdict.ts'

/** Milliseconds of the history's clock. */
export interface Place {
  readonly at: number
  /** What its rows span. */
  readonly from: number
  readonly to: number
}

export interface PlacedExample {
  /** Its `id` in the page. */
  readonly id: string
  readonly example: FindingExample
  readonly code: string
  readonly isAllowed: boolean
  /** `undefined`: none of its rows has a time. */
  readonly place: Place | undefined
  /** Which mark of the timeline it is, counted in the order of time; `undefined` without a place. */
  mark: number | undefined
}

/** `id` in the page of the finding that is the `index`th of the verdict. */
export function findingId(index: number): string {
  return `finding-${index + 1}`
}

/** All examples, in the order of the verdict. */
export function placeExamples({ anomalies }: Verdict): PlacedExample[] {
  const all = anomalies.flatMap(({ code, isAllowed, examples }, index) =>
    examples.map((example, at): PlacedExample => {
      const id = `${findingId(index)}-${at + 1}`
      return { id, example, code, isAllowed, place: placeOf(example.slice), mark: undefined }
    }),
  )
  const timeOf = ({ place }: PlacedExample): number => place?.at ?? Infinity
  const inTime = all.filter(({ place }) => place !== undefined).sort((one, other) => timeOf(one) - timeOf(other))
  for (const [mark, example] of inTime.entries()) example.mark = mark
  return all
}

function placeOf(slice: readonly SliceRow[]): Place | undefined {
  const own = slice.filter(({ table }) => table !== 'fault')
  const times = timesOf(own)
  const [from, middle, to] = [times[0], times[times.length >> 1], times.at(-1)]
  if (from === undefined || middle === undefined || to === undefined) return undefined
  // Where its transaction ends is where most of it happens; readers may come by much later.
  const ends = timesOf(own.filter(({ table }) => table === 'transactionEnded' || table === 'transactionEnding'))
  return { at: ends.at(-1) ?? middle, from, to }
}

function timesOf(rows: readonly SliceRow[]): number[] {
  return rows.flatMap(({ row }) => (typeof row['at'] === 'number' ? [row['at']] : [])).sort((one, other) => one - other)
}
