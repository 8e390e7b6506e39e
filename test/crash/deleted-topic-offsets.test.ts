/** A topic that was deleted by the very last frame a crash left: its offsets, whose frame came after it, must not outlive it. */
import { expect, test } from 'vitest'
import { deleteTopics } from '../../src/protocol/messages/delete-topics.ts'
import { offsetFetch } from '../../src/protocol/messages/offset-fetch.ts'
import { txnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.ts'
import { ZERO_UUID } from '../../src/protocol/schema.ts'
import { simRuntime } from '../../src/testing/sim-runtime.ts'
import { TestBroker } from '../broker/test-broker.ts'

test('offsets of a topic whose deletion a crash cut short do not apply to the next topic of that name', async () => {
  const runtime = simRuntime(1)
  const { clock, fileSystem } = runtime
  await clock.runUntil(
    (async () => {
      const broker = await TestBroker.start({ runtime, dataDir: '/data' })
      const client = await broker.connect()
      await client.createTopic('t')
      const producer = await client.initProducer('tx')
      const { topics } = await client.wire.request(txnOffsetCommit, 5, {
        transactionalId: 'tx',
        groupId: 'g',
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }] }],
      })
      expect(topics[0]?.partitions[0]?.errorCode).toBe('NONE')
      expect((await client.endTxn('tx', producer, true)).errorCode).toBe('NONE')
      // Of the write that holds both frames only the first one gets to the disk.
      fileSystem.inject({ operation: 'write', at: 1, code: 'EIO', path: 'journal', writtenShare: 0.5 })
      client.wire.request(deleteTopics, 6, { topics: [{ name: 't' }], timeoutMs: 1000 }).catch(() => {
        // The broker stops without an answer.
      })
      await broker.broker.failed
    })(),
  )
  const next = runtime.afterKill()
  await clock.runUntil(
    (async () => {
      await using broker = await TestBroker.start({ runtime: next, dataDir: '/data' })
      const client = await broker.connect()
      expect(await client.topicId('t')).toBe(ZERO_UUID)
      await client.createTopic('t')
      const { groups } = await client.wire.request(offsetFetch, 8, {
        groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }],
        requireStable: true,
      })
      expect(groups[0]?.topics[0]?.partitions[0]).toMatchObject({ committedOffset: -1, errorCode: 'NONE' })
    })(),
  )
})
