/** The contract of consumer groups. */
import { strict as assert } from 'node:assert'
import type { Consumer } from '../../src/client/index.ts'
import { type Case, numbers, rejects, until } from './context.ts'

/** Polls all of them at the same time, as their processes would. */
async function pollAll(consumers: readonly Consumer[], seen: string[] = []): Promise<string[]> {
  for (const records of await Promise.all(consumers.map((consumer) => consumer.poll({ timeoutMs: 300 })))) {
    seen.push(...records.map(({ value }) => String(value)))
  }
  return seen
}

const TIMES = { sessionTimeoutMs: 3_000, heartbeatIntervalMs: 500, autoCommitIntervalMs: 200 }

export const groupCases: readonly Case[] = [
  ...(['range', 'roundrobin', 'sticky', 'cooperative-sticky'] as const).map(
    (assignor): Case => ({
      name: `members share by ${assignor}, come and go, and read everything`,
      timeoutMs: 90_000,
      async run(context) {
        const topic = await context.topic(6)
        const groupId = context.name('group')
        const producer = context.kafka.producer()
        const send = (from: number): Promise<unknown> =>
          Promise.all(
            numbers(60).map((value, index) =>
              producer.send(topic, { partition: index % 6, value: String(from + Number(value)) }),
            ),
          )
        await send(0)
        const join = (): Consumer =>
          context.kafka.consumer({ groupId, topics: [topic], assignors: [assignor], ...TIMES })
        const members = [join(), join(), join()]
        const seen: string[] = []
        await until('two partitions each', async () => {
          await pollAll(members, seen)
          return members.every((member) => member.assignment().length === 2)
        })
        await until('60 records', async () => (await pollAll(members, seen), new Set(seen).size === 60))
        const leaver = members.pop()
        await leaver?.close()
        await send(60)
        await until('three partitions each', async () => {
          await pollAll(members, seen)
          return members.every((member) => member.assignment().length === 3)
        })
        await until('120 records', async () => (await pollAll(members, seen), new Set(seen).size === 120))
        for (const member of members) await member.close()
        const lags = await context.admin.groupLag(groupId)
        assert.equal(
          lags.reduce((sum, { lag }) => sum + lag, 0),
          0,
        )
        // Nothing was killed, so nothing came twice.
        assert.equal(seen.length, 120)
      },
    }),
  ),
  {
    name: 'a static member comes back to its partitions without a rebalance',
    timeoutMs: 60_000,
    async run(context) {
      const topic = await context.topic(4)
      const groupId = context.name('group')
      let revocations = 0
      const join = (groupInstanceId: string): Consumer =>
        context.kafka.consumer({
          groupId,
          groupInstanceId,
          topics: [topic],
          ...TIMES,
          sessionTimeoutMs: 20_000,
          onRevoked: () => {
            revocations += 1
          },
        })
      const stays = join('a')
      let leaves = join('b')
      await until('two each', async () => {
        await pollAll([stays, leaves])
        return stays.assignment().length === 2 && leaves.assignment().length === 2
      })
      const before = leaves.assignment()
      const generation = stays.groupMetadata().generationId
      await leaves.close()
      leaves = join('b')
      revocations = 0
      await until('the same partitions', async () => {
        await pollAll([stays, leaves])
        return leaves.assignment().length === 2
      })
      assert.deepEqual(leaves.assignment(), before)
      assert.equal(stays.groupMetadata().generationId, generation)
      assert.equal(revocations, 0)
    },
  },
  {
    name: 'a handler that takes too long loses its partitions and is told; its commit is refused',
    timeoutMs: 60_000,
    async run(context) {
      const topic = await context.topic(1)
      const groupId = context.name('group')
      await context.kafka.producer().send(topic, { value: 'x' })
      const consumer = context.kafka.consumer({ groupId, topics: [topic], ...TIMES, maxPollIntervalMs: 2_000 })
      const told = Promise.withResolvers<void>()
      let commitError: Promise<unknown> | undefined
      let calls = 0
      const running = consumer.run({
        async eachRecord(_record, { signal }) {
          calls += 1
          if (calls > 1) return
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
          commitError = rejects(
            consumer.commit([{ topic, partition: 0, offset: 1 }]),
            'ILLEGAL_GENERATION',
            'UNKNOWN_MEMBER_ID',
          )
          await commitError
          told.resolve()
        },
      })
      await Promise.race([told.promise, running])
      // It joins again, and reads again what was not committed.
      await until('the record again', () => calls >= 2)
      await consumer.stop()
      await running
    },
  },
  {
    name: 'a group goes on where it was committed, and can be set elsewhere',
    async run(context) {
      const topic = await context.topic(2)
      const groupId = context.name('group')
      await context.kafka.producer().send(
        topic,
        numbers(20).map((value, index) => ({ value, partition: index % 2 })),
      )
      const readSome = async (count: number): Promise<string[]> => {
        const consumer = context.kafka.consumer({ groupId, topics: [topic], ...TIMES })
        const seen: string[] = []
        for await (const { value } of consumer) {
          seen.push(String(value))
          if (seen.length === count) break
        }
        // The loop was left in the middle of the last record: it counts as not processed.
        await consumer.close()
        return seen
      }
      const first = await readSome(8)
      const second = await readSome(13)
      assert.equal(new Set([...first.slice(0, 7), ...second]).size, 20)
      const plan = await context.admin.resetGroupOffsets(groupId, 'earliest', { dryRun: true })
      assert.deepEqual(
        plan.map(({ to }) => to),
        [0, 0],
      )
      await context.admin.resetGroupOffsets(groupId, { shiftBy: -2 })
      const offsets = await context.admin.listGroupOffsets(groupId)
      assert.equal(
        offsets.reduce((sum, { offset }) => sum + offset, 0),
        15,
      )
      await context.admin.resetGroupOffsets(groupId, 'latest')
      assert.equal(
        (await context.admin.groupLag(groupId)).reduce((sum, { lag }) => sum + lag, 0),
        0,
      )
      await context.admin.deleteGroups([groupId])
      await rejects(context.admin.describeGroup(groupId), 'GROUP_ID_NOT_FOUND')
    },
  },
]
