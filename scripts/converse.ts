/** Short conversations with a running broker over its socket, to see that what was started also answers. */
import { apiVersions } from '../src/protocol/messages/api-versions.ts'
import { fetch } from '../src/protocol/messages/fetch.ts'
import { metadata } from '../src/protocol/messages/metadata.ts'
import { produce } from '../src/protocol/messages/produce.ts'
import { buildBatch, readRecords } from '../src/protocol/record-batch.ts'
import { nodeRuntime } from '../src/runtime/node-runtime.ts'
import { WireClient } from '../src/testing/wire-client.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** Asks for versions and the cluster; changes nothing. @returns what was answered, in a few words */
export async function ask(address: Address): Promise<string> {
  using client = await WireClient.connect(nodeRuntime().network, address)
  const versions = await client.request(apiVersions, 3, { clientSoftwareName: 'semel-ci', clientSoftwareVersion: '1' })
  if (versions.errorCode !== 'NONE') throw new Error(`ApiVersions: ${versions.errorCode}`)
  const cluster = await client.request(metadata, 9, { topics: null })
  const [node] = cluster.brokers
  if (node?.port !== address.port) throw new Error(`Metadata names ${JSON.stringify(cluster.brokers)}`)
  return `${versions.apiKeys.length} APIs, ${cluster.topics.length} topics, node ${node.nodeId} at ${node.host}:${node.port}`
}

/** Writes one record to a new topic, waits until it is durable, and reads it back. */
export async function writeAndRead(address: Address, topic: string): Promise<void> {
  using client = await WireClient.connect(nodeRuntime().network, address)
  const created = await client.request(metadata, 9, { topics: [{ name: topic }], allowAutoTopicCreation: true })
  const error = created.topics[0]?.errorCode
  if (error !== 'NONE' && error !== 'LEADER_NOT_AVAILABLE') throw new Error(`Metadata: ${error}`)
  const records = buildBatch({ records: [{ timestamp: Date.now(), key: null, value: Buffer.from(topic) }] })
  const produced = await client.request(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  })
  const written = produced.responses[0]?.partitionResponses[0]
  if (written?.errorCode !== 'NONE') throw new Error(`Produce: ${written?.errorCode} ${written?.errorMessage ?? ''}`)
  const fetched = await client.request(fetch, 4, {
    maxWaitMs: 1_000,
    minBytes: 1,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_048_576 }] }],
  })
  const batch = fetched.responses[0]?.partitions[0]?.records
  if (batch === null || batch === undefined) throw new Error('Fetch: no records came back')
  const [record] = readRecords(batch, { maxDecompressedBytes: 1_048_576 })
  const value = Buffer.from(record?.value ?? []).toString()
  if (value !== topic) throw new Error(`Fetch: expected ${topic}, got ${value}`)
}
