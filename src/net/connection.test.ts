import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Clock, Socket } from '../base/runtime.ts'
import { Connection } from './connection.ts'
import type { Ending } from './connection.ts'
import { ServerBudgets } from './limits.ts'
import type { NetLimits } from './limits.ts'

class RecordingSocket implements Socket {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 50_000
  onData: (chunk: Uint8Array) => void = () => {}
  onEnd: () => void = () => {}
  onClose: (error: Error | undefined) => void = () => {}
  onDrain: () => void = () => {}
  bufferedBytes = 0
  isPaused = false
  hasEnded = false
  isDestroyed = false
  written = Buffer.alloc(0)
  /** Whether the peer takes what is written. */
  isTaking = true

  write(chunks: readonly Uint8Array[]): boolean {
    const bytes = Buffer.concat(chunks)
    this.written = Buffer.concat([this.written, bytes])
    if (!this.isTaking) this.bufferedBytes += bytes.length
    return this.isTaking
  }

  takeAll(): void {
    this.bufferedBytes = 0
    this.onDrain()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.hasEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }
}

class ManualClock implements Clock {
  ms = 0
  nowMs(): number {
    return this.ms
  }
  monotonicMs(): number {
    return this.ms
  }
  setTimer(): never {
    throw new Error('no timers here')
  }
}

const LIMITS: NetLimits = {
  maxFrameBytes: 1_000_000,
  maxConnections: 100,
  maxConnectionsPerAddress: 100,
  maxInFlightRequests: 100,
  maxInFlightBytes: 1_000_000,
  maxTotalBytes: 10_000_000,
  maxUnsentBytes: 1_000_000,
  idleTimeoutMs: 10_000,
  receiveTimeoutMs: 5_000,
}

interface Received {
  readonly text: string
  readonly sequence: number
  readonly connection: Connection
}

function harness(changes: Partial<NetLimits> = {}) {
  const limits = { ...LIMITS, ...changes }
  const budgets = new ServerBudgets(limits.maxTotalBytes)
  const clock = new ManualClock()
  const received: Received[] = []
  const endings: Ending[] = []
  let nextId = 1
  const connect = () => {
    const socket = new RecordingSocket()
    const connection = new Connection({
      id: nextId++,
      socket,
      limits,
      budgets,
      clock,
      handlers: {
        onFrame: (from, frame, sequence) =>
          received.push({ text: Buffer.from(frame).toString(), sequence, connection: from }),
        onClose: (_, ending) => endings.push(ending),
      },
    })
    return { socket, connection }
  }
  return { ...connect(), connect, budgets, clock, received, endings }
}

function framed(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.map((text) => {
      const bytes = Buffer.alloc(4 + text.length)
      bytes.writeInt32BE(text.length)
      bytes.write(text, 4)
      return bytes
    }),
  )
}

describe('replies', () => {
  test('they leave in the order of the requests, however requests finish', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (order) => {
        const { socket, connection, received } = harness()
        socket.onData(framed('0', '1', '2', '3', '4', '5', '6', '7'))
        expect(received.map(({ text }) => text)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
        for (const sequence of order) connection.reply(sequence, [Buffer.from(`r${sequence}`)])
        expect(socket.written).toEqual(framed('r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7'))
        expect(connection.inFlightRequests).toBe(0)
        expect(connection.inFlightBytes).toBe(0)
      }),
    )
  })

  test('a request that is owed none does not hold up those behind it', () => {
    const { socket, connection } = harness()
    socket.onData(framed('a', 'b'))
    connection.reply(1, [Buffer.from('for b')])
    expect(socket.written.length).toBe(0)
    connection.reply(0, null)
    expect(socket.written).toEqual(framed('for b'))
  })

  test('a second reply to one request, and one after the end, change nothing', () => {
    const { socket, connection } = harness()
    socket.onData(framed('a'))
    connection.reply(0, [Buffer.from('one')])
    connection.reply(0, [Buffer.from('two')])
    connection.close('enough')
    connection.reply(1, [Buffer.from('three')])
    expect(socket.written).toEqual(framed('one'))
  })
})

