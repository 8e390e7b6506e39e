/** The contract of the admin. */
import { strict as assert } from 'node:assert'
import { type Case, numbers, rejects, until } from './context.ts'

export const adminCases: readonly Case[] = [
  {
    name: 'topics are made, described, changed and deleted',
    async run(context) {
      const { admin, target } = context
      const topic = context.name('made')
      await admin.createTopics([{ topic, partitions: 2, replicationFactor: target.replicationFactor }], {
        validateOnly: true,
      })
      await rejects(admin.describeTopics([topic]), 'UNKNOWN_TOPIC_OR_PARTITION')
      await admin.createTopics([
        { topic, partitions: 2, replicationFactor: target.replicationFactor, configs: { 'retention.ms': '1000000' } },
      ])
      await target.whenReady([topic])
      await rejects(admin.createTopics([{ topic }]), 'TOPIC_ALREADY_EXISTS')
      await rejects(admin.createTopics([{ topic: `${topic}-x`, replicationFactor: 9 }]), 'INVALID_REPLICATION_FACTOR')
      const [description] = await admin.describeTopics([topic])
      assert.equal(description?.partitions, 2)
      await admin.createPartitions(topic, 4)
      await until('four partitions', async () => (await admin.describeTopics([topic]))[0]?.partitions === 4)
      await rejects(admin.createPartitions(topic, 3), 'INVALID_PARTITIONS')
      assert.ok((await admin.listTopics()).some((one) => one.topic === topic))
      const valueOf = async (): Promise<string | null | undefined> =>
        (await admin.describeConfigs({ topic })).find(({ name }) => name === 'retention.ms')?.value
      assert.equal(await valueOf(), '1000000')
      await admin.alterConfigs({ topic }, [{ name: 'retention.ms', operation: 'set', value: '2000000' }])
      await until('the new value', async () => (await valueOf()) === '2000000')
      await admin.alterConfigs({ topic }, [{ name: 'retention.ms', operation: 'delete' }])
      await until('the default', async () => (await valueOf()) !== '2000000')
      await rejects(
        admin.alterConfigs({ topic }, [{ name: 'no.such.config', operation: 'set', value: '1' }]),
        'INVALID_CONFIG',
      )
      await admin.deleteTopics([topic])
      await until('its end', async () => !(await admin.listTopics()).some((one) => one.topic === topic))
    },
  },
  {
    name: 'records are deleted up to an offset, and offsets are found by place and moment',
    async run(context) {
      const topic = await context.topic()
      await context.kafka.producer().send(
        topic,
        numbers(10).map((value, index) => ({ value, timestampMs: 1_700_000_000_000 + index * 1_000 })),
      )
      const at = { topic, partition: 0 }
      const [first, last, found, none] = await context.admin
        .listOffsets([
          { ...at, at: 'earliest' },
          { ...at, at: 'latest' },
        ])
        .then(async (ends) => [
          ...ends,
          ...(await context.admin.listOffsets([{ ...at, at: { timestampMs: 1_700_000_004_500 } }])),
          ...(await context.admin.listOffsets([{ ...at, at: { timestampMs: 1_800_000_000_000 } }])),
        ])
      assert.deepEqual([first?.offset, last?.offset, found?.offset, none?.offset], [0, 10, 5, undefined])
      const [trimmed] = await context.admin.deleteRecords([{ ...at, before: 4 }])
      assert.equal(trimmed?.logStartOffset, 4)
      assert.deepEqual(await context.values(topic), numbers(10).slice(4))
      await rejects(context.admin.deleteRecords([{ ...at, before: 1_000 }]), 'OFFSET_OUT_OF_RANGE')
    },
  },
  {
    name: 'cluster, features and versions are described',
    async run({ admin, target, transactionVersion }) {
      const { brokers, clusterId } = await admin.describeCluster()
      assert.equal(brokers.length, target.nodes.length)
      assert.notEqual(clusterId, '')
      const feature = (await admin.describeFeatures()).find(({ name }) => name === 'transaction.version')
      assert.equal(feature?.level, transactionVersion)
      const versions = await admin.apiVersions()
      assert.equal(versions.size, target.nodes.length)
    },
  },
  {
    name: 'transactions and producers are listed, described and fenced',
    async run(context) {
      const { admin } = context
      const topic = await context.topic()
      const transactionalId = context.name('tx')
      const producer = context.kafka.producer({ transactionalId })
      const tx = await producer.begin()
      await tx.send(topic, { value: 'x' })
      await tx.flush()
      const listed = (await admin.listTransactions({ states: ['Ongoing'] })).find(
        (one) => one.transactionalId === transactionalId,
      )
      assert.ok(listed)
      const described = await admin.describeTransaction(transactionalId)
      assert.equal(described.state, 'Ongoing')
      assert.deepEqual(described.partitions, [{ topic, partition: 0 }])
      const [active] = await admin.describeProducers([{ topic, partition: 0 }])
      assert.equal(active?.producerId, described.producerId)
      assert.equal(active?.openSinceOffset, 0)
      assert.deepEqual(await admin.findHangingTransactions({ topics: [topic], olderThanMs: 0 }), [])
      await admin.fenceProducer(transactionalId)
      await rejects(tx.commit(), 'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_TXN_STATE')
      await until(
        'the abort',
        async () => (await admin.describeProducers([{ topic, partition: 0 }]))[0]?.openSinceOffset === undefined,
      )
      await rejects(admin.describeTransaction(context.name('nobody')), 'TRANSACTIONAL_ID_NOT_FOUND')
      assert.deepEqual(await context.values(topic), [])
    },
  },
  {
    name: 'a transaction is aborted in its partition, with a marker',
    async run(context) {
      const { admin } = context
      const topic = await context.topic()
      const producer = context.kafka.producer({ transactionalId: context.name('tx') })
      const tx = await producer.begin()
      await tx.send(topic, { value: 'x' })
      await tx.flush()
      await rejects(admin.abortTransaction({ topic, partition: 0, startOffset: 77 }), 'INVALID_ARGUMENT')
      assert.equal((await admin.abortTransaction({ topic, partition: 0, startOffset: 0 })).by, 'markers')
      await context.kafka.producer().send(topic, { value: 'behind' })
      assert.deepEqual(await context.values(topic), ['behind'])
      await tx.abort().catch(() => undefined)
    },
  },
]
