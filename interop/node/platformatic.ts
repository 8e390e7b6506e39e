/** The @platformatic/kafka peer: `platformatic.ts COMMAND --bootstrap HOST:PORT [--option value]…`, see ../README.md. */
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import {
  Admin,
  CompressionAlgorithms,
  ConfigResourceTypes,
  Consumer,
  FetchIsolationLevels,
  IncrementalAlterConfigOperationTypes,
  ListOffsetTimestamps,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import {
  check,
  distinct,
  EXTRA_MS,
  emit,
  expect,
  inputLine,
  limit,
  log,
  main,
  type Options,
  type Received,
  readBackLine,
  sleep,
  text,
  WAIT_MS,
  waitUntil,
} from './common.ts'
import { load, type Transactor } from './load.ts'

type Strings = Producer<string, string, string, string>
type StringTransaction = Awaited<ReturnType<Strings['beginTransaction']>>

/**
 * By default this client asks InitProducerId for the successor of producer id 0, epoch 0, which a broker refuses once
 * the transactional id has another one. "No id yet" is -1 and -1, as the other clients send.
 */
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1 }

const base = (options: Options) => ({
  clientId: 'interop',
  bootstrapBrokers: [text(options, 'bootstrap')],
  retries: 30,
  retryDelay: 200,
  autocreateTopics: false,
})

async function withAdmin<T>(options: Options, body: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin(base(options))
  try {
    return await body(admin)
  } finally {
    await admin.close()
  }
}

type MoreProducerOptions = { transactionalId?: string; idempotent?: boolean; timeout?: number; retries?: number }

/** Partition numbers are given with every message, or keys decide. */
const producerOf = (options: Options, more: MoreProducerOptions = {}): Strings =>
  new Producer({ ...base(options), serializers: stringSerializers, acks: ProduceAcks.ALL, ...more })

/** Its request timeout is the transaction timeout as well. */
const transactional = (options: Options, transactionalId: string, timeout = 60_000): Strings =>
  producerOf(options, { transactionalId, idempotent: true, timeout })

const create = (options: Options, topic: string, partitions: number): Promise<unknown> =>
  withAdmin(options, (admin) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }))

let groups = 0

/** Reads topics from their start until `due` records came, and then a moment longer. */
async function readAll(
  options: Options,
  isolation: string,
  topics: string[],
  due: number,
  idleMs = EXTRA_MS,
): Promise<Received[]> {
  const consumer = new Consumer({
    ...base(options),
    groupId: `read-${process.pid}-${Date.now()}-${groups++}`,
    deserializers: stringDeserializers,
    isolationLevel:
      isolation === 'read_committed' ? FetchIsolationLevels.READ_COMMITTED : FetchIsolationLevels.READ_UNCOMMITTED,
  })
  const records: Received[] = []
  let lastMs = Date.now()
  try {
    const stream = await consumer.consume({
      topics,
      autocommit: false,
      mode: MessagesStreamModes.EARLIEST,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
      maxWaitTime: 100,
    })
    let failure: Error | undefined
    stream.on('error', (error: Error) => {
      failure = error
    })
    stream.on('data', (message) => {
      lastMs = Date.now()
      records.push({
        topic: message.topic,
        partition: message.partition,
        offset: Number(message.offset),
        key: message.key ?? null,
        value: message.value ?? null,
        headers: message.headerEntries.map(([name, value]): [string, string | null] => [name, value ?? null]),
      })
    })
    while (records.length < due && Date.now() < lastMs + WAIT_MS && failure === undefined) await sleep(20)
    while (Date.now() < lastMs + idleMs && failure === undefined) await sleep(20)
    if (failure !== undefined) throw failure
  } finally {
    await consumer.close(true)
  }
  return records
}

