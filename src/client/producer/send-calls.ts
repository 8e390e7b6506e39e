/** The promises of sends: one per call, however many records it has, settled once all of them are. */
import type { SendCall } from '../core/producer/producer-batch.ts'
import type { KafkaError } from '../errors.ts'
import type { RecordMetadata } from '../topic.ts'

/** Told what becomes of the records of a call before they are in a batch. */
export interface Acceptance {
  accepted(): void
  failed(index: number, count: number, error: KafkaError): void
}

/** `send` of one record. */
export class SingleSend implements SendCall, Acceptance {
  readonly #topic: string
  readonly #resolve: (metadata: RecordMetadata) => void
  readonly #reject: (error: KafkaError) => void
  readonly #timestampMs: number

  constructor(
    topic: string,
    timestampMs: number,
    resolve: (metadata: RecordMetadata) => void,
    reject: (error: KafkaError) => void,
  ) {
    this.#topic = topic
    this.#timestampMs = timestampMs
    this.#resolve = resolve
    this.#reject = reject
  }

  accepted(): void {
    // It is acknowledged that counts.
  }

  acknowledged(_index: number, _count: number, partition: number, offset: number, logAppendTimeMs: number): void {
    const timestampMs = logAppendTimeMs >= 0 ? logAppendTimeMs : this.#timestampMs
    this.#resolve({ topic: this.#topic, partition, offset, timestampMs })
  }

  failed(_index: number, _count: number, error: KafkaError): void {
    this.#reject(error)
  }
}

/** `send` of several records: rejects with the first error, after all have come to their end. */
export class ManySends implements SendCall, Acceptance {
  readonly #topic: string
  readonly #timestampsMs: readonly number[]
  readonly #resolve: (metadata: RecordMetadata[]) => void
  readonly #reject: (error: KafkaError) => void
  readonly #results: RecordMetadata[]
  #pending: number
  #error: KafkaError | undefined

  /** @param timestampsMs  one for each record; may still be filled */
  constructor(
    topic: string,
    count: number,
    timestampsMs: readonly number[],
    resolve: (metadata: RecordMetadata[]) => void,
    reject: (error: KafkaError) => void,
  ) {
    this.#topic = topic
    this.#timestampsMs = timestampsMs
    this.#resolve = resolve
    this.#reject = reject
    this.#results = Array.from({ length: count })
    this.#pending = count
  }

  accepted(): void {
    // It is acknowledged that counts.
  }

  acknowledged(index: number, count: number, partition: number, baseOffset: number, logAppendTimeMs: number): void {
    for (let nth = 0; nth < count; nth++) {
      const timestampMs = logAppendTimeMs >= 0 ? logAppendTimeMs : this.#timestampsMs[index + nth]!
      const offset = baseOffset < 0 ? baseOffset : baseOffset + nth
      this.#results[index + nth] = { topic: this.#topic, partition, offset, timestampMs }
    }
    this.#settle(count)
  }

  failed(_index: number, count: number, error: KafkaError): void {
    this.#error ??= error
    this.#settle(count)
  }

  #settle(count: number): void {
    this.#pending -= count
    if (this.#pending > 0) return
    if (this.#error === undefined) this.#resolve(this.#results)
    else this.#reject(this.#error)
  }
}

/** `tx.send`: resolves when all records are in batches. */
export class Accepting implements Acceptance {
  readonly promise: Promise<void>
  readonly #onFailure: (error: KafkaError) => void
  readonly #resolve: () => void
  readonly #reject: (error: KafkaError) => void
  #pending: number
  #error: KafkaError | undefined

  /** @param onFailure  also told: whoever does not wait for the promise must not commit */
  constructor(count: number, onFailure: (error: KafkaError) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.promise = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#pending = count
    this.#onFailure = onFailure
    // What becomes of it is the transaction's, so nobody has to wait for it.
    promise.catch(() => undefined)
    if (count === 0) resolve()
  }

  get isSettled(): boolean {
    return this.#pending === 0
  }

  accepted(): void {
    this.#settle(1)
  }

  failed(_index: number, count: number, error: KafkaError): void {
    if (this.#error === undefined) {
      this.#error = error
      this.#onFailure(error)
    }
    this.#settle(count)
  }

  #settle(count: number): void {
    this.#pending -= count
    if (this.#pending > 0) return
    if (this.#error === undefined) this.#resolve()
    else this.#reject(this.#error)
  }
}
