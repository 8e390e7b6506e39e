/** The kafkajs peer: `kafkajs.ts COMMAND --bootstrap HOST:PORT [--option value]…`, see ../README.md. */
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import kafkajs, {
  type Admin,
  type ConfigResourceTypes,
  type Consumer,
  type IHeaders,
  type Kafka,
  type Producer,
  type ProducerConfig,
  type Transaction,
} from 'kafkajs'
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

// A CommonJS module whose named exports cannot all be told without running it.
const { CompressionTypes, ConfigResourceTypes: Resources, Kafka: Client, logLevel, Partitioners } = kafkajs

const PLUGIN_CODEC = 'kafkajs has gzip built in, other codecs are plugins'

const kafka = (options: Options): Kafka =>
  new Client({
    clientId: 'interop',
    brokers: [text(options, 'bootstrap')],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 8 },
  })

async function withAdmin<T>(options: Options, body: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka(options).admin()
  await admin.connect()
  try {
    return await body(admin)
  } finally {
    await admin.disconnect()
  }
}

async function connected(options: Options, config: ProducerConfig = {}): Promise<Producer> {
  const producer = kafka(options).producer({ createPartitioner: Partitioners.DefaultPartitioner, ...config })
  await producer.connect()
  return producer
}

const transactional = (options: Options, transactionalId: string, transactionTimeout = 60_000): Promise<Producer> =>
  connected(options, { transactionalId, transactionTimeout, idempotent: true, maxInFlightRequests: 1 })

async function create(options: Options, topic: string, numPartitions: number): Promise<void> {
  await withAdmin(options, (admin) =>
    admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1 }] }),
  )
}

let groups = 0

/**
 * Reads topics from their start in a group of its own until `due` records came, and then a moment longer. kafkajs does
 * not tell that the end of a partition was reached when the last records there are not delivered.
 */
async function readAll(
  options: Options,
  isolation: string,
  topics: string[],
  due: number,
  idleMs = EXTRA_MS,
): Promise<Received[]> {
  const consumer = kafka(options).consumer({
    groupId: `read-${process.pid}-${Date.now()}-${groups++}`,
    readUncommitted: isolation === 'read_uncommitted',
    maxWaitTimeInMs: 100,
  })
  const records: Received[] = []
  let lastMs = Date.now()
  await consumer.connect()
  try {
    await consumer.subscribe({ topics, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        lastMs = Date.now()
        records.push({
          topic,
          partition,
          offset: Number(message.offset),
          key: message.key?.toString() ?? null,
          value: message.value?.toString() ?? null,
          headers: headersOf(message.headers),
        })
      },
    })
    const deadlineMs = Date.now() + WAIT_MS
    while (records.length < due && Math.max(lastMs, deadlineMs - WAIT_MS) + WAIT_MS > Date.now()) await sleep(20)
    while (Date.now() < lastMs + idleMs) await sleep(20)
    // Nothing is due: the join alone takes a moment, and a wrong record may follow it.
    if (due === 0) await sleep(2_000)
  } finally {
    await consumer.disconnect()
  }
  return records
}

function headersOf(headers: IHeaders | undefined): [string, string | null][] {
  return Object.entries(headers ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string | null] => [name, value?.toString() ?? null]),
  )
}