async function basics(options: Options): Promise<void> {
  const prefix = text(options, 'prefix')
  const topic = `${prefix}main`
  await check('metadata', () =>
    withAdmin(options, async (admin) => {
      const cluster = await admin.metadata({ topics: [] })
      expect([cluster.brokers.size, cluster.id.length > 0], [1, true], 'brokers and cluster id')
    }),
  )
  await check('create-topic', async () => {
    await create(options, topic, 3)
    await withAdmin(options, async (admin) => {
      expect((await admin.metadata({ topics: [topic] })).topics.get(topic)?.partitionsCount, 3, 'partitions')
    })
  })
  await check('delete-topic', async () => {
    await create(options, `${prefix}gone`, 1)
    await withAdmin(options, async (admin) => {
      await admin.deleteTopics({ topics: [`${prefix}gone`] })
      await waitUntil('the topic is gone', async () => !(await admin.listTopics()).includes(`${prefix}gone`))
    })
  })
  await check('produce-consume', async () => {
    const messages = Array.from({ length: 300 }, (_, i) => ({
      topic,
      partition: i % 3,
      key: `key-${i}`,
      value: `value-${i}`,
    }))
    const producer = producerOf(options)
    await producer.send({ acks: ProduceAcks.ALL, messages })
    await producer.close()
    const records = await readAll(options, 'read_uncommitted', [topic], 300)
    expect([records.length, distinct(records).length], [300, 300], 'records and distinct values')
  })
  for (const compression of [
    CompressionAlgorithms.GZIP,
    CompressionAlgorithms.SNAPPY,
    CompressionAlgorithms.LZ4,
    CompressionAlgorithms.ZSTD,
  ]) {
    await check(compression, async () => {
      const words = 'the same words again and again '.repeat(20)
      const expected = Array.from({ length: 200 }, (_, i) => `${i}${words}`)
      const name = `${prefix}${compression}`
      await create(options, name, 1)
      const producer = producerOf(options)
      await producer.send({ compression, messages: expected.map((value) => ({ topic: name, partition: 0, value })) })
      await producer.close()
      const records = await readAll(options, 'read_uncommitted', [name], 200)
      expect(
        records.map((record) => record.value),
        expected,
        'values',
      )
    })
  }
  await check('headers', async () => {
    const records = await roundTrip(options, `${prefix}headers`, [{ value: 'value', headers: { a: '1', é: '' } }])
    expect(
      records[0]?.headers,
      [
        ['a', '1'],
        ['é', ''],
      ],
      'headers',
    )
  })
  await check('null-key-value', async () => {
    const records = await roundTrip(options, `${prefix}nulls`, [
      { value: 'value' },
      { key: 'key' },
      { key: '', value: '' },
    ])
    const found = records.map((record) => [record.key, record.value])
    expect(
      found,
      [
        [null, 'value'],
        ['key', null],
        ['', ''],
      ],
      'records',
    )
  })
  await check('big-record', async () => {
    const value = 'x'.repeat(990_000)
    const records = await roundTrip(options, `${prefix}big`, [{ value }])
    expect(records[0]?.value === value, true, 'the same value')
  })
  await check('offsets', () =>
    withAdmin(options, async (admin) => {
      const groupId = `${prefix}offsets`
      await admin.alterConsumerGroupOffsets({
        groupId,
        topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 42n }] }],
      })
      const [found] = await admin.listConsumerGroupOffsets({
        groups: [{ groupId, topics: [{ name: topic, partitionIndexes: [0] }] }],
      })
      expect(String(found?.topics[0]?.partitions[0]?.committedOffset), '42', 'committed offset')
    }),
  )
  await check('group-rebalance', () => groupRebalance(options, prefix))
  await check('static-member', () => staticMember(options, prefix))
  await check('list-groups', async () => {
    const listed = await withAdmin(options, (admin) => admin.listGroups())
    expect([listed.has(`${prefix}offsets`), listed.has(`${prefix}rebalance`)], [true, true], 'both groups are listed')
  })
  await check('describe-group', async () => {
    const group = (await withAdmin(options, (admin) => admin.describeGroups({ groups: [`${prefix}rebalance`] }))).get(
      `${prefix}rebalance`,
    )
    expect([String(group?.state).toUpperCase(), group?.members.size], ['EMPTY', 0], 'state and members')
  })
  await check('delete-group', () =>
    withAdmin(options, async (admin) => {
      await admin.deleteGroups({ groups: [`${prefix}offsets`] })
      expect((await admin.listGroups()).has(`${prefix}offsets`), false, 'the group is listed')
    }),
  )
  await check('configs', () =>
    withAdmin(options, async (admin) => {
      const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
      const value = {
        name: 'retention.ms',
        value: '123456789',
        configOperation: IncrementalAlterConfigOperationTypes.SET,
      }
      await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [value] }] })
      const config = async (
        about: {
          resourceType: typeof ConfigResourceTypes.TOPIC | typeof ConfigResourceTypes.BROKER
          resourceName: string
        },
        name: string,
      ) => (await admin.describeConfigs({ resources: [about] }))[0]?.configs.find((one) => one.name === name)?.value
      await waitUntil('the new value is shown', async () => (await config(resource, 'retention.ms')) === '123456789')
      const broker = String([...(await admin.metadata({ topics: [] })).brokers.keys()][0])
      expect(
        await config({ resourceType: ConfigResourceTypes.BROKER, resourceName: broker }, 'transaction.max.timeout.ms'),
        '900000',
        'a broker setting',
      )
    }),
  )
  const listed = async (name: string, timestamp: bigint): Promise<string> => {
    const found = await withAdmin(options, (admin) =>
      admin.listOffsets({ topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }] }),
    )
    return String(found[0]?.partitions[0]?.offset)
  }
  await check('list-offsets', async () => {
    expect(
      [await listed(topic, ListOffsetTimestamps.EARLIEST), await listed(topic, ListOffsetTimestamps.LATEST)],
      ['0', '100'],
      'first and last offset',
    )
  })
  await check('offsets-for-time', async () => {
    const name = `${prefix}time`
    await create(options, name, 1)
    const startMs = Date.now() - 100_000
    const producer = producerOf(options)
    for (let i = 0; i < 50; i++)
      await producer.send({
        acks: ProduceAcks.ALL,
        messages: [{ topic: name, partition: 0, value: 'value', timestamp: BigInt(startMs + i * 1_000) }],
      })
    await producer.close()
    expect(await listed(name, BigInt(startMs + 20_500)), '21', 'first offset at or after')
    expect(await listed(name, ListOffsetTimestamps.MAX), '49', 'offset of the greatest timestamp')
  })
  await check('delete-records', async () => {
    const deleted = await withAdmin(options, (admin) =>
      admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 40n }] }] }),
    )
    expect(String(deleted[0]?.partitions[0]?.lowWatermark), '40', 'low watermark')
    const records = (await readAll(options, 'read_uncommitted', [topic], 260)).filter(
      (record) => record.partition === 0,
    )
    expect([records[0]?.offset, records.length], [40, 60], 'first offset and count of what is left')
  })
}

