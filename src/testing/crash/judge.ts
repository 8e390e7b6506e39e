/**
 * Asks a broker that was started after a crash, as clients would, whether it kept what its clients knew.
 *
 * What it answers is knowledge too from then on, so it goes into the participant's facts: a later start is held to it.
 *
 * In order: what the start itself has to have finished; then, as the plan says, clients that survived and ask again for what had no
 * answer, or clients that are gone, whose transactions a successor or their timeout ends; then fencing, producer ids, offsets and
 * settings; then everything is read once more.
 */
import type { ErrorCode } from '../../protocol/error-codes.ts'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import { describeConfigs } from '../../protocol/messages/describe-configs.ts'
import { describeTransactions } from '../../protocol/messages/describe-transactions.ts'
import { metadata } from '../../protocol/messages/metadata.ts'
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import { nameOf } from './facts.ts'
import type { ProducerIdentity } from './facts.ts'
import { judgeBatches, outcomesOf } from './judge-records.ts'
import type { KnownPlace } from './ledger.ts'
import type { Participant } from './participant.ts'
import { readAll } from './reader.ts'
import type { ReadPlace } from './reader.ts'
import { check, ReadRefused } from './violation.ts'

export interface JudgePlan {
  /** Who had requests under way: is still there and asks again, has a successor, or is never heard of again. */
  readonly clients: 'survive' | 'restart' | 'vanish'
}

/** Longer than any timeout of a transaction in the workloads, and its scan. */
const ALL_TIMEOUTS_MS = 80_000
const SURVIVING_BATCHES = 5

export async function judge(participant: Participant, plan: JudgePlan): Promise<void> {
  await judgeLeaderEpoch(participant)
  const places = await judgeTopics(participant)
  await judgeDecided(participant)
  await judgePlaces(participant, places, false)
  if (plan.clients === 'survive') await goOn(participant)
  else if (plan.clients === 'vanish') {
    participant.note({ kind: 'waited' })
    await participant.pause(ALL_TIMEOUTS_MS)
  }
  await judgeProducers(participant)
  await judgeRetries(participant)
  await judgeGroups(participant)
  await judgePlaces(participant, places, true)
  await judgeOffsets(participant)
  await judgeSettings(participant)
}

/** Markers of an earlier start are refused by it, and consumers see by it where logs part. */
async function judgeLeaderEpoch(participant: Participant): Promise<void> {
  const before = participant.ledger.leaderEpoch
  await participant.noteLeaderEpoch()
  const { leaderEpoch } = participant.ledger
  check(leaderEpoch > before, `the leader epoch of a start is above ${before}, not ${leaderEpoch}`)
}

async function judgeTopics(participant: Participant): Promise<KnownPlace[]> {
  const { ledger } = participant
  const { topics } = await participant.wire.request(metadata, 12, { topics: null })
  const found = new Map(topics.map((topic) => [topic.name as string, topic]))
  const places: KnownPlace[] = []
  for (const known of ledger.topics.values()) {
    const topic = found.get(known.topic)
    const name = `topic ${known.topic}`
    if (topic === undefined) {
      check(known.state !== 'there', `${name} was there`)
      participant.note({ kind: 'topic', topic: known.topic, partitions: 'gone' })
      continue
    }
    check(known.state !== 'gone', `${name} was deleted, or never asked for`)
    const count = topic.partitions.length
    check(count >= known.partitions, `${name} had ${known.partitions} partitions and has ${count}`)
    check(count <= known.partitionsMax, `${name} has ${count} partitions, ${known.partitionsMax} were asked for`)
    participant.note({ kind: 'topic', topic: known.topic, partitions: count })
    for (let partition = 0; partition < count; partition += 1)
      places.push(ledger.place({ topic: known.topic, partition }))
  }
  for (const { name, isInternal } of topics)
    check(isInternal || ledger.topics.has(name as string), `topic ${name} is made up`)
  return places
}

/** What was decided before the crash is finished by the start, without anybody asking for it. */
async function judgeDecided({ ledger, wire }: Participant): Promise<void> {
  const transactionalIds = Array.from(ledger.producers.values(), ({ told, transactionalId }) =>
    told.length === 0 ? [] : [transactionalId],
  ).flat()
  if (transactionalIds.length === 0) return
  const { transactionStates } = await wire.request(describeTransactions, 0, { transactionalIds })
  for (const { transactionalId, transactionState, errorCode, producerId, producerEpoch } of transactionStates) {
    check(errorCode === 'NONE', `transactional id ${transactionalId} is known, not ${errorCode}`)
    check(!transactionState.startsWith('Prepare'), `${transactionalId} is still in ${transactionState} after the start`)
    for (const { state, transactionalId: id, producer, transaction } of ledger.transactions.values()) {
      const isOfIt = isSame(producer, { producerId, producerEpoch })
      if (id !== transactionalId || !isOfIt || transactionState !== 'Ongoing') continue
      // In version 1 the next transaction of a producer has the same identity.
      const isNewest = ![...ledger.transactions.values()].some(
        (other) => other.transactionalId === id && other.transaction > transaction,
      )
      check(!isNewest || state !== 'committed', `transaction ${transaction} of ${id} was committed and is open`)
    }
  }
}

