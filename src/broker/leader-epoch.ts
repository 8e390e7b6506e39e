/** Whether the leader epoch a client holds is ours (KIP-320). */
import type { ErrorCode } from '../protocol/error-codes.ts'

/** @param expected  what the client believes; negative when it does not care */
export function checkLeaderEpoch(expected: number, current: number): ErrorCode {
  if (expected < 0 || expected === current) return 'NONE'
  return expected < current ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
}
