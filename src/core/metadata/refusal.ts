/** A peer's mistake as a value: the error code, and a sentence for whoever reads it. */
import type { ErrorCode } from '../../protocol/error-codes.ts'

export interface Refusal {
  readonly error: ErrorCode
  readonly message: string
}

export function refuse(error: ErrorCode, message: string): Refusal {
  return { error, message }
}
