/**
 * One member of a classic consumer group: joins, learns or makes the assignment, stays alive, gives up and takes over
 * partitions, leaves.
 *
 * Rebalances happen while the consumer polls, as then none of its records is being processed; heartbeats and the loss of
 * partitions do not wait for that. What the consumer has to do (give up, take over) comes as tasks, in order.
 * Leaves to others: reading (core/fetch), committing (consumer), who coordinates (the shell).
 *
 * Invariants G1 to G6: SPEC.md.
 */
import { assert } from '../../../base/assert.ts'
import { DecodeError } from '../../../base/bytes.ts'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import type { heartbeat } from '../../../protocol/messages/heartbeat.ts'
import { joinGroup } from '../../../protocol/messages/join-group.ts'
import type { leaveGroup } from '../../../protocol/messages/leave-group.ts'
import type { syncGroup } from '../../../protocol/messages/sync-group.ts'
import type { ResponseOf } from '../../../protocol/schema.ts'
import { brokerError, KafkaError } from '../../errors.ts'
import type { GroupMetadata, TopicPartition } from '../../topic.ts'
import type { ClientCore, ClusterView, CoreReply, CoreRequest, PollResult } from '../client-core.ts'
import type { Assignor, MemberSubscription } from './assignor.ts'
import { keyOf } from './assignor.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Held,
  NO_GENERATION,
  PROTOCOL_TYPE,
} from './consumer-protocol.ts'
import { heartbeatRequest, JOIN_GRACE_MS, leaveRequest, type MemberAssignment, syncRequest } from './group-requests.ts'
import { MEMBER_TABLE, type MemberEvent, type MemberState } from './member-table.ts'

export interface GroupMemberOptions {
  readonly groupId: string
  readonly groupInstanceId: string | null
  /** The preferred one first. */
  readonly assignors: readonly Assignor[]
  readonly sessionTimeoutMs: number
  /** How long a rebalance waits for this member. */
  readonly rebalanceTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** Longest time between two polls of the consumer. */
  readonly maxPollIntervalMs: number
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

/**
 * - `revoke`: give these up in order (finish, commit), then call `revoked()`; nothing else happens before.
 * - `lost`: these belong to others already: drop them now.
 * - `assign`: these are all that is read from now on; `added` are new.
 */
export type MemberTask =
  | { readonly kind: 'revoke'; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: 'lost'; readonly partitions: readonly TopicPartition[]; readonly why: KafkaError }
  | { readonly kind: 'assign'; readonly all: readonly TopicPartition[]; readonly added: readonly TopicPartition[] }

type Step = 'join' | 'sync' | 'heartbeat' | 'leave'

export class GroupMember implements ClientCore {
  readonly #options: GroupMemberOptions
  readonly #isCooperative: boolean
  readonly #tasks: MemberTask[] = []
  /** Of requests whose answer still counts. */
  readonly #pending = new Map<number, Step>()
  #state: MemberState = 'Unjoined'
  #error: KafkaError | undefined
  /** `undefined` before the first `subscribe`: who wants nothing yet does not join. */
  #topics: readonly string[] | undefined
  #memberId = ''
  #generationId = NO_GENERATION
  #protocolName: string | undefined
  /** What the consumer reads, as of the last task. */
  #owned: readonly TopicPartition[] = []
  #mustRejoin = true
  #isPolling = false
  #lastPollMs = Number.NEGATIVE_INFINITY
  #lastHeartbeatMs = Number.NEGATIVE_INFINITY
  /** The coordinator last said then that we are a member. */
  #lastAliveMs = Number.NEGATIVE_INFINITY
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #failures = 0
  #nextRequestId = 1
  #members: readonly MemberSubscription[] = []
  /** What the leader's assignment was made of; a change calls for another. */
  #assignedCounts: ReadonlyMap<string, number> | undefined
  #forgetsCoordinator = false

  constructor(options: GroupMemberOptions) {
    assert(options.assignors.length > 0, 'a member offers at least one assignor')
    this.#options = options
    this.#isCooperative = options.assignors.every(({ isCooperative }) => isCooperative)
  }

  get state(): MemberState {
    return this.#state
  }

  /** Why the member cannot go on, in `Fatal`. */
  get error(): KafkaError | undefined {
    return this.#error
  }

  get owned(): readonly TopicPartition[] {
    return this.#owned
  }

