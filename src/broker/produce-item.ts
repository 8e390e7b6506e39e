/** One partition of a Produce request on its way from the frame to its line in the response. */
import type { ErrorCode } from '../protocol/error-codes.ts'
import type { ProduceResponseDraft } from '../protocol/messages/produce.ts'
import type { BatchHeader } from '../protocol/record-batch.ts'
import type { Partition } from './partition.ts'

export type ProducePartitionDraft = ProduceResponseDraft['responses'][number]['partitionResponses'][number]

export interface ProduceItem {
  readonly topicName: string
  readonly topicId: string
  readonly index: number
  readonly partition: Partition | undefined
  readonly records: Uint8Array | null
  batch?: { readonly bytes: Uint8Array; readonly header: BatchHeader }
  outcome?: ProducePartitionDraft
}

/** Settles the partition with an error; the first verdict stays. */
export function refuse(
  item: ProduceItem,
  errorCode: ErrorCode,
  errorMessage: string | null,
  recordErrors: ProducePartitionDraft['recordErrors'] = [],
): void {
  item.outcome ??= {
    index: item.index,
    errorCode,
    errorMessage,
    baseOffset: -1,
    logStartOffset: item.partition?.state.logStartOffset ?? -1,
    recordErrors,
  }
}
