import { int16, storedRecord } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/** Key of a control record. */
export const controlRecordType = storedRecord({
  name: 'ControlRecordTypeSchema',
  versions: '0',
  flexible: 'none',
  fields: {
    type: int16({ about: '0 ABORT, 1 COMMIT; 2 to 6 belong to the metadata quorum; others are skipped by clients' }),
  },
})

export type ControlRecordType = RecordOf<typeof controlRecordType>
export type ControlRecordTypeDraft = RecordDraftOf<typeof controlRecordType>
