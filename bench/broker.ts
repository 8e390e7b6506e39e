/**
 * `npm run bench -- broker`: the broker's hot paths next to a bare program in the same run.
 *
 * Produce: one idempotent producer, five requests in flight, acks=all, at several request sizes. The bare program takes
 * the very same frames over TCP and appends them with the same flush mode; the figure that counts is the ratio.
 * Transactions: Produce to 1 or 64 partitions, then EndTxn (transaction version 2), one at a time; the bare program
 * flushes for each of the two requests, and latencies are also given in flushes of that program.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ByteReader } from '../src/base/bytes.ts'
import { decodeResponse } from '../src/protocol/codec.ts'
import { createTopics } from '../src/protocol/messages/create-topics.ts'
import { endTxn } from '../src/protocol/messages/end-txn.ts'
import { initProducerId } from '../src/protocol/messages/init-producer-id.ts'
import { produce } from '../src/protocol/messages/produce.ts'
import { frameOf, LoadConnection, percentile, ProduceFrame, runLoad } from './load.ts'
import type { LoadResult } from './load.ts'

type Durability = 'fsync' | 'os' | 'memory'

const KIB = 1024
const REQUEST_BYTES = [KIB, 16 * KIB, 128 * KIB, 1024 * KIB]
const IN_FLIGHT = 5
const PRODUCE_VERSION = 9
const PRODUCE_TV2_VERSION = 12
const root = join(import.meta.dirname, '..')

interface Target {
  readonly name: 'semel' | 'bare'
  readonly port: number
  readonly process: ChildProcess
  readonly directory: string
}

export async function benchBroker(args: readonly string[]): Promise<void> {
  const isQuick = args.includes('--quick')
  const seconds = isQuick ? 1.5 : 4
  const rounds = isQuick ? 1 : 3
  const durabilities: Durability[] = args.includes('--all') ? ['fsync', 'os', 'memory'] : ['fsync', 'os']
  for (const durability of durabilities) {
    await withTargets(durability, async (semel, bare) => {
      await benchProduce(durability, semel, bare, seconds, rounds)
      await benchTransactions(durability, semel, bare, seconds, rounds)
    })
  }
  await benchStart()
  await benchIdleMemory()
}

async function withTargets(durability: Durability, run: (semel: Target, bare: Target) => Promise<void>): Promise<void> {
  const semel = await startSemel(durability)
  const bare = await startBare(durability)
  try {
    await run(semel, bare)
  } finally {
    for (const target of [semel, bare]) await stop(target)
  }
}

async function benchProduce(
  durability: Durability,
  semel: Target,
  bare: Target,
  seconds: number,
  rounds: number,
): Promise<void> {
  print(
    `\nproduce, durability ${durability}: one idempotent producer, ${IN_FLIGHT} in flight, acks=all; median of ${rounds}`,
  )
  print('request      semel req/s   MB/s   p50 ms   p99 ms |  bare req/s   MB/s   p50 ms   p99 ms |  ratio')
  for (const batchBytes of REQUEST_BYTES) {
    const pairs: { semel: LoadResult; bare: LoadResult }[] = []
    for (let round = 0; round < rounds; round += 1) {
      // In turns, so that what the machine does meanwhile falls on both.
      pairs.push({
        semel: await produceLoad(semel, batchBytes, seconds),
        bare: await produceLoad(bare, batchBytes, seconds),
      })
    }
    const ratios = pairs.map((pair) => rate(pair.semel) / rate(pair.bare)).sort((a, b) => a - b)
    const pair = pairs[Math.floor(rounds / 2)] as (typeof pairs)[number]
    print(
      `${`${batchBytes / KIB} KB`.padEnd(12)}${columns(pair.semel)} | ${columns(pair.bare)} | ` +
        `${(ratios[Math.floor(rounds / 2)] ?? 0).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(' ')})`,
    )
  }
}

async function produceLoad(target: Target, batchBytes: number, seconds: number): Promise<LoadResult> {
  const connection = await LoadConnection.connect(target.port)
  const topic = 'bench-produce'
  let producerId = 1
  let producerEpoch = 0
  if (target.name === 'semel') {
    await createTopic(connection, topic, 1)
    ;({ producerId, producerEpoch } = await initProducer(connection, null))
  }
  const options = {
    topics: [{ name: topic, partitions: [0] }],
    batchBytes,
    version: PRODUCE_VERSION,
    transactionalId: null,
    producerId,
    producerEpoch,
  }
  const frames = Array.from({ length: IN_FLIGHT }, () => new ProduceFrame(options))
  let sequence = 0
  const result = await runLoad(connection, {
    seconds,
    inFlight: IN_FLIGHT,
    next: (slot, correlationId) => {
      const frame = frames[slot] as ProduceFrame
      const baseSequence = sequence
      sequence += frame.recordCount
      return frame.set(correlationId, baseSequence)
    },
    ...(target.name === 'semel' ? { check: (body: Buffer) => checkProduced(body, PRODUCE_VERSION) } : {}),
  })
  connection.close()
  return result
}

async function benchTransactions(
  durability: Durability,
  semel: Target,
  bare: Target,
  seconds: number,
  rounds: number,
): Promise<void> {
  print(
    `\ntransactions (version 2), durability ${durability}: one 1 KB batch to each partition, then EndTxn, one at a time`,
  )
  print('partitions   semel txn/s  commit p50 ms  p99 ms | bare txn/s  flush p50 ms  p99 ms | ratio  commit in flushes')
  for (const partitionCount of [1, 64]) {
    const pairs: { semel: TransactionLoad; bare: TransactionLoad }[] = []
    for (let round = 0; round < rounds; round += 1) {
      pairs.push({
        semel: await transactionLoad(semel, partitionCount, seconds),
        bare: await transactionLoad(bare, partitionCount, seconds),
      })
    }
    const ratios = pairs.map((pair) => pair.semel.perSecond / pair.bare.perSecond).sort((a, b) => a - b)
    const pair = pairs[Math.floor(rounds / 2)] as (typeof pairs)[number]
    const side = ({ perSecond, commitMs }: TransactionLoad): string =>
      `${perSecond.toFixed(0).padStart(10)}   ${percentile(commitMs, 0.5).toFixed(2).padStart(11)}   ` +
      `${percentile(commitMs, 0.99).toFixed(2).padStart(6)}`
    print(
      `${String(partitionCount).padEnd(12)}${side(pair.semel)} | ${side(pair.bare)} | ` +
        `${(ratios[Math.floor(rounds / 2)] ?? 0).toFixed(2)}   ` +
        (percentile(pair.semel.commitMs, 0.5) / percentile(pair.bare.commitMs, 0.5)).toFixed(2),
    )
  }
}

interface TransactionLoad {
  readonly perSecond: number
  /** Milliseconds from sending EndTxn to its answer, sorted. */
  readonly commitMs: Float64Array
}

