/**
 * The requests of a producer to coordinators, as plain data, and the one error that decides about an answer.
 *
 * Leaves to others: when to ask and what a verdict leads to (transaction-manager.ts).
 */
import { addOffsetsToTxn } from '../../../protocol/messages/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from '../../../protocol/messages/add-partitions-to-txn.ts'
import { endTxn } from '../../../protocol/messages/end-txn.ts'
import { initProducerId } from '../../../protocol/messages/init-producer-id.ts'
import { txnOffsetCommit } from '../../../protocol/messages/txn-offset-commit.ts'
import type { ErrorCode } from '../../../protocol/error-codes.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../../../protocol/schema.ts'
import type { GroupMetadata, OffsetAndMetadata } from '../../topic.ts'
import type { CoreRequest, Destination } from '../client-core.ts'
import type { PartitionState } from './partition-state.ts'
import type { CoordinatorApi, CoordinatorVerdict } from './producer-errors.ts'
import { coordinatorVerdict } from './producer-errors.ts'
import type { ProducerIdentity } from './sequences.ts'
import {
  TV1_END_TXN_MAX,
  TV1_TXN_OFFSET_COMMIT_MAX,
  TV2_END_TXN_MIN,
  TV2_TXN_OFFSET_COMMIT_MIN,
} from './transaction-version.ts'

/** Later versions are for brokers. */
const ADD_PARTITIONS_CLIENT_MAX = 3
/** From here on TxnOffsetCommit names the member, so that one which lost its partitions is fenced (KIP-447). */
const FENCED_OFFSET_COMMIT_MIN = 3
/** Version 6 is for two-phase commit (KIP-939). */
const INIT_PRODUCER_ID_MAX = 5

/** Offsets by topic and partition. */
export type TransactionOffsets = ReadonlyMap<string, ReadonlyMap<number, OffsetAndMetadata>>

/** What is asked of a coordinator, one at a time. */
export type CoordinatorWork =
  | { readonly api: 'InitProducerId'; readonly current: ProducerIdentity }
  | { readonly api: 'AddPartitionsToTxn'; readonly partitions: readonly PartitionState[] }
  | { readonly api: 'AddOffsetsToTxn'; readonly groupId: string }
  | {
      readonly api: 'TxnOffsetCommit'
      readonly group: GroupMetadata
      readonly offsets: Map<string, Map<number, OffsetAndMetadata>>
    }
  | { readonly api: 'EndTxn'; readonly committed: boolean }

export interface RequestContext {
  readonly id: number
  readonly transactionalId: string | undefined
  readonly transactionTimeoutMs: number
  readonly timeoutMs: number
  readonly identity: ProducerIdentity
  readonly isTransactionV2: boolean
}

/** InitProducerId of a producer without transactions: the timeout means nothing, as in Java. */
const NO_TRANSACTION_TIMEOUT_MS = 2 ** 31 - 1

export function coordinatorRequest(work: CoordinatorWork, context: RequestContext): CoreRequest {
  const { transactionalId = '', identity, isTransactionV2 } = context
  const transaction: Destination = { kind: 'coordinator', of: 'transaction', key: transactionalId }
  switch (work.api) {
    case 'InitProducerId': {
      const isTransactional = context.transactionalId !== undefined
      return request(
        context,
        initProducerId,
        isTransactional ? transaction : { kind: 'any' },
        {
          transactionalId: context.transactionalId ?? null,
          transactionTimeoutMs: isTransactional ? context.transactionTimeoutMs : NO_TRANSACTION_TIMEOUT_MS,
          ...work.current,
        },
        { maxVersion: INIT_PRODUCER_ID_MAX },
      )
    }
    case 'AddPartitionsToTxn': {
      const byTopic = new Map<string, number[]>()
      for (const { topic, partition } of work.partitions) {
        const partitions = byTopic.get(topic)
        if (partitions === undefined) byTopic.set(topic, [partition])
        else partitions.push(partition)
      }
      return request(
        context,
        addPartitionsToTxn,
        transaction,
        {
          v3AndBelowTransactionalId: transactionalId,
          v3AndBelowProducerId: identity.producerId,
          v3AndBelowProducerEpoch: identity.producerEpoch,
          v3AndBelowTopics: [...byTopic].map(([name, partitions]) => ({ name, partitions })),
        },
        { maxVersion: ADD_PARTITIONS_CLIENT_MAX },
      )
    }
    case 'AddOffsetsToTxn':
      return request(context, addOffsetsToTxn, transaction, { transactionalId, ...identity, groupId: work.groupId })
    case 'TxnOffsetCommit': {
      const { group } = work
      return request(
        context,
        txnOffsetCommit,
        { kind: 'coordinator', of: 'group', key: group.groupId },
        {
          transactionalId,
          groupId: group.groupId,
          ...identity,
          generationId: group.generationId,
          memberId: group.memberId,
          groupInstanceId: group.groupInstanceId,
          topics: [...work.offsets].map(([name, partitions]) => ({
            name,
            partitions: [...partitions].map(([partitionIndex, one]) => ({
              partitionIndex,
              committedOffset: one.offset,
              committedLeaderEpoch: one.leaderEpoch ?? -1,
              committedMetadata: one.metadata ?? '',
            })),
          })),
        },
        isTransactionV2
          ? { minVersion: TV2_TXN_OFFSET_COMMIT_MIN }
          : // Whoever is in no group may do without the fencing of members.
            {
              maxVersion: TV1_TXN_OFFSET_COMMIT_MAX,
              minVersion: group.generationId >= 0 ? FENCED_OFFSET_COMMIT_MIN : 0,
            },
      )
    }
    case 'EndTxn':
      return request(
        context,
        endTxn,
        transaction,
        { transactionalId, ...identity, committed: work.committed },
        isTransactionV2 ? { minVersion: TV2_END_TXN_MIN } : { maxVersion: TV1_END_TXN_MAX },
      )
  }
}

