/** The handlers of the catalogue, each in every version, over a catalogue whose records are durable at once. */
import { describe, expect, test } from 'vitest'
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import { newUuid } from '../../base/uuid.ts'
import { Catalogue } from '../../core/metadata/catalogue.ts'
import type { CatalogueResult, NewTopic } from '../../core/metadata/catalogue-api.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../../protocol/codec.ts'
import type { Decoded, Draft, Fields } from '../../protocol/schema.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import { SimRandom } from '../../testing/sim-random.ts'
import { brokerConfigProblem, brokerOption, loadConfig, withDynamicConfigs } from '../config.ts'
import { ANONYMOUS } from '../handler.ts'
import type { Handler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'
import { topicDefaults } from '../topic-config.ts'
import { alterConfigsHandler } from './alter-configs.ts'
import { createPartitionsHandler } from './create-partitions.ts'
import { createTopicsHandler } from './create-topics.ts'
import { deleteTopicsHandler } from './delete-topics.ts'
import { describeClusterHandler } from './describe-cluster.ts'
import { describeConfigsHandler } from './describe-configs.ts'
import { describeTopicPartitionsHandler } from './describe-topic-partitions.ts'
import { incrementalAlterConfigsHandler } from './incremental-alter-configs.ts'
import { metadataHandler } from './metadata.ts'
import { updateFeaturesHandler } from './update-features.ts'

const TOPIC = 2
const BROKER = 4

/** As much of a broker as these handlers use. */
function startBroker(properties: Record<string, string> = {}) {
  const loadedConfig = loadConfig(properties)
  const random = new SimRandom(1)
  const current = { config: loadedConfig.config }
  const catalogue = new Catalogue({
    nodeId: loadedConfig.config.nodeId,
    maxPartitions: loadedConfig.config.maxPartitions,
    defaultPartitionCount: () => current.config.numPartitions,
    topicDefaults: () => topicDefaults(current.config),
    brokerOption: (name) => brokerOption(name)?.option,
    brokerConfigProblem: (texts) => brokerConfigProblem(loadedConfig, texts),
  })
  const run = async <Reply>(decide: (catalogue: Catalogue) => CatalogueResult<Reply>): Promise<Reply> => {
    const { records, reply } = decide(catalogue)
    for (const record of records) catalogue.replay(record)
    current.config = withDynamicConfigs(loadedConfig, catalogue.brokerConfigs(''), catalogue.brokerConfigs('1'))
    return reply
  }
  const services = {
    get config() {
      return current.config
    },
    loadedConfig,
    node: { nodeId: 1, clusterId: 'cluster', host: 'localhost', port: 9092, rack: null },
    partitions: { leaderEpoch: 7 },
    catalogue: {
      catalogue,
      run,
      topic: (name: string) => catalogue.topic(name),
      topicById: (topicId: string) => catalogue.topicById(topicId),
      createTopics: (topics: readonly NewTopic[], context: { origin: 'client' | 'broker'; validateOnly: boolean }) =>
        run((target) => target.decideCreateTopics(topics, { ...context, newTopicId: () => newUuid(random) })),
    },
  } as unknown as BrokerServices
  void run((target) => target.decideStart(() => 'cluster'))
  return {
    services,
    catalogue,
    /** Through the codec both ways, so that every draft is shown to fit its version. */
    async ask<Req extends Fields, Res extends Fields>(
      handler: Handler<Req, Res>,
      apiVersion: number,
      draft: Draft<Req>,
    ): Promise<Decoded<Res>> {
      const request = new ByteWriter()
      encodeRequest(handler.api, apiVersion, draft as never, request)
      const decoded = decodeRequest(handler.api, apiVersion, new ByteReader(request.toBytes())) as Decoded<Req>
      const answer = await handler.handle(services, decoded, {
        apiVersion,
        clientId: 'test',
        connectionId: 1,
        remoteAddress: '127.0.0.1',
        principal: ANONYMOUS,
        nowMs: 0,
        onConnectionClosed: () => () => {},
      })
      const response = new ByteWriter()
      encodeResponse(handler.api, apiVersion, answer as never, response)
      return decodeResponse(handler.api, apiVersion, new ByteReader(response.toBytes())) as Decoded<Res>
    },
  }
}

function versionsOf({ minVersion, maxVersion }: { minVersion: number; maxVersion: number }): number[] {
  return Array.from({ length: maxVersion - minVersion + 1 }, (_, index) => minVersion + index)
}

const newTopic = (name: string, numPartitions = 2) => ({ name, numPartitions, replicationFactor: 1 })

type TestBroker = ReturnType<typeof startBroker>

const create = (broker: TestBroker, ...names: readonly string[]) =>
  broker.ask(createTopicsHandler, 7, { topics: names.map((name) => newTopic(name)) })

describe('Metadata', () => {
  test.each(versionsOf(metadataHandler))('version %i describes a topic and the node', async (version) => {
    const broker = startBroker()
    await create(broker, 'orders')
    const answer = await broker.ask(metadataHandler, version, { topics: [{ name: 'orders' }] })
    expect(answer.brokers).toMatchObject([{ nodeId: 1, host: 'localhost', port: 9092 }])
    expect(answer.topics).toHaveLength(1)
    expect(answer.topics[0]).toMatchObject({ errorCode: 'NONE', name: 'orders' })
    const leaderEpoch = version >= 7 ? 7 : -1
    expect(answer.topics[0]?.partitions).toMatchObject([
      { partitionIndex: 0, leaderId: 1, leaderEpoch, replicaNodes: [1], isrNodes: [1] },
      { partitionIndex: 1, leaderId: 1, leaderEpoch, replicaNodes: [1], isrNodes: [1] },
    ])
    if (version >= 10) expect(answer.topics[0]?.topicId).toBe(broker.catalogue.topic('orders')?.topicId)
  })

  test('an empty list is all topics in version 0 and none later; null is all', async () => {
    const broker = startBroker()
    await create(broker, 'a', 'b')
    expect((await broker.ask(metadataHandler, 0, { topics: [] })).topics).toHaveLength(2)
    expect((await broker.ask(metadataHandler, 1, { topics: [] })).topics).toHaveLength(0)
    expect((await broker.ask(metadataHandler, 1, { topics: null })).topics).toHaveLength(2)
  })

  test.each(versionsOf(metadataHandler))('version %i creates a missing topic', async (version) => {
    const broker = startBroker({ 'num.partitions': '3' })
    const answer = await broker.ask(metadataHandler, version, { topics: [{ name: 'new' }] })
    expect(answer.topics[0]).toMatchObject({ errorCode: 'NONE', name: 'new' })
    expect(broker.catalogue.topic('new')?.partitionCount).toBe(3)
  })

  test('nothing is created when the request or the broker does not want it', async () => {
    const request = { topics: [{ name: 'new' }, { name: 'bad name' }], allowAutoTopicCreation: false }
    const refused = await startBroker().ask(metadataHandler, 4, request)
    expect(refused.topics.map(({ errorCode }) => errorCode)).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_TOPIC_EXCEPTION',
    ])
    const broker = startBroker({ 'auto.create.topics.enable': 'false' })
    const answer = await broker.ask(metadataHandler, 4, { topics: [{ name: 'new' }] })
    expect(answer.topics[0]?.errorCode).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect([...broker.catalogue.topics()]).toEqual([])
  })

  test('a name that cannot be created says why', async () => {
    const answer = await startBroker().ask(metadataHandler, 12, { topics: [{ name: 'bad name' }, { name: '' }] })
    expect(answer.topics.map(({ errorCode }) => errorCode)).toEqual([
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_TOPIC_EXCEPTION',
    ])
  })

  test.each([12, 13])('version %i finds topics by id', async (version) => {
    const broker = startBroker()
    await create(broker, 'orders')
    const topicId = broker.catalogue.topic('orders')?.topicId ?? ''
    const unknown = newUuid(new SimRandom(99))
    const answer = await broker.ask(metadataHandler, version, {
      topics: [
        { topicId, name: null },
        { topicId: unknown, name: null },
      ],
    })
    expect(answer.topics).toMatchObject([
      { errorCode: 'NONE', name: 'orders', topicId },
      { errorCode: 'UNKNOWN_TOPIC_ID', name: null, topicId: unknown },
    ])
  })

  test.each([10, 11])('version %i knows no ids yet', async (version) => {
    const answer = await startBroker().ask(metadataHandler, version, { topics: [{ name: null }] })
    expect(answer.topics[0]?.errorCode).toBe('INVALID_REQUEST')
  })

  test('authorized operations are everything, when asked for', async () => {
    const broker = startBroker()
    const request = {
      topics: [{ name: 'x' }],
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    }
    const answer = await broker.ask(metadataHandler, 10, request)
    expect(answer.clusterAuthorizedOperations).toBe(8096)
    expect(answer.topics[0]?.topicAuthorizedOperations).toBe(3576)
  })
})

