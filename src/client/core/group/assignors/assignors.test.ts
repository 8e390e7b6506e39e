/** How a leader shares partitions: golden cases of Kafka's own assignors, and what must hold for any group. */
import { describe, expect, test } from 'vitest'
import { SimRandom } from '../../../../testing/sim-random.ts'
import type { TopicPartition } from '../../../topic.ts'
import type { Assignment, AssignmentInput, Assignor, MemberSubscription } from '../assignor.ts'
import { rangeAssignor } from './range.ts'
import { roundRobinAssignor } from './round-robin.ts'
import { cooperativeStickyAssignor, stickyAssignor } from './sticky.ts'

function member(
  memberId: string,
  topics: readonly string[],
  rest: Partial<MemberSubscription> = {},
): MemberSubscription {
  return { memberId, groupInstanceId: null, topics, owned: [], generationId: -1, userData: null, ...rest }
}

function show(assignment: Assignment): Record<string, string> {
  return Object.fromEntries(
    [...assignment].map(([memberId, partitions]) => [
      memberId,
      partitions
        .map(({ topic, partition }) => `${topic}${partition}`)
        .toSorted()
        .join(' '),
    ]),
  )
}

const counts = (entries: Record<string, number>): ReadonlyMap<string, number> => new Map(Object.entries(entries))

describe('range', () => {
  test('gives runs of neighbours, topic by topic, the first members one more', () => {
    const members = [member('b', ['x', 'y']), member('a', ['x', 'y'])]
    expect(show(rangeAssignor.assign({ members, partitionCounts: counts({ x: 3, y: 3 }) }))).toEqual({
      a: 'x0 x1 y0 y1',
      b: 'x2 y2',
    })
  })

  test('counts only those who want a topic, and puts static members first', () => {
    const members = [member('a', ['x']), member('z', ['x', 'y'], { groupInstanceId: 'i' }), member('c', ['y'])]
    expect(show(rangeAssignor.assign({ members, partitionCounts: counts({ x: 3, y: 2 }) }))).toEqual({
      a: 'x2',
      z: 'x0 x1 y0',
      c: 'y1',
    })
  })
})

describe('roundrobin', () => {
  test('deals all partitions out in turn', () => {
    const members = [member('b', ['x', 'y']), member('a', ['x', 'y'])]
    expect(show(roundRobinAssignor.assign({ members, partitionCounts: counts({ y: 3, x: 3 }) }))).toEqual({
      a: 'x0 x2 y1',
      b: 'x1 y0 y2',
    })
  })

  test('passes over those who do not want a topic', () => {
    const members = [member('a', ['x']), member('b', ['x', 'y']), member('c', ['x', 'y', 'z'])]
    expect(show(roundRobinAssignor.assign({ members, partitionCounts: counts({ x: 1, y: 2, z: 3 }) }))).toEqual({
      a: 'x0',
      b: 'y0',
      c: 'y1 z0 z1 z2',
    })
  })
})

/** A random group; what each held before may overlap, be gone, or be of another generation. */
function randomInput(random: SimRandom): AssignmentInput {
  const topics = Array.from({ length: 1 + random.below(4) }, (_, index) => `t${index}`)
  const partitionCounts = new Map(topics.map((topic) => [topic, 1 + random.below(9)]))
  const members = Array.from({ length: 1 + random.below(6) }, (_, index) =>
    member(
      `m${index}`,
      topics.filter(() => random.chance(0.75)),
      {
        generationId: random.below(3),
        owned: Array.from({ length: random.below(6) }, () => ({
          topic: topics[random.below(topics.length)] as string,
          partition: random.below(11),
        })),
      },
    ),
  )
  return { members, partitionCounts }
}

function withUserData(input: AssignmentInput, assignor: Assignor): AssignmentInput {
  const members = input.members.map((one) => ({
    ...one,
    userData: assignor.userData?.(one.owned, one.generationId) ?? null,
  }))
  return { ...input, members }
}

const RUNS = 400

test.each([rangeAssignor, roundRobinAssignor, stickyAssignor])(
  '$name: everything that somebody wants is given to one who wants it, once',
  (assignor) => {
    for (let seed = 0; seed < RUNS; seed += 1) {
      const input = withUserData(randomInput(new SimRandom(seed)), assignor)
      const given = [...assignor.assign(input)].flatMap(([memberId, partitions]) =>
        partitions.map((one) => ({ memberId, ...one })),
      )
      const keys = given.map(({ topic, partition }) => `${topic}${partition}`)
      const wanted = [...input.partitionCounts].flatMap(([topic, count]) =>
        input.members.some(({ topics }) => topics.includes(topic))
          ? Array.from({ length: count }, (_, partition) => `${topic}${partition}`)
          : [],
      )
      expect(keys.toSorted(), `seed ${seed}`).toEqual(wanted.toSorted())
      for (const { memberId, topic } of given) {
        expect(input.members.find((one) => one.memberId === memberId)?.topics, `seed ${seed}`).toContain(topic)
      }
    }
  },
)

test.each([stickyAssignor, cooperativeStickyAssignor])(
  '$name: no move of one partition would make it more even',
  (assignor) => {
    for (let seed = 0; seed < RUNS; seed += 1) {
      const first = withUserData({ ...randomInput(new SimRandom(seed)) }, assignor)
      const { final } = converge(first, assignor)
      const load = (memberId: string): number => final.get(memberId)?.length ?? 0
      for (const [memberId, partitions] of final) {
        for (const { topic } of partitions) {
          for (const other of first.members.filter(({ topics }) => topics.includes(topic))) {
            expect(load(memberId) - load(other.memberId), `seed ${seed}`).toBeLessThanOrEqual(1)
          }
        }
      }
    }
  },
)