async function roundTrip(
  options: Options,
  topic: string,
  messages: { key?: string; value?: string; headers?: Record<string, string> }[],
): Promise<Received[]> {
  await create(options, topic, 1)
  const producer = producerOf(options)
  // One by one: the order is that of the calls.
  for (const message of messages)
    await producer.send({ acks: ProduceAcks.ALL, messages: [{ topic, partition: 0, ...message }] })
  await producer.close()
  return readAll(options, 'read_uncommitted', [topic], messages.length)
}

function member(options: Options, groupId: string, groupInstanceId?: string): Consumer<string, string, string, string> {
  return new Consumer({
    ...base(options),
    groupId,
    deserializers: stringDeserializers,
    heartbeatInterval: 300,
    sessionTimeout: 10_000,
    maxWaitTime: 100,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
  })
}

const assignedTo = (consumer: Consumer<string, string, string, string>): number =>
  (consumer.assignments ?? []).reduce((total, assignment) => total + assignment.partitions.length, 0)

async function groupRebalance(options: Options, prefix: string): Promise<void> {
  const topic = `${prefix}rebalance`
  await create(options, topic, 6)
  const members = [0, 1, 2].map(() => member(options, `${prefix}rebalance`))
  await Promise.all(
    members.map((one) => one.consume({ topics: [topic], autocommit: false }).then((stream) => stream.resume())),
  )
  const shared = (of: typeof members, each: number): Promise<void> =>
    waitUntil(`${each} partitions for each of ${of.length}`, () => of.every((one) => assignedTo(one) === each))
  await shared(members, 2)
  const described = await withAdmin(options, (admin) => admin.describeGroups({ groups: [`${prefix}rebalance`] }))
  expect(described.get(`${prefix}rebalance`)?.members.size, 3, 'members described')
  await members[0]?.close(true)
  await shared(members.slice(1), 3)
  for (const one of members.slice(1)) await one.close(true)
}

async function staticMember(options: Options, prefix: string): Promise<void> {
  const topic = `${prefix}static`
  await create(options, topic, 2)
  const instances: (string | null | undefined)[] = []
  const one = member(options, `${prefix}static`, 'one')
  await one.consume({ topics: [topic], autocommit: false }).then((stream) => stream.resume())
  await waitUntil('an assignment', () => assignedTo(one) === 2)
  const described = await withAdmin(options, (admin) => admin.describeGroups({ groups: [`${prefix}static`] }))
  for (const found of described.get(`${prefix}static`)?.members.values() ?? []) instances.push(found.groupInstanceId)
  await one.close(true)
  expect(instances, ['one'], 'instance ids of the members')
}

