/**
 * Offsets of groups, staged in transactions and not: what is read while a commit is on its way, after it, after retention and
 * deletion, and over power cuts (row B1 13, rows B3 50 to 56).
 */
import { expect, test } from 'vitest'
import { deleteGroups } from '../../../src/protocol/messages/delete-groups.ts'
import { listGroups } from '../../../src/protocol/messages/list-groups.ts'
import { offsetCommit } from '../../../src/protocol/messages/offset-commit.ts'
import { offsetDelete } from '../../../src/protocol/messages/offset-delete.ts'
import { txnOffsetCommit } from '../../../src/protocol/messages/txn-offset-commit.ts'
import { RawProducer } from './raw-producer.ts'
import { inScene, type Scene, VERSIONS } from './scene.ts'

const FORGETFUL = { 'offsets.retention.minutes': '1', 'offsets.retention.check.interval.ms': '1000' }

function commitPlainly(scene: Scene, committedOffset: number, { groupId = 'g', partition = 0 } = {}): Promise<void> {
  return scene.ask(async ({ wire }) => {
    const partitions = [{ partitionIndex: partition, committedOffset, committedMetadata: null }]
    const reply = await wire.request(offsetCommit, 8, { groupId, memberId: '', topics: [{ name: 't', partitions }] })
    expect(reply.topics[0]?.partitions[0]?.errorCode).toBe('NONE')
  })
}

const groupsIn = (scene: Scene): Promise<string[]> =>
  scene.ask(async ({ wire }) => (await wire.request(listGroups, 4, {})).groups.map(({ groupId }) => groupId))

test.each(VERSIONS)(
  'B1.13 KAFKA-17507: after the answer to a commit its offsets are unstable or the new ones, never the old [version %i]',
  async (version) => {
    for (let seed = 1; seed <= 8; seed++) {
      await inScene(
        async (scene) => {
          await commitPlainly(scene, 1)
          const producer = await RawProducer.start(scene, version)
          scene.broker.slowDisk(seed % 2 === 0 ? 50 : 1)
          let before = 1
          for (const next of [5, 9, 13]) {
            expect(await producer.untilDecided(() => producer.stage(next))).toBe('NONE')
            expect(await scene.offset()).toBe('unstable')
            expect(await scene.offset('g', { requireStable: false })).toBe(before)
            expect(await producer.endAtLast(true)).toBe('NONE')
            // Who asks at once may have to wait, and that is all.
            let read = await scene.offset()
            for (let asked = 0; read === 'unstable' && asked < 500; asked++) read = await scene.offset()
            expect(read).toBe(next)
            before = next
          }
        },
        { seed },
      )
    }
  },
)

test.each(VERSIONS)(
  'B3.50 KAFKA-19163: a group of staged offsets alone outlives the retention, and commits them [version %i]',
  async (version) => {
    for (const isCut of [false, true]) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version, { timeoutMs: 900_000 })
          expect(await producer.stage(7)).toBe('NONE')
          await commitPlainly(scene, 1, { groupId: 'idle' })
          await scene.pause(150_000)
          // The sweep was there.
          expect(await scene.offset('idle')).toBe(-1)
          if (isCut) await scene.powerCut()
          expect(await scene.offset()).toBe('unstable')
          expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
          await scene.ended()
          expect(await scene.offset()).toBe(7)
        },
        { properties: FORGETFUL },
      )
    }
  },
)

test.each(
  VERSIONS.flatMap((version) => (['a committed offset', 'the group'] as const).map((what) => [what, version] as const)),
)(
  'B3.50 KAFKA-19164: when %s is deleted while another is staged, nothing stays unstable, and a restart says the same [version %i]',
  async (what, version) => {
    await inScene(async (scene) => {
      await commitPlainly(scene, 3)
      const producer = await RawProducer.start(scene, version)
      expect(await producer.stage(7)).toBe('NONE')
      await scene.ask(async ({ wire }) => {
        if (what === 'the group') {
          const { results } = await wire.request(deleteGroups, 2, { groupsNames: ['g'] })
          expect(results[0]?.errorCode).toBe('NONE')
        } else {
          const topics = [{ name: 't', partitions: [{ partitionIndex: 0 }] }]
          const reply = await wire.request(offsetDelete, 0, { groupId: 'g', topics })
          expect(reply.topics[0]?.partitions[0]?.errorCode).toBe('NONE')
        }
      })
      const isCutBefore = version === 2
      if (isCutBefore) await scene.powerCut()
      expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
      await scene.ended()
      const told = await scene.offset()
      // Tombstones take staged offsets along, as in Kafka.
      expect(told).toBe(-1)
      expect(await producer.despite(() => producer.stage(9))).toBe('NONE')
      expect(await scene.offset()).toBe('unstable')
      expect(await producer.endAtLast(true)).toBe('NONE')
      await scene.ended()
      expect(await scene.offset()).toBe(9)
      expect(await groupsIn(scene)).toEqual(['g'])
    })
  },
)