describe('CreateTopics', () => {
  test.each(versionsOf(createTopicsHandler))('version %i creates, and reports what failed', async (version) => {
    const broker = startBroker()
    const answer = await broker.ask(createTopicsHandler, version, {
      topics: [newTopic('x'), { ...newTopic('y'), replicationFactor: 3 }],
    })
    expect(answer.topics).toMatchObject([
      { name: 'x', errorCode: 'NONE', errorMessage: null },
      { name: 'y', errorCode: 'INVALID_REPLICATION_FACTOR', errorMessage: expect.stringContaining('only 1 broker') },
    ])
    if (version >= 5) {
      expect(answer.topics[0]).toMatchObject({ numPartitions: 2, replicationFactor: 1 })
      expect(answer.topics[0]?.configs).toContainEqual({
        name: 'retention.ms',
        value: '604800000',
        readOnly: false,
        configSource: 5,
        isSensitive: false,
      })
    }
    if (version >= 7) expect(answer.topics[0]?.topicId).toBe(broker.catalogue.topic('x')?.topicId)
  })

  test('validateOnly creates nothing', async () => {
    const broker = startBroker()
    const answer = await broker.ask(createTopicsHandler, 7, { topics: [newTopic('x')], validateOnly: true })
    expect(answer.topics[0]?.errorCode).toBe('NONE')
    expect(broker.catalogue.topic('x')).toBeUndefined()
  })
})

