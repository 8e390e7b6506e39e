/**
 * One connection: frames in, replies out in the order of the requests, however they are finished.
 *
 * Owns back-pressure: it stops reading its own socket while too many of its requests or bytes are in progress, while
 * its peer does not take its replies, or while a budget that all share is used up. Bytes that are not read stay with
 * the peer. What requests mean is left to the shell.
 * Invariants: replies leave in request order; a request is counted until its reply was handed to the socket; after
 * `onClose` nothing is read, written or called back.
 */
import type { Clock, Socket } from '../base/runtime.ts'
import { FrameAssembler } from './frame.ts'
import type { BudgetMember, NetLimits, ServerBudgets } from './limits.ts'

/** Why a connection ended. `isMisuse`: the peer did something that it must not, and whoever runs it should know. */
export interface Ending {
  readonly reason: string
  readonly isMisuse: boolean
}

export interface ConnectionHandlers {
  /** One request. `sequence` is what its reply is given back with; every request needs one, `null` for "none owed". */
  readonly onFrame: (connection: Connection, frame: Uint8Array, sequence: number) => void
  /** Called once. */
  readonly onClose: (connection: Connection, ending: Ending) => void
}

export interface ConnectionContext {
  readonly id: number
  readonly socket: Socket
  readonly limits: NetLimits
  readonly budgets: ServerBudgets
  readonly clock: Clock
  readonly handlers: ConnectionHandlers
}

interface PendingReply {
  readonly requestBytes: number
  /** `undefined` until it is there. */
  chunks: readonly Uint8Array[] | null | undefined
  replyBytes: number
}

export class Connection implements BudgetMember {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  /** The peer has sent its last byte. Most that do will not read either, so an answer should not be waited for any more. */
  onPeerEnded: () => void = () => undefined
  readonly #socket: Socket
  readonly #limits: NetLimits
  readonly #budgets: ServerBudgets
  readonly #clock: Clock
  readonly #handlers: ConnectionHandlers
  readonly #frames: FrameAssembler
  /** Requests without a reply handed to the socket, oldest first; the first has sequence `#firstSequence`. */
  readonly #pending: PendingReply[] = []
  #firstSequence = 0
  #inFlightBytes = 0
  /** Replies that are there and wait for an earlier one. */
  #heldReplyBytes = 0
  #isPaused = false
  #isPumping = false
  #hasEnded = false
  #isDraining = false
  #isClosed = false
  #closeReason: string | undefined
  #lastActivityMs: number
  /** When the frame that is arriving began, or reading was taken up again. */
  #arrivalStartMs: number | undefined

