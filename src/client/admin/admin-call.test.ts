/** How admin requests find their brokers and what becomes of each item, against peers that answer from a script. */
import { expect, test } from 'vitest'
import type { ScriptedBroker, ScriptedRequest } from '../../testing/scripted-broker.ts'
import type { Message } from '../../testing/wire-frames.ts'
import { inWorld, type World } from '../cluster/cluster.test-kit.ts'
import { KafkaError } from '../errors.ts'
import { Admin } from './admin.ts'

async function errorOf(work: Promise<unknown>): Promise<KafkaError> {
  const reason: unknown = await work.then(
    () => new Error('it was done'),
    (error: unknown) => error,
  )
  expect(reason).toBeInstanceOf(KafkaError)
  return reason as KafkaError
}

/** Two brokers of one cluster. */
async function twoBrokers(world: World): Promise<[ScriptedBroker, ScriptedBroker, Admin]> {
  const first = await world.peer({ nodeId: 0 })
  const second = await world.peer({ nodeId: 1 })
  for (const peer of [first, second]) {
    peer.nodes = [...first.nodes.slice(0, 1), { nodeId: 1, host: '127.0.0.1', port: second.port }]
    peer.topics.set('t', 2)
  }
  return [first, second, new Admin(world.cluster([first]), { timeoutMs: 20_000 })]
}

/** Answers one API, or cuts the connection for `undefined`; everything else is the broker's own. */
function answering(api: string, answer: (body: Message) => Message) {
  return (request: ScriptedRequest): boolean => {
    if (request.api.name !== api) return false
    const response: Message = answer(request.body)
    if (response === undefined) request.disconnect()
    else request.answer(response)
    return true
  }
}

function offsetsAnswer(body: Message, codeOf: (partition: number) => string): Message {
  return {
    topics: body.topics.map(({ name, partitions }: Message) => ({
      name,
      partitions: partitions.map(({ partitionIndex }: Message) => {
        const errorCode = codeOf(partitionIndex)
        const offset = errorCode === 'NONE' ? 10 + partitionIndex : -1
        return { partitionIndex, errorCode, offset, timestamp: -1, leaderEpoch: 0, oldStyleOffsets: [] }
      }),
    })),
  }
}

const BOTH = [
  { topic: 't', partition: 0, at: 'latest' },
  { topic: 't', partition: 1, at: 'latest' },
] as const

test('a partition whose leader has moved is asked for at the new one, and the others are not asked for again', async () => {
  await inWorld(async (world) => {
    const [first, second, admin] = await twoBrokers(world)
    second.script = answering('ListOffsets', (body) => {
      // From now on the first leads everything.
      for (const peer of [first, second]) peer.nodes = [first.nodes[0]!, first.nodes[0]!]
      return offsetsAnswer(body, () => 'NOT_LEADER_OR_FOLLOWER')
    })
    const asked: number[] = []
    first.script = answering('ListOffsets', (body) => {
      for (const { partitions } of body.topics) for (const { partitionIndex } of partitions) asked.push(partitionIndex)
      return offsetsAnswer(body, () => 'NONE')
    })
    expect((await admin.listOffsets(BOTH)).map(({ offset }) => offset)).toEqual([10, 11])
    expect(asked).toEqual([0, 1])
  })
})

test('a partition whose leader is dead is asked for at the next one', async () => {
  await inWorld(async (world) => {
    const [first, second, admin] = await twoBrokers(world)
    await second.close()
    first.script = answering('ListOffsets', (body) => offsetsAnswer(body, () => 'NONE'))
    const listed = admin.listOffsets(BOTH)
    await world.sleep(3_000)
    first.nodes = [first.nodes[0]!]
    expect((await listed).map(({ offset }) => offset)).toEqual([10, 11])
  })
})