describe('DeleteTopics', () => {
  test.each(versionsOf(deleteTopicsHandler))('version %i deletes by name', async (version) => {
    const broker = startBroker()
    await create(broker, 'x')
    const names = ['x', 'nobody']
    const answer = await broker.ask(
      deleteTopicsHandler,
      version,
      version >= 6 ? { topics: names.map((name) => ({ name })), timeoutMs: 1 } : { topicNames: names, timeoutMs: 1 },
    )
    expect(answer.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['x', 'NONE'],
      ['nobody', 'UNKNOWN_TOPIC_OR_PARTITION'],
    ])
    expect(broker.catalogue.topic('x')).toBeUndefined()
  })

  test('by id, with the name in the answer', async () => {
    const broker = startBroker()
    await create(broker, 'x')
    const topicId = broker.catalogue.topic('x')?.topicId ?? ''
    const answer = await broker.ask(deleteTopicsHandler, 6, { topics: [{ name: null, topicId }], timeoutMs: 1 })
    expect(answer.responses).toMatchObject([{ name: 'x', topicId, errorCode: 'NONE' }])
  })

  test.each([
    [1, 'INVALID_REQUEST'],
    [5, 'TOPIC_DELETION_DISABLED'],
  ])('version %i is told when deletion is off', async (version, errorCode) => {
    const broker = startBroker({ 'delete.topic.enable': 'false' })
    await create(broker, 'x')
    const answer = await broker.ask(deleteTopicsHandler, version, { topicNames: ['x'], timeoutMs: 1 })
    expect(answer.responses[0]).toMatchObject({ name: 'x', errorCode })
    expect(broker.catalogue.topic('x')).toBeDefined()
  })
})

