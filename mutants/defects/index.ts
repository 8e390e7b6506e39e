/** All seeded defects, in the order in which the document shows them. */
import type { Defect } from '../defect.ts'
import { CLIENT_TRANSACTION_DEFECTS } from './client-transactions.ts'
import { CONSUMER_DEFECTS } from './consumer.ts'
import { GROUP_DEFECTS } from './groups.ts'
import { PARTITION_DEFECTS } from './partitions.ts'
import { PRODUCER_STATE_DEFECTS } from './producer-state.ts'
import { PRODUCER_DEFECTS } from './producer.ts'
import { STORAGE_DEFECTS } from './storage.ts'
import { TRANSACTION_DEFECTS } from './transactions.ts'

export const DEFECTS: readonly Defect[] = [
  ...STORAGE_DEFECTS,
  ...PRODUCER_STATE_DEFECTS,
  ...PARTITION_DEFECTS,
  ...TRANSACTION_DEFECTS,
  ...GROUP_DEFECTS,
  ...PRODUCER_DEFECTS,
  ...CLIENT_TRANSACTION_DEFECTS,
  ...CONSUMER_DEFECTS,
]
