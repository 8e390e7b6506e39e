/**
 * Produce: validates batches by their headers, asks the coordinator about transactional ones, appends all that is
 * acceptable in one journal frame, and answers when that is durable (acks=all) or at once (acks=1).
 *
 * Record bodies are neither decoded nor copied; only a topic that is compacted makes us look for missing keys.
 * Source: kafka-eos.md C1, B.1; KIP-98, KIP-360, KIP-890.
 */
import { produce } from '../../protocol/messages/produce.ts'
import type { ProduceRequest, ProduceResponseDraft } from '../../protocol/messages/produce.ts'
import type { Partition } from '../partition.ts'
import type { BatchAppend } from '../partition-table.ts'
import type { BrokerServices } from '../services.ts'
import { publishFence } from '../fence.ts'
import { CloseConnection, defineHandler } from '../handler.ts'
import type { RequestContext } from '../handler.ts'
import { refuse } from '../produce-item.ts'
import type { ProduceItem, ProducePartitionDraft } from '../produce-item.ts'
import { validateBatch } from '../produce-validation.ts'
import { ProduceVerification } from '../produce-verification.ts'

export const produceHandler = defineHandler(produce, {
  minVersion: 3,
  maxVersion: 13,
  // librdkafka takes a broker without versions 0 to 2 for one without compression (KAFKA-18659).
  advertisedMinVersion: 0,
  deviations: [
    'compression.type other than `producer` does not recompress: batches are stored as they were sent',
    'no client may write to internal topics, not even one that calls itself __admin_client',
    'several batches for one partition in one request are refused with INVALID_REQUEST',
    'what is acknowledged with acks=1 is shown to consumers once it is on disk, one flush later',
  ],
  handle: handleProduce,
})

async function handleProduce(
  broker: BrokerServices,
  request: ProduceRequest,
  context: RequestContext,
): Promise<ProduceResponseDraft | null> {
  // What is appended faster than the disk takes it waits here, in the order of arrival.
  if (broker.backlog.isFull) await broker.backlog.hasRoom()
  const items = itemsOf(broker, request)
  if (request.acks !== 0 && request.acks !== 1 && request.acks !== -1) {
    for (const item of items) refuse(item, 'INVALID_REQUIRED_ACKS', `acks is ${request.acks}; it must be -1, 0 or 1`)
  } else {
    for (const item of items) {
      checkReplicas(item, request.acks)
      checkItem(broker, item, context)
    }
    refuseRepeatedPartitions(items)
    // The last check and the append share a tick, so nothing can happen to the transaction in between.
    const verification = new ProduceVerification(broker, request.transactionalId, items, context)
    while (!verification.run()) await verification.changed()
  }
  const lsn = appendAll(broker, items, context)
  for (const item of items) {
    const { topicName: topic, index: partition, batch, outcome } = item
    if (outcome === undefined || outcome.errorCode === 'NONE') continue
    publishFence(broker, 'Produce', { topic, partition, ...batch?.header }, outcome.errorCode)
  }
  if (request.acks === 0) {
    const refused = items.find((item) => item.outcome !== undefined && item.outcome.errorCode !== 'NONE')
    if (refused !== undefined) {
      throw new CloseConnection(
        `Produce with acks=0 to ${refused.topicName}-${refused.index} failed: ${refused.outcome?.errorCode}`,
      )
    }
    return null
  }
  if (request.acks === -1) await broker.store.whenDurable(lsn)
  return { responses: group(items) }
}

