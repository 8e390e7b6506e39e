/** DescribeProducers: what a partition knows of its producers, to find transactions that hang (KIP-664). */
import { describeProducers } from '../../protocol/messages/describe-producers.ts'
import type { DescribeProducersResponseDraft } from '../../protocol/messages/describe-producers.ts'
import { topicNameProblem } from '../../core/metadata/topic-name.ts'
import { distinctPartitions } from '../distinct.ts'
import { defineHandler } from '../handler.ts'

export const describeProducersHandler = defineHandler(describeProducers, {
  minVersion: 0,
  maxVersion: 0,
  deviations: ['a partition that is named more than once is answered once'],
  async handle(broker, request): Promise<DescribeProducersResponseDraft> {
    const topics = distinctPartitions(request.topics, ({ name }) => name).map(({ name, partitionIndexes }) => {
      const problem = topicNameProblem(name)
      return {
        name,
        partitions: partitionIndexes.map((partitionIndex) => {
          const partition = broker.partitions.get(name, partitionIndex)
          if (problem !== undefined) {
            const errorCode = 'INVALID_TOPIC_EXCEPTION' as const
            return { partitionIndex, errorCode, errorMessage: problem, activeProducers: [] }
          }
          if (partition === undefined) {
            return { partitionIndex, errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' as const, activeProducers: [] }
          }
          return { partitionIndex, errorCode: 'NONE' as const, activeProducers: partition.state.activeProducers() }
        }),
      }
    })
    // What is described may be ahead of the disk.
    await broker.store.whenDurable(broker.store.appendedLsn)
    return { topics }
  },
})
