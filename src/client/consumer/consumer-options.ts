/** Options of `kafka.consumer(…)`: names, defaults, units, ranges, and which of them contradict each other. */
import type { Assignor } from '../core/group/assignor.ts'
import { rangeAssignor } from '../core/group/assignors/range.ts'
import { roundRobinAssignor } from '../core/group/assignors/round-robin.ts'
import { cooperativeStickyAssignor, stickyAssignor } from '../core/group/assignors/sticky.ts'
import { KafkaError } from '../errors.ts'
import {
  boolean,
  callback,
  checkOptions,
  choice,
  type CheckedOptions,
  defineOptions,
  type GivenOptions,
  number,
  string,
  value,
} from '../options.ts'
import type { AnyTopic, TopicPartition } from '../topic.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const MIB = 1_048_576
const INT32_MAX = 2 ** 31 - 1

const BUILT_IN_ASSIGNORS: ReadonlyMap<string, Assignor> = new Map(
  [rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor].map((assignor) => [
    assignor.name,
    assignor,
  ]),
)

export type AssignorName = 'range' | 'roundrobin' | 'sticky' | 'cooperative-sticky'
/** Told of partitions; awaited, so that the group goes on only afterwards. */
export type PartitionsListener = (partitions: readonly TopicPartition[]) => Promise<void> | void

const consumerOptions = defineOptions({
  groupId: string({
    doc: 'The group whose members share the partitions and which keeps the progress. Without it nothing is committed.',
  }),
  groupInstanceId: string({
    doc: 'Makes a static member (KIP-345): after a restart within sessionTimeoutMs it gets its partitions back without a rebalance.',
  }),
  topics: value<readonly (AnyTopic | RegExp)[]>({
    doc: 'What is read: topics, or patterns of their names. Without a groupId all their partitions are read.',
    check: (given) => (Array.isArray(given) && given.length > 0 ? undefined : 'an array of topics that is not empty'),
  }),
  partitions: value<readonly TopicPartition[]>({
    doc: 'What is read, in place of topics: these partitions, whoever else reads them.',
    check: (given) =>
      Array.isArray(given) && given.every(isPartition) ? undefined : 'an array of { topic, partition }',
  }),
  startFrom: choice({
    choices: ['earliest', 'latest', 'none'] as const,
    default: 'earliest',
    doc: "Where to begin without a committed offset, or when it is not in the log any more; 'none': fail.",
  }),
  isolationLevel: choice({
    choices: ['read_committed', 'read_uncommitted'] as const,
    default: 'read_committed',
    doc: 'Whether records of transactions that are aborted or open are left out.',
  }),
  assignors: value<readonly (AssignorName | Assignor)[]>({
    default: ['range', 'cooperative-sticky'],
    doc: 'How a group may share partitions, the preferred way first; all members must have one in common.',
    check: (given) =>
      Array.isArray(given) && given.length > 0 && given.every(isAssignor)
        ? undefined
        : `an array of ${[...BUILT_IN_ASSIGNORS.keys()].join(', ')} or objects with name, isCooperative and assign`,
  }),
  sessionTimeoutMs: number({
    default: 45_000,
    min: 1,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'A member that was not heard of for so long is given up; within the limits of the broker.',
  }),
  heartbeatIntervalMs: number({
    default: 3_000,
    min: 1,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How often a member says that it is there.',
  }),
  maxPollIntervalMs: number({
    default: 5 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    unit: 'ms',
    doc: 'Longest time that processing may take between two polls; afterwards the partitions go to other members.',
  }),
  maxPollRecords: number({ default: 500, min: 1, max: 1_000_000, unit: 'records', doc: 'Most records of one poll.' }),
  fetchMinBytes: number({
    default: 1,
    min: 0,
    max: INT32_MAX,
    unit: 'bytes',
    doc: 'The broker waits for so much, up to fetchMaxWaitMs.',
  }),
  fetchMaxWaitMs: number({
    default: 500,
    min: 0,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How long the broker waits for fetchMinBytes.',
  }),
  fetchMaxBytes: number({ default: 50 * MIB, min: 1, max: INT32_MAX, unit: 'bytes', doc: 'Most bytes of one answer.' }),
  fetchMaxPartitionBytes: number({
    default: MIB,
    min: 1,
    max: INT32_MAX,
    unit: 'bytes',
    doc: 'Most bytes of one partition in one answer; a larger batch comes all the same.',
  }),
  prefetchBytes: number({
    default: 16 * MIB,
    min: 1,
    max: INT32_MAX,
    unit: 'bytes',
    doc: 'What may be fetched ahead of the handler, over all partitions; one answer may go beyond it.',
  }),
  autoCommit: boolean({ default: true, doc: 'Commits what has been processed, by time, at rebalances and on close.' }),
  autoCommitIntervalMs: number({ default: 5_000, min: 1, max: HOUR_MS, unit: 'ms', doc: 'How often.' }),
  checkCrcs: boolean({ default: true, doc: 'Whether the checksum of each batch is checked.' }),
  maxDecompressedBytes: number({
    default: 128 * MIB,
    min: 1,
    max: INT32_MAX,
    unit: 'bytes',
    doc: 'Largest size of one batch once it is decompressed; a larger one is refused.',
  }),
  requestTimeoutMs: number({
    min: 1,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How long an answer may take; as for the Kafka instance unless given.',
  }),
  autoCreateTopics: boolean({
    default: true,
    doc: 'Whether asking for a topic may create it, where the broker is set up so.',
  }),
  onAssigned: callback<PartitionsListener>({ doc: 'Told of partitions that are read from now on; may seek.' }),
  onRevoked: callback<PartitionsListener>({
    doc: 'Told before partitions are given up: the last chance to finish and commit.',
  }),
  onLost: callback<PartitionsListener>({
    doc: 'Told of partitions that may be read by others already: nothing can be committed any more.',
  }),
})