async function transactionLoad(target: Target, partitionCount: number, seconds: number): Promise<TransactionLoad> {
  const connection = await LoadConnection.connect(target.port)
  const topic = `bench-txn-${partitionCount}`
  const transactionalId = `bench-${partitionCount}`
  let producer = { producerId: 1, producerEpoch: 0 }
  const isSemel = target.name === 'semel'
  if (isSemel) {
    await createTopic(connection, topic, partitionCount)
    producer = await initProducer(connection, transactionalId)
  }
  const frame = new ProduceFrame({
    topics: [{ name: topic, partitions: Array.from({ length: partitionCount }, (_, index) => index) }],
    batchBytes: KIB,
    version: PRODUCE_TV2_VERSION,
    transactionalId,
    ...producer,
  })
  const commitMs: number[] = []
  const startedMs = performance.now()
  let correlationId = 100
  while (performance.now() - startedMs < seconds * 1000) {
    // The epoch grows with every transaction, and the sequence begins anew with it.
    const produced = await connection.request(frame.set(++correlationId, 0, producer.producerEpoch))
    if (isSemel) checkProduced(produced, PRODUCE_TV2_VERSION)
    const end = frameOf(endTxn, 5, { transactionalId, ...producer, committed: true })
    end.writeInt32BE(++correlationId, 8)
    const sentMs = performance.now()
    const ended = await connection.request(end)
    commitMs.push(performance.now() - sentMs)
    if (!isSemel) continue
    const answer = decodeResponse(endTxn, 5, flexibleBody(ended))
    if (answer.errorCode !== 'NONE') throw new Error(`EndTxn answered ${answer.errorCode}`)
    producer = { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
  }
  const perSecond = commitMs.length / ((performance.now() - startedMs) / 1000)
  connection.close()
  return { perSecond, commitMs: Float64Array.from(commitMs).sort() }
}

/** From the start of the process to its ready line, on an empty directory. */
async function benchStart(): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < 7; round += 1) {
    const startedMs = performance.now()
    const target = await startSemel('fsync')
    times.push(performance.now() - startedMs)
    await stop(target)
  }
  times.sort((a, b) => a - b)
  print(
    `\nprocess start to ready, empty directory: median ${times[3]?.toFixed(0)} ms, fastest ${times[0]?.toFixed(0)} ms of 7`,
  )
}