async function idempotent(options: Options): Promise<void> {
  const topic = `${text(options, 'prefix')}idempotent`
  const count = 5_000
  await check('in-order', async () => {
    await create(options, topic, 1)
    const producer = producerOf(options, { idempotent: true })
    for (let i = 0; i < count; i += 100) {
      // Five sends at a time.
      const sends = Array.from({ length: 5 }, (_, send) =>
        producer.send({
          acks: ProduceAcks.ALL,
          messages: Array.from({ length: 20 }, (_, j) => ({ topic, partition: 0, value: String(i + send * 20 + j) })),
        }),
      )
      await Promise.all(sends)
    }
    await producer.close()
    const records = await readAll(options, 'read_uncommitted', [topic], count)
    expect(records.length, count, 'records')
    expect(
      records.findIndex((record, i) => record.value !== String(i)),
      -1,
      'first record out of order',
    )
  })
}

async function transactions(options: Options): Promise<void> {
  const prefix = text(options, 'prefix')
  const topic = `${prefix}transactions`
  await create(options, topic, 2)
  const producer = transactional(options, `${prefix}transactional-id`)
  const begin = (): Promise<StringTransaction> => producer.beginTransaction(NO_PRODUCER)
  const write = async (transaction: StringTransaction, value: string, count: number): Promise<void> => {
    await transaction.send({
      messages: Array.from({ length: count * 2 }, (_, i) => ({ topic, partition: i % 2, value })),
    })
  }
  await check('commit', async () => {
    const transaction = await begin()
    await write(transaction, 'committed', 10)
    await transaction.commit()
    const records = await readAll(options, 'read_committed', [topic], 20)
    expect(
      [records.length, distinct(records, 0), distinct(records, 1)],
      [20, ['committed'], ['committed']],
      'committed records',
    )
  })
  await check('abort', async () => {
    const transaction = await begin()
    await write(transaction, 'aborted', 10)
    await transaction.abort()
    const records = await readAll(options, 'read_committed', [topic], 20)
    expect([records.length, distinct(records)], [20, ['committed']], 'committed records')
  })
  await emptyTransactions(options, prefix)
  await check('isolation', async () => {
    const transaction = await begin()
    await write(transaction, 'open', 5)
    expect(
      distinct(await readAll(options, 'read_uncommitted', [topic], 50), 0),
      ['committed', 'aborted', 'open'],
      'uncommitted values',
    )
    expect(distinct(await readAll(options, 'read_committed', [topic], 20), 0), ['committed'], 'committed values')
    await transaction.commit()
    expect(
      distinct(await readAll(options, 'read_committed', [topic], 30), 0),
      ['committed', 'open'],
      'committed values',
    )
  })
  await check('send-offsets', () => sendOffsets(options, prefix))
  await producer.close()
}

/** Its commit and abort of an empty transaction are sent to the broker, which refuses them as Kafka does. */
async function emptyTransactions(options: Options, prefix: string): Promise<void> {
  const producer = transactional(options, `${prefix}empty-id`)
  try {
    const transaction = await producer.beginTransaction(NO_PRODUCER)
    await transaction.commit()
    emit({ check: 'empty', ok: true, ms: 0 })
  } catch (error) {
    if (!causes(error).includes('INVALID_TXN_STATE')) throw error
    limit('empty', 'it sends EndTxn for a transaction without partitions, which brokers refuse (INVALID_TXN_STATE)')
  } finally {
    await producer.close(true)
  }
}

async function sendOffsets(options: Options, prefix: string): Promise<void> {
  const source = `${prefix}offsets-in`
  const groupId = `${prefix}transactions`
  await create(options, source, 1)
  const plain = producerOf(options)
  for (let i = 0; i < 9; i++) await plain.send({ messages: [{ topic: source, partition: 0, value: String(i) }] })
  await plain.close()
  const consumer = member(options, groupId)
  const producer = transactional(options, `${prefix}offsets-id`)
  try {
    const stream = await consumer.consume({ topics: [source], autocommit: false, mode: MessagesStreamModes.EARLIEST })
    const messages = stream[Symbol.asyncIterator]()
    for (const [last, how] of [
      [4, 'commit'],
      [8, 'abort'],
    ] as const) {
      const transaction = await producer.beginTransaction(NO_PRODUCER)
      await transaction.addConsumer(consumer as never)
      while (true) {
        const { value: message } = await messages.next()
        if (message === undefined) throw new Error('the stream ended early')
        await transaction.addOffset(message)
        if (Number(message.offset) === last) break
      }
      await transaction[how]()
    }
    await withAdmin(options, (admin) =>
      waitUntil('the committed offset of the first transaction', async () => {
        const [found] = await admin.listConsumerGroupOffsets({
          groups: [{ groupId, topics: [{ name: source, partitionIndexes: [0] }] }],
          requireStable: true,
        })
        const offset = String(found?.topics[0]?.partitions[0]?.committedOffset)
        return offset === '5' || offset === '4'
      }),
    )
  } finally {
    await consumer.close(true)
    await producer.close(true)
  }
}

