/** Records of internal topics as people read them. */
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../base/bytes.ts'
import { encodeCatalogueRecord } from '../core/metadata/catalogue-records.ts'
import { TRANSACTION_STATES } from '../core/transaction/transaction-metadata.ts'
import { ZERO_UUID } from '../protocol/schema.ts'
import { encodeGroupRecord, encodeTransactionRecord } from './coordinator-log.ts'
import type { KeyedRecord } from './coordinator-log.ts'
import { describeInternalRecord } from './internal-records.ts'

const describeStored = (topic: string, { key, value }: { key: Uint8Array | null; value: Uint8Array | null }) =>
  describeInternalRecord(topic, { offset: 0, timestamp: 0, headers: [], key, value })

function transaction(transactionStatus: number): KeyedRecord {
  return encodeTransactionRecord({
    transactionalId: 'id',
    valueVersion: 0,
    value: {
      producerId: 1,
      previousProducerId: -1,
      nextProducerId: -1,
      producerEpoch: 2,
      nextProducerEpoch: -1,
      transactionTimeoutMs: 3,
      transactionStatus,
      transactionPartitions: null,
      transactionLastUpdateTimestampMs: 4,
      transactionStartTimestampMs: 5,
      clientTransactionVersion: 0,
    },
  })
}

describe('a record of an internal topic', () => {
  test.each([...TRANSACTION_STATES.entries()])('transaction status %i is told as %s', (status, state) => {
    expect(describeStored('__transaction_state', transaction(status))).toMatchObject({
      type: 'transaction',
      key: { transactionalId: 'id' },
      value: { state, producerId: 1, producerEpoch: 2, partitions: [] },
    })
  })

  test('a transaction status that nobody has defined is told as its number', () => {
    expect(describeStored('__transaction_state', transaction(77))?.value).toMatchObject({ state: 'unknown (77)' })
  })

  test('an offset without topic id and expiry is told without them', () => {
    const stored = encodeGroupRecord({
      type: 'OffsetCommit',
      key: { group: 'g', topic: 't', partition: 1 },
      valueVersion: 4,
      value: { offset: 7, leaderEpoch: -1, metadata: '', commitTimestamp: 9, expireTimestamp: -1, topicId: ZERO_UUID },
    })
    expect(describeStored('__consumer_offsets', stored)).toEqual({
      type: 'offset-commit',
      key: { group: 'g', topic: 't', partition: 1 },
      value: { offset: 7, leaderEpoch: -1, metadata: '', commitTimestamp: 9 },
    })
  })

  test('a tombstone has no value', () => {
    const offset = encodeGroupRecord({
      type: 'OffsetCommit',
      key: { group: 'g', topic: 't', partition: 1 },
      value: null,
      valueVersion: 0,
    })
    const group = encodeGroupRecord({ type: 'GroupMetadata', key: { group: 'g' }, value: null, valueVersion: 0 })
    expect(describeStored('__consumer_offsets', offset)?.value).toBeNull()
    expect(describeStored('__consumer_offsets', group)).toEqual({ type: 'group', key: { group: 'g' }, value: null })
  })

  test('members of a group that is not of consumers keep their bytes', () => {
    const member = { memberId: 'm', groupInstanceId: null, clientId: 'c', clientHost: 'h', rebalanceTimeout: 1 }
    const stored = encodeGroupRecord({
      type: 'GroupMetadata',
      key: { group: 'g' },
      valueVersion: 3,
      value: {
        protocolType: 'connect',
        generation: 1,
        protocol: 'p',
        leader: 'm',
        currentStateTimestamp: 1,
        members: [{ ...member, sessionTimeout: 2, subscription: Uint8Array.of(0, 1), assignment: Uint8Array.of() }],
      },
    })
    expect(describeStored('__consumer_offsets', stored)?.value).toMatchObject({
      members: [{ memberId: 'm', subscription: { base64: 'AAE=' }, assignment: { base64: '' } }],
    })
  })

  test('a change of the catalogue is told with its kind and name', () => {
    const stored = encodeCatalogueRecord({ kind: 'brokerEpoch', name: '', value: { brokerEpoch: 4 } })
    expect(describeStored('__cluster_metadata', stored)).toEqual({
      type: 'catalogue',
      key: { kind: 'brokerEpoch', name: '' },
      value: { brokerEpoch: 4 },
    })
  })

  test("records of users' topics and of unknown kinds are not described, damaged ones are refused", () => {
    expect(describeStored('orders', transaction(1))).toBeUndefined()
    const unknown = { key: Uint8Array.of(0, 99, 1), value: Uint8Array.of(0, 0) }
    expect(describeStored('__consumer_offsets', unknown)).toBeUndefined()
    expect(() => describeStored('__cluster_metadata', { key: null, value: null })).toThrow(DecodeError)
    const cut = transaction(1)
    expect(() => describeStored('__transaction_state', { ...cut, value: cut.value!.subarray(0, 9) })).toThrow(
      DecodeError,
    )
  })
})
