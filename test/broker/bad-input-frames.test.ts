/** Frames and headers that are wrong, over the wire (reliability.md E.3, groups 1 to 10). */
import { describe, expect, test } from 'vitest'
import { apiVersions } from '../../src/protocol/messages/api-versions.ts'
import { createTopics } from '../../src/protocol/messages/create-topics.ts'
import { metadata } from '../../src/protocol/messages/metadata.ts'
import { produce } from '../../src/protocol/messages/produce.ts'
import { besideOthers, expectClosed, frameOf, RawPeer, sized, uvarint } from './bad-input-kit.ts'
import { batchOf } from './test-broker.ts'

const NO_TAGS = uvarint(0)
const compact = (text: string): Buffer => Buffer.concat([uvarint(Buffer.byteLength(text) + 1), Buffer.from(text)])
const API_VERSIONS_BODY = Buffer.concat([compact('test'), compact('1'), NO_TAGS])

/** An ApiVersions frame of version 3, whose header has tagged fields. */
function apiVersionsFrame(options: Parameters<typeof frameOf>[3] = {}): Buffer {
  return frameOf(apiVersions.key, 3, API_VERSIONS_BODY, { tags: NO_TAGS, ...options })
}

describe('1: frame sizes', () => {
  test(
    'sizes of -1, 0, 2^31-1 and just above the limit close the connection and take no memory',
    besideOthers(
      async ({ broker }) => {
        for (const size of [-1, 0, 2 ** 31 - 1, 2_000_001, -(2 ** 31)]) {
          const head = Buffer.alloc(4)
          head.writeInt32BE(size)
          await expectClosed(broker, Buffer.concat([head, apiVersionsFrame()]), `size ${size}`)
        }
      },
      { properties: { 'socket.request.max.bytes': '2000000' } },
    ),
  )

  test(
    'a size that is announced and never sent takes no memory, on 200 connections',
    besideOthers(async ({ broker }) => {
      const before = process.memoryUsage().rss
      const head = Buffer.alloc(4)
      head.writeInt32BE(90 * 1024 * 1024)
      const peers = await Promise.all(Array.from({ length: 200 }, () => RawPeer.connect(broker)))
      for (const peer of peers) peer.write(Buffer.concat([head, Buffer.alloc(10)]))
      await broker.connect().then((client) => client.produce('t', { values: ['in between'] }))
      expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024)
      for (const peer of peers) peer[Symbol.dispose]()
    }),
  )
})

describe('2: cut frames', () => {
  test(
    'a Produce that is cut at any byte is not executed and not answered',
    besideOthers(async ({ broker, client }) => {
      const frame = client.wire.frame(produce, 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf({ values: ['cut'] }) }] }],
      })
      await Promise.all(
        Array.from({ length: frame.length }, async (_, length) => {
          using peer = await RawPeer.connect(broker)
          if (length > 0) peer.write(frame.subarray(0, length))
          peer.end()
          expect(await peer.frame(), `cut at ${length}`).toBeUndefined()
        }),
      )
      expect(await client.values('t')).toEqual([])
    }),
  )

  test(
    'a body that ends early inside a whole frame closes the connection, at any byte',
    besideOthers(async ({ broker, client }) => {
      const frame = client.wire.frame(produce, 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf({ values: ['cut'] }) }] }],
      })
      const body = frame.subarray(4)
      await Promise.all(
        Array.from({ length: body.length - 1 }, (_, index) =>
          expectClosed(broker, sized(body.subarray(0, index + 1)), `cut at ${index + 1}`),
        ),
      )
      expect(await client.values('t')).toEqual([])
    }),
  )
})

