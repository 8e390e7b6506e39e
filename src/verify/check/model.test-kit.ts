/**
 * A small model of a cluster and its clients that behaves, and what its clients would have written down: histories of random shape in
 * which nothing is wrong, though writers die, are replaced, are not told, and abort.
 *
 * Both transaction versions, batches of several values, markers that come late or twice, readers of both kinds, a group that rebalances, a
 * copier that commits offsets with its outputs, a bank. Everything is drawn from the seed.
 */
import {
  ASSIGNMENT_CHANGE,
  CONTROL,
  NO_TRANSACTION,
  NO_WRITER,
  NONE,
  type Outcome,
  type PartitionName,
  READ_COMMITTED,
  READ_UNCOMMITTED,
} from '../history/tables.ts'
import { Draft, type Draw } from './draft.test-kit.ts'

export interface ModelValue {
  readonly writer: ModelWriter
  readonly number: number
  readonly transaction: ModelTransaction | undefined
  readonly partition: ModelPartition
  /** `NONE`: it never arrived. */
  offset: number
  cites: { partition: ModelPartition; offset: number } | undefined
}

export interface ModelTransaction {
  readonly writer: ModelWriter
  readonly number: number
  readonly values: ModelValue[]
  readonly offsets: { partition: ModelPartition; offset: number }[]
  state: 'open' | 'committed' | 'aborted'
  /** Partitions whose marker is still to come. */
  readonly pending: Set<ModelPartition>
  markerEpoch: number
}

export interface ModelPartition {
  readonly name: PartitionName
  readonly key: string
  readonly batches: ModelBatch[]
  end: number
}

interface ModelBatch {
  readonly baseOffset: number
  readonly values: readonly ModelValue[]
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly control: number
  readonly transaction: ModelTransaction | undefined
}

export interface ModelWriter {
  readonly id: number
  readonly process: number
  readonly transactionalId: string
  producerId: number
  producerEpoch: number
  readonly version: 1 | 2
  readonly sequences: Map<ModelPartition, number>
  readonly values: ModelValue[]
  readonly transactions: ModelTransaction[]
  isDead: boolean
}

interface ModelReader {
  readonly id: number
  readonly group: string
  readonly isolation: number
  readonly positions: Map<ModelPartition, number>
  polls: number
}

const GROUP = 'members'
const COPIERS = 'copiers'
const LAST_SEQUENCE = 0x7fff_ffff
const SETTLE_MS = 1_000

export class Model {
  readonly draft: Draft
  readonly queues: readonly ModelPartition[]
  readonly inputs: readonly ModelPartition[]
  readonly outputs: readonly ModelPartition[]
  readonly accounts: readonly ModelPartition[]
  readonly writers: ModelWriter[] = []
  readonly values: ModelValue[] = []
  readonly transactions: ModelTransaction[] = []
  readonly #draw: Draw
  readonly #readers: ModelReader[] = []
  readonly #members: ModelReader[] = []
  readonly #committed = new Map<string, number>()
  readonly #epochs = new Map<string, { producerId: number; producerEpoch: number }>()
  #copier: { reader: ModelReader; writer: ModelWriter } | undefined
  #now = 0
  #generation = 0
  #producerIds = 1_000
  #commits = 0
  #scans = 0

  constructor(seed: number, draw: Draw) {
    this.#draw = draw
    this.draft = new Draft(seed)
    const topic = (name: string, count: number): ModelPartition[] =>
      Array.from({ length: count }, (_, partition) => {
        return { name: { topic: name, partition }, key: `${name}-${partition}`, batches: [], end: 0 }
      })
    this.queues = topic('queue', 1 + draw(3))
    this.inputs = topic('input', 1 + draw(2))
    this.outputs = topic('output', 1 + draw(2))
    this.accounts = [...topic('debits', 1), ...topic('credits', 1 + draw(2))]
    this.draft.expectations = {
      settleMs: SETTLE_MS,
      sum: 0,
      effects: { group: COPIERS, inputs: ['input'], outputs: ['output'] },
    }
  }

  get partitions(): readonly ModelPartition[] {
    return [...this.queues, ...this.inputs, ...this.outputs, ...this.accounts]
  }

