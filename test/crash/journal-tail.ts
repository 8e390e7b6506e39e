/** The end of the journal of a stopped broker, for tests that tear it. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeFileHeader, decodeFrameHeader, FILE_HEADER_BYTES } from '../../src/storage/journal-frame.ts'
import { FRAME_HEADER_BYTES, frameCrcMatches } from '../../src/storage/journal-frame.ts'

export interface JournalFrameAt {
  readonly path: string
  readonly from: number
  readonly to: number
  readonly body: Buffer
}

/** The frames of the newest file that has any, in order. */
export async function newestFrames(dataDir: string): Promise<JournalFrameAt[]> {
  const directory = join(dataDir, 'journal')
  for (const name of (await readdir(directory)).sort().toReversed()) {
    const frames = name.endsWith('.journal') ? await framesOf(join(directory, name)) : []
    if (frames.length > 0) return frames
  }
  return []
}

async function framesOf(path: string): Promise<JournalFrameAt[]> {
  const file = await open(path)
  try {
    const bytes = await file.readFile()
    const decoded = decodeFileHeader(bytes)
    const frames: JournalFrameAt[] = []
    if (decoded.kind !== 'valid') return frames
    for (let from = FILE_HEADER_BYTES; from + FRAME_HEADER_BYTES <= bytes.length; ) {
      const header = decodeFrameHeader(bytes, from, decoded.header.frameMark)
      if (header === undefined || !frameCrcMatches(bytes, from, header)) break
      const to = from + FRAME_HEADER_BYTES + header.bodyBytes
      frames.push({ path, from, to, body: bytes.subarray(from + FRAME_HEADER_BYTES, to) })
      from = to
    }
    return frames
  } finally {
    await file.close()
  }
}

export async function overwrite(path: string, position: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.write(bytes, 0, bytes.length, position)
  } finally {
    await file.close()
  }
}
