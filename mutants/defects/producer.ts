/** Defects of the client's producer: what is sent, sent again, and believed of it (client/core/producer). */
import type { Defect } from '../defect.ts'

const SENDER = 'src/client/core/producer/produce-sender.ts'
const SEQUENCES = 'src/client/core/producer/sequences.ts'
const ERRORS = 'src/client/core/producer/producer-errors.ts'

export const PRODUCER_DEFECTS: readonly Defect[] = [
  {
    name: 'retry-under-another-sequence',
    file: SENDER,
    find: `      batch.retryAtMs = nowMs + backoffMs(this.#options, batch.attempts, error.code)
      this.#accumulator.putBack(batch)`,
    replace: `      batch.retryAtMs = nowMs + backoffMs(this.#options, batch.attempts, error.code)
      if (batch.hasSequence) {
        batch.partition.sequences.acknowledged(batch)
        batch.baseSequence = NO_SEQUENCE
      }
      this.#accumulator.putBack(batch)`,
    why: 'A repeated request looks like a new one to the broker: duplicates.',
    from: 'librdkafka #4438 (a retry must be byte-identical)',
    shows: 'An answer to Produce is lost after the batch was stored.',
  },
  {
    name: 'stored-or-not-numbered-anew',
    file: SENDER,
    find: `      if (batch.mayBeStored) {
        this.#accumulator.withdraw(batch)`,
    replace: `      if (batch.mayBeStored && batch.attempts > 1000) {
        this.#accumulator.withdraw(batch)`,
    why: 'Batches that may be in the log are sent again under a new epoch: duplicates.',
    from: 'KAFKA-14034',
    shows: 'Several batches without an answer when a partition needs a new epoch.',
    survives:
      'A producer without transactions has to begin a new epoch with unanswered batches; in the workloads few write outside transactions.',
  },
  {
    name: 'new-epoch-while-batches-are-on-their-way',
    file: SENDER,
    find: `      if (partition.inFlightRequests > 0) continue
`,
    replace: '',
    why: 'Batches that are on their way are numbered anew: duplicates, or the producer fails on its own assertion.',
    from: 'KAFKA-8483, KAFKA-13794',
    shows: 'A partition needs a new epoch with requests in flight.',
    survives: 'A producer without transactions has to begin a new epoch with requests on their way.',
  },
  {
    name: 'new-epoch-with-old-sequences',
    file: SEQUENCES,
    find: `    this.#nextSequence = 0
    this.#lastAckedSequence = NO_SEQUENCE`,
    replace: `    this.#lastAckedSequence = NO_SEQUENCE`,
    why: 'After a new epoch nothing that is sent to the partition is accepted any more.',
    from: 'KAFKA-12152; Dekaf 3342',
    shows: 'A producer without transactions begins a new epoch.',
    survives:
      'A producer without transactions has to begin a new epoch and go on writing; its sends then fail, which only calm runs would call wrong.',
  },
  {
    name: 'unanswered-taken-for-not-stored',
    file: SENDER,
    find: `const failure = { error: reply.error, mayBeStored: reply.mayHaveBeenSent }`,
    replace: `const failure = { error: reply.error, mayBeStored: reply.mayHaveBeenSent && reply.error.code === 'CLOSED' }`,
    why: 'Numbers of a batch that is in the log are used for new records, which the broker takes for repetitions: lost.',
    from: 'franz-go #1217',
    shows: 'A batch without an answer runs out of time, then more is sent.',
    survives: 'A batch without an answer has to run out of time, and the same producer to go on without transactions.',
  },
  {
    name: 'timed-out-taken-for-not-stored',
    file: ERRORS,
    find: `  'NOT_ENOUGH_REPLICAS',
  'THROTTLING_QUOTA_EXCEEDED',
  'TOPIC_AUTHORIZATION_FAILED',`,
    replace: `  'NOT_ENOUGH_REPLICAS',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'KAFKA_STORAGE_ERROR',
  'THROTTLING_QUOTA_EXCEEDED',
  'TOPIC_AUTHORIZATION_FAILED',`,
    why: 'A leader that was deposed may have stored the batch; its numbers are used for new records, which are lost.',
    from: 'KAFKA-13574; franz-go #1217',
    shows: 'A cluster of several brokers, where a leader answers NOT_LEADER_OR_FOLLOWER after an append.',
    survives: 'One broker never answers these codes: it takes a cluster, or somebody who changes answers.',
  },
  {
    name: 'lost-answer-taken-for-success',
    file: SENDER,
    find: `      for (const batch of request.batches) this.#attemptFailed(batch, failure, nowMs)
    } else if`,
    replace: `      for (const batch of request.batches) {
        if (reply.mayHaveBeenSent) this.#stored(batch, -1, -1)
        else this.#attemptFailed(batch, failure, nowMs)
      }
    } else if`,
    why: 'Records that never reached the broker are reported as stored.',
    from: 'franz-go CHANGELOG (success on an unknown error)',
    shows: 'A connection breaks before a Produce reaches the broker.',
  },
  {
    name: 'later-batches-overtake-a-retry',
    file: SENDER,
    find: `        if (unfinished[0] !== batch) return false
`,
    replace: '',
    also: [
      {
        file: 'src/client/core/producer/partition-state.ts',
        find: `    while (at < this.queue.length && this.queue[at]!.hasSequence && order.indexOf(this.queue[at]!) < own) at += 1
`,
        replace: `    void own
`,
      },
    ],
    why: 'Batches that are tried again go out newest first: refused, until the send fails.',
    from: 'KAFKA-8484',
    shows: 'Several batches of a partition in flight when the connection breaks.',
    survives:
      'Several batches of one partition have to be in flight when the connection breaks; roles wait for most of their sends.',
  },
  {
    name: 'ten-batches-in-flight',
    file: SENDER,
    find: `if (isUnresolved || unfinished.length >= maxInFlightRequests) return false`,
    replace: `if (isUnresolved || unfinished.length >= 2 * maxInFlightRequests) return false`,
    also: [
      {
        file: SENDER,
        find: `while ((this.#inFlightByNode.get(leaderId) ?? 0) < this.#options.maxInFlightRequests) {`,
        replace: `while ((this.#inFlightByNode.get(leaderId) ?? 0) < 2 * this.#options.maxInFlightRequests) {`,
      },
    ],
    why: 'When more than five batches lose their answers the broker has forgotten the first: the sends fail.',
    from: 'KAFKA-5494',
    shows: 'Six or more batches of a partition stored, all answers lost.',
    survives: 'Six batches of one partition have to be in flight; roles wait for most of their sends.',
  },
  {
    name: 'gap-ignored-after-a-timeout',
    file: SENDER,
    find: `        if (isUnresolved || unfinished.length >=`,
    replace: `        if (unfinished.length >=`,
    also: [
      {
        file: SEQUENCES,
        find: `    if (this.isOf(batch)) this.#isUnresolved = true
`,
        replace: `    if (this.isOf(batch)) this.#nextSequence = batch.baseSequence
`,
      },
    ],
    why: 'The numbers of a batch that timed out, and may be in the log, are used again: new records are taken for it and lost.',
    from: 'librdkafka 1.5.2 (locally timed-out record)',
    shows: 'A batch without an answer runs out of time, then more is sent.',
    survives: 'A batch without an answer has to run out of time, and the same producer to go on without transactions.',
  },
]
