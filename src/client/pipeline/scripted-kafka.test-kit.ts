/**
 * A consumer and producers as far as a pipeline sees them, over logs in memory: one partition per topic name, offsets in a map.
 * What a step answers is scripted, so that each failure can be had at each step. Real brokers come in test/client.
 */
import { KafkaError } from '../errors.ts'
import type { ConsumerRecord, TopicPartition } from '../topic.ts'
import type { AssignmentListener, ConsumerPort, ProducerPort, TransactionPort } from './ports.ts'

export type ScriptedStep = 'begin' | 'send' | 'offsets' | 'commit' | 'abort' | 'init' | 'consumer-commit'

interface Script {
  readonly at: ScriptedStep
  readonly error: KafkaError
  /** The step takes effect, and fails all the same. */
  readonly applied: boolean
}

export class ScriptedKafka {
  readonly input: ConsumerRecord[] = []
  /** What read_committed readers see, in order of commit. */
  readonly output: { readonly topic: string; readonly value: string; readonly headers: Record<string, string> }[] = []
  committed = 0
  position = 0
  assigned = true
  listener: AssignmentListener | undefined
  readonly trace: string[] = []
  producers = 0
  generationId = 1
  readonly #scripts: Script[] = []
  /** Of the newest producer; ended by the next one's init, whichever way it was decided. */
  #undecided: (() => void) | undefined

  constructor(values: readonly string[]) {
    for (const value of values) this.add(value)
  }

  add(value: string): void {
    this.input.push({
      topic: 'in',
      partition: 0,
      offset: this.input.length,
      leaderEpoch: 0,
      timestampMs: 0,
      timestampType: 'CreateTime',
      key: null,
      value: Buffer.from(value),
      headers: [],
    })
  }

  /** The next time a step is reached it fails. */
  fail(
    at: ScriptedStep,
    error: KafkaError,
    options: { readonly applied?: boolean; readonly times?: number } = {},
  ): void {
    const { applied = false, times = 1 } = options
    for (let count = 0; count < times; count += 1) this.#scripts.push({ at, error, applied })
  }

  get isIdle(): boolean {
    return this.position >= this.input.length && this.#scripts.length === 0
  }

  makeConsumer = (listener: AssignmentListener): ConsumerPort => {
    this.listener = listener
    return {
      poll: async ({ maxRecords = 500 } = {}) => {
        if (!this.assigned) return []
        const records = this.input.slice(this.position, this.position + maxRecords)
        this.position += records.length
        if (records.length === 0) await new Promise((resolve) => setImmediate(resolve))
        return records
      },
      position: () => this.position,
      assignment: () => (this.assigned ? [{ topic: 'in', partition: 0 }] : []),
      groupMetadata: () => ({ groupId: 'g', generationId: this.generationId, memberId: 'm', groupInstanceId: null }),
      committed: async () => new Map([['in', new Map([[0, { offset: this.committed }]])]]),
      commit: async (offsets) =>
        this.#step('consumer-commit', () => {
          this.committed = offsets[0]?.offset ?? this.committed
        }),
      seek: (_partition: TopicPartition, offset: number) => {
        this.trace.push(`seek ${offset}`)
        this.position = offset
      },
      close: async () => void this.trace.push('consumer closed'),
    }
  }

  makeProducer = (): ProducerPort => {
    this.producers += 1
    const id = this.producers
    return {
      init: async () =>
        this.#step('init', () => {
          this.trace.push(`init ${id}`)
          this.#undecided?.()
          this.#undecided = undefined
        }),
      begin: async () => {
        await this.#step('begin', () => undefined)
        return this.#transaction()
      },
      send: async (topic, records) =>
        this.#step('send', () => {
          for (const record of records) this.#put(topic, record, this.output)
        }),
      close: async () => void this.trace.push(`producer ${id} closed`),
    }
  }

  #transaction(): TransactionPort {
    const pending: ScriptedKafka['output'] = []
    let offset: number | undefined
    const commit = (): void => {
      this.output.push(...pending)
      this.committed = offset ?? this.committed
    }
    return {
      send: async (topic, records) =>
        this.#step('send', () => {
          for (const record of Array.isArray(records) ? records : [records]) this.#put(topic, record, pending)
        }),
      sendOffsets: async (offsets, group) =>
        this.#step('offsets', () => {
          if (group.generationId !== this.generationId) throw new KafkaError('ILLEGAL_GENERATION', 'x')
          offset = offsets[0]?.offset
        }),
      commit: async () => this.#step('commit', commit),
      abort: async () => this.#step('abort', () => void this.trace.push('abort')),
    }
  }

  #put(topic: unknown, record: unknown, to: ScriptedKafka['output']): void {
    const { value, headers = [] } = record as { value: unknown; headers?: { key: string; value: unknown }[] }
    const texts = Object.fromEntries(headers.map((header) => [header.key, String(header.value)]))
    to.push({ topic: String(topic), value: String(value), headers: texts })
  }

  async #step(at: ScriptedStep, effect: () => void): Promise<void> {
    const index = this.#scripts.findIndex((script) => script.at === at)
    const script = index < 0 ? undefined : this.#scripts.splice(index, 1)[0]
    if (script === undefined) {
      effect()
      return
    }
    if (script.applied) effect()
    throw script.error
  }
}
