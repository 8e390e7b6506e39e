/** Options of `kafka.pipeline(…)`: what is read, what is done with it, how sure the result has to be. */
import type { CheckedOptions } from '../options.ts'
import { callback, choice, defineOptions, number, string, value } from '../options.ts'
import type { ConsumerOptions } from '../consumer/consumer-options.ts'
import type { ProducerOptions } from '../producer/producer-options.ts'
import type { AnyTopic, ConsumerRecord, KeyOf, TopicPartition, ValueOf } from '../topic.ts'
import type { Guarantee } from './delivery.ts'
import type { Output } from './ports.ts'

const HOUR_MS = 3_600_000
const MIB = 1_048_576

/** What `process` is told beside its records. */
export interface ProcessContext {
  /** 0 … workers - 1. */
  readonly worker: number
  /** 1 for the first try of these records. */
  readonly attempt: number
  /** By partition: the next offset to read after these records, markers included. With `exactly_once` committed with the results. */
  readonly offsets: readonly (TopicPartition & { readonly offset: number })[]
  /** Aborted when the work is for nothing: the partitions were given to another member, or the pipeline has to stop now. */
  readonly signal: AbortSignal
}

/** Tuning of what a pipeline reads with; what a pipeline decides itself is not among it. */
export type PipelineConsumerOptions = Omit<
  ConsumerOptions,
  'groupId' | 'topics' | 'partitions' | 'autoCommit' | 'autoCommitIntervalMs' | 'onAssigned' | 'onRevoked' | 'onLost'
>
export type PipelineProducerOptions = Omit<
  ProducerOptions,
  'transactionalId' | 'transactionTimeoutMs' | 'idempotent' | 'acks'
>

export interface PipelineOptions<T extends AnyTopic = string> {
  /** Names the pipeline: its members share the partitions and its progress is kept under it. */
  readonly groupId: string
  /** What is read: one topic or several, by name (bytes) or with serdes. */
  readonly from: T | readonly T[]
  /**
   * Turns records into results. Called with records of one or more partitions, in order within each. What it sends through
   * `output` takes effect together with the progress over `records`, in the way that `guarantee` says. When it throws, the
   * batch is done again; so effects outside Kafka may happen more than once.
   */
  readonly process: (
    records: readonly ConsumerRecord<KeyOf<T>, ValueOf<T>>[],
    output: Output,
    context: ProcessContext,
  ) => Promise<void> | void
  readonly guarantee?: Guarantee
  readonly workers?: number
  readonly transactionalId?: string
  readonly transactionTimeoutMs?: number
  readonly batch?: { readonly maxRecords?: number; readonly maxBytes?: number; readonly maxWaitMs?: number }
  readonly retry?: {
    readonly retries?: number
    readonly backoffMs?: number
    readonly backoffMaxMs?: number
    readonly producerRestartsMax?: number
  }
  readonly onError?: 'stop' | 'skip' | { readonly deadLetter: string }
  readonly consumer?: PipelineConsumerOptions
  readonly producer?: PipelineProducerOptions
}

export const batchOptions = defineOptions({
  maxRecords: number({ default: 1_000, min: 1, max: 1_000_000, unit: 'records', doc: 'Most records of one batch.' }),
  maxBytes: number({
    default: 4 * MIB,
    min: 1,
    max: 1_024 * MIB,
    unit: 'bytes',
    doc: 'A batch takes no more records once their keys and values have this size.',
  }),
  maxWaitMs: number({
    default: 0,
    min: 0,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How long a batch waits for more records after its first; 0: it takes what is there, which under load is plenty.',
  }),
})

export const retryOptions = defineOptions({
  retries: number({
    default: 5,
    min: 0,
    max: 1_000_000,
    doc: 'How often a batch whose processing throws is done again before `onError` decides.',
  }),
  backoffMs: number({
    default: 100,
    min: 0,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'Pause before the first repetition; it doubles with each.',
  }),
  backoffMaxMs: number({
    default: 10_000,
    min: 0,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'Longest pause between repetitions.',
  }),
  producerRestartsMax: number({
    default: 10,
    min: 0,
    max: 1_000_000,
    doc: 'How often in a row a producer may be replaced without a commit in between; more means that another process uses its transactional id.',
  }),
})

export const pipelineOptions = defineOptions({
  groupId: string({
    required: true,
    doc: 'Names the pipeline: its members share the partitions and its progress is kept under it.',
  }),
  from: value<AnyTopic | readonly AnyTopic[]>({ required: true, doc: 'The topic that is read, or several.' }),
  process: callback<(records: never, output: Output, context: ProcessContext) => Promise<void> | void>({
    doc: 'Turns records into results.',
  }),
  guarantee: choice({
    choices: ['exactly_once', 'at_least_once', 'at_most_once'] as const,
    default: 'exactly_once',
    doc: 'exactly_once: results and progress move together. at_least_once: a failure may repeat results. at_most_once: it may lose them.',
  }),
  workers: number({
    default: 1,
    min: 1,
    max: 1_000,
    doc: 'Members of the group in this process, each with a consumer and a producer of its own.',
  }),
  transactionalId: string({
    doc: 'Prefix of the transactional ids; each worker adds its number. Give a stable one that only this process uses, and a restart ends at once what the last run left open; without one it takes transactionTimeoutMs.',
  }),
  transactionTimeoutMs: number({
    default: 10_000,
    min: 1_000,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'The broker aborts a transaction that is open for longer; a batch must be done within it.',
  }),
  batch: value<object>({ doc: 'How large a batch may get.' }),
  retry: value<object>({ doc: 'What happens before `onError`.' }),
  onError: value<'stop' | 'skip' | { readonly deadLetter: string }>({
    default: 'stop',
    doc: "What becomes of a record that fails for good: 'stop' ends the pipeline, 'skip' leaves it out, { deadLetter: 'TOPIC' } sends it there in the same transaction.",
    check: (given) =>
      given === 'stop' ||
      given === 'skip' ||
      (typeof given === 'object' && given !== null && isTopicName(given.deadLetter))
        ? undefined
        : "'stop', 'skip' or { deadLetter: 'TOPIC' }",
  }),
  consumer: value<PipelineConsumerOptions>({ doc: 'Tuning of the consumers.' }),
  producer: value<PipelineProducerOptions>({ doc: 'Tuning of the producers.' }),
})

export type CheckedPipelineOptions = CheckedOptions<typeof pipelineOptions>
export type CheckedBatchOptions = CheckedOptions<typeof batchOptions>

function isTopicName(given: unknown): boolean {
  return typeof given === 'string' && given !== ''
}
