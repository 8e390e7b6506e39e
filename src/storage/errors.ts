/** What storage tells its owner when the disk, or what is on it, is not what it must be. */

export interface CorruptionDetails {
  /** Path of the damaged or missing file. */
  readonly file: string
  /** Byte in the file at which the damage begins; 0 when the file as a whole is meant. */
  readonly position: number
  /** What the reader of the message should do now. */
  readonly advice: string
}

/** Bytes that had been flushed are damaged or gone. Nothing was changed on disk; opening again gives the same answer. */
export class CorruptionError extends Error {
  override name = 'CorruptionError'
  /** The message without place and advice. */
  readonly what: string
  readonly file: string
  readonly position: number
  readonly advice: string

  constructor(what: string, { file, position, advice }: CorruptionDetails) {
    super(`${what} (${file}, position ${position}). ${advice}`)
    this.what = what
    this.file = file
    this.position = position
    this.advice = advice
  }
}

/** Data written by a newer semel than this one. */
export class UnsupportedFormatError extends Error {
  override name = 'UnsupportedFormatError'
  readonly file: string

  constructor(file: string, found: number, supported: number) {
    super(
      `${file} has format version ${found}, this semel reads versions up to ${supported}: start a newer semel on it`,
    )
    this.file = file
  }
}

/** A write or a flush failed: what is on disk is unknown from here on, so storage stops for good. `cause` is the system's error. */
export class StorageFailure extends Error {
  override name = 'StorageFailure'
  /** The system's error code ('EIO', 'ENOSPC' …), if it gave one. */
  readonly code: string | undefined

  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.code = errorCode(cause)
  }
}

/** Thrown by the journal's `append` after a failure or after `close`. */
export class JournalFailed extends StorageFailure {
  override name = 'JournalFailed'
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
