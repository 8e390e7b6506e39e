/**
 * The names of a simulated disk: a tree of directories as everybody sees it, what of it is durable, and the changes in between.
 *
 * A change is durable once each directory it touches was synced after it; a crash keeps it or loses it as a whole, so that a
 * rename is done or not done. Knows nothing of what files hold.
 */
import type { NameTree } from '../runtime/name-tree.ts'
import { SimFile } from './sim-file.ts'
import type { SimRandom } from './sim-random.ts'

export type Directory = NameTree<SimFile>
type Entry = Directory | SimFile

interface NameEdit {
  readonly directory: Directory
  readonly name: string
  /** `undefined`: the name goes. */
  readonly entry: Entry | undefined
}

/** Unsynced names after a crash: none kept, all kept, the first few, or any of them. */
export type NameFate = 'lost' | 'kept' | 'prefix' | 'mixed'

export class SimTree {
  readonly root: Directory
  /** What each directory durably holds; the directories themselves are the current state. */
  #durable = new Map<Directory, Directory>()
  /** Each is done as a whole or not at all. Oldest first. */
  #changes: (readonly NameEdit[])[] = []

  constructor(root: Directory = new Map()) {
    this.root = root
    this.#rememberDurable(root)
  }

  set(directory: Directory, name: string, entry: Entry): void {
    if (!(entry instanceof SimFile)) this.#durable.set(entry, new Map())
    this.#change([{ directory, name, entry }])
  }

  remove(directory: Directory, name: string): void {
    this.#change([{ directory, name, entry: undefined }])
  }

  move(from: { directory: Directory; name: string }, to: { directory: Directory; name: string }, entry: Entry): void {
    this.#change([
      { ...from, entry: undefined },
      { ...to, entry },
    ])
  }

  /** What a sync of the directory that begins now answers for; to be called when it succeeds. */
  beginSync(): (directory: Directory) => void {
    const begun = new Set(this.#changes)
    return (directory) => {
      const isSynced = (change: readonly NameEdit[]): boolean =>
        begun.has(change) && change.some((edit) => edit.directory === directory)
      for (const change of this.#changes) if (isSynced(change)) applyTo(this.#durable, change)
      this.#changes = this.#changes.filter((change) => !isSynced(change))
    }
  }

  /** All files that have a name now, with their paths. */
  *files(directory: Directory = this.root, path = ''): Generator<{ readonly path: string; readonly file: SimFile }> {
    for (const [name, entry] of directory) {
      if (entry instanceof SimFile) yield { path: `${path}/${name}`, file: entry }
      else yield* this.files(entry, `${path}/${name}`)
    }
  }

  /** The same state, unsynced changes included, over copies of the files. */
  copy(copyOf: (file: SimFile) => SimFile): SimTree {
    const files = new Map<SimFile, SimFile>()
    const directories = new Map<Directory, Directory>()
    const fileOf = (file: SimFile): SimFile => {
      let copied = files.get(file)
      if (copied === undefined) files.set(file, (copied = copyOf(file)))
      return copied
    }
    const directoryOf = (directory: Directory): Directory => {
      let copied = directories.get(directory)
      if (copied === undefined) {
        directories.set(directory, (copied = new Map()))
        for (const [name, entry] of directory) copied.set(name, entryOf(entry))
      }
      return copied
    }
    const entryOf = (entry: Entry): Entry => (entry instanceof SimFile ? fileOf(entry) : directoryOf(entry))
    const tree = new SimTree(directoryOf(this.root))
    tree.#durable = new Map(
      Array.from(this.#durable, ([directory, entries]) => [
        directoryOf(directory),
        new Map(Array.from(entries, ([name, entry]) => [name, entryOf(entry)])),
      ]),
    )
    tree.#changes = this.#changes.map((change) =>
      change.map(({ directory, name, entry }) => ({
        directory: directoryOf(directory),
        name,
        entry: entry === undefined ? undefined : entryOf(entry),
      })),
    )
    return tree
  }

  /** The tree a crash leaves, all of it durable; this one stays as it is. */
  afterCrash(random: SimRandom, names: NameFate, foundOf: (file: SimFile) => SimFile): SimTree {
    const survivors = new Map<Directory, Directory>()
    for (const [directory, entries] of this.#durable) survivors.set(directory, new Map(entries))
    const kept = names === 'prefix' ? random.below(this.#changes.length + 1) : 0
    for (const [at, change] of this.#changes.entries()) {
      if (names === 'kept' || (names === 'prefix' && at < kept) || (names === 'mixed' && random.chance(0.5)))
        applyTo(survivors, change)
    }
    const files = new Map<SimFile, SimFile>()
    const rebuild = (directory: Directory): Directory => {
      const copy: Directory = new Map()
      for (const [name, entry] of survivors.get(directory) ?? []) {
        if (!(entry instanceof SimFile)) {
          copy.set(name, rebuild(entry))
          continue
        }
        let found = files.get(entry)
        if (found === undefined) files.set(entry, (found = foundOf(entry)))
        copy.set(name, found)
      }
      return copy
    }
    return new SimTree(rebuild(this.root))
  }

  #change(edits: readonly NameEdit[]): void {
    for (const { directory, name, entry } of edits) {
      if (entry === undefined) directory.delete(name)
      else directory.set(name, entry)
    }
    this.#changes.push(edits)
  }

  #rememberDurable(directory: Directory): void {
    this.#durable.set(directory, new Map(directory))
    for (const entry of directory.values()) if (!(entry instanceof SimFile)) this.#rememberDurable(entry)
  }
}

function applyTo(view: ReadonlyMap<Directory, Directory>, change: readonly NameEdit[]): void {
  for (const { directory, name, entry } of change) {
    if (entry === undefined) view.get(directory)?.delete(name)
    else view.get(directory)?.set(name, entry)
  }
}
