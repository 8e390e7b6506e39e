import { int64, storedRecord, string } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/** Value to LegacyOffsetCommitKey. */
export const legacyOffsetCommitValue = storedRecord({
  name: 'LegacyOffsetCommitValue',
  versions: '0',
  flexible: 'none',
  fields: {
    offset: int64(),
    metadata: string(),
    commitTimestamp: int64(),
  },
})

export type LegacyOffsetCommitValue = RecordOf<typeof legacyOffsetCommitValue>
export type LegacyOffsetCommitValueDraft = RecordDraftOf<typeof legacyOffsetCommitValue>