test.each(VERSIONS)(
  'B3.51 Redpanda 31483: an offset that was staged when the retention swept is the same after a restart [version %i]',
  async (version) => {
    await inScene(
      async (scene) => {
        await commitPlainly(scene, 3)
        const producer = await RawProducer.start(scene, version, { timeoutMs: 900_000 })
        await scene.pause(40_000)
        expect(await producer.stage(7)).toBe('NONE')
        await scene.pause(40_000)
        // What was committed is older than its time now, and is not swept away while a transaction may move it.
        expect(await producer.endAtLast(true)).toBe('NONE')
        await scene.ended()
        expect(await scene.offset()).toBe(7)
        for (const again of [() => scene.powerCut(), () => scene.kill()]) {
          await again()
          expect(await scene.offset()).toBe(7)
        }
        // The offset is as old as its commit; later it is swept away, live and after a restart alike.
        await scene.pause(120_000)
        expect(await scene.offset()).toBe(-1)
        await scene.powerCut()
        expect(await scene.offset()).toBe(-1)
      },
      { properties: FORGETFUL },
    )
  },
)

test.each(VERSIONS)(
  'B3.52 KAFKA-16371: an offset that is refused for its metadata is not unstable, over a power cut either [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version)
      if (version === 1) expect(await producer.addGroup()).toBe('NONE')
      const { topics } = await producer.client.wire.request(txnOffsetCommit, version === 1 ? 4 : 5, {
        ...{ transactionalId: producer.id, groupId: 'g', ...producer.current },
        topics: [
          {
            name: 't',
            partitions: [
              { partitionIndex: 0, committedOffset: 7, committedMetadata: 'x'.repeat(5_000) },
              { partitionIndex: 1, committedOffset: 8, committedMetadata: 'short' },
            ],
          },
        ],
      })
      expect(topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(['OFFSET_METADATA_TOO_LARGE', 'NONE'])
      const told = async () => [await scene.offset(), await scene.offset('g', { partition: 1 })]
      expect(await told()).toEqual([-1, 'unstable'])
      await scene.powerCut()
      expect(await told()).toEqual([-1, 'unstable'])
      expect(await producer.despite(() => producer.endAtLast(true))).toBe('NONE')
      await scene.ended()
      expect(await told()).toEqual([-1, 8])
    })
  },
)

test.each(VERSIONS)(
  'B3.53 KAFKA-17306: deleted, made again, staged, aborted, committed: offsets are what was asked for, live and loaded [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      const producer = await RawProducer.start(scene, version)
      const places = ['g0', 'g1', 'g2'].flatMap((groupId) => [0, 1].map((partition) => ({ groupId, partition })))
      const nameOf = ({ groupId, partition }: (typeof places)[number]): string => `${groupId} ${partition}`
      const expected = new Map(places.map((place) => [nameOf(place), -1]))
      const check = async (when: string): Promise<void> => {
        for (const place of places) {
          const { groupId, partition } = place
          expect(await scene.offset(groupId, { partition }), `${nameOf(place)} ${when}`).toBe(
            expected.get(nameOf(place)),
          )
        }
      }
      for (let round = 0; round < 24; round++) {
        const place = { groupId: `g${round % 3}`, partition: round % 2 }
        if (round % 4 === 1) {
          await commitPlainly(scene, 100 + round, place)
          expected.set(nameOf(place), 100 + round)
        }
        expect(await producer.despite(() => producer.stage(round, place))).toBe('NONE')
        const isDeleted = round % 5 === 2
        if (isDeleted) {
          const { results } = await scene.ask(({ wire }) =>
            wire.request(deleteGroups, 2, { groupsNames: [place.groupId] }),
          )
          expect(results[0]?.errorCode).toBe('NONE')
          // What was staged goes with the group.
          for (const partition of [0, 1]) expected.set(nameOf({ groupId: place.groupId, partition }), -1)
        }
        const committed = round % 3 !== 1
        expect(await producer.despite(() => producer.endAtLast(committed))).toBe('NONE')
        if (committed && !isDeleted) expected.set(nameOf(place), round)
        await scene.ended()
        await check(`in round ${round}`)
        if (round % 3 !== 2) continue
        await scene.powerCut()
        await check(`after the power cut of round ${round}`)
      }
      expect([...expected.values()].filter((offset) => offset >= 0).length).toBeGreaterThan(2)
    })
  },
)

