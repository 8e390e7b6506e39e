/**
 * WriteTxnMarkers: ends transactions on partitions without asking their coordinator. Brokers of a cluster use it among
 * themselves; here only Admin.abortTransaction does, to end a hung transaction (KIP-664).
 * Source: kafka-eos.md C7, C10; KIP-98, KIP-664, KIP-1228.
 */
import { writeTxnMarkers } from '../../protocol/messages/write-txn-markers.ts'
import { TRANSACTION_STATE_TOPIC } from '../coordinator-log.ts'
import { defineHandler } from '../handler.ts'

export const writeTxnMarkersHandler = defineHandler(writeTxnMarkers, {
  minVersion: 1,
  maxVersion: 2,
  deviations: [
    'a coordinator epoch above the broker’s own counts as its own: there is no later coordinator to be fenced for',
    'no marker is written to __transaction_state (INVALID_TOPIC_EXCEPTION)',
  ],
  async handle(broker, request) {
    const markers = await Promise.all(
      request.markers.map(async (marker) => {
        const { producerId, producerEpoch, coordinatorEpoch, transactionVersion } = marker
        // The coordinator's own log holds states of transactional ids and nothing else.
        const writable = marker.topics.filter(({ name }) => name !== TRANSACTION_STATE_TOPIC)
        const partitions = writable.flatMap(({ name, partitionIndexes }) =>
          partitionIndexes.map((partition) => ({ topic: name, partition })),
        )
        const errors = await broker.transactions.writeMarkers({
          producerId,
          producerEpoch,
          coordinatorEpoch,
          transactionVersion,
          committed: marker.transactionResult,
          partitions,
        })
        let next = 0
        const topics = marker.topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            errorCode:
              name === TRANSACTION_STATE_TOPIC
                ? ('INVALID_TOPIC_EXCEPTION' as const)
                : (errors[next++] ?? 'UNKNOWN_SERVER_ERROR'),
          })),
        }))
        return { producerId, topics }
      }),
    )
    return { markers }
  },
})
