/**
 * The `.index` file of a segment: from offsets to positions, one entry for every `indexIntervalBytes` of batches.
 *
 *     entry, 8 bytes:  relativeOffset i32 | position i32
 *
 * `relativeOffset` is the last offset of a batch minus the segment's base offset, `position` where that batch begins.
 * Entries ascend strictly in both. No checksum, as in Kafka: the index is derived, `offsetIndexProblem` decides whether it
 * can be trusted, and who finds that it cannot builds it anew from the segment. Source: OffsetIndex.
 */
import { readInt32, writeInt32 } from '../base/bytes.ts'

export const OFFSET_INDEX_ENTRY_BYTES = 8

export interface OffsetPosition {
  readonly offset: number
  readonly position: number
}

export function writeOffsetIndexEntry(
  target: Uint8Array,
  at: number,
  baseOffset: number,
  { offset, position }: OffsetPosition,
): void {
  writeInt32(target, at, offset - baseOffset)
  writeInt32(target, at + 4, position)
}

/** The last entry at or below `offset`; `undefined` when all are above: the search begins at position 0 then. */
export function lookUpOffset(entries: Uint8Array, baseOffset: number, offset: number): OffsetPosition | undefined {
  let low = 0
  let high = Math.floor(entries.length / OFFSET_INDEX_ENTRY_BYTES)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (baseOffset + readInt32(entries, middle * OFFSET_INDEX_ENTRY_BYTES) <= offset) low = middle + 1
    else high = middle
  }
  return low === 0 ? undefined : offsetIndexEntry(entries, baseOffset, low - 1)
}

export function offsetIndexEntry(entries: Uint8Array, baseOffset: number, slot: number): OffsetPosition {
  const at = slot * OFFSET_INDEX_ENTRY_BYTES
  return { offset: baseOffset + readInt32(entries, at), position: readInt32(entries, at + 4) }
}

/** Why the entries cannot belong to a segment of `segmentBytes`; `undefined` when they can. */
export function offsetIndexProblem(entries: Uint8Array, segmentBytes: number): string | undefined {
  if (entries.length % OFFSET_INDEX_ENTRY_BYTES !== 0) return `${entries.length} bytes are not whole entries`
  let lastOffset = -1
  let lastPosition = -1
  for (let at = 0; at < entries.length; at += OFFSET_INDEX_ENTRY_BYTES) {
    const offset = readInt32(entries, at)
    const position = readInt32(entries, at + 4)
    if (offset <= lastOffset || position <= lastPosition) return `entry at byte ${at} does not ascend`
    lastOffset = offset
    lastPosition = position
  }
  return lastPosition < segmentBytes ? undefined : `position ${lastPosition} is beyond ${segmentBytes} bytes`
}
