/** The table of SPEC.md, row by row. */
import { describe, expect, test } from 'vitest'
import { KafkaError, type KafkaErrorCode, type Recovery } from '../../errors.ts'
import {
  backoffMs,
  classifyFailure,
  type FailureContext,
  type FailureKind,
  nextStep,
  type NextStep,
  type Step,
} from './failure.ts'

const POLICY = { retries: 2, backoffMs: 100, backoffMaxMs: 1_000, producerRestartsMax: 3 }
const ONCE = { record: 1, transient: 1, membership: 1, producer: 1 }

function error(code: KafkaErrorCode, recovery?: Recovery): KafkaError {
  return new KafkaError(code, 'x', recovery === undefined ? {} : { recovery })
}

describe('what a failure means', () => {
  const rows: readonly [Step, unknown, FailureKind][] = [
    ['process', new Error('of the user'), 'record'],
    ['process', 'not even an error', 'record'],
    ['begin', new Error('ours'), 'fatal'],
    ['process', error('SERIALIZATION_FAILED'), 'record'],
    ['process', error('MESSAGE_TOO_LARGE'), 'record'],
    ['commit', error('MESSAGE_TOO_LARGE', 'abort-transaction'), 'record'],
    ['process', error('TRANSACTION_ABORTABLE'), 'transient'],
    ['offsets', error('COORDINATOR_NOT_AVAILABLE'), 'transient'],
    ['begin', error('CONNECTION_FAILED'), 'transient'],
    ['offsets', error('ILLEGAL_GENERATION', 'abort-transaction'), 'membership'],
    ['offsets', error('UNKNOWN_MEMBER_ID'), 'membership'],
    ['offsets', error('FENCED_INSTANCE_ID'), 'fatal'],
    ['process', error('PRODUCER_FENCED'), 'producer'],
    ['begin', error('OUT_OF_ORDER_SEQUENCE_NUMBER'), 'producer'],
    ['begin', error('TRANSACTIONAL_ID_AUTHORIZATION_FAILED'), 'fatal'],
    ['offsets', error('GROUP_AUTHORIZATION_FAILED'), 'fatal'],
    ['commit', error('COMMIT_OUTCOME_UNKNOWN'), 'outcome-unknown'],
    ['commit', error('REQUEST_TIMEOUT'), 'outcome-unknown'],
    ['commit', error('UNKNOWN_SERVER_ERROR', 'fix-configuration'), 'outcome-unknown'],
    ['commit', error('TRANSACTION_ABORTABLE'), 'transient'],
    ['commit', error('PRODUCER_FENCED'), 'producer'],
  ]
  test.each(rows)('in step %s, %s is %s', (step, cause, kind) => {
    expect(classifyFailure(cause, step)).toBe(kind)
  })

  test('an error of Kafka behind another one counts as what it hides', () => {
    const hidden = new KafkaError('TRANSACTION_ABORTED', 'x', { cause: error('ILLEGAL_GENERATION') })
    expect(classifyFailure(hidden, 'commit')).toBe('membership')
  })
})

describe('what comes next', () => {
  const rows: readonly [Partial<FailureContext>, NextStep['step']][] = [
    [{ kind: 'record' }, 'retry'],
    [{ kind: 'record', counts: { ...ONCE, record: 3 } }, 'isolate'],
    [{ kind: 'record', counts: { ...ONCE, record: 3 }, recordCount: 1 }, 'give-up-record'],
    [{ kind: 'record', counts: { ...ONCE, record: 3 }, mayGiveUpRecords: false }, 'stop'],
    [{ kind: 'transient', counts: { ...ONCE, transient: 1_000 } }, 'retry'],
    [{ kind: 'membership' }, 'rejoin'],
    [{ kind: 'producer' }, 'restart-producer'],
    [{ kind: 'producer', at: 'commit' }, 'resolve-outcome'],
    [{ kind: 'producer', counts: { ...ONCE, producer: 4 } }, 'stop'],
    [{ kind: 'outcome-unknown', at: 'commit' }, 'resolve-outcome'],
    [{ kind: 'fatal' }, 'stop'],
    [{ kind: 'stopped' }, 'stop'],
    // at_most_once: the offsets are committed, so nothing is processed again.
    [{ kind: 'record', repeatsBatches: false }, 'give-up-batch'],
    [{ kind: 'record', repeatsBatches: false, recordCount: 1 }, 'give-up-record'],
    [{ kind: 'record', repeatsBatches: false, mayGiveUpRecords: false }, 'stop'],
    [{ kind: 'transient', repeatsBatches: false }, 'give-up-batch'],
    [{ kind: 'membership', repeatsBatches: false }, 'give-up-batch'],
    [{ kind: 'transient', repeatsBatches: false, at: 'offsets' }, 'retry'],
    [{ kind: 'fatal', repeatsBatches: false }, 'stop'],
  ]
  test.each(rows)('%o leads to %s', (context, step) => {
    const whole: FailureContext = {
      kind: 'record',
      at: 'process',
      repeatsBatches: true,
      counts: ONCE,
      recordCount: 10,
      mayGiveUpRecords: true,
      policy: POLICY,
      ...context,
    }
    expect(nextStep(whole, 0.5).step).toBe(step)
  })

  test('pauses double up to their limit and are spread by a fifth', () => {
    expect([1, 2, 3, 4, 5, 60].map((attempt) => backoffMs(POLICY, attempt, 0.5))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ])
    expect(backoffMs(POLICY, 1, 0)).toBeCloseTo(80)
    expect(backoffMs(POLICY, 1, 1)).toBeCloseTo(120)
  })
})
