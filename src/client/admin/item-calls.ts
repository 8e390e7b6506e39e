/**
 * Calls about several things at a time: topics, partitions, groups. Each thing goes to the broker that is right for it now, and
 * only those that were not settled are asked for again, at the broker that is right by then.
 *
 * Owns what becomes of each item, and the one error in which the failures of several end. Leaves to others: what is asked
 * (topics.ts, offsets.ts, …), single questions and those to all brokers (admin-call.ts).
 *
 * Invariants: an item that was settled is not asked for again; the promise settles only after each item has.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import type { Api, RequestDraftOf, ResponseOf } from '../../protocol/schema.ts'
import { RequestFailure } from '../cluster/client-connection.ts'
import type { Destination } from '../core/client-core.ts'
import { brokerError, isRetriable, KafkaError, type RequestInfo } from '../errors.ts'
import type { TopicPartition } from '../topic.ts'
import { type AdminContext, allBrokers, FINAL_CODES, tryOnce, viewsByName } from './admin-call.ts'

/** What an answer says of one item. */
export interface ItemOutcome<T> {
  /** As `keyOf` gives it. */
  readonly key: string
  readonly code: ErrorCode
  readonly detail?: string | null
  readonly value: T
}

export interface ItemCall<I, T, A extends Api> {
  readonly api: A
  readonly minVersion?: number
  keyOf(item: I): string
  about(item: I): Partial<RequestInfo>
  body(items: readonly I[]): RequestDraftOf<A>
  outcomes(response: ResponseOf<A>): readonly ItemOutcome<T>[]
  /** Codes that asking again does not mend, although they can mean that something is outdated. */
  readonly finalCodes: ReadonlySet<ErrorCode>
  /** Codes that mean success after a try that was not answered: it has been carried out. */
  readonly doneCodes?: ReadonlySet<ErrorCode>
}

export interface Route<I> {
  /** An error: the items can go nowhere now. */
  readonly to: Destination | KafkaError
  readonly items: readonly I[]
}

/** @param timeoutMs  for finding out */
export type Router<I> = (items: readonly I[], timeoutMs: number) => Promise<readonly Route<I>[]>

interface Entry<I, T> {
  readonly item: I
  /** A try that was not answered may have been carried out. */
  isAmbiguous: boolean
  result: { readonly value: T } | undefined
  error: KafkaError | undefined
}

/** The leader knows a partition a moment later than Metadata names it; one that is gone is not named any more. */
export const LEADER_FINAL_CODES: ReadonlySet<ErrorCode> = new Set(
  [...FINAL_CODES].filter((code) => code !== 'UNKNOWN_TOPIC_OR_PARTITION'),
)

/**
 * In the order of the items. When some fail it rejects, after all have settled, with the code of the first that did; `cause` is
 * an AggregateError of their KafkaErrors, whose `request` says which item each is about. The others have been done.
 * Rejects with INVALID_ARGUMENT for an item that is given twice.
 */
export async function askForEach<I, T, A extends Api>(
  context: AdminContext,
  items: readonly I[],
  route: Router<I>,
  call: ItemCall<I, T, A>,
): Promise<readonly T[]> {
  const { cluster, timeoutMs } = context
  const { clock } = cluster.runtime
  const deadlineMs = clock.monotonicMs() + timeoutMs
  const entries = new Map<string, Entry<I, T>>()
  for (const item of items) {
    const key = call.keyOf(item)
    if (entries.has(key)) throw new KafkaError('INVALID_ARGUMENT', `${call.api.name}: ${key} is given twice`)
    entries.set(key, { item, isAmbiguous: false, result: undefined, error: undefined })
  }
  let pending = [...entries.values()]
  for (let attempt = 1; pending.length > 0; attempt += 1) {
    const leftMs = Math.max(1, deadlineMs - clock.monotonicMs())
    const routes = await findRoutes(route, pending, leftMs)
    await Promise.all(routes.map((one) => askRoute(context, one, call, entries, deadlineMs)))
    pending = pending.filter(({ error }) => error !== undefined && isRetriable(error) && !isFinal(error, call))
    const pauseMs = cluster.backoffMs(attempt)
    if (pending.length === 0 || clock.monotonicMs() + pauseMs >= deadlineMs) break
    await cluster.sleep(pauseMs)
  }
  const settled = [...entries.values()]
  const failures = settled.flatMap(({ error }) => error ?? [])
  if (failures.length > 0) throw oneError(failures, settled.length)
  return settled.flatMap(({ result }) => (result === undefined ? [] : [result.value]))
}

async function findRoutes<I, T>(
  route: Router<I>,
  pending: readonly Entry<I, T>[],
  timeoutMs: number,
): Promise<readonly Route<I>[]> {
  const items = pending.map(({ item }) => item)
  try {
    return await route(items, timeoutMs)
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    return [{ to: error, items }]
  }
}

function isFinal(error: KafkaError, { finalCodes }: { readonly finalCodes: ReadonlySet<ErrorCode> }): boolean {
  // What Metadata has said is final by the general rule; the rule of the call is for what brokers answer to it.
  const codes = error.request?.api === 'Metadata' ? FINAL_CODES : finalCodes
  return codes.has(error.code as ErrorCode)
}

