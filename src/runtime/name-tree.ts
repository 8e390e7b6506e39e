/**
 * A tree of names in memory, with Linux's rules for what may be asked of it: what the file systems that are not Node's share.
 *
 * Knows nothing of what a file holds, nor of what a crash keeps. Paths are POSIX; relative ones start at `/`.
 */
import { posix } from 'node:path'
import { fileError } from './file-error.ts'

/** Names to files and directories; whatever is no map is a file. */
export type NameTree<Leaf extends object> = Map<string, NameTree<Leaf> | Leaf>
type Entry<Leaf extends object> = NameTree<Leaf> | Leaf

export interface NamedPlace<Leaf extends object> {
  readonly directory: NameTree<Leaf>
  readonly name: string
}

export function isDirectory<Leaf extends object>(entry: Entry<Leaf>): entry is NameTree<Leaf> {
  return entry instanceof Map
}

function namesOf(path: string): string[] {
  return posix
    .resolve('/', path)
    .split('/')
    .filter((name) => name !== '')
}

export function entryAt<Leaf extends object>(root: NameTree<Leaf>, path: string): Entry<Leaf> | undefined {
  let entry: Entry<Leaf> | undefined = root
  for (const name of namesOf(path)) {
    if (entry === undefined || !isDirectory(entry)) return undefined
    entry = entry.get(name)
  }
  return entry
}

/** @throws ENOENT, ENOTDIR, EISDIR */
export function fileAt<Leaf extends object>(root: NameTree<Leaf>, path: string, operation: string): Leaf {
  const entry = entryAt(root, path)
  if (entry === undefined) throw fileError(missing(root, path), operation, path)
  if (isDirectory(entry)) throw fileError('EISDIR', operation, path)
  return entry
}

/** @throws ENOENT, ENOTDIR */
export function directoryAt<Leaf extends object>(
  root: NameTree<Leaf>,
  path: string,
  operation: string,
): NameTree<Leaf> {
  const entry = entryAt(root, path)
  if (entry === undefined) throw fileError(missing(root, path), operation, path)
  if (!isDirectory(entry)) throw fileError('ENOTDIR', operation, path)
  return entry
}

/** The directory that holds, or would hold, the last name of the path. @throws ENOENT, ENOTDIR, EISDIR */
export function placeAt<Leaf extends object>(root: NameTree<Leaf>, path: string, operation: string): NamedPlace<Leaf> {
  const names = namesOf(path)
  const name = names.pop()
  if (name === undefined) throw fileError('EISDIR', operation, path)
  return { directory: directoryAt(root, names.join('/'), operation), name }
}

/**
 * The directories that `makeDirectory` has to make, outermost first, each with the place it goes to.
 * @throws EEXIST when a file has the name, ENOTDIR when one is on the way
 */
export function missingDirectories<Leaf extends object>(root: NameTree<Leaf>, path: string): string[] {
  const names = namesOf(path)
  const made: string[] = []
  for (let count = 1; count <= names.length; count += 1) {
    const prefix = names.slice(0, count).join('/')
    const present = entryAt(root, prefix)
    if (present === undefined) made.push(prefix)
    else if (!isDirectory(present)) throw fileError(count === names.length ? 'EEXIST' : 'ENOTDIR', 'mkdir', path)
  }
  return made
}

/** What a rename moves, and where to. @throws ENOENT, ENOTDIR, EISDIR, EINVAL, ENOTEMPTY */
export function renaming<Leaf extends object>(root: NameTree<Leaf>, from: string, to: string) {
  const source = placeAt(root, from, 'rename')
  const target = placeAt(root, to, 'rename')
  const entry = source.directory.get(source.name)
  if (entry === undefined) throw fileError('ENOENT', 'rename', from)
  if (isInside(to, from)) throw fileError('EINVAL', 'rename', to)
  if (isInside(from, to)) throw fileError('ENOTEMPTY', 'rename', to)
  const replaced = target.directory.get(target.name)
  if (replaced !== undefined && replaced !== entry) {
    if (isDirectory(replaced)) {
      if (!isDirectory(entry)) throw fileError('EISDIR', 'rename', to)
      if (replaced.size > 0) throw fileError('ENOTEMPTY', 'rename', to)
    } else if (isDirectory(entry)) throw fileError('ENOTDIR', 'rename', to)
  }
  return { source, target, entry, replaced }
}

function isInside(path: string, directory: string): boolean {
  const [inner, outer] = [namesOf(path), namesOf(directory)]
  return inner.length > outer.length && outer.every((name, at) => inner[at] === name)
}

/** What a removal is about; `undefined` when there is nothing to remove. @throws ENOTDIR when a file is on the way */
export function removable<Leaf extends object>(
  root: NameTree<Leaf>,
  path: string,
  operation: string,
): (NamedPlace<Leaf> & { readonly entry: Entry<Leaf> }) | undefined {
  const entry = entryAt(root, path)
  if (entry !== undefined) return { ...placeAt(root, path, operation), entry }
  const code = missing(root, path)
  if (code !== 'ENOENT') throw fileError(code, operation, path)
  return undefined
}

/** Why nothing has the path. */
function missing<Leaf extends object>(root: NameTree<Leaf>, path: string): 'ENOENT' | 'ENOTDIR' {
  let entry: Entry<Leaf> | undefined = root
  for (const name of namesOf(path)) {
    if (entry === undefined) return 'ENOENT'
    if (!isDirectory(entry)) return 'ENOTDIR'
    entry = entry.get(name)
  }
  return 'ENOENT'
}
