import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatOption } from '../../base/options.ts'
import type { Option } from '../../base/options.ts'
import { decodeCatalogueRecord, encodeCatalogueRecord } from './catalogue-records.ts'
import type { CatalogueRecord } from './catalogue-records.ts'
import { Catalogue } from './catalogue.ts'
import type { CatalogueResult, NewTopic, TopicResult } from './catalogue.ts'
import type { ConfigOperation } from './config-changes.ts'
import type { FeatureUpdate } from './features.ts'
import { TOPIC_OPTIONS } from './topic-config.ts'
import type { TopicConfig } from './topic-config.ts'

const NODE_ID = 1
const DEFAULTS = Object.fromEntries(
  Object.entries(TOPIC_OPTIONS).map(([key, option]) => [key, (option as Option).default]),
) as TopicConfig

const BROKER_OPTION: Option = { name: 'log.cleanup.policy', type: 'list', default: ['delete'], doc: '', dynamic: true }

/** A catalogue with what a shell does around it: records are encoded, decoded and replayed at once. */
class Harness {
  readonly log: CatalogueRecord[] = []
  readonly catalogue: Catalogue
  #ids = 0

  constructor(maxPartitions = 20_000) {
    this.catalogue = new Catalogue({
      nodeId: NODE_ID,
      maxPartitions,
      defaultPartitionCount: () => 3,
      topicDefaults: () => DEFAULTS,
      brokerOption: (name) => (name === BROKER_OPTION.name ? BROKER_OPTION : undefined),
      brokerConfigProblem: (texts) =>
        [...texts.keys()].some((name) => name !== BROKER_OPTION.name)
          ? { error: 'INVALID_REQUEST', message: 'Cannot update these configs dynamically' }
          : undefined,
    })
  }

  commit<Reply>({ records, reply }: CatalogueResult<Reply>): Reply {
    for (const record of records) {
      const { key, value } = encodeCatalogueRecord(record)
      const stored = decodeCatalogueRecord(key, value)
      deepStrictEqual({ ...stored }, record)
      this.log.push(record)
      this.catalogue.replay(record)
    }
    return reply
  }

  create(...topics: readonly Partial<NewTopic>[]): TopicResult[] {
    return this.createAs('client', false, ...topics)
  }

  createAs(origin: 'client' | 'broker', validateOnly: boolean, ...topics: readonly Partial<NewTopic>[]): TopicResult[] {
    return this.commit(
      this.catalogue.decideCreateTopics(
        topics.map((topic) => ({
          name: 'orders',
          partitionCount: -1,
          replicationFactor: -1,
          assignments: [],
          configs: [],
          ...topic,
        })),
        { origin, validateOnly, newTopicId: () => this.newId() },
      ),
    )
  }

  errorOf(topic: Partial<NewTopic>): string {
    return this.create(topic)[0]?.error ?? 'no result'
  }

  alter(type: 'topic' | 'broker', name: string, ...operations: readonly ConfigOperation[]) {
    return this.commit(
      this.catalogue.decideAlterConfigs([{ resource: { type, name }, operations }], { validateOnly: false }),
    )[0]
  }

