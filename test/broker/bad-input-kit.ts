/**
 * What every test of bad input has around it: a broker, somebody well-behaved on a connection of its own who must
 * notice nothing, and an eye on the memory of the process, on unhandled rejections and on the broker's health.
 */
import { expect } from 'vitest'
import type { Socket } from '../../src/base/runtime.ts'
import { batchCrcMatches } from '../../src/protocol/record-batch.ts'
import { crc32c } from '../../src/base/crc32c.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import type { BrokerOptions } from '../../src/broker/broker.ts'
import { TestBroker } from './test-broker.ts'
import type { TestClient } from './test-broker.ts'

/** How much the peak of the process may grow by one hostile test; the test's own requests are in it, too. */
const MEMORY_GROWTH_MAX_BYTES = 400 * 1024 * 1024

export interface Scene {
  readonly broker: TestBroker
  /** The one who misbehaves. Topic 't' has 3 partitions. */
  readonly client: TestClient
}

/** A test body for hostile input: runs it beside a bystander and checks afterwards that only its author noticed. */
export function besideOthers(body: (scene: Scene) => Promise<void>, options: BrokerOptions = {}): () => Promise<void> {
  return async () => {
    const rejections: unknown[] = []
    const onRejection = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', onRejection)
    try {
      await using broker = await TestBroker.start({
        runtime: nodeRuntime({ logger: silentLogger }),
        memory: options.dataDir === undefined,
        ...options,
      })
      const bystander = await broker.connect()
      await bystander.createTopic('calm')
      expect(await bystander.produce('calm', { values: ['before'] })).toMatchObject({
        errorCode: 'NONE',
        baseOffset: 0,
      })
      const client = await broker.connect()
      await client.createTopic('t', 3)
      const peakBefore = peakBytes()
      await body({ broker, client })
      expect(peakBytes() - peakBefore, 'growth of the peak memory').toBeLessThan(MEMORY_GROWTH_MAX_BYTES)
      expect(broker.broker.failure).toBeUndefined()
      expect(await bystander.produce('calm', { values: ['after'] })).toMatchObject({ errorCode: 'NONE', baseOffset: 1 })
      expect(await bystander.values('calm')).toEqual(['before', 'after'])
      expect(await (await broker.connect()).values('calm')).toEqual(['before', 'after'])
      expect(bystander.wire.isClosed).toBe(false)
    } finally {
      process.off('unhandledRejection', onRejection)
    }
    expect(rejections).toEqual([])
  }
}

/** The most memory that this process has had so far. */
function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

/** A connection without any knowledge of Kafka. */
export class RawPeer implements Disposable {
  readonly #socket: Socket
  readonly #closed = Promise.withResolvers<void>()
  #received: Buffer = Buffer.alloc(0)
  #onReceived: () => void = () => undefined
  isClosed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.onData = (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#onReceived()
    }
    socket.onEnd = () => socket.end()
    socket.onDrain = () => undefined
    socket.onClose = () => {
      this.isClosed = true
      this.#onReceived()
      this.#closed.resolve()
    }
  }

  static async connect({ broker, runtime }: TestBroker): Promise<RawPeer> {
    return new RawPeer(await runtime.network.connect({ host: broker.host, port: broker.port }))
  }

  get closed(): Promise<void> {
    return this.#closed.promise
  }

  get receivedBytes(): number {
    return this.#received.length
  }

  write(bytes: Uint8Array): void {
    if (!this.isClosed) this.#socket.write([bytes])
  }

  /** Resolves when all written bytes have left this process, or nobody takes them. */
  get bufferedBytes(): number {
    return this.#socket.bufferedBytes
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  /** The next frame without its size; `undefined` when the connection closes before it is there. */
  async frame(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)) {
        const end = 4 + this.#received.readInt32BE(0)
        const frame = this.#received.subarray(4, end)
        this.#received = this.#received.subarray(end)
        return frame
      }
      if (this.isClosed) return undefined
      await new Promise<void>((resolve) => (this.#onReceived = resolve))
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

/** Sends bytes on a connection of their own, which must be closed for them without an answer. */
export async function expectClosed(broker: TestBroker, bytes: Uint8Array, what?: string): Promise<void> {
  using peer = await RawPeer.connect(broker)
  peer.write(bytes)
  expect(await peer.frame(), what).toBeUndefined()
}

/** A request frame by hand: size, key, version, correlation id, client id, body. */
export function frameOf(
  apiKey: number,
  apiVersion: number,
  body: Uint8Array,
  { correlationId = 7, clientId = 'raw', tags = undefined as Uint8Array | undefined } = {},
): Buffer {
  const id = Buffer.from(clientId)
  const head = Buffer.alloc(10)
  head.writeInt16BE(apiKey, 0)
  head.writeInt16BE(apiVersion, 2)
  head.writeInt32BE(correlationId, 4)
  head.writeInt16BE(id.length, 8)
  return sized(Buffer.concat([head, id, ...(tags === undefined ? [] : [tags]), body]))
}

/** The bytes with their int32 size before them. */
export function sized(bytes: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

export function uvarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  return Buffer.from([...bytes, rest])
}

/** Changes a batch and makes its CRC right again, so that only the change can be the reason of a refusal. */
export function changed(batch: Uint8Array, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch)
  change(bytes)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  expect(batchCrcMatches(bytes)).toBe(true)
  return bytes
}

/** Positions in a batch header (record-batch.ts). */
export const AT = {
  baseOffset: 0,
  batchLength: 8,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const
