/**
 * Whether the records of a partition are what its clients know of it, and what became of transactions.
 *
 * Pure: compares what was read with a ledger.
 */
import { nameOf } from './facts.ts'
import type { KnownBatch, KnownPlace, KnownTransaction, Ledger } from './ledger.ts'
import type { ReadPlace } from './reader.ts'
import { check } from './violation.ts'

/** All records of one place: nothing acknowledged is missing, nothing is made up, stored twice, torn, out of order or taken back. */
export function judgeBatches(known: KnownPlace, read: ReadPlace, visible: ReadPlace, isFinal: boolean): void {
  const name = nameOf(known.place)
  const offsetOf = new Map<string, number>()
  for (const [offset, value] of read.records) {
    check(!offsetOf.has(value), `${value} is stored once in ${name}, not at ${offsetOf.get(value)} and ${offset}`)
    offsetOf.set(value, offset)
  }
  let asked = 0
  for (const batch of known.batches) asked += judgeBatch(batch, offsetOf, read, name)
  check(asked === read.records.size, `${name} holds records nobody sent to it: ${strangers(known, read).join(', ')}`)
  judgeOrder(known, offsetOf)
  for (const [offset, value] of known.shown) {
    const isKept = offset < read.logStartOffset || read.records.get(offset) === value
    check(isKept, `${name} has shown ${value} at ${offset}, and now ${read.records.get(offset)}`)
  }
  for (const [offset, value] of known.shownCommitted) {
    const isKept = offset < read.logStartOffset || visible.records.get(offset) === value
    check(isKept, `${name} has shown ${value} at ${offset} as committed, and now ${visible.records.get(offset)}`)
  }
  for (const [offset, value] of visible.records)
    check(read.records.get(offset) === value, `${value} is at ${offset} of ${name} for either kind of reader`)
  const { lastStableOffset, highWatermark } = visible
  check(
    !isFinal || lastStableOffset === highWatermark,
    `nothing of ${name} is held back once all transactions have ended`,
  )
}

/** @returns how many of its records are there */
function judgeBatch(batch: KnownBatch, offsetOf: ReadonlyMap<string, number>, read: ReadPlace, name: string): number {
  const { request, state, baseOffset } = batch
  const offsets = request.values.map((value) => offsetOf.get(value))
  const present = offsets.filter((offset) => offset !== undefined)
  const first = request.values[0] as string
  if (state === 'stored') {
    for (const [at, offset] of offsets.entries()) {
      const told = baseOffset + at
      const isDeleted = told < read.logStartOffset
      check(isDeleted || offset === told, `${request.values[at]} was acknowledged at ${told} of ${name}, not ${offset}`)
    }
    return present.length
  }
  check(state !== 'refused' || present.length === 0, `${first} was refused and is stored in ${name}`)
  if (present.length === 0) return 0
  const start = offsets.findIndex((offset) => offset !== undefined)
  // Deletion takes records from the front only.
  const isWhole = offsets.every((offset, at) => at < start || offset === (offsets[start] as number) + at - start)
  const isFront = start === 0 || offsets[start] === read.logStartOffset
  check(isWhole && isFront, `the batch of ${first} is in ${name} as a whole, not at ${offsets.join()}`)
  return present.length
}

function strangers(known: KnownPlace, read: ReadPlace): string[] {
  const sent = new Set(known.batches.flatMap(({ request }) => request.values))
  return [...read.records.values()].filter((value) => !sent.has(value)).map((value) => value.slice(0, 100))
}