async function basics(options: Options): Promise<void> {
  const prefix = text(options, 'prefix')
  const topic = `${prefix}main`
  await check('metadata', () =>
    withAdmin(options, async (admin) => {
      const cluster = await admin.describeCluster()
      expect([cluster.brokers.length, cluster.clusterId.length > 0], [1, true], 'brokers and cluster id')
    }),
  )
  await check('create-topic', async () => {
    await create(options, topic, 3)
    const metadata = await withAdmin(options, (admin) => admin.fetchTopicMetadata({ topics: [topic] }))
    expect(metadata.topics[0]?.partitions.length, 3, 'partitions')
  })
  await check('delete-topic', async () => {
    await create(options, `${prefix}gone`, 1)
    await withAdmin(options, async (admin) => {
      await admin.deleteTopics({ topics: [`${prefix}gone`] })
      await waitUntil('the topic is gone', async () => !(await admin.listTopics()).includes(`${prefix}gone`))
    })
  })
  await check('produce-consume', async () => {
    const producer = await connected(options)
    const messages = Array.from({ length: 300 }, (_, i) => ({ partition: i % 3, key: `key-${i}`, value: `value-${i}` }))
    await producer.send({ topic, messages })
    await producer.disconnect()
    const records = await readAll(options, 'read_uncommitted', [topic], 300)
    expect([records.length, distinct(records).length], [300, 300], 'records and distinct values')
  })
  await check('gzip', async () => {
    await create(options, `${prefix}gzip`, 1)
    const words = 'the same words again and again '.repeat(20)
    const expected = Array.from({ length: 200 }, (_, i) => `${i}${words}`)
    const producer = await connected(options)
    await producer.send({
      topic: `${prefix}gzip`,
      compression: CompressionTypes.GZIP,
      messages: expected.map((value) => ({ value })),
    })
    await producer.disconnect()
    const records = await readAll(options, 'read_uncommitted', [`${prefix}gzip`], 200)
    expect(
      records.map((record) => record.value),
      expected,
      'values',
    )
  })
  for (const codec of ['snappy', 'lz4', 'zstd']) limit(codec, PLUGIN_CODEC)
  await check('headers', async () => {
    const records = await roundTrip(options, `${prefix}headers`, [
      { value: 'value', headers: { a: ['1', ''], é: 'x' } },
    ])
    expect(
      records[0]?.headers,
      [
        ['a', '1'],
        ['a', ''],
        ['é', 'x'],
      ],
      'headers',
    )
  })
  await check('null-key-value', async () => {
    const pairs: [string | null, string | null][] = [
      [null, 'value'],
      ['key', null],
      [null, null],
      ['', ''],
    ]
    const records = await roundTrip(
      options,
      `${prefix}nulls`,
      pairs.map(([key, value]) => ({ key, value })),
    )
    expect(
      records.map((record) => [record.key, record.value]),
      pairs,
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
      await admin.setOffsets({ groupId: `${prefix}offsets`, topic, partitions: [{ partition: 0, offset: '42' }] })
      const found = await admin.fetchOffsets({ groupId: `${prefix}offsets`, topics: [topic] })
      expect(found[0]?.partitions.find((one) => one.partition === 0)?.offset, '42', 'committed offset')
    }),
  )
  await check('group-rebalance', () => groupRebalance(options, prefix))
  limit('static-member', 'kafkajs has no group.instance.id')
  await check('list-groups', async () => {
    const { groups: listed } = await withAdmin(options, (admin) => admin.listGroups())
    const ids = listed.map((group) => group.groupId)
    expect(
      [ids.includes(`${prefix}offsets`), ids.includes(`${prefix}rebalance`)],
      [true, true],
      'both groups are listed',
    )
  })
  await check('describe-group', async () => {
    const { groups: described } = await withAdmin(options, (admin) => admin.describeGroups([`${prefix}rebalance`]))
    expect([described[0]?.state, described[0]?.members.length], ['Empty', 0], 'state and members')
  })
  await check('delete-group', () =>
    withAdmin(options, async (admin) => {
      await admin.deleteGroups([`${prefix}offsets`])
      const ids = (await admin.listGroups()).groups.map((group) => group.groupId)
      expect(ids.includes(`${prefix}offsets`), false, 'the group is listed')
    }),
  )
  await check('configs', () =>
    withAdmin(options, async (admin) => {
      await admin.alterConfigs({
        validateOnly: false,
        resources: [
          { type: Resources.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '123456789' }] },
        ],
      })
      const config = async (type: ConfigResourceTypes, name: string, entry: string): Promise<string | undefined> => {
        const described = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name }] })
        return described.resources[0]?.configEntries.find((one) => one.configName === entry)?.configValue
      }
      await waitUntil(
        'the new value is shown',
        async () => (await config(Resources.TOPIC, topic, 'retention.ms')) === '123456789',
      )
      const broker = String((await admin.describeCluster()).brokers[0]?.nodeId)
      expect(await config(Resources.BROKER, broker, 'transaction.max.timeout.ms'), '900000', 'a broker setting')
    }),
  )
  await check('list-offsets', async () => {
    const offsets = await withAdmin(options, (admin) => admin.fetchTopicOffsets(topic))
    const first = offsets.find((one) => one.partition === 0)
    expect([first?.low, first?.high], ['0', '100'], 'first and last offset')
  })
  await check('offsets-for-time', async () => {
    await create(options, `${prefix}time`, 1)
    const startMs = Date.now() - 100_000
    const producer = await connected(options)
    for (let i = 0; i < 50; i++)
      await producer.send({
        topic: `${prefix}time`,
        messages: [{ value: 'value', timestamp: String(startMs + i * 1_000) }],
      })
    await producer.disconnect()
    const found = await withAdmin(options, (admin) =>
      admin.fetchTopicOffsetsByTimestamp(`${prefix}time`, startMs + 20_500),
    )
    expect(found[0]?.offset, '21', 'first offset at or after')
  })
  await check('delete-records', async () => {
    await withAdmin(options, async (admin) => {
      // deleteTopicRecords does not load the metadata it needs: this call does.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '40' }] })
    })
    const records = (await readAll(options, 'read_uncommitted', [topic], 260)).filter(
      (record) => record.partition === 0,
    )
    expect([records[0]?.offset, records.length], [40, 60], 'first offset and count of what is left')
  })
}

