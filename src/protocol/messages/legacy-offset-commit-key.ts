import { int32, storedRecord, string } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * Key of a committed offset as the oldest brokers wrote it: record type 0 in `__consumer_offsets`. Read, never
 * written. Why `versions` is the record type: offset-commit-key.ts.
 */
export const legacyOffsetCommitKey = storedRecord({
  name: 'LegacyOffsetCommitKey',
  versions: '0',
  flexible: 'none',
  fields: {
    group: string(),
    topic: string(),
    partition: int32(),
  },
})

export type LegacyOffsetCommitKey = RecordOf<typeof legacyOffsetCommitKey>
export type LegacyOffsetCommitKeyDraft = RecordDraftOf<typeof legacyOffsetCommitKey>
