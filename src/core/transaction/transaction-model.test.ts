/**
 * A random life of a few producers, their coordinator and their partitions, with power cuts: SPEC.md I1–I9.
 *
 * Producers remember what they were told, forget it, and their requests arrive late and twice. What must hold at every
 * step is checked by simulated-broker.test-kit.ts; what must hold of the whole life, here.
 */
import fc from 'fast-check'
import { assert, test } from 'vitest'
import { SimulatedBroker, TOPIC } from './simulated-broker.test-kit.ts'
import type { LogEntry, ProduceRequest } from './simulated-broker.test-kit.ts'

const IDS = ['a', 'b']
const CLIENTS_PER_ID = 2
const PARTITIONS = 3
const HOUR_MS = 3_600_000

/** The second instance of an id is the rarer one, so that the first gets something done. */
const client = fc.constantFrom(0, 0, 0, 0, 1, 2, 2, 3)
const partition = fc.nat(PARTITIONS - 1)
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name)
const version = fc.constantFrom(1 as const, 2 as const)

const STEP = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: kind('init'), client, resumes: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('add'), client, partition }) },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: kind('produce'),
      client,
      partition,
      version,
      recordCount: fc.integer({ min: 1, max: 3 }),
      /** Offsets of a group instead of records. */
      isOffsets: fc.constantFrom(false, false, true),
      /** Whether version 1 adds the partition first, as it has to. */
      adds: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 7, arbitrary: fc.record({ kind: kind('end'), client, version, committed: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ kind: kind('again'), index: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind('time'),
      ms: fc.constantFrom(1000, 1000, 1000, 10_000, 10_000, 61_000, 61_000, 200 * HOUR_MS),
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: kind('flush'), count: fc.constantFrom(1, 2, Infinity, Infinity) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('checkpoint') }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('crash'), keep: fc.constantFrom(0, 1, 2, Infinity) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kind('level'), level: fc.constantFrom(0 as const, 1 as const, 2 as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('recreate'), partition }) },
)
type Step = typeof STEP extends fc.Arbitrary<infer S> ? S : never

/** A producer as it remembers itself. */
interface Client {
  readonly transactionalId: string
  producerId: number
  producerEpoch: number
  /** Next sequence by partition; all begin anew with an epoch. */
  sequences: Map<number, number>
}

interface Answered {
  readonly transactionalId: string
  readonly transaction: number
  readonly decision: 'COMMIT' | 'ABORT'
  /** Version 2: what the producer was told to go on with. */
  readonly next: { readonly producerId: number; readonly producerEpoch: number } | undefined
}

class World {
  readonly broker = new SimulatedBroker(PARTITIONS)
  readonly clients: Client[] = IDS.flatMap((transactionalId) =>
    Array.from({ length: CLIENTS_PER_ID }, () => newClient(transactionalId)),
  )
  /** Every request as it was sent; any of them may arrive again. */
  readonly sent: (() => void)[] = []
  /** EndTxn answered with success, once the answer could leave. */
  readonly answered: Answered[] = []

  constructor(firstEpoch: number) {
    if (firstEpoch >= 0) this.broker.seed('a', firstEpoch)
    for (const producer of this.clients.filter((_, index) => index % CLIENTS_PER_ID === 0)) this.init(producer, false)
    this.broker.flushAll()
  }

  do(step: Step): void {
    const { broker } = this
    switch (step.kind) {
      case 'init':
        return this.init(this.client(step.client), step.resumes)
      case 'add':
        return this.add(this.client(step.client), step.partition)
      case 'produce':
        return this.produce(this.client(step.client), step)
      case 'end':
        return this.end(this.client(step.client), step.version, step.committed)
      case 'again':
        return this.sent[step.index % this.sent.length]?.()
      case 'time':
        return broker.advance(step.ms)
      case 'flush':
        return broker.flush(step.count)
      case 'checkpoint':
        return broker.checkpoint()
      case 'crash':
        return broker.crash(step.keep)
      case 'level':
        broker.level = step.level
        return
      case 'recreate':
        return broker.recreate(step.partition)
    }
  }

