/**
 * What members of a classic group tell one another through the coordinator: subscriptions in JoinGroup, assignments in SyncGroup.
 * Members of other clients may send what cannot be read here; they are treated as wanting nothing.
 *
 * Source: ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json, KIP-429, KIP-792.
 */
import { DecodeError } from '../../../base/bytes.ts'
import { decodeRecord, encodeRecord } from '../../../protocol/codec.ts'
import { consumerProtocolAssignment } from '../../../protocol/messages/consumer-protocol-assignment.ts'
import { consumerProtocolSubscription } from '../../../protocol/messages/consumer-protocol-subscription.ts'
import type { joinGroup } from '../../../protocol/messages/join-group.ts'
import type { ResponseOf } from '../../../protocol/schema.ts'
import type { TopicPartition } from '../../topic.ts'
import type { Assignor, MemberSubscription } from './assignor.ts'

export const PROTOCOL_TYPE = 'consumer'
export const NO_GENERATION = -1
const SUBSCRIPTION_VERSION = 3
const ASSIGNMENT_VERSION = 3

/** What was held, and in which generation. */
export interface Held {
  readonly partitions: readonly TopicPartition[]
  readonly generationId: number
}

/** @param owned  what is still read while it joins; nothing for an eager member */
export function encodeSubscription(
  assignor: Assignor,
  topics: readonly string[],
  owned: readonly TopicPartition[],
  held: Held,
): Uint8Array {
  return encodeRecord(consumerProtocolSubscription, SUBSCRIPTION_VERSION, {
    topics,
    userData: assignor.userData?.(held.partitions, held.generationId) ?? null,
    ownedPartitions: byTopic(owned),
    generationId: held.generationId,
  })
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  return encodeRecord(consumerProtocolAssignment, ASSIGNMENT_VERSION, { assignedPartitions: byTopic(partitions) })
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [partition])
    else known.push(partition)
  }
  return [...topics].map(([topic, numbers]) => ({ topic, partitions: numbers }))
}

export function decodeSubscription(member: ResponseOf<typeof joinGroup>['members'][number]): MemberSubscription {
  const { memberId, groupInstanceId, metadata } = member
  try {
    const { topics, ownedPartitions, generationId, userData } = decodeRecord(consumerProtocolSubscription, metadata)
    const owned = ownedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    )
    return { memberId, groupInstanceId, topics, owned, generationId, userData }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { memberId, groupInstanceId, topics: [], owned: [], generationId: NO_GENERATION, userData: null }
  }
}

/** An empty answer is no partitions, as from leaders that leave members out. */
export function decodeAssignment(bytes: Uint8Array): readonly TopicPartition[] {
  if (bytes.length === 0) return []
  return decodeRecord(consumerProtocolAssignment, bytes).assignedPartitions.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  )
}
