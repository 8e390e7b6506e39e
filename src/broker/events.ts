/**
 * The broker's structured events, one `node:diagnostics_channel` per kind. Listen to see inside a running broker:
 *
 *     import { subscribe } from 'node:diagnostics_channel'
 *     subscribe('semel:broker:state-change', (event) => console.log(event))
 *
 * Payloads are plain objects; their fields are listed here. Nothing is built while nobody listens.
 */

/** A request was answered: { apiKey, apiName, apiVersion, clientId, connectionId, durationMs, errorCode? }. */
export const REQUEST_CHANNEL = 'semel:broker:request'
/** A batch was appended: { topic, partition, producerId, producerEpoch, baseSequence, baseOffset, lastOffset, sizeBytes, isTransactional }. */
export const APPEND_CHANNEL = 'semel:broker:append'
/** A transaction marker was appended: { topic, partition, producerId, producerEpoch, baseOffset, markerType }. */
export const MARKER_CHANNEL = 'semel:broker:marker'
/** A transaction changed: { transactionalId, from, to, producerId, producerEpoch, partitions }. */
export const STATE_CHANGE_CHANNEL = 'semel:broker:state-change'
/** Somebody was refused as outdated: { api, transactionalId?, topic?, partition?, producerId, producerEpoch, errorCode }. */
export const FENCE_CHANNEL = 'semel:broker:fence'
/** The journal flushed: { durableLsn, frames }, the frames that became durable with it. */
export const FLUSH_CHANNEL = 'semel:broker:flush'