test.each(versionsOf(createPartitionsHandler))('CreatePartitions %i adds partitions', async (version) => {
  const broker = startBroker()
  await create(broker, 'x')
  const topics = [
    { name: 'x', count: 5, assignments: null },
    { name: 'nobody', count: 5, assignments: null },
  ]
  const answer = await broker.ask(createPartitionsHandler, version, { topics, timeoutMs: 1, validateOnly: false })
  expect(answer.results.map(({ errorCode }) => errorCode)).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'])
  expect(broker.catalogue.topic('x')?.partitionCount).toBe(5)
})

describe('configurations', () => {
  test.each(versionsOf(incrementalAlterConfigsHandler))(
    'IncrementalAlterConfigs %i changes and refuses',
    async (version) => {
      const broker = startBroker()
      await create(broker, 'x')
      const set = (name: string, value: string) => ({ name, configOperation: 0, value })
      const answer = await broker.ask(incrementalAlterConfigsHandler, version, {
        resources: [
          { resourceType: TOPIC, resourceName: 'x', configs: [set('retention.ms', '5')] },
          { resourceType: TOPIC, resourceName: 'nobody', configs: [set('retention.ms', '5')] },
          { resourceType: 32, resourceName: 'a group', configs: [] },
          { resourceType: BROKER, resourceName: '', configs: [set('log.retention.ms', '6')] },
          { resourceType: BROKER, resourceName: '1', configs: [set('node.id', '6')] },
          { resourceType: TOPIC, resourceName: 'x.', configs: [{ name: 'a', configOperation: 9, value: 'b' }] },
        ],
        validateOnly: false,
      })
      expect(answer.responses.map(({ errorCode }) => errorCode)).toEqual([
        'NONE',
        'UNKNOWN_TOPIC_OR_PARTITION',
        'INVALID_REQUEST',
        'NONE',
        'INVALID_REQUEST',
        'UNKNOWN_TOPIC_OR_PARTITION',
      ])
      expect(answer.responses[2]).toMatchObject({ resourceType: 32, resourceName: 'a group' })
      expect(broker.catalogue.topic('x')?.configs.get('retention.ms')).toBe('5')
      expect(broker.services.config.logRetentionMs).toBe(6)
    },
  )

  test.each(versionsOf(alterConfigsHandler))('AlterConfigs %i replaces all settings', async (version) => {
    const broker = startBroker()
    await create(broker, 'x')
    const alter = (name: string, value: string) =>
      broker.ask(alterConfigsHandler, version, {
        resources: [{ resourceType: TOPIC, resourceName: 'x', configs: [{ name, value }] }],
        validateOnly: false,
      })
    await alter('retention.ms', '5')
    await alter('segment.ms', '6')
    expect([...(broker.catalogue.topic('x')?.configs ?? [])]).toEqual([['segment.ms', '6']])
  })

  test.each(versionsOf(describeConfigsHandler))(
    'DescribeConfigs %i tells value, source and synonyms',
    async (version) => {
      const broker = startBroker({ 'log.retention.hours': '2' })
      await create(broker, 'x')
      const retentionOf = async () => {
        const answer = await broker.ask(describeConfigsHandler, version, {
          resources: [{ resourceType: TOPIC, resourceName: 'x', configurationKeys: ['retention.ms'] }],
          includeSynonyms: true,
          includeDocumentation: true,
        })
        expect(answer.results[0]).toMatchObject({ errorCode: 'NONE', resourceName: 'x' })
        expect(answer.results[0]?.configs).toHaveLength(1)
        return answer.results[0]?.configs[0]
      }
      const STATIC = { name: 'log.retention.hours', value: '2', source: 4 }
      const DEFAULT = { name: 'log.retention.hours', value: '168', source: 5 }
      expect(await retentionOf()).toMatchObject({ value: '7200000', configSource: 4, synonyms: [STATIC, DEFAULT] })
      await broker.ask(incrementalAlterConfigsHandler, 1, {
        resources: [
          {
            resourceType: BROKER,
            resourceName: '1',
            configs: [{ name: 'log.retention.ms', configOperation: 0, value: '9' }],
          },
        ],
        validateOnly: false,
      })
      const DYNAMIC = { name: 'log.retention.ms', value: '9', source: 2 }
      expect(await retentionOf()).toMatchObject({ value: '9', configSource: 2, synonyms: [DYNAMIC, STATIC, DEFAULT] })
      await broker.ask(incrementalAlterConfigsHandler, 1, {
        resources: [
          {
            resourceType: TOPIC,
            resourceName: 'x',
            configs: [{ name: 'retention.ms', configOperation: 0, value: '-1' }],
          },
        ],
        validateOnly: false,
      })
      const OWN = { name: 'retention.ms', value: '-1', source: 1 }
      const last = await retentionOf()
      expect(last).toMatchObject({ value: '-1', configSource: 1, synonyms: [OWN, DYNAMIC, STATIC, DEFAULT] })
      if (version >= 3) {
        expect(last?.configType).toBe(5)
        expect(last?.documentation).toMatch(/deleted/)
      }
    },
  )

  test('DescribeConfigs of the broker, of its defaults, and of what is not there', async () => {
    const broker = startBroker({ 'message.max.bytes': '5000' })
    const describeAll = (resourceType: number, resourceName: string) =>
      broker.ask(describeConfigsHandler, 4, {
        resources: [{ resourceType, resourceName, configurationKeys: null }],
        includeDocumentation: true,
      })
    const own = (await describeAll(BROKER, '1')).results[0]
    const entry = (name: string) => own?.configs.find((config) => config.name === name)
    expect(entry('message.max.bytes')).toMatchObject({ value: '5000', configSource: 4, readOnly: false, synonyms: [] })
    expect(entry('node.id')).toMatchObject({ value: '1', configSource: 5, readOnly: true, configType: 3 })
    expect(entry('log.message.timestamp.before.max.ms')?.value).toBe('9223372036854775807')
    expect(entry('log.retention.ms')?.value).toBeNull()
    expect(own?.configs.every(({ documentation }) => (documentation ?? '').length > 0)).toBe(true)
    expect((await describeAll(BROKER, '')).results[0]).toMatchObject({ errorCode: 'NONE', configs: [] })
    expect((await describeAll(BROKER, '2')).results[0]?.errorCode).toBe('INVALID_REQUEST')
    expect((await describeAll(TOPIC, 'nobody')).results[0]?.errorCode).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect((await describeAll(TOPIC, '..')).results[0]?.errorCode).toBe('INVALID_TOPIC_EXCEPTION')
    expect((await describeAll(8, '1')).results[0]?.errorCode).toBe('INVALID_REQUEST')
  })
})