test.each(VERSIONS)(
  'B3.55 Redpanda 9571: who takes over after a commit without an answer reads the offsets of what was committed [version %i]',
  async (version) => {
    for (let operation = 0; operation < 10; operation++) {
      await inScene(
        async (scene) => {
          const producer = await RawProducer.start(scene, version)
          await commitPlainly(scene, 1)
          expect(await producer.stage(7)).toBe('NONE')
          expect(await producer.send('output')).toBe('NONE')
          // Whatever becomes of it, nobody is told: the process is gone with the connection.
          const doomed = await scene.connect()
          const outcome = producer.end(true, { client: doomed }).catch(() => undefined)
          if (operation % 2 === 0) await scene.pause(operation * 0.2)
          else await scene.powerCutAt(operation >> 1)
          doomed.wire.close()
          await outcome
          const heir = await RawProducer.start(scene, version)
          await scene.ended()
          const [offset, output] = [await scene.offset(), await scene.committed()]
          expect([
            { offset: 1, output: [] },
            { offset: 7, output: ['output'] },
          ]).toContainEqual({ offset, output })
          // What is left of the input is done once.
          if (offset === 1) expect(await heir.send('output')).toBe('NONE')
          expect(await heir.stage(7)).toBe('NONE')
          expect(await heir.endAtLast(true)).toBe('NONE')
          await scene.ended()
          expect(await scene.committed()).toEqual(['output'])
        },
        { seed: operation + 1 },
      )
    }
  },
)

test.each(VERSIONS)(
  'B3.56 KAFKA-6607: a pipeline over input that ends in markers has no lag at its end, over a power cut either [version %i]',
  async (version) => {
    await inScene(async (scene) => {
      await scene.ask((client) => client.createTopic('out'))
      const producer = await RawProducer.start(scene, version)
      const expected: string[] = []
      for (let round = 0; round < 9; round++) {
        expect(await producer.send(`${round}`)).toBe('NONE')
        expect(await producer.endAtLast(round % 3 === 0)).toBe('NONE')
        if (round % 3 === 0) expected.push(`${round}`)
      }
      await scene.ended()
      const { kafka } = scene.sim.client('copier')
      const pipeline = kafka.pipeline({
        groupId: 'g',
        from: 't',
        async process(records, output) {
          for (const { value } of records) await output.send('out', { value: String(value) })
        },
      })
      const running = pipeline.run()
      const caughtUp = async (): Promise<void> => {
        const { highWatermark } = await scene.ask((client) => client.fetchRaw('t', 0))
        for (let waitedMs = 0; (await scene.offset()) !== highWatermark; waitedMs += 500) {
          expect(waitedMs, `offset ${await scene.offset()} of ${highWatermark}`).toBeLessThan(120_000)
          await scene.pause(500)
        }
      }
      // The last records are aborted, then there is a marker: nothing to process, and yet to be committed past.
      await caughtUp()
      for (const harm of [() => scene.powerCut(), () => scene.pause(0)]) {
        expect(await producer.despite(() => producer.send('dropped'))).toBe('NONE')
        expect(await producer.despite(() => producer.endAtLast(false))).toBe('NONE')
        await harm()
        await scene.ended()
        await caughtUp()
      }
      await pipeline.stop()
      await running
      expect(await scene.committed('out')).toEqual(expected)
      await kafka.close()
    })
  },
)
