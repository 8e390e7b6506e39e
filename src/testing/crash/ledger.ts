/**
 * What facts add up to: for everything a client has dealt with, what must be there, what must not, and what may be either.
 *
 * Knows nothing of brokers or disks. Requests of one topic, group, setting or transactional id follow one another, so that at
 * most the last ones of each are without an answer.
 */
import type { Answer, Fact, Place, ProducerIdentity, Request, TransactionStart } from './facts.ts'
import { nameOf } from './facts.ts'

type RequestOf<Name extends Request['api']> = Extract<Request, { api: Name }>

export interface KnownBatch {
  readonly request: RequestOf<'append'>
  readonly incarnation: number
  state: 'pending' | 'stored' | 'refused'
  baseOffset: number
  /** Sent more than once: a refusal says nothing about the first time. */
  isRepeated: boolean
}

export interface KnownTransaction extends Omit<TransactionStart, 'mayTimeOut'> {
  mayTimeOut: boolean
  readonly batches: KnownBatch[]
  readonly offsets: { readonly id: number; readonly request: RequestOf<'offsets'> }[]
  /** `deciding`: its commit was asked for and nobody has answered. Only `committed` and `deciding` may be shown as committed. */
  state: 'open' | 'deciding' | 'aborting' | 'committed' | 'aborted'
  /** Requests of its own without an answer. */
  unanswered: RequestOf<'append' | 'offsets'>[]
}

export interface KnownPlace {
  readonly place: Place
  readonly incarnation: number
  readonly batches: KnownBatch[]
  readonly shown: Map<number, string>
  readonly shownCommitted: Map<number, string>
  highWatermark: number
  /** Up to where records are deleted for certain, and at most. */
  deletedTo: number
  deletedToMax: number
}

export interface KnownTopic {
  readonly topic: string
  /** Counts topics of this name, from 1. */
  incarnation: number
  state: 'there' | 'gone' | 'creating' | 'deleting'
  partitions: number
  /** Growth was asked for. */
  partitionsMax: number
}

export interface KnownProducer {
  readonly transactionalId: string
  /** Every identity it was ever given, newest last. */
  readonly told: ProducerIdentity[]
  /** Those a later InitProducerId has replaced. */
  readonly fenced: ProducerIdentity[]
  /** An InitProducerId has had no answer: whoever is there may be fenced. */
  isReplacing: boolean
}

/** A value that was settled last, by which request, and those that were asked for since. */
export interface Possible<Value> {
  settled: Value
  by: number
  pending: { readonly value: Value; readonly id: number }[]
}

export interface KnownOffset {
  readonly group: string
  readonly place: Place
  /** -1: none. */
  readonly possible: Possible<number>
}

export interface KnownGroup {
  readonly group: string
  state: 'there' | 'gone' | 'deleting' | 'unknown'
  /** The newest generation told, and the ones before it. */
  member: { readonly memberId: string; readonly generationId: number } | undefined
  isJoining: boolean
}

export class Ledger {
  readonly topics = new Map<string, KnownTopic>()
  readonly places = new Map<string, KnownPlace>()
  readonly batchOf = new Map<string, KnownBatch>()
  readonly transactions = new Map<number, KnownTransaction>()
  readonly producers = new Map<string, KnownProducer>()
  readonly producerIds = new Set<number>()
  readonly offsets = new Map<string, KnownOffset>()
  readonly groups = new Map<string, KnownGroup>()
  readonly settings = new Map<string, Possible<string>>()
  /** Of the last start that told one. */
  leaderEpoch = -1
  readonly #requests = new Map<number, Request>()

  constructor(facts: Iterable<Fact>) {
    for (const fact of facts) this.note(fact)
  }

  note(fact: Fact): void {
    switch (fact.kind) {
      case 'asked':
        this.#requests.set(fact.id, fact.request)
        this.#asked(fact.id, fact.request)
        break
      case 'answered': {
        const request = this.#requests.get(fact.id)
        if (request !== undefined) this.#answered(fact.id, request, fact.answer)
        break
      }
      case 'began':
        this.transactions.set(fact.transaction, { ...fact, batches: [], offsets: [], state: 'open', unanswered: [] })
        break
      case 'shown':
        this.#shown(fact)
        break
      case 'topic': {
        const topic = this.#topic(fact.topic)
        topic.state = fact.partitions === 'gone' ? 'gone' : 'there'
        if (fact.partitions === 'gone') this.#dropOffsetsOf(fact.topic)
        else topic.partitions = topic.partitionsMax = fact.partitions
        break
      }
      case 'outcome':
        this.#ended(this.transaction(fact.transaction), fact.outcome)
        break
      case 'offset': {
        const { possible } = this.#offset(fact.group, fact.place)
        possible.settled = fact.offset
        // Nothing that was asked for earlier can come later than what was seen.
        possible.by = Math.max(possible.by, ...possible.pending.map(({ id }) => id))
        possible.pending = []
        break
      }
      case 'setting':
        this.settings.set(fact.setting, { settled: fact.value, by: 0, pending: [] })
        break
      case 'leader-epoch':
        this.leaderEpoch = fact.leaderEpoch
        break
      case 'waited':
        for (const transaction of this.transactions.values()) transaction.mayTimeOut = true
    }
  }