test.each(versionsOf(describeClusterHandler))('DescribeCluster %i', async (version) => {
  const broker = startBroker()
  const answer = await broker.ask(describeClusterHandler, version, { includeClusterAuthorizedOperations: true })
  expect(answer).toMatchObject({
    errorCode: 'NONE',
    clusterId: 'cluster',
    controllerId: 1,
    brokers: [{ brokerId: 1, host: 'localhost', port: 9092, rack: null }],
    clusterAuthorizedOperations: 8096,
  })
  if (version >= 1) {
    const controllers = await broker.ask(describeClusterHandler, version, { endpointType: 2 })
    expect(controllers.errorCode).toBe('MISMATCHED_ENDPOINT_TYPE')
    expect((await broker.ask(describeClusterHandler, version, { endpointType: 9 })).errorCode).toBe(
      'UNSUPPORTED_ENDPOINT_TYPE',
    )
  }
})

describe('DescribeTopicPartitions', () => {
  test('pages cover everything once, in order', async () => {
    const broker = startBroker()
    await broker.ask(createTopicsHandler, 7, { topics: [newTopic('b', 5), newTopic('a', 3), newTopic('c', 4)] })
    const seen: string[] = []
    let cursor: { topicName: string; partitionIndex: number } | null = null
    let pages = 0
    do {
      const answer: Awaited<ReturnType<typeof ask>> = await ask(cursor)
      const partitions = answer.topics.flatMap(({ name, partitions: list }) =>
        list.map(({ partitionIndex }) => `${name}-${partitionIndex}`),
      )
      expect(partitions.length).toBeLessThanOrEqual(4)
      seen.push(...partitions)
      cursor = answer.nextCursor
      pages += 1
    } while (cursor !== null)
    expect(seen).toEqual(['a-0', 'a-1', 'a-2', 'b-0', 'b-1', 'b-2', 'b-3', 'b-4', 'c-0', 'c-1', 'c-2', 'c-3'])
    expect(pages).toBe(3)

    function ask(from: typeof cursor) {
      return broker.ask(describeTopicPartitionsHandler, 0, { topics: [], responsePartitionLimit: 4, cursor: from })
    }
  })

  test('unknown names, bad names and unusable cursors', async () => {
    const broker = startBroker()
    await create(broker, 'x')
    const ask = (names: string[], cursor: { topicName: string; partitionIndex: number } | null) =>
      broker.ask(describeTopicPartitionsHandler, 0, { topics: names.map((name) => ({ name })), cursor })
    expect((await ask(['x', 'nobody', 'bad name'], null)).topics.map(({ errorCode }) => errorCode)).toEqual([
      'INVALID_TOPIC_EXCEPTION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'NONE',
    ])
    expect((await ask(['x'], { topicName: 'y', partitionIndex: 0 })).topics[0]?.errorCode).toBe('INVALID_REQUEST')
    expect((await ask(['x'], { topicName: 'x', partitionIndex: -1 })).topics[0]?.errorCode).toBe('INVALID_REQUEST')
    const beyond = await ask(['x'], { topicName: 'x', partitionIndex: 2_000_000_000 })
    expect(beyond.topics[0]?.partitions).toEqual([])
    expect(beyond.nextCursor).toBeNull()
  })
})

