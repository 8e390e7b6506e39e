/** Defects of the client's consumer: filter, positions, membership (client/core/fetch, client/core/group, client/consumer). */
import type { Defect } from '../defect.ts'

const FILTER = 'src/client/core/fetch/aborted-filter.ts'
const CHUNK = 'src/client/core/fetch/fetched-chunk.ts'
const FETCHER = 'src/client/core/fetch/fetcher.ts'
const MEMBER = 'src/client/core/group/group-member.ts'

export const CONSUMER_DEFECTS: readonly Defect[] = [
  {
    name: 'filter-ends-at-any-marker',
    file: FILTER,
    find: `        if (markerType === 'ABORT') this.#abortedProducers.delete(batch.producerId)`,
    replace: `        if (markerType !== undefined) this.#abortedProducers.clear()`,
    why: 'Aborted records behind the commit of another producer are handed out.',
    from: 'brod #659; kafka-go #1332',
    shows: 'An aborted transaction with the end of another one inside it.',
  },
  {
    name: 'filter-does-not-sort',
    file: FILTER,
    find: `this.#waiting = (aborted ?? []).toSorted((a, b) => b.firstOffset - a.firstOffset)`,
    replace: `this.#waiting = [...(aborted ?? [])].reverse()`,
    why: 'Of two aborted transactions that overlap, the outer one is handed out up to the start of the inner one.',
    from: 'franz-go 1.21; librdkafka #3020',
    shows: 'Two aborted transactions, the one that began first ending last.',
  },
  {
    name: 'filter-never-ends',
    file: FILTER,
    find: `        if (markerType === 'ABORT') this.#abortedProducers.delete(batch.producerId)`,
    replace: `        if (markerType === 'COMMIT') this.#abortedProducers.delete(batch.producerId)`,
    why: 'After an abort what the same producer commits next is left out: lost for this consumer.',
    from: 'librdkafka 1.7.0; @platformatic/kafka 1.35.0 (abort-commit-abort)',
    shows: 'An abort and a commit of one producer in one answer.',
  },
  {
    name: 'filter-begins-one-late',
    file: FILTER,
    find: `      next !== undefined && next.firstOffset <= offset;`,
    replace: `      next !== undefined && next.firstOffset < offset;`,
    why: 'A one-record batch at the start of an aborted transaction is handed out.',
    from: 'kafkajs 2.2.4 (filterAbortedMessages)',
    shows: 'An aborted transaction that begins with a batch of one record.',
  },
  {
    name: 'filter-looks-at-one-transaction-of-a-producer',
    file: FILTER,
    find: `      this.#abortedProducers.add(next.producerId)
      this.#waiting.pop()`,
    replace: `      this.#abortedProducers.add(next.producerId)
      this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((one) => one.producerId !== next?.producerId))`,
    why: 'Of two aborted transactions of one producer in an answer, the second is handed out.',
    from: '@platformatic/kafka 1.35.0',
    shows: 'Two aborts of one producer in one answer.',
  },
  {
    name: 'markers-handed-out',
    file: FILTER,
    find: `    return !batch.isControl
`,
    replace: `    return !batch.isControl || markerType === 'COMMIT'
`,
    why: 'Consumers get a record that nobody sent after each transaction.',
    from: 'KIP-98',
    shows: 'Any transaction.',
  },
  {
    name: 'fetch-asks-for-uncommitted',
    file: FETCHER,
    find: `        isolationLevel: isolationLevel === 'read_committed' ? 1 : 0,
        sessionId,`,
    replace: `        isolationLevel: isolationLevel === 'read_committed' ? 0 : 0,
        sessionId,`,
    why: 'Consumers read what is not committed.',
    from: 'KIP-98',
    shows: 'Somebody reads while a transaction is open.',
  },
  {
    name: 'position-behind-markers-wrong',
    file: CHUNK,
    find: `    return new FetchedChunk(options, batches, fetchOffset, nextOffset, bytes.length)`,
    replace: `    const last = batches.at(-1)?.header.lastOffset
    const next = last !== undefined && nextOffset > last + 1 ? nextOffset + 1 : nextOffset
    return new FetchedChunk(options, batches, fetchOffset, next, bytes.length)`,
    why: 'The record after a marker is passed over, or the position leaves the log.',
    from: 'KAFKA-6607; KAFKA-12980',
    shows: 'An answer that ends with a marker.',
  },
  {
    name: 'positions-stay-before-markers',
    file: 'src/client/core/fetch/take-records.ts',
    find: `      partition.advance(Math.max(chunk.nextOffset, partition.position?.offset ?? 0), epoch)
`,
    replace: `      partition.advance(partition.position?.offset ?? 0, epoch)
`,
    also: [
      {
        file: FETCHER,
        find: `        partition.advance(chunk.nextOffset, partition.position?.leaderEpoch ?? -1)
`,
        replace: '',
      },
    ],
    why: 'A partition that ends with aborted records never counts as read: its lag stays, its offsets are not committed past them.',
    from: 'KAFKA-6607; KAFKA-12980',
    shows: 'A group whose committed offsets are compared with the end of a log that ends with an abort.',
  },
  {
    name: 'reset-passes-over-what-is-left',
    file: FETCHER,
    find: `    if (startFrom !== 'none') {
      partition.resetTo(startFrom)
      return
    }`,
    replace: `    if (startFrom !== 'none') {
      partition.resetTo(code === 'OFFSET_OUT_OF_RANGE' ? 'latest' : startFrom)
      return
    }`,
    why: 'When records before the position were deleted, those that are left are passed over too.',
    from: 'KAFKA-6189 (auto.offset.reset)',
    shows: 'DeleteRecords past the position of a consumer.',
    survives: 'Records have to be deleted past the position of a reader (long), which reads at the end of the log.',
  },
  {
    name: 'revoked-partition-still-read',
    file: FETCHER,
    find: `      partition.version += 1
      this.#partitions.delete(key)`,
    replace: `      if (partitions.length === 0) this.#partitions.delete(key)`,
    why: 'A consumer goes on reading a partition that belongs to another: two process it.',
    from: 'KIP-62; KIP-429',
    shows: 'A rebalance that takes some of the partitions away.',
    survives: 'With eager rebalances everything is given up at once; it takes an assignor that lets partitions stay.',
  },
  {
    name: 'late-answer-after-a-seek',
    file: FETCHER,
    find: `        if (question === undefined || question.partition.version !== question.version) continue
`,
    replace: `        if (question === undefined) continue
`,
    also: [
      {
        file: FETCHER,
        find: `    if (partition.fetchOffset !== offset || answer.records === null || answer.records.length === 0) return
`,
        replace: `    if (answer.records === null || answer.records.length === 0) return
`,
      },
    ],
    why: 'What was fetched for the old place is handed out at the new one: records are skipped after going back.',
    from: 'franz-go 1.21 (seek after an abort undone)',
    shows: 'A consumer goes back while a fetch is on its way.',
  },
  {
    name: 'member-keeps-its-generation-when-expelled',
    file: MEMBER,
    find: `    this.#lose(why)
    this.#pending.clear()
    this.#generationId = NO_GENERATION`,
    replace: `    this.#pending.clear()
    if (why.code === 'INTERNAL') this.#lose(why)
    this.#generationId = NO_GENERATION`,
    why: 'A consumer that was thrown out of its group goes on with partitions that are another’s.',
    from: 'KIP-62; KAFKA-16285',
    shows: 'A consumer is silent for longer than its session and goes on.',
  },
  {
    name: 'assignor-gives-a-partition-twice',
    file: 'src/client/core/group/assignors/range.ts',
    find: `        for (; next < end; next += 1) assignment.get(memberId)?.push({ topic, partition: next })`,
    replace: `        for (let one = Math.max(0, next - 1); one < end; one += 1) assignment.get(memberId)?.push({ topic, partition: one })
        next = end`,
    why: 'Two members of one generation own a partition.',
    from: 'KIP-62; KAFKA-10888 (assignors)',
    shows: 'A group of two members with the range assignor.',
  },
  {
    name: 'undecided-offsets-asked-for',
    file: 'src/client/consumer/group-offsets.ts',
    find: `groups: [{ groupId, topics }], requireStable: true },`,
    replace: `groups: [{ groupId, topics }], requireStable: false },`,
    why: 'The next owner of a partition begins before the transaction of the last one is decided: input is processed twice.',
    from: 'KIP-447',
    shows: 'A rebalance between the commit of a transaction and its markers.',
    survives:
      'A rebalance has to fall between TxnOffsetCommit and EndTxn, a few milliseconds, and last longer than the session.',
  },
  {
    name: 'processed-one-too-far',
    file: 'src/client/consumer/processed-offsets.ts',
    find: `offset: offset + 1, leaderEpoch })`,
    replace: `offset: offset + 2, leaderEpoch })`,
    why: 'After a rebalance the record behind the last processed one is passed over.',
    from: 'the first mistake of everybody, the other way round',
    shows: 'A consumer with plain commits record by record, and a rebalance.',
    survives: `No role reads by \`for await\` or \`run\` and commits record by record.`,
  },
  {
    name: 'everything-read-counts-as-processed',
    file: 'src/client/consumer/run-loop.ts',
    find: `    if (unfinished.length > 0) this.#port.rewind(unfinished)
    else this.#port.markAllProcessed()`,
    replace: `    this.#port.markAllProcessed()
    if (unfinished.length > 0) this.#port.rewind(unfinished)`,
    why: 'Records that a handler failed at, or never saw, are committed.',
    from: 'kafkajs #1388',
    shows: 'A handler of run() throws, and the consumer starts again.',
    survives: `No role reads by \`run\`.`,
  },
]
