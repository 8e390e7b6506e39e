/** `semel consume --print-control-records`: what lies in a log, markers and all, with what became of each transaction. */
import type { Kafka, RawBatch, TopicPartition } from '../../client/index.ts'
import { EXIT_OK, print } from '../session.ts'
import { type ConsumeFlags, interruption, startsOf } from './consume.ts'

/** Once through each partition, to its present end. */
export async function printRaw(
  kafka: Kafka,
  partitions: readonly TopicPartition[],
  { flags, count }: { readonly flags: ConsumeFlags; readonly count: number },
): Promise<number> {
  const admin = kafka.admin()
  const reader = kafka.rawReader()
  const signal = interruption()
  let printed = 0
  for (const [partition, to] of await startsOf(admin, partitions, flags)) {
    const from = typeof to === 'number' ? to : await offsetOf(to)
    async function offsetOf(at: 'earliest' | 'latest' | { readonly timestampMs: number }): Promise<number> {
      const [found] = await admin.listOffsets([{ ...partition, at }], { isolationLevel: 'read_uncommitted' })
      return found?.offset ?? 0
    }
    for await (const batch of reader.read(partition, from)) {
      for (const line of linesOf(batch, flags.format)) {
        if (printed >= count || signal.aborted) return EXIT_OK
        print(line)
        printed += 1
      }
    }
  }
  return EXIT_OK
}

function linesOf(batch: RawBatch, format: 'text' | 'json'): readonly string[] {
  const { topic, partition, kind, baseOffset, producerId, producerEpoch, coordinatorEpoch } = batch
  const producer = producerId < 0 ? '' : `producer ${producerId} epoch ${producerEpoch}`
  if (batch.kind === 'commit-marker' || batch.kind === 'abort-marker' || batch.kind === 'control') {
    return [
      format === 'json'
        ? JSON.stringify({ topic, partition, offset: baseOffset, kind, producerId, producerEpoch, coordinatorEpoch })
        : `${topic}-${partition} ${baseOffset}  ${kind}  ${producer} coordinator epoch ${coordinatorEpoch ?? '-'}`,
    ]
  }
  return batch.records.map(({ offset, key, value }) => {
    const text = (bytes: Uint8Array | null): string | null =>
      bytes === null ? null : Buffer.from(bytes).toString('utf8')
    if (format === 'json') {
      return JSON.stringify({
        topic,
        partition,
        offset,
        kind,
        producerId,
        producerEpoch,
        key: text(key),
        value: text(value),
      })
    }
    return `${topic}-${partition} ${offset}  ${kind}  ${producer}${producer === '' ? '' : '  '}${text(key) ?? '-'}  ${text(value) ?? '(tombstone)'}`
  })
}
