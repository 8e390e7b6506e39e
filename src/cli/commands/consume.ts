/** `semel consume TOPIC…`: records to lines, with a group or without; markers and aborted records too, when they are asked for. */
import {
  type Admin,
  type Consumer,
  type ConsumerRecord,
  type Kafka,
  type ResetTo,
  type TopicPartition,
} from '../../client/index.ts'
import { nodeClock } from '../../runtime/clock.ts'
import {
  type ClusterFlags,
  durationMs,
  EXIT_FAILED,
  EXIT_OK,
  print,
  say,
  UsageError,
  wholeNumber,
  withKafka,
} from '../session.ts'
import { progressOf } from './produce.ts'

export interface ConsumeFlags extends ClusterFlags {
  /** start, end, N, +N, -N, @TIMESTAMP, @-1h */
  readonly offset?: string
  readonly num?: string
  readonly exit?: boolean
  readonly group?: string
  readonly partition: readonly string[]
  /** As kcat: %t %p %o %k %s %T %h, \n \t */
  readonly outputFormat?: string
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly printControlRecords?: boolean
}

const EXIT_INTERRUPTED_TWICE = 130
const POLL_MS = 200

export function consume(topics: readonly string[], flags: ConsumeFlags): Promise<number> {
  return withKafka(flags, async (kafka) => {
    const count = flags.num === undefined ? Number.POSITIVE_INFINITY : wholeNumber('--num', flags.num, 1)
    const format = formatter(flags)
    const admin = kafka.admin()
    if (flags.group !== undefined && (flags.partition.length > 0 || flags.printControlRecords === true)) {
      throw new UsageError('--group excludes --partition and --print-control-records')
    }
    if (flags.printControlRecords === true) {
      const { printRaw } = await import('./consume-raw.ts')
      return printRaw(kafka, await partitionsOf(admin, topics, flags), { flags, count })
    }
    const consumer = await makeConsumer(kafka, admin, topics, flags)
    const signal = interruption()
    const ends =
      flags.exit === true ? await endsOf(admin, await partitionsOf(admin, topics, flags), flags.isolation) : undefined
    const progress = progressOf('records read')
    let read = 0
    while (read < count && !signal.aborted && !isAtEnd(consumer, ends)) {
      for (const record of await consumer.poll({ timeoutMs: POLL_MS, maxRecords: Math.min(500, count - read) })) {
        print(format(record))
        read += 1
      }
      if (!process.stdout.isTTY) progress.show(read)
    }
    progress.end()
    await consumer.close()
    if (count !== Number.POSITIVE_INFINITY && read < count && ends !== undefined) {
      say(`only ${read} records are there`)
      return EXIT_FAILED
    }
    return EXIT_OK
  })
}

async function makeConsumer(
  kafka: Kafka,
  admin: Admin,
  topics: readonly string[],
  flags: ConsumeFlags,
): Promise<Consumer> {
  const { group, isolation: isolationLevel } = flags
  const startFrom = flags.offset === 'end' || flags.offset === 'latest' ? 'latest' : 'earliest'
  if (group !== undefined) {
    if (flags.offset !== undefined && !['start', 'end', 'earliest', 'latest'].includes(flags.offset)) {
      throw new UsageError(
        'with --group the offset is that of the group; only start and end say where a new group begins',
      )
    }
    return kafka.consumer({ groupId: group, topics, isolationLevel, startFrom, autoCreateTopics: false })
  }
  const partitions = await partitionsOf(admin, topics, flags)
  const consumer = kafka.consumer({ partitions, isolationLevel, startFrom, autoCreateTopics: false })
  for (const [partition, to] of await startsOf(admin, partitions, flags)) consumer.seek(partition, to)
  return consumer
}

async function partitionsOf(
  admin: Admin,
  topics: readonly string[],
  flags: ConsumeFlags,
): Promise<readonly TopicPartition[]> {
  const numbers = flags.partition.map((text) => wholeNumber('--partition', text, 0, 1_000_000))
  const described = await admin.describeTopics(topics)
  return described.flatMap(({ topic, layout }) =>
    layout
      .filter(({ partition }) => numbers.length === 0 || numbers.includes(partition))
      .map(({ partition }) => ({ topic, partition })),
  )
}

