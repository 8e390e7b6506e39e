/**
 * One group of the classic protocol: its members, its generation, and the rebalance that is under way.
 *
 * Owns the bookkeeping (who is in, who waits, which protocols all support, how many bytes they hold) and the state,
 * which changes only along classic-group-table.ts. Decides nothing about requests (classic-groups.ts) and knows nothing
 * of offsets (offset-store.ts). Invariants: SPEC.md I1–I6.
 * Source: ClassicGroup and ClassicGroupMember of Kafka 4.3.
 */
import { assert } from '../../base/assert.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { GroupMetadataValue } from '../../protocol/messages/group-metadata-value.ts'
import { CLASSIC_GROUP_TABLE } from './classic-group-table.ts'
import type { ClassicGroupEvent, ClassicGroupOutcome, ClassicGroupState } from './classic-group-table.ts'
import { Deadline } from './deadlines.ts'
import type { GroupToken } from './group-api.ts'
import { NO_TIMESTAMP } from './group-records.ts'
import type { GroupMetadataMember } from './group-records.ts'
import { CONSUMER_PROTOCOL_TYPE, readSubscribedTopics } from './subscribed-topics.ts'

export type GroupDeadlineEvent =
  | { readonly kind: 'session'; readonly group: ClassicGroup; readonly memberId: string }
  | { readonly kind: 'join'; readonly group: ClassicGroup }
  | { readonly kind: 'sync'; readonly group: ClassicGroup }
  | { readonly kind: 'expiry' }

/** A request that waits for its reply. */
export interface ParkedRequest {
  readonly token: GroupToken
  readonly apiVersion: number
}

/** Adds up what several groups hold. */
export interface SizeMeter {
  bytes: number
}

export interface MemberProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface MemberDraft {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** The preferred one first; each name once. */
  readonly protocols: readonly MemberProtocol[]
}

export const NO_BYTES = new Uint8Array(0)

/** What an entry of a list costs besides its text and bytes; keeps many tiny ones from being free. */
const ENTRY_OVERHEAD_BYTES = 64
const MEMBER_OVERHEAD_BYTES = 512

export class ClassicGroupMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly session: Deadline<GroupDeadlineEvent>
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  protocols: readonly MemberProtocol[]
  assignment: Uint8Array = NO_BYTES
  /** In its first join: it has no id to send heartbeats with, so it is dropped after a while even though it waits. */
  isNew = false
  awaitingJoin: ParkedRequest | undefined
  awaitingSync: ParkedRequest | undefined

  constructor(group: ClassicGroup, draft: MemberDraft) {
    this.memberId = draft.memberId
    this.groupInstanceId = draft.groupInstanceId
    this.clientId = draft.clientId
    this.clientHost = draft.clientHost
    this.rebalanceTimeoutMs = draft.rebalanceTimeoutMs
    this.sessionTimeoutMs = draft.sessionTimeoutMs
    this.protocols = draft.protocols
    this.session = new Deadline<GroupDeadlineEvent>({ kind: 'session', group, memberId: draft.memberId })
  }

  get isStatic(): boolean {
    return this.groupInstanceId !== null
  }

  /** Who waits for us is not silent. */
  get isWaiting(): boolean {
    return this.awaitingJoin !== undefined || this.awaitingSync !== undefined
  }

  metadataOf(protocolName: string | undefined): Uint8Array {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_BYTES
  }

  supportsExactly(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((protocol, index) => isSameProtocol(protocol, this.protocols[index] as MemberProtocol))
    )
  }

  /** Memory it takes, roughly. */
  get sizeBytes(): number {
    const ids = this.memberId.length + (this.groupInstanceId?.length ?? 0) + this.clientId.length
    return MEMBER_OVERHEAD_BYTES + ids * 2 + protocolsBytes(this.protocols) + this.assignment.length
  }
}

export function protocolsBytes(protocols: readonly MemberProtocol[]): number {
  let bytes = 0
  for (const { name, metadata } of protocols) bytes += ENTRY_OVERHEAD_BYTES + name.length * 2 + metadata.length
  return bytes
}

/** A copy to keep: decoded bytes are a view into their frame. */
export function copyProtocol({ name, metadata }: MemberProtocol): MemberProtocol {
  return { name, metadata: new Uint8Array(metadata) }
}

