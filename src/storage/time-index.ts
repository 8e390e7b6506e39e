/**
 * The `.timeindex` file of a segment: from timestamps to offsets.
 *
 *     entry, 12 bytes:  timestamp i64 | relativeOffset i32
 *
 * "Up to here the largest timestamp is `timestamp`, first reached by the batch whose last offset is this one." Written
 * together with an offset index entry, and once more when the segment is rolled, if the largest timestamp grew since the
 * entry before. Timestamps ascend strictly, so do offsets. Derived, like the offset index. Source: TimeIndex.
 */
import { readInt32, readInt64, writeInt32, writeInt64 } from '../base/bytes.ts'

export const TIME_INDEX_ENTRY_BYTES = 12

export interface TimestampOffset {
  readonly timestamp: number
  readonly offset: number
}

export function writeTimeIndexEntry(
  target: Uint8Array,
  at: number,
  baseOffset: number,
  { timestamp, offset }: TimestampOffset,
): void {
  writeInt64(target, at, timestamp)
  writeInt32(target, at + 8, offset - baseOffset)
}

export function timeIndexEntry(entries: Uint8Array, baseOffset: number, slot: number): TimestampOffset {
  const at = slot * TIME_INDEX_ENTRY_BYTES
  return { timestamp: readInt64(entries, at), offset: baseOffset + readInt32(entries, at + 8) }
}

/** The last entry for which `isBelow` holds; entries ascend, so it must hold for a prefix of them. */
function lastEntry(
  entries: Uint8Array,
  baseOffset: number,
  isBelow: (entry: TimestampOffset) => boolean,
): TimestampOffset | undefined {
  let low = 0
  let high = Math.floor(entries.length / TIME_INDEX_ENTRY_BYTES)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(timeIndexEntry(entries, baseOffset, middle))) low = middle + 1
    else high = middle
  }
  return low === 0 ? undefined : timeIndexEntry(entries, baseOffset, low - 1)
}

/** The last entry at or below `timestamp`: no record before the batch it names has that timestamp or a later one. */
export function lookUpTimestamp(
  entries: Uint8Array,
  baseOffset: number,
  timestamp: number,
): TimestampOffset | undefined {
  return lastEntry(entries, baseOffset, (entry) => entry.timestamp <= timestamp)
}

/** The last entry whose batch ends below `upperOffset`: the largest timestamp up to there. */
export function lookUpMaxTimestamp(
  entries: Uint8Array,
  baseOffset: number,
  upperOffset: number,
): TimestampOffset | undefined {
  return lastEntry(entries, baseOffset, (entry) => entry.offset < upperOffset)
}

/** Why the entries cannot belong to a segment that ends before `endOffset`; `undefined` when they can. */
export function timeIndexProblem(entries: Uint8Array, baseOffset: number, endOffset: number): string | undefined {
  if (entries.length % TIME_INDEX_ENTRY_BYTES !== 0) return `${entries.length} bytes are not whole entries`
  let last: TimestampOffset = { timestamp: -1, offset: baseOffset - 1 }
  for (let slot = 0; slot * TIME_INDEX_ENTRY_BYTES < entries.length; slot++) {
    // The high half alone tells garbage that int64 reading would refuse.
    const high = readInt32(entries, slot * TIME_INDEX_ENTRY_BYTES)
    if (high < 0 || high > 0x1f_ffff) return `timestamp of entry ${slot} is not one`
    const entry = timeIndexEntry(entries, baseOffset, slot)
    if (entry.timestamp <= last.timestamp || entry.offset <= last.offset) return `entry ${slot} does not ascend`
    last = entry
  }
  return last.offset < endOffset ? undefined : `offset ${last.offset} is not below ${endOffset}`
}
