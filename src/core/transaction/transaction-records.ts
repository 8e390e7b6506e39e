/** What `__transaction_state` holds of a transactional id: its whole state, the newest record counts. */
import type { TransactionLogValue } from '../../protocol/messages/transaction-log-value.ts'

export interface TransactionRecord {
  readonly transactionalId: string
  /** `null`: the id is forgotten. */
  readonly value: Readonly<TransactionLogValue> | null
  /** Version of the stored value; without meaning for a tombstone. */
  readonly valueVersion: number
  /**
   * The epoch that a repeated InitProducerId may still carry (KIP-360). Lives in memory only: a repetition that
   * reaches a restarted coordinator is fenced, as in Kafka.
   */
  readonly lastProducerEpoch?: number
}