export async function startsOf(
  admin: Admin,
  partitions: readonly TopicPartition[],
  { offset = 'start', isolation }: Pick<ConsumeFlags, 'offset' | 'isolation'>,
): Promise<readonly (readonly [TopicPartition, number | ResetTo])[]> {
  const all = (to: number | ResetTo) => partitions.map((partition) => [partition, to] as const)
  if (offset === 'start' || offset === 'earliest') return all('earliest')
  if (offset === 'end' || offset === 'latest') return all('latest')
  if (offset.startsWith('@-'))
    return all({ timestampMs: nodeClock().nowMs() - durationMs(offset.slice(2), '--offset') })
  if (offset.startsWith('@')) {
    const timestampMs = /^@\d+$/.test(offset) ? Number(offset.slice(1)) : Date.parse(offset.slice(1))
    if (Number.isNaN(timestampMs))
      throw new UsageError(`--offset ${offset}: expected milliseconds or a date such as @2026-01-31T12:00:00Z`)
    return all({ timestampMs })
  }
  if (/^[+-]\d+$/.test(offset)) {
    const at = offset.startsWith('+') ? 'earliest' : 'latest'
    const places = await admin.listOffsets(
      partitions.map((one) => ({ ...one, at })),
      { isolationLevel: isolation },
    )
    const starts = await admin.listOffsets(partitions.map((one) => ({ ...one, at: 'earliest' as const })))
    return partitions.map((partition, index) => [
      partition,
      Math.max(starts[index]?.offset ?? 0, (places[index]?.offset ?? 0) + Number(offset)),
    ])
  }
  return all(wholeNumber('--offset', offset))
}

async function endsOf(admin: Admin, partitions: readonly TopicPartition[], isolationLevel: ConsumeFlags['isolation']) {
  return admin.listOffsets(
    partitions.map((one) => ({ ...one, at: 'latest' as const })),
    { isolationLevel },
  )
}

function isAtEnd(consumer: Consumer, ends: Awaited<ReturnType<typeof endsOf>> | undefined): boolean {
  return ends !== undefined && ends.every((end) => (consumer.position(end) ?? 0) >= (end.offset ?? 0))
}

/** The first Ctrl-C ends the loop: what was printed is committed, the group is left. The second ends everything. */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED_TWICE)
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return controller.signal
}

function formatter(flags: ConsumeFlags): (record: ConsumerRecord) => string {
  if (flags.format === 'json') return (record) => JSON.stringify(jsonOf(record))
  const { outputFormat = '%s' } = flags
  return (record) =>
    outputFormat.replace(
      /%([tpokshTKS%])|\\([nt\\])/g,
      (_all, field: string | undefined, escape: string | undefined) =>
        escape !== undefined
          ? { n: '\n', t: '\t', '\\': '\\' }[escape as 'n' | 't' | '\\']
          : fieldOf(record, field ?? ''),
    )
}

function fieldOf(record: ConsumerRecord, field: string): string {
  switch (field) {
    case 't':
      return record.topic
    case 'p':
      return String(record.partition)
    case 'o':
      return String(record.offset)
    case 'k':
      return record.key === null ? '' : record.key.toString('utf8')
    case 's':
      return record.value === null ? '' : record.value.toString('utf8')
    case 'K':
      return String(record.key?.length ?? -1)
    case 'S':
      return String(record.value?.length ?? -1)
    case 'T':
      return String(record.timestampMs)
    case 'h':
      return record.headers.map(({ key, value }) => `${key}=${value?.toString('utf8') ?? ''}`).join(',')
    default:
      return '%'
  }
}

/** Bytes that are not UTF-8 come as { base64 }. */
export function jsonOf({ topic, partition, offset, timestampMs, key, value, headers }: ConsumerRecord): object {
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key: textOf(key),
    value: textOf(value),
    ...(headers.length === 0
      ? {}
      : { headers: headers.map((header) => ({ key: header.key, value: textOf(header.value) })) }),
  }
}

function textOf(bytes: Buffer | null): string | null | { readonly base64: string } {
  if (bytes === null) return null
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : { base64: bytes.toString('base64') }
}
