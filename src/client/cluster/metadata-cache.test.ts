import { expect, test } from 'vitest'
import { heartbeat } from '../../protocol/messages/heartbeat.ts'
import type { metadata } from '../../protocol/messages/metadata.ts'
import { type ResponseOf, ZERO_UUID } from '../../protocol/schema.ts'
import { BrokerSupport } from './api-support.ts'
import { MetadataCache } from './metadata-cache.ts'

type Response = ResponseOf<typeof metadata>
type Topic = Response['topics'][number]
type Partition = Topic['partitions'][number]

const ID_A = 'AAAAAAAAAAAAAAAAAAAAAQ'
const ID_B = 'AAAAAAAAAAAAAAAAAAAAAg'

function partition(partitionIndex: number, leaderId = 1, leaderEpoch = 5): Partition {
  const errorCode = 'NONE' as const
  return { errorCode, partitionIndex, leaderId, leaderEpoch, replicaNodes: [1], isrNodes: [1], offlineReplicas: [] }
}

function topic(name: string | null, partitions: Partition[], more: Partial<Topic> = {}): Topic {
  const errorCode = 'NONE' as const
  return { errorCode, name, topicId: ID_A, isInternal: false, partitions, topicAuthorizedOperations: 0, ...more }
}

function answer(topics: Topic[], brokers: [nodeId: number, host: string, port: number][] = [[1, 'a', 1]]): Response {
  return {
    throttleTimeMs: 0,
    brokers: brokers.map(([nodeId, host, port]) => ({ nodeId, host, port, rack: null })),
    clusterId: 'c',
    controllerId: 1,
    topics,
    clusterAuthorizedOperations: 0,
    errorCode: 'NONE',
  }
}

function learned(...answers: Response[]): { cache: MetadataCache; problems: readonly string[] } {
  const cache = new MetadataCache()
  let problems: readonly string[] = []
  for (const one of answers) problems = cache.learn(one)
  return { cache, problems }
}

const leaders = (cache: MetadataCache, name = 't'): (number | undefined)[] | undefined =>
  cache.topic(name)?.partitions.map(({ leaderId }) => leaderId)

test('partitions are known by number, in whatever order they come', () => {
  const { cache } = learned(answer([topic('t', [partition(2, 30), partition(0, 10), partition(1, 20)])]))
  expect(leaders(cache)).toEqual([10, 20, 30])
})

test.each([
  ['a gap', [partition(0), partition(2)]],
  ['one twice', [partition(0), partition(0)]],
  ['a negative one', [partition(-1), partition(0)]],
])('partitions with %s are not believed, and what was known stays', (_, partitions) => {
  const { cache, problems } = learned(answer([topic('t', [partition(0, 7)])]), answer([topic('t', partitions)]))
  expect(cache.topic('t')?.error).toMatchObject({ code: 'INVALID_RESPONSE', recovery: 'refresh' })
  expect(leaders(cache)).toEqual([7])
  expect(problems).toHaveLength(1)
})

test('a topic that comes twice in an answer is what the later says', () => {
  const { cache } = learned(answer([topic('t', [partition(0, 1)]), topic('t', [partition(0, 2)])]))
  expect(leaders(cache)).toEqual([2])
})

test('no leader is no node', () => {
  expect(leaders(learned(answer([topic('t', [partition(0, -1)])])).cache)).toEqual([undefined])
})

test.each([
  ['an older leader epoch', 4, 7],
  ['the same leader epoch', 5, 8],
  ['a newer leader epoch', 6, 8],
  ['no leader epoch', -1, 8],
])('%s: the leader is the right one', (_, leaderEpoch, leaderId) => {
  const { cache } = learned(
    answer([topic('t', [partition(0, 7)])]),
    answer([topic('t', [partition(0, 8, leaderEpoch)])]),
  )
  expect(leaders(cache)).toEqual([leaderId])
})

test('an older leader epoch is not believed after an answer without partitions either', () => {
  const { cache } = learned(
    answer([topic('t', [partition(0, 7)])]),
    answer([topic('t', [], { errorCode: 'LEADER_NOT_AVAILABLE' })]),
    answer([topic('t', [partition(0, 8, 4)])]),
  )
  expect(leaders(cache)).toEqual([7])
})

test('a topic that was created again is another one: its epochs begin anew, and its old id is nobody’s', () => {
  const { cache } = learned(
    answer([topic('t', [partition(0, 7)])]),
    answer([topic('t', [partition(0, 8, 0)], { topicId: ID_B })]),
  )
  expect(leaders(cache)).toEqual([8])
  expect(cache.topicById(ID_A)).toBeUndefined()
  expect(cache.topicById(ID_B)?.name).toBe('t')
})

test('without topic ids, a topic is told by its name', () => {
  const old = answer([topic('t', [partition(0, 7)], { topicId: ZERO_UUID })])
  const older = answer([topic('t', [partition(0, 8, 4)], { topicId: ZERO_UUID })])
  expect(leaders(learned(old, older).cache)).toEqual([7])
})

