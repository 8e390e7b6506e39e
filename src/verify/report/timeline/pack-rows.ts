/** Puts spans that overlap into rows of their own, so that none hides another. */

/**
 * @param from  in order
 * @param gap  how far apart spans of one row are at least
 * @param rowsMax  what needs more rows than these goes into the last one
 * @returns the row of each span
 */
export function packRows(from: readonly number[], to: readonly number[], gap: number, rowsMax: number): number[] {
  const ends: number[] = []
  return from.map((start, at) => {
    let row = ends.findIndex((end) => end + gap <= start)
    if (row < 0) row = Math.min(ends.length, rowsMax - 1)
    ends[row] = Math.max(ends[row] ?? -Infinity, to[at] as number)
    return row
  })
}