  constructor({ id, socket, limits, budgets, clock, handlers }: ConnectionContext) {
    this.id = id
    this.remoteAddress = socket.remoteAddress
    this.remotePort = socket.remotePort
    this.#socket = socket
    this.#limits = limits
    this.#budgets = budgets
    this.#clock = clock
    this.#handlers = handlers
    this.#frames = new FrameAssembler(limits.maxFrameBytes)
    this.#lastActivityMs = clock.monotonicMs()
    socket.onData = (chunk) => this.#onData(chunk)
    socket.onEnd = () => this.#onEnd()
    socket.onDrain = () => this.#onDrain()
    socket.onClose = (error) => this.#onClosed(error)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether the peer has sent its last byte. What it asked before is still owed an answer. */
  get hasPeerEnded(): boolean {
    return this.#hasEnded
  }

  get inFlightRequests(): number {
    return this.#pending.length
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  /** Whether its socket is not being read. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /**
   * Gives the reply of a request, without its 4-byte size; `null` when the peer expects none. Chunks must not change
   * afterwards. Does nothing when the connection is gone.
   */
  reply(sequence: number, chunks: readonly Uint8Array[] | null): void {
    if (this.#isClosed) return
    const pending = this.#pending[sequence - this.#firstSequence]
    if (pending === undefined || pending.chunks !== undefined) return
    pending.chunks = chunks
    if (chunks !== null) for (const chunk of chunks) pending.replyBytes += chunk.length
    this.#heldReplyBytes += pending.replyBytes
    this.#sendReady()
    this.#pump()
  }

  /** Drops the connection at once because of what the peer did; replies not sent yet are lost. */
  close(reason: string): void {
    this.#drop({ reason, isMisuse: true })
  }

  /** Drops the connection at once for a reason of ours. */
  abandon(reason: string): void {
    this.#drop({ reason, isMisuse: false })
  }

  /** Takes no more requests and closes when all that are in progress are answered. */
  drain(reason: string): void {
    if (this.#isClosed) return
    this.#isDraining = true
    this.#closeReason ??= reason
    // What still comes in is read and thrown away: unread bytes would turn our close into a reset, which takes
    // replies with it that the peer has not read yet.
    this.#resume()
    this.#endWhenDone()
  }

  /** Closes when idle for too long, or when a frame takes too long to arrive. */
  checkDeadlines(nowMs: number): void {
    const { idleTimeoutMs, receiveTimeoutMs } = this.#limits
    if (this.#arrivalStartMs !== undefined && !this.#isPaused && nowMs - this.#arrivalStartMs >= receiveTimeoutMs) {
      this.close(`a request did not arrive within ${receiveTimeoutMs} ms of its first byte`)
      return
    }
    // Who has ended and is still owed something is most likely gone, and holds its place no longer than an idle one.
    if (idleTimeoutMs === undefined || (this.#pending.length > 0 && !this.#hasEnded)) return
    if (nowMs - this.#lastActivityMs >= idleTimeoutMs) this.abandon(`idle for ${idleTimeoutMs} ms`)
  }

  onRoom(): void {
    this.#pump()
  }

  #onData(chunk: Uint8Array): void {
    if (this.#isClosed || this.#isDraining) return
    this.#lastActivityMs = this.#clock.monotonicMs()
    this.#frames.push(chunk)
    this.#pump()
  }

  #onEnd(): void {
    if (this.#isClosed) return
    this.#hasEnded = true
    this.#closeReason ??= 'closed by the peer'
    this.#lastActivityMs = this.#clock.monotonicMs()
    this.#pump()
    this.#endWhenDone()
    this.onPeerEnded()
  }

  #onDrain(): void {
    if (this.#isClosed) return
    this.#lastActivityMs = this.#clock.monotonicMs()
    this.#pump()
  }

  #onClosed(error: Error | undefined): void {
    this.#finish({ reason: this.#closeReason ?? error?.message ?? 'closed by the peer', isMisuse: false })
  }

  /** Reads as many requests as limits allow, and stops or starts the socket accordingly. */
  #pump(): void {
    // A handler may answer at once, which comes back here.
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (!this.#isClosed && !this.#isDraining) {
        if (this.#mustWait()) {
          this.#pause()
          return
        }
        const frame = this.#frames.next()
        if (frame === undefined) break
        this.#accept(frame)
      }
    } finally {
      this.#isPumping = false
    }
    if (this.#isClosed || this.#isDraining) return
    if (this.#frames.problem !== undefined) {
      this.close(this.#frames.problem)
      return
    }
    this.#budgets.arriving.hold(this, this.#frames.heldBytes)
    if (this.#budgets.mustStopArriving(this, this.#frames.arrivingFrameBytes)) {
      this.#budgets.arriving.wait(this)
      this.#pause()
      return
    }
    if (this.#frames.arrivingFrameBytes === 0) this.#arrivalStartMs = undefined
    else this.#arrivalStartMs ??= this.#clock.monotonicMs()
    this.#resume()
    this.#endWhenDone()
  }

  #mustWait(): boolean {
    const { maxInFlightRequests, maxInFlightBytes, maxUnsentBytes } = this.#limits
    if (this.#pending.length >= maxInFlightRequests || this.#inFlightBytes >= maxInFlightBytes) return true
    if (this.#socket.bufferedBytes + this.#heldReplyBytes >= maxUnsentBytes) return true
    if (!this.#budgets.inFlight.isUsedUpFor(this)) return false
    this.#budgets.inFlight.wait(this)
    return true
  }

  #accept(frame: Uint8Array): void {
    const sequence = this.#firstSequence + this.#pending.length
    this.#pending.push({ requestBytes: frame.length, chunks: undefined, replyBytes: 0 })
    this.#inFlightBytes += frame.length
    this.#budgets.inFlight.hold(this, this.#inFlightBytes)
    this.#arrivalStartMs = undefined
    this.#handlers.onFrame(this, frame, sequence)
  }

  /** Hands all replies that are there, up to the first that is not, to the socket. */
  #sendReady(): void {
    let count = 0
    const out: Uint8Array[] = []
    for (const { chunks, requestBytes, replyBytes } of this.#pending) {
      if (chunks === undefined) break
      count += 1
      this.#inFlightBytes -= requestBytes
      this.#heldReplyBytes -= replyBytes
      if (chunks === null) continue
      const size = Buffer.allocUnsafe(4)
      size.writeInt32BE(replyBytes)
      out.push(size, ...chunks)
    }
    if (count === 0) return
    this.#pending.splice(0, count)
    this.#firstSequence += count
    this.#lastActivityMs = this.#clock.monotonicMs()
    if (out.length > 0) this.#socket.write(out)
    this.#budgets.inFlight.hold(this, this.#inFlightBytes)
    this.#endWhenDone()
  }

  #endWhenDone(): void {
    if (this.#isClosed || this.#pending.length > 0) return
    // Requests that were received whole before the peer's last byte are still owed an answer.
    const isReadOut = this.#hasEnded && !this.#isPumping && !this.#isPaused
    if (this.#isDraining || isReadOut) this.#socket.end()
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#arrivalStartMs !== undefined) this.#arrivalStartMs = this.#clock.monotonicMs()
    this.#socket.resume()
  }

  #drop(ending: Ending): void {
    if (this.#isClosed) return
    this.#socket.destroy()
    this.#finish(ending)
  }

  #finish(ending: Ending): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#pending.length = 0
    this.#inFlightBytes = 0
    this.#heldReplyBytes = 0
    this.#budgets.inFlight.leave(this)
    this.#budgets.arriving.leave(this)
    this.#handlers.onClose(this, ending)
  }
}