/** @param isFinal  nothing is under way any more: whatever is not visible now never will be */
async function judgePlaces(participant: Participant, places: readonly KnownPlace[], isFinal: boolean): Promise<void> {
  if (places.length === 0) return
  const { ledger, wire } = participant
  const from = places.map(({ place, deletedTo }) => ({ place, offset: deletedTo }))
  const [all, committed] = await Promise.all([readAll(wire, from, 0), readAll(wire, from, 1)])
  for (const known of places) {
    const name = nameOf(known.place)
    const [read, visible] = [all.get(name) as ReadPlace, committed.get(name) as ReadPlace]
    if (read.error === 'CORRUPT_MESSAGE' || visible.error === 'CORRUPT_MESSAGE') {
      throw new ReadRefused(`${name} can be read, not CORRUPT_MESSAGE`)
    }
    check(read.error === 'NONE' && visible.error === 'NONE', `${name} can be read, not ${read.error}, ${visible.error}`)
    judgeStart(known, read)
    judgeBatches(known, read, visible, isFinal)
  }
  const pairs = places.map((known) => {
    const name = nameOf(known.place)
    return { known, read: all.get(name) as ReadPlace, visible: committed.get(name) as ReadPlace }
  })
  const outcomes = outcomesOf(ledger, pairs, isFinal)
  for (const { known, read, visible } of pairs) {
    const { logStartOffset, highWatermark } = read
    const { place } = known
    const shown = { kind: 'shown' as const, place, logStartOffset, highWatermark }
    participant.note({ ...shown, isCommitted: false, records: [...read.records] })
    participant.note({ ...shown, isCommitted: true, records: [...visible.records] })
  }
  for (const [transaction, outcome] of outcomes) participant.note({ kind: 'outcome', transaction, outcome })
}

function judgeStart(known: KnownPlace, { logStartOffset, highWatermark }: ReadPlace): void {
  const name = nameOf(known.place)
  const { deletedTo, deletedToMax } = known
  check(logStartOffset >= deletedTo, `${name} begins at ${logStartOffset}; it was deleted up to ${deletedTo}`)
  const most = Math.max(deletedTo, deletedToMax)
  check(logStartOffset <= most, `${name} begins at ${logStartOffset}; deletion up to ${most} was asked for`)
  check(highWatermark >= known.highWatermark, `${name} ended at ${known.highWatermark}, now at ${highWatermark}`)
}

/** Clients that have noticed nothing but a lost connection ask again for what nobody answered, and end what they began. */
async function goOn(participant: Participant): Promise<void> {
  const { ledger } = participant
  for (const transaction of [...ledger.transactions.values()]) {
    const { transaction: number, version, transactionalId } = transaction
    const known = ledger.producers.get(transactionalId)
    // A zombie of an earlier judgement.
    if (known?.fenced.some((zombie) => isSame(zombie, transaction.producer)) === true) continue
    const mayBeGone = transaction.mayTimeOut || known?.isReplacing === true
    if (transaction.state === 'committed' || transaction.state === 'aborted') continue
    const name = `transaction ${number} of ${transactionalId}`
    if (transaction.state === 'open') {
      const isThere = transaction.unanswered.concat(transaction.batches.map(({ request }) => request))
      if (isThere.length + transaction.offsets.length === 0) continue
      const places = transaction.batches.map(({ request }) => request.place)
      if (version === 1 && places.length > 0) await participant.addToTransaction(number, places)
      let isStored = true
      for (const request of [...transaction.unanswered]) {
        const answer = await participant.tell(request, (again) =>
          again.api === 'append' ? participant.sendBatch(again, version) : participant.sendOffsets(again),
        )
        const isGone = request.api === 'append' && ledger.topics.get(request.place.topic)?.state !== 'there'
        check(answer.error === 'NONE' || mayBeGone || isGone, `${name} goes on, not ${answer.error} to ${request.api}`)
        isStored &&= answer.error === 'NONE'
      }
      const answer = await end(isStored)
      check(answer === 'NONE' || mayBeGone || !isStored, `${name} can be committed, not ${answer}`)
    } else {
      const answer = await end(transaction.state === 'deciding')
      check(answer === 'NONE' || mayBeGone, `${name} can be ended once more as it was asked for, not ${answer}`)
    }
    async function end(commits: boolean): Promise<ErrorCode> {
      const request = { api: 'end' as const, transaction: number, commits }
      return (await participant.tell(request, () => participant.sendEnd(number, commits))).error
    }
  }
}

