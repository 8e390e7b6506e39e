/** Options of `new Kafka(…)`: how a cluster is reached. */
import type { Logger, Runtime } from '../base/runtime.ts'
import { KafkaError } from './errors.ts'
import { type CheckedOptions, defineOptions, type GivenOptions, number, string, value } from './options.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const MIB = 1_048_576
const PORT_MAX = 65_535
const DEFAULT_PORT = 9092

export const kafkaOptions = defineOptions({
  brokers: value<readonly string[]>({
    required: true,
    doc: 'Addresses to begin with, each HOST:PORT; the others are learned from these.',
    check: (brokers) =>
      Array.isArray(brokers) && brokers.length > 0 && brokers.every((broker) => typeof broker === 'string')
        ? undefined
        : "an array of addresses such as ['localhost:9092']",
  }),
  clientId: string({ default: 'semel', doc: 'Name of this client in logs, metrics and quotas of the broker.' }),
  connectTimeoutMs: number({
    default: 10_000,
    min: 1,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    doc: 'How long connecting and the first exchange on a connection may take, each.',
  }),
  requestTimeoutMs: number({
    default: 30_000,
    min: 1,
    max: 60 * MINUTE_MS,
    unit: 'ms',
    doc: 'How long an answer may take; after it the connection is given up and the request counts as unanswered.',
  }),
  reconnectBackoffMs: number({
    default: 50,
    min: 1,
    max: MINUTE_MS,
    unit: 'ms',
    doc: 'Pause after the first failed connection; it doubles with each further one.',
  }),
  reconnectBackoffMaxMs: number({
    default: 1_000,
    min: 1,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    doc: 'Longest pause between attempts to connect.',
  }),
  retryBackoffMs: number({
    default: 100,
    min: 1,
    max: MINUTE_MS,
    unit: 'ms',
    doc: 'Pause before the first repetition of a request; it doubles with each further one.',
  }),
  retryBackoffMaxMs: number({
    default: 1_000,
    min: 1,
    max: 10 * MINUTE_MS,
    unit: 'ms',
    doc: 'Longest pause between repetitions.',
  }),
  metadataMaxAgeMs: number({
    default: 5 * MINUTE_MS,
    min: 1_000,
    max: DAY_MS,
    unit: 'ms',
    doc: 'Topics, partitions and leaders are asked for anew after this long, even if nothing went wrong.',
  }),
  maxResponseBytes: number({
    default: 128 * MIB,
    min: MIB,
    max: 2 ** 31 - 1,
    unit: 'bytes',
    doc: 'Largest answer that is read; a larger one ends the connection.',
  }),
  logger: value<Logger>({ doc: 'Where log lines go; warnings and errors go to standard error unless given.' }),
  runtime: value<Runtime>({ doc: 'Clock, network and randomness; the real ones unless given (see semel/testing).' }),
})

/** What `new Kafka(…)` takes. */
export type KafkaOptions = GivenOptions<typeof kafkaOptions>
export type CheckedKafkaOptions = CheckedOptions<typeof kafkaOptions>

/** 'HOST', 'HOST:PORT' or '[IPv6]:PORT'; the port is 9092 where none is given. Throws INVALID_OPTION. */
export function parseBroker(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/.exec(text.trim())
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (host === undefined || port < 1 || port > PORT_MAX) {
    const scheme = /^[a-zA-Z]+:\/\//.test(text) ? ' without a scheme' : ''
    throw new KafkaError(
      'INVALID_OPTION',
      `brokers: '${text}' is no address; write HOST:PORT${scheme}, such as localhost:9092`,
    )
  }
  return { host, port }
}
