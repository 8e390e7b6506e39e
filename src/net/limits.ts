/**
 * What peers may cost: the limits of a server, and the budgets that all its connections share.
 */

export interface NetLimits {
  /** Largest frame, without its 4-byte size; a larger one closes the connection. */
  readonly maxFrameBytes: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** Requests of one connection that are not answered yet; more stay unread. */
  readonly maxInFlightRequests: number
  /** Bytes of such requests of one connection. One frame is always let in, so a large one is not stuck. */
  readonly maxInFlightBytes: number
  /** Bytes of such requests of all connections together; also, apart, of frames that are still arriving. */
  readonly maxTotalBytes: number
  /** Bytes of replies of one connection that its peer has not taken yet; above it no more of its requests are read. */
  readonly maxUnsentBytes: number
  /** A connection without traffic and without a request in progress is closed after this; `undefined` never. */
  readonly idleTimeoutMs: number | undefined
  /** From the first byte of a frame to its last. */
  readonly receiveTimeoutMs: number
}

/** A frame no larger than this arrives without asking the budget: it fits into what a socket delivers at once. */
const UNBUDGETED_FRAME_BYTES = 16_384

/** Something that stops reading while a budget is used up. */
export interface BudgetMember {
  /** There is room again. The member reads on and asks again. */
  onRoom(): void
}

/**
 * Bytes that all connections share. Who finds it used up waits; room is given in the order of asking, one at a time,
 * so that nobody starves.
 */
export class ByteBudget {
  readonly #limitBytes: number
  readonly #letsOldestThrough: boolean
  /** In the order in which members began to hold something. */
  readonly #usedBy = new Map<BudgetMember, number>()
  readonly #waiting = new Set<BudgetMember>()
  #usedBytes = 0
  #isGiving = false
  #isShut = false

  /** @param letsOldestThrough  the member that has held something longest is never made to wait */
  constructor(limitBytes: number, letsOldestThrough: boolean) {
    this.#limitBytes = limitBytes
    this.#letsOldestThrough = letsOldestThrough
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Whether this member has to wait before it takes more. */
  isUsedUpFor(member: BudgetMember): boolean {
    if (this.#isShut) return true
    return this.#usedBytes >= this.#limitBytes && !(this.#letsOldestThrough && this.#oldest() === member)
  }

  /** What the member holds from now on. */
  hold(member: BudgetMember, bytes: number): void {
    this.#usedBytes += bytes - (this.#usedBy.get(member) ?? 0)
    if (bytes === 0) this.#usedBy.delete(member)
    else this.#usedBy.set(member, bytes)
    this.#give()
  }

  /** While shut, nobody takes anything, whatever is left. */
  setShut(isShut: boolean): void {
    this.#isShut = isShut
    if (!isShut) this.#give()
  }

  wait(member: BudgetMember): void {
    this.#waiting.add(member)
  }

  /** The member is gone. */
  leave(member: BudgetMember): void {
    this.#waiting.delete(member)
    this.hold(member, 0)
  }

  #oldest(): BudgetMember | undefined {
    for (const member of this.#usedBy.keys()) return member
    return undefined
  }

  #give(): void {
    // What a member does with its room comes back here.
    if (this.#isGiving) return
    this.#isGiving = true
    try {
      for (;;) {
        const member = this.#next()
        if (member === undefined) return
        this.#waiting.delete(member)
        member.onRoom()
      }
    } finally {
      this.#isGiving = false
    }
  }

  #next(): BudgetMember | undefined {
    for (const member of this.#waiting) {
      if (!this.isUsedUpFor(member)) return member
      break
    }
    const oldest = this.#letsOldestThrough ? this.#oldest() : undefined
    return oldest !== undefined && this.#waiting.has(oldest) ? oldest : undefined
  }
}

/**
 * The two budgets of a server. They are apart so that frames which never finish arriving cannot keep finished ones
 * from being served, and the oldest arriving frame is always let through, so that there is always one that finishes
 * or times out.
 */
export class ServerBudgets {
  readonly inFlight: ByteBudget
  readonly arriving: ByteBudget

  constructor(maxTotalBytes: number) {
    this.inFlight = new ByteBudget(maxTotalBytes, false)
    this.arriving = new ByteBudget(maxTotalBytes, true)
  }

  /** Whether a frame that has begun to arrive has to stop. */
  mustStopArriving(member: BudgetMember, frameBytes: number): boolean {
    return frameBytes > UNBUDGETED_FRAME_BYTES && this.arriving.isUsedUpFor(member)
  }
}
