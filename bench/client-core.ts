/**
 * `npm run bench -- client-core [--seconds N]`: the client's inner loops on one core, without sockets: records into Produce
 * requests, and fetched bytes into records.
 */
import { FetchedChunk } from '../src/client/core/fetch/fetched-chunk.ts'
import { RecordDecoder } from '../src/client/consumer/record-decoder.ts'
import { buildBatch, type DecodedRecord } from '../src/protocol/record-batch.ts'
import { valuesOf } from './client/loops.ts'

const RECORDS_PER_BATCH = 100
const BATCHES_PER_CHUNK = 80
const CHUNK_OPTIONS = { checkCrcs: true, maxDecompressedBytes: 1 << 27, isolationLevel: 'read_committed' } as const

export async function benchClientCore(args: readonly string[]): Promise<void> {
  const at = args.indexOf('--seconds')
  const seconds = at < 0 ? 3 : Number(args[at + 1])
  for (const valueBytes of [100, 1024]) {
    const read = decoding(valueBytes)
    measure(`decode, ${valueBytes} B`, seconds, read)
  }
}

/** A fetched chunk of many batches to the records that a handler gets. */
function decoding(valueBytes: number): () => number {
  const next = valuesOf(valueBytes)
  const parts = Array.from({ length: BATCHES_PER_CHUNK }, (_, batch) =>
    buildBatch({
      baseOffset: batch * RECORDS_PER_BATCH,
      records: Array.from({ length: RECORDS_PER_BATCH }, () => ({
        key: null,
        value: next(),
        timestamp: 1_700_000_000_000,
      })),
    }),
  )
  const bytes = Buffer.concat(parts)
  const decoder = new RecordDecoder<Buffer, Buffer>([])
  return () => {
    const chunk = FetchedChunk.of(bytes, 0, null, CHUNK_OPTIONS)
    let count = 0
    let position = 0
    for (let open = chunk.openNext(position); open !== undefined; open = chunk.openNext(position)) {
      position = open.header.lastOffset + 1
      const records: readonly DecodedRecord[] = open.records
      const { records: all } = decoder.decode([
        { topic: 't', partition: 0, leaderEpoch: 0, timestampType: 'CreateTime', records },
      ])
      for (const { value } of all) if ((value?.length ?? 0) === valueBytes) count += 1
    }
    return count
  }
}

function measure(name: string, seconds: number, work: () => number): void {
  const run = (ms: number): { count: number; seconds: number } => {
    const startedMs = performance.now()
    let count = 0
    while (performance.now() - startedMs < ms) count += work()
    return { count, seconds: (performance.now() - startedMs) / 1000 }
  }
  run(500)
  const rates = Array.from({ length: 3 }, () => {
    const result = run((seconds * 1000) / 3)
    return result.count / result.seconds
  })
  process.stdout.write(`${name.padEnd(20)} ${rates.map((one) => `${(one / 1e6).toFixed(2)}M`).join('  ')} records/s\n`)
}
