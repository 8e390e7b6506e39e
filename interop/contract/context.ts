/** What a case of the contract suite is given, and small things that many cases need. */
import { strict as assert } from 'node:assert'
import type { Admin, ConsumerRecord, Kafka, KafkaErrorCode } from '../../src/client/index.ts'
import { KafkaError } from '../../src/client/index.ts'
import { sleep } from '../runner/programs.ts'
import type { Target } from './targets.ts'

export interface Case {
  readonly name: string
  /** Where it makes sense; everywhere unless given. */
  readonly on?: readonly Target['name'][]
  readonly timeoutMs?: number
  readonly run: (context: Context) => Promise<string | void>
}

export class Context {
  readonly target: Target
  readonly kafka: Kafka
  readonly admin: Admin
  readonly transactionVersion: 1 | 2
  readonly kills: number
  readonly prefix: string
  #names = 0

  constructor(target: Target, kafka: Kafka, transactionVersion: 1 | 2, kills: number, prefix: string) {
    this.target = target
    this.kafka = kafka
    this.admin = kafka.admin()
    this.transactionVersion = transactionVersion
    this.kills = kills
    this.prefix = prefix
  }

  /** A name that no other case has. */
  name(what: string): string {
    this.#names += 1
    return `${this.prefix}-${what}-${this.#names}`
  }

  async topic(partitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<string> {
    const topic = this.name('topic')
    await this.admin.createTopics([{ topic, partitions, replicationFactor: this.target.replicationFactor, configs }])
    await this.target.whenReady([topic])
    return topic
  }

  /**
   * All records of a topic up to its present end, in order within each partition. Waits for transactions that are open: what lies
   * behind them is not lost.
   */
  async read(
    topic: string,
    isolationLevel: 'read_committed' | 'read_uncommitted' = 'read_committed',
  ): Promise<ConsumerRecord[]> {
    const [description] = await this.admin.describeTopics([topic])
    const partitions = description?.layout ?? []
    const ends = await this.admin.listOffsets(
      partitions.map(({ partition }) => ({ topic, partition, at: 'latest' })),
      { isolationLevel: 'read_uncommitted' },
    )
    const consumer = this.kafka.consumer({ topics: [topic], isolationLevel })
    const records: ConsumerRecord[] = []
    const deadlineMs = Date.now() + READ_TIMEOUT_MS
    while (!ends.every(({ partition, offset }) => (consumer.position({ topic, partition }) ?? 0) >= (offset ?? 0))) {
      assert.ok(Date.now() < deadlineMs, `${topic} was not read to its end within ${READ_TIMEOUT_MS} ms`)
      records.push(...(await consumer.poll({ timeoutMs: 200, maxRecords: 5_000 })))
    }
    await consumer.close()
    return records
  }

  async values(topic: string, isolationLevel?: 'read_committed' | 'read_uncommitted'): Promise<string[]> {
    return (await this.read(topic, isolationLevel)).map(({ value }) => String(value))
  }
}

const READ_TIMEOUT_MS = 40_000

/** @returns the error, for more to be said about it */
export async function rejects(promise: Promise<unknown>, ...codes: readonly KafkaErrorCode[]): Promise<KafkaError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof KafkaError, `expected ${codes.join(' or ')}, got ${String(error)}`)
  assert.ok(codes.includes(error.code), `expected ${codes.join(' or ')}, got ${error.message}`)
  return error
}

export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs
  while (!(await isSo())) {
    assert.ok(Date.now() < deadlineMs, `${what}: not within ${timeoutMs} ms`)
    await sleep(50)
  }
}

export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index))
}