describe('3: slow peers', () => {
  test(
    'a request that comes byte by byte is answered',
    besideOthers(async ({ broker }) => {
      using peer = await RawPeer.connect(broker)
      for (const byte of apiVersionsFrame()) {
        peer.write(Buffer.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect((await peer.frame())?.readInt32BE(0)).toBe(7)
    }),
  )

  test(
    'a request that does not arrive in time closes its connection, however steadily its bytes come',
    besideOthers(
      async ({ broker }) => {
        using peer = await RawPeer.connect(broker)
        peer.write(Buffer.of(0, 0, 1, 0))
        const dripping = setInterval(() => peer.write(Buffer.of(0)), 20)
        expect(await peer.frame()).toBeUndefined()
        clearInterval(dripping)
      },
      { properties: { 'semel.request.receive.timeout.ms': '200' } },
    ),
  )
})

describe('4: unknown APIs and versions', () => {
  test(
    'API keys and versions that are not served close the connection',
    besideOthers(async ({ broker }) => {
      for (const key of [-1, 4, 999, 32_767, -32_768]) await expectClosed(broker, frameOf(key, 0, Buffer.alloc(8)))
      for (const version of [-1, -32_768, 32_767, 14]) await expectClosed(broker, frameOf(3, version, Buffer.alloc(8)))
    }),
  )

  test(
    'ApiVersions in an unknown version is answered in version 0 with UNSUPPORTED_VERSION and what is served',
    besideOthers(async ({ broker }) => {
      for (const version of [-1, 5, 99, 32_767]) {
        using peer = await RawPeer.connect(broker)
        const tags = version > 3 ? NO_TAGS : undefined
        peer.write(frameOf(apiVersions.key, version, API_VERSIONS_BODY, tags === undefined ? {} : { tags }))
        const answer = await peer.frame()
        expect(answer?.readInt32BE(0), `version ${version}`).toBe(7)
        expect(answer?.readInt16BE(4)).toBe(35)
        expect(answer?.readInt32BE(6)).toBeGreaterThan(30)
        // The connection goes on with a version that is served.
        peer.write(apiVersionsFrame({ correlationId: 8 }))
        expect((await peer.frame())?.readInt32BE(0)).toBe(8)
      }
    }),
  )
})

describe('5: correlation ids and pipelines', () => {
  test(
    'any correlation id comes back, repeated ones as often as they were sent, in order',
    besideOthers(async ({ broker }) => {
      using peer = await RawPeer.connect(broker)
      const ids = [0, -1, 2 ** 31 - 1, -(2 ** 31), 5, 5, 5]
      peer.write(Buffer.concat(ids.map((correlationId) => apiVersionsFrame({ correlationId }))))
      for (const id of ids) expect((await peer.frame())?.readInt32BE(0)).toBe(id)
    }),
  )

  test(
    '100,000 requests of a peer that reads no reply stop its own socket only, and are answered when it reads',
    besideOthers(async ({ broker, client }) => {
      using peer = await RawPeer.connect(broker)
      peer.pause()
      const count = 100_000
      const frames: Buffer[] = []
      for (let id = 0; id < count; id++) frames.push(apiVersionsFrame({ correlationId: id }))
      peer.write(Buffer.concat(frames))
      // The broker serves others while that pipeline is stuck.
      for (let round = 0; round < 20; round++) await client.produce('t', { values: [`${round}`] })
      expect((await client.values('t')).length).toBe(20)
      peer.resume()
      for (let id = 0; id < count; id++) {
        const answer = await peer.frame()
        if (answer?.readInt32BE(0) !== id) expect(answer?.readInt32BE(0)).toBe(id)
      }
    }),
  )
})

describe('6: lengths and nulls', () => {
  test(
    'impossible array lengths, negative lengths and nulls that may not be close the connection',
    besideOthers(async ({ broker }) => {
      const cases: Record<string, Buffer> = {
        'compact array of 2^32 - 2 elements': frameOf(
          metadata.key,
          12,
          Buffer.concat([Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f), Buffer.alloc(8)]),
          { tags: NO_TAGS },
        ),
        'array of 2^31 - 1 elements': frameOf(metadata.key, 1, Buffer.of(0x7f, 0xff, 0xff, 0xff)),
        'array of -2 elements': frameOf(metadata.key, 1, Buffer.of(0xff, 0xff, 0xff, 0xfe)),
        'null for an array that is not nullable': frameOf(createTopics.key, 2, Buffer.of(0xff, 0xff, 0xff, 0xff)),
        'null for a compact array that is not nullable': frameOf(createTopics.key, 7, Buffer.of(0, 0, 0, 0, 0, 0, 0), {
          tags: NO_TAGS,
        }),
        'null for a string that is not nullable': frameOf(metadata.key, 1, Buffer.of(0, 0, 0, 1, 0xff, 0xff)),
        'string of -2 bytes': frameOf(metadata.key, 1, Buffer.of(0, 0, 0, 1, 0xff, 0xfe)),
      }
      for (const [what, frame] of Object.entries(cases)) await expectClosed(broker, frame, what)
    }),
  )
})

describe('7: text', () => {
  test(
    'text past the end or not UTF-8 closes the connection; NUL and a client id of 32 KiB are served',
    besideOthers(async ({ broker }) => {
      const name = (...bytes: number[]): Buffer => frameOf(metadata.key, 1, Buffer.of(0, 0, 0, 1, ...bytes))
      await expectClosed(broker, name(0x7f, 0xff, 0x41), 'past the end')
      await expectClosed(broker, name(0, 2, 0xc3, 0x28), 'not UTF-8')
      await expectClosed(broker, name(0, 3, 0xed, 0xa0, 0x80), 'a lone surrogate')
      using peer = await RawPeer.connect(broker)
      peer.write(name(0, 1, 0))
      expect((await peer.frame())?.length).toBeGreaterThan(4)
      for (const clientId of ['x'.repeat(32_767), 'a\0b', '\u{1f600}'.repeat(8000)]) {
        peer.write(apiVersionsFrame({ clientId }))
        expect((await peer.frame())?.readInt32BE(0)).toBe(7)
      }
    }),
  )
})

describe('8: tagged fields', () => {
  test(
    'repeated, descending and overlong tags close the connection',
    besideOthers(async ({ broker }) => {
      const tags = (...bytes: number[]): Buffer => apiVersionsFrame({ tags: Buffer.of(...bytes) })
      await expectClosed(broker, tags(2, 7, 0, 7, 0), 'repeated')
      await expectClosed(broker, tags(2, 9, 0, 8, 0), 'descending')
      await expectClosed(broker, tags(1, 7, 0x7f), 'size past the end')
      await expectClosed(broker, tags(0xff, 0xff, 0xff, 0xff, 0x0f), '2^32 - 1 of them')
    }),
  )

  test(
    'a million unknown tags are passed over',
    besideOthers(async ({ broker }) => {
      using peer = await RawPeer.connect(broker)
      const tags: Buffer[] = [uvarint(1_000_000)]
      for (let tag = 1; tag <= 1_000_000; tag++) tags.push(uvarint(tag), uvarint(0))
      peer.write(apiVersionsFrame({ tags: Buffer.concat(tags) }))
      expect((await peer.frame())?.readInt32BE(0)).toBe(7)
    }),
  )
})

describe('9: varints', () => {
  test(
    'a varint of 11 bytes, or of more than 32 bits, closes the connection',
    besideOthers(async ({ broker }) => {
      const body = (...bytes: number[]): Buffer => frameOf(apiVersions.key, 3, Buffer.of(...bytes), { tags: NO_TAGS })
      await expectClosed(broker, body(...Array<number>(10).fill(0x80), 1, 0, 0), '11 bytes')
      await expectClosed(broker, body(0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0), '33 bits')
      await expectClosed(broker, body(0x80), 'cut')
    }),
  )
})

describe('10: other protocols', () => {
  test(
    'HTTP and TLS on the Kafka port are closed',
    besideOthers(async ({ broker }) => {
      await expectClosed(broker, Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
      await expectClosed(broker, Buffer.from('160301020001000001fc0303', 'hex'))
    }),
  )
})
