/**
 * 'sticky' and 'cooperative-sticky': first as even as can be, then as few moves as can be.
 *
 * What members held before is kept where that is still possible; what is left goes to whoever has least; then partitions move
 * from fuller to emptier members as long as that evens them out. The cooperative variant hands a partition that changes
 * hands to nobody in this round: its old owner gives it up first, and the next round finds it free.
 *
 * Source: KIP-54, KIP-341 (generations), KIP-429; org.apache.kafka.clients.consumer.StickyAssignor, CooperativeStickyAssignor.
 */
import { ByteReader, ByteWriter, DecodeError } from '../../../../base/bytes.ts'
import type { TopicPartition } from '../../../topic.ts'
import {
  type Assignment,
  type AssignmentInput,
  type Assignor,
  compare,
  compareMembers,
  keyOf,
  type MemberSubscription,
} from '../assignor.ts'

const NO_GENERATION = -1

/** Held before, as a member says. */
interface Claim {
  readonly partitions: readonly TopicPartition[]
  readonly generationId: number
}

export const stickyAssignor: Assignor = {
  name: 'sticky',
  isCooperative: false,
  // An eager member has given everything up when it joins, so what it had travels beside.
  userData: (owned, generationId) => encodeClaim({ partitions: owned, generationId }),
  assign: (input) => assignSticky(input, ({ userData }) => decodeClaim(userData)),
}

export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  isCooperative: true,
  userData: (_owned, generationId) => encodeGeneration(generationId),
  assign(input) {
    const claimOf = ({ owned, generationId, userData }: MemberSubscription): Claim => ({
      partitions: owned,
      // Members before KIP-792 say it in the user data only.
      generationId: generationId >= 0 ? generationId : decodeGeneration(userData),
    })
    const target = assignSticky(input, claimOf)
    const owners = ownersOf(input, claimOf)
    return new Map(
      [...target].map(([memberId, partitions]) => [
        memberId,
        partitions.filter((partition) => (owners.get(keyOf(partition)) ?? memberId) === memberId),
      ]),
    )
  },
}

/** Who holds what: of two who say so the later generation is right, of two of one generation neither is. */
function ownersOf(
  { members, partitionCounts }: AssignmentInput,
  claimOf: (member: MemberSubscription) => Claim,
): ReadonlyMap<string, string> {
  const best = new Map<string, { memberId: string | undefined; generationId: number }>()
  for (const member of members) {
    const { partitions, generationId } = claimOf(member)
    for (const partition of partitions) {
      if (partition.partition >= (partitionCounts.get(partition.topic) ?? 0)) continue
      const known = best.get(keyOf(partition))
      if (known === undefined || generationId > known.generationId) {
        best.set(keyOf(partition), { memberId: member.memberId, generationId })
      } else if (generationId === known.generationId && known.memberId !== member.memberId) {
        best.set(keyOf(partition), { memberId: undefined, generationId })
      }
    }
  }
  return new Map([...best].flatMap(([key, { memberId }]) => (memberId === undefined ? [] : [[key, memberId] as const])))
}

function assignSticky(input: AssignmentInput, claimOf: (member: MemberSubscription) => Claim): Assignment {
  const members = input.members.toSorted(compareMembers)
  const loads = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
  const wants = new Map(members.map(({ memberId, topics }) => [memberId, new Set(topics)]))
  const owners = ownersOf(input, claimOf)
  const free: TopicPartition[] = []
  for (const [topic, count] of [...input.partitionCounts].toSorted(([a], [b]) => compare(a, b))) {
    for (let partition = 0; partition < count; partition += 1) {
      const owner = owners.get(keyOf({ topic, partition }))
      if (owner !== undefined && wants.get(owner)?.has(topic) === true) loads.get(owner)?.push({ topic, partition })
      else free.push({ topic, partition })
    }
  }
  const loadOf = (memberId: string): number => loads.get(memberId)?.length ?? 0
  const emptiest = (topic: string): string | undefined => {
    let best: string | undefined
    for (const { memberId } of members) {
      if (wants.get(memberId)?.has(topic) !== true) continue
      if (best === undefined || loadOf(memberId) < loadOf(best)) best = memberId
    }
    return best
  }
  // Those that fewest members want come first: they have the least choice.
  const interest = new Map<string, number>()
  for (const { topics } of members) for (const topic of topics) interest.set(topic, (interest.get(topic) ?? 0) + 1)
  for (const partition of free.toSorted((a, b) => (interest.get(a.topic) ?? 0) - (interest.get(b.topic) ?? 0))) {
    const memberId = emptiest(partition.topic)
    if (memberId !== undefined) loads.get(memberId)?.push(partition)
  }
  even(members, loads, emptiest)
  return loads
}

/** Each move makes the sum of the squares of the loads smaller, so this ends. */
function even(
  members: readonly MemberSubscription[],
  loads: ReadonlyMap<string, TopicPartition[]>,
  emptiest: (topic: string) => string | undefined,
): void {
  for (let hasMoved = true; hasMoved; ) {
    hasMoved = false
    for (const { memberId } of members.toSorted(
      (a, b) => (loads.get(b.memberId)?.length ?? 0) - (loads.get(a.memberId)?.length ?? 0),
    )) {
      const load = loads.get(memberId) ?? []
      // The ones that came last leave first: what was held before is at the front.
      for (let index = load.length - 1; index >= 0; index -= 1) {
        const partition = load[index] as TopicPartition
        const to = emptiest(partition.topic)
        if (to === undefined || load.length - (loads.get(to)?.length ?? 0) < 2) continue
        load.splice(index, 1)
        loads.get(to)?.push(partition)
        hasMoved = true
      }
    }
  }
}

/** [ topic, [ partition ] ], generation: as Java's StickyAssignor, version 1. */
function encodeClaim({ partitions, generationId }: Claim): Uint8Array {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [partition])
    else known.push(partition)
  }
  const writer = new ByteWriter(64)
  writer.int32(topics.size)
  for (const [topic, numbers] of topics) {
    const bytes = Buffer.byteLength(topic)
    writer.int16(bytes)
    writer.utf8(topic, bytes)
    writer.int32(numbers.length)
    for (const partition of numbers) writer.int32(partition)
  }
  writer.int32(generationId)
  return writer.toBytes()
}

/** What cannot be read is no claim: other clients may put there what they like. */
function decodeClaim(userData: Uint8Array | null): Claim {
  const nothing: Claim = { partitions: [], generationId: NO_GENERATION }
  if (userData === null || userData.length === 0) return nothing
  try {
    const reader = new ByteReader(userData)
    const partitions: TopicPartition[] = []
    const topics = reader.int32()
    reader.claimElements(Math.max(0, topics), 6, 64)
    for (let index = 0; index < topics; index += 1) {
      const topic = reader.string(reader.int16())
      const count = reader.int32()
      reader.claimElements(Math.max(0, count), 4, 64)
      for (let at = 0; at < count; at += 1) partitions.push({ topic, partition: reader.int32() })
    }
    // Version 0 ends here.
    return { partitions, generationId: reader.remaining >= 4 ? reader.int32() : NO_GENERATION }
  } catch (error) {
    if (error instanceof DecodeError) return nothing
    throw error
  }
}

function encodeGeneration(generationId: number): Uint8Array {
  const writer = new ByteWriter(4)
  writer.int32(generationId)
  return writer.toBytes()
}

function decodeGeneration(userData: Uint8Array | null): number {
  return userData === null || userData.length < 4 ? NO_GENERATION : new ByteReader(userData).int32()
}
