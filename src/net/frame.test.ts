import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameAssembler } from './frame.ts'

const MAX_FRAME_BYTES = 1_000_000

function framed(...payloads: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    payloads.flatMap((payload) => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(payload.length)
      return [size, payload]
    }),
  )
}

function readAll(assembler: FrameAssembler): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = assembler.next(); frame !== undefined; frame = assembler.next()) frames.push(frame)
  return frames
}

describe('frame assembly', () => {
  test('frames come out whole however the stream is cut', () => {
    const payload = fc.uint8Array({ minLength: 1, maxLength: 400 })
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 6 }), fc.array(fc.nat(600), { maxLength: 40 }), (payloads, cuts) => {
        const stream = framed(...payloads)
        const assembler = new FrameAssembler(MAX_FRAME_BYTES)
        const frames: Uint8Array[] = []
        const positions = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b)
        let start = 0
        for (const end of [...positions, stream.length]) {
          assembler.push(stream.subarray(start, end))
          frames.push(...readAll(assembler))
          start = end
        }
        expect(frames.map((frame) => Buffer.from(frame).toString('hex'))).toEqual(
          payloads.map((bytes) => Buffer.from(bytes).toString('hex')),
        )
        expect(assembler.heldBytes).toBe(0)
        expect(assembler.arrivingFrameBytes).toBe(0)
      }),
    )
  })

  test('a stream of single bytes gives the frames', () => {
    const stream = framed(Buffer.from('first'), Buffer.from('second'))
    const assembler = new FrameAssembler(MAX_FRAME_BYTES)
    const frames: string[] = []
    for (const byte of stream) {
      assembler.push(Uint8Array.of(byte))
      frames.push(...readAll(assembler).map((frame) => Buffer.from(frame).toString()))
    }
    expect(frames).toEqual(['first', 'second'])
  })

  test('a frame inside one chunk is a view, not a copy', () => {
    const chunk = framed(Buffer.from('payload'))
    const assembler = new FrameAssembler(MAX_FRAME_BYTES)
    assembler.push(chunk)
    expect(assembler.next()?.buffer).toBe(chunk.buffer)
  })

  test('an announced size that is never sent costs no more than what has arrived', () => {
    const assembler = new FrameAssembler(100_000_000)
    const size = Buffer.alloc(4)
    size.writeInt32BE(100_000_000)
    assembler.push(size)
    expect(assembler.next()).toBeUndefined()
    expect(assembler.heldBytes).toBe(0)
    assembler.push(Buffer.alloc(1000))
    expect(assembler.next()).toBeUndefined()
    expect(assembler.heldBytes).toBeLessThanOrEqual(16_384)
    expect(assembler.arrivingFrameBytes).toBe(100_000_000)
  })

  test('a large frame in many chunks is right, and its buffer is exactly as large', () => {
    const payload = Buffer.from(Uint8Array.from({ length: 700_001 }, (_, index) => (index * 31) & 0xff))
    const stream = framed(payload, Buffer.from('next'))
    const assembler = new FrameAssembler(MAX_FRAME_BYTES)
    const frames: Uint8Array[] = []
    for (let at = 0; at < stream.length; at += 65_536) {
      assembler.push(stream.subarray(at, at + 65_536))
      frames.push(...readAll(assembler))
    }
    expect(frames.map((frame) => frame.length)).toEqual([700_001, 4])
    expect(payload.equals(frames[0] as Uint8Array)).toBe(true)
    expect(frames[0]?.buffer.byteLength).toBe(700_001)
  })

  test.each([
    ['-1', -1, /size -1 is not positive/],
    ['0', 0, /size 0 is not positive/],
    ['2^31-1', 2 ** 31 - 1, /size 2147483647 is above socket.request.max.bytes \(1000000\)/],
    ['one above the limit', MAX_FRAME_BYTES + 1, /size 1000001 is above/],
  ])('a size of %s is a problem that names it', (_, value, problem) => {
    const assembler = new FrameAssembler(MAX_FRAME_BYTES)
    const size = Buffer.alloc(8)
    size.writeInt32BE(value)
    assembler.push(size)
    expect(assembler.next()).toBeUndefined()
    expect(assembler.problem).toMatch(problem)
    assembler.push(framed(Buffer.from('good')))
    expect(assembler.next()).toBeUndefined()
  })

  test('HTTP and TLS are recognised', () => {
    const http = new FrameAssembler(MAX_FRAME_BYTES)
    http.push(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    http.next()
    expect(http.problem).toMatch(/HTTP/)
    const tls = new FrameAssembler(MAX_FRAME_BYTES)
    tls.push(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
    tls.next()
    expect(tls.problem).toMatch(/TLS/)
  })
})
