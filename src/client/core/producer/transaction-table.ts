/**
 * The legal moves of a producer, complete by type: what each event comes to in each state. SPEC.md draws them.
 *
 * Source: org.apache.kafka.clients.producer.internals.TransactionManager (State#isTransitionValid and its callers).
 */

export type ProducerState =
  | 'Uninitialized'
  | 'Initializing'
  | 'Ready'
  | 'InTransaction'
  | 'CommittingTransaction'
  | 'AbortingTransaction'
  | 'AbortableError'
  | 'FatalError'

/** What the user asks for. */
export type UserEvent = 'init' | 'begin' | 'write' | 'commit' | 'abort'

/**
 * What happens. `initialized`: InitProducerId gave id and epoch; `initRefused`: it was refused for now. `newEpoch`: another
 * epoch is needed before going on. `ended`: EndTxn was answered, or there was nothing to end; `endedNeedsEpoch`: and a new epoch
 * must be had before the next transaction (KIP-360). `abortable`, `fatal`: something failed.
 */
export type InnerEvent =
  | 'initialized'
  | 'initRefused'
  | 'newEpoch'
  | 'ended'
  | 'endedNeedsEpoch'
  | 'abortable'
  | 'fatal'

export type ProducerEvent = UserEvent | InnerEvent

/**
 * A state: the move. `stay`: allowed, or already so. `ignore`: it comes too late to matter. `refuse`: the caller is at
 * fault (ILLEGAL_STATE). `fail`: with the error that led to this state. `impossible`: our own mistake.
 */
export type Outcome = ProducerState | 'stay' | 'ignore' | 'refuse' | 'fail' | 'impossible'

export const PRODUCER_TABLE: Readonly<Record<ProducerState, Readonly<Record<ProducerEvent, Outcome>>>> = {
  Uninitialized: {
    init: 'Initializing',
    begin: 'refuse',
    write: 'refuse',
    commit: 'refuse',
    abort: 'refuse',
    initialized: 'impossible',
    initRefused: 'impossible',
    newEpoch: 'impossible',
    ended: 'impossible',
    endedNeedsEpoch: 'impossible',
    abortable: 'impossible',
    fatal: 'FatalError',
  },
  Initializing: {
    init: 'stay',
    begin: 'refuse',
    write: 'refuse',
    commit: 'refuse',
    abort: 'refuse',
    initialized: 'Ready',
    initRefused: 'Uninitialized',
    newEpoch: 'stay',
    ended: 'impossible',
    endedNeedsEpoch: 'impossible',
    abortable: 'impossible',
    fatal: 'FatalError',
  },
  Ready: {
    init: 'stay',
    begin: 'InTransaction',
    write: 'refuse',
    commit: 'refuse',
    abort: 'refuse',
    initialized: 'impossible',
    initRefused: 'impossible',
    newEpoch: 'Initializing',
    ended: 'impossible',
    endedNeedsEpoch: 'impossible',
    abortable: 'impossible',
    fatal: 'FatalError',
  },
  InTransaction: {
    init: 'refuse',
    begin: 'refuse',
    write: 'stay',
    commit: 'CommittingTransaction',
    abort: 'AbortingTransaction',
    initialized: 'impossible',
    initRefused: 'impossible',
    newEpoch: 'impossible',
    ended: 'impossible',
    endedNeedsEpoch: 'impossible',
    abortable: 'AbortableError',
    fatal: 'FatalError',
  },
  CommittingTransaction: {
    init: 'refuse',
    begin: 'refuse',
    write: 'refuse',
    // The only thing that may follow a commit of which the outcome is not known.
    commit: 'stay',
    abort: 'refuse',
    initialized: 'impossible',
    initRefused: 'impossible',
    newEpoch: 'impossible',
    ended: 'Ready',
    endedNeedsEpoch: 'impossible',
    abortable: 'AbortableError',
    fatal: 'FatalError',
  },
  AbortingTransaction: {
    init: 'refuse',
    begin: 'refuse',
    write: 'refuse',
    commit: 'refuse',
    abort: 'stay',
    initialized: 'impossible',
    initRefused: 'impossible',
    newEpoch: 'impossible',
    ended: 'Ready',
    endedNeedsEpoch: 'Initializing',
    abortable: 'ignore',
    fatal: 'FatalError',
  },
  AbortableError: {
    init: 'fail',
    begin: 'fail',
    write: 'fail',
    commit: 'fail',
    abort: 'AbortingTransaction',
    initialized: 'impossible',
    initRefused: 'impossible',
    newEpoch: 'impossible',
    ended: 'impossible',
    endedNeedsEpoch: 'impossible',
    abortable: 'ignore',
    fatal: 'FatalError',
  },
  FatalError: {
    init: 'fail',
    begin: 'fail',
    write: 'fail',
    commit: 'fail',
    abort: 'fail',
    initialized: 'ignore',
    initRefused: 'ignore',
    newEpoch: 'ignore',
    ended: 'ignore',
    endedNeedsEpoch: 'ignore',
    abortable: 'ignore',
    fatal: 'ignore',
  },
}