/** Never rejects with KafkaError: each item keeps what has become of it. */
async function askRoute<I, T, A extends Api>(
  context: AdminContext,
  { to, items }: Route<I>,
  call: ItemCall<I, T, A>,
  entries: ReadonlyMap<string, Entry<I, T>>,
  deadlineMs: number,
): Promise<void> {
  const mine = items.flatMap((item) => entries.get(call.keyOf(item)) ?? [])
  const fail = (entry: Entry<I, T>, error: KafkaError): void => {
    entry.error = error
  }
  if (to instanceof KafkaError) {
    for (const entry of mine) fail(entry, to)
    return
  }
  const { api, minVersion } = call
  const { cluster } = context
  let reply
  try {
    const bounds = minVersion === undefined ? {} : { minVersion }
    reply = await tryOnce(context, { destination: to, api, body: call.body(items), ...bounds }, deadlineMs)
  } catch (reason) {
    const error = reason instanceof RequestFailure ? reason.error : reason
    if (!(error instanceof KafkaError)) throw error
    const isAmbiguous = reason instanceof RequestFailure && reason.mayHaveBeenSent
    for (const entry of mine) {
      entry.isAmbiguous ||= isAmbiguous
      fail(entry, error)
    }
    return
  }
  const { response, broker } = reply
  const outcomes = new Map(call.outcomes(response).map((outcome) => [outcome.key, outcome]))
  for (const entry of mine) {
    const key = call.keyOf(entry.item)
    const request = { api: api.name, broker, ...call.about(entry.item) }
    const outcome = outcomes.get(key)
    if (outcome === undefined) {
      const message = `the answer to ${api.name} at ${broker} does not speak of ${key}`
      fail(entry, new KafkaError('INVALID_RESPONSE', message, { request }))
    } else if (outcome.code === 'NONE' || (entry.isAmbiguous && call.doneCodes?.has(outcome.code) === true)) {
      entry.result = outcome
      entry.error = undefined
    } else {
      const error = brokerError(outcome.code, request, { detail: detailOf(outcome, entry.isAmbiguous) })
      cluster.heed(error, to)
      // The broker gave up waiting for what it had begun.
      if (outcome.code === 'REQUEST_TIMED_OUT') entry.isAmbiguous = true
      fail(entry, error)
    }
  }
}

function detailOf({ detail = null }: ItemOutcome<unknown>, isAmbiguous: boolean): string | null {
  if (!isAmbiguous) return detail
  const doubt = 'an earlier try of this call was not answered, and may have done it'
  return detail === null ? doubt : `${detail} (${doubt})`
}

function oneError(failures: readonly KafkaError[], itemCount: number): KafkaError {
  const first = failures[0] as KafkaError
  if (itemCount === 1) return first
  const rest = failures.length === itemCount ? 'all' : `${failures.length} of ${itemCount}`
  const message = `${first.message.slice(first.code.length + 2)}; ${rest} failed${rest === 'all' ? '' : ', the rest was done'}`
  return new KafkaError(first.code, message, {
    recovery: first.recovery,
    cause: new AggregateError(failures, `${failures.length} of ${itemCount} failed`),
    ...(first.request === undefined ? {} : { request: first.request }),
  })
}

/** All at the controller. */
export function toController<I>(context: AdminContext): Router<I> {
  return async (items, timeoutMs) => {
    await allBrokers(context, timeoutMs)
    return [{ to: { kind: 'controller' }, items }]
  }
}

/** Each at its own coordinator. */
export function toGroupCoordinators(groupIds: readonly string[]): Promise<readonly Route<string>[]> {
  return Promise.resolve(
    groupIds.map((groupId) => ({ to: { kind: 'coordinator', of: 'group', key: groupId } as const, items: [groupId] })),
  )
}

/** Each partition at its leader. */
export function toLeaders<P extends TopicPartition>(context: AdminContext): Router<P> {
  return async (partitions, timeoutMs) => {
    const names = [...new Set(partitions.map(({ topic }) => topic))]
    const [views] = await Promise.all([viewsByName(context, names, timeoutMs), allBrokers(context, timeoutMs)])
    const byNode = new Map<number, P[]>()
    const homeless: Route<P>[] = []
    for (const one of partitions) {
      const view = views.get(one.topic)
      const request = { api: 'Metadata', topic: one.topic, partition: one.partition }
      const found = view?.partitions[one.partition]
      if (view?.error !== undefined) homeless.push({ to: view.error, items: [one] })
      else if (found === undefined) {
        const detail = `topic ${one.topic} has no partition ${one.partition}`
        homeless.push({ to: brokerError('UNKNOWN_TOPIC_OR_PARTITION', request, { detail }), items: [one] })
      } else if (found.leaderId === undefined) {
        homeless.push({ to: brokerError('LEADER_NOT_AVAILABLE', request), items: [one] })
      } else {
        const known = byNode.get(found.leaderId)
        if (known === undefined) byNode.set(found.leaderId, [one])
        else known.push(one)
      }
    }
    return [...homeless, ...[...byNode].map(([nodeId, items]) => ({ to: { kind: 'node', nodeId } as const, items }))]
  }
}

/** What a partition is called in answers, for `keyOf` and `outcomes`. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}
