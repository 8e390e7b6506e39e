/**
 * Whether memory stays flat: a producer at full speed and a consumer that is far slower, in one process, for some minutes.
 *
 * The broker is another process. What is old is deleted from the log, so that the disk does not fill up and the consumer falls
 * behind the beginning of the log again and again, as slow consumers do. Heap and buffers are read after a collection: what is left then is held by somebody.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Admin, Kafka } from '../../src/client/index.ts'
import { BrokerUnderLoad } from './broker-under-load.ts'
import { valuesOf } from './loops.ts'

const TOPIC = 'memory'
const PARTITIONS = 6
const VALUE_BYTES = 1024
const OUTSTANDING = 10_000
/** A consumer that waits so long for each batch gets some thousand records a second. */
const BATCH_MS = 100
const MIB = 1024 * 1024
const SAMPLE_MS = 5_000
/** Of each partition. */
const RETAINED_RECORDS = 64 * 1024
/** What the medians of the second and of the last quarter may differ by, and still be noise. */
const NOISE = 0.1
const NOISE_MB = 16

interface Sample {
  /** As the operating system counts it, before the collection. */
  readonly residentMb: number
  /** Objects and buffers, after the collection. */
  readonly heldMb: number
}

/** `--minutes N`, 10 unless given. Prints a line a minute and a verdict, and fails when memory grows. */
export async function benchMemory(args: readonly string[]): Promise<void> {
  const minutes = args.includes('--minutes') ? Number(args[args.indexOf('--minutes') + 1]) : 10
  if (!(minutes > 0)) throw new Error('--minutes needs a number above 0')
  const forMs = minutes * 60_000
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const broker = await BrokerUnderLoad.open(undefined, PARTITIONS)
  const kafka = new Kafka({ brokers: [broker.address], clientId: 'bench-memory' })
  try {
    const admin = kafka.admin()
    await admin.createTopics([{ topic: TOPIC, partitions: PARTITIONS, configs: { 'segment.bytes': String(16 * MIB) } }])
    const counts = { sent: 0, read: 0 }
    const endMs = performance.now() + forMs
    const consumer = kafka.consumer({ groupId: 'memory', topics: [TOPIC] })
    const reading = consumer.run({
      async eachBatch({ records }) {
        counts.read += records.length
        await new Promise((resolve) => setTimeout(resolve, BATCH_MS))
      },
    })
    const sending = sendUntil(endMs, kafka, counts)
    const samples: Sample[] = []
    let printedAt = 0
    while (performance.now() < endMs) {
      await Promise.race([new Promise((resolve) => setTimeout(resolve, SAMPLE_MS)), reading, sending])
      const residentMb = process.memoryUsage.rss() / MIB
      collect()
      const { heapUsed, external } = process.memoryUsage()
      samples.push({ residentMb, heldMb: (heapUsed + external) / MIB })
      await deleteOld(admin)
      if (samples.length - printedAt < 60_000 / SAMPLE_MS) continue
      printedAt = samples.length
      const { heldMb } = samples.at(-1) as Sample
      const line = [`${counts.sent.toLocaleString('en')} sent`, `${counts.read.toLocaleString('en')} read`]
      process.stdout.write(`${line.join(', ')}, resident ${residentMb.toFixed(0)} MB, held ${heldMb.toFixed(1)} MB\n`)
    }
    await sending
    await consumer.stop()
    await reading
    tell(samples, counts, forMs)
  } finally {
    await kafka.close()
    await broker.close()
  }
}

async function deleteOld(admin: Admin): Promise<void> {
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: TOPIC, partition }))
  const ends = await admin.listOffsets(partitions.map((one) => ({ ...one, at: 'latest' })))
  const old = ends.flatMap(({ topic, partition, offset = 0 }) => {
    const before = offset - RETAINED_RECORDS
    return before > 0 ? [{ topic, partition, before }] : []
  })
  if (old.length > 0) await admin.deleteRecords(old)
}

async function sendUntil(endMs: number, kafka: Kafka, counts: { sent: number }): Promise<void> {
  const producer = kafka.producer()
  const next = valuesOf(VALUE_BYTES)
  const one = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await producer.send(TOPIC, { value: next() })
      counts.sent += 1
    }
  }
  await Promise.all(Array.from({ length: OUTSTANDING }, one))
}

function tell(
  samples: readonly Sample[],
  counts: { readonly sent: number; readonly read: number },
  forMs: number,
): void {
  const quarter = Math.floor(samples.length / 4)
  const early = samples.slice(quarter, 2 * quarter)
  const late = samples.slice(-quarter)
  const seconds = forMs / 1000
  const perSecond = (count: number): string => Math.round(count / seconds).toLocaleString('en')
  process.stdout.write(`${seconds} s: ${perSecond(counts.sent)} records/s sent, ${perSecond(counts.read)} read\n`)
  for (const key of ['residentMb', 'heldMb'] as const) {
    const [before, after] = [median(early, key), median(late, key)]
    const peak = Math.max(...samples.map((one) => one[key]))
    const what = key === 'heldMb' ? 'held after a collection' : 'resident'
    const figures = `second quarter ${before.toFixed(1)} MB, last quarter ${after.toFixed(1)} MB, peak ${peak.toFixed(1)} MB`
    const isFlat = after <= before * (1 + NOISE) + NOISE_MB
    process.stdout.write(`${what}: ${figures}: ${isFlat ? 'flat' : 'GROWS'}\n`)
    if (!isFlat) process.exitCode = 1
  }
}

function median(samples: readonly Sample[], key: keyof Sample): number {
  const sorted = samples.map((one) => one[key]).toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}