test('a partition without a leader is waited for, until the time is over', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    first.script = (request) => {
      if (request.api.name === 'ListOffsets') request.answer(offsetsAnswer(request.body, () => 'NONE'))
      else if (request.api.name === 'Metadata') {
        const answer = first.metadata(request.body)
        for (const { partitions } of answer.topics)
          for (const one of partitions) if (one.partitionIndex === 1) one.leaderId = -1
        request.answer(answer)
      } else return false
      return true
    }
    const error = await errorOf(admin.listOffsets(BOTH))
    expect(error.code).toBe('LEADER_NOT_AVAILABLE')
    expect(error.message).toMatch(/t-1.*1 of 2/)
    expect(world.runtime.clock.monotonicMs()).toBeGreaterThan(15_000)
    expect(world.runtime.clock.monotonicMs()).toBeLessThanOrEqual(21_000)
  })
})

test('a topic that is not there is told at once', async () => {
  await inWorld(async (world) => {
    const [, , admin] = await twoBrokers(world)
    const error = await errorOf(admin.listOffsets([{ topic: 'none', partition: 0, at: 'latest' }]))
    expect(error).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', request: { topic: 'none' } })
    expect(world.runtime.clock.monotonicMs()).toBeLessThan(1_000)
  })
})

const created = (name: string, errorCode: string, errorMessage: string | null = null): Message => ({
  name,
  errorCode,
  errorMessage,
  configs: [],
})

test('of several topics only those are asked for again that were put off', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    const tries: string[][] = []
    first.script = answering('CreateTopics', ({ topics }) => {
      const names: string[] = topics.map(({ name }: Message) => name)
      tries.push(names)
      return {
        topics: names.map((name) =>
          created(name, name === 'b' && tries.length === 1 ? 'THROTTLING_QUOTA_EXCEEDED' : 'NONE'),
        ),
      }
    })
    await admin.createTopics([{ topic: 'a' }, { topic: 'b' }, { topic: 'c' }])
    expect(tries).toEqual([['a', 'b', 'c'], ['b']])
  })
})

test('when some of several fail the error is that of the first, counts them, and holds each', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    first.script = answering('CreateTopics', ({ topics }) => ({
      topics: topics.map(({ name }: Message) => {
        if (name === 'a') return created(name, 'NONE')
        return name === 'b'
          ? created(name, 'INVALID_REPLICATION_FACTOR', 'too many')
          : created(name, 'TOPIC_ALREADY_EXISTS')
      }),
    }))
    const error = await errorOf(admin.createTopics([{ topic: 'a' }, { topic: 'b' }, { topic: 'c' }]))
    expect(error).toMatchObject({ code: 'INVALID_REPLICATION_FACTOR', recovery: 'fix-configuration' })
    expect(error.message).toMatch(/^INVALID_REPLICATION_FACTOR: .*b.*too many; 2 of 3 failed, the rest was done/)
    const { errors } = error.cause as AggregateError
    expect(errors.map((one) => [(one as KafkaError).code, (one as KafkaError).request?.topic])).toEqual([
      ['INVALID_REPLICATION_FACTOR', 'b'],
      ['TOPIC_ALREADY_EXISTS', 'c'],
    ])
  })
})

test('an answer that leaves out an item is an error of that item', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    first.script = answering('CreateTopics', () => ({ topics: [created('a', 'NONE')] }))
    const error = await errorOf(admin.createTopics([{ topic: 'a' }, { topic: 'b' }]))
    expect(error.code).toBe('INVALID_RESPONSE')
    expect(error.message).toMatch(/does not speak of.*b/)
  })
})

test('a deletion whose answer was lost has been done when the topic is not there any more', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    let tries = 0
    first.script = answering('DeleteTopics', ({ topics }) => {
      tries += 1
      if (tries === 1) return undefined
      const [{ name }] = topics
      return { responses: [{ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA', errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' }] }
    })
    await admin.deleteTopics(['t'])
    expect(tries).toBe(2)
    // Without a lost answer it is what it says.
    expect((await errorOf(admin.deleteTopics(['t']))).code).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })
})