  newId(): string {
    this.#ids += 1
    return Buffer.alloc(16, this.#ids).toString('base64url')
  }
}

describe('starting', () => {
  test('the first start makes a cluster, later ones keep it and raise the epoch', () => {
    const harness = new Harness()
    expect(harness.commit(harness.catalogue.decideStart(() => 'cluster-a'))).toEqual({
      clusterId: 'cluster-a',
      brokerEpoch: 1,
    })
    expect(harness.commit(harness.catalogue.decideStart(() => 'cluster-b'))).toEqual({
      clusterId: 'cluster-a',
      brokerEpoch: 2,
    })
    expect(harness.catalogue.brokerEpoch).toBe(2)
    expect(harness.catalogue.featureLevel('transaction.version')).toBe(2)
  })

  test('an epoch that is not new is our own mistake', () => {
    const { catalogue } = new Harness()
    const record: CatalogueRecord = { kind: 'brokerEpoch', name: '', value: { brokerEpoch: 1 } }
    catalogue.replay(record)
    expect(() => catalogue.replay(record)).toThrow(/is not new/)
  })
})

describe('creating topics', () => {
  test('defaults are filled in', () => {
    const harness = new Harness()
    expect(harness.create({ name: 'orders' })[0]).toMatchObject({ error: 'NONE', topic: { partitionCount: 3 } })
    const topic = harness.catalogue.topic('orders')
    expect(topic).toBe(harness.catalogue.topicById(topic?.topicId ?? ''))
    expect(harness.catalogue.partitionCount).toBe(3)
  })

  test.each([
    ['', 'INVALID_TOPIC_EXCEPTION'],
    ['.', 'INVALID_TOPIC_EXCEPTION'],
    ['..', 'INVALID_TOPIC_EXCEPTION'],
    ['../x', 'INVALID_TOPIC_EXCEPTION'],
    ['a b', 'INVALID_TOPIC_EXCEPTION'],
    ['ä', 'INVALID_TOPIC_EXCEPTION'],
    ['x'.repeat(250), 'INVALID_TOPIC_EXCEPTION'],
    ['x'.repeat(249), 'NONE'],
    ['A-z_0.9', 'NONE'],
    ['__consumer_offsets', 'INVALID_REQUEST'],
    ['__cluster_metadata', 'INVALID_REQUEST'],
  ])('the name %j gives %s', (name, error) => {
    expect(new Harness().errorOf({ name })).toBe(error)
  })

  test.each<[string, Partial<NewTopic>, string]>([
    ['0 partitions', { partitionCount: 0 }, 'INVALID_PARTITIONS'],
    ['-2 partitions', { partitionCount: -2 }, 'INVALID_PARTITIONS'],
    ['10^6 partitions', { partitionCount: 1_000_000 }, 'POLICY_VIOLATION'],
    ['replication factor 3', { replicationFactor: 3 }, 'INVALID_REPLICATION_FACTOR'],
    ['replication factor 0', { replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR'],
    ['replication factor 1', { replicationFactor: 1 }, 'NONE'],
    ['an unknown option', { configs: [{ name: 'cleanup.polic', value: 'compact' }] }, 'INVALID_CONFIG'],
    ['a bad value', { configs: [{ name: 'retention.ms', value: 'long' }] }, 'INVALID_CONFIG'],
    ['a path as value', { configs: [{ name: 'cleanup.policy', value: '../../etc/passwd' }] }, 'INVALID_CONFIG'],
    ['no value', { configs: [{ name: 'retention.ms', value: null }] }, 'INVALID_CONFIG'],
    [
      'contradicting lags',
      {
        configs: [
          { name: 'min.compaction.lag.ms', value: '2' },
          { name: 'max.compaction.lag.ms', value: '1' },
        ],
      },
      'INVALID_CONFIG',
    ],
    ['tiered storage', { configs: [{ name: 'remote.storage.enable', value: 'true' }] }, 'INVALID_CONFIG'],
    [
      'an option twice',
      {
        configs: [
          { name: 'retention.ms', value: '1' },
          { name: 'retention.ms', value: '2' },
        ],
      },
      'INVALID_REQUEST',
    ],
    ['assignments', { assignments: [{ partitionIndex: 0, brokerIds: [NODE_ID] }] }, 'NONE'],
    [
      'assignments with a count',
      { partitionCount: 1, assignments: [{ partitionIndex: 0, brokerIds: [NODE_ID] }] },
      'INVALID_REQUEST',
    ],
    [
      'assignment to another node',
      { assignments: [{ partitionIndex: 0, brokerIds: [2] }] },
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    [
      'assignment to one node twice',
      { assignments: [{ partitionIndex: 0, brokerIds: [NODE_ID, NODE_ID] }] },
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    ['assignment to nobody', { assignments: [{ partitionIndex: 0, brokerIds: [] }] }, 'INVALID_REPLICA_ASSIGNMENT'],
    ['a gap', { assignments: [{ partitionIndex: 1, brokerIds: [NODE_ID] }] }, 'INVALID_REPLICA_ASSIGNMENT'],
  ])('%s', (_, topic, error) => {
    const harness = new Harness()
    expect(harness.errorOf(topic)).toBe(error)
    expect(harness.log.length).toBe(error === 'NONE' ? 1 : 0)
  })

  test('a name that exists, or differs only in . and _, is refused', () => {
    const harness = new Harness()
    harness.create({ name: 'a.b' })
    expect(harness.errorOf({ name: 'a.b' })).toBe('TOPIC_ALREADY_EXISTS')
    expect(harness.errorOf({ name: 'a_b' })).toBe('INVALID_TOPIC_EXCEPTION')
    expect(harness.create({ name: 'c.d' }, { name: 'c_d' }).map(({ error }) => error)).toEqual([
      'NONE',
      'INVALID_TOPIC_EXCEPTION',
    ])
    harness.commit(harness.catalogue.decideDeleteTopics([{ name: 'a.b', topicId: null }]))
    expect(harness.errorOf({ name: 'a_b' })).toBe('NONE')
  })

  test('a name twice in one request is answered once, and the others are created', () => {
    const harness = new Harness()
    const results = harness.create({ name: 'x' }, { name: 'y' }, { name: 'x' })
    expect(results.map(({ name, error }) => [name, error])).toEqual([
      ['x', 'INVALID_REQUEST'],
      ['y', 'NONE'],
    ])
  })

  test('validateOnly answers as if, and creates nothing', () => {
    const harness = new Harness()
    expect(harness.createAs('client', true, { name: 'x' })[0]?.error).toBe('NONE')
    expect(harness.catalogue.topic('x')).toBeUndefined()
  })

  test('the limit of all partitions counts those created earlier in the same request', () => {
    const harness = new Harness(5)
    const results = harness.create(
      { name: 'x', partitionCount: 4 },
      { name: 'y', partitionCount: 2 },
      { name: 'z', partitionCount: 1 },
    )
    expect(results.map(({ error }) => error)).toEqual(['NONE', 'POLICY_VIOLATION', 'NONE'])
  })

  test('only the broker creates internal topics, and nobody deletes or grows them', () => {
    const harness = new Harness()
    const name = '__transaction_state'
    const [result] = harness.createAs('broker', false, { name, partitionCount: 50 })
    expect(result?.topic?.isInternal).toBe(true)
    expect(harness.commit(harness.catalogue.decideDeleteTopics([{ name, topicId: null }]))[0]?.error).toBe(
      'INVALID_REQUEST',
    )
    const grow = harness.catalogue.decideCreatePartitions([{ name, count: 51, assignments: null }], {
      validateOnly: false,
    })
    expect(harness.commit(grow)[0]?.error).toBe('INVALID_REQUEST')
  })
})

describe('deleting topics', () => {
  test('by name, by id, and everything that is wrong', () => {
    const harness = new Harness()
    harness.create({ name: 'x' }, { name: 'y' }, { name: 'z' })
    const idOf = (name: string) => harness.catalogue.topic(name)?.topicId ?? null
    const unknownId = harness.newId()
    const results = harness.commit(
      harness.catalogue.decideDeleteTopics([
        { name: 'x', topicId: null },
        { name: null, topicId: idOf('y') },
        { name: 'nobody', topicId: null },
        { name: null, topicId: unknownId },
        { name: null, topicId: null },
        { name: 'z', topicId: idOf('z') },
      ]),
    )
    expect(results.map(({ error }) => error)).toEqual([
      'NONE',
      'NONE',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
    ])
    expect(results[1]?.name).toBe('y')
    expect(Array.from(harness.catalogue.topics(), ({ name }) => name)).toEqual(['z'])
    expect(harness.catalogue.partitionCount).toBe(3)
  })

  test('one topic named by name and by id is not deleted', () => {
    const harness = new Harness()
    harness.create({ name: 'x' })
    const topicId = harness.catalogue.topic('x')?.topicId ?? null
    const results = harness.commit(
      harness.catalogue.decideDeleteTopics([
        { name: 'x', topicId: null },
        { name: null, topicId },
      ]),
    )
    expect(results.map(({ error }) => error)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    expect(harness.catalogue.topic('x')).toBeDefined()
  })

  test('a topic created again under the same name has another id', () => {
    const harness = new Harness()
    harness.create({ name: 'x' })
    const firstId = harness.catalogue.topic('x')?.topicId ?? ''
    harness.commit(harness.catalogue.decideDeleteTopics([{ name: 'x', topicId: null }]))
    harness.create({ name: 'x' })
    expect(harness.catalogue.topicById(firstId)).toBeUndefined()
    expect(harness.catalogue.topic('x')?.topicId).not.toBe(firstId)
  })
})

describe('adding partitions', () => {
  const increase = (harness: Harness, count: number, assignments: { brokerIds: number[] }[] | null = null) =>
    harness.commit(
      harness.catalogue.decideCreatePartitions([{ name: 'x', count, assignments }], { validateOnly: false }),
    )[0]?.error

  test('only upwards, within the limit, to this node', () => {
    const harness = new Harness(10)
    expect(increase(harness, 4)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    harness.create({ name: 'x', partitionCount: 3 })
    expect(increase(harness, 3)).toBe('INVALID_PARTITIONS')
    expect(increase(harness, 2)).toBe('INVALID_PARTITIONS')
    expect(increase(harness, -5)).toBe('INVALID_PARTITIONS')
    expect(increase(harness, 11)).toBe('POLICY_VIOLATION')
    expect(increase(harness, 5, [{ brokerIds: [1] }])).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(increase(harness, 4, [{ brokerIds: [7] }])).toBe('INVALID_REPLICA_ASSIGNMENT')
    const topicId = harness.catalogue.topic('x')?.topicId
    expect(increase(harness, 5, [{ brokerIds: [1] }, { brokerIds: [1] }])).toBe('NONE')
    expect(harness.catalogue.topic('x')).toMatchObject({ partitionCount: 5, topicId })
    expect(harness.catalogue.partitionCount).toBe(5)
  })
})

describe('altering configurations', () => {
  test('set, append, subtract and delete', () => {
    const harness = new Harness()
    harness.create({ name: 'x' })
    const policy = () => harness.catalogue.topic('x')?.configs.get('cleanup.policy')
    harness.alter('topic', 'x', { name: 'cleanup.policy', type: 'APPEND', value: 'compact' })
    expect(policy()).toBe('delete,compact')
    harness.alter('topic', 'x', { name: 'cleanup.policy', type: 'SUBTRACT', value: 'delete' })
    expect(policy()).toBe('compact')
    harness.alter('topic', 'x', { name: 'cleanup.policy', type: 'DELETE', value: null })
    expect(policy()).toBeUndefined()
    harness.alter('topic', 'x', { name: 'retention.ms', type: 'SET', value: '-1' })
    const topic = harness.catalogue.topic('x')
    expect(topic === undefined ? undefined : harness.catalogue.topicConfig(topic).retentionMs).toBe(-1)
  })

  test.each<[string, 'topic' | 'broker', string, ConfigOperation, string]>([
    [
      'an unknown topic',
      'topic',
      'nobody',
      { name: 'retention.ms', type: 'SET', value: '1' },
      'UNKNOWN_TOPIC_OR_PARTITION',
    ],
    ['a bad topic name', 'topic', '../x', { name: 'retention.ms', type: 'SET', value: '1' }, 'INVALID_TOPIC_EXCEPTION'],
    ['an unknown option', 'topic', 'x', { name: 'foo', type: 'SET', value: '1' }, 'INVALID_CONFIG'],
    ['a value out of range', 'topic', 'x', { name: 'segment.bytes', type: 'SET', value: '1' }, 'INVALID_CONFIG'],
    ['APPEND to what is no list', 'topic', 'x', { name: 'retention.ms', type: 'APPEND', value: '1' }, 'INVALID_CONFIG'],
    ['SET without a value', 'topic', 'x', { name: 'retention.ms', type: 'SET', value: null }, 'INVALID_REQUEST'],
    ['an unknown operation', 'topic', 'x', { name: 'retention.ms', type: undefined, value: '1' }, 'INVALID_REQUEST'],
    ['another broker', 'broker', '7', { name: 'log.cleanup.policy', type: 'SET', value: 'compact' }, 'INVALID_REQUEST'],
    ['a fixed broker option', 'broker', '1', { name: 'node.id', type: 'SET', value: '2' }, 'INVALID_REQUEST'],
    ['a broker option', 'broker', '1', { name: 'log.cleanup.policy', type: 'SET', value: 'compact' }, 'NONE'],
    [
      'the default of all brokers',
      'broker',
      '',
      { name: 'log.cleanup.policy', type: 'APPEND', value: 'compact' },
      'NONE',
    ],
  ])('%s', (_, type, name, operation, error) => {
    const harness = new Harness()
    harness.create({ name: 'x' })
    expect(harness.alter(type, name, operation)?.error).toBe(error)
  })

  test('a replacement puts what it does not name back to the default', () => {
    const harness = new Harness()
    harness.create({ name: 'x', configs: [{ name: 'retention.ms', value: '1000' }] })
    const change = {
      resource: { type: 'topic' as const, name: 'x' },
      operations: [{ name: 'segment.ms', type: 'SET' as const, value: '5' }],
      isReplacement: true,
    }
    harness.commit(harness.catalogue.decideAlterConfigs([change], { validateOnly: false }))
    expect([...(harness.catalogue.topic('x')?.configs ?? [])]).toEqual([['segment.ms', '5']])
    const twice = harness.catalogue.decideAlterConfigs([change, change], { validateOnly: false })
    expect(twice.reply.map(({ error }) => error)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    expect(twice.records).toEqual([])
  })

  test('settings of the broker are kept by node and for all nodes', () => {
    const harness = new Harness()
    harness.alter('broker', '1', { name: 'log.cleanup.policy', type: 'SET', value: 'compact' })
    expect(harness.catalogue.brokerConfigs('1').get('log.cleanup.policy')).toBe('compact')
    expect(harness.catalogue.brokerConfigs('').size).toBe(0)
    harness.alter('broker', '1', { name: 'log.cleanup.policy', type: 'DELETE', value: null })
    expect(harness.catalogue.brokerConfigs('1').size).toBe(0)
  })
})

describe('features', () => {
  const started = () => {
    const harness = new Harness()
    harness.commit(harness.catalogue.decideStart(() => 'c'))
    return harness
  }
  const update = (harness: Harness, ...updates: readonly FeatureUpdate[]) =>
    harness.commit(harness.catalogue.decideUpdateFeatures(updates, { validateOnly: false }))
  const to = (level: number, upgradeType: FeatureUpdate['upgradeType']) => ({
    name: 'transaction.version',
    level,
    upgradeType,
  })

  test('each change raises the features epoch; a change to the same level does not', () => {
    const harness = started()
    const before = harness.catalogue.finalizedFeaturesEpoch
    expect(before).toBeGreaterThan(0)
    expect(update(harness, to(1, 'SAFE_DOWNGRADE'))).toBeUndefined()
    expect(harness.catalogue.featureLevel('transaction.version')).toBe(1)
    expect(harness.catalogue.finalizedFeaturesEpoch).toBe(before + 1)
    expect(update(harness, to(1, 'UPGRADE'))).toBeUndefined()
    expect(harness.catalogue.finalizedFeaturesEpoch).toBe(before + 1)
    expect(update(harness, to(0, 'UNSAFE_DOWNGRADE'))).toBeUndefined()
    expect(harness.catalogue.finalizedFeatures().map(({ name }) => name)).not.toContain('transaction.version')
    expect(update(harness, to(2, 'UPGRADE'))).toBeUndefined()
    expect(harness.catalogue.featureLevel('transaction.version')).toBe(2)
  })

  test.each<[string, FeatureUpdate, RegExp]>([
    ['a downgrade called an upgrade', to(1, 'UPGRADE'), /without setting the upgrade type/],
    ['a level that is not supported', to(3, 'UPGRADE'), /only supports versions 0-2/],
    ['a negative level', to(-1, 'SAFE_DOWNGRADE'), /less than 0/],
    ['an unknown upgrade type', to(1, undefined), /upgrade type/],
    ['an unknown feature', { name: 'foo', level: 1, upgradeType: 'UPGRADE' }, /does not support this feature/],
    [
      'metadata.version',
      { name: 'metadata.version', level: 29, upgradeType: 'SAFE_DOWNGRADE' },
      /only supports versions 30-30/,
    ],
  ])('%s is refused with the reason', (_, change, reason) => {
    const refusal = update(started(), change)
    expect(refusal).toEqual({ error: 'INVALID_UPDATE_VERSION', message: expect.stringMatching(reason) })
  })

  test('one bad update refuses all, and validateOnly changes nothing', () => {
    const harness = started()
    const updates = [to(1, 'SAFE_DOWNGRADE'), { name: 'foo', level: 1, upgradeType: 'UPGRADE' as const }]
    expect(update(harness, ...updates)?.error).toBe('INVALID_UPDATE_VERSION')
    expect(harness.catalogue.featureLevel('transaction.version')).toBe(2)
    expect(harness.catalogue.decideUpdateFeatures([to(1, 'SAFE_DOWNGRADE')], { validateOnly: true })).toEqual({
      records: [],
      reply: undefined,
    })
  })
})

test('blocks of producer ids never overlap', () => {
  const harness = new Harness()
  const blocks = [1, 2, 3].map(() => harness.commit(harness.catalogue.decideReserveProducerIds()))
  expect(blocks.map(({ firstProducerId }) => firstProducerId)).toEqual([0, 1000, 2000])
})

test('what is replayed from the log, or from the newest record of each key alone, is the same catalogue', () => {
  const action = fc.record({
    kind: fc.constantFrom('create', 'delete', 'grow', 'alter', 'feature', 'start', 'ids'),
    name: fc.constantFrom('a', 'b', 'c.d', 'c_d'),
    number: fc.integer({ min: 1, max: 9 }),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const harness = new Harness(30)
      const { catalogue } = harness
      harness.commit(catalogue.decideStart(() => 'c'))
      for (const { kind, name, number } of actions) {
        if (kind === 'create') harness.create({ name, partitionCount: number })
        else if (kind === 'delete') harness.commit(catalogue.decideDeleteTopics([{ name, topicId: null }]))
        else if (kind === 'start') harness.commit(catalogue.decideStart(() => 'c'))
        else if (kind === 'ids') harness.commit(catalogue.decideReserveProducerIds())
        else if (kind === 'alter')
          harness.alter('topic', name, { name: 'retention.ms', type: 'SET', value: String(number) })
        else if (kind === 'grow') {
          harness.commit(
            catalogue.decideCreatePartitions([{ name, count: number, assignments: null }], { validateOnly: false }),
          )
        } else {
          const upgradeType = number % 3 < catalogue.featureLevel('transaction.version') ? 'SAFE_DOWNGRADE' : 'UPGRADE'
          harness.commit(
            catalogue.decideUpdateFeatures([{ name: 'transaction.version', level: number % 3, upgradeType }], {
              validateOnly: false,
            }),
          )
        }
        const total = Array.from(catalogue.topics(), (topic) => topic.partitionCount).reduce((a, b) => a + b, 0)
        expect(catalogue.partitionCount).toBe(total)
        expect(total).toBeLessThanOrEqual(30)
      }
      const replayed = new Harness(30).catalogue
      for (const record of harness.log) replayed.replay(record)
      const newest = new Map(harness.log.map((record) => [`${record.kind} ${record.name}`, record]))
      const compacted = new Harness(30).catalogue
      for (const record of harness.log) {
        if (newest.get(`${record.kind} ${record.name}`) === record) compacted.replay(record)
      }
      expect(contentsOf(replayed)).toEqual(contentsOf(catalogue))
      expect(contentsOf(compacted)).toEqual(contentsOf(catalogue))
    }),
  )
})

function contentsOf(catalogue: Catalogue) {
  const { clusterId, brokerEpoch, finalizedFeaturesEpoch, nextProducerId, partitionCount } = catalogue
  const topics = [...catalogue.topics()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const features = catalogue.finalizedFeatures().sort((a, b) => (a.name < b.name ? -1 : 1))
  return { clusterId, brokerEpoch, finalizedFeaturesEpoch, nextProducerId, partitionCount, topics, features }
}

test('the default of every topic option is a legal value of it', () => {
  for (const option of Object.values(TOPIC_OPTIONS) as Option[]) {
    const text = formatOption(option, option.default)
    expect(new Harness().errorOf({ configs: [{ name: option.name, value: text ?? '' }] }), option.name).toBe('NONE')
  }
})
