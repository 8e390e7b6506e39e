/** Helpers of the journal's tests: bodies that can be told apart, reopening, and what was acknowledged. */

import type { FileSystem } from '../base/runtime.ts'
import { silentLogger } from '../runtime/logger.ts'
import { Journal, type JournalOptions } from '../storage/journal.ts'
import { SimClock } from './sim-clock.ts'
import { SimRandom } from './sim-random.ts'

export const DIRECTORY = '/data/journal'

/** A body that names its frame and fills the rest with bytes that depend on it. */
export function bodyOf(name: number, byteCount: number): Buffer {
  const body = Buffer.alloc(Math.max(8, byteCount), name & 0xff)
  body.writeUInt32BE(name, 0)
  body.writeUInt32BE(body.length, 4)
  return body
}

export interface OpenedJournal {
  readonly journal: Journal
  readonly replayed: { lsn: number; body: Buffer }[]
  readonly failures: Error[]
}

export async function openJournal(
  fileSystem: FileSystem,
  options: Partial<Omit<JournalOptions, 'runtime' | 'onFrame'>> & { clock?: SimClock } = {},
): Promise<OpenedJournal> {
  const replayed: { lsn: number; body: Buffer }[] = []
  const failures: Error[] = []
  const { clock = new SimClock(), ...rest } = options
  const runtime = { fileSystem, clock, random: new SimRandom(99), logger: silentLogger }
  const journal = await Journal.open({
    directory: DIRECTORY,
    durability: 'fsync',
    fileSizeBytes: 4096,
    afterLsn: 0,
    ...rest,
    runtime,
    onFrame: ({ lsn, body }) => void replayed.push({ lsn, body: Buffer.from(body) }),
  })
  journal.onFailure = (error) => void failures.push(error)
  return { journal, replayed, failures }
}

/** Settles when `lsn` is durable. */
export function durable(journal: Journal, lsn: number): Promise<void> {
  return new Promise((resolve) => {
    if (journal.durableLsn >= lsn) {
      resolve()
      return
    }
    const before = journal.onDurable
    journal.onDurable = (upTo) => {
      before(upTo)
      if (upTo >= lsn) {
        journal.onDurable = before
        resolve()
      }
    }
  })
}

export async function appendDurably(journal: Journal, ...bodies: Buffer[]): Promise<number[]> {
  const lsns = bodies.map((body) => journal.append([body]))
  await durable(journal, lsns.at(-1) as number)
  return lsns
}
