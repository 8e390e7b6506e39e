import { int32, storedRecord, string } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * Key of a committed offset in `__consumer_offsets`.
 *
 * The int16 in front of a coordinator's key is the type of the record, here 1, not the version of its layout;
 * `versions` of such a key is that type, so that `encodeRecord(offsetCommitKey, 1, …)` writes Kafka's bytes. A
 * reader looks at the int16 first and then picks the declaration: 0 LegacyOffsetCommit, 1 OffsetCommit,
 * 2 GroupMetadata, 3 and above the groups of KIP-848 and later.
 */
export const offsetCommitKey = storedRecord({
  name: 'OffsetCommitKey',
  versions: '1',
  flexible: 'none',
  fields: {
    group: string(),
    topic: string(),
    partition: int32(),
  },
})

export type OffsetCommitKey = RecordOf<typeof offsetCommitKey>
export type OffsetCommitKeyDraft = RecordDraftOf<typeof offsetCommitKey>
