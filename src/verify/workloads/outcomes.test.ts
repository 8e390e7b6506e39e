import { describe, expect, test } from 'vitest'
import { KafkaError } from '../../client/index.ts'
import type { KafkaErrorCode, Recovery } from '../../client/index.ts'
import { errorText, isExpected, outcomeOfCommit, outcomeOfOffsetCommit, outcomeOfSend } from './outcomes.ts'

const error = (code: KafkaErrorCode, recovery?: Recovery): KafkaError =>
  new KafkaError(code, 'why', recovery === undefined ? {} : { recovery })

describe('what an error says about whether it happened', () => {
  test.each([
    ['BUFFER_EXHAUSTED', 'fail'],
    ['TRANSACTION_ABORTED', 'fail'],
    ['DELIVERY_TIMEOUT', 'unknown'],
    ['DISCONNECTED', 'unknown'],
    ['UNKNOWN_SERVER_ERROR', 'unknown'],
    ['NOT_LEADER_OR_FOLLOWER', 'unknown'],
    // The last try was refused; an earlier one, whose answer was lost, may have been stored.
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'unknown'],
    ['PRODUCER_FENCED', 'unknown'],
    ['CLOSED', 'unknown'],
  ] as const)('a send that ended with %s: %s', (code, outcome) => {
    expect(outcomeOfSend(error(code))).toBe(outcome)
  })

  test.each([
    ['TRANSACTION_ABORTABLE', undefined, 'fail'],
    ['NOT_ENOUGH_REPLICAS', 'abort-transaction', 'fail'],
    ['INVALID_PRODUCER_EPOCH', 'abort-transaction', 'unknown'],
    ['PRODUCER_FENCED', undefined, 'unknown'],
    ['COMMIT_OUTCOME_UNKNOWN', undefined, 'unknown'],
    ['CLOSED', undefined, 'unknown'],
  ] as const)('a commit that ended with %s (%s): %s', (code, recovery, outcome) => {
    expect(outcomeOfCommit(error(code, recovery))).toBe(outcome)
  })

  test.each([
    ['ILLEGAL_STATE', 'fail'],
    ['ILLEGAL_GENERATION', 'unknown'],
    ['UNKNOWN_MEMBER_ID', 'unknown'],
    ['REQUEST_TIMEOUT', 'unknown'],
  ] as const)('an offset commit that ended with %s: %s', (code, outcome) => {
    expect(outcomeOfOffsetCommit(error(code))).toBe(outcome)
  })

  test('an error that is none of Kafka tells nothing', () => {
    const mistake = new TypeError('no such thing')
    expect([outcomeOfSend(mistake), outcomeOfCommit(mistake)]).toEqual(['unknown', 'unknown'])
  })
})

test('a role lives with what a cluster does to it, and dies of mistakes', () => {
  expect(isExpected(error('PRODUCER_FENCED'))).toBe(true)
  expect(isExpected(error('DISCONNECTED'))).toBe(true)
  expect(isExpected(error('INVALID_OPTION'))).toBe(false)
  expect(isExpected(error('INTERNAL'))).toBe(false)
  expect(isExpected(new TypeError('no such thing'))).toBe(false)
})

test('texts of errors are few: codes, and first lines', () => {
  expect(errorText(error('PRODUCER_FENCED'))).toBe('PRODUCER_FENCED')
  expect(errorText(new Error('one\ntwo'))).toBe('one')
})
