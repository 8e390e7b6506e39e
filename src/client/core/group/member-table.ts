/**
 * The moves of a member of a classic group, complete by type. SPEC.md draws them.
 *
 * Source: the protocol guide; org.apache.kafka.clients.consumer.internals.AbstractCoordinator.
 */

/**
 * - `Unjoined`: not part of the current generation; joins when the consumer polls.
 * - `Revoking`: the consumer is giving up partitions, as they will be given to others.
 * - `Joining`, `Syncing`: JoinGroup, SyncGroup under way. The leader's assignment is made in between, in `Assigning`.
 * - `Stable`: knows its partitions; sends heartbeats.
 * - `Leaving`: LeaveGroup under way.
 * - `Left`: the end.
 * - `Fatal`: the end, with an error that trying again does not help.
 */
export type MemberState =
  | 'Unjoined'
  | 'Revoking'
  | 'Joining'
  | 'Assigning'
  | 'Syncing'
  | 'Stable'
  | 'Leaving'
  | 'Left'
  | 'Fatal'

/**
 * `rejoin`: a rebalance is called for, and partitions have to be given up first; `join`: nothing has to be.
 * `revoked`: the consumer has given them up. `joinedAsLeader`, `joined`, `assigned`, `synced`: a step is done.
 * `expelled`: not a member any more, or not of this generation. `again`: the step failed and the member joins anew.
 */
export type MemberEvent =
  | 'rejoin'
  | 'join'
  | 'revoked'
  | 'joinedAsLeader'
  | 'joined'
  | 'assigned'
  | 'synced'
  | 'expelled'
  | 'again'
  | 'leave'
  | 'left'
  | 'fatal'

/** A state: the move. `stay`: nothing changes. `impossible`: our own mistake. */
export type MemberOutcome = MemberState | 'stay' | 'impossible'

export const MEMBER_TABLE: Readonly<Record<MemberState, Readonly<Record<MemberEvent, MemberOutcome>>>> = {
  Unjoined: {
    rejoin: 'Revoking',
    join: 'Joining',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'stay',
    again: 'stay',
    leave: 'Leaving',
    left: 'impossible',
    fatal: 'Fatal',
  },
  Revoking: {
    rejoin: 'stay',
    join: 'impossible',
    revoked: 'Unjoined',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'Unjoined',
    again: 'impossible',
    leave: 'Leaving',
    left: 'impossible',
    fatal: 'Fatal',
  },
  Joining: {
    rejoin: 'impossible',
    join: 'impossible',
    revoked: 'stay',
    joinedAsLeader: 'Assigning',
    joined: 'Syncing',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'Unjoined',
    again: 'Unjoined',
    leave: 'Leaving',
    left: 'impossible',
    fatal: 'Fatal',
  },
  Assigning: {
    rejoin: 'impossible',
    join: 'impossible',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'Syncing',
    synced: 'impossible',
    expelled: 'Unjoined',
    again: 'Unjoined',
    leave: 'Leaving',
    left: 'impossible',
    fatal: 'Fatal',
  },
  Syncing: {
    rejoin: 'impossible',
    join: 'impossible',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'Stable',
    expelled: 'Unjoined',
    again: 'Unjoined',
    leave: 'Leaving',
    left: 'impossible',
    fatal: 'Fatal',
  },
  Stable: {
    rejoin: 'Revoking',
    join: 'Joining',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'Unjoined',
    again: 'impossible',
    leave: 'Leaving',
    left: 'impossible',
    fatal: 'Fatal',
  },
  Leaving: {
    rejoin: 'stay',
    join: 'impossible',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'stay',
    again: 'stay',
    leave: 'stay',
    left: 'Left',
    fatal: 'stay',
  },
  Left: {
    rejoin: 'stay',
    join: 'impossible',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'stay',
    again: 'stay',
    leave: 'stay',
    left: 'stay',
    fatal: 'stay',
  },
  Fatal: {
    rejoin: 'stay',
    join: 'impossible',
    revoked: 'stay',
    joinedAsLeader: 'impossible',
    joined: 'impossible',
    assigned: 'impossible',
    synced: 'impossible',
    expelled: 'stay',
    again: 'stay',
    leave: 'Leaving',
    left: 'stay',
    fatal: 'stay',
  },
}
