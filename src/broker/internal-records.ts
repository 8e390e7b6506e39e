/**
 * What a record of an internal topic says, as plain fields for people and programs that look into a log. Reading for
 * work is coordinator-log.ts and the catalogue; nothing here is read back.
 */
import { DecodeError } from '../base/bytes.ts'
import type { GroupMetadataRecord, OffsetCommitRecord } from '../core/group/group-records.ts'
import { decodeCatalogueRecord } from '../core/metadata/catalogue-records.ts'
import { METADATA_TOPIC } from '../core/metadata/topic-name.ts'
import type { TransactionRecord } from '../core/transaction/transaction-records.ts'
import { TRANSACTION_STATES } from '../core/transaction/transaction-metadata.ts'
import { decodeRecord } from '../protocol/codec.ts'
import { consumerProtocolAssignment } from '../protocol/messages/consumer-protocol-assignment.ts'
import { consumerProtocolSubscription } from '../protocol/messages/consumer-protocol-subscription.ts'
import type { GroupMetadataValue } from '../protocol/messages/group-metadata-value.ts'
import type { DecodedRecord } from '../protocol/record-batch.ts'
import { ZERO_UUID } from '../protocol/schema.ts'
import { CONSUMER_OFFSETS_TOPIC, decodeGroupRecord, decodeTransactionRecord } from './coordinator-log.ts'
import { TRANSACTION_STATE_TOPIC } from './coordinator-log.ts'

export interface DescribedRecord {
  readonly type: 'transaction' | 'offset-commit' | 'group' | 'catalogue'
  /** Of what the record is the newest state. */
  readonly key: Readonly<Record<string, unknown>>
  /** `null`: it is gone. */
  readonly value: Readonly<Record<string, unknown>> | null
}

/**
 * @returns `undefined` for a record of a user's topic, and of a kind that this version does not know
 * @throws DecodeError  an internal topic holds what it must not
 */
export function describeInternalRecord(topic: string, record: DecodedRecord): DescribedRecord | undefined {
  switch (topic) {
    case TRANSACTION_STATE_TOPIC: {
      const transaction = decodeTransactionRecord(record)
      return transaction === undefined ? undefined : describeTransaction(transaction)
    }
    case CONSUMER_OFFSETS_TOPIC: {
      const group = decodeGroupRecord(record)
      if (group === undefined) return undefined
      return group.type === 'OffsetCommit' ? describeOffset(group) : describeGroup(group)
    }
    case METADATA_TOPIC: {
      if (record.key === null) throw new DecodeError('a record of the catalogue without a key')
      const change = decodeCatalogueRecord(record.key, record.value)
      if (change === undefined) return undefined
      return { type: 'catalogue', key: { kind: change.kind, name: change.name }, value: change.value }
    }
    default:
      return undefined
  }
}

function describeTransaction({ transactionalId, value }: TransactionRecord): DescribedRecord {
  if (value === null) return { type: 'transaction', key: { transactionalId }, value }
  const { transactionPartitions, transactionStatus } = value
  return {
    type: 'transaction',
    key: { transactionalId },
    value: {
      state: TRANSACTION_STATES[transactionStatus] ?? `unknown (${transactionStatus})`,
      producerId: value.producerId,
      producerEpoch: value.producerEpoch,
      partitions: (transactionPartitions ?? []).flatMap(({ topic, partitionIds }) =>
        partitionIds.map((partition) => `${topic}-${partition}`),
      ),
      timeoutMs: value.transactionTimeoutMs,
      startTimestamp: value.transactionStartTimestampMs,
      lastUpdateTimestamp: value.transactionLastUpdateTimestampMs,
      clientTransactionVersion: value.clientTransactionVersion,
      previousProducerId: value.previousProducerId,
      nextProducerId: value.nextProducerId,
      nextProducerEpoch: value.nextProducerEpoch,
    },
  }
}

function describeOffset({ key, value }: OffsetCommitRecord): DescribedRecord {
  const { group, topic, partition } = key
  if (value === null) return { type: 'offset-commit', key: { group, topic, partition }, value }
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId } = value
  return {
    type: 'offset-commit',
    key: { group, topic, partition },
    value: {
      offset,
      leaderEpoch,
      metadata,
      commitTimestamp,
      ...(expireTimestamp === -1 ? {} : { expireTimestamp }),
      ...(topicId === ZERO_UUID ? {} : { topicId }),
    },
  }
}

function describeGroup({ key, value }: GroupMetadataRecord): DescribedRecord {
  if (value === null) return { type: 'group', key: { group: key.group }, value }
  const { protocolType, generation, protocol, leader, currentStateTimestamp, members } = value
  return {
    type: 'group',
    key: { group: key.group },
    value: {
      protocolType,
      generation,
      protocol,
      leader,
      currentStateTimestamp,
      members: members.map((member) => describeMember(member, protocolType)),
    },
  }
}

function describeMember(
  { subscription, assignment, ...member }: GroupMetadataValue['members'][number],
  protocolType: string,
): Record<string, unknown> {
  const isConsumer = protocolType === 'consumer'
  return {
    ...member,
    subscription: (isConsumer ? describeSubscription(subscription) : undefined) ?? base64(subscription),
    assignment: (isConsumer ? describeAssignment(assignment) : undefined) ?? base64(assignment),
  }
}

function describeSubscription(bytes: Uint8Array): Record<string, unknown> | undefined {
  const subscription = orUndefined(() => decodeRecord(consumerProtocolSubscription, bytes))
  if (subscription === undefined) return undefined
  const { topics, userData, ownedPartitions, generationId, rackId } = subscription
  return {
    topics,
    ownedPartitions: partitionNames(ownedPartitions),
    generationId,
    rackId,
    userData: userData === null ? null : base64(userData),
  }
}

function describeAssignment(bytes: Uint8Array): Record<string, unknown> | undefined {
  const assignment = orUndefined(() => decodeRecord(consumerProtocolAssignment, bytes))
  if (assignment === undefined) return undefined
  const { assignedPartitions, userData } = assignment
  return { partitions: partitionNames(assignedPartitions), userData: userData === null ? null : base64(userData) }
}

function partitionNames(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
): string[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}-${partition}`))
}

function base64(bytes: Uint8Array): { base64: string } {
  return { base64: Buffer.from(bytes).toString('base64') }
}

/** What members put there is theirs, and need not be what the name of the protocol promises. */
function orUndefined<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
