/** The data directory as a whole: taking it, and making the path to a new one durable. */
import type { FileLock, FileSystem } from '../base/runtime.ts'
import { StorageFailure } from './errors.ts'
import { LOCK_FILE } from './log-files.ts'

/** One store per directory. Rejects with StorageFailure, whose message names the holder. */
export async function takeLock(fileSystem: FileSystem, directory: string): Promise<FileLock> {
  try {
    return await fileSystem.lock(`${directory}/${LOCK_FILE}`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new StorageFailure(`cannot take the data directory ${directory}: ${reason}`, error)
  }
}

/**
 * Makes the path to a new data directory durable. How much of it is new is not known (an earlier start may have been killed
 * half way), so all of it is flushed; directories above that are not ours to open have been there before.
 */
export async function syncAncestors(fileSystem: FileSystem, directory: string): Promise<void> {
  for (let path = directory; path !== '/' && path !== '.'; ) {
    path = parentDirectory(path)
    try {
      await fileSystem.syncDirectory(path)
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error
    }
  }
}

function parentDirectory(path: string): string {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/')
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash)
}