async function openLoader(options: Options): Promise<Transactor> {
  const prefix = text(options, 'prefix')
  // No repetitions inside the client: it takes a new producer id after some errors and sends again, which would be a
  // silent duplicate. The loader decides what to do after every error.
  const producer = producerOf(options, {
    transactionalId: text(options, 'transactional-id'),
    idempotent: true,
    timeout: 60_000,
    retries: 0,
  })
  let next: StringTransaction | undefined
  try {
    next = await producer.beginTransaction(NO_PRODUCER)
  } catch (error) {
    await producer.close(true)
    throw error
  }
  return {
    async transact(records, fate) {
      const transaction = next ?? (await producer.beginTransaction(NO_PRODUCER))
      next = undefined
      await transaction.send({
        messages: records.map(([topic, key, value]) => ({ topic: prefix + topic, key, value, headers: { fate } })),
      })
      if (fate === 'commit') await transaction.commit()
      else await transaction.abort()
    },
    close: () => producer.close(true),
  }
}

async function read(options: Options): Promise<void> {
  const out = createWriteStream(text(options, 'out'))
  const records = await readAll(options, text(options, 'isolation'), text(options, 'topics').split(','), 1, 3_000)
  for (const record of records) out.write(readBackLine(record))
  out.end()
  await finished(out)
  emit({ records: records.length })
}

async function hold(options: Options): Promise<void> {
  const topic = text(options, 'topic')
  const producer = transactional(options, text(options, 'transactional-id'), Number(options['timeout-ms'] ?? 60_000))
  const transaction = await producer.beginTransaction(NO_PRODUCER)
  await transaction.send({ messages: [{ topic, partition: 0, value: 'held' }] })
  emit({ open: true, atMs: Date.now() })
  if ((await inputLine()) === undefined) return
  const fencedBy = await goOn(transaction, topic)
  emit({ fenced: fencedBy !== undefined, error: fencedBy })
}

async function once(options: Options): Promise<void> {
  const producer = transactional(options, text(options, 'transactional-id'))
  const transaction = await producer.beginTransaction(NO_PRODUCER)
  await transaction.send({ messages: [{ topic: text(options, 'topic'), partition: 0, value: text(options, 'value') }] })
  await transaction.commit()
  await producer.close()
  emit({ committed: true })
}

async function zombie(options: Options): Promise<void> {
  const topic = text(options, 'topic')
  await check('fenced-in-process', async () => {
    const old = transactional(options, text(options, 'transactional-id'))
    const oldTransaction = await old.beginTransaction(NO_PRODUCER)
    await oldTransaction.send({ messages: [{ topic, partition: 0, value: 'old' }] })
    const young = transactional(options, text(options, 'transactional-id'))
    const youngTransaction = await young.beginTransaction(NO_PRODUCER)
    expect((await goOn(oldTransaction, topic)) !== undefined, true, 'the old producer is fenced')
    await youngTransaction.send({ messages: [{ topic, partition: 0, value: 'young' }] })
    await youngTransaction.commit()
    await young.close(true)
    await old.close(true)
  })
}

/** Writes and commits; the name of the error if the producer was fenced. */
async function goOn(transaction: StringTransaction, topic: string): Promise<string | undefined> {
  try {
    await transaction.send({ messages: [{ topic, partition: 0, value: 'zombie' }] })
    await transaction.commit()
    return undefined
  } catch (error) {
    const fencedBy = causes(error).find((name) => name === 'INVALID_PRODUCER_EPOCH' || name === 'PRODUCER_FENCED')
    if (fencedBy !== undefined) return fencedBy
    log('not a fencing error:', error)
    throw error
  }
}

/** The protocol errors inside an error, however deep. */
function causes(error: unknown): string[] {
  if (typeof error !== 'object' || error === null) return []
  const { apiId, cause, errors } = error as { apiId?: string; cause?: unknown; errors?: unknown[] }
  return [...(apiId === undefined ? [] : [apiId]), ...causes(cause), ...(errors ?? []).flatMap(causes)]
}

await main({
  basics,
  idempotent,
  transactions,
  load: (options) => load(options, () => openLoader(options)),
  read,
  hold,
  once,
  zombie,
})
