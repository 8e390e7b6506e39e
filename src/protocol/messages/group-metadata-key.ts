import { storedRecord, string } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * Key of a classic group in `__consumer_offsets`: record type 2. Why `versions` is the record type:
 * offset-commit-key.ts.
 */
export const groupMetadataKey = storedRecord({
  name: 'GroupMetadataKey',
  versions: '2',
  flexible: 'none',
  fields: {
    group: string(),
  },
})

export type GroupMetadataKey = RecordOf<typeof groupMetadataKey>
export type GroupMetadataKeyDraft = RecordDraftOf<typeof groupMetadataKey>
