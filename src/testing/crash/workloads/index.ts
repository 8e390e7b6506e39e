/** All workloads, in the order they are run. */
import type { CrashWorkload } from '../live-run.ts'
import { epochOverflow } from './epoch-overflow.ts'
import { fencing } from './fencing.ts'
import { groups } from './groups.ts'
import { inFlight } from './in-flight.ts'
import { markersAndDeletion } from './markers-and-deletion.ts'
import { mixture } from './mixture.ts'
import { plainAppends } from './plain-appends.ts'
import { producerIds } from './producer-ids.ts'
import { restarts } from './restarts.ts'
import { settings } from './settings.ts'
import { topics } from './topics.ts'
import { transactionsV1 } from './transactions-v1.ts'
import { transactionsV2 } from './transactions-v2.ts'
import { wideTransactions } from './wide-transactions.ts'

export const CRASH_WORKLOADS: readonly CrashWorkload[] = [
  plainAppends,
  transactionsV2,
  transactionsV1,
  fencing,
  epochOverflow,
  producerIds,
  groups,
  topics,
  settings,
  wideTransactions,
  markersAndDeletion,
  inFlight,
  restarts,
  mixture,
]
