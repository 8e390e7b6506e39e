import { array, int16, int32, int64, storedRecord, struct, uint32 } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/**
 * A `.snapshot` file: the producers of a partition at the offset in the file's name.
 *
 *     int16 version | uint32 crc | entries        crc: CRC-32C of everything behind it
 */
export const producerSnapshot = storedRecord({
  name: 'ProducerSnapshot',
  versions: '1',
  flexible: 'none',
  fields: {
    crc: uint32(),
    producerEntries: array(
      struct({
        producerId: int64(),
        epoch: int16({ about: 'producer epoch; -1: none' }),
        lastSequence: int32({ about: 'of the last batch; -1: none' }),
        lastOffset: int64(),
        offsetDelta: int32({ about: 'last offset less first offset of the last batch' }),
        timestamp: int64({ about: 'of the last batch or marker' }),
        coordinatorEpoch: int32({ about: '-1: no marker yet' }),
        currentTxnFirstOffset: int64({ about: '-1: no open transaction' }),
      }),
    ),
  },
})

export type ProducerSnapshot = RecordOf<typeof producerSnapshot>
export type ProducerSnapshotDraft = RecordDraftOf<typeof producerSnapshot>
