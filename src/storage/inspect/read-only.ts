/**
 * A file system through which nothing can be changed: what looks at a data directory uses this one, so that a broker may
 * run on the directory at the same time, and damage is left as it was found. Files open for reading, whatever is asked.
 */
import type { File, FileSystem } from '../../base/runtime.ts'

export function readOnly(fileSystem: FileSystem): FileSystem {
  const refuse = (): Promise<never> => Promise.reject(new Error('inspection changes nothing on disk'))
  return {
    list: (path) => fileSystem.list(path),
    stat: (path) => fileSystem.stat(path),
    open: (path) => fileSystem.open(path, 'read'),
    freeBytes: (path) => fileSystem.freeBytes(path),
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    removeDirectory: refuse,
    syncDirectory: refuse,
    lock: refuse,
  }
}

/** @throws code 'ENOENT' */
async function withFile<T>(fileSystem: FileSystem, path: string, action: (file: File) => Promise<T>): Promise<T> {
  const file = await fileSystem.open(path, 'read')
  try {
    return await action(file)
  } finally {
    await file.close()
  }
}

/** The first `bytesMax` bytes of a file, all of it when it is smaller. */
export function readPrefix(fileSystem: FileSystem, path: string, bytesMax: number): Promise<Uint8Array> {
  return withFile(fileSystem, path, async (file) => {
    const bytes = Buffer.alloc(Math.min(await file.sizeBytes(), bytesMax))
    return bytes.subarray(0, await file.read(bytes, 0))
  })
}
