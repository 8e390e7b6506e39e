/**
 * The load generator: sends Kafka frames over one connection with a fixed number in flight and measures answers. It
 * looks at the correlation id of an answer only, so the same load drives the broker and the bare program.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { crc32c } from '../src/base/crc32c.ts'
import { ByteWriter } from '../src/base/bytes.ts'
import { encodeRequest, isFlexible } from '../src/protocol/codec.ts'
import { encodeRequestHeader } from '../src/protocol/headers.ts'
import { produce } from '../src/protocol/messages/produce.ts'
import { buildBatch } from '../src/protocol/record-batch.ts'
import type { Api, RequestDraftOf } from '../src/protocol/schema.ts'

export interface LoadResult {
  readonly requests: number
  readonly bytes: number
  readonly seconds: number
  /** Milliseconds from send to answer, sorted. */
  readonly latenciesMs: Float64Array
}

export function percentile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
}

/** A frame with its size; the correlation id is at byte 8. */
export function frameOf<A extends Api>(api: A, version: number, draft: RequestDraftOf<A>): Buffer {
  const writer = new ByteWriter()
  encodeRequestHeader(
    writer,
    { apiKey: api.key, apiVersion: version, correlationId: 0, clientId: 'bench' },
    isFlexible(api, version),
  )
  encodeRequest(api, version, draft, writer)
  const body = writer.toBytes()
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeInt32BE(body.length, 0)
  frame.set(body, 4)
  return frame
}

/** A Produce frame with one batch of about `batchBytes`, 1 KB records, whose producer and sequence can be set in place. */
export class ProduceFrame {
  readonly frame: Buffer
  readonly #batch: Buffer

  constructor(options: {
    readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[]
    readonly batchBytes: number
    readonly version: number
    readonly transactionalId: string | null
    readonly producerId: number
    readonly producerEpoch: number
  }) {
    const { topics, version, transactionalId, producerId, producerEpoch } = options
    const recordBytes = Math.min(1024, options.batchBytes) - 80
    const count = Math.max(1, Math.floor(options.batchBytes / 1024))
    const value = Buffer.alloc(Math.max(1, recordBytes), 'x')
    const batch = buildBatch({
      records: Array.from({ length: count }, () => ({ key: null, value, timestamp: Date.now() })),
      producerId,
      producerEpoch,
      baseSequence: 0,
      isTransactional: transactionalId !== null,
    })
    this.frame = frameOf(produce, version, {
      transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topicData: topics.map(({ name, partitions }) => ({
        name,
        partitionData: partitions.map((index) => ({ index, records: batch })),
      })),
    })
    this.#batch = Buffer.from(batch)
    this.#positions = []
    for (let from = 0; ; ) {
      const at = this.frame.indexOf(this.#batch.subarray(0, 61), from)
      if (at < 0) break
      this.#positions.push(at)
      from = at + this.#batch.length
    }
    this.recordCount = count
  }

  readonly recordCount: number
  readonly #positions: number[]

  set(correlationId: number, baseSequence: number, producerEpoch?: number): Buffer {
    const { frame } = this
    frame.writeInt32BE(correlationId, 8)
    for (const at of this.#positions) {
      if (producerEpoch !== undefined) frame.writeInt16BE(producerEpoch, at + 51)
      frame.writeInt32BE(baseSequence, at + 53)
      frame.writeUInt32BE(crc32c(frame.subarray(at + 21, at + this.#batch.length)), at + 17)
    }
    return frame
  }
}

/** One connection that matches answers to requests by correlation id. */
export class LoadConnection {
  readonly #socket: Socket
  readonly #waiting = new Map<number, (body: Buffer) => void>()
  #received: Buffer[] = []
  #receivedBytes = 0
  /** Before so much is there, nothing is put together. */
  #wantedBytes = 4
  isClosed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('close', () => {
      this.isClosed = true
      if (this.#waiting.size > 0) throw new Error('the server closed the connection')
    })
    socket.on('error', () => undefined)
  }

  static connect(port: number, host = '127.0.0.1'): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host, () => resolve(new LoadConnection(socket)))
      socket.once('error', reject)
    })
  }

  send(frame: Buffer, onAnswer: (body: Buffer) => void): void {
    this.#waiting.set(frame.readInt32BE(8), onAnswer)
    this.#socket.write(frame)
  }

  request(frame: Buffer): Promise<Buffer> {
    return new Promise((resolve) => this.send(frame, resolve))
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes < this.#wantedBytes) return
    let all = this.#received.length === 1 ? chunk : Buffer.concat(this.#received, this.#receivedBytes)
    while (all.length >= 4) {
      const size = all.readInt32BE(0)
      this.#wantedBytes = 4 + size
      if (all.length < this.#wantedBytes) break
      this.#wantedBytes = 4
      const correlationId = all.readInt32BE(4)
      const answer = this.#waiting.get(correlationId)
      this.#waiting.delete(correlationId)
      answer?.(all.subarray(8, 4 + size))
      all = all.subarray(4 + size)
    }
    this.#received = all.length > 0 ? [all] : []
    this.#receivedBytes = all.length
  }
}

/** Keeps `inFlight` requests under way for `seconds`. `next` gives the frame for a slot and a correlation id. */
export function runLoad(
  connection: LoadConnection,
  options: {
    readonly seconds: number
    readonly inFlight: number
    readonly next: (slot: number, correlationId: number) => Buffer
    readonly check?: (body: Buffer) => void
  },
): Promise<LoadResult> {
  return new Promise((resolve) => {
    const latencies: number[] = []
    const startedMs = performance.now()
    const endMs = startedMs + options.seconds * 1000
    let bytes = 0
    let open = 0
    let correlationId = 1
    const sendFrom = (slot: number): void => {
      const frame = options.next(slot, correlationId)
      correlationId += 1
      open += 1
      const sentMs = performance.now()
      connection.send(frame, (body) => {
        const nowMs = performance.now()
        options.check?.(body)
        latencies.push(nowMs - sentMs)
        bytes += frame.length
        open -= 1
        if (nowMs < endMs) sendFrom(slot)
        else if (open === 0) {
          const seconds = (nowMs - startedMs) / 1000
          resolve({ requests: latencies.length, bytes, seconds, latenciesMs: Float64Array.from(latencies).sort() })
        }
      })
    }
    for (let slot = 0; slot < options.inFlight; slot += 1) sendFrom(slot)
  })
}
