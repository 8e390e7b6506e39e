/** Defects of the transaction coordinator and of the markers it writes (core/transaction, broker/transaction-runtime.ts). */
import type { Defect } from '../defect.ts'

const COORDINATOR = 'src/core/transaction/transaction-coordinator.ts'
const TABLE = 'src/core/transaction/transaction-table.ts'
const METADATA = 'src/core/transaction/transaction-metadata.ts'
const RUNTIME = 'src/broker/transaction-runtime.ts'

export const TRANSACTION_DEFECTS: readonly Defect[] = [
  {
    name: 'init-does-not-raise-the-epoch',
    file: COORDINATOR,
    find: `return { producerId, producerEpoch: producerEpoch + 1, lastProducerEpoch: NO_PRODUCER_EPOCH }`,
    replace: `return { producerId, producerEpoch: Math.max(producerEpoch, 0), lastProducerEpoch: NO_PRODUCER_EPOCH }`,
    why: 'A new instance of a producer does not fence the old one: both write as one, and end each other’s transactions.',
    from: 'KAFKA-5231; KIP-98',
    shows: 'A second instance of a transactional id while the first one lives on.',
  },
  {
    name: 'init-leaves-the-open-transaction',
    file: TABLE,
    find: `  Ongoing: 'fence',`,
    replace: `  Ongoing: 'begin',`,
    why: 'What a crashed producer left open is never ended: read_committed consumers stand still for ever.',
    from: 'KIP-98; Redpanda 8236',
    shows: 'A producer dies inside a transaction and comes back.',
  },
  {
    name: 'init-confirms-an-outdated-producer',
    file: COORDINATOR,
    find: `    if (givenEpoch === lastProducerEpoch) return { producerId, producerEpoch, lastProducerEpoch }
    return undefined`,
    replace: `    return { producerId, producerEpoch, lastProducerEpoch }`,
    why: 'A zombie that asks for a new epoch gets that of its successor, and writes into its transactions.',
    from: 'KIP-360',
    shows: 'An outdated producer asks for a new epoch (transaction version 1) after another instance took over.',
    survives:
      'Rivals of one id (hijack) that speak version 1: none among the seeds tried; ten seeds of them alone show A1, A5 and A6.',
  },
  {
    name: 'coordinator-aborts-without-raising-the-epoch',
    file: COORDINATOR,
    find: `      clientTransactionVersion: isVersion2 ? 2 : 0,
      raisesEpoch: true,`,
    replace: `      clientTransactionVersion: 0,
      raisesEpoch: false,`,
    why: 'A producer that was too slow goes on as if nothing had happened: the second half of its transaction commits alone.',
    from: 'KAFKA-6119; KAFKA-5231',
    shows: 'A transaction is aborted by its timeout and its producer goes on afterwards.',
  },
  {
    name: 'transaction-timeout-ignored',
    file: COORDINATOR,
    find: `txn.startTimestampMs + txn.timeoutMs < nowMs`,
    replace: `txn.startTimestampMs + txn.timeoutMs < 0`,
    why: 'A producer that never comes back blocks read_committed consumers for ever.',
    from: 'Redpanda 18324; librdkafka mock without timeout',
    shows: 'A producer vanishes inside a transaction and nobody takes its transactional id again.',
    survives:
      'Every role is played again under the same transactional id, whose InitProducerId ends what was left open; none vanishes for good.',
  },
  {
    name: 'transaction-aborted-before-its-time',
    file: COORDINATOR,
    find: `txn.startTimestampMs + txn.timeoutMs < nowMs`,
    replace: `txn.startTimestampMs < nowMs`,
    why: 'Every transaction that is open at the coordinator’s scan is aborted: work is lost that was well in time.',
    from: 'KIP-98 (transaction.timeout.ms)',
    shows: 'A transaction that is open for longer than the scan interval.',
  },
  {
    name: 'end-accepted-from-an-outdated-producer-v2',
    file: COORDINATOR,
    find: `  if (!isRetry && txn.producerEpoch !== producerEpoch) return 'PRODUCER_FENCED'
`,
    replace: '',
    why: 'A zombie commits the half-done transaction of its successor.',
    from: 'KAFKA-9600; KAFKA-17754',
    shows: 'A fenced producer ends its transaction while its successor has one open.',
  },
  {
    name: 'end-accepted-from-an-outdated-producer-v1',
    file: COORDINATOR,
    find: `  if (txn.producerEpoch !== producerEpoch) return 'PRODUCER_FENCED'
  return END_TXN_V1`,
    replace: `  return END_TXN_V1`,
    why: 'A zombie commits the half-done transaction of its successor (transaction version 1).',
    from: 'KAFKA-9600',
    shows: 'As with version 2, from a client that speaks version 1.',
    survives:
      'Rivals of one id (hijack) that speak version 1: none among the seeds tried; the first seed of them alone shows A1, A6 and A7.',
  },
  {
    name: 'late-end-ends-the-next-transaction',
    file: TABLE,
    find: `  Ongoing: {
    commit: 'prepare-commit',
    'commit-retry': 'PRODUCER_FENCED',
    abort: 'prepare-abort',
    'abort-retry': 'PRODUCER_FENCED',`,
    replace: `  Ongoing: {
    commit: 'prepare-commit',
    'commit-retry': 'prepare-commit',
    abort: 'prepare-abort',
    'abort-retry': 'prepare-abort',`,
    why: 'An EndTxn that was held up on its way ends the transaction after the one it was meant for: torn or lost.',
    from: 'KAFKA-17754',
    shows: 'An EndTxn is repeated over a new connection, and the first one arrives in the next transaction.',
  },
  {
    name: 'repeated-commit-refused-v2',
    file: TABLE,
    find: `    'commit-retry': 'repeated',`,
    replace: `    'commit-retry': 'INVALID_TXN_STATE',`,
    why: 'Whose answer to a commit was lost is told that it failed; who believes that does the work again.',
    from: 'KAFKA-9274',
    shows: 'The answer to EndTxn is lost.',
  },
  {
    name: 'repeated-commit-refused-v1',
    file: TABLE,
    find: `  CompleteCommit: { commit: 'repeated', abort: 'INVALID_TXN_STATE' },`,
    replace: `  CompleteCommit: { commit: 'INVALID_TXN_STATE', abort: 'INVALID_TXN_STATE' },`,
    why: 'As with version 2, for the clients of today.',
    from: 'KAFKA-9274',
    shows: 'The answer to an EndTxn of transaction version 1 is lost.',
    survives:
      'The outcome is told as unknown, which is true; only in calm runs is that held against the broker, and there no answer is lost.',
  },
  {
    name: 'lost-commit-confirmed-after-an-abort',
    file: TABLE,
    find: `    // timeout, or against a newer instance of itself: it is fenced, as with version 1 (KAFKA-20785).
    'commit-retry': 'PRODUCER_FENCED',`,
    replace: `    'commit-retry': 'repeated',`,
    why: 'A commit that lost against the timeout is answered with success: acknowledged, and aborted.',
    from: 'KAFKA-20785',
    shows: 'EndTxn reaches the coordinator just after it has aborted the transaction by itself.',
  },
  {
    name: 'epochs-run-out',
    file: METADATA,
    find: `return producerEpoch >= LARGEST_EPOCH - 1`,
    replace: `return producerEpoch > LARGEST_EPOCH`,
    why: 'After 32,767 transactions an id can be neither fenced nor ended any more.',
    from: 'KAFKA-18660, KAFKA-20090',
    shows: 'A transactional id that is at the end of its epochs.',
  },
  {
    name: 'added-partitions-forgotten',
    file: METADATA,
    find: `const partitions = new Map(Array.from(txn.partitions, ([topic, indexes]) => [topic, new Set(indexes)]))`,
    replace: `const partitions = new Map<string, Set<number>>()`,
    why: 'Only the partition that was added last gets a marker; the others hang.',
    from: 'franz-go 1.21 (failed AddPartitions drops earlier ones)',
    shows: 'A transaction over two partitions.',
  },
  {
    name: 'partition-not-verified',
    file: COORDINATOR,
    find: `isOngoing && containsPartition(txn, each) ? 'NONE' : 'TRANSACTION_ABORTABLE'`,
    replace: `isOngoing || containsPartition(txn, each) || each.partition >= 0 ? 'NONE' : 'TRANSACTION_ABORTABLE'`,
    why: 'Data of transaction version 1 that arrives late opens a transaction nobody will end: a hanging transaction.',
    from: 'KIP-890; KAFKA-14884',
    shows: 'A Produce of version 1 that arrives after its transaction has ended.',
    survives:
      'A Produce of version 1 has to arrive after its transaction; the simulation leaves stray requests out where version 1 is spoken.',
  },
  {
    name: 'commit-answered-before-durable',
    file: RUNTIME,
    find: `    this.#apply(records)
    await this.#settled()
    return reply`,
    replace: `    this.#apply(records)
    return reply`,
    why: 'A power cut takes back a commit that was acknowledged, and a fence that was promised.',
    from: 'own rule: what decides is on disk before its answer; ARCHITECTURE, the path of an EndTxn',
    shows: 'A power cut between an answer and the flush after it.',
  },
  {
    name: 'fence-answered-before-durable',
    file: 'src/broker/handlers/init-producer-id.ts',
    find: `    const reply = await broker.transactions.run((coordinator, nowMs) =>
      coordinator.initProducerId(request, apiVersion, nowMs),
    )`,
    replace: `    let early: ReturnType<typeof broker.transactions.coordinator.initProducerId>['reply'] | undefined
    const durable = broker.transactions.run((coordinator, nowMs) => {
      const result = coordinator.initProducerId(request, apiVersion, nowMs)
      early = result.reply
      return result
    })
    durable.catch(() => undefined)
    const reply = early ?? (await durable)`,
    why: 'After a power cut two producers hold the same id and epoch: the older one is fenced no longer.',
    from: 'own rule: what decides is on disk before its answer',
    shows: 'A power cut just after InitProducerId was answered.',
  },
  {
    name: 'complete-before-the-markers',
    file: RUNTIME,
    find: `    this.#lastLsn = this.#partitions.append([...appends, ...this.#batchesOf(completions)]).lsn
    for`,
    replace: `    this.#lastLsn = this.#partitions.append(this.#batchesOf(completions)).lsn
    if (appends.length > 0) this.#lastLsn = this.#partitions.append(appends).lsn
    for`,
    why: 'A power cut between two frames leaves a transaction that is complete and has no markers: consumers hang for ever.',
    from: 'decision 0003; KAFKA-9777',
    shows: 'A power cut that keeps one of two frames written together.',
  },
  {
    name: 'a-marker-is-forgotten',
    file: RUNTIME,
    find: `      appends.push(...staged.appends)`,
    replace: `      appends.push(...(staged.appends.length > 1 ? staged.appends.slice(1) : staged.appends))`,
    why: 'One partition of each larger transaction never learns how it ended.',
    from: 'KAFKA-9777, KAFKA-10080',
    shows: 'A transaction over two partitions.',
  },
  {
    name: 'restart-leaves-decided-transactions',
    file: RUNTIME,
    find: `    this.#writeMarkers(this.coordinator.takeMarkerIntents())
    this.#timer.reschedule()`,
    replace: `    this.coordinator.takeMarkerIntents()
    this.#timer.reschedule()`,
    why: 'A transaction that was decided when the power went is never completed: its id and its readers are stuck.',
    from: 'KAFKA-9065; KAFKA-19999',
    shows: 'A power cut between the Prepare record and its markers.',
  },
  {
    name: 'restart-aborts-what-was-committed',
    file: RUNTIME,
    find: `    this.#writeMarkers(this.coordinator.takeMarkerIntents())
    this.#timer.reschedule()`,
    replace: `    this.#writeMarkers(this.coordinator.takeMarkerIntents().map((intent) => ({ ...intent, committed: false })))
    this.#timer.reschedule()`,
    why: 'A commit that was acknowledged just before the power went is undone by the start after it.',
    from: 'own rule: what decides is on disk before its answer',
    shows: 'A power cut between the Prepare record and its markers.',
  },
  {
    name: 'producer-ids-given-before-durable',
    file: RUNTIME,
    find: `return this.#store.whenDurable(Math.max(this.#lastLsn, this.#catalogue.producerIdsLsn))`,
    replace: `return this.#store.whenDurable(this.#lastLsn)`,
    why: 'After a power cut a producer id is given a second time; the first records of its new owner are taken for repetitions.',
    from: 'own rule: what decides is on disk before its answer; KAFKA-12152',
    shows: 'A power cut just after the first id of a block was given to a producer without transactions.',
  },
  {
    name: 'producer-ids-not-reserved',
    file: 'src/broker/catalogue-runtime.ts',
    find: `      this.commit(records)
      this.#nextProducerId = reply.firstProducerId`,
    replace: `      void records
      this.#nextProducerId = reply.firstProducerId`,
    why: 'Every start gives out the same producer ids again: records of new producers are taken for repetitions and lost.',
    from: 'own rule: what decides is on disk before its answer',
    shows: 'New producers before and after a restart.',
  },
  {
    name: 'broker-epoch-not-raised',
    file: 'src/core/metadata/catalogue.ts',
    find: `const brokerEpoch = this.#brokerEpoch + 1`,
    replace: `const brokerEpoch = Math.max(1, this.#brokerEpoch)`,
    why: 'Markers and positions of an earlier run cannot be told from those of this one.',
    from: 'decision 0006; KIP-98 (coordinator epoch)',
    shows: 'Any second start.',
  },
]
