/**
 * The broker that all clients of the suite use: started here, or given. Makes topics, fills them, deletes them, and counts
 * what has come to lie in them with code of its own, so that no client is asked about itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ByteReader } from '../../src/base/bytes.ts'
import { decodeResponse, isFlexible } from '../../src/protocol/codec.ts'
import { hasFlexibleResponseHeader } from '../../src/protocol/headers.ts'
import { createTopics } from '../../src/protocol/messages/create-topics.ts'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { fetch } from '../../src/protocol/messages/fetch.ts'
import { produce } from '../../src/protocol/messages/produce.ts'
import { batches, buildBatch } from '../../src/protocol/record-batch.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../../src/protocol/schema.ts'
import { frameOf, LoadConnection } from '../load.ts'
import { RECORDS_PER_BATCH } from './contract.ts'
import { valuesOf } from './loops.ts'

const CREATE_VERSION = 5
const DELETE_VERSION = 4
const PRODUCE_VERSION = 9
const FETCH_VERSION = 12
const FETCH_BYTES = 8 * 1024 * 1024
const MAX_INT32 = 0x7fffffff
const FILL_IN_FLIGHT = 30
const RETRY_MS = 50
const TRIES_MAX = 100
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100

export class BrokerUnderLoad {
  readonly address: string
  readonly #process: ChildProcess | undefined
  readonly #directory: string | undefined
  readonly #connection: LoadConnection
  readonly #partitionCount: number
  #correlationId = 1

  private constructor(
    address: string,
    connection: LoadConnection,
    partitionCount: number,
    own?: { process: ChildProcess; directory: string },
  ) {
    this.address = address
    this.#connection = connection
    this.#partitionCount = partitionCount
    this.#process = own?.process
    this.#directory = own?.directory
  }

  /** @param address  HOST:PORT of one that runs, or `undefined`: semel is started, with durability `os` */
  static async open(address: string | undefined, partitionCount: number): Promise<BrokerUnderLoad> {
    if (address !== undefined) {
      const [host = '', port = ''] = address.split(/:(?=\d+$)/)
      return new BrokerUnderLoad(address, await LoadConnection.connect(Number(port), host), partitionCount)
    }
    const directory = mkdtempSync(join(tmpdir(), 'semel-bench-client-'))
    const main = process.env['SEMEL_MAIN'] ?? join(import.meta.dirname, '../../src/cli/main.ts')
    const args = [
      main,
      'start',
      '--data',
      directory,
      '--port',
      '0',
      '--durability',
      'os',
      '-X',
      'group.initial.rebalance.delay.ms=0',
    ]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const port = Number(/:(\d+)\b/.exec(await firstLine(child))?.[1])
    const own = { process: child, directory }
    return new BrokerUnderLoad(`127.0.0.1:${port}`, await LoadConnection.connect(port), partitionCount, own)
  }

  /** Of the broker started here; 0 of another. */
  cpuSeconds(): number {
    if (this.#process?.pid === undefined || process.platform !== 'linux') return 0
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }

  async createTopic(name: string): Promise<void> {
    const topics = [{ name, numPartitions: this.#partitionCount, replicationFactor: 1, assignments: [], configs: [] }]
    const answer = await this.#ask(createTopics, CREATE_VERSION, { topics, timeoutMs: 10_000, validateOnly: false })
    const { errorCode, errorMessage } = answer.topics[0] ?? {}
    if (errorCode !== 'NONE') throw new Error(`CreateTopics answered ${errorCode} ${errorMessage}`)
  }

  async deleteTopic(name: string): Promise<void> {
    const answer = await this.#ask(deleteTopics, DELETE_VERSION, { topicNames: [name], timeoutMs: 10_000 })
    const { errorCode } = answer.responses[0] ?? {}
    if (errorCode !== 'NONE') throw new Error(`DeleteTopics answered ${errorCode}`)
  }

  /** Batches of RECORDS_PER_BATCH, turn by turn over the partitions. */
  async fill(topic: string, recordCount: number, valueBytes: number): Promise<void> {
    const next = valuesOf(valueBytes)
    let partition = 0
    for (let left = recordCount; left > 0; ) {
      const requests: Promise<void>[] = []
      while (requests.length < FILL_IN_FLIGHT && left > 0) {
        const length = Math.min(left, RECORDS_PER_BATCH)
        const records = Array.from({ length }, () => ({ key: null, value: next(), timestamp: Date.now() }))
        requests.push(this.#produce(topic, partition, buildBatch({ records })))
        left -= length
        partition = (partition + 1) % this.#partitionCount
      }
      await Promise.all(requests)
    }
  }

  /** How many records lie in the topic, markers left out: told by the headers of the batches. */
  async count(topic: string): Promise<number> {
    let records = 0
    const offsets = new Map(Array.from({ length: this.#partitionCount }, (_, partition) => [partition, 0]))
    while (offsets.size > 0) {
      const answer = await this.#ask(fetch, FETCH_VERSION, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: MAX_INT32,
        topics: [
          {
            topic,
            partitions: [...offsets].map(([partition, fetchOffset]) => ({
              partition,
              fetchOffset,
              partitionMaxBytes: FETCH_BYTES,
            })),
          },
        ],
        forgottenTopicsData: [],
      })
      for (const { partitionIndex, errorCode, highWatermark, records: bytes } of answer.responses[0]?.partitions ??
        []) {
        if (errorCode !== 'NONE') throw new Error(`Fetch of ${topic}-${partitionIndex} answered ${errorCode}`)
        for (const { header } of wholeBatches(bytes ?? new Uint8Array())) {
          if (!header.isControl) records += header.recordCount
          offsets.set(partitionIndex, header.lastOffset + 1)
        }
        if ((offsets.get(partitionIndex) ?? 0) >= highWatermark) offsets.delete(partitionIndex)
      }
    }
    return records
  }

  async close(): Promise<void> {
    this.#connection.close()
    if (this.#process === undefined || this.#directory === undefined) return
    const ended = new Promise((resolve) => this.#process?.once('exit', resolve))
    this.#process.kill('SIGTERM')
    await ended
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #produce(name: string, index: number, records: Uint8Array): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#ask(produce, PRODUCE_VERSION, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 30_000,
        topicData: [{ name, partitionData: [{ index, records }] }],
      })
      const errorCode = answer.responses[0]?.partitionResponses[0]?.errorCode
      if (errorCode === 'NONE') return
      // A topic that was just made has no leader yet on a broker that is slower than its answer.
      const isEarly = errorCode === 'UNKNOWN_TOPIC_OR_PARTITION' || errorCode === 'NOT_LEADER_OR_FOLLOWER'
      if (!isEarly || tries === TRIES_MAX) throw new Error(`Produce to ${name}-${index} answered ${errorCode}`)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  async #ask<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>): Promise<ResponseOf<A>> {
    const frame = frameOf(api, version, draft)
    this.#correlationId += 1
    frame.writeInt32BE(this.#correlationId, 8)
    const body = await this.#connection.request(frame)
    // The connection has taken the correlation id; a header that may carry tagged fields has none here.
    const reader = new ByteReader(body)
    if (hasFlexibleResponseHeader(api.key, isFlexible(api, version))) reader.skip(1)
    return decodeResponse(api, version, reader)
  }
}

/** A broker may cut the last one. */
function* wholeBatches(bytes: Uint8Array): ReturnType<typeof batches> {
  let end = 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  while (end + 12 <= bytes.length && end + 12 + view.getInt32(end + 8) <= bytes.length)
    end += 12 + view.getInt32(end + 8)
  yield* batches(bytes.subarray(0, end))
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code} before it was ready`)))
  })
}
