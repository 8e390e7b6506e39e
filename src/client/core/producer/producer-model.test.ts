/**
 * The idempotent producer against a model of the broker's partitions, under random faults: answers lost before and after the
 * append, appends that come after the producer has given the request up, leaders that move, state that is lost.
 *
 * One seed again: SEED=5 npx vitest run src/client/core/producer/producer-model.test.ts (RUNS=10000: so many seeds)
 */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import { advanceSequence } from '../../../protocol/record-batch.ts'
import { SimRandom } from '../../../testing/sim-random.ts'
import type { KafkaError } from '../../errors.ts'
import type { SendCall } from './producer-batch.ts'
import type { Asked, SentBatch } from './producer.test-kit.ts'
import { FakeCluster, Harness, TOPIC } from './producer.test-kit.ts'

const PARTITIONS = 3
const RUNS = Number(process.env['RUNS'] ?? 200)
const STEPS = 400
const REMEMBERED = 5

interface Remembered {
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
}

/** What a broker keeps of a producer in a partition. Source: ProducerStateEntry, ProducerAppendInfo. */
class ModelPartition {
  readonly log: string[] = []
  /** By the producer id that wrote it. */
  readonly byProducer = new Map<number, string[]>()
  #epochs = new Map<number, { epoch: number; batches: Remembered[] }>()

  append({ header, values }: SentBatch): { errorCode: ErrorCode; baseOffset: number } {
    const { producerId, producerEpoch, baseSequence, lastSequence } = header
    const entry = this.#epochs.get(producerId)
    if (entry !== undefined && producerEpoch < entry.epoch)
      return { errorCode: 'INVALID_PRODUCER_EPOCH', baseOffset: -1 }
    const same = entry?.epoch === producerEpoch ? entry : undefined
    const before = same?.batches.find((one) => one.baseSequence === baseSequence && one.lastSequence === lastSequence)
    if (before !== undefined) return { errorCode: 'NONE', baseOffset: before.baseOffset }
    const last = same?.batches.at(-1)
    // Without any state every sequence is taken; in a new epoch only the first.
    const expected =
      last === undefined ? (entry === undefined ? baseSequence : 0) : advanceSequence(last.lastSequence, 1)
    if (baseSequence !== expected) return { errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER', baseOffset: -1 }
    const baseOffset = this.log.length
    this.log.push(...values)
    this.byProducer.set(producerId, [...(this.byProducer.get(producerId) ?? []), ...values])
    const batches = [...(same?.batches ?? []), { baseSequence, lastSequence, baseOffset }].slice(-REMEMBERED)
    this.#epochs.set(producerId, { epoch: producerEpoch, batches })
    return { errorCode: 'NONE', baseOffset }
  }
}

class Record implements SendCall {
  readonly value: string
  readonly partition: number
  readonly ends: string[] = []
  offset = -1

  constructor(value: string, partition: number) {
    this.value = value
    this.partition = partition
  }

  acknowledged(_index: number, _count: number, _partition: number, baseOffset: number): void {
    this.offset = baseOffset
    this.ends.push('acknowledged')
  }