async function roundTrip(
  options: Options,
  topic: string,
  messages: { key?: string | null; value: string | null; headers?: IHeaders }[],
): Promise<Received[]> {
  await create(options, topic, 1)
  const producer = await connected(options)
  await producer.send({ topic, messages })
  await producer.disconnect()
  return readAll(options, 'read_uncommitted', [topic], messages.length)
}

async function groupRebalance(options: Options, prefix: string): Promise<void> {
  const topic = `${prefix}rebalance`
  await create(options, topic, 6)
  const members: { consumer: Consumer; assigned: number }[] = []
  for (let i = 0; i < 3; i++) {
    const consumer = kafka(options).consumer({
      groupId: `${prefix}rebalance`,
      heartbeatInterval: 300,
      sessionTimeout: 10_000,
      maxWaitTimeInMs: 100,
    })
    const member = { consumer, assigned: 0 }
    consumer.on('consumer.group_join', ({ payload }) => {
      member.assigned = payload.memberAssignment[topic]?.length ?? 0
    })
    members.push(member)
    await consumer.connect()
    await consumer.subscribe({ topics: [topic] })
    await consumer.run({ eachMessage: async () => {} })
  }
  const shared = (of: readonly { assigned: number }[], each: number): Promise<void> =>
    waitUntil(`${each} partitions for each of ${of.length}`, () => of.every((member) => member.assigned === each))
  await shared(members, 2)
  const { groups: described } = await withAdmin(options, (admin) => admin.describeGroups([`${prefix}rebalance`]))
  expect(described[0]?.members.length, 3, 'members described')
  await members[0]?.consumer.disconnect()
  await shared(members.slice(1), 3)
  for (const member of members.slice(1)) await member.consumer.disconnect()
}