  client(index: number): Client {
    return this.clients[index] as Client
  }

  send(request: () => void): void {
    this.sent.push(request)
    request()
  }

  init(producer: Client, resumes: boolean): void {
    const { broker } = this
    const { transactionalId, producerId, producerEpoch } = producer
    const resume = resumes && producerId >= 0 ? { producerId, producerEpoch } : { producerId: -1, producerEpoch: -1 }
    const request = {
      transactionalId,
      transactionTimeoutMs: 60_000,
      enable2Pc: false,
      keepPreparedTxn: false,
      ...resume,
    }
    this.send(() => {
      const note = (reply: { errorCode: string; producerId: number; producerEpoch: number }, isDurable: boolean) => {
        if (reply.errorCode !== 'NONE') return
        broker.noteGrant(transactionalId, reply, isDurable)
        if (isDurable) become(producer, reply)
      }
      const reply = broker.run(
        (coordinator) => coordinator.initProducerId(request, 5, broker.nowMs),
        (durable) => note(durable as Parameters<typeof note>[0], true),
      )
      note(reply as Parameters<typeof note>[0], false)
    })
  }

  add({ transactionalId, producerId, producerEpoch }: Client, index: number): void {
    const request = {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: TOPIC, partitions: [index] }],
      transactions: [],
    }
    this.send(() => this.broker.run((coordinator) => coordinator.addPartitionsToTxn(request, 3, this.broker.nowMs)))
  }

  produce(producer: Client, step: Extract<Step, { kind: 'produce' }>): void {
    const { transactionalId, producerId, producerEpoch, sequences } = producer
    if (step.version === 1 && step.adds) this.add(producer, step.partition)
    const baseSequence = sequences.get(step.partition) ?? 0
    const request: ProduceRequest = {
      transactionalId,
      producerId,
      producerEpoch,
      partition: step.partition,
      version: step.version,
      recordCount: step.recordCount,
      baseSequence: step.isOffsets ? undefined : baseSequence,
    }
    this.send(() => {
      const outcome = this.broker.produce(request)
      const isWritten = outcome === 'NONE' || outcome === 'duplicate'
      const isPresent = producer.producerId === producerId && producer.producerEpoch === producerEpoch
      if (isWritten && isPresent && request.baseSequence !== undefined) {
        const next = request.baseSequence + request.recordCount
        producer.sequences.set(step.partition, Math.max(next, producer.sequences.get(step.partition) ?? 0))
      }
    })
  }

  end(producer: Client, transactionVersion: 1 | 2, committed: boolean): void {
    const { broker } = this
    const { transactionalId, producerId, producerEpoch } = producer
    const request = { transactionalId, producerId, producerEpoch, committed }
    const apiVersion = transactionVersion === 2 ? 5 : 4
    this.send(() => {
      const present = () => broker.transactionOf.get(transactionalId) ?? -1
      // Of an answer that leaves at once nothing was written, so the present transaction is the one it is about.
      let transaction = present()
      broker.run(
        (coordinator) => coordinator.endTxn(request, apiVersion, broker.nowMs),
        ({ errorCode, ...next }) => {
          if (errorCode !== 'NONE') return
          const decision = committed ? 'COMMIT' : 'ABORT'
          const isVersion2 = transactionVersion === 2
          const told = isVersion2 ? (next as { producerId: number; producerEpoch: number }) : undefined
          this.answered.push({ transactionalId, transaction, decision, next: told })
          assert.equal(broker.decisions.get(transaction), decision, 'what is answered is what was decided')
          if (told !== undefined && producer.producerId === producerId && producer.producerEpoch === producerEpoch) {
            become(producer, told)
          }
        },
      )
      transaction = present()
    })
  }

  // --- what must hold of the whole ---

  check(): void {
    const { broker } = this
    for (const { transaction, decision, transactionalId, next } of this.answered) {
      assert.equal(broker.decisions.get(transaction), decision, 'what was answered stays decided')
      const txn = broker.coordinator.get(transactionalId)
      const isComplete = txn?.state === 'CompleteCommit' || txn?.state === 'CompleteAbort'
      if (next === undefined || !isComplete || broker.transactionOf.get(transactionalId) !== transaction) continue
      assert.deepEqual({ producerId: txn.producerId, producerEpoch: txn.producerEpoch }, next)
    }
    for (const { log, aborted } of broker.partitions) {
      const ended = checkLog(log, broker.decisions)
      assert.deepEqual(
        aborted.map(({ producerId, firstOffset, lastOffset }) => ({ producerId, firstOffset, lastOffset })),
        ended,
      )
    }
  }

  /** Left alone, every transaction ends, and nobody has to wait. */
  settle(): void {
    const { broker } = this
    broker.flushAll()
    for (const { transactionalId, state } of broker.coordinator.values()) {
      assert.notInclude(['PrepareCommit', 'PrepareAbort'], state, `${transactionalId} is complete`)
    }
    broker.advance(HOUR_MS)
    broker.flushAll()
    for (const { state } of broker.coordinator.values()) assert.notEqual(state, 'Ongoing')
    for (const { state } of broker.partitions) {
      assert.equal(state.lastStableOffset, state.logEndOffset, 'nothing is open')
      assert.equal(state.highWatermark, state.logEndOffset)
    }
  }
}

