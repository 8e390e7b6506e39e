/** Errors of the file systems that are not Node's, shaped like Node's: a `code` to branch on and a message that names the path. */

const MEANING: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  EISDIR: 'illegal operation on a directory',
  ENOTDIR: 'not a directory',
  EINVAL: 'invalid argument',
  ENOTEMPTY: 'directory not empty',
  EBADF: 'bad file descriptor',
  EIO: 'i/o error',
  ENOSPC: 'no space left on device',
  ELOCKED: 'already locked',
}

export type FileErrorCode =
  | 'ENOENT'
  | 'EEXIST'
  | 'EISDIR'
  | 'ENOTDIR'
  | 'EINVAL'
  | 'ENOTEMPTY'
  | 'EBADF'
  | 'EIO'
  | 'ENOSPC'
  | 'ELOCKED'

export function fileError(code: FileErrorCode, operation: string, path: string, detail?: string): Error {
  const error = new Error(`${code}: ${detail ?? MEANING[code]}, ${operation} '${path}'`)
  return Object.assign(error, { code, syscall: operation, path })
}