/** Batches of one producer and epoch lie in the order of their sequences, without a gap. */
function judgeOrder(known: KnownPlace, offsetOf: ReadonlyMap<string, number>): void {
  const lastOf = new Map<string, { readonly offset: number; readonly isMissing: boolean }>()
  for (const { request, state } of known.batches) {
    if (request.producer === undefined || state === 'refused') continue
    const { producerId, producerEpoch } = request.producer
    const stream = `${producerId} ${producerEpoch}`
    const offset = offsetOf.get(request.values.at(-1) as string)
    const last = lastOf.get(stream)
    if (offset === undefined) {
      // What was stored and is not there has been deleted.
      if (state === 'pending') lastOf.set(stream, { offset: last?.offset ?? -1, isMissing: true })
      continue
    }
    check(last?.isMissing !== true, `${request.values[0]} is stored, the batch before it is not`)
    check(offset > (last?.offset ?? -1), `${request.values[0]} comes after the batch before it`)
    lastOf.set(stream, { offset, isMissing: false })
  }
}

interface ReadPair {
  readonly known: KnownPlace
  readonly read: ReadPlace
  readonly visible: ReadPlace
}

/**
 * All of a transaction is visible to read_committed or nothing of it, and which of the two is no surprise.
 * @returns of transactions whose outcome nobody was told, what it was
 */
export function outcomesOf(
  ledger: Ledger,
  pairs: readonly ReadPair[],
  isFinal: boolean,
): Map<number, 'committed' | 'aborted'> {
  const pairOf = new Map(pairs.map((pair) => [`${nameOf(pair.known.place)}@${pair.known.incarnation}`, pair]))
  const outcomes = new Map<number, 'committed' | 'aborted'>()
  for (const transaction of ledger.transactions.values()) {
    const isVisible = visibility(transaction, pairOf, ledger)
    const { state, transaction: number, transactionalId } = transaction
    const name = `transaction ${number} of ${transactionalId}`
    if (state === 'committed') check(isVisible !== false, `${name} was committed and is visible`)
    else if (state !== 'deciding') check(isVisible !== true, `${name} was not committed and is not visible`)
    else if (isVisible !== undefined && (isVisible || isFinal))
      outcomes.set(number, isVisible ? 'committed' : 'aborted')
  }
  for (const { read, visible } of pairs) judgePlainVisibility(ledger, read, visible)
  return outcomes
}

/** @returns `undefined` while nothing of it can be seen either way: deleted, or behind an open transaction */
function visibility(
  { batches, transaction, transactionalId }: KnownTransaction,
  pairOf: ReadonlyMap<string, ReadPair>,
  ledger: Ledger,
): boolean | undefined {
  let isVisible: boolean | undefined
  for (const { request, incarnation } of batches) {
    const pair = pairOf.get(`${nameOf(request.place)}@${incarnation}`)
    if (pair === undefined) continue
    for (const value of request.values) {
      const offset = [...pair.read.records].find(([, found]) => found === value)?.[0]
      if (offset === undefined || offset >= holdAt(pair, ledger)) continue
      const sees = pair.visible.records.has(offset)
      const name = `transaction ${transaction} of ${transactionalId}`
      check(isVisible === undefined || isVisible === sees, `${name} is visible as a whole, but for ${value}`)
      isVisible = sees
    }
  }
  return isVisible
}

/** The last stable offset, if there is an open transaction that may hold it back. */
function holdAt({ read, visible }: ReadPair, ledger: Ledger): number {
  const { lastStableOffset, highWatermark } = visible
  if (lastStableOffset >= highWatermark) return Infinity
  const value = read.records.get(lastStableOffset)
  const number = value === undefined ? undefined : ledger.batchOf.get(value)?.request.transaction
  const holder = number === undefined ? undefined : ledger.transaction(number)
  check(holder !== undefined, `what holds ${nameOf(read.place)} back at ${lastStableOffset} is a transaction`)
  check(holder?.state !== 'committed', `transaction ${number} was committed and holds ${nameOf(read.place)} back`)
  return lastStableOffset
}

function judgePlainVisibility(ledger: Ledger, read: ReadPlace, visible: ReadPlace): void {
  for (const [offset, value] of read.records) {
    if (offset >= visible.lastStableOffset) continue
    if (ledger.batchOf.get(value)?.request.transaction !== undefined) continue
    check(visible.records.has(offset), `${value} at ${offset} of ${nameOf(read.place)} is seen by read_committed too`)
  }
}