test('a creation whose answer was lost and that finds the topic says so', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    let tries = 0
    first.script = answering('CreateTopics', () => {
      tries += 1
      return tries === 1 ? undefined : { topics: [created('a', 'TOPIC_ALREADY_EXISTS')] }
    })
    const error = await errorOf(admin.createTopics([{ topic: 'a' }]))
    expect(error.code).toBe('TOPIC_ALREADY_EXISTS')
    expect(error.message).toMatch(/an earlier try of this call was not answered, and may have done it/)
  })
})

test('NOT_CONTROLLER is asked again at the controller', async () => {
  await inWorld(async (world) => {
    const [first, second, admin] = await twoBrokers(world)
    first.script = answering('CreateTopics', () => {
      for (const peer of [first, second]) peer.nodes = [...peer.nodes].reverse()
      return { topics: [created('a', 'NOT_CONTROLLER')] }
    })
    second.script = answering('CreateTopics', () => ({ topics: [created('a', 'NONE')] }))
    await admin.createTopics([{ topic: 'a' }])
    expect(second.asked).toContain('CreateTopics')
  })
})

test('several groups are deleted to the end although one cannot be', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    const deleted: string[] = []
    first.script = (request) => {
      if (request.api.name !== 'DeleteGroups') return false
      const [groupId] = request.body.groupsNames
      const answer = (errorCode: string): void => request.answer({ results: [{ groupId, errorCode }] })
      if (groupId === 'busy') answer('NON_EMPTY_GROUP')
      else
        world.runtime.clock.setTimer(500, () => {
          deleted.push(groupId)
          answer('NONE')
        })
      return true
    }
    const error = await errorOf(admin.deleteGroups(['busy', 'a', 'b']))
    expect(error).toMatchObject({ code: 'NON_EMPTY_GROUP', request: { groupId: 'busy' } })
    expect(deleted).toEqual(['a', 'b'])
  })
})

