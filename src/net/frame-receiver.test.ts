import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameReceiver } from './frame-receiver.ts'

const MAX_FRAME_BYTES = 1_000_000
const LIMIT = 'maxResponseBytes'

function framed(...payloads: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    payloads.flatMap((payload) => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(payload.length)
      return [size, payload]
    }),
  )
}

const pattern = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff))

function readAll(receiver: FrameReceiver): Uint8Array[] {
  const frames: Uint8Array[] = []
  for (let frame = receiver.next(); frame !== undefined; frame = receiver.next()) frames.push(frame)
  return frames
}

/** As a socket does: puts bytes into the room, as many as fit, and says how many. @returns how many it took */
function receive(receiver: FrameReceiver, bytes: Uint8Array): number {
  const room = receiver.room()
  expect(room.length).toBeGreaterThan(0)
  const count = Math.min(room.length, bytes.length)
  room.set(bytes.subarray(0, count))
  receiver.push(room.subarray(0, count))
  return count
}

describe('receiving frames', () => {
  test('frames come out whole and stay so, however the stream is cut and whether or not it is put into the room', () => {
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 65_500, max: 65_600 }),
      fc.constant(200_000),
    )
    const pieces = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 90_000 }), isOwn: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(fc.array(sizes, { maxLength: 6 }), pieces, (lengths, cuts) => {
        const payloads = lengths.map(pattern)
        const stream = framed(...payloads)
        const receiver = new FrameReceiver(MAX_FRAME_BYTES, LIMIT)
        const frames: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const { bytes, isOwn } = cuts[turn % cuts.length] as (typeof cuts)[number]
          const piece = stream.subarray(at, at + bytes)
          if (isOwn) receiver.push(piece)
          at += isOwn ? piece.length : receive(receiver, piece)
          frames.push(...readAll(receiver))
        }
        expect(frames.map((frame) => frame.length)).toEqual(lengths)
        expect(frames.every((frame, index) => Buffer.compare(frame, payloads[index] as Buffer) === 0)).toBe(true)
      }),
    )
  })

  test('a large frame is received where it stays, in a buffer of just its size', () => {
    const payload = pattern(500_000, 1)
    const stream = framed(payload)
    const receiver = new FrameReceiver(MAX_FRAME_BYTES, LIMIT)
    let at = receive(receiver, stream.subarray(0, 65_536))
    expect(receiver.next()).toBeUndefined()
    const room = receiver.room()
    expect(room.length).toBe(stream.length - at)
    while (at < stream.length) at += receive(receiver, stream.subarray(at, at + 100_000))
    const frame = receiver.next()
    expect(frame?.buffer).toBe(room.buffer)
    expect(frame?.buffer.byteLength).toBe(payload.length)
  })

  test('a small frame is a copy: what comes next does not change it', () => {
    const receiver = new FrameReceiver(MAX_FRAME_BYTES, LIMIT)
    receive(receiver, framed(Buffer.from('first')))
    const first = receiver.next()
    receive(receiver, framed(Buffer.from('other')))
    receiver.next()
    expect(Buffer.from(first ?? []).toString()).toBe('first')
  })

  test.each([
    ['0', 0, /size 0 is not positive/],
    ['-1', -1, /size -1 is not positive/],
    ['one more than allowed', MAX_FRAME_BYTES + 1, /above maxResponseBytes \(1000000\)/],
  ])('a size of %s is a problem that stays', (_name, size, message) => {
    const receiver = new FrameReceiver(MAX_FRAME_BYTES, LIMIT)
    const bytes = Buffer.alloc(5)
    bytes.writeInt32BE(size)
    receive(receiver, bytes)
    expect(receiver.next()).toBeUndefined()
    expect(receiver.problem).toMatch(message)
    receive(receiver, framed(Buffer.from('x')))
    expect(receiver.next()).toBeUndefined()
  })
})
