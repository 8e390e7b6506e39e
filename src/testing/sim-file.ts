/**
 * One file of a simulated disk: what is durable, and the operations on top of it that no flush has made so yet.
 *
 *   durable bytes ── op ── op ── op   = current bytes, what a reader sees
 *                     └ each 'started' (a flush covers only what was complete when it began), 'pending', 'synced' (kept
 *                       whatever happens) or 'doubtful' (a flush of it failed: the system has forgotten that it ever was
 *                       to be written, so no later flush saves it)
 */

import { PagedBytes } from '../runtime/paged-bytes.ts'
import type { SimRandom } from './sim-random.ts'

export const SECTOR_BYTES = 512

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

interface Operation {
  readonly change: Change
  state: 'started' | 'pending' | 'synced' | 'doubtful'
}

/**
 * What becomes of one operation that was not flushed. `zeroed`: the file has the size it was given and none of the bytes, as
 * file systems leave it that write a size before the data.
 */
export type WriteFate = 'kept' | 'lost' | 'torn' | 'garbled' | 'zeroed'

export class SimFile {
  #durable: PagedBytes
  #current: PagedBytes
  #operations: Operation[] = []
  /** A copy of this state, as long as it is this state. */
  #copy: SimFile | undefined

  constructor(content = new PagedBytes()) {
    this.#durable = content
    this.#current = content.clone()
  }

  /** This state for good: what happens to either of the two afterwards does not touch the other. */
  clone(): SimFile {
    const copy = new SimFile(this.#durable.clone())
    copy.#current = this.#current.clone()
    copy.#operations = this.#operations.map((operation) => ({ ...operation }))
    return copy
  }

  /** The same, to be read only: asked again before anything has changed, it is the same object. */
  frozen(): SimFile {
    this.#copy ??= this.clone()
    return this.#copy
  }

  get sizeBytes(): number {
    return this.#current.length
  }

  /** Up to where a crash leaves everything as it is. */
  get durableBytes(): number {
    return this.#durable.length
  }

  read(target: Uint8Array, position: number): number {
    return this.#current.read(target, position)
  }

  /** @returns to be called when the write completes: of writes under way together, the last to complete is on top */
  write(bytes: Uint8Array, position: number): () => void {
    const operation = this.#do({ kind: 'write', position, bytes: bytes.slice() }, 'started')
    return () => {
      operation.state = 'pending'
      this.#copy = undefined
      if (this.#operations.at(-1) === operation) return
      this.#operations = [...this.#operations.filter((other) => other !== operation), operation]
      apply(this.#current, operation.change)
    }
  }

  truncate(sizeBytes: number): void {
    this.#do({ kind: 'truncate', sizeBytes }, 'pending')
  }

  /** The operations a flush begun now answers for. */
  beginSync(): readonly Operation[] {
    return this.#operations.filter(({ state }) => state === 'pending')
  }

  finishSync(operations: readonly Operation[], succeeded: boolean): void {
    this.#copy = undefined
    for (const operation of operations) {
      if (operation.state === 'pending') operation.state = succeeded ? 'synced' : 'doubtful'
    }
    let settled = 0
    while (this.#operations[settled]?.state === 'synced') {
      apply(this.#durable, (this.#operations[settled] as Operation).change)
      settled += 1
    }
    this.#operations = this.#operations.slice(settled)
  }

  /** Changes durable bytes in place, as a failing medium does. */
  rot(position: number, bytes: Uint8Array): void {
    this.#copy = undefined
    this.#durable.write(bytes, position)
    this.#current.write(bytes, position)
  }

  /** The file as found after a crash; this one stays as it is. */
  afterCrash(random: SimRandom, fate: (random: SimRandom) => WriteFate): SimFile {
    const content = this.#durable.clone()
    for (const { change, state } of this.#operations) {
      const becomes = state === 'synced' ? 'kept' : fate(random)
      if (becomes === 'kept') apply(content, change)
      else if (becomes !== 'lost') damage(content, change, becomes, random)
    }
    return new SimFile(content)
  }

  toBytes(): Uint8Array {
    return this.#current.toBytes()
  }

  #do(change: Change, state: 'started' | 'pending'): Operation {
    this.#copy = undefined
    const operation: Operation = { change, state }
    this.#operations.push(operation)
    apply(this.#current, change)
    return operation
  }
}

function apply(content: PagedBytes, change: Change): void {
  if (change.kind === 'write') content.write(change.bytes, change.position)
  else content.truncate(change.sizeBytes)
}

/** Sector by sector: the new bytes, the old ones or (garbled) bytes nobody wrote. Nothing outside the write is touched. */
function damage(content: PagedBytes, change: Change, fate: 'torn' | 'garbled' | 'zeroed', random: SimRandom): void {
  if (change.kind === 'truncate') {
    if (random.chance(0.5)) apply(content, change)
    return
  }
  const end = change.position + change.bytes.length
  if (fate === 'zeroed') {
    if (content.length < end) content.truncate(end)
    return
  }
  // A tear is mostly one cut, and sometimes any subset.
  const keepsPrefix = random.chance(0.5)
  const cutAt = change.position + random.below(change.bytes.length + 1)
  for (let from = change.position; from < end; ) {
    const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES)
    const isKept = keepsPrefix ? to <= cutAt : random.chance(0.5)
    if (isKept) content.write(change.bytes.subarray(from - change.position, to - change.position), from)
    else if (fate === 'garbled' && random.chance(0.3)) {
      const garbage = new Uint8Array(to - from)
      random.fill(garbage)
      content.write(garbage, from)
    }
    from = to
  }
}
