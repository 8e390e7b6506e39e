import { int32, int64, storedRecord, string, uuid, ZERO_UUID } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * Value of a committed offset in `__consumer_offsets`. A null value deletes it.
 *
 * Version 4 is what is written; version 1 when the client gave a retention time, which no other version can hold.
 */
export const offsetCommitValue = storedRecord({
  name: 'OffsetCommitValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    offset: int64({ about: 'the next one to read' }),
    leaderEpoch: int32({ versions: '3+', default: -1 }),
    metadata: string(),
    commitTimestamp: int64(),
    expireTimestamp: int64({ versions: '1', default: -1, about: '-1: as the broker is configured' }),
    topicId: uuid({ versions: '4+', tag: 0, default: ZERO_UUID }),
  },
})

export type OffsetCommitValue = RecordOf<typeof offsetCommitValue>
export type OffsetCommitValueDraft = RecordDraftOf<typeof offsetCommitValue>