function isSameProtocol(a: MemberProtocol, b: MemberProtocol): boolean {
  return a.name === b.name && a.metadata.length === b.metadata.length && Buffer.compare(a.metadata, b.metadata) === 0
}

export class ClassicGroup {
  readonly groupId: string
  /** In the order in which they came. */
  readonly members = new Map<string, ClassicGroupMember>()
  /** Ids given out with MEMBER_ID_REQUIRED, each until it joins or its session times out. */
  readonly pendingJoins = new Map<string, Deadline<GroupDeadlineEvent>>()
  /** Members of this generation that have not asked for their assignment. */
  readonly pendingSyncs = new Set<string>()
  readonly joinDeadline: Deadline<GroupDeadlineEvent>
  readonly syncDeadline: Deadline<GroupDeadlineEvent>
  generationId = 0
  protocolType: string | undefined
  protocolName: string | undefined
  leaderId: string | undefined
  /** When the state last changed; unknown for groups that only hold offsets. */
  stateTimestampMs: number | undefined
  /** `undefined`: not a group of consumers, or not to be read. */
  subscribedTopics: ReadonlySet<string> | undefined
  /** The rebalance under way began when the group was empty: it waits a while for more members. */
  isInitialRebalance = false
  /** Somebody came during the initial delay, which is therefore extended. */
  newMemberAdded = false
  /** Of the initial delay: how much it may still be extended by, and the length of the period that runs now. */
  initialDelayRemainingMs = 0
  initialDelayMs = 0

  #state: ClassicGroupState = 'Empty'
  readonly #memberIdByInstance = new Map<string, string>()
  readonly #supportCounts = new Map<string, number>()
  readonly #meter: SizeMeter
  #awaitingJoinCount = 0
  #sizeBytes = 0

  constructor(groupId: string, meter: SizeMeter) {
    this.groupId = groupId
    this.#meter = meter
    this.joinDeadline = new Deadline<GroupDeadlineEvent>({ kind: 'join', group: this })
    this.syncDeadline = new Deadline<GroupDeadlineEvent>({ kind: 'sync', group: this })
  }

  get state(): ClassicGroupState {
    return this.#state
  }

  /** Memory of all members, roughly. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get awaitingJoinCount(): number {
    return this.#awaitingJoinCount
  }

  outcome(event: ClassicGroupEvent): ClassicGroupOutcome {
    const outcome = CLASSIC_GROUP_TABLE[this.#state][event]
    assert(outcome !== 'impossible', `group ${this.groupId} cannot have ${event} while ${this.#state}`)
    return outcome
  }

  transition(event: ClassicGroupEvent, timestampMs: number | undefined): void {
    const outcome = this.outcome(event)
    assert(typeof outcome === 'object' && 'to' in outcome, `${event} is no transition`)
    this.#state = outcome.to
    this.stateTimestampMs = timestampMs
  }

  // --- members ---

  memberIdOfInstance(groupInstanceId: string): string | undefined {
    return this.#memberIdByInstance.get(groupInstanceId)
  }

  /** Whether a request may speak for the member. Source: ClassicGroup.validateMember. */
  checkMember(memberId: string, groupInstanceId: string | null): ErrorCode {
    if (groupInstanceId !== null) {
      const current = this.#memberIdByInstance.get(groupInstanceId)
      if (current === undefined) return 'UNKNOWN_MEMBER_ID'
      if (current !== memberId) return 'FENCED_INSTANCE_ID'
    }
    return this.members.has(memberId) ? 'NONE' : 'UNKNOWN_MEMBER_ID'
  }

  add(draft: MemberDraft, protocolType: string): ClassicGroupMember {
    const { memberId, groupInstanceId } = draft
    assert(!this.members.has(memberId), `member ${memberId} is already in group ${this.groupId}`)
    if (this.members.size === 0) this.protocolType = protocolType
    const member = new ClassicGroupMember(this, draft)
    if (groupInstanceId !== null) this.#memberIdByInstance.set(groupInstanceId, memberId)
    this.members.set(memberId, member)
    this.#countProtocols(member.protocols, 1)
    this.#grow(member.sizeBytes)
    this.leaderId ??= memberId
    return member
  }