function request<A extends Api>(
  context: RequestContext,
  api: A,
  destination: Destination,
  body: RequestDraftOf<A>,
  versions: { readonly minVersion?: number; readonly maxVersion?: number } = {},
): CoreRequest {
  return { id: context.id, destination, api, body, timeoutMs: context.timeoutMs, ...versions }
}

export interface Answer {
  readonly verdict: CoordinatorVerdict
  /** The error that led to the verdict. */
  readonly code: Exclude<ErrorCode, 'NONE'> | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  /** The response does not answer what was asked. */
  readonly isIncomplete?: boolean
  /** The producer id and epoch to go on with, where the response names them. */
  readonly identity?: ProducerIdentity | undefined
}

/** Falling: what goes before what when partitions were answered differently. */
const PRECEDENCE: readonly CoordinatorVerdict[] = [
  'fenced',
  'fatal',
  'refused',
  'abortable-new-epoch',
  'abortable',
  'refresh',
  'retry',
  'ok',
]
/** In AddPartitionsToTxn an error worth asking again for outweighs those that merely follow from it. */
const PRECEDENCE_OF_ADD: readonly CoordinatorVerdict[] = [
  'fenced',
  'fatal',
  'refresh',
  'retry',
  'abortable-new-epoch',
  'abortable',
  'ok',
]

/** Reads an answer. Of TxnOffsetCommit, takes out of `work` what has been committed. */
export function readAnswer(work: CoordinatorWork, response: ResponseOf<Api>): Answer {
  switch (work.api) {
    case 'InitProducerId': {
      const { errorCode, producerId, producerEpoch } = response as ResponseOf<typeof initProducerId>
      const answer = answerOf(work.api, errorCode)
      if (answer.verdict !== 'ok') return answer
      if (producerId < 0 || producerEpoch < 0) return { verdict: 'retry', code: undefined, isIncomplete: true }
      return { ...answer, identity: { producerId, producerEpoch } }
    }
    case 'AddOffsetsToTxn':
      return answerOf(work.api, (response as ResponseOf<typeof addOffsetsToTxn>).errorCode)
    case 'EndTxn': {
      const { errorCode, producerId, producerEpoch } = response as ResponseOf<typeof endTxn>
      const answer = answerOf(work.api, errorCode)
      const hasIdentity = answer.verdict === 'ok' && producerId >= 0
      return hasIdentity ? { ...answer, identity: { producerId, producerEpoch } } : answer
    }
    case 'AddPartitionsToTxn': {
      const { resultsByTopicV3AndBelow } = response as ResponseOf<typeof addPartitionsToTxn>
      const answers: Answer[] = []
      const missing = new Set(work.partitions.map(({ name }) => name))
      for (const { name, resultsByPartition } of resultsByTopicV3AndBelow) {
        for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
          missing.delete(`${name}-${partitionIndex}`)
          answers.push(answerOf(work.api, partitionErrorCode, name, partitionIndex))
        }
      }
      if (missing.size > 0) answers.push({ verdict: 'retry', code: undefined, isIncomplete: true })
      return worst(answers, PRECEDENCE_OF_ADD)
    }
    case 'TxnOffsetCommit': {
      const answers: Answer[] = []
      for (const { name, partitions } of (response as ResponseOf<typeof txnOffsetCommit>).topics) {
        for (const { partitionIndex, errorCode } of partitions) {
          if (errorCode === 'NONE') {
            work.offsets.get(name)?.delete(partitionIndex)
            if (work.offsets.get(name)?.size === 0) work.offsets.delete(name)
          } else answers.push(answerOf(work.api, errorCode, name, partitionIndex))
        }
      }
      if (answers.length === 0 && work.offsets.size > 0)
        answers.push({ verdict: 'retry', code: undefined, isIncomplete: true })
      return worst(answers, PRECEDENCE)
    }
  }
}

function answerOf(api: CoordinatorApi, code: ErrorCode, topic?: string, partition?: number): Answer {
  return { verdict: coordinatorVerdict(api, code), code: code === 'NONE' ? undefined : code, topic, partition }
}

function worst(answers: readonly Answer[], precedence: readonly CoordinatorVerdict[]): Answer {
  let result: Answer = { verdict: 'ok', code: undefined }
  for (const answer of answers) {
    const isWorse = precedence.indexOf(answer.verdict) < precedence.indexOf(result.verdict)
    // Of several that weigh the same, the one that says what is wrong.
    const saysMore = answer.verdict === result.verdict && result.code === 'OPERATION_NOT_ATTEMPTED'
    if (isWorse || saysMore) result = answer
  }
  return result
}
