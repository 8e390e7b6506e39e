import { storedRecord, string } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * Key of a record in `__transaction_state`.
 *
 * The int16 in front of a coordinator's key is the type of the record, not the version of its layout; `versions`
 * of such a key is that type, so that `encodeRecord(transactionLogKey, 0, …)` writes Kafka's bytes.
 */
export const transactionLogKey = storedRecord({
  name: 'TransactionLogKey',
  versions: '0',
  flexible: 'none',
  fields: {
    transactionalId: string(),
  },
})

export type TransactionLogKey = RecordOf<typeof transactionLogKey>
export type TransactionLogKeyDraft = RecordDraftOf<typeof transactionLogKey>