test('a broker that leaves the cluster while all are asked is not waited for, and the rest is asked anew', async () => {
  await inWorld(async (world) => {
    const [first, second, admin] = await twoBrokers(world)
    await second.close()
    const group = { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' }
    let isTakenOver = false
    first.script = answering('ListGroups', () => ({ errorCode: 'NONE', groups: isTakenOver ? [group] : [] }))
    const listed = admin.listGroups()
    await world.sleep(2_000)
    // Now its groups have a new coordinator.
    isTakenOver = true
    first.nodes = [first.nodes[0]!]
    expect((await listed).map(({ groupId }) => groupId)).toEqual(['g'])
  })
})

test('a broker that does not answer takes no longer than the call may', async () => {
  await inWorld(async (world) => {
    const [first] = await twoBrokers(world)
    first.script = (request) => request.api.name === 'CreateTopics'
    const admin = new Admin(world.cluster([first]), { timeoutMs: 1_500, requestTimeoutMs: 60_000 })
    const beforeMs = world.runtime.clock.monotonicMs()
    const error = await errorOf(admin.createTopics([{ topic: 'a' }]))
    expect(error.code).toBe('REQUEST_TIMEOUT')
    expect(world.runtime.clock.monotonicMs() - beforeMs).toBeLessThanOrEqual(1_500)
  })
})

test('settings of a broker that is not in the cluster are refused with those that are', async () => {
  await inWorld(async (world) => {
    const [first, second, admin] = await twoBrokers(world)
    for (const peer of [first, second]) {
      peer.script = answering('DescribeCluster', () => ({
        errorCode: 'NONE',
        clusterId: 'c',
        controllerId: 0,
        brokers: [0, 1].map((brokerId) => ({ brokerId, host: '127.0.0.1', port: 1, rack: null })),
      }))
    }
    const error = await errorOf(admin.describeConfigs({ broker: 9 }))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toMatch(/no broker 9.*0, 1/)
  })
})

test('what is given twice is refused before anything is asked', async () => {
  await inWorld(async (world) => {
    const [first, , admin] = await twoBrokers(world)
    const error = await errorOf(admin.createTopics([{ topic: 'a' }, { topic: 'a' }]))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', recovery: 'fix-configuration' })
    expect(first.asked).not.toContain('CreateTopics')
  })
})

test('topics are described page by page, and as the caller named them', async () => {
  await inWorld(async (world) => {
    const broker = await world.peer()
    const cursors: Message[] = []
    broker.script = answering('DescribeTopicPartitions', ({ cursor }) => {
      cursors.push(cursor)
      const part = (name: string, partitionIndex: number): Message => ({
        errorCode: 'NONE',
        name,
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
        isInternal: false,
        topicAuthorizedOperations: 0,
        partitions: [
          {
            ...{ errorCode: 'NONE', partitionIndex, leaderId: partitionIndex === 1 ? -1 : 0, leaderEpoch: 4 },
            ...{
              replicaNodes: [0, 1],
              isrNodes: [0],
              eligibleLeaderReplicas: [1],
              lastKnownElr: [],
              offlineReplicas: [],
            },
          },
        ],
      })
      if (cursor === null) return { topics: [part('a', 0)], nextCursor: { topicName: 'a', partitionIndex: 1 } }
      return { topics: [part('a', 1), part('b', 0)], nextCursor: null }
    })
    const described = await new Admin(world.cluster([broker])).describeTopics(['b', 'a'])
    expect(cursors).toEqual([null, { topicName: 'a', partitionIndex: 1 }])
    expect(described.map(({ topic, partitions }) => [topic, partitions])).toEqual([
      ['b', 1],
      ['a', 2],
    ])
    expect(described[1]?.layout.map(({ leaderId, eligibleReplicaIds }) => [leaderId, eligibleReplicaIds])).toEqual([
      [0, [1]],
      [undefined, [1]],
    ])
  })
})

test('where brokers do not have DescribeTopicPartitions topics are described by Metadata', async () => {
  await inWorld(async (world) => {
    const broker = await world.peer({ only: ['ApiVersions', 'Metadata'] })
    broker.topics.set('t', 3)
    const [topic] = await new Admin(world.cluster([broker])).describeTopics(['t'])
    expect(topic).toMatchObject({ topic: 't', partitions: 3 })
    expect(topic?.layout[0]).toMatchObject({ leaderId: 0, eligibleReplicaIds: undefined })
    const error = await errorOf(new Admin(world.cluster([broker])).describeTopics(['t', 'none']))
    expect(error.message).toContain('there is no topic none')
  })
})

test('on a broker that takes no markers from admins a hung transaction is ended by fencing its transactional id', async () => {
  await inWorld(async (world) => {
    const broker = await world.peer({
      only: ['ApiVersions', 'Metadata', 'FindCoordinator', 'DescribeProducers', 'ListTransactions', 'InitProducerId'],
    })
    broker.topics.set('t', 1)
    let fenced: Message
    const open = {
      ...{ producerId: 7, producerEpoch: 3, lastSequence: 0, lastTimestamp: 0 },
      ...{ coordinatorEpoch: -1, currentTxnStartOffset: 5 },
    }
    const answers: Record<string, (body: Message) => Message> = {
      DescribeProducers: () => ({
        topics: [
          {
            name: 't',
            partitions: [{ partitionIndex: 0, errorCode: 'NONE', errorMessage: null, activeProducers: [open] }],
          },
        ],
      }),
      ListTransactions: ({ producerIdFilters }) => ({
        errorCode: 'NONE',
        unknownStateFilters: [],
        transactionStates: producerIdFilters.includes(7)
          ? [{ transactionalId: 'x', producerId: 7, transactionState: 'Ongoing' }]
          : [],
      }),
      InitProducerId: (body) => {
        fenced = body
        return { errorCode: 'NONE', producerId: 7, producerEpoch: 4 }
      },
    }
    broker.script = (request) => {
      const answer = answers[request.api.name]
      if (answer === undefined) return false
      request.answer(answer(request.body))
      return true
    }
    const admin = new Admin(world.cluster([broker]))
    expect(await admin.abortTransaction({ topic: 't', partition: 0, startOffset: 5 })).toEqual({ by: 'fence' })
    expect(fenced).toMatchObject({ transactionalId: 'x', producerId: -1, producerEpoch: -1 })
  })
})
