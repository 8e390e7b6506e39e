/**
 * Writers and readers that replace themselves: a role asks for one, and gets the present one or, after that has failed, a new one.
 *
 * So no workload dies of an error that it has to expect.
 */
import { isExpected } from './outcomes.ts'
import type { Participant } from './participant.ts'
import type { ReaderOptions, RecordedReader } from './recorded-reader.ts'
import type { RecordedWriter, WriterOptions } from './recorded-writer.ts'

const PAUSE_MS = 100

export class WriterSlot {
  readonly #me: Participant
  readonly #options: WriterOptions
  #writer: RecordedWriter | undefined

  constructor(me: Participant, options: WriterOptions = {}) {
    this.#me = me
    this.#options = options
  }

  /** One that is usable; `undefined`: the worker has to stop. `isNew` tells whether it has just taken over. */
  async get(): Promise<{ readonly writer: RecordedWriter; readonly isNew: boolean } | undefined> {
    while (!this.#me.worker.isStopping) {
      if (this.#writer?.isUsable === true) return { writer: this.#writer, isNew: false }
      await this.#writer?.close()
      this.#writer = undefined
      try {
        this.#writer = await this.#me.openWriter(this.#options)
        return { writer: this.#writer, isNew: true }
      } catch (error) {
        if (!isExpected(error)) throw error
        await this.#me.worker.pause(PAUSE_MS)
      }
    }
    return undefined
  }
}

export class ReaderSlot {
  readonly #me: Participant
  readonly #options: ReaderOptions
  #reader: RecordedReader | undefined

  constructor(me: Participant, options: ReaderOptions) {
    this.#me = me
    this.#options = options
  }

  async get(): Promise<RecordedReader> {
    if (this.#reader?.isUsable === true) return this.#reader
    await this.#reader?.close()
    this.#reader = this.#me.openReader(this.#options)
    return this.#reader
  }

  /** The next one begins where the group has committed, or anew without one. */
  async renew(): Promise<void> {
    await this.#reader?.close()
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    this.#reader = undefined
  }
}