async function idempotent(options: Options): Promise<void> {
  const topic = `${text(options, 'prefix')}idempotent`
  const count = 5_000
  await check('in-order', async () => {
    await create(options, topic, 1)
    // kafkajs promises the order of concurrent sends only with one request in flight.
    const producer = await connected(options, { idempotent: true, maxInFlightRequests: 1 })
    for (let i = 0; i < count; i += 20) {
      const messages = Array.from({ length: 20 }, (_, j) => ({ partition: 0, value: String(i + j) }))
      await producer.send({ topic, acks: -1, messages })
    }
    await producer.disconnect()
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
  const producer = await transactional(options, `${prefix}transactional-id`)
  const write = async (transaction: Transaction, value: string, count: number): Promise<void> => {
    const messages = Array.from({ length: count * 2 }, (_, i) => ({ partition: i % 2, value }))
    await transaction.send({ topic, messages })
  }
  await check('commit', async () => {
    const transaction = await producer.transaction()
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
    const transaction = await producer.transaction()
    await write(transaction, 'aborted', 10)
    await transaction.abort()
    const records = await readAll(options, 'read_committed', [topic], 20)
    expect([records.length, distinct(records)], [20, ['committed']], 'committed records')
  })
  await check('empty', async () => {
    for (let i = 0; i < 3; i++) {
      await (await producer.transaction()).commit()
      await (await producer.transaction()).abort()
    }
    const transaction = await producer.transaction()
    await write(transaction, 'after', 1)
    await transaction.commit()
    expect(distinct(await readAll(options, 'read_committed', [topic], 22), 0), ['committed', 'after'], 'values')
  })
  await check('isolation', async () => {
    const transaction = await producer.transaction()
    await write(transaction, 'open', 5)
    expect(
      distinct(await readAll(options, 'read_uncommitted', [topic], 52), 0),
      ['committed', 'aborted', 'after', 'open'],
      'uncommitted values',
    )
    expect(
      distinct(await readAll(options, 'read_committed', [topic], 22), 0),
      ['committed', 'after'],
      'committed values',
    )
    await transaction.commit()
    expect(
      distinct(await readAll(options, 'read_committed', [topic], 32), 0),
      ['committed', 'after', 'open'],
      'committed values',
    )
  })
  await check('send-offsets', async () => {
    const consumerGroupId = `${prefix}transactions`
    const at = (offset: string) => ({ consumerGroupId, topics: [{ topic, partitions: [{ partition: 0, offset }] }] })
    const committing = await producer.transaction()
    await patiently(() => committing.sendOffsets(at('5')))
    await committing.commit()
    const aborting = await producer.transaction()
    await patiently(() => aborting.sendOffsets(at('9')))
    await aborting.abort()
    await withAdmin(options, (admin) =>
      waitUntil(
        'committed offset 5',
        async () =>
          (await admin.fetchOffsets({ groupId: consumerGroupId, topics: [topic] }))[0]?.partitions[0]?.offset === '5',
      ),
    )
  })
  await producer.disconnect()
}

/** kafkajs does not repeat AddOffsetsToTxn while the markers of the transaction before are written: the caller must. */
async function patiently(call: () => Promise<void>): Promise<void> {
  await waitUntil('the transaction before has ended', async () => {
    try {
      await call()
      return true
    } catch (error) {
      if ((error as { type?: string }).type !== 'CONCURRENT_TRANSACTIONS') throw error
      return false
    }
  })
}

async function openLoader(options: Options): Promise<Transactor> {
  const prefix = text(options, 'prefix')
  const producer = await transactional(options, text(options, 'transactional-id'))
  // The first transaction initializes the producer id, which ends what an earlier producer left open.
  let next: Transaction | undefined = await producer.transaction()
  return {
    async transact(records, fate) {
      const transaction = next ?? (await producer.transaction())
      next = undefined
      const topicMessages = new Map<string, { key: string; value: string; headers: IHeaders }[]>()
      for (const [topic, key, value] of records) {
        const messages = topicMessages.get(topic) ?? []
        messages.push({ key, value, headers: { fate } })
        topicMessages.set(topic, messages)
      }
      await transaction.sendBatch({
        topicMessages: [...topicMessages].map(([topic, messages]) => ({ topic: prefix + topic, messages })),
      })
      if (fate === 'commit') await transaction.commit()
      else await transaction.abort()
    },
    close: () => producer.disconnect(),
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
  const producer = await transactional(
    options,
    text(options, 'transactional-id'),
    Number(options['timeout-ms'] ?? 60_000),
  )
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: [{ partition: 0, value: 'held' }] })
  emit({ open: true, atMs: Date.now() })
  if ((await inputLine()) === undefined) return
  const fencedBy = await goOn(transaction, topic)
  emit({ fenced: fencedBy !== undefined, error: fencedBy })
}

async function once(options: Options): Promise<void> {
  const producer = await transactional(options, text(options, 'transactional-id'))
  const transaction = await producer.transaction()
  await transaction.send({ topic: text(options, 'topic'), messages: [{ partition: 0, value: text(options, 'value') }] })
  await transaction.commit()
  await producer.disconnect()
  emit({ committed: true })
}

async function zombie(options: Options): Promise<void> {
  const topic = text(options, 'topic')
  await check('fenced-in-process', async () => {
    const old = await transactional(options, text(options, 'transactional-id'))
    const oldTransaction = await old.transaction()
    await oldTransaction.send({ topic, messages: [{ partition: 0, value: 'old' }] })
    const young = await transactional(options, text(options, 'transactional-id'))
    const youngTransaction = await young.transaction()
    expect((await goOn(oldTransaction, topic)) !== undefined, true, 'the old producer is fenced')
    await youngTransaction.send({ topic, messages: [{ partition: 0, value: 'young' }] })
    await youngTransaction.commit()
    await young.disconnect()
    await old.disconnect()
  })
}

/** Writes and commits; the type of the error if the producer was fenced. */
async function goOn(transaction: Transaction, topic: string): Promise<string | undefined> {
  try {
    await transaction.send({ topic, messages: [{ partition: 0, value: 'zombie' }] })
    await transaction.commit()
    return undefined
  } catch (error) {
    for (
      let cause = error as { type?: string; cause?: unknown } | undefined;
      cause;
      cause = cause.cause as typeof cause
    ) {
      if (cause.type === 'INVALID_PRODUCER_EPOCH' || cause.type === 'PRODUCER_FENCED') return cause.type
    }
    log('not a fencing error:', error)
    throw error
  }
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
