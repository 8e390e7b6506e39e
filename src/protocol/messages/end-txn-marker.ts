import { int32, storedRecord } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/** Value of the control record that ends a transaction on a partition. */
export const endTxnMarker = storedRecord({
  name: 'EndTxnMarker',
  versions: '0',
  flexible: 'none',
  fields: {
    coordinatorEpoch: int32({ about: 'leader epoch of the partition of __transaction_state that decided' }),
  },
})

export type EndTxnMarker = RecordOf<typeof endTxnMarker>
export type EndTxnMarkerDraft = RecordDraftOf<typeof endTxnMarker>