/** Whoever comes next fences those before and ends what they left open; no producer id is given twice. */
async function judgeProducers(participant: Participant): Promise<void> {
  const { ledger } = participant
  for (const { transactionalId, told, fenced } of [...ledger.producers.values()]) {
    const before = told.at(-1)
    const given = new Set(ledger.producerIds)
    const { error, producer } = await participant.init(transactionalId)
    check(error === 'NONE' && producer !== undefined, `${transactionalId} can be initialised, not ${error}`)
    if (before === undefined || producer === undefined) continue
    const { producerId, producerEpoch } = producer
    if (producerId === before.producerId) {
      const isNewer = producerEpoch > before.producerEpoch
      check(isNewer, `${transactionalId} gets an epoch above ${before.producerEpoch}, not ${producerEpoch}`)
    } else check(!given.has(producerId), `producer id ${producerId} is given once, not to ${transactionalId} as well`)
    for (const zombie of new Set([before, fenced[0]])) {
      if (zombie !== undefined) await judgeZombie(participant, transactionalId, zombie)
    }
  }
  for (let count = 0; count < 2; count += 1) {
    const given = new Set(ledger.producerIds)
    const { error, producer } = await participant.init(undefined)
    check(error === 'NONE', `a producer id is given, not ${error}`)
    check(!given.has(producer?.producerId ?? -1), `producer id ${producer?.producerId} is given once`)
  }
}

async function judgeZombie(participant: Participant, transactionalId: string, zombie: ProducerIdentity): Promise<void> {
  const topic = [...participant.ledger.topics.values()].find(({ state }) => state === 'there')
  const start = { transactionalId, producer: zombie, version: 2 as const, mayTimeOut: false }
  const transaction = participant.begin(start)
  const name = `${transactionalId} at producer id ${zombie.producerId}, epoch ${zombie.producerEpoch}`
  if (topic !== undefined) {
    const place = { topic: topic.topic, partition: 0 }
    const producer = { ...zombie, baseSequence: 0 }
    const values = participant.values(place, 1, 0)
    const request = { api: 'append' as const, place, values, producer, transaction }
    const { error } = await participant.tell(request, (sent) => participant.sendBatch(sent, 2))
    check(error !== 'NONE', `${name} is fenced and may not write`)
  }
  const request = { api: 'end' as const, transaction, commits: true }
  const { error } = await participant.tell(request, () => participant.sendEnd(transaction, true))
  check(error !== 'NONE', `${name} is fenced and may not commit`)
}

function isSame(one: ProducerIdentity, other: ProducerIdentity): boolean {
  return one.producerId === other.producerId && one.producerEpoch === other.producerEpoch
}

/** The last batches of each idempotent producer, sent once more as they were, are stored once. */
async function judgeRetries(participant: Participant): Promise<void> {
  for (const known of [...participant.ledger.places.values()]) {
    if (participant.ledger.topics.get(known.place.topic)?.incarnation !== known.incarnation) continue
    if (participant.ledger.topics.get(known.place.topic)?.state !== 'there') continue
    const streams = Map.groupBy(
      known.batches.filter(({ request, state }) => {
        return request.producer !== undefined && request.transaction === undefined && state !== 'refused'
      }),
      ({ request }) => request.producer?.producerId,
    )
    for (const stream of streams.values()) {
      const newest = stream.slice(-SURVIVING_BATCHES)
      const older = stream.at(-SURVIVING_BATCHES - 1)
      const wasStored = newest.map(({ state, baseOffset }) => (state === 'stored' ? baseOffset : undefined))
      const answers = await Promise.all(
        newest.map(({ request }) => participant.tell(request, (again) => participant.sendBatch(again, 1))),
      )
      for (const [at, { error, baseOffset }] of answers.entries()) {
        const value = newest[at]?.request.values[0]
        check(error === 'NONE', `${value} sent once more is accepted, not ${error}`)
        const first = wasStored[at]
        check(first === undefined || first === baseOffset, `${value} is at ${first}, its repetition at ${baseOffset}`)
      }
      if (older === undefined) continue
      const { error, baseOffset } = await participant.sendBatch(older.request, 1)
      const isKnown = error === 'NONE' && baseOffset === older.baseOffset
      check(error !== 'NONE' || isKnown, `${older.request.values[0]} is older than five, and stored twice`)
    }
  }
}