  /** The member must not wait for anything, and its session must have been cancelled. */
  remove(memberId: string): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    assert(!member.isWaiting, `member ${memberId} of group ${this.groupId} is removed while it waits`)
    assert(!member.session.isSet, `member ${memberId} of group ${this.groupId} is removed with its session running`)
    this.members.delete(memberId)
    this.#countProtocols(member.protocols, -1)
    this.#grow(-member.sizeBytes)
    if (member.groupInstanceId !== null) this.#memberIdByInstance.delete(member.groupInstanceId)
    this.pendingSyncs.delete(memberId)
    // The next one is chosen among those that join: `electJoinedLeader`.
    if (this.leaderId === memberId) this.leaderId = undefined
  }

  /** A static member is back under a new id: it takes the assignment and the lead of the old one. */
  replaceStatic(old: ClassicGroupMember, memberId: string): ClassicGroupMember {
    this.remove(old.memberId)
    const { groupInstanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols } = old
    const draft = { memberId, groupInstanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols }
    // Where the old one led, nobody leads now, and who is added leads.
    const member = this.add(draft, this.protocolType ?? '')
    this.setAssignment(member, old.assignment)
    return member
  }

  updateProtocols(member: ClassicGroupMember, protocols: readonly MemberProtocol[]): void {
    this.#grow(protocolsBytes(protocols) - protocolsBytes(member.protocols))
    this.#countProtocols(member.protocols, -1)
    this.#countProtocols(protocols, 1)
    member.protocols = protocols
  }

  setAssignment(member: ClassicGroupMember, assignment: Uint8Array): void {
    this.#grow(assignment.length - member.assignment.length)
    member.assignment = assignment
  }

  #grow(bytes: number): void {
    this.#sizeBytes += bytes
    this.#meter.bytes += bytes
  }

  park(member: ClassicGroupMember, join: ParkedRequest | undefined): void {
    if (member.awaitingJoin === undefined && join !== undefined) this.#awaitingJoinCount += 1
    if (member.awaitingJoin !== undefined && join === undefined) this.#awaitingJoinCount -= 1
    member.awaitingJoin = join
  }

  get hasAllMembersJoined(): boolean {
    return this.#awaitingJoinCount === this.members.size && this.pendingJoins.size === 0
  }

  /** The longest of the members: how long a rebalance may take. */
  get rebalanceTimeoutMs(): number {
    let timeoutMs = 0
    for (const member of this.members.values()) timeoutMs = Math.max(timeoutMs, member.rebalanceTimeoutMs)
    return timeoutMs
  }

  /** A leader that has not joined hands over to the first that has. False: nobody has joined. */
  electJoinedLeader(): boolean {
    const leader = this.leaderId === undefined ? undefined : this.members.get(this.leaderId)
    if (leader?.awaitingJoin !== undefined) return true
    for (const member of this.members.values()) {
      if (member.awaitingJoin === undefined) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  // --- protocols ---

  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.#state === 'Empty') return protocolType !== '' && protocols.length > 0
    return protocolType === this.protocolType && protocols.some(({ name }) => this.#isSupportedByAll(name))
  }

  /** The one that most members prefer among those all support; the earliest voted for wins a tie. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const vote = member.protocols.find(({ name }) => this.#isSupportedByAll(name))?.name
      assert(
        vote !== undefined,
        `member ${member.memberId} of group ${this.groupId} shares no protocol with the others`,
      )
      votes.set(vote, (votes.get(vote) ?? 0) + 1)
    }
    let selected: string | undefined
    for (const [name, count] of votes) {
      if (selected === undefined || count > (votes.get(selected) as number)) selected = name
    }
    assert(selected !== undefined, `group ${this.groupId} has no members to choose a protocol`)
    return selected
  }

  get usesConsumerProtocol(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE
  }

  /** A group of consumers whose subscriptions cannot be read is taken to be subscribed to everything. */
  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics === undefined ? this.usesConsumerProtocol : this.subscribedTopics.has(topic)
  }

  readSubscriptions(): void {
    this.subscribedTopics = this.#subscriptions()
  }

  #subscriptions(): ReadonlySet<string> | undefined {
    if (!this.usesConsumerProtocol) return undefined
    const all = new Set<string>()
    if (this.members.size > 0 && this.protocolName === undefined) return undefined
    for (const member of this.members.values()) {
      const topics = readSubscribedTopics(member.metadataOf(this.protocolName))
      if (topics === undefined) return undefined
      for (const topic of topics) all.add(topic)
    }
    return all
  }

  #isSupportedByAll(protocolName: string): boolean {
    return (this.#supportCounts.get(protocolName) ?? 0) === this.members.size
  }

  #countProtocols(protocols: readonly MemberProtocol[], by: 1 | -1): void {
    for (const { name } of protocols) {
      const count = (this.#supportCounts.get(name) ?? 0) + by
      if (count === 0) this.#supportCounts.delete(name)
      else this.#supportCounts.set(name, count)
    }
  }

  // --- generations ---

  /** What the log says of this generation. `assignments` decides for all members; who is not in it gets nothing. */
  toValue(
    generationId: number,
    assignments: ReadonlyMap<string, Uint8Array>,
    stateTimestampMs: number,
  ): GroupMetadataValue {
    return {
      protocolType: this.protocolType ?? '',
      generation: generationId,
      protocol: this.members.size === 0 ? null : (this.protocolName ?? null),
      leader: this.leaderId ?? null,
      currentStateTimestamp: stateTimestampMs,
      members: Array.from(this.members.values(), (member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: member.metadataOf(this.protocolName),
        assignment: assignments.get(member.memberId) ?? NO_BYTES,
      })),
    }
  }

  /**
   * Becomes what a record says. Members that are here already keep what no record holds (their other protocols, their
   * session); so the same function serves the record just written and the one found at start.
   */
  replay(value: Readonly<GroupMetadataValue>): void {
    const recorded = new Set(value.members.map(({ memberId }) => memberId))
    for (const memberId of [...this.members.keys()]) if (!recorded.has(memberId)) this.remove(memberId)
    this.generationId = value.generation
    this.protocolType = value.protocolType === '' ? undefined : value.protocolType
    this.protocolName = value.protocol ?? undefined
    for (const recordedMember of value.members) {
      const { memberId } = recordedMember
      const protocol = { name: value.protocol ?? '', metadata: recordedMember.subscription }
      const known = this.members.get(memberId)
      const member = known ?? this.#restore(recordedMember, [copyProtocol(protocol)])
      if (!member.protocols.some((own) => isSameProtocol(own, protocol))) {
        this.updateProtocols(member, [copyProtocol(protocol)])
      }
      member.sessionTimeoutMs = recordedMember.sessionTimeout
      member.rebalanceTimeoutMs = rebalanceTimeoutOf(recordedMember)
      this.setAssignment(member, new Uint8Array(recordedMember.assignment))
    }
    this.leaderId = value.leader ?? undefined
    this.readSubscriptions()
    const timestampMs = value.currentStateTimestamp === NO_TIMESTAMP ? undefined : value.currentStateTimestamp
    this.transition(this.members.size === 0 ? 'EmptyGenerationStored' : 'GenerationStored', timestampMs)
  }

  #restore(recorded: GroupMetadataMember, protocols: readonly MemberProtocol[]): ClassicGroupMember {
    const { memberId, groupInstanceId, clientId, clientHost, sessionTimeout } = recorded
    // An older record may name the instance under another id that a compacted log still shows first.
    const previous = groupInstanceId === null ? undefined : this.memberIdOfInstance(groupInstanceId)
    if (previous !== undefined) this.remove(previous)
    return this.add(
      {
        memberId,
        groupInstanceId,
        clientId,
        clientHost,
        rebalanceTimeoutMs: rebalanceTimeoutOf(recorded),
        sessionTimeoutMs: sessionTimeout,
        protocols,
      },
      this.protocolType ?? '',
    )
  }
}

/** Version 0 of the record has no rebalance timeout. */
function rebalanceTimeoutOf({ rebalanceTimeout, sessionTimeout }: GroupMetadataMember): number {
  return rebalanceTimeout === -1 ? sessionTimeout : rebalanceTimeout
}