  transaction(number: number): KnownTransaction {
    const transaction = this.transactions.get(number)
    if (transaction === undefined) throw new Error(`nobody began transaction ${number}`)
    return transaction
  }

  /** The place of that name in the newest topic of the name. */
  place(place: Place): KnownPlace {
    const incarnation = this.topics.get(place.topic)?.incarnation ?? 1
    const key = `${nameOf(place)}@${incarnation}`
    let known = this.places.get(key)
    if (known === undefined) {
      const nothing = { highWatermark: 0, deletedTo: 0, deletedToMax: 0 }
      known = { place, incarnation, batches: [], shown: new Map(), shownCommitted: new Map(), ...nothing }
      this.places.set(key, known)
    }
    return known
  }

  #asked(id: number, request: Request): void {
    switch (request.api) {
      case 'create-topic': {
        const topic = this.#topic(request.topic)
        topic.incarnation += 1
        topic.state = 'creating'
        topic.partitions = topic.partitionsMax = request.partitions
        break
      }
      case 'delete-topic':
        this.#topic(request.topic).state = 'deleting'
        for (const { place, possible } of this.offsets.values())
          if (place.topic === request.topic) possible.pending.push({ value: -1, id })
        break
      case 'add-partitions':
        this.#topic(request.topic).partitionsMax = request.partitions
        break
      case 'delete-records': {
        const place = this.place(request.place)
        place.deletedToMax = Math.max(place.deletedToMax, request.offset)
        break
      }
      case 'append': {
        const place = this.place(request.place)
        const known = this.batchOf.get(request.values[0] as string)
        if (known !== undefined) {
          known.isRepeated = true
          break
        }
        const { incarnation } = place
        const batch: KnownBatch = { request, incarnation, state: 'pending', baseOffset: -1, isRepeated: false }
        place.batches.push(batch)
        for (const value of request.values) this.batchOf.set(value, batch)
        if (request.transaction !== undefined) {
          const transaction = this.transaction(request.transaction)
          transaction.batches.push(batch)
          transaction.unanswered.push(request)
        }
        break
      }
      case 'end': {
        const transaction = this.transaction(request.transaction)
        if (transaction.state === 'open') transaction.state = request.commits ? 'deciding' : 'aborting'
        break
      }
      case 'offsets':
        this.#group(request.group)
        if (request.transaction !== undefined) {
          const transaction = this.transaction(request.transaction)
          transaction.offsets.push({ id, request })
          transaction.unanswered.push(request)
        }
        for (const { place, offset } of request.offsets) {
          const { possible } = this.#offset(request.group, place)
          if (request.transaction === undefined) possible.pending.push({ value: offset, id })
        }
        break
      case 'join':
        this.#group(request.group).isJoining = true
        break
      case 'delete-group':
        this.#group(request.group).state = 'deleting'
        for (const { group, possible } of this.offsets.values())
          if (group === request.group) possible.pending.push({ value: -1, id })
        break
      case 'set': {
        const known = this.settings.get(request.setting) ?? { settled: '', by: 0, pending: [] }
        known.pending.push({ value: request.value, id })
        this.settings.set(request.setting, known)
        break
      }
      case 'init':
        if (request.transactionalId !== undefined) this.#producer(request.transactionalId).isReplacing = true
    }
  }

  #answered(id: number, request: Request, answer: Answer): void {
    const isDone = answer.error === 'NONE'
    switch (request.api) {
      case 'create-topic':
        this.#topic(request.topic).state = isDone ? 'there' : 'gone'
        break
      case 'delete-topic':
        this.#topic(request.topic).state = isDone ? 'gone' : 'there'
        if (isDone) this.#dropOffsetsOf(request.topic)
        break
      case 'add-partitions':
        if (isDone) this.#topic(request.topic).partitions = request.partitions
        else this.#topic(request.topic).partitionsMax = this.#topic(request.topic).partitions
        break
      case 'delete-records':
        if (isDone) this.place(request.place).deletedTo = request.offset
        break
      case 'append': {
        const batch = this.batchOf.get(request.values[0] as string)
        if (batch === undefined) break
        if (isDone) {
          batch.state = 'stored'
          batch.baseOffset = answer.baseOffset ?? -1
        } else if (batch.state === 'pending' && !batch.isRepeated) batch.state = 'refused'
        this.#settleRequest(request)
        break
      }
      case 'init':
        if (isDone && answer.producer !== undefined) this.#identityGiven(request.transactionalId, answer.producer, true)
        break
      case 'end': {
        const transaction = this.transaction(request.transaction)
        this.#ended(transaction, isDone && request.commits ? 'committed' : 'aborted')
        if (isDone && answer.producer !== undefined)
          this.#identityGiven(transaction.transactionalId, answer.producer, false)
        break
      }
      case 'offsets':
        this.#settleRequest(request)
        if (request.transaction !== undefined) break
        this.#group(request.group).state = 'there'
        for (const { place } of request.offsets) settle(this.#offset(request.group, place).possible, id, isDone)
        break
      case 'join': {
        const group = this.#group(request.group)
        group.isJoining = false
        if (answer.member !== undefined) {
          group.member = answer.member
          group.state = 'there'
        }
        break
      }
      case 'delete-group':
        this.#group(request.group).state = isDone ? 'gone' : 'there'
        if (isDone) this.#group(request.group).member = undefined
        for (const { group, possible } of this.offsets.values())
          if (group === request.group) settle(possible, id, isDone)
        break
      case 'set':
        settle(this.settings.get(request.setting) as Possible<string>, id, isDone)
    }
  }

  #settleRequest(request: RequestOf<'append' | 'offsets'>): void {
    if (request.transaction === undefined) return
    const transaction = this.transaction(request.transaction)
    // Compared by content: what is sent once more is another request with the same.
    const same = JSON.stringify(request)
    transaction.unanswered = transaction.unanswered.filter((other) => JSON.stringify(other) !== same)
  }

  #ended(transaction: KnownTransaction, outcome: 'committed' | 'aborted'): void {
    if (transaction.state === 'committed' || transaction.state === 'aborted') return
    transaction.state = outcome
    if (outcome === 'aborted') return
    for (const { id, request } of transaction.offsets) {
      const { group, offsets } = request
      for (const { place, offset } of offsets) {
        const { possible } = this.#offset(group, place)
        // As in Kafka the order of commits is that in which they were sent, not that in which transactions end.
        if (this.topics.get(place.topic)?.state === 'gone' || possible.by > id) continue
        possible.settled = offset
        possible.by = id
      }
      this.#group(group).state = 'there'
    }
  }

  #identityGiven(transactionalId: string | undefined, producer: ProducerIdentity, fences: boolean): void {
    this.producerIds.add(producer.producerId)
    if (transactionalId === undefined) return
    const known = this.#producer(transactionalId)
    if (fences) known.isReplacing = false
    if (fences) known.fenced.push(...known.told.slice(known.fenced.length))
    known.told.push(producer)
    if (!fences) return
    // Whoever comes next ends what was left open.
    for (const transaction of this.transactions.values()) {
      if (transaction.transactionalId !== transactionalId) continue
      if (transaction.state === 'open' || transaction.state === 'aborting') transaction.state = 'aborted'
    }
  }

  #shown(fact: Extract<Fact, { kind: 'shown' }>): void {
    const place = this.place(fact.place)
    for (const [offset, value] of fact.records) {
      place.shown.set(offset, value)
      if (fact.isCommitted) place.shownCommitted.set(offset, value)
      const transaction = this.batchOf.get(value)?.request.transaction
      if (fact.isCommitted && transaction !== undefined) this.#ended(this.transaction(transaction), 'committed')
    }
    place.highWatermark = Math.max(place.highWatermark, fact.highWatermark)
    place.deletedTo = Math.max(place.deletedTo, fact.logStartOffset)
  }

  #dropOffsetsOf(topic: string): void {
    for (const { place, possible } of this.offsets.values()) {
      if (place.topic !== topic) continue
      possible.settled = -1
      possible.pending = []
    }
  }

  #topic(topic: string): KnownTopic {
    let known = this.topics.get(topic)
    if (known === undefined) {
      known = { topic, incarnation: 0, state: 'gone', partitions: 0, partitionsMax: 0 }
      this.topics.set(topic, known)
    }
    return known
  }

  #group(group: string): KnownGroup {
    let known = this.groups.get(group)
    if (known === undefined) {
      known = { group, state: 'unknown', member: undefined, isJoining: false }
      this.groups.set(group, known)
    }
    return known
  }

  #producer(transactionalId: string): KnownProducer {
    let known = this.producers.get(transactionalId)
    if (known === undefined) {
      known = { transactionalId, told: [], fenced: [], isReplacing: false }
      this.producers.set(transactionalId, known)
    }
    return known
  }

  #offset(group: string, place: Place): KnownOffset {
    const key = `${group} ${nameOf(place)}`
    let known = this.offsets.get(key)
    if (known === undefined) {
      known = { group, place, possible: { settled: -1, by: 0, pending: [] } }
      this.offsets.set(key, known)
    }
    return known
  }
}

/** What was asked for before an answer is superseded by it. */
function settle<Value>(possible: Possible<Value>, id: number, isDone: boolean): void {
  const asked = possible.pending.find((pending) => pending.id === id)
  if (asked === undefined) return
  if (isDone) {
    possible.settled = asked.value
    possible.by = id
  }
  possible.pending = possible.pending.filter((pending) => (isDone ? pending.id > id : pending.id !== id))
}
