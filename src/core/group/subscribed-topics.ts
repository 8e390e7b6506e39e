/**
 * Reads the topics out of a consumer's subscription, the one thing the coordinator wants to know of it.
 *
 * Only the part that all versions share is read, so a newer consumer is understood too. Source: ConsumerProtocol,
 * ClassicGroup.computeSubscribedTopics.
 */
import { ByteReader, DecodeError } from '../../base/bytes.ts'

/** `protocolType` of a group of consumers. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer'

/** @returns the topics, or `undefined` when the bytes are not a subscription: clients may put anything there */
export function readSubscribedTopics(metadata: Uint8Array): string[] | undefined {
  try {
    const reader = new ByteReader(metadata)
    if (reader.int16() < 0) return undefined
    const count = reader.int32()
    // Each name takes two bytes at least, so a false count cannot make us allocate.
    if (count < 0 || count * 2 > reader.remaining) return undefined
    const topics: string[] = []
    for (let index = 0; index < count; index++) {
      const lengthBytes = reader.int16()
      if (lengthBytes < 0) return undefined
      topics.push(reader.string(lengthBytes))
    }
    return topics
  } catch (error) {
    // Malformed bytes are the client's affair: the group works, its subscriptions are just not known.
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
