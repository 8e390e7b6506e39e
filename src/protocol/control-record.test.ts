import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DecodeError } from '../base/bytes.ts'
import { buildMarkerBatch, readMarker } from './control-record.ts'
import { batchCrcMatches, buildBatch, NO_SEQUENCE, readBatchHeader } from './record-batch.ts'

// Made by test/fixtures/GoldenBytes.java with kafka-clients 4.3.1.
const golden = new Map(
  readFileSync(new URL('../../test/fixtures/batches-kafka-4.3.1.tsv', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t') as [string, string]),
)

const COMMIT = {
  markerType: 'COMMIT',
  producerId: 77,
  producerEpoch: 3,
  coordinatorEpoch: 11,
  timestampMs: 1_700_000_000_123,
  baseOffset: 42,
  partitionLeaderEpoch: 6,
} as const
const ABORT = { ...COMMIT, markerType: 'ABORT', timestampMs: 1_700_000_000_124, baseOffset: 43 } as const

test('markers are byte for byte those of Kafka', () => {
  expect(Buffer.from(buildMarkerBatch(COMMIT)).toString('hex')).toBe(golden.get('commit'))
  expect(Buffer.from(buildMarkerBatch(ABORT)).toString('hex')).toBe(golden.get('abort'))
})

test('a marker is a transactional control batch of one record, with the producer and without a sequence', () => {
  const batch = buildMarkerBatch(ABORT)
  expect(batchCrcMatches(batch)).toBe(true)
  expect(readBatchHeader(batch)).toMatchObject({
    isControl: true,
    isTransactional: true,
    producerId: 77,
    producerEpoch: 3,
    baseSequence: NO_SEQUENCE,
    lastSequence: NO_SEQUENCE,
    recordCount: 1,
    baseOffset: 43,
    partitionLeaderEpoch: 6,
    compression: 'none',
  })
})

test('type and coordinator epoch of a marker are read back', () => {
  expect(readMarker(Buffer.from(golden.get('commit')!, 'hex'))).toEqual({ markerType: 'COMMIT', coordinatorEpoch: 11 })
  expect(readMarker(Buffer.from(golden.get('abort')!, 'hex'))).toEqual({ markerType: 'ABORT', coordinatorEpoch: 11 })
})

test.each<[string, Uint8Array | null, Uint8Array | null]>([
  ['no key', null, Buffer.alloc(6)],
  ['no value', Buffer.from([0, 0, 0, 1]), null],
  ['a leader change record (type 2)', Buffer.from([0, 0, 0, 2]), Buffer.alloc(6)],
  ['a key that is cut', Buffer.from([0, 0, 0]), Buffer.alloc(6)],
  ['a value that is cut', Buffer.from([0, 0, 0, 1]), Buffer.from([0, 0, 0, 0, 1])],
  ['a negative version', Buffer.from([0xff, 0xff, 0, 1]), Buffer.alloc(6)],
])('a control batch with %s is no marker', (_name, key, value) => {
  const batch = buildBatch({ records: [{ timestamp: 0, key, value }], isControl: true, isTransactional: true })
  expect(() => readMarker(batch)).toThrow(DecodeError)
})

test('a marker of a newer version is read by what version 0 defines', () => {
  const batch = buildBatch({
    records: [{ timestamp: 0, key: Buffer.from([0, 1, 0, 0, 9]), value: Buffer.from([0, 1, 0, 0, 0, 5, 7, 7]) }],
    isControl: true,
  })
  expect(readMarker(batch)).toEqual({ markerType: 'ABORT', coordinatorEpoch: 5 })
})
