/** Defects of consumer groups and of their offsets on the broker (core/group, broker/group-runtime.ts). */
import type { Defect } from '../defect.ts'

const OFFSETS = 'src/core/group/group-offsets.ts'
const STORE = 'src/core/group/offset-store.ts'
const RUNTIME = 'src/broker/group-runtime.ts'
const GROUPS = 'src/core/group/classic-groups.ts'
const REBALANCES = 'src/core/group/rebalances.ts'

export const GROUP_DEFECTS: readonly Defect[] = [
  {
    name: 'offsets-committed-by-an-abort',
    file: STORE,
    find: `      if (committed && (current`,
    replace: `      if ((current`,
    why: 'The input of an aborted transaction counts as processed: it is never processed again.',
    from: 'KIP-98; kafka-go #1332',
    shows: 'A transaction with offsets is aborted, and the group reads on from there.',
  },
  {
    name: 'offsets-dropped-by-a-commit',
    file: STORE,
    find: `offset.recordOffset > current.recordOffset)`,
    replace: `offset.recordOffset < current.recordOffset)`,
    why: 'From the second transaction on offsets stay where they were: the input is processed again after each restart.',
    from: 'KIP-98',
    shows: 'A group changes hands after its second transaction.',
  },
  {
    name: 'restart-commits-offsets-of-aborts',
    file: RUNTIME,
    find: `const committed = readMarker(batch).markerType === 'COMMIT'`,
    replace: `const committed = readMarker(batch).markerType !== undefined`,
    why: 'A restart makes the input of aborted transactions count as processed.',
    from: 'Redpanda 31483 (live order is not replay order)',
    shows: 'An aborted transaction with offsets, then a restart.',
  },
  {
    name: 'restart-forgets-offsets-of-transactions',
    file: RUNTIME,
    find: `const committed = readMarker(batch).markerType === 'COMMIT'`,
    replace: `const committed = readMarker(batch).markerType === undefined`,
    why: 'After a restart a pipeline begins anew: everything is processed twice.',
    from: 'KAFKA-17306',
    shows: 'A committed transaction with offsets, then a restart.',
  },
  {
    name: 'live-offsets-not-materialised',
    file: 'src/broker/transaction-runtime.ts',
    find: `    for (const each of materialise) each()
`,
    replace: `    if (materialise.length > 100) for (const each of materialise) each()
`,
    why: 'Offsets of a committed transaction stay undecided until a restart: whoever takes over waits for ever.',
    from: 'KAFKA-17507',
    shows: 'A group changes hands after a transaction.',
  },
  {
    name: 'undecided-offsets-told',
    file: OFFSETS,
    find: `    if (requireStable && this.#store.isPending(groupId, topic, partition)) {`,
    replace: `    if (requireStable && this.#store.isPending(groupId, topic, partition) && groupId === '') {`,
    why: 'The next owner of a partition begins before the transaction of the last one is decided: input is processed twice.',
    from: 'KIP-447',
    shows: 'A rebalance between the commit of a transaction and its markers.',
    survives:
      'A rebalance has to fall between TxnOffsetCommit and EndTxn, a few milliseconds, and last longer than the session.',
  },
  {
    name: 'offsets-of-an-outdated-generation-in-transactions',
    file: OFFSETS,
    find: `    return checkCommitter(group, committer, outcome)
  }

  /** A commit without`,
    replace: `    return checkCommitter(group, committer, outcome) === 'NONE' ? 'NONE' : 'NONE'
  }

  /** A commit without`,
    why: 'A worker that has lost its partitions commits its batch although the next owner has processed it too.',
    from: 'KIP-447; KAFKA-16194',
    shows: 'A worker stands still over a rebalance and goes on afterwards.',
    survives:
      'A member has to stand still over a rebalance right before TxnOffsetCommit, and the client then drops the batch by itself.',
  },
  {
    name: 'offsets-of-an-outdated-generation',
    file: OFFSETS,
    find: `    if (error !== 'NONE') return error
    if (isAct(outcome, 'accept-and-touch'))`,
    replace: `    if (error !== 'NONE' && error !== 'ILLEGAL_GENERATION' && error !== 'UNKNOWN_MEMBER_ID') return error
    if (error === 'NONE' && isAct(outcome, 'accept-and-touch'))`,
    why: 'A consumer that was replaced takes the group’s offsets back to where it was.',
    from: 'KAFKA-16285; KIP-62',
    shows: 'A consumer stands still over a rebalance and commits afterwards.',
  },
  {
    name: 'zombie-offsets-accepted',
    file: RUNTIME,
    find: `return currentEpoch !== undefined && producerEpoch < currentEpoch ? 'INVALID_PRODUCER_EPOCH' : 'NONE'`,
    replace: `return currentEpoch !== undefined && producerEpoch < 0 ? 'INVALID_PRODUCER_EPOCH' : 'NONE'`,
    also: [
      {
        file: RUNTIME,
        find: `return partition?.state.hasOpenTransaction(producerId, producerEpoch) ?? false`,
        replace: `return partition?.state.hasOpenTransaction(producerId, partition.state.producerEpoch(producerId) ?? producerEpoch) ?? false`,
      },
    ],
    why: 'Offsets of a fenced producer are committed by the transaction of its successor.',
    from: 'KAFKA-15449, KAFKA-15784',
    shows: 'A fenced producer sends offsets while its successor has a transaction open in the same group.',
    survives:
      'A fenced producer has to send offsets while its successor has a transaction open in the same group; the crash workloads only let it append and commit.',
  },
  {
    name: 'commit-of-offsets-answered-before-durable',
    file: RUNTIME,
    find: `    assert(result.reply !== undefined, 'a decision without a token answers at once')
    await this.#settled()`,
    replace: `    assert(result.reply !== undefined, 'a decision without a token answers at once')`,
    why: 'A power cut takes back offsets that were acknowledged.',
    from: 'own promise: what was acknowledged is on disk',
    shows: 'A power cut between an answer to OffsetCommit and the flush after it.',
  },
  {
    name: 'assignment-of-another-member',
    file: GROUPS,
    find: `syncReply(group, assignments.get(memberId) ?? NO_BYTES)`,
    replace: `syncReply(group, assignments.get(group.leaderId ?? memberId) ?? NO_BYTES)`,
    why: 'All members read the partitions of the leader, and nobody reads the others.',
    from: 'KIP-62 (one owner per generation)',
    shows: 'A group of two members.',
  },
  {
    name: 'restored-assignment-of-another-member',
    file: GROUPS,
    find: `if (isAct(outcome, 'answer-assignment')) return syncReply(group, member.assignment)`,
    replace: `if (isAct(outcome, 'answer-assignment')) {
      return syncReply(group, (group.members.values().next().value ?? member).assignment)
    }`,
    why: 'A member that asks for its assignment a little later than the others gets that of another one: two own a partition.',
    from: 'KIP-62',
    shows: 'A follower’s SyncGroup comes after the leader’s.',
  },
  {
    name: 'session-timeout-ignored',
    file: REBALANCES,
    find: `    if (member.isWaiting && !member.isNew) return
    this.removeMember`,
    replace: `    if (!member.isNew) return
    this.removeMember`,
    why: 'The partitions of a consumer that died are read by nobody until something else makes the group rebalance.',
    from: 'KIP-62',
    shows: 'A consumer dies and no other one joins or leaves.',
    survives: 'Whoever dies is replaced at once, and the new member makes the group rebalance.',
  },
  {
    name: 'rebalance-does-not-wait',
    file: REBALANCES,
    find: `      if (group.hasAllMembersJoined) this.#completeJoin(group, nowMs, effects)
      else this.deadlines.set`,
    replace: `      if (group.awaitingJoinCount > 0) this.#completeJoin(group, nowMs, effects)
      else this.deadlines.set`,
    why: 'Members are thrown out at each rebalance before they could finish and commit: their work is done again.',
    from: 'KIP-62',
    shows: 'A member joins a group that is busy.',
  },
  {
    name: 'generation-not-raised',
    file: REBALANCES,
    find: `    group.generationId += 1
`,
    replace: `    group.generationId = Math.max(group.generationId, 1)
`,
    why: 'Members of an earlier generation cannot be told from the present ones: they commit what is not theirs any more.',
    from: 'KIP-62; KAFKA-16285',
    shows: 'A member stands still over a rebalance and goes on afterwards.',
  },
  {
    name: 'restart-forgets-the-generation',
    file: 'src/core/group/classic-group.ts',
    find: `    this.generationId = value.generation
`,
    replace: `    this.generationId = this.members.size === 0 ? 0 : value.generation
`,
    why: 'After a restart a member of an old generation passes for one of the new: two own a partition.',
    from: 'KAFKA-9307',
    shows: 'A restart, and members that go on over it.',
  },
  {
    name: 'tombstone-hits-another-partition',
    file: STORE,
    find: `      this.#committed.delete(group, topic, partition)
      this.#dropPending`,
    replace: `      this.#committed.delete(group, topic, partition + 1)
      this.#dropPending`,
    why: 'Deleted offsets are still there, and those of another partition are gone: its input is processed again.',
    from: 'KAFKA-19164',
    shows: 'A topic or an offset is deleted while the group has others.',
  },
]
