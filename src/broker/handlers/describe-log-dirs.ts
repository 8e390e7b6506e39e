/** DescribeLogDirs: the size of each partition in the one data directory. Source: KIP-113, KIP-827. */
import { describeLogDirs } from '../../protocol/messages/describe-log-dirs.ts'
import type { DescribeLogDirsResponseDraft } from '../../protocol/messages/describe-log-dirs.ts'
import { defineHandler } from '../handler.ts'
import type { Partition } from '../partition.ts'

export const describeLogDirsHandler = defineHandler(describeLogDirs, {
  minVersion: 1,
  maxVersion: 5,
  async handle(broker, request): Promise<DescribeLogDirsResponseDraft> {
    const wanted =
      request.topics?.flatMap(({ topic, partitions }) =>
        partitions.flatMap((index) => broker.partitions.get(topic, index) ?? []),
      ) ?? broker.partitions
    const topics = new Map<string, Partition[]>()
    for (const partition of new Set(wanted)) {
      const known = topics.get(partition.topic.name)
      if (known === undefined) topics.set(partition.topic.name, [partition])
      else known.push(partition)
    }
    const usableBytes = await broker.runtime.fileSystem.freeBytes(broker.dataDirectory)
    return {
      results: [
        {
          errorCode: 'NONE',
          logDir: broker.dataDirectory,
          topics: Array.from(topics, ([name, partitions]) => ({
            name,
            partitions: partitions.map(({ index, log }) => ({
              partitionIndex: index,
              partitionSize: log.sizeBytes,
              offsetLag: 0,
              isFutureKey: false,
            })),
          })),
          usableBytes: usableBytes ?? -1,
        },
      ],
    }
  },
})
