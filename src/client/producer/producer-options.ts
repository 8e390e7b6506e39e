/** Options of `kafka.producer(…)`: names, defaults, units, ranges, and which of them contradict each other. */
import { COMPRESSIONS } from '../../protocol/compression/compression.ts'
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
} from '../options.ts'

/**
 * Chooses the partition of a record that names none. `key` is as it goes over the wire, text as a string.
 * @returns 0 … partitionCount - 1; `undefined` leaves it to the key's hash, or to what fills batches
 */
export type Partitioner = (record: {
  readonly topic: string
  readonly key: Uint8Array | string | null
  readonly partitionCount: number
}) => number | undefined

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const INT32_MAX = 2 ** 31 - 1
/** As many batches of a producer and partition a broker remembers. */
const IDEMPOTENT_IN_FLIGHT_MAX = 5

export const producerOptions = defineOptions({
  transactionalId: string({
    doc: 'Name of this producer across restarts; makes it transactional. Another producer with the same name fences this one.',
  }),
  transactionTimeoutMs: number({
    default: MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    unit: 'ms',
    doc: 'How long a transaction may stay open before the broker aborts it; at most transaction.max.timeout.ms of the broker.',
  }),
  idempotent: boolean({
    default: true,
    doc: 'Stores each record once and in order however often requests are repeated. Needs acks all.',
  }),
  acks: choice({
    choices: ['all', 1, 0],
    default: 'all',
    doc: "When a record counts as sent: 'all': all replicas in sync have it; 1: the leader has it; 0: it left here.",
  }),
  maxInFlightRequests: number({
    default: 5,
    min: 1,
    max: 1_000,
    unit: 'requests',
    doc: 'Produce requests to one broker that wait for their answer; at most 5 with idempotence.',
  }),
  lingerMs: number({
    default: 0,
    min: 0,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How long a batch waits for more records. With 0 it goes as soon as a request may be made, with all that is there.',
  }),
  batchSizeBytes: number({
    default: 128 * KIB,
    min: 0,
    max: GIB,
    unit: 'bytes',
    doc: 'A batch of this size is full; a larger record has a batch to itself. 0: no batching.',
  }),
  bufferMemoryBytes: number({
    default: 32 * MIB,
    min: KIB,
    max: 64 * GIB,
    unit: 'bytes',
    doc: 'Records that are not acknowledged, in total. When it is used up, sends wait up to maxBlockMs.',
  }),
  maxBlockMs: number({
    default: MINUTE_MS,
    min: 0,
    max: 24 * HOUR_MS,
    unit: 'ms',
    doc: 'How long a send waits for metadata and memory, and each step of a transaction for its coordinator.',
  }),
  maxRequestSizeBytes: number({
    default: MIB,
    min: KIB,
    max: GIB,
    unit: 'bytes',
    doc: 'Largest request, and so largest record before compression; see also message.max.bytes of the broker.',
  }),
  compression: choice({ choices: COMPRESSIONS, default: 'none', doc: 'How batches are compressed.' }),
  deliveryTimeoutMs: number({
    default: 2 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    unit: 'ms',
    doc: 'From send to acknowledgement, lingering and retries included; afterwards the send fails with DELIVERY_TIMEOUT.',
  }),
  requestTimeoutMs: number({
    min: 1,
    max: HOUR_MS,
    unit: 'ms',
    doc: 'How long an answer may take; as for the Kafka instance unless given.',
  }),
  retryBackoffMs: number({
    min: 1,
    max: MINUTE_MS,
    unit: 'ms',
    doc: 'Pause before the first retry, doubled with each; as for the Kafka instance unless given.',
  }),
  retryBackoffMaxMs: number({
    min: 1,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    doc: 'Longest pause between retries; as for the Kafka instance unless given.',
  }),
  partitioner: callback<Partitioner>({ doc: 'Chooses the partition of records that name none.' }),
  transactionVersion: choice({
    choices: ['auto', 1],
    default: 'auto',
    doc: "Which transaction protocol to speak: 'auto': version 2 (KIP-890) where the cluster has it, 1 otherwise.",
  }),
})

/** What `kafka.producer(…)` takes. */
export type ProducerOptions = GivenOptions<typeof producerOptions>

type Inherited = 'requestTimeoutMs' | 'retryBackoffMs' | 'retryBackoffMaxMs'
/** Everything decided, what is left out taken from the Kafka instance. */
export type ResolvedProducerOptions = Omit<CheckedOptions<typeof producerOptions>, Inherited> &
  Record<Inherited, number>

/** Throws INVALID_OPTION for a single value that is wrong, or for two that contradict each other. */
export function resolveProducerOptions(
  given: ProducerOptions,
  inherited: Readonly<Record<Inherited, number>>,
): ResolvedProducerOptions {
  const checked = checkOptions('ProducerOptions', given, producerOptions)
  if (checked.transactionalId !== undefined && !checked.idempotent) {
    contradict('transactionalId', 'needs idempotent: true (the default)')
  }
  if (checked.idempotent && checked.acks !== 'all') {
    contradict(
      `acks ${checked.acks}`,
      "needs idempotent: false, which may store records twice or lose them; or acks: 'all'",
    )
  }
  if (checked.idempotent && checked.maxInFlightRequests > IDEMPOTENT_IN_FLIGHT_MAX) {
    contradict(`maxInFlightRequests ${checked.maxInFlightRequests}`, 'is above 5, which needs idempotent: false')
  }
  if (checked.bufferMemoryBytes < checked.maxRequestSizeBytes) {
    contradict(
      `bufferMemoryBytes ${checked.bufferMemoryBytes}`,
      `is below maxRequestSizeBytes (${checked.maxRequestSizeBytes})`,
    )
  }
  if (checked.deliveryTimeoutMs < checked.lingerMs) {
    contradict(`deliveryTimeoutMs ${checked.deliveryTimeoutMs}`, `is below lingerMs (${checked.lingerMs})`)
  }
  const { deliveryTimeoutMs, requestTimeoutMs } = checked
  if (requestTimeoutMs !== undefined && requestTimeoutMs > deliveryTimeoutMs) {
    contradict(`requestTimeoutMs ${requestTimeoutMs}`, `is above deliveryTimeoutMs (${deliveryTimeoutMs})`)
  }
  const retryBackoffMs = checked.retryBackoffMs ?? inherited.retryBackoffMs
  const retryBackoffMaxMs = checked.retryBackoffMaxMs ?? Math.max(retryBackoffMs, inherited.retryBackoffMaxMs)
  if (retryBackoffMaxMs < retryBackoffMs) {
    contradict(`retryBackoffMaxMs ${retryBackoffMaxMs}`, `is below retryBackoffMs (${retryBackoffMs})`)
  }
  return {
    ...checked,
    batchSizeBytes: Math.min(checked.batchSizeBytes, checked.maxRequestSizeBytes),
    requestTimeoutMs: requestTimeoutMs ?? Math.min(inherited.requestTimeoutMs, deliveryTimeoutMs),
    retryBackoffMs,
    retryBackoffMaxMs,
  }
}

function contradict(what: string, why: string): never {
  throw new KafkaError('INVALID_OPTION', `ProducerOptions: ${what} ${why}`)
}
