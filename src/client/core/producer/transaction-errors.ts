/** What the producer's errors say: about a call that does not fit the state, an answer that was a refusal, an end nobody knows. */
import { brokerError, KafkaError, type Recovery } from '../../errors.ts'
import type { CoreReply } from '../client-core.ts'
import type { Answer, CoordinatorWork } from './transaction-requests.ts'
import type { ProducerState, UserEvent } from './transaction-table.ts'

/** The caller is at fault. */
export function illegalState(event: UserEvent, state: ProducerState): KafkaError {
  return new KafkaError('ILLEGAL_STATE', `${DESCRIPTIONS[event]} while ${EXPLANATIONS[state]}`)
}

/** An error that leaves nothing but to abort. */
export function onlyAbort(cause: KafkaError): KafkaError {
  return withCause(cause, `the transaction can only be aborted (${cause.message})`, 'abort-transaction')
}

/** The same code, what it led to, and what to do about that. */
export function withCause(cause: KafkaError, message: string, recovery: Recovery): KafkaError {
  const { code, request } = cause
  return new KafkaError(code, message, { recovery, cause, ...(request !== undefined && { request }) })
}

/** Another producer has the transactional id. */
export function fenced(transactionalId: string | undefined, cause: KafkaError): KafkaError {
  const message = `another producer has taken over the transactional id ${transactionalId} (${cause.message})`
  const { request } = cause
  return new KafkaError('PRODUCER_FENCED', message, { cause, ...(request !== undefined && { request }) })
}

/** What a coordinator's answer amounts to. */
export function answerError(
  work: CoordinatorWork,
  answer: Answer,
  { version, broker }: CoreReply & { ok: true },
  transactionalId: string | undefined,
): KafkaError {
  const { topic, partition, code, verdict } = answer
  const request = {
    api: work.api,
    version,
    broker,
    ...(topic !== undefined && partition !== undefined && { topic, partition }),
    ...(work.api === 'TxnOffsetCommit' && { groupId: work.group.groupId }),
    ...(transactionalId !== undefined && { transactionalId }),
  }
  if (code === undefined) {
    const message = `${work.api} at ${broker} does not answer all that was asked`
    return new KafkaError('INVALID_RESPONSE', message, { request, recovery: 'retry' })
  }
  const error = brokerError(code, request)
  // What a change of permissions or options would mend keeps saying so.
  const isFatal = (verdict === 'fatal' || verdict === 'fenced') && error.recovery !== 'fix-configuration'
  return isFatal ? brokerError(code, request, { recovery: 'restart-producer' }) : error
}

/** Whether the transaction was committed is not known. @param waited  how long was waited for an answer */
export function unknownOutcome(cause: KafkaError | undefined, recovery: Recovery, waited?: string): KafkaError {
  const what = waited === undefined ? 'the commit was not answered' : `the commit was not answered within ${waited}`
  const then = recovery === 'retry' ? '; call commit() again, nothing else can follow' : ''
  const because = cause === undefined ? '' : ` (${cause.message})`
  const options = { recovery, ...(cause !== undefined && { cause }) }
  return new KafkaError(
    'COMMIT_OUTCOME_UNKNOWN',
    `${what}, so it may or may not have happened${then}${because}`,
    options,
  )
}

const DESCRIPTIONS: Readonly<Record<UserEvent, string>> = {
  init: 'cannot initialize',
  begin: 'cannot begin a transaction',
  write: 'cannot send',
  commit: 'cannot commit',
  abort: 'cannot abort',
}

const EXPLANATIONS: Readonly<Record<ProducerState, string>> = {
  Uninitialized: 'the producer has no producer id yet',
  Initializing: 'the producer waits for its producer id',
  Ready: 'no transaction is open',
  InTransaction: 'a transaction is open',
  CommittingTransaction: 'a transaction is being committed',
  AbortingTransaction: 'a transaction is being aborted',
  AbortableError: 'the transaction can only be aborted',
  FatalError: 'the producer has failed',
}