  get metadata(): GroupMetadata {
    const { groupId, groupInstanceId } = this.#options
    return { groupId, generationId: this.#generationId, memberId: this.#memberId, groupInstanceId }
  }

  /** What is to be read. Another list than before calls for a rebalance. */
  subscribe(topics: readonly string[]): void {
    const sorted = [...new Set(topics)].toSorted()
    if (this.#topics !== undefined && sorted.join('\n') === this.#topics.join('\n')) return
    this.#topics = sorted
    this.#mustRejoin = true
  }

  /** The consumer waits for records, and processes none: rebalances may happen. */
  beginPoll(nowMs: number): void {
    this.#isPolling = true
    this.#lastPollMs = nowMs
  }

  endPoll(nowMs: number): void {
    this.#isPolling = false
    this.#lastPollMs = nowMs
  }

  /** Whether the consumer has something to do before it goes on: `nextTask`. */
  get hasTask(): boolean {
    return this.#tasks.length > 0
  }

  nextTask(): MemberTask | undefined {
    return this.#tasks.shift()
  }

  /** What was lost, which need not wait for a poll. Takes the task. */
  takeLost(): (MemberTask & { readonly kind: 'lost' }) | undefined {
    const task = this.#tasks[0]
    if (task?.kind !== 'lost') return undefined
    this.#tasks.shift()
    return task
  }

  /** A `revoke` task is done. */
  revoked(): void {
    this.#move('revoked')
  }

  /** A commit was refused because of the membership. */
  onCommitRefused(
    code: 'ILLEGAL_GENERATION' | 'UNKNOWN_MEMBER_ID' | 'FENCED_INSTANCE_ID' | 'REBALANCE_IN_PROGRESS',
    error: KafkaError,
  ): void {
    if (code === 'REBALANCE_IN_PROGRESS') this.#mustRejoin = true
    else this.#onRefused(code, error)
  }

  /** Leaves for good, also after an error: `Left` follows. A static member keeps its place until its session is over. */
  leave(): void {
    const isMember = this.#memberId !== '' && this.#options.groupInstanceId === null
    this.#pending.clear()
    this.#move('leave')
    if (!isMember && this.#state === 'Leaving') this.#move('left')
  }

  get hasLeft(): boolean {
    return this.#state === 'Left'
  }

  poll(nowMs: number, cluster: ClusterView): PollResult {
    const requests: CoreRequest[] = []
    let nextPollMs: number | undefined
    const dueAt = (atMs: number): void => {
      nextPollMs = nextPollMs === undefined ? atMs : Math.min(nextPollMs, atMs)
    }
    this.#checkDeadlines(nowMs, dueAt)
    if (this.#state === 'Leaving' && !this.#isAsking('leave'))
      requests.push(leaveRequest(this.#ask('leave'), this.#options, this.#memberId))
    this.#watchPartitions(cluster)
    const mayRebalance = this.#isPolling && this.#topics !== undefined && this.#tasks.length === 0
    if (mayRebalance && this.#mustRejoin && (this.#state === 'Stable' || this.#state === 'Unjoined')) {
      if (this.#notBeforeMs > nowMs) dueAt(this.#notBeforeMs)
      else requests.push(...this.#rejoin())
    }
    if (this.#state === 'Assigning') {
      const sync = this.#assign(cluster)
      if (sync !== undefined) requests.push(sync)
    } else if (this.#mustSync && this.#state === 'Syncing') {
      this.#mustSync = false
      requests.push(this.#sync([]))
    }
    // While partitions are given up the group waits for us: it must know that we are alive.
    if (this.#state === 'Stable' || this.#state === 'Revoking') {
      const heartbeatAtMs = Math.max(this.#lastHeartbeatMs + this.#options.heartbeatIntervalMs, this.#notBeforeMs)
      if (this.#isAsking('heartbeat') || this.#generationId === NO_GENERATION) {
        // The answer will say more.
      } else if (heartbeatAtMs <= nowMs) {
        this.#lastHeartbeatMs = nowMs
        requests.push(heartbeatRequest(this.#ask('heartbeat'), this.#options, this.metadata))
      } else dueAt(heartbeatAtMs)
    }
    const forgets = this.#forgetsCoordinator
    this.#forgetsCoordinator = false
    return {
      requests,
      nextPollMs,
      topics: [...new Set([...(this.#topics ?? []), ...this.#members.flatMap(({ topics }) => topics)])],
      ...(forgets ? { forgetCoordinators: [{ of: 'group', key: this.#options.groupId }] } : {}),
    }
  }

  onReply(requestId: number, reply: CoreReply, nowMs: number): void {
    const step = this.#pending.get(requestId)
    if (step === undefined) return
    this.#pending.delete(requestId)
    if (!reply.ok) {
      this.#onUnreachable(step, reply.error, nowMs)
      return
    }
    switch (step) {
      case 'join':
        this.#onJoined(reply.response as ResponseOf<typeof joinGroup>, reply.broker, nowMs)
        break
      case 'sync':
        this.#onSynced(reply.response as ResponseOf<typeof syncGroup>, reply.broker, nowMs)
        break
      case 'heartbeat': {
        const { errorCode } = reply.response as ResponseOf<typeof heartbeat>
        if (errorCode === 'NONE') this.#isAlive(nowMs)
        else this.#onError(step, errorCode, reply.broker, nowMs)
        break
      }
      case 'leave':
        // Whatever it says: who is not a member has left.
        this.#move('left')
        break
    }
  }

  #move(event: MemberEvent): void {
    const outcome = MEMBER_TABLE[this.#state][event]
    assert(outcome !== 'impossible', `${event} in state ${this.#state}`)
    if (outcome !== 'stay') this.#state = outcome
  }

  #isAsking(step: Step): boolean {
    for (const pending of this.#pending.values()) if (pending === step) return true
    return false
  }

  #ask(step: Step): number {
    const id = this.#nextRequestId
    this.#nextRequestId += 1
    this.#pending.set(id, step)
    return id
  }

  #checkDeadlines(nowMs: number, dueAt: (atMs: number) => void): void {
    const { maxPollIntervalMs, sessionTimeoutMs } = this.#options
    if (this.#generationId === NO_GENERATION || this.#state === 'Leaving' || this.#state === 'Left') return
    if (!this.#isPolling && this.#state === 'Stable') {
      const deadlineMs = this.#lastPollMs + maxPollIntervalMs
      if (nowMs >= deadlineMs) {
        const why = new KafkaError(
          'UNKNOWN_MEMBER_ID',
          `${maxPollIntervalMs} ms went by between two polls (maxPollIntervalMs): the partitions are given to other members. ` +
            'Process fewer records at a time (maxPollRecords), or allow more time',
        )
        this.#expel(why)
        // The others need not wait for the session to end. Who has a place of its own keeps it.
        if (this.#options.groupInstanceId === null) this.#resignedMemberId = this.#memberId
        this.#memberId = ''
        return
      }
      dueAt(deadlineMs)
    }
    if (this.#state === 'Stable' || this.#state === 'Revoking') {
      const deadlineMs = this.#lastAliveMs + sessionTimeoutMs
      if (nowMs >= deadlineMs) {
        this.#forgetsCoordinator = true
        const message = `the coordinator of group ${this.#options.groupId} was not reached for ${sessionTimeoutMs} ms (sessionTimeoutMs)`
        this.#expel(new KafkaError('UNKNOWN_MEMBER_ID', message))
      } else dueAt(deadlineMs)
    }
  }

  /** Of the membership that was given up because the consumer did not poll; told to the group with the next chance. */
  #resignedMemberId: string | undefined

  /** The leader's assignment was made of other partitions than there are now. */
  #watchPartitions(cluster: ClusterView): void {
    if (this.#state !== 'Stable' || this.#assignedCounts === undefined) return
    for (const [topic, count] of this.#assignedCounts) {
      const view = cluster.topic(topic)
      if (view === undefined || (view.error !== undefined && view.error.code !== 'UNKNOWN_TOPIC_OR_PARTITION')) continue
      if (view.partitions.length === count) continue
      this.#assignedCounts = undefined
      this.#mustRejoin = true
      return
    }
  }

  #rejoin(): readonly CoreRequest[] {
    if (this.#state === 'Stable' && !this.#isCooperative && this.#owned.length > 0) {
      this.#move('rejoin')
      this.#tasks.push({ kind: 'revoke', partitions: this.#owned })
      this.#previous = { partitions: this.#owned, generationId: this.#generationId }
      this.#owned = []
      return []
    }
    this.#move('join')
    this.#mustRejoin = false
    // A heartbeat of the last generation has nothing more to say.
    this.#pending.clear()
    return this.#resignedMemberId === undefined ? [this.#joinRequest()] : [this.#resign(), this.#joinRequest()]
  }

  /** What was held before the last eager revocation: sticky assignors give it back. */
  #previous: Held = { partitions: [], generationId: NO_GENERATION }

  #resign(): CoreRequest<typeof leaveGroup> {
    const memberId = this.#resignedMemberId ?? ''
    this.#resignedMemberId = undefined
    const id = this.#nextRequestId
    this.#nextRequestId += 1
    return leaveRequest(id, this.#options, memberId)
  }

  #joinRequest(): CoreRequest<typeof joinGroup> {
    const { groupId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs, assignors } = this.#options
    const owned = this.#isCooperative ? this.#owned : []
    const held = this.#isCooperative ? { partitions: this.#owned, generationId: this.#generationId } : this.#previous
    return {
      id: this.#ask('join'),
      destination: { kind: 'coordinator', of: 'group', key: groupId },
      api: joinGroup,
      body: {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        groupInstanceId,
        protocolType: PROTOCOL_TYPE,
        protocols: assignors.map((assignor) => ({
          name: assignor.name,
          metadata: encodeSubscription(assignor, this.#topics ?? [], owned, held),
        })),
        reason: null,
      },
      // The answer comes when all members have joined, or were given up.
      timeoutMs: Math.max(rebalanceTimeoutMs, sessionTimeoutMs) + JOIN_GRACE_MS,
    }
  }

  #onJoined(response: ResponseOf<typeof joinGroup>, broker: string, nowMs: number): void {
    if (this.#state !== 'Joining') return
    const { errorCode, memberId, generationId, leader, members, protocolName, skipAssignment } = response
    if (errorCode === 'MEMBER_ID_REQUIRED') {
      this.#memberId = memberId
      this.#joinAgain()
      return
    }
    if (errorCode !== 'NONE') {
      this.#onError('join', errorCode, broker, nowMs)
      return
    }
    this.#memberId = memberId
    this.#generationId = generationId
    this.#protocolName = protocolName ?? undefined
    this.#isAlive(nowMs)
    this.#members = []
    this.#assignedCounts = undefined
    if (leader !== memberId || skipAssignment) {
      this.#move('joined')
      this.#mustSync = true
      return
    }
    this.#members = members.map((member) => decodeSubscription(member))
    this.#move('joinedAsLeader')
  }

  /** SyncGroup of a member that has no assignment to bring. */
  #mustSync = false

  #joinAgain(): void {
    this.#move('again')
    this.#mustRejoin = true
  }

  /** Waits until every topic that a member wants is known, or known not to be there. */
  #assign(cluster: ClusterView): CoreRequest<typeof syncGroup> | undefined {
    const topics = new Set(this.#members.flatMap((member) => member.topics))
    const counts = new Map<string, number>()
    for (const topic of topics) {
      const view = cluster.topic(topic)
      if (view === undefined) return undefined
      counts.set(topic, view.error === undefined ? view.partitions.length : 0)
    }
    const assignor = this.#options.assignors.find(({ name }) => name === this.#protocolName)
    if (assignor === undefined) {
      this.#fatal(
        new KafkaError('INVALID_RESPONSE', `the group chose the assignor ${this.#protocolName}, which was not offered`),
      )
      return undefined
    }
    const existing = new Map([...counts].filter(([, count]) => count > 0))
    let assignment: ReturnType<Assignor['assign']>
    try {
      assignment = assignor.assign({ members: this.#members, partitionCounts: existing })
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause)
      this.#fatal(new KafkaError('USER_CODE_FAILED', `the assignor ${assignor.name} failed: ${what}`, { cause }))
      return undefined
    }
    this.#assignedCounts = counts
    const assignments = this.#members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment(assignment.get(memberId) ?? []),
    }))
    this.#move('assigned')
    return this.#sync(assignments)
  }

  #sync(assignments: readonly MemberAssignment[]): CoreRequest<typeof syncGroup> {
    return syncRequest(this.#ask('sync'), this.#options, this.metadata, this.#protocolName ?? null, assignments)
  }

  #onSynced(response: ResponseOf<typeof syncGroup>, broker: string, nowMs: number): void {
    if (this.#state !== 'Syncing') return
    if (response.errorCode !== 'NONE') {
      this.#onError('sync', response.errorCode, broker, nowMs)
      return
    }
    let assigned: readonly TopicPartition[]
    try {
      assigned = decodeAssignment(response.assignment)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#fatal(
        new KafkaError('INVALID_RESPONSE', `the assignment of group ${this.#options.groupId} cannot be read`, {
          cause: error,
        }),
      )
      return
    }
    this.#isAlive(nowMs)
    this.#lastHeartbeatMs = nowMs
    this.#move('synced')
    const before = new Set(this.#owned.map(keyOf))
    const after = new Set(assigned.map(keyOf))
    const revoked = this.#owned.filter((partition) => !after.has(keyOf(partition)))
    const added = assigned.filter((partition) => !before.has(keyOf(partition)))
    if (revoked.length > 0) {
      // Only a cooperative member holds anything here: it gives up what others are to get, and joins again to say so.
      this.#tasks.push({ kind: 'revoke', partitions: revoked })
      this.#mustRejoin = true
    }
    this.#owned = assigned
    this.#previous = { partitions: assigned, generationId: this.#generationId }
    this.#tasks.push({ kind: 'assign', all: assigned, added })
  }

  #isAlive(nowMs: number): void {
    this.#lastAliveMs = nowMs
    this.#failures = 0
  }

  #onUnreachable(step: Step, error: KafkaError, nowMs: number): void {
    if (step === 'leave') {
      this.#move('left')
      return
    }
    if (error.recovery === 'fix-configuration') {
      this.#fatal(error)
      return
    }
    this.#backOff(nowMs)
    if (step === 'join' || step === 'sync') this.#joinAgain()
  }

  #onError(step: Step, errorCode: Exclude<ErrorCode, 'NONE'>, broker: string, nowMs: number): void {
    const error = brokerError(errorCode, { api: API_OF[step], groupId: this.#options.groupId, broker })
    switch (errorCode) {
      case 'REBALANCE_IN_PROGRESS':
        if (step === 'heartbeat') {
          this.#isAlive(nowMs)
          this.#mustRejoin = true
        } else this.#joinAgain()
        return
      case 'ILLEGAL_GENERATION':
      case 'UNKNOWN_MEMBER_ID':
      case 'FENCED_INSTANCE_ID':
        this.#onRefused(errorCode, error)
        return
      case 'NOT_COORDINATOR':
      case 'COORDINATOR_NOT_AVAILABLE':
      case 'COORDINATOR_LOAD_IN_PROGRESS':
      case 'REQUEST_TIMED_OUT':
      case 'UNKNOWN_SERVER_ERROR':
      case 'NETWORK_EXCEPTION':
        this.#forgetsCoordinator ||= errorCode === 'NOT_COORDINATOR' || errorCode === 'COORDINATOR_NOT_AVAILABLE'
        this.#backOff(nowMs)
        if (step !== 'heartbeat') this.#joinAgain()
        return
      default:
        this.#fatal(error)
    }
  }

  #onRefused(code: 'ILLEGAL_GENERATION' | 'UNKNOWN_MEMBER_ID' | 'FENCED_INSTANCE_ID', error: KafkaError): void {
    if (code === 'FENCED_INSTANCE_ID') {
      this.#lose(error)
      this.#fatal(error)
      return
    }
    this.#expel(error)
    // The coordinator has forgotten us, or a later generation is there without us.
    if (code === 'UNKNOWN_MEMBER_ID') this.#memberId = ''
  }

  /** Not a member of the current generation any more: what was ours may be another's by now. */
  #expel(why: KafkaError): void {
    this.#lose(why)
    this.#pending.clear()
    this.#generationId = NO_GENERATION
    this.#mustRejoin = true
    this.#mustSync = false
    this.#move('expelled')
  }

  #lose(why: KafkaError): void {
    // Tasks of the generation that is over would act on partitions that are gone; what a `revoke` wanted given up is lost too.
    const undone = this.#tasks.splice(0)
    const stale = undone.flatMap((task) => (task.kind === 'assign' ? [] : task.partitions))
    const lost = new Map([...this.#owned, ...stale].map((partition) => [keyOf(partition), partition]))
    this.#owned = []
    if (lost.size > 0) this.#tasks.push({ kind: 'lost', partitions: [...lost.values()], why })
  }

  #fatal(error: KafkaError): void {
    this.#error = error
    this.#pending.clear()
    this.#move('fatal')
  }

  #backOff(nowMs: number): void {
    const { retryBackoffMs, retryBackoffMaxMs } = this.#options
    this.#failures += 1
    this.#notBeforeMs = nowMs + Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(this.#failures - 1, 20))
  }
}

const API_OF: Readonly<Record<Step, string>> = {
  join: 'JoinGroup',
  sync: 'SyncGroup',
  heartbeat: 'Heartbeat',
  leave: 'LeaveGroup',
}
