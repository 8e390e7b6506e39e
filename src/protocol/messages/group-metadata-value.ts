import { array, bytes, int32, int64, storedRecord, string, struct } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/** Value of a classic group in `__consumer_offsets`: its last stable generation. A null value deletes it. */
export const groupMetadataValue = storedRecord({
  name: 'GroupMetadataValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: '0+', about: 'the assignor; null while the group is empty' }),
    leader: string({ nullable: '0+' }),
    currentStateTimestamp: int64({ versions: '2+', default: -1, about: 'ms since the epoch' }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
        clientId: string(),
        clientHost: string(),
        rebalanceTimeout: int32({ versions: '1+', default: -1, about: 'ms' }),
        sessionTimeout: int32({ about: 'ms' }),
        subscription: bytes(),
        assignment: bytes(),
      }),
    ),
  },
})

export type GroupMetadataValue = RecordOf<typeof groupMetadataValue>
export type GroupMetadataValueDraft = RecordDraftOf<typeof groupMetadataValue>
