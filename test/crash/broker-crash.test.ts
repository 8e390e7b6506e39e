/**
 * Stops the disk at file operations of a whole broker under a transactional load, damages what was not flushed, starts
 * a broker on what is left and asks it, as a client would, whether the promise was kept.
 *
 * SEMEL_CRASH_SCALE (default 1) multiplies points and damages; SEMEL_SEED sets the seed.
 */
import { expect, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { txnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.ts'
import type { CrashDamage } from '../../src/testing/sim-disk.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import type { SimRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker, TV1_END_TXN, TV1_PRODUCE } from '../broker/test-broker.ts'
import type { Producer, TestClient } from '../broker/test-broker.ts'
import { addPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.ts'

const SCALE = Number(process.env['SEMEL_CRASH_SCALE'] ?? 1)
const SEED = Number(process.env['SEMEL_SEED'] ?? 20_261_120)
const DATA_DIR = '/data'
/** Small, so that the script meets rolls, drains and checkpoints. */
const PROPERTIES = {
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.num.partitions': '2',
  'semel.journal.file.bytes': String(1024 * 1024),
  'semel.checkpoint.bytes': String(1024 * 1024),
}

type Outcome = 'committed' | 'aborted' | 'unknown'

/** What the load knows: the history a client could write down. */
interface History {
  /** Values of plain, idempotent appends that were acknowledged, with the offset told. */
  readonly acknowledged: Map<string, number>
  readonly attempted: Set<string>
  /** By transaction: its values by partition, its offset, and how it ended as far as anybody was told. */
  readonly transactions: { id: string; values: string[]; offset: number; outcome: Outcome; asked: 'commit' | 'abort' }[]
  readonly producers: Map<string, Producer>
}

function newHistory(): History {
  return { acknowledged: new Map(), attempted: new Set(), transactions: [], producers: new Map() }
}

const isOk = (errorCode: ErrorCode | undefined): void => {
  if (errorCode !== 'NONE') throw new Error(`answered ${errorCode}`)
}

/** Transactions of both versions over two topics with offsets inside, plain appends between them. */
async function load(broker: TestBroker, history: History, rounds: number): Promise<void> {
  const client = await broker.connect()
  await client.createTopic('out', 2)
  await client.createTopic('plain', 1)
  const plain = await client.initProducer(null)
  let producer: Producer = await client.initProducer('v2')
  const old: Producer = await client.initProducer('v1', { version: 2 })
  history.producers.set('v2', producer)
  history.producers.set('v1', old)
  const oldSequences = [0, 0]
  for (let round = 0; round < rounds; round += 1) {
    const value = `plain-${round}`
    history.attempted.add(value)
    const appended = await client.produce('plain', {
      values: [value],
      producerId: plain.producerId,
      producerEpoch: plain.producerEpoch,
      baseSequence: round,
    })
    isOk(appended.errorCode)
    history.acknowledged.set(value, appended.baseOffset)

    const isVersion1 = round % 3 === 2
    const id = isVersion1 ? 'v1' : 'v2'
    const asked = round % 4 === 3 ? 'abort' : 'commit'
    const values = [`${id}-${round}-0`, `${id}-${round}-1`]
    const transaction = { id, values, offset: round + 1, outcome: 'unknown' as Outcome, asked } as const
    history.transactions.push(transaction)
    if (isVersion1) await addPartitions(client, old)
    for (const partition of [0, 1]) {
      const version = isVersion1 ? { version: TV1_PRODUCE, partition } : { partition }
      const sequence = isVersion1 ? (oldSequences[partition] as number) : 0
      const current = isVersion1 ? old : producer
      isOk((await client.produceIn(id, current, 'out', sequence, values[partition] as string, version)).errorCode)
      if (isVersion1) oldSequences[partition] = sequence + 1
    }
    if (!isVersion1) await commitOffset(client, producer, transaction.offset)
    const ended = await client.endTxn(id, isVersion1 ? old : producer, asked === 'commit', isVersion1 ? TV1_END_TXN : 5)
    isOk(ended.errorCode)
    ;(transaction as { outcome: Outcome }).outcome = asked === 'commit' ? 'committed' : 'aborted'
    if (!isVersion1) {
      producer = ended
      history.producers.set('v2', producer)
    }
  }
  // One that nobody ends.
  const values = ['v2-open-0', 'v2-open-1']
  history.transactions.push({ id: 'v2', values, offset: 99, outcome: 'aborted', asked: 'abort' })
  isOk((await client.produceIn('v2', producer, 'out', 0, values[0] as string)).errorCode)
}

async function addPartitions(client: TestClient, { producerId, producerEpoch }: Producer): Promise<void> {
  const { resultsByTopicV3AndBelow } = await client.wire.request(addPartitionsToTxn, 2, {
    v3AndBelowTransactionalId: 'v1',
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 'out', partitions: [0, 1] }],
  })
  for (const one of resultsByTopicV3AndBelow[0]?.resultsByPartition ?? []) isOk(one.partitionErrorCode)
}

async function commitOffset(client: TestClient, producer: Producer, committedOffset: number): Promise<void> {
  const { topics } = await client.wire.request(txnOffsetCommit, 5, {
    transactionalId: 'v2',
    groupId: 'g',
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    topics: [{ name: 'plain', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
  })
  isOk(topics[0]?.partitions[0]?.errorCode)
}

/** Asks a broker that was started after the crash. */
async function judge(broker: TestBroker, history: History, isTopicThere: boolean): Promise<void> {
  const client = await broker.connect()
  if (!isTopicThere && (await client.topicId('out')) === 'AAAAAAAAAAAAAAAAAAAAAA') return
  const known = await client.topicId('plain')
  if (known !== 'AAAAAAAAAAAAAAAAAAAAAA') {
    const plain = await client.read('plain')
    const found = plain.map(({ value }) => value as string)
    expect(new Set(found).size, 'nothing is stored twice').toBe(found.length)
    for (const [value, offset] of history.acknowledged) {
      expect(plain, `${value} was acknowledged`).toContainEqual({ offset, key: null, value })
    }
    for (const value of found) expect(history.attempted, 'nothing is made up').toContain(value)
  }
  // Whoever comes next fences the zombies and ends what they left open.
  for (const [id, before] of history.producers) {
    const next = await client.initProducer(id)
    expect(next.errorCode).toBe('NONE')
    const isNewer = next.producerId !== before.producerId || next.producerEpoch > before.producerEpoch
    expect(isNewer, `${id} gets an epoch above ${before.producerEpoch}, not ${next.producerEpoch}`).toBe(true)
  }
  await settled(client)
  const committed = [await client.values('out', 1, 0), await client.values('out', 1, 1)]
  let lastOffset = -1
  for (const { values, outcome, asked, offset, id } of history.transactions) {
    const visible = values.map((value, partition) => committed[partition]?.filter((each) => each === value).length)
    expect(visible[0], `${values.join(' and ')} appear together`).toBe(visible[1])
    const count = visible[0] as number
    if (outcome === 'committed') expect(count, `${values[0]} was committed`).toBe(1)
    else if (outcome === 'aborted' || asked === 'abort') expect(count, `${values[0]} was not committed`).toBe(0)
    else expect([0, 1], `${values[0]} is there once or not at all`).toContain(count)
    if (count === 1 && id === 'v2') lastOffset = offset
  }
  const { groups } = await client.wire.request(offsetFetch, 8, {
    groups: [{ groupId: 'g', topics: [{ name: 'plain', partitionIndexes: [0] }] }],
    requireStable: true,
  })
  expect(groups[0]?.topics[0]?.partitions[0]?.committedOffset, 'offsets move with the output').toBe(lastOffset)
}

/** Reads again until no transaction holds the reader back. */
async function settled(client: TestClient): Promise<void> {
  for (const partition of [0, 1]) {
    for (;;) {
      const { highWatermark, lastStableOffset } = await client.fetchRaw('out', 0, { isolation: 1, partition })
      if (highWatermark === lastStableOffset) break
    }
  }
}

const startOn = (runtime: SimRuntime): Promise<TestBroker> =>
  TestBroker.start({ runtime, dataDir: DATA_DIR, properties: PROPERTIES })

async function live(runtime: SimRuntime, history: History): Promise<void> {
  const broker = await startOn(runtime)
  await load(broker, history, 9)
  await broker.broker.close()
}

async function countOperations(): Promise<number> {
  const runtime = simRuntime(SEED)
  await runtime.clock.runUntil(live(runtime, newHistory()))
  return runtime.fileSystem.operations
}

const DAMAGES: readonly (CrashDamage | undefined)[] = [
  undefined,
  { writes: 'lost', names: 'lost', garbles: false },
  { writes: 'kept', names: 'kept', garbles: false },
]

test('a broker that loses power anywhere keeps what it acknowledged, whole transactions only', {
  timeout: 600_000,
}, async () => {
  const operations = await countOperations()
  const points = Math.min(operations, Math.round(60 * SCALE))
  let recoveries = 0
  for (let point = 0; point < points; point += 1) {
    const at = Math.floor((point * operations) / points)
    const runtime = simRuntime(SEED + at)
    runtime.fileSystem.crashAt(at)
    const history = newHistory()
    const work = live(runtime, history).catch((error: unknown) => {
      // A request that was under way when the power went has an unknown outcome.
      if (!(error instanceof Error && /closed/.test(error.message))) throw error
    })
    await runtime.clock.runUntil(Promise.race([work, runtime.fileSystem.crashed]))
    // An answer that did not wait for the disk gets out now, and is held against the broker.
    await runtime.clock.advance(50)
    for (const damage of DAMAGES) {
      const next = runtime.afterCrash(damage)
      next.network.cut()
      const recovering = (async () => {
        const broker = await startOn(next)
        await judge(broker, history, history.acknowledged.size > 0)
        await broker[Symbol.asyncDispose]()
      })()
      try {
        await next.clock.runUntil(recovering)
      } catch (error) {
        throw new Error(`crash at operation ${at} of ${operations}, damage ${JSON.stringify(damage)}, seed ${SEED}`, {
          cause: error,
        })
      }
      recoveries += 1
    }
  }
  expect(recoveries).toBe(points * DAMAGES.length)
})
