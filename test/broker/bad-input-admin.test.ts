/** Requests of administrators that are wrong or too large (reliability.md E.3, group 22). */
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { alterConfigs } from '../../src/protocol/messages/alter-configs.ts'
import { createPartitions } from '../../src/protocol/messages/create-partitions.ts'
import { createTopics } from '../../src/protocol/messages/create-topics.ts'
import type { CreateTopicsRequestDraft } from '../../src/protocol/messages/create-topics.ts'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { describeConfigs } from '../../src/protocol/messages/describe-configs.ts'
import { describeGroups } from '../../src/protocol/messages/describe-groups.ts'
import { describeLogDirs } from '../../src/protocol/messages/describe-log-dirs.ts'
import { describeProducers } from '../../src/protocol/messages/describe-producers.ts'
import { describeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.ts'
import { describeTransactions } from '../../src/protocol/messages/describe-transactions.ts'
import { incrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.ts'
import { metadata } from '../../src/protocol/messages/metadata.ts'
import { offsetCommit } from '../../src/protocol/messages/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { besideOthers, RawPeer } from './bad-input-kit.ts'
import type { TestClient } from './test-broker.ts'

type NewTopicDraft = CreateTopicsRequestDraft['topics'][number]

async function create(client: TestClient, given: Partial<NewTopicDraft>) {
  const { topics } = await client.wire.request(createTopics, 7, {
    topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...given }],
    timeoutMs: 1000,
    validateOnly: false,
  })
  return topics[0]
}

async function errorOf(client: TestClient, given: Partial<NewTopicDraft>): Promise<ErrorCode | undefined> {
  return (await create(client, given))?.errorCode
}

async function names(client: TestClient): Promise<(string | null)[]> {
  const { topics } = await client.wire.request(metadata, 12, { topics: null, allowAutoTopicCreation: false })
  return topics.map(({ name }) => name).filter((name) => !name?.startsWith('__'))
}

const TOO_LONG = 'x'.repeat(32_767)

