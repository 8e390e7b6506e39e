/**
 * What callers of one client wait for: a span of time, an event, an answer; each ends early when its signal is aborted or
 * the client is closed. Nothing of a wait that has ended is left: no timer, no listener, no reference.
 */
import type { Clock } from '../../base/runtime.ts'
import { KafkaError } from '../errors.ts'

export interface WaitLimits {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class Waits {
  readonly #clock: Clock
  readonly #open = new Set<(error: KafkaError) => void>()
  #closedWith: KafkaError | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Settles as `begin` has it settle, or as `onTimeout` does when the time is over.
   * Rejects with ABORTED, and with what `close` was given.
   * @param begin  @returns what to undo at the end
   */
  wait<T>(
    limits: WaitLimits,
    onTimeout: (resolve: (value: T) => void, reject: (error: KafkaError) => void) => void,
    begin?: (resolve: (value: T) => void, reject: (reason: unknown) => void) => (() => void) | undefined,
  ): Promise<T> {
    const { timeoutMs, signal } = limits
    if (this.#closedWith !== undefined) return Promise.reject(this.#closedWith)
    if (signal?.aborted === true) return Promise.reject(abortReason(signal))
    return new Promise<T>((resolvePromise, rejectPromise) => {
      let undo: (() => void) | undefined
      const end = (): void => {
        timer.cancel()
        this.#open.delete(reject)
        signal?.removeEventListener('abort', onAbort)
        undo?.()
      }
      const resolve = (value: T): void => {
        end()
        resolvePromise(value)
      }
      const reject = (reason: unknown): void => {
        end()
        rejectPromise(reason)
      }
      const onAbort = (): void => reject(abortReason(signal))
      const timer = this.#clock.setTimer(Math.max(0, timeoutMs), () => onTimeout(resolve, reject), {
        keepsProcessAlive: true,
      })
      this.#open.add(reject)
      signal?.addEventListener('abort', onAbort, { once: true })
      undo = begin?.(resolve, reject)
    })
  }

  /** Rejects everything that is waited for, and everything that will be. */
  close(error: KafkaError): void {
    this.#closedWith = error
    for (const reject of [...this.#open]) reject(error)
  }
}

function abortReason(signal: AbortSignal | undefined): KafkaError {
  return new KafkaError('ABORTED', 'the call was aborted by its signal', { cause: signal?.reason })
}