describe('UpdateFeatures', () => {
  test.each(versionsOf(updateFeaturesHandler))('version %i goes down and up', async (version) => {
    const broker = startBroker()
    const update = (maxVersionLevel: number, upgradeType: number) =>
      broker.ask(updateFeaturesHandler, version, {
        featureUpdates: [
          {
            feature: 'transaction.version',
            maxVersionLevel,
            ...(version === 0 ? { allowDowngrade: upgradeType !== 1 } : { upgradeType }),
          },
        ],
      })
    const refused = await update(1, 1)
    expect(refused.errorCode).toBe('INVALID_UPDATE_VERSION')
    expect(refused.errorMessage).toMatch(/The update failed for all features.*Can't downgrade/)
    const downgraded = await update(1, 2)
    expect(downgraded.errorCode).toBe('NONE')
    expect(downgraded.results).toHaveLength(version <= 1 ? 1 : 0)
    expect(broker.catalogue.featureLevel('transaction.version')).toBe(1)
    expect((await update(2, 1)).errorCode).toBe('NONE')
    expect(broker.catalogue.featureLevel('transaction.version')).toBe(2)
    if (version >= 1) expect((await update(2, 7)).errorCode).toBe('INVALID_UPDATE_VERSION')
  })
})

test('an id that is all zero names nothing', async () => {
  const broker = startBroker()
  const answer = await broker.ask(deleteTopicsHandler, 6, {
    topics: [{ name: null, topicId: ZERO_UUID }],
    timeoutMs: 1,
  })
  expect(answer.responses[0]?.errorCode).toBe('INVALID_REQUEST')
})