function itemsOf(broker: BrokerServices, request: ProduceRequest): ProduceItem[] {
  const items: ProduceItem[] = []
  for (const topic of request.topicData) {
    const named = topic.name !== ''
    for (const { index, records } of topic.partitionData) {
      const partition = named
        ? broker.partitions.get(topic.name, index)
        : broker.partitions.getById(topic.topicId, index)
      const item: ProduceItem = { topicName: topic.name, topicId: topic.topicId, index, partition, records }
      if (partition === undefined) {
        const idIsUnknown = !named && broker.catalogue.topicById(topic.topicId) === undefined
        refuse(item, idIsUnknown ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION', null)
      }
      items.push(item)
    }
  }
  return items
}

/** One node holds one replica; a topic that demands more takes nothing with acks=all, as in Kafka. */
function checkReplicas(item: ProduceItem, acks: number): void {
  const wanted = item.partition?.config.minInsyncReplicas ?? 1
  if (acks !== -1 || wanted <= 1) return
  refuse(item, 'NOT_ENOUGH_REPLICAS', `min.insync.replicas is ${wanted}, and one node holds one replica`)
}

function checkItem(broker: BrokerServices, item: ProduceItem, context: RequestContext): void {
  const { partition, records } = item
  if (partition === undefined || item.outcome !== undefined) return
  if (partition.topic.isInternal) {
    refuse(item, 'INVALID_TOPIC_EXCEPTION', `${item.partition?.topic.name} is written by the broker only`)
    return
  }
  const checked = validateBatch(
    records,
    partition.config,
    context.apiVersion,
    context.nowMs,
    broker.config.maxDecompressedBytes,
  )
  if ('errorCode' in checked) {
    refuse(item, checked.errorCode, checked.message, checked.recordErrors)
  } else {
    item.batch = checked
  }
}

function refuseRepeatedPartitions(items: readonly ProduceItem[]): void {
  if (items.length === 1) return
  const seen = new Set<Partition>()
  for (const item of items) {
    if (item.partition === undefined) continue
    if (seen.has(item.partition)) {
      refuse(item, 'INVALID_REQUEST', `${item.partition.name} is named twice in one request`)
    }
    seen.add(item.partition)
  }
}

/** Decides and appends in one tick. Answers the LSN whose durability the reply waits for. */
function appendAll(broker: BrokerServices, items: readonly ProduceItem[], context: RequestContext): number {
  const appends: BatchAppend[] = []
  const appended: ProduceItem[] = []
  let lsn = 0
  for (const item of items) {
    const { partition, batch } = item
    if (partition === undefined || batch === undefined || item.outcome !== undefined) continue
    if (partition.isDeleted) {
      refuse(item, 'UNKNOWN_TOPIC_OR_PARTITION', null)
      continue
    }
    const decision = partition.state.decide(batch.header, {
      origin: 'client',
      transactionVersion: context.apiVersion >= 12 ? 2 : 1,
      verified: true,
      nowMs: context.nowMs,
    })
    switch (decision.kind) {
      case 'append':
        appends.push({ partition, batch: batch.bytes })
        appended.push(item)
        break
      case 'duplicate':
        // The first try may not be durable yet; this answer must not be given before that one may be.
        lsn = broker.store.appendedLsn
        succeed(
          item,
          decision.baseOffset,
          partition.config.messageTimestampType === 'LogAppendTime' ? decision.timestampMs : -1,
        )
        break
      case 'refuse':
        refuse(item, decision.error, decision.message)
        break
    }
  }
  if (appends.length === 0) return lsn
  const result = broker.partitions.append(appends)
  appended.forEach((item, index) => {
    const { partition, batch } = item as Required<ProduceItem> & { partition: Partition }
    const isStamped = partition.config.messageTimestampType === 'LogAppendTime'
    succeed(item, result.batches[index]?.baseOffset ?? -1, isStamped ? batch.header.maxTimestamp : -1)
  })
  return result.lsn
}

function succeed(item: ProduceItem, baseOffset: number, logAppendTimeMs: number): void {
  const logStartOffset = item.partition?.state.logStartOffset ?? -1
  item.outcome = { index: item.index, errorCode: 'NONE', baseOffset, logAppendTimeMs, logStartOffset }
}

/** Back into the shape of the request: partitions under their topic, in the order they came. */
function group(items: readonly ProduceItem[]): ProduceResponseDraft['responses'] {
  const topics: { name: string; topicId: string; partitionResponses: ProducePartitionDraft[] }[] = []
  for (const item of items) {
    const last = topics.at(-1)
    const topic =
      last !== undefined && last.name === item.topicName && last.topicId === item.topicId
        ? last
        : { name: item.topicName, topicId: item.topicId, partitionResponses: [] }
    if (topic !== last) topics.push(topic)
    topic.partitionResponses.push(item.outcome as ProducePartitionDraft)
  }
  return topics
}
