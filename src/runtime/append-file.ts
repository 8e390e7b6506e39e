/**
 * A file that is only appended to, by calls that return when the bytes are with the operating system. For what must outlive the process
 * whatever happens to it next (a history, a last message); it outlives a power cut only once the system writes it back.
 */
import { closeSync, openSync, writevSync } from 'node:fs'
import { dropBytes } from './file-system.ts'

/** @throws Error with code 'EEXIST' when there is a file of that name: it would be somebody else's */
export function openAppendFile(path: string): { append(chunks: readonly Uint8Array[]): void; close(): void } {
  const descriptor = openSync(path, 'ax')
  return {
    append(chunks) {
      let rest = chunks
      while (rest.length > 0) {
        // A count that is short of the whole is no error: a full disk, a signal.
        const batch = rest.slice(0, CHUNKS_PER_WRITE_MAX)
        const count = writevSync(descriptor, batch)
        rest = dropBytes(rest, count)
      }
    },
    close: () => closeSync(descriptor),
  }
}

/** What Linux takes in one writev (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1024