type Definitions = typeof consumerOptions
/** What `kafka.consumer(…)` takes. */
export type ConsumerOptions<T extends AnyTopic = AnyTopic> = Omit<GivenOptions<Definitions>, 'topics'> & {
  readonly topics?: readonly (T | RegExp)[] | undefined
}
export type CheckedConsumerOptions = Omit<CheckedOptions<Definitions>, 'assignors'> & {
  readonly assignors: readonly Assignor[]
}

/** Throws INVALID_OPTION. */
export function checkConsumerOptions(given: object): CheckedConsumerOptions {
  const options = checkOptions('ConsumerOptions', given, consumerOptions)
  const { topics, partitions, groupId, groupInstanceId, sessionTimeoutMs, heartbeatIntervalMs } = options
  if ((topics === undefined) === (partitions === undefined)) {
    throw invalid(
      topics === undefined ? 'either topics or partitions must be given' : 'topics and partitions exclude each other',
    )
  }
  if (groupInstanceId !== undefined && groupId === undefined) throw invalid('groupInstanceId needs a groupId')
  if (heartbeatIntervalMs >= sessionTimeoutMs) {
    throw invalid(`heartbeatIntervalMs (${heartbeatIntervalMs}) must be below sessionTimeoutMs (${sessionTimeoutMs})`)
  }
  const assignors = options.assignors.map((one) =>
    typeof one === 'string' ? (BUILT_IN_ASSIGNORS.get(one) as Assignor) : one,
  )
  return { ...options, assignors }
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_OPTION', `ConsumerOptions: ${message}`)
}

function isPartition(given: unknown): boolean {
  if (typeof given !== 'object' || given === null) return false
  const { topic, partition } = given as Partial<TopicPartition>
  return typeof topic === 'string' && topic !== '' && Number.isSafeInteger(partition) && (partition ?? -1) >= 0
}

function isAssignor(given: unknown): boolean {
  if (typeof given === 'string') return BUILT_IN_ASSIGNORS.has(given)
  if (typeof given !== 'object' || given === null) return false
  const { name, isCooperative, assign } = given as Partial<Assignor>
  return typeof name === 'string' && typeof isCooperative === 'boolean' && typeof assign === 'function'
}