/** Rounds until nothing changes, each beginning with what the last one gave. */
function converge(input: AssignmentInput, assignor: Assignor): { readonly final: Assignment; readonly rounds: number } {
  let current = withUserData(input, assignor)
  let before = ''
  for (let rounds = 1; rounds <= 5; rounds += 1) {
    const assignment = assignor.assign(current)
    const now = JSON.stringify(show(assignment))
    if (now === before) return { final: assignment, rounds }
    before = now
    const members = current.members.map((one) => ({
      ...one,
      owned: assignment.get(one.memberId) ?? [],
      generationId: 10 + rounds,
    }))
    current = withUserData({ ...current, members }, assignor)
  }
  throw new Error('five rounds did not settle it')
}

test('cooperative-sticky: nothing is given to another before its owner gave it up, and a few rounds give out everything', () => {
  for (let seed = 0; seed < RUNS; seed += 1) {
    const random = new SimRandom(seed)
    const input = withUserData(randomInput(random), cooperativeStickyAssignor)
    // Owners without doubt: each partition held by at most one, in one generation.
    const taken = new Set<string>()
    const members = input.members.map((one) => ({
      ...one,
      generationId: 1,
      owned: one.owned.filter(({ topic, partition }) => {
        const key = `${topic}${partition}`
        if (taken.has(key) || partition >= (input.partitionCounts.get(topic) ?? 0)) return false
        taken.add(key)
        return true
      }),
    }))
    const ownerOf = new Map(
      members.flatMap(({ memberId, owned }) => owned.map(({ topic, partition }) => [`${topic}${partition}`, memberId])),
    )
    const assignment = cooperativeStickyAssignor.assign({ ...input, members })
    for (const [memberId, partitions] of assignment) {
      for (const { topic, partition } of partitions) {
        expect(ownerOf.get(`${topic}${partition}`) ?? memberId, `seed ${seed}`).toBe(memberId)
      }
    }
    const { final } = converge({ ...input, members }, cooperativeStickyAssignor)
    const wanted = [...input.partitionCounts].reduce(
      (sum, [topic, count]) => sum + (members.some(({ topics }) => topics.includes(topic)) ? count : 0),
      0,
    )
    expect([...final.values()].flat().length, `seed ${seed}`).toBe(wanted)
  }
})

describe('stickiness', () => {
  const owned = (topic: string, ...numbers: number[]): TopicPartition[] =>
    numbers.map((partition) => ({ topic, partition }))
  const partitionCounts = counts({ t: 6 })

  test.each([stickyAssignor, cooperativeStickyAssignor])(
    '$name: who stays keeps what it has when another leaves',
    (assignor) => {
      const input = {
        partitionCounts,
        members: [
          member('a', ['t'], { owned: owned('t', 0, 3), generationId: 4 }),
          member('b', ['t'], { owned: owned('t', 1, 4), generationId: 4 }),
        ],
      }
      const shares = show(assignor.assign(withUserData(input, assignor)))
      expect(shares['a']).toMatch(/t0.*t3/)
      expect(shares['b']).toMatch(/t1.*t4/)
      expect(Object.values(shares).join(' ').split(' ')).toHaveLength(6)
    },
  )

  test('a newcomer gets its share, from those who have more, and no more than that', () => {
    const input = {
      partitionCounts,
      members: [
        member('a', ['t'], { owned: owned('t', 0, 1, 2), generationId: 4 }),
        member('b', ['t'], { owned: owned('t', 3, 4, 5), generationId: 4 }),
        member('c', ['t']),
      ],
    }
    const shares = show(stickyAssignor.assign(withUserData(input, stickyAssignor)))
    expect(shares).toEqual({ a: 't0 t1', b: 't3 t4', c: 't2 t5' })
    // Cooperatively the two that move are nobody's in this round.
    expect(show(cooperativeStickyAssignor.assign(input))).toEqual({ a: 't0 t1', b: 't3 t4', c: '' })
  })

  test('of two who claim a partition the later generation is right', () => {
    const input = {
      partitionCounts: counts({ t: 2 }),
      members: [
        member('a', ['t'], { owned: owned('t', 0, 1), generationId: 3 }),
        member('b', ['t'], { owned: owned('t', 1), generationId: 4 }),
      ],
    }
    expect(show(stickyAssignor.assign(withUserData(input, stickyAssignor)))).toEqual({ a: 't0', b: 't1' })
  })

  test("what it remembers is written as Java's: topics, then the generation", () => {
    const bytes = stickyAssignor.userData?.(owned('t', 5), 7)
    expect(Buffer.from(bytes ?? []).toString('hex')).toBe(
      '00000001' + '0001' + '74' + '00000001' + '00000005' + '00000007',
    )
    const generation = cooperativeStickyAssignor.userData?.([], 7)
    expect(Buffer.from(generation ?? []).toString('hex')).toBe('00000007')
    const nonsense = {
      partitionCounts: counts({ t: 1 }),
      members: [member('a', ['t'], { userData: Buffer.from('nonsense') })],
    }
    expect(show(stickyAssignor.assign(nonsense))).toEqual({ a: 't0' })
  })
})
