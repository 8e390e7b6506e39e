/**
 * The two files that hold checkpoints in turn: `checkpoint-a` and `checkpoint-b` (letters, because a
 * topic may be called "checkpoint").
 *
 * A checkpoint is written over the older of the two and flushed, so the newest valid one is never touched: a write that is
 * torn leaves the one before. The first, empty one is durable before there is a journal, so a data directory without a
 * valid checkpoint is either new or damaged.
 *
 * A checkpoint that is read may be in the system's cache alone: its writer was killed before it was flushed, or the flush
 * failed. `settle` makes a copy of it durable in the place of the older one, before anything is done that the older one
 * could not make up for.
 */
import { assert } from '../base/assert.ts'
import type { File, FileSystem } from '../base/runtime.ts'
import { CHECKPOINT_VERSION, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { UnsupportedFormatError } from './errors.ts'

export const CHECKPOINT_FILES = ['checkpoint-a', 'checkpoint-b'] as const
/** A copy on its way into the place of the older checkpoint. One left by a crash is written over. */
const UNFINISHED_FILE = 'checkpoint-new'

export class CheckpointSlots {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  #newest: { readonly slot: number; readonly checkpoint: Checkpoint } | undefined
  /** Why each slot that cannot be used cannot be. */
  readonly damage: readonly string[]

  private constructor(
    fileSystem: FileSystem,
    directory: string,
    newest: { slot: number; checkpoint: Checkpoint } | undefined,
    damage: readonly string[],
  ) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#newest = newest
    this.damage = damage
  }

  /** Reads both slots. Rejects with UnsupportedFormatError when one is of a newer format. */
  static async open(fileSystem: FileSystem, directory: string): Promise<CheckpointSlots> {
    let newest: { slot: number; checkpoint: Checkpoint } | undefined
    const damage: string[] = []
    for (const slot of [0, 1]) {
      const path = slotPath(directory, slot)
      if ((await fileSystem.stat(path)) === undefined) {
        damage.push(`${path} is missing`)
        continue
      }
      const decoded = decodeCheckpoint(await readFile(await fileSystem.open(path, 'read')))
      switch (decoded.kind) {
        case 'newer':
          throw new UnsupportedFormatError(path, decoded.version, CHECKPOINT_VERSION)
        case 'damaged':
          damage.push(`${path}: ${decoded.reason}`)
          break
        case 'valid':
          if (newest === undefined || decoded.checkpoint.generation > newest.checkpoint.generation) {
            newest = { slot, checkpoint: decoded.checkpoint }
          }
      }
    }
    return new CheckpointSlots(fileSystem, directory, newest, damage)
  }

  get newest(): Checkpoint | undefined {
    return this.#newest?.checkpoint
  }

  /** Durable when it resolves. After a rejection the slot's contents are unknown; the one before still counts. */
  async write(checkpoint: Omit<Checkpoint, 'generation'>): Promise<void> {
    const { slot, complete } = this.#next(checkpoint)
    const path = slotPath(this.#directory, slot)
    const isNew = (await this.#fileSystem.stat(path)) === undefined
    await this.#writeFile(path, complete)
    if (isNew) await this.#fileSystem.syncDirectory(this.#directory)
    this.#newest = { slot, checkpoint: { ...complete, logs: [] } }
  }

  /**
   * Makes the newest checkpoint, as it was read, durable: the flush of it may never have happened. Its own slot is not
   * touched, since it may be the only one the disk has; the other is replaced as a whole, for the same reason.
   */
  async settle(): Promise<void> {
    assert(this.#newest !== undefined, 'a checkpoint to settle')
    const { slot, complete } = this.#next(this.#newest.checkpoint)
    const path = `${this.#directory}/${UNFINISHED_FILE}`
    await this.#writeFile(path, complete)
    await this.#fileSystem.rename(path, slotPath(this.#directory, slot))
    await this.#fileSystem.syncDirectory(this.#directory)
    this.#newest = { slot, checkpoint: complete }
  }

  /** The next generation, and the slot it goes to: not the one of the newest. */
  #next(checkpoint: Omit<Checkpoint, 'generation'>): { slot: number; complete: Checkpoint } {
    assert(checkpoint.lsn >= (this.#newest?.checkpoint.lsn ?? 0), `checkpoint at LSN ${checkpoint.lsn} goes back`)
    const generation = (this.#newest?.checkpoint.generation ?? 0) + 1
    return { slot: this.#newest === undefined ? 0 : 1 - this.#newest.slot, complete: { ...checkpoint, generation } }
  }

  async #writeFile(path: string, checkpoint: Checkpoint): Promise<void> {
    const file = await this.#fileSystem.open(path, 'create')
    try {
      await file.write([encodeCheckpoint(checkpoint)], 0)
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

function slotPath(directory: string, slot: number): string {
  return `${directory}/${CHECKPOINT_FILES[slot]}`
}

async function readFile(file: File): Promise<Uint8Array> {
  try {
    const bytes = new Uint8Array(await file.sizeBytes())
    return bytes.subarray(0, await file.read(bytes, 0))
  } finally {
    await file.close()
  }
}
