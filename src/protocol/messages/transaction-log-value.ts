import { array, int16, int32, int64, int8, storedRecord, string, struct } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * Value of a record in `__transaction_state`: the whole state of one transactional id. A null value deletes it.
 *
 * Version 1 is written from transaction version 1 on (KIP-890, KIP-915).
 */
export const transactionLogValue = storedRecord({
  name: 'TransactionLogValue',
  versions: '0-1',
  flexible: '1+',
  fields: {
    producerId: int64(),
    previousProducerId: int64({ versions: '1+', tag: 0, default: -1, about: 'tells a late repetition of EndTxn' }),
    nextProducerId: int64({ versions: '1+', tag: 1, default: -1, about: 'of the next transaction, at an overflow' }),
    producerEpoch: int16(),
    nextProducerEpoch: int16({ versions: '1+', tag: 3, default: -1 }),
    transactionTimeoutMs: int32(),
    transactionStatus: int8({
      about: '0 Empty, 1 Ongoing, 2 PrepareCommit, 3 PrepareAbort, 4 CompleteCommit, 5 CompleteAbort',
    }),
    transactionPartitions: array(struct({ topic: string(), partitionIds: array(int32()) }), {
      nullable: '0+',
      about: 'null in Empty',
    }),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64({ about: '-1: no transaction' }),
    clientTransactionVersion: int16({ versions: '1+', tag: 2, default: 0 }),
  },
})

export type TransactionLogValue = RecordOf<typeof transactionLogValue>
export type TransactionLogValueDraft = RecordDraftOf<typeof transactionLogValue>