test('an error stands instead of partitions, and ends with the next answer', () => {
  const gone = answer([topic('t', [], { errorCode: 'UNKNOWN_TOPIC_OR_PARTITION', topicId: ZERO_UUID })])
  const there = answer([topic('t', [partition(0, 7)])])
  const { cache } = learned(there, gone)
  expect(cache.topic('t')?.error?.code).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect(cache.topicById(ID_A)).toBeUndefined()
  cache.learn(there)
  expect(cache.topic('t')?.error).toBeUndefined()
  expect(leaders(cache)).toEqual([7])
})

test.each([
  ['with control characters', 'evil\r\nHost: x', 9092],
  ['with a blank', 'a b', 9092],
  ['without a name', '', 9092],
  ['that is too long', 'a'.repeat(256), 9092],
  ['at port 0', 'a', 0],
  ['at a negative port', 'a', -1],
  ['at a port that is none', 'a', 65_536],
])('a broker %s is none', (_, host, port) => {
  const { cache, problems } = learned(
    answer(
      [],
      [
        [1, host, port],
        [2, 'b', 9092],
      ],
    ),
  )
  expect([...cache.brokers.keys()]).toEqual([2])
  expect(problems).toHaveLength(1)
  expect(cache.learnBroker({ nodeId: 3, host, port, rack: null })).toBe(false)
})

test('a broker without a node id is none', () => {
  expect(learned(answer([], [[-1, 'a', 9092]])).cache.brokers.size).toBe(0)
})

test('an answer without brokers keeps those that were known', () => {
  expect([...learned(answer([]), answer([], [])).cache.brokers.keys()]).toEqual([1])
})

test('brokers that an answer does not name are gone, with what was known of their versions', () => {
  const cache = new MetadataCache()
  cache.learn(answer([]))
  const apiKeys = [{ apiKey: heartbeat.key, minVersion: 0, maxVersion: 3 }]
  const support = { errorCode: 'NONE' as const, apiKeys, throttleTimeMs: 0, supportedFeatures: [] }
  const rest = { finalizedFeaturesEpoch: -1, finalizedFeatures: [], zkMigrationReady: false }
  cache.learnSupport(1, new BrokerSupport({ ...support, ...rest }))
  expect(cache.apiVersion(1, heartbeat)).toBe(3)
  cache.learn(answer([], [[2, 'b', 2]]))
  expect([...cache.brokers.keys()]).toEqual([2])
  expect(cache.apiVersion(1, heartbeat)).toBeUndefined()
})

test('the controller is unknown when the answer says so', () => {
  expect(learned({ ...answer([]), controllerId: -1 }).cache.controllerId).toBeUndefined()
})

test('topics that were not asked for are not kept', () => {
  const cache = new MetadataCache()
  const problems = cache.learn(answer([topic('t', [partition(0)]), topic('spam', [partition(0)])]), new Set(['t']))
  expect(cache.topic('spam')).toBeUndefined()
  expect(cache.topic('t')?.error).toBeUndefined()
  expect(problems).toHaveLength(1)
})

test('a topic that was asked for and not answered is unknown, unless something was known of it', () => {
  const cache = new MetadataCache()
  cache.learn(answer([]), new Set(['t']))
  expect(cache.topic('t')?.error?.code).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  cache.learn(answer([topic('t', [partition(0, 7)])]), new Set(['t']))
  cache.learn(answer([]), new Set(['t']))
  expect(leaders(cache)).toEqual([7])
})

test('an answer about an id that nobody knows is no topic', () => {
  const { cache } = learned(answer([topic(null, [], { errorCode: 'UNKNOWN_TOPIC_ID' })]))
  expect(cache.topicById(ID_A)).toBeUndefined()
})

test('the revision grows with every answer, so that nobody misses one', () => {
  const cache = new MetadataCache()
  const revisions = [cache.revision]
  cache.learn(answer([]))
  revisions.push(cache.revision)
  cache.learnBroker({ nodeId: 9, host: 'h', port: 1, rack: null })
  revisions.push(cache.revision)
  cache.forgetBrokers()
  revisions.push(cache.revision)
  expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
  expect(new Set(revisions).size).toBe(4)
})

test('features are those of the newest epoch', () => {
  const cache = new MetadataCache()
  const learn = (epoch: number, level: number): void =>
    cache.learnSupport(
      1,
      new BrokerSupport({
        errorCode: 'NONE',
        apiKeys: [],
        throttleTimeMs: 0,
        supportedFeatures: [],
        finalizedFeaturesEpoch: epoch,
        finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: level, minVersionLevel: 0 }],
        zkMigrationReady: false,
      }),
    )
  learn(5, 2)
  learn(4, 1)
  expect(cache.featureLevel('transaction.version')).toBe(2)
  learn(6, 1)
  expect(cache.featureLevel('transaction.version')).toBe(1)
})