/** The newest generation commits, an older one is refused. */
async function judgeGroups(participant: Participant): Promise<void> {
  for (const { group, member, isJoining, state } of [...participant.ledger.groups.values()]) {
    if (member === undefined || isJoining || state !== 'there') continue
    const place = [...participant.ledger.offsets.values()].find((known) => known.group === group)?.place
    if (place === undefined || participant.ledger.topics.get(place.topic)?.state !== 'there') continue
    const offsets = [{ place, offset: 77 }]
    const stale = { ...member, generationId: member.generationId - 1 }
    const error = await participant.commitAs(group, offsets, stale)
    check(error !== 'NONE', `generation ${stale.generationId} of ${group} is fenced`)
    const stranger = await participant.commitAs(group, offsets, { ...member, memberId: 'stranger' })
    check(stranger !== 'NONE', `a stranger may not commit for ${group}`)
  }
}

async function judgeOffsets(participant: Participant): Promise<void> {
  const { ledger, wire } = participant
  const byGroup = Map.groupBy(ledger.offsets.values(), ({ group }) => group)
  if (byGroup.size === 0) return
  const { groups } = await wire.request(offsetFetch, 8, {
    groups: Array.from(byGroup, ([groupId, known]) => ({
      groupId,
      topics: known.map(({ place }) => ({ name: place.topic, partitionIndexes: [place.partition] })),
    })),
    requireStable: true,
  })
  const found = new Map<string, { readonly offset: number; readonly error: ErrorCode }>()
  for (const { groupId, topics } of groups) {
    for (const { name, partitions } of topics) {
      for (const { partitionIndex, committedOffset, errorCode } of partitions) {
        const key = `${groupId} ${nameOf({ topic: name, partition: partitionIndex })}`
        found.set(key, { offset: committedOffset, error: errorCode })
      }
    }
  }
  for (const [key, { group, place, possible }] of ledger.offsets) {
    const { offset, error } = found.get(key) ?? { offset: undefined, error: 'NONE' as const }
    check(error === 'NONE', `the offset of ${key} is stable, not ${error}`)
    const allowed = [possible.settled, ...possible.pending.map(({ value }) => value)]
    // Of a transaction without records the offsets alone tell what became of it.
    for (const { state, offsets } of ledger.transactions.values()) {
      if (state !== 'deciding') continue
      const own = offsets.filter(({ request }) => request.group === group).flatMap(({ request }) => request.offsets)
      allowed.push(...own.filter((each) => nameOf(each.place) === nameOf(place)).map((each) => each.offset))
    }
    check(
      offset !== undefined && allowed.includes(offset),
      `the offset of ${key} is ${allowed.join(' or ')}, not ${offset}`,
    )
    participant.note({ kind: 'offset', group, place, offset: offset as number })
  }
}

async function judgeSettings(participant: Participant): Promise<void> {
  const { ledger } = participant
  for (const [setting, { settled, pending }] of ledger.settings) {
    const value = await valueOfSetting(participant, setting)
    const allowed = [settled, ...pending.map((asked) => asked.value)]
    // Before it was set for the first time it is what the broker says.
    if (settled !== '' || value === undefined) {
      const isGone =
        setting.startsWith('topic ') && ledger.topics.get(setting.split(' ')[1] as string)?.state !== 'there'
      check(isGone || allowed.includes(value ?? ''), `${setting} is ${allowed.join(' or ')}, not ${value}`)
    }
    if (value !== undefined) participant.note({ kind: 'setting', setting, value })
  }
}

async function valueOfSetting({ wire }: Participant, setting: string): Promise<string | undefined> {
  const [kind, ...names] = setting.split(' ') as [string, string, string]
  if (kind === 'feature') {
    const { finalizedFeatures } = await wire.request(apiVersions, 4, {
      clientSoftwareName: 'judge',
      clientSoftwareVersion: '1',
    })
    return String(finalizedFeatures.find(({ name }) => name === names[0])?.maxVersionLevel ?? 0)
  }
  const [resourceName, option] = kind === 'topic' ? names : ['', names[0]]
  const resources = [{ resourceType: kind === 'topic' ? 2 : 4, resourceName, configurationKeys: [option] }]
  const { results } = await wire.request(describeConfigs, 4, { resources })
  return results[0]?.configs[0]?.value ?? undefined
}