/** @returns the aborted transactions, in the order of their markers */
function checkLog(log: readonly LogEntry[], decisions: ReadonlyMap<number, string>) {
  const epochs = new Map<number, number>()
  const open = new Map<number, { transaction: number | undefined; firstOffset: number }>()
  const sequences = new Map<string, number>()
  const aborted: { producerId: number; firstOffset: number; lastOffset: number }[] = []
  for (const { header, marker, transaction } of log) {
    const { producerId, producerEpoch, baseOffset, lastOffset, baseSequence, lastSequence } = header
    assert.isAtLeast(producerEpoch, epochs.get(producerId) ?? 0, 'an epoch never goes back')
    epochs.set(producerId, producerEpoch)
    const first = open.get(producerId)
    if (marker !== undefined) {
      assert.equal(decisions.get(transaction ?? -1), marker.markerType, 'a marker says what was decided')
      open.delete(producerId)
      if (first === undefined) continue
      assert.equal(first.transaction, transaction, 'a marker ends the transaction it belongs to')
      if (marker.markerType === 'ABORT') aborted.push({ producerId, firstOffset: first.firstOffset, lastOffset })
      continue
    }
    if (first === undefined) open.set(producerId, { transaction, firstOffset: baseOffset })
    else assert.equal(transaction, first.transaction, 'transactions of a producer do not mix')
    if (baseSequence < 0) continue
    const stream = `${producerId} ${producerEpoch}`
    const expected = sequences.get(stream)
    if (expected !== undefined) assert.equal(baseSequence, expected, 'each batch is there once and in order')
    sequences.set(stream, lastSequence + 1)
  }
  return aborted
}

function newClient(transactionalId: string): Client {
  return { transactionalId, producerId: -1, producerEpoch: -1, sequences: new Map() }
}

function become(producer: Client, next: { readonly producerId: number; readonly producerEpoch: number }): void {
  const isSame = producer.producerId === next.producerId && producer.producerEpoch === next.producerEpoch
  if (!isSame) producer.sequences = new Map()
  producer.producerId = next.producerId
  producer.producerEpoch = next.producerEpoch
}

test('whatever producers, time and power cuts do: all or nothing, once, and nobody waits for ever', () => {
  // The epochs of one id may be near their end.
  const firstEpoch = fc.constantFrom(-1, -1, 32_763, 32_764, 32_765, 32_766)
  fc.assert(
    fc.property(firstEpoch, fc.array(STEP, { maxLength: 120, size: 'max' }), (epoch, steps) => {
      const world = new World(epoch)
      for (const step of steps) {
        world.do(step)
        world.check()
      }
      world.settle()
      world.check()
    }),
    { numRuns: Number(process.env['SEMEL_RUNS'] ?? 250) },
  )
})