describe('22: CreateTopics', () => {
  test(
    'counts of partitions and replicas that one node cannot have are refused',
    besideOthers(async ({ client }) => {
      for (const numPartitions of [0, -2, -(2 ** 31)]) {
        expect(await errorOf(client, { numPartitions })).toBe('INVALID_PARTITIONS')
      }
      for (const numPartitions of [10_001, 1_000_000, 2 ** 31 - 1]) {
        expect(['POLICY_VIOLATION', 'INVALID_PARTITIONS']).toContain(await errorOf(client, { numPartitions }))
      }
      for (const replicationFactor of [0, -2, 2, 3, 32_767]) {
        expect(await errorOf(client, { replicationFactor })).toBe('INVALID_REPLICATION_FACTOR')
      }
      const assigned = { numPartitions: -1, replicationFactor: -1 }
      for (const assignments of [
        [{ partitionIndex: 0, brokerIds: [1, 2, 3] }],
        [{ partitionIndex: 0, brokerIds: [99] }],
        [{ partitionIndex: 0, brokerIds: [] }],
        [{ partitionIndex: 5, brokerIds: [1] }],
        [{ partitionIndex: -1, brokerIds: [1] }],
        [
          { partitionIndex: 0, brokerIds: [1] },
          { partitionIndex: 0, brokerIds: [1] },
        ],
      ]) {
        const error = await errorOf(client, { ...assigned, assignments })
        expect(error, JSON.stringify(assignments)).toBe('INVALID_REPLICA_ASSIGNMENT')
      }
      expect(await names(client)).toEqual(expect.arrayContaining(['calm', 't']))
      expect((await names(client)).length).toBe(2)
    }),
  )

  test(
    'the partitions of all topics together have a limit',
    besideOthers(
      async ({ client }) => {
        expect(await errorOf(client, { name: 'a', numPartitions: 60 })).toBe('POLICY_VIOLATION')
        expect(await errorOf(client, { name: 'b', numPartitions: 40 })).toBe('NONE')
        const { results } = await client.wire.request(createPartitions, 3, {
          topics: [
            { name: 'b', count: 1000, assignments: null },
            { name: 't', count: 2, assignments: null },
            { name: 'calm', count: 0, assignments: null },
            { name: 'nowhere', count: 2 ** 31 - 1, assignments: null },
            { name: '__consumer_offsets', count: 100, assignments: null },
          ],
          timeoutMs: 1000,
          validateOnly: false,
        })
        expect(results.map(({ errorCode }) => errorCode)).not.toContain('NONE')
        expect(results.map(({ errorCode }) => errorCode)).not.toContain('UNKNOWN_SERVER_ERROR')
        expect(await client.produce('b', {}, { partition: 39 })).toMatchObject({ errorCode: 'NONE' })
      },
      { properties: { 'semel.max.partitions': '150' } },
    ),
  )

  test(
    'names that would be a path, a hidden file or no name at all make neither topic nor directory',
    besideOthers(async ({ client }) => {
      const wrong = [
        '',
        '.',
        '..',
        '../x',
        '/etc/passwd',
        'a/b',
        'a\\b',
        'a\0b',
        'x'.repeat(250),
        TOO_LONG,
        '\u{1f600}',
        'a b',
      ]
      for (const name of wrong)
        expect(await errorOf(client, { name }), name.slice(0, 20)).toBe('INVALID_TOPIC_EXCEPTION')
      for (const name of ['__consumer_offsets', '__transaction_state', '__cluster_metadata']) {
        expect(await errorOf(client, { name })).not.toBe('NONE')
      }
      expect((await names(client)).length).toBe(2)
      for (const name of ['x'.repeat(249), '...', '-', '_']) {
        expect(await errorOf(client, { name }), name.slice(0, 20)).toBe('NONE')
        expect((await client.produce(name, {})).errorCode).toBe('NONE')
      }
    }),
  )

  test(
    'configuration that is unknown, out of range, a path or 32 KiB long is refused with a message that fits',
    besideOthers(async ({ client }) => {
      const wrong: readonly (readonly [string, string | null])[] = [
        ['no.such.config', '1'],
        ['', ''],
        [TOO_LONG, TOO_LONG],
        ['log.dirs', '/etc'],
        ['__proto__', '1'],
        ['constructor', '1'],
        ['cleanup.policy', '../../etc/passwd'],
        ['cleanup.policy', TOO_LONG],
        ['cleanup.policy', 'delete,'.repeat(4000)],
        ['compression.type', '/dev/zero'],
        ['retention.ms', 'soon'],
        ['retention.ms', TOO_LONG],
        ['retention.ms', null],
        ['segment.bytes', '-1'],
        ['segment.bytes', '1e99'],
        ['max.message.bytes', '99999999999999999999'],
      ]
      for (const [name, value] of wrong) {
        const made = await create(client, { configs: [{ name, value }] })
        expect(made?.errorCode, `${name.slice(0, 30)}=${value?.slice(0, 30)}`).toBe('INVALID_CONFIG')
      }
      const resources = wrong.flatMap(([name, value]) =>
        [2, 4].map((resourceType) => ({
          resourceType,
          resourceName: resourceType === 2 ? 't' : '',
          configs: [{ name, configOperation: 0, value }],
        })),
      )
      for (const resource of resources) {
        const { responses } = await client.wire.request(incrementalAlterConfigs, 1, {
          resources: [resource],
          validateOnly: false,
        })
        const what = `${resource.resourceType} ${resource.configs[0]?.name.slice(0, 30)}`
        expect(responses[0]?.errorCode, what).not.toBe('NONE')
        expect(responses[0]?.errorCode, what).not.toBe('UNKNOWN_SERVER_ERROR')
        const legacy = await client.wire.request(alterConfigs, 2, { resources: [resource], validateOnly: false })
        expect(legacy.responses[0]?.errorCode, what).not.toBe('NONE')
      }
    }),
  )

  test(
    'resources that are no topic and no broker are refused, by names of 32 KiB too',
    besideOthers(async ({ client }) => {
      for (const resourceType of [0, 2, 3, 4, 8, 16, 32, 99, -1]) {
        for (const resourceName of [TOO_LONG, '../x', '\u{1f600}']) {
          const { results } = await client.wire.request(describeConfigs, 4, {
            resources: [{ resourceType, resourceName, configurationKeys: [TOO_LONG] }],
          })
          expect(results[0]?.errorCode).not.toBe('UNKNOWN_SERVER_ERROR')
          const { responses } = await client.wire.request(incrementalAlterConfigs, 1, {
            resources: [
              { resourceType, resourceName, configs: [{ name: TOO_LONG, configOperation: 77, value: TOO_LONG }] },
            ],
            validateOnly: false,
          })
          expect(responses[0]?.errorCode).not.toBe('NONE')
        }
      }
      const many = await client.wire.request(incrementalAlterConfigs, 1, {
        resources: [
          {
            resourceType: 2,
            resourceName: 't',
            configs: Array.from({ length: 3000 }, (_, index) => ({
              name: `no.such.config.${index}`,
              configOperation: 0,
              value: null,
            })),
          },
        ],
        validateOnly: false,
      })
      expect(many.responses[0]?.errorCode).not.toBe('NONE')
    }),
  )

  test(
    'a topic named many times in one request is created, described or deleted once',
    besideOthers(async ({ client }) => {
      const topic = { name: 'twin', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
      const { topics } = await client.wire.request(createTopics, 7, {
        topics: Array<typeof topic>(10_000).fill(topic),
        timeoutMs: 1000,
        validateOnly: false,
      })
      expect(new Set(topics.map(({ errorCode }) => errorCode)).has('UNKNOWN_SERVER_ERROR')).toBe(false)
      expect(await names(client)).not.toContain('twin')
      const { responses } = await client.wire.request(deleteTopics, 6, {
        topics: Array.from({ length: 10_000 }, () => ({ name: 't' })),
        timeoutMs: 1000,
      })
      expect(new Set(responses.map(({ errorCode }) => errorCode))).toEqual(new Set(['INVALID_REQUEST']))
      expect(await names(client)).toContain('t')
    }),
  )
})

describe('small questions with large answers', () => {
  test(
    'what repeats one topic 100,000 times is answered within bounded memory',
    besideOthers(async ({ broker, client }) => {
      await client.createTopic('wide', 100)
      for (let open = 0; open < 20; open++) {
        const producer = await client.initProducer(`id${open === 0 ? '' : open}`)
        await client.produceIn(`id${open === 0 ? '' : open}`, producer, 't', 0, 'open')
      }
      await client.wire.request(offsetCommit, 8, {
        groupId: 'g',
        memberId: '',
        topics: [
          { name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'x'.repeat(4096) }] },
        ],
      })
      const frames = [
        client.wire.frame(metadata, 9, {
          topics: Array.from({ length: 100_000 }, () => ({ name: 'wide' })),
          allowAutoTopicCreation: false,
        }),
        client.wire.frame(describeConfigs, 4, {
          resources: Array.from({ length: 100_000 }, () => ({
            resourceType: 2,
            resourceName: 't',
            configurationKeys: null,
          })),
          includeSynonyms: true,
          includeDocumentation: true,
        }),
        client.wire.frame(describeTopicPartitions, 0, {
          topics: Array.from({ length: 100_000 }, () => ({ name: 'wide' })),
          responsePartitionLimit: 2 ** 31 - 1,
          cursor: null,
        }),
        client.wire.frame(describeLogDirs, 4, {
          topics: Array.from({ length: 100_000 }, () => ({ topic: 'wide', partitions: [0, 1, 2] })),
        }),
        client.wire.frame(describeProducers, 0, {
          topics: [{ name: 't', partitionIndexes: Array<number>(100_000).fill(0) }],
        }),
        client.wire.frame(describeTransactions, 0, { transactionalIds: Array<string>(100_000).fill('id') }),
        client.wire.frame(describeGroups, 5, { groups: Array<string>(100_000).fill('g') }),
        client.wire.frame(offsetFetch, 8, {
          groups: Array.from({ length: 20_000 }, () => ({
            groupId: 'g',
            topics: [{ name: 't', partitionIndexes: Array<number>(5).fill(0) }],
          })),
        }),
        client.wire.frame(offsetFetch, 7, {
          groupId: 'g',
          topics: [
            { name: 't', partitionIndexes: Array<number>(50_000).fill(0) },
            { name: 't', partitionIndexes: Array<number>(50_000).fill(0) },
          ],
        }),
      ]
      for (const frame of frames) {
        using peer = await RawPeer.connect(broker)
        peer.write(frame)
        // Answered or closed; its length is what counts.
        const answer = await peer.frame()
        expect(answer?.length ?? 0, `API ${Buffer.from(frame).readUInt16BE(4)}`).toBeLessThan(2 * 1024 * 1024)
      }
    }),
  )
})