  /** A whole run. @param finale  called when all have done their work, before the rest comes */
  run(finale?: (model: Model) => void): this {
    this.#phase('running')
    for (let left = 1 + this.#draw(2); left > 0; left -= 1) this.#openReader('', READ_COMMITTED, this.partitions)
    if (this.#draw(2) === 0) this.#openReader('', READ_UNCOMMITTED, this.queues)
    this.#members.push(this.#openReader(GROUP, READ_COMMITTED, []), this.#openReader(GROUP, READ_COMMITTED, []))
    this.rebalance()
    for (let left = 40 + this.#draw(160); left > 0; left -= 1) this.#act()
    finale?.(this)
    this.#rest()
    return this
  }

  #act(): void {
    this.#tick()
    const acts: readonly (() => void)[] = [
      () => this.#plainSend(),
      () => this.#plainSend(),
      () => this.#step(),
      () => this.#step(),
      () => this.#step(),
      () => this.#bank(),
      () => this.#feed(),
      () => this.#copy(),
      () => this.#pollSome(),
      () => this.#pollSome(),
      () => this.#marker(),
      () => this.#marker(),
      () => this.#watch(),
      () => this.#commitOffsets(),
      () => this.#rarely(),
    ]
    ;(acts[this.#draw(acts.length)] as () => void)()
  }

  #rarely(): void {
    const acts: readonly (() => void)[] = [
      () => this.rebalance(),
      () => this.#replaceWriter(),
      () => this.#repeatMarker(),
      () => this.#fault(),
      () => this.#scan(),
      () => this.#fetchOffsets(GROUP, this.queues),
    ]
    ;(acts[this.#draw(acts.length)] as () => void)()
  }

  // Writers

  /** Waits, as InitProducerId does, until the last transaction of the id is over. */
  openWriter(transactionalId: string): ModelWriter {
    const before = this.writers.findLast(
      (writer) => transactionalId !== '' && writer.transactionalId === transactionalId,
    )
    const last = before?.transactions.at(-1)
    while (last !== undefined && last.pending.size > 0) this.#marker(last)
    const known = this.#epochs.get(transactionalId)
    const id = this.writers.length * 3 + 7
    const writer: ModelWriter = {
      id,
      process: this.writers.length,
      transactionalId,
      producerId: known?.producerId ?? this.#newProducerId(),
      producerEpoch: known === undefined ? 0 : known.producerEpoch + 1,
      version: this.#draw(2) === 0 ? 1 : 2,
      sequences: new Map<ModelPartition, number>(),
      values: [],
      transactions: [],
      isDead: false,
    }
    this.draft.add('writerStarted', { writer: id, process: writer.process, transactionalId, at: this.#now })
    this.#tick()
    const isTold = this.#draw(2) === 0
    this.draft.add('writerReady', {
      writer: id,
      outcome: 'ok',
      producerId: isTold ? writer.producerId : NONE,
      producerEpoch: isTold ? writer.producerEpoch : NONE,
      error: '',
      at: this.#now,
    })
    this.#noteEpoch(writer)
    this.writers.push(writer)
    return writer
  }

  /** Another process takes the transactional id over; what is open there is aborted first, with a higher epoch. */
  #replaceWriter(): ModelWriter | undefined {
    const old = this.#pick(this.writers.filter((writer) => writer.transactionalId !== '' && !writer.isDead))
    if (old === undefined) return undefined
    const last = old.transactions.at(-1)
    if (last !== undefined && last.pending.size > 0 && last.state !== 'open') return undefined
    if (last?.state === 'open') {
      this.#decide(last, 'aborted', true)
      while (last.pending.size > 0) this.#marker(last)
      // The zombie asks for its commit all the same, and is told that it was fenced.
      if (this.#draw(2) === 0) {
        this.#asked(last, 1)
        this.#tick()
        if (this.#draw(2) === 0) this.#told(last, 'unknown')
      }
    }
    old.isDead = true
    return this.openWriter(old.transactionalId)
  }

  #writerOf(transactionalId: string): ModelWriter {
    return (
      this.writers.find((writer) => writer.transactionalId === transactionalId && !writer.isDead) ??
      this.openWriter(transactionalId)
    )
  }

  #plainSend(): void {
    const writer = this.#writerOf('')
    const partition = this.#pick(this.queues) as ModelPartition
    this.#sendPlain(writer, partition)
  }

  #sendPlain(writer: ModelWriter, partition: ModelPartition): void {
    const values = Array.from({ length: 1 + this.#draw(4) }, () => this.#value(writer, partition, undefined))
    this.#tick()
    const fate = this.#draw(10)
    if (fate < 9) this.#append(partition, values, writer)
    for (const value of values) {
      // An answer that was lost says nothing; so does a process that died.
      const outcome: Outcome = fate < 7 ? 'ok' : 'unknown'
      if (fate === 8) continue
      const offset = outcome === 'ok' ? value.offset : NONE
      const error = outcome === 'ok' ? '' : 'REQUEST_TIMED_OUT'
      this.draft.add('sendCompleted', {
        writer: writer.id,
        number: value.number,
        outcome,
        offset,
        error,
        at: this.#now,
      })
    }
    if (fate < 9) return
    // What did not arrive leaves a gap, so the client goes on with a new epoch.
    writer.producerEpoch += 1
    writer.sequences.clear()
  }

  #feed(): void {
    this.#sendPlain(this.#writerOf(''), this.#pick(this.inputs) as ModelPartition)
  }

  #value(
    writer: ModelWriter,
    partition: ModelPartition,
    transaction: ModelTransaction | undefined,
    cites?: { partition: ModelPartition; offset: number },
  ): ModelValue {
    const number = writer.values.length
    const value: ModelValue = { writer, number, transaction, partition, offset: NONE, cites }
    writer.values.push(value)
    this.values.push(value)
    transaction?.values.push(value)
    this.draft.add('sendInvoked', {
      writer: writer.id,
      number,
      transaction: transaction?.number ?? NO_TRANSACTION,
      partition: partition.name,
      at: this.#now,
    })
    if (cites !== undefined) {
      const { partition: cited, offset } = cites
      this.draft.add('citation', { writer: writer.id, number, partition: cited.name, offset })
    }
    return value
  }

  #append(partition: ModelPartition, values: readonly ModelValue[], writer: ModelWriter): void {
    const known = writer.sequences.get(partition)
    // Some producers have sent for so long that their sequences are about to begin anew.
    const first = partition.batches.some(({ producerId }) => producerId === writer.producerId)
      ? 0
      : this.#firstSequence()
    const baseSequence = known === undefined ? first : known === LAST_SEQUENCE ? 0 : known + 1
    values.forEach((value, index) => {
      value.offset = partition.end + index
    })
    writer.sequences.set(partition, (baseSequence + values.length - 1) & LAST_SEQUENCE)
    partition.batches.push({
      baseOffset: partition.end,
      values,
      producerId: writer.producerId,
      producerEpoch: writer.producerEpoch,
      baseSequence,
      control: CONTROL.data,
      transaction: values[0]?.transaction,
    })
    partition.end += values.length
  }

  #firstSequence(): number {
    return this.#draw(8) === 0 ? LAST_SEQUENCE - this.#draw(4) : 0
  }

  // Transactions

  /** One step of some transaction: begin, send, end. */
  #step(): void {
    const writer = this.#writerOf(`t${this.#draw(3)}`)
    const last = writer.transactions.at(-1)
    if (last !== undefined && last.state !== 'open' && last.pending.size > 0) this.#marker(last)
    else if (last === undefined || last.state !== 'open') this.begin(writer)
    else if (this.#draw(3) > 0) this.sendIn(last, this.#pick(this.queues) as ModelPartition, 1 + this.#draw(3))
    else this.#endSomehow(last)
  }

  begin(writer: ModelWriter): ModelTransaction {
    const transaction: ModelTransaction = {
      writer,
      number: writer.transactions.length + 1,
      values: [],
      offsets: [],
      state: 'open',
      pending: new Set<ModelPartition>(),
      markerEpoch: NONE,
    }
    writer.transactions.push(transaction)
    this.transactions.push(transaction)
    this.draft.add('transactionBegun', { writer: writer.id, transaction: transaction.number, at: this.#now })
    this.#transition(writer, 'Ongoing')
    this.#tick()
    return transaction
  }

  sendIn(transaction: ModelTransaction, partition: ModelPartition, count: number): readonly ModelValue[] {
    const values = Array.from({ length: count }, () => this.#value(transaction.writer, partition, transaction))
    this.#tick()
    this.#append(partition, values, transaction.writer)
    return values
  }

  #endSomehow(transaction: ModelTransaction): void {
    const fate = this.#draw(12)
    if (fate === 0) {
      // Killed: nobody asks for anything, the coordinator aborts when its time is up.
      transaction.writer.isDead = true
      this.#decide(transaction, 'aborted', true)
      return
    }
    const isCommit = fate < 9
    this.#asked(transaction, isCommit ? 1 : 0)
    this.#tick()
    const isTold = this.#draw(6) > 0
    if (isCommit && this.#draw(8) === 0) {
      // Refused for good, or never arrived: then nobody is told, and its time runs out.
      if (isTold) this.#told(transaction, 'fail')
      transaction.writer.isDead = true
      this.#decide(transaction, 'aborted', true)
      return
    }
    this.#decide(transaction, isCommit ? 'committed' : 'aborted', false)
    if (isTold) this.#told(transaction, 'ok')
    else {
      if (this.#draw(2) === 0) this.#told(transaction, 'unknown')
      transaction.writer.isDead = true
    }
  }

  commit(transaction: ModelTransaction): void {
    this.#asked(transaction, 1)
    this.#tick()
    this.#decide(transaction, 'committed', false)
    this.#told(transaction, 'ok')
    while (transaction.pending.size > 0) this.#marker(transaction)
  }

  #asked({ writer, number }: ModelTransaction, isCommit: number): void {
    this.draft.add('transactionEnding', { writer: writer.id, transaction: number, isCommit, at: this.#now })
  }

  #told({ writer, number }: ModelTransaction, outcome: Outcome): void {
    const error = outcome === 'ok' ? '' : 'PRODUCER_FENCED'
    this.draft.add('transactionEnded', { writer: writer.id, transaction: number, outcome, error, at: this.#now })
  }

  #decide(transaction: ModelTransaction, state: 'committed' | 'aborted', isByCoordinator: boolean): void {
    const { writer } = transaction
    transaction.state = state
    for (const { partition, offset } of transaction.values) if (offset !== NONE) transaction.pending.add(partition)
    const isBumped = writer.version === 2 || isByCoordinator
    transaction.markerEpoch = writer.producerEpoch + (isBumped ? 1 : 0)
    if (isBumped) {
      writer.producerEpoch += 1
      writer.sequences.clear()
    }
    this.#noteEpoch(writer)
    this.#transition(writer, state === 'committed' ? 'PrepareCommit' : 'PrepareAbort')
    if (state === 'committed') for (const one of transaction.offsets) this.#committed.set(one.partition.key, one.offset)
    if (transaction.pending.size === 0) this.#complete(transaction)
  }

  #complete({ writer, state }: ModelTransaction): void {
    this.#transition(writer, state === 'committed' ? 'CompleteCommit' : 'CompleteAbort')
  }

  /** One marker of one decided transaction is written. */
  #marker(of?: ModelTransaction): void {
    const transaction =
      of ?? this.#pick(this.transactions.filter(({ state, pending }) => state !== 'open' && pending.size > 0))
    if (transaction === undefined) return
    this.#tick()
    const partition = this.#pick([...transaction.pending]) as ModelPartition
    transaction.pending.delete(partition)
    this.#appendMarker(partition, transaction)
    if (transaction.pending.size === 0) this.#complete(transaction)
  }

  #appendMarker(partition: ModelPartition, transaction: ModelTransaction): void {
    partition.batches.push({
      baseOffset: partition.end,
      values: [],
      producerId: transaction.writer.producerId,
      producerEpoch: transaction.markerEpoch,
      baseSequence: NONE,
      control: transaction.state === 'committed' ? CONTROL.commitMarker : CONTROL.abortMarker,
      transaction: undefined,
    })
    partition.end += 1
  }

  /** As a coordinator does that was cut off from the answer; only while nothing newer is there. */
  #repeatMarker(): void {
    const transaction = this.#pick(
      this.transactions.filter(({ state, pending }) => state !== 'open' && pending.size === 0),
    )
    if (transaction === undefined) return
    const { producerId } = transaction.writer
    for (const partition of new Set(transaction.values.map((value) => value.partition))) {
      const last = partition.batches.findLast((batch) => batch.producerId === producerId)
      const isLast = last?.control !== CONTROL.data && last?.producerEpoch === transaction.markerEpoch
      if (isLast && transaction.writer.transactions.at(-1) === transaction) this.#appendMarker(partition, transaction)
    }
  }

  #bank(): void {
    const writer = this.#writerOf('bank')
    const last = writer.transactions.at(-1)
    if (last !== undefined && (last.state === 'open' || last.pending.size > 0)) {
      if (last.state === 'open') this.#endSomehow(last)
      return
    }
    const transaction = this.begin(writer)
    const amount = 1 + this.#draw(100)
    const [debits, ...credits] = this.accounts as [ModelPartition, ...ModelPartition[]]
    for (const [partition, change] of [[debits, -amount] as const, [this.#pick(credits), amount] as const]) {
      const [value] = this.sendIn(transaction, partition as ModelPartition, 1) as [ModelValue]
      const account = this.#draw(5)
      this.draft.add('effect', { writer: writer.id, number: value.number, account, amount: change })
    }
  }

  // Readers

  #openReader(group: string, isolation: number, partitions: readonly ModelPartition[]): ModelReader {
    const reader: ModelReader = {
      id: this.#readers.length + 100,
      group,
      isolation,
      positions: new Map<ModelPartition, number>(),
      polls: 0,
    }
    this.#readers.push(reader)
    this.draft.add('readerStarted', {
      reader: reader.id,
      process: 900,
      group,
      isolation,
      isSubscribed: group === '' ? 0 : 1,
      at: this.#now,
    })
    for (const partition of partitions) this.#assign(reader, partition, 0)
    return reader
  }

  #assign(reader: ModelReader, partition: ModelPartition, position: number): void {
    reader.positions.set(partition, position)
    this.#moved(reader, partition, ASSIGNMENT_CHANGE.assigned, NONE)
  }

