/**
 * DeleteRecords: moves the log start of partitions forward; records below are gone for every reader at once.
 * Source: KIP-107; UnifiedLog.maybeIncrementLogStartOffset, DeleteRecordsRequest.HIGH_WATERMARK.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { deleteRecords } from '../../protocol/messages/delete-records.ts'
import { defineHandler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

/** "All there is": up to the high watermark. */
const HIGH_WATERMARK = -1

export const deleteRecordsHandler = defineHandler(deleteRecords, {
  minVersion: 0,
  maxVersion: 2,
  async handle(broker, request) {
    let lsn = 0
    const topics = request.topics.map((topic) => ({
      name: topic.name,
      partitions: topic.partitions.map(({ partitionIndex, offset }) => {
        const result = deleteBelow(broker, topic.name, partitionIndex, offset)
        lsn = Math.max(lsn, result.lsn)
        return { partitionIndex, lowWatermark: result.lowWatermark, errorCode: result.errorCode }
      }),
    }))
    await broker.store.whenDurable(lsn)
    return { topics }
  },
})

function deleteBelow(
  broker: BrokerServices,
  topicName: string,
  index: number,
  requested: number,
): { errorCode: ErrorCode; lowWatermark: number; lsn: number } {
  const refused = (errorCode: ErrorCode) => ({ errorCode, lowWatermark: -1, lsn: 0 })
  const partition = broker.partitions.get(topicName, index)
  if (partition === undefined) return refused('UNKNOWN_TOPIC_OR_PARTITION')
  if (partition.topic.isInternal) return refused('INVALID_TOPIC_EXCEPTION')
  if (!partition.config.cleanupPolicy.includes('delete')) return refused('POLICY_VIOLATION')
  const { highWatermark, logStartOffset } = partition.state
  const offset = requested === HIGH_WATERMARK ? highWatermark : requested
  if (offset < 0 || offset > highWatermark) return refused('OFFSET_OUT_OF_RANGE')
  // Going back is no error: what is asked for is already so. It still waits for what made it so.
  if (offset <= logStartOffset)
    return { errorCode: 'NONE', lowWatermark: logStartOffset, lsn: broker.store.appendedLsn }
  const lsn = broker.store.setLogStartOffset(partition.log, offset)
  partition.state.setLogStartOffset(offset)
  partition.wake()
  return { errorCode: 'NONE', lowWatermark: offset, lsn }
}