  failed(_index: number, _count: number, error: KafkaError): void {
    this.ends.push(error.code)
  }
}

/** What goes wrong before the append: the batch is refused for sure. */
const REFUSALS: readonly ErrorCode[] = ['NOT_ENOUGH_REPLICAS', 'INVALID_RECORD', 'MESSAGE_TOO_LARGE', 'CORRUPT_MESSAGE']
/** What is answered after the append as if it were not known. */
const DOUBTS: readonly ErrorCode[] = [
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'UNKNOWN_SERVER_ERROR',
]

function run(seed: number): void {
  const random = new SimRandom(seed)
  const chance = (share: number): boolean => random.nextUint32() < share * 2 ** 32
  const pick = <T>(list: readonly T[]): T => list[random.nextUint32() % list.length]!
  const cluster = new FakeCluster(PARTITIONS)
  const harness = new Harness(
    {
      random: () => random.nextUint32(),
      batchSizeBytes: pick([0, 200, 16_384]),
      lingerMs: pick([0, 0, 20]),
      deliveryTimeoutMs: pick([400, 3_000, 10_000]),
      maxInFlightRequests: pick([1, 2, 5]),
      compression: pick(['none', 'none', 'gzip']),
    },
    cluster,
  )
  const partitions = Array.from({ length: PARTITIONS }, () => new ModelPartition())
  const records: Record[] = []
  /** Requests in order by broker; a broker works them off one after the other. */
  const pending: Asked[] = []
  /** Given up by the producer, but still in the broker's queue. */
  const late: Asked[] = []

  const apply = (asked: Asked, faults: boolean): void => {
    asked.answerEach(
      asked.batches.map((batch) => {
        if (faults && chance(0.05)) return { errorCode: pick(REFUSALS) }
        const answer = partitions[batch.partition]!.append(batch)
        return faults && chance(0.08) ? { errorCode: pick(DOUBTS) } : answer
      }),
    )
  }
  const answer = (asked: Asked, faults: boolean): void => {
    if (asked.api === 'InitProducerId') {
      if (faults && chance(0.2)) asked.fail(pick(['DISCONNECTED', 'CONNECTION_FAILED']))
      else
        asked.code('NONE', { producerId: 100 + (random.nextUint32() % 1000), producerEpoch: chance(0.1) ? 32_766 : 0 })
    } else if (faults && chance(0.05)) asked.fail('CONNECTION_FAILED', false)
    else if (faults && chance(0.1)) {
      asked.fail(pick(['DISCONNECTED', 'REQUEST_TIMEOUT']))
      if (chance(0.7)) late.push(asked)
    } else apply(asked, faults)
  }

  for (let step = 0; step < STEPS || pending.length > 0 || records.some(({ ends }) => ends.length === 0); step++) {
    expect(step, `seed ${seed}: does not come to an end`).toBeLessThan(STEPS * 20)
    const faults = step < STEPS
    if (faults && chance(0.5)) {
      const record = new Record(`r${records.length}`, random.nextUint32() % PARTITIONS)
      const draft = { timestampMs: 1, key: null, value: record.value, headers: undefined }
      if (harness.core.append(TOPIC, record.partition, draft, record, 0, harness.nowMs) === 'accepted')
        records.push(record)
    }
    if (faults && chance(0.02)) {
      cluster.setTopic(
        TOPIC,
        Array.from({ length: PARTITIONS }, () => (chance(0.2) ? undefined : random.nextUint32() % 2)),
      )
    } else if (!faults && step % 50 === 0) cluster.setTopic(TOPIC, [0, 1, 0])
    pending.push(...harness.poll())
    // Answers of one broker come in order, of two brokers in any.
    const brokers = [...new Set(pending.map(({ request }) => JSON.stringify(request.destination)))]
    if (brokers.length > 0 && chance(0.6)) {
      const broker = pick(brokers)
      const at = pending.findIndex(({ request }) => JSON.stringify(request.destination) === broker)
      answer(pending.splice(at, 1)[0]!, faults)
    }
    if (late.length > 0 && chance(0.2)) {
      const [asked] = late.splice(0, 1)
      for (const batch of asked!.batches) partitions[batch.partition]!.append(batch)
    }
    harness.nowMs += chance(0.3) ? random.nextUint32() % 60 : 0
  }

  const label = `seed ${seed}`
  for (const { value, ends } of records) expect(ends, `${label}: ${value}`).toHaveLength(1)
  expect(harness.core.bufferedBytes, label).toBe(0)
  for (const [index, { log, byProducer }] of partitions.entries()) {
    expect(new Set(log).size, `${label}: nothing twice in ${index}: ${log.join()}`).toBe(log.length)
    const own = records.filter(({ partition }) => partition === index)
    const inOrder = (values: readonly string[], what: string): void => {
      const order = values.map((value) => own.findIndex((record) => record.value === value))
      expect(order, `${label}: ${what} in order in ${index}`).toEqual(order.toSorted((a, b) => a - b))
    }
    const acknowledged = new Set(own.filter(({ ends }) => ends[0] === 'acknowledged').map(({ value }) => value))
    inOrder(
      log.filter((value) => acknowledged.has(value)),
      'what was acknowledged',
    )
    // What failed, and is stored all the same, as well; but for what an id that was used up had on the wire.
    for (const values of byProducer.values()) inOrder(values, 'what one producer id wrote')
    for (const { value, ends, offset } of own) {
      if (ends[0] !== 'acknowledged') continue
      const at = log.indexOf(value)
      expect(at, `${label}: ${value} was acknowledged`).toBeGreaterThanOrEqual(0)
      if (offset >= 0) expect(offset, `${label}: offset of ${value}`).toBe(at)
    }
  }
}

test('whatever is lost, each record is stored at most once and in order, and what is acknowledged is stored', {
  timeout: 600_000,
}, () => {
  const only = process.env['SEED']
  if (only !== undefined) run(Number(only))
  else for (let seed = 1; seed <= RUNS; seed++) run(seed)
})