async function benchIdleMemory(): Promise<void> {
  const target = await startSemel('fsync')
  const connection = await LoadConnection.connect(target.port)
  await createTopic(connection, 'idle', 100)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  const status = readFileSync(`/proc/${target.process.pid}/status`, 'utf8')
  const residentKib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  print(`resident when idle with 100 partitions: ${(residentKib / 1024).toFixed(0)} MB`)
  connection.close()
  await stop(target)
}

async function createTopic(connection: LoadConnection, name: string, numPartitions: number): Promise<void> {
  const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }]
  const frame = frameOf(createTopics, 5, { topics, timeoutMs: 10_000, validateOnly: false })
  frame.writeInt32BE(1, 8)
  const answer = decodeResponse(createTopics, 5, flexibleBody(await connection.request(frame)))
  const errorCode = answer.topics[0]?.errorCode
  if (errorCode !== 'NONE' && errorCode !== 'TOPIC_ALREADY_EXISTS')
    throw new Error(`CreateTopics answered ${errorCode}`)
}

async function initProducer(
  connection: LoadConnection,
  transactionalId: string | null,
): Promise<{ producerId: number; producerEpoch: number }> {
  for (;;) {
    const frame = frameOf(initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 })
    frame.writeInt32BE(2, 8)
    const answer = decodeResponse(initProducerId, 4, flexibleBody(await connection.request(frame)))
    if (answer.errorCode === 'NONE') return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
    if (answer.errorCode !== 'CONCURRENT_TRANSACTIONS') throw new Error(`InitProducerId answered ${answer.errorCode}`)
  }
}

/** A body after the correlation id, past the empty tagged fields of the header. */
function flexibleBody(body: Buffer): ByteReader {
  return new ByteReader(body.subarray(1))
}

function checkProduced(body: Buffer, version: number): void {
  const answer = decodeResponse(produce, version, flexibleBody(body))
  for (const topic of answer.responses) {
    for (const { index, errorCode } of topic.partitionResponses) {
      if (errorCode !== 'NONE') throw new Error(`Produce to ${topic.name}-${index} answered ${errorCode}`)
    }
  }
}

async function startSemel(durability: Durability): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'semel-bench-'))
  const main = process.env['SEMEL_MAIN'] ?? join(root, 'src/cli/main.ts')
  const args = [main, 'start', '--data', directory, '--port', '0', '--durability', durability]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await firstLine(child)
  const port = Number(/:(\d+)\b/.exec(line)?.[1])
  if (!Number.isInteger(port)) throw new Error(`no port in the ready line: ${line}`)
  return { name: 'semel', port, process: child, directory }
}

async function startBare(durability: Durability): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'semel-bench-bare-'))
  const args = [join(import.meta.dirname, 'bare-server.ts'), directory, durability]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return { name: 'bare', port: Number(await firstLine(child)), process: child, directory }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it was ready`)))
  })
}

async function stop(target: Target): Promise<void> {
  const ended = new Promise((resolve) => target.process.once('exit', resolve))
  target.process.kill('SIGTERM')
  await ended
  rmSync(target.directory, { recursive: true, force: true })
}

function rate({ requests, seconds }: LoadResult): number {
  return requests / seconds
}

function columns(result: LoadResult): string {
  const { bytes, seconds, latenciesMs } = result
  return (
    rate(result).toFixed(0).padStart(11) +
    (bytes / seconds / 1e6).toFixed(1).padStart(8) +
    percentile(latenciesMs, 0.5).toFixed(2).padStart(9) +
    percentile(latenciesMs, 0.99).toFixed(2).padStart(9)
  )
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
