/**
 * What becomes of records that turn out to be damaged when they are read: whoever asks for them is told, with the place in
 * the log, and everybody else goes on. A start finds damage that a checkpoint or the journal can speak of; bytes that rot
 * in the middle of an old segment are met here, where storage checks every batch that it reads.
 */
import { DecodeError } from '../base/bytes.ts'
import type { Logger } from '../base/runtime.ts'
import { CorruptionError } from '../storage/errors.ts'
import type { Partition } from './partition.ts'

export function isDamage(error: unknown): error is Error {
  return error instanceof CorruptionError || error instanceof DecodeError
}

export function reportDamage(logger: Logger, partition: Partition, fromOffset: number, error: Error): void {
  logger.error('stored records are damaged; they are not handed out (semel log verify tells more)', {
    partition: partition.name,
    fromOffset,
    reason: error.message,
  })
}
