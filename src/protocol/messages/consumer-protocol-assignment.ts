import { array, bytes, int32, storedRecord, string, struct } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/** What the leader of a classic consumer group assigns to a member: `assignment` in SyncGroup. */
export const consumerProtocolAssignment = storedRecord({
  name: 'ConsumerProtocolAssignment',
  versions: '0-3',
  flexible: 'none',
  fields: {
    assignedPartitions: array(struct({ topic: string(), partitions: array(int32()) })),
    userData: bytes({ nullable: '0+', default: null, about: 'of the assignor' }),
  },
})

export type ConsumerProtocolAssignment = RecordOf<typeof consumerProtocolAssignment>
export type ConsumerProtocolAssignmentDraft = RecordDraftOf<typeof consumerProtocolAssignment>
