/** Defects of the client's transactions: commit, abort, fences, offsets (client/core/producer, client/pipeline). */
import type { Defect } from '../defect.ts'

const MANAGER = 'src/client/core/producer/transaction-manager.ts'
const REQUESTS = 'src/client/core/producer/transaction-requests.ts'
const WORKER = 'src/client/pipeline/worker.ts'
const FAILURE = 'src/client/core/pipeline/failure.ts'

export const CLIENT_TRANSACTION_DEFECTS: readonly Defect[] = [
  {
    name: 'commit-after-a-failed-send',
    file: MANAGER,
    find: `    this.abortable(error, { needsNewEpoch: true })
  }

  /** Whether batches`,
    replace: `    if (error.code === 'INTERNAL') this.abortable(error, { needsNewEpoch: true })
  }

  /** Whether batches`,
    why: 'A transaction commits without one of its records.',
    from: 'librdkafka 1.5.2, franz-go 1.21 (locally timed-out record)',
    shows: 'A send inside a transaction fails after it was accepted.',
  },
  {
    name: 'commit-does-not-wait-for-batches',
    file: MANAGER,
    find: `        if (!this.isCommitting || this.#holder.hasIncomplete) return undefined
`,
    replace: `        if (!this.isCommitting) return undefined
`,
    why: 'EndTxn overtakes records of its transaction: they are refused, or land in the next one.',
    from: 'franz-go CHANGELOG (produce during end and begin)',
    shows: 'A commit while records are on their way.',
  },
  {
    name: 'unanswered-commit-taken-for-success',
    file: MANAGER,
    find: `        if (verdict === 'refresh') this.#forgetCoordinator(work)
        this.#attempts += 1`,
    replace: `        if (work.api === 'EndTxn' && work.committed) {
          this.#ended(undefined)
          return
        }
        if (verdict === 'refresh') this.#forgetCoordinator(work)
        this.#attempts += 1`,
    why: 'A commit that never reached the coordinator is reported as done; an abort takes it back later.',
    from: 'franz-go CHANGELOG (commit reported ok on UNKNOWN_SERVER_ERROR)',
    shows: 'A connection breaks before EndTxn reaches the coordinator.',
  },
  {
    name: 'unanswered-commit-taken-for-failure',
    file: MANAGER,
    find: `        if (verdict === 'refresh') this.#forgetCoordinator(work)
        this.#attempts += 1`,
    replace: `        if (work.api === 'EndTxn' && work.committed) {
          this.abortable(error)
          return
        }
        if (verdict === 'refresh') this.#forgetCoordinator(work)
        this.#attempts += 1`,
    why: 'A commit whose answer was lost is reported as refused; who does the work again has done it twice.',
    from: 'KAFKA-9274',
    shows: 'The answer to EndTxn is lost.',
  },
  {
    name: 'unknown-commit-told-as-success',
    file: MANAGER,
    find: `    if (this.isCommitInDoubt) this.#failWaiters(unknownOutcome(this.#lastFailure, 'retry', waited))
    else if`,
    replace: `    if (this.isCommitInDoubt) this.#succeedWaiters()
    else if`,
    why: 'After the time to wait a commit nobody has heard of is reported as done.',
    from: 'KAFKA-9274; decision 0011',
    shows: 'The coordinator is away for longer than maxBlockMs while a commit is asked for.',
  },
  {
    name: 'second-partition-not-added',
    file: MANAGER,
    find: `    } else this.#newPartitions.add(partition)`,
    replace: `    } else if (this.#newPartitions.size === 0) this.#newPartitions.add(partition)
    else this.#partitions.add(partition)`,
    why: 'A transaction of version 1 over two partitions is refused, or leaves one hanging at a broker that does not verify.',
    from: 'KIP-890 (the client writes before AddPartitionsToTxn)',
    shows: 'A transaction of version 1 over two partitions.',
  },
  {
    name: 'epoch-kept-after-an-unanswered-request',
    file: MANAGER,
    find: `      this.#hasStray = !this.#isTransactionV2 && this.#canBumpEpoch()
`,
    replace: `      this.#hasStray = false
`,
    why: 'A request of transaction version 1 that arrives late acts on the next transaction: torn or lost.',
    from: 'KAFKA-17754',
    shows:
      'A request of version 1 is repeated over a new connection, and the first one arrives in the next transaction.',
    survives:
      'The simulation leaves stray requests out where version 1 is spoken, as a broker can do nothing about them; this client can.',
  },
  {
    name: 'no-new-epoch-after-an-abort',
    file: MANAGER,
    find: `const needsNewEpoch = this.isAborting && this.#needsNewEpoch && this.#isStartedOrNumbered()`,
    replace: `const needsNewEpoch = this.isAborting && this.#needsNewEpoch && this.#error !== undefined`,
    why: 'Batches that were given up leave a gap: what is sent next is refused, or data of the last transaction lands in this one.',
    from: 'KIP-360; KAFKA-14053',
    shows: 'A transaction of version 1 is aborted after a batch without an answer.',
    survives:
      'Version 1, an abort after a batch without an answer, and that batch arriving late: stray requests are left out there.',
  },
  {
    name: 'fenced-producer-initialises-itself',
    file: MANAGER,
    find: `      case 'fenced':
        this.fatal(fenced(this.#options.transactionalId, error))
        return`,
    replace: `      case 'fenced':
        fenced(this.#options.transactionalId, error)
        this.#identity = NO_IDENTITY
        this.#partitions.clear()
        this.#isStarted = false
        this.#state = 'Initializing'
        return`,
    why: 'A zombie takes its place back and reports a transaction as committed that was aborted.',
    from: 'librdkafka #3575 (Init inside a transaction, the earlier part lost)',
    shows: 'A producer is fenced in the middle of a transaction and goes on.',
  },
  {
    name: 'next-epoch-of-the-coordinator-ignored',
    file: MANAGER,
    find: `      this.#identity = identity
      this.#epochWasUsed = false
      this.#holder.resetSequences()`,
    replace: `      this.#identity = this.#identity.producerId < 0 ? identity : this.#identity
      this.#epochWasUsed = false
      this.#holder.resetSequences()`,
    why: 'The second transaction of a producer is refused: it fences itself.',
    from: 'KAFKA-18464; KIP-890',
    shows: 'Two transactions of version 2 one after the other.',
  },
  {
    name: 'offsets-without-membership',
    file: REQUESTS,
    find: `          generationId: group.generationId,
          memberId: group.memberId,
          groupInstanceId: group.groupInstanceId,`,
    replace: `          generationId: -1,
          memberId: '',
          groupInstanceId: null,`,
    why: 'A worker that has lost its partitions commits them all the same: input is processed twice.',
    from: 'KAFKA-16194; KIP-447',
    shows: 'A worker stands still over a rebalance and goes on afterwards.',
    survives:
      'A worker has to stand still over a rebalance right before it sends offsets, and not notice before it does.',
  },
  {
    name: 'offsets-one-too-far',
    file: REQUESTS,
    find: `              committedOffset: one.offset,`,
    replace: `              committedOffset: one.offset + 1,`,
    why: 'The record after each batch is never processed.',
    from: 'Pinot #12318; KAFKA-6607',
    shows: 'A group changes hands, and its offsets are believed.',
  },
  {
    name: 'offsets-one-too-near',
    file: REQUESTS,
    find: `              committedOffset: one.offset,`,
    replace: `              committedOffset: Math.max(0, one.offset - 1),`,
    why: 'The last record of each batch is processed again by the next owner.',
    from: 'the first mistake of everybody: the last offset instead of the next one',
    shows: 'A group changes hands.',
  },
  {
    name: 'offsets-not-in-the-transaction',
    file: MANAGER,
    find: `    this.#offsets.push({ group, offsets: copy, operation, deadlineMs, isAdded: this.#isTransactionV2 })
`,
    replace: `    void deadlineMs
    operation.succeeded()
    return
`,
    why: 'Results are committed and their input is not: after a restart everything is processed again.',
    from: 'KIP-98 (sendOffsetsToTransaction)',
    shows: 'A group changes hands.',
  },
  {
    name: 'batch-dropped-without-going-back',
    file: WORKER,
    find: `      await this.#consumer.seek({ topic, partition }, offset)
`,
    replace: `      void offset
`,
    why: 'The records of a batch that was aborted in a rebalance, and stayed with this worker, are never processed.',
    from: 'Jepsen’s abort workload; KAFKA-5273',
    shows: 'A rebalance in the middle of a batch of a pipeline, after which some of its partitions stay.',
    survives:
      'With eager rebalances a member gives everything up and begins at committed offsets; it takes an assignor that lets partitions stay.',
  },
  {
    name: 'lost-partitions-finished-all-the-same',
    file: WORKER,
    find: `      const lost = batch.offsets.find((partition) => this.#lost.has(partitionKey(partition)))
      if (lost === undefined) return
      throw`,
    replace: `      const lost = batch.offsets.find((partition) => this.#lost.has(partitionKey(partition)) && partition.offset < 0)
      if (lost === undefined) return
      throw`,
    why: 'A batch is finished under the new membership although its partitions went to another member meanwhile.',
    from: 'invariant P of client/core/pipeline; KAFKA-16285',
    shows: 'A pipeline loses a partition in the middle of a batch and is a member again before it ends.',
    survives: 'A member has to lose a partition in the middle of a batch and be a member again before the batch ends.',
  },
  {
    name: 'unknown-outcome-processed-again',
    file: FAILURE,
    find: `    case 'outcome-unknown':
      return { step: 'resolve-outcome', pauseMs: 0 }`,
    replace: `    case 'outcome-unknown':
      return { step: 'restart-producer', pauseMs: 0 }`,
    why: 'A batch whose commit was not answered is processed again, whether it was committed or not.',
    from: 'Redpanda 9571; decision 0011',
    shows: 'The answer to EndTxn of a pipeline is lost for longer than maxBlockMs.',
    survives: 'A commit of a pipeline has to stay unanswered for longer than maxBlockMs, and to have happened.',
  },
  {
    name: 'unknown-outcome-taken-for-done',
    file: FAILURE,
    find: `    case 'outcome-unknown':
      return { step: 'resolve-outcome', pauseMs: 0 }`,
    replace: `    case 'outcome-unknown':
      return { step: 'give-up-batch' }`,
    why: 'A batch whose commit was not answered, and did not happen, is passed over: its input is lost.',
    from: 'decision 0011',
    shows: 'EndTxn of a pipeline gets no answer and its transaction times out.',
    survives: 'A commit of a pipeline has to stay unanswered for longer than maxBlockMs, and not to happen.',
  },
]