  #moved(reader: ModelReader, partition: ModelPartition, change: number, offset: number): void {
    const generation = reader.group === '' ? NONE : this.#generation
    this.draft.add('assignment', {
      reader: reader.id,
      partition: partition.name,
      change,
      generation,
      offset,
      at: this.#now,
    })
  }

  /** Partitions of the members change hands; who gets one begins where the group has committed. */
  rebalance(): void {
    for (const member of this.#members) {
      for (const partition of member.positions.keys()) this.#moved(member, partition, ASSIGNMENT_CHANGE.revoked, NONE)
      member.positions.clear()
    }
    this.#tick()
    this.#generation += 1
    for (const partition of this.queues) {
      const member = this.#pick(this.#members) as ModelReader
      this.#assign(member, partition, this.#committed.get(partition.key) ?? 0)
    }
  }

  #pollSome(): void {
    const reader = this.#pick(this.#readers.filter(({ group }) => group !== COPIERS)) as ModelReader
    // What is read may be used in a transaction.
    const open = this.transactions.filter(({ state, writer }) => state === 'open' && !writer.isDead)
    const use = this.#draw(2) === 0 ? this.#pick(open) : undefined
    this.poll(reader, use, 1 + this.#draw(12))
  }

  poll(reader: ModelReader, use: ModelTransaction | undefined, countMax: number): readonly ModelValue[] {
    const invokedAt = this.#now
    this.#tick()
    const given: ModelValue[] = []
    for (const [partition, position] of reader.positions) {
      const limit = reader.isolation === READ_COMMITTED ? this.#lastStableOffset(partition) : partition.end
      let next = position
      for (const { values, baseOffset } of partition.batches) {
        for (const value of values) {
          const isGiven = value.offset >= next && value.offset < limit && given.length < countMax
          if (!isGiven) continue
          next = value.offset + 1
          if (reader.isolation === READ_COMMITTED && value.transaction?.state === 'aborted') continue
          given.push(value)
        }
        if (values.length === 0 && baseOffset === next && baseOffset < limit) next = baseOffset + 1
      }
      reader.positions.set(partition, next)
    }
    for (const { partition, offset, writer, number } of given) {
      this.draft.add('read', {
        reader: reader.id,
        poll: reader.polls,
        partition: partition.name,
        offset,
        writer: writer.id,
        number,
        at: this.#now,
      })
    }
    this.draft.add('poll', {
      reader: reader.id,
      poll: reader.polls,
      outcome: 'ok',
      error: '',
      writer: use?.writer.id ?? NO_WRITER,
      transaction: use?.number ?? NO_TRANSACTION,
      invokedAt,
      at: this.#now,
    })
    reader.polls += 1
    return given
  }

  #lastStableOffset(partition: ModelPartition): number {
    let stable = partition.end
    for (const transaction of this.transactions) {
      if (transaction.state !== 'open' && !transaction.pending.has(partition)) continue
      for (const value of transaction.values) {
        if (value.partition === partition && value.offset !== NONE) stable = Math.min(stable, value.offset)
      }
    }
    return stable
  }

  // Groups

  #commitOffsets(): void {
    const member = this.#pick(this.#members) as ModelReader
    const partition = this.#pick([...member.positions.keys()])
    if (partition === undefined) return
    const offset = member.positions.get(partition) as number
    const fate = this.#draw(6)
    const commit = this.#offsetCommit(member, GROUP, partition, offset, undefined)
    this.#tick()
    if (fate < 5) this.#committed.set(partition.key, offset)
    if (fate === 3) return
    const outcome: Outcome = fate < 3 ? 'ok' : fate < 5 ? 'unknown' : 'fail'
    const error = outcome === 'ok' ? '' : 'ILLEGAL_GENERATION'
    this.draft.add('offsetCommitCompleted', { process: 900, commit, outcome, error, at: this.#now })
  }

  #offsetCommit(
    reader: ModelReader,
    group: string,
    partition: ModelPartition,
    offset: number,
    transaction: ModelTransaction | undefined,
  ): number {
    const commit = this.#commits
    this.#commits += 1
    this.draft.add('offsetCommitInvoked', {
      process: 900,
      commit,
      reader: reader.id,
      group,
      partition: partition.name,
      offset,
      generation: this.#generation,
      writer: transaction?.writer.id ?? NO_WRITER,
      transaction: transaction?.number ?? NO_TRANSACTION,
      at: this.#now,
    })
    return commit
  }

  #fetchOffsets(group: string, partitions: readonly ModelPartition[]): void {
    const invokedAt = this.#now
    this.#tick()
    for (const partition of partitions) {
      const offset = this.#committed.get(partition.key) ?? NONE
      this.draft.add('offsetFetched', { group, partition: partition.name, offset, invokedAt, at: this.#now })
    }
  }

  /** Reads some of the input and writes as much to the output, offsets in the same transaction. */
  #copy(): void {
    let copier = this.#copier
    if (copier === undefined || copier.writer.isDead) {
      const last = copier?.writer.transactions.at(-1)
      if (last !== undefined && last.pending.size > 0) return
      copier = { writer: this.#writerOf('copier'), reader: this.#openReader(COPIERS, READ_COMMITTED, []) }
      this.#copier = copier
      this.#generation += 1
      this.#fetchOffsets(COPIERS, this.inputs)
      for (const partition of this.inputs)
        this.#assign(copier.reader, partition, this.#committed.get(partition.key) ?? 0)
    }
    const { writer, reader } = copier
    const last = writer.transactions.at(-1)
    if (last !== undefined && last.pending.size > 0) return
    const transaction = this.begin(writer)
    const starts = new Map(reader.positions)
    const read = this.poll(reader, transaction, 1 + this.#draw(6))
    for (const { partition, offset } of read) {
      const output = this.#pick(this.outputs) as ModelPartition
      const value = this.#value(writer, output, transaction, { partition, offset })
      this.#append(output, [value], writer)
    }
    for (const partition of new Set(read.map((value) => value.partition))) {
      const offset = reader.positions.get(partition) as number
      this.#offsetCommit(reader, COPIERS, partition, offset, transaction)
      transaction.offsets.push({ partition, offset })
    }
    this.#tick()
    this.#endSomehow(transaction)
    if ((transaction.state as string) !== 'aborted') return
    for (const [partition, offset] of starts) {
      reader.positions.set(partition, offset)
      this.#moved(reader, partition, ASSIGNMENT_CHANGE.sought, offset)
    }
    this.#tick()
  }

  // Looking on

  #watch(): void {
    const invokedAt = this.#now
    const answers = this.partitions.map((partition) => ({
      partition: partition.name,
      highWatermark: this.#draw(3) === 0 ? NONE : partition.end,
      lastStableOffset: this.#draw(3) === 0 ? NONE : this.#lastStableOffset(partition),
      logStartOffset: this.#draw(2) === 0 ? NONE : 0,
    }))
    this.#tick()
    for (const answer of answers) this.draft.add('watermarks', { ...answer, invokedAt, at: this.#now })
    const partition = this.#pick(this.partitions) as ModelPartition
    const lastStableOffset = this.#lastStableOffset(partition)
    const offset = lastStableOffset === 0 ? NONE : this.#draw(lastStableOffset)
    this.draft.add('timeLookup', {
      partition: partition.name,
      timestampMs: this.#draw(1_000),
      offset,
      lastStableOffset,
      at: this.#now,
    })
  }

  #transition({ transactionalId, producerId, producerEpoch }: ModelWriter, state: string): void {
    this.draft.add('transition', { transactionalId, producerId, producerEpoch, state, at: this.#now })
  }

  #fault(): void {
    const until = this.#now + this.#draw(20)
    this.draft.add('fault', { kind: 'kill', target: 'broker', detail: '', at: this.#now, until })
  }

  #scan(): void {
    const scan = this.#scans
    this.#scans += 1
    for (const { name, batches, end } of this.partitions) {
      this.draft.add('logScan', { scan, partition: name, from: 0, to: end, at: this.#now })
      for (const batch of batches) {
        this.draft.add('logBatch', {
          scan,
          partition: name,
          baseOffset: batch.baseOffset,
          lastOffset: batch.baseOffset + Math.max(0, batch.values.length - 1),
          producerId: batch.producerId,
          producerEpoch: batch.producerEpoch,
          baseSequence: batch.baseSequence,
          isTransactional: batch.transaction !== undefined || batch.control !== CONTROL.data ? 1 : 0,
          control: batch.control,
          coordinatorEpoch: batch.control === CONTROL.data ? NONE : 3,
        })
        for (const { writer, number, offset } of batch.values) {
          this.draft.add('logRecord', { scan, partition: name, offset, writer: writer.id, number })
        }
      }
    }
  }

  // The end

  #rest(): void {
    this.#phase('healed')
    for (const writer of this.writers) {
      const last = writer.transactions.at(-1)
      if (last?.state === 'open') this.#decide(last, 'aborted', true)
      writer.isDead = true
    }
    while (this.transactions.some(({ pending }) => pending.size > 0)) this.#marker()
    this.#now += SETTLE_MS
    this.#phase('settled')
    const drain = this.#openReader('', READ_COMMITTED, this.partitions)
    while (this.poll(drain, undefined, 10).length > 0) this.#tick()
    this.#phase('drained')
    this.#scan()
    for (const [transactionalId, { producerId, producerEpoch }] of this.#epochs) {
      this.draft.add('coordinatorState', {
        transactionalId,
        state: 'CompleteCommit',
        producerId,
        producerEpoch,
        partitionCount: 0,
        at: this.#now,
      })
    }
    this.#fetchOffsets(COPIERS, this.inputs)
    this.#fetchOffsets(GROUP, this.queues)
    this.#phase('scanned')
  }

  #phase(phase: string): void {
    this.#tick()
    this.draft.add('phase', { phase, at: this.#now })
    this.#tick()
  }

  #noteEpoch({ transactionalId, producerId, producerEpoch }: ModelWriter): void {
    if (transactionalId !== '') this.#epochs.set(transactionalId, { producerId, producerEpoch })
  }

  #newProducerId(): number {
    this.#producerIds += 1
    return this.#producerIds
  }

  #tick(): void {
    this.#now += 1 + this.#draw(3)
  }

  #pick<T>(choices: readonly T[]): T | undefined {
    return choices[this.#draw(choices.length)]
  }
}