describe('back-pressure', () => {
  test('requests above the cap stay unread and are read as replies leave', () => {
    const { socket, connection, received } = harness({ maxInFlightRequests: 2 })
    socket.onData(framed('a', 'b', 'c', 'd'))
    expect(received.map(({ text }) => text)).toEqual(['a', 'b'])
    expect(socket.isPaused).toBe(true)
    connection.reply(1, [])
    expect(received.length).toBe(2)
    connection.reply(0, [])
    expect(received.map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd'])
    expect(socket.isPaused).toBe(true)
    connection.reply(2, [])
    expect(socket.isPaused).toBe(false)
  })

  test('bytes in progress above the cap stop the socket, but one large request is let in', () => {
    const { socket, connection, received } = harness({ maxInFlightBytes: 10 })
    socket.onData(framed('x'.repeat(50), 'small'))
    expect(received.length).toBe(1)
    expect(socket.isPaused).toBe(true)
    connection.reply(0, [])
    expect(received.length).toBe(2)
    expect(socket.isPaused).toBe(false)
  })

  test('a peer that does not read its replies is not read from until it does', () => {
    const { socket, connection, received } = harness({ maxUnsentBytes: 100 })
    socket.isTaking = false
    socket.onData(framed('a'))
    connection.reply(0, [Buffer.alloc(200)])
    socket.onData(framed('b'))
    expect(received.length).toBe(1)
    expect(socket.isPaused).toBe(true)
    socket.isTaking = true
    socket.takeAll()
    expect(received.length).toBe(2)
    expect(socket.isPaused).toBe(false)
  })

  test('finished replies that wait for an earlier one count as unsent', () => {
    const { socket, connection, received } = harness({ maxUnsentBytes: 100 })
    socket.onData(framed('a', 'b'))
    connection.reply(1, [Buffer.alloc(200)])
    socket.onData(framed('c'))
    expect(received.length).toBe(2)
    expect(socket.isPaused).toBe(true)
    connection.reply(0, [])
    expect(received.length).toBe(3)
  })

  test('an answer from within the handler does not nest', () => {
    const { socket } = harness()
    let depth = 0
    let deepest = 0
    const connection: Connection = new Connection({
      id: 9,
      socket,
      limits: { ...LIMITS, maxInFlightRequests: 1 },
      budgets: new ServerBudgets(1_000_000),
      clock: new ManualClock(),
      handlers: {
        onFrame: (from, frame, sequence) => {
          depth += 1
          deepest = Math.max(deepest, depth)
          from.reply(sequence, [frame])
          depth -= 1
        },
        onClose: () => {},
      },
    })
    const texts = Array.from({ length: 1000 }, (_, index) => `request ${index}`)
    socket.onData(framed(...texts))
    expect(socket.written).toEqual(framed(...texts))
    expect(deepest).toBe(1)
    expect(connection.isPaused).toBe(false)
  })

  test('the budget of all connections stops those that come after, and room is given in order', () => {
    const { connect, received, budgets } = harness({ maxTotalBytes: 100 })
    const [first, second, third] = [connect(), connect(), connect()]
    first.socket.onData(framed('1'.repeat(100)))
    second.socket.onData(framed('2'.repeat(60)))
    third.socket.onData(framed('3'.repeat(60)))
    expect(received.length).toBe(1)
    expect([second.socket.isPaused, third.socket.isPaused]).toEqual([true, true])
    first.connection.reply(0, [])
    // The second takes 60, which leaves room for the third to begin.
    expect(received.map(({ connection }) => connection)).toEqual([
      first.connection,
      second.connection,
      third.connection,
    ])
    second.connection.reply(0, [])
    third.connection.reply(0, [])
    expect(budgets.inFlight.usedBytes).toBe(0)
    expect([second.socket.isPaused, third.socket.isPaused]).toEqual([false, false])
  })

  test('a connection that dies gives its share of the budget back', () => {
    const { connect, received, budgets } = harness({ maxTotalBytes: 100 })
    const [first, second] = [connect(), connect()]
    first.socket.onData(framed('1'.repeat(100)))
    second.socket.onData(framed('2'))
    expect(received.length).toBe(1)
    first.socket.onClose(new Error('reset'))
    expect(received.length).toBe(2)
    second.connection.close('done')
    expect(budgets.inFlight.usedBytes).toBe(0)
  })

  test('frames that never finish do not keep others out: the oldest goes on, requests in progress have their own budget', () => {
    const { connect, received } = harness({ maxTotalBytes: 100_000 })
    const large = framed('x'.repeat(200_000))
    const [oldest, younger, other] = [connect(), connect(), connect()]
    oldest.socket.onData(large.subarray(0, 60_000))
    younger.socket.onData(large.subarray(0, 60_000))
    expect(oldest.socket.isPaused).toBe(false)
    expect(younger.socket.isPaused).toBe(true)
    other.socket.onData(framed('small'))
    expect(received.map(({ text }) => text)).toEqual(['small'])
    oldest.socket.onData(large.subarray(60_000))
    expect(received.length).toBe(2)
    oldest.connection.reply(0, [])
    expect(younger.socket.isPaused).toBe(false)
    younger.socket.onData(large.subarray(60_000))
    expect(received.length).toBe(3)
  })
})

describe('the end of a connection', () => {
  test('a bad size closes it, says why, and counts as misuse', () => {
    const { socket, endings } = harness()
    socket.onData(Buffer.from('GET / HTTP/1.1\r\n'))
    expect(socket.isDestroyed).toBe(true)
    expect(endings).toEqual([{ reason: expect.stringContaining('HTTP'), isMisuse: true }])
  })

  test('requests before a bad size are still handed on', () => {
    const { socket, received } = harness()
    socket.onData(Buffer.concat([framed('good'), Buffer.from([0xff, 0xff, 0xff, 0xff])]))
    expect(received.map(({ text }) => text)).toEqual(['good'])
    expect(socket.isDestroyed).toBe(true)
  })

  test('after the last byte of the peer, requests received whole are answered, then it closes', () => {
    const { socket, connection } = harness()
    socket.onData(framed('a', 'b'))
    socket.onEnd()
    expect(socket.hasEnded).toBe(false)
    connection.reply(0, [Buffer.from('A')])
    connection.reply(1, [Buffer.from('B')])
    expect(socket.written).toEqual(framed('A', 'B'))
    expect(socket.hasEnded).toBe(true)
  })

  test('a peer that leaves in the middle of a frame is let go', () => {
    const { socket } = harness()
    socket.onData(framed('abcdef').subarray(0, 7))
    socket.onEnd()
    expect(socket.hasEnded).toBe(true)
  })

  test('draining answers what is in progress and takes nothing new', () => {
    const { socket, connection, received } = harness()
    socket.onData(framed('a'))
    connection.drain('stopping')
    socket.onData(framed('b'))
    expect(received.length).toBe(1)
    expect(socket.hasEnded).toBe(false)
    connection.reply(0, [Buffer.from('A')])
    expect(socket.written).toEqual(framed('A'))
    expect(socket.hasEnded).toBe(true)
  })

  test('idle connections are closed, those with a request in progress are not', () => {
    const { socket, connection, clock, endings } = harness()
    socket.onData(framed('a'))
    clock.ms = 20_000
    connection.checkDeadlines(clock.ms)
    expect(endings).toEqual([])
    connection.reply(0, [])
    clock.ms = 29_999
    connection.checkDeadlines(clock.ms)
    expect(endings).toEqual([])
    clock.ms = 30_000
    connection.checkDeadlines(clock.ms)
    expect(endings).toEqual([{ reason: 'idle for 10000 ms', isMisuse: false }])
  })

  test('a frame that trickles in is given up, however often a byte comes', () => {
    const { socket, connection, clock, endings } = harness()
    const bytes = framed('a trickle')
    for (const byte of bytes.subarray(0, 6)) {
      socket.onData(Uint8Array.of(byte))
      clock.ms += 900
      connection.checkDeadlines(clock.ms)
    }
    expect(endings).toEqual([{ reason: expect.stringContaining('did not arrive within 5000 ms'), isMisuse: true }])
  })

  test('after the end nothing is handed on and the end is told once', () => {
    const { socket, connection, received, endings } = harness()
    connection.close('first')
    connection.close('second')
    socket.onData(framed('late'))
    socket.onEnd()
    socket.onClose(undefined)
    expect(received).toEqual([])
    expect(endings.length).toBe(1)
  })
})

describe('a peer that has sent its last byte', () => {
  test('is told of at once, and still gets the answers it is owed', () => {
    const { socket, connection } = harness()
    socket.onData(framed('a'))
    let times = 0
    connection.onPeerEnded = () => (times += 1)
    expect(connection.hasPeerEnded).toBe(false)
    socket.onEnd()
    expect(times).toBe(1)
    expect(connection.hasPeerEnded).toBe(true)
    expect(socket.hasEnded).toBe(false)
    connection.reply(0, [Buffer.from('late')])
    expect(socket.written).toEqual(framed('late'))
    expect(socket.hasEnded).toBe(true)
  })

  test('holds its place no longer than an idle one, even when an answer is owed', () => {
    const { socket, connection, clock, endings } = harness()
    socket.onData(framed('a'))
    clock.ms = 50_000
    connection.checkDeadlines(clock.ms)
    expect(endings).toEqual([])
    socket.onEnd()
    clock.ms += LIMITS.idleTimeoutMs ?? 0
    connection.checkDeadlines(clock.ms)
    expect(endings.length).toBe(1)
  })
})
