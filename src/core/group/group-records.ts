/**
 * The records of a group in `__consumer_offsets`, and how each is made.
 *
 * Values are written as Kafka 4.3 writes them: OffsetCommit in version 4, or 1 when it carries an expiry time;
 * GroupMetadata in version 3. Source: GroupCoordinatorRecordHelpers.
 */
import type { GroupMetadataKey } from '../../protocol/messages/group-metadata-key.ts'
import type { GroupMetadataValue } from '../../protocol/messages/group-metadata-value.ts'
import type { OffsetCommitKey } from '../../protocol/messages/offset-commit-key.ts'
import type { OffsetCommitValue } from '../../protocol/messages/offset-commit-value.ts'

export interface OffsetCommitRecord {
  readonly type: 'OffsetCommit'
  readonly key: Readonly<OffsetCommitKey>
  /** `null`: the offset is gone, staged ones of open transactions included. */
  readonly value: Readonly<OffsetCommitValue> | null
  /** Version of the stored value; without meaning for a tombstone. */
  readonly valueVersion: number
  /** Set: the record goes into a transactional batch of this producer and waits for its marker. */
  readonly transactional?: { readonly producerId: number; readonly producerEpoch: number }
}

export interface GroupMetadataRecord {
  readonly type: 'GroupMetadata'
  readonly key: Readonly<GroupMetadataKey>
  /** `null`: the group is gone. */
  readonly value: Readonly<GroupMetadataValue> | null
  readonly valueVersion: number
}

export type GroupRecord = OffsetCommitRecord | GroupMetadataRecord

export type GroupMetadataMember = GroupMetadataValue['members'][number]

const GROUP_METADATA_VALUE_VERSION = 3
const OFFSET_COMMIT_VALUE_VERSION = 4
/** The only version that carries `expireTimestamp`. */
const OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY = 1
export const NO_TIMESTAMP = -1

export function groupMetadataRecord(groupId: string, value: GroupMetadataValue): GroupMetadataRecord {
  return { type: 'GroupMetadata', key: { group: groupId }, value, valueVersion: GROUP_METADATA_VALUE_VERSION }
}

export function groupTombstone(groupId: string): GroupMetadataRecord {
  return { type: 'GroupMetadata', key: { group: groupId }, value: null, valueVersion: GROUP_METADATA_VALUE_VERSION }
}

export function offsetCommitRecord(
  key: OffsetCommitKey,
  value: OffsetCommitValue,
  transactional?: { readonly producerId: number; readonly producerEpoch: number },
): OffsetCommitRecord {
  const valueVersion =
    value.expireTimestamp === NO_TIMESTAMP ? OFFSET_COMMIT_VALUE_VERSION : OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY
  const record = { type: 'OffsetCommit', key, value, valueVersion } as const
  return transactional === undefined ? record : { ...record, transactional }
}

export function offsetTombstone(group: string, topic: string, partition: number): OffsetCommitRecord {
  return {
    type: 'OffsetCommit',
    key: { group, topic, partition },
    value: null,
    valueVersion: OFFSET_COMMIT_VALUE_VERSION,
  }
}
