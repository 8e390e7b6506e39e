/** Defects in what readers may see: watermarks, aborted lists, offsets by time (core/partition, broker/handlers/fetch.ts). */
import type { Defect } from '../defect.ts'

const FETCH = 'src/broker/handlers/fetch.ts'
const TABLE = 'src/broker/partition-table.ts'
const WATERMARK = 'src/core/partition/transaction-watermark.ts'
const ABORTED = 'src/storage/transaction-index.ts'

export const PARTITION_DEFECTS: readonly Defect[] = [
  {
    name: 'open-transactions-do-not-hold-readers',
    file: WATERMARK,
    find: `    let first = this.firstOpenOffset
`,
    replace: `    let first: number | undefined
`,
    why: 'read_committed consumers read what is not committed, and may be aborted.',
    from: 'KIP-98; Redpanda 10671',
    shows: 'Somebody reads while a transaction is open.',
  },
  {
    name: 'only-the-newest-transaction-holds-readers',
    file: WATERMARK,
    find: `    return this.#open.values().next().value`,
    replace: `    return [...this.#open.values()].at(-1)`,
    why: 'While two producers have transactions open, readers get the records of the one that began first.',
    from: 'Redpanda 28360',
    shows: 'Two transactions open in one partition.',
  },
  {
    name: 'marker-counts-before-durable',
    file: WATERMARK,
    find: `    this.#ended.push({ firstOffset, markerOffset })
`,
    replace: `    void markerOffset
`,
    why: 'A consumer acts on the end of a transaction that a power cut takes back; partitions show one commit at different moments.',
    from: 'Redpanda 3036; ARCHITECTURE, “a transaction ends in memory before it ends for readers”',
    shows: 'A fetch between the append of a marker and its flush.',
  },
  {
    name: 'last-stable-offset-includes-the-first-record',
    file: 'src/core/partition/partition-state.ts',
    find: `return first === undefined ? undefined : Math.max(first, this.#logStartOffset)`,
    replace: `return first === undefined ? undefined : Math.max(first + 1, this.#logStartOffset)`,
    why: 'The first record of an open transaction is readable.',
    from: 'Redpanda 3036 (supremum taken for a maximum)',
    shows: 'A one-record batch at the start of an open transaction.',
  },
  {
    name: 'high-watermark-before-durable',
    file: TABLE,
    find: `    for (const [partition, endOffset] of nextOffsets) this.#pending.push({ lsn, partition, endOffset })`,
    replace: `    for (const [partition, endOffset] of nextOffsets) {
      this.#pending.push({ lsn, partition, endOffset })
      partition.becomeDurable(endOffset)
    }`,
    why: 'Consumers read records that a power cut takes back; what they did because of them has no cause any more.',
    from: 'KAFKA-10101; own rule: the high watermark is the durable end',
    shows: 'A fetch between an append and its flush, then a power cut.',
  },
  {
    name: 'fetch-reads-to-the-high-watermark',
    file: FETCH,
    find: `log.read(target.fetchOffset, limit, maxBytes, minOneBatch)`,
    replace: `log.read(target.fetchOffset, highWatermark, maxBytes, minOneBatch)`,
    why: 'Batches above the last stable offset reach read_committed consumers, without the list that would filter them.',
    from: 'KAFKA-9807',
    shows: 'A fetch from below the last stable offset while a transaction is open above it.',
  },
  {
    name: 'aborted-list-missing-after-a-wait',
    file: FETCH,
    find: `  for (;;) {
    const found = session`,
    replace: `  for (let attempt = 0; ; attempt += 1) {
    const found = session`,
    also: [
      {
        file: FETCH,
        find: `    if (hasError || bytes >= request.minBytes || reads.length === 0 || isTimeUp) return reads
`,
        replace: `    if (hasError || bytes >= request.minBytes || reads.length === 0 || isTimeUp) {
      return attempt === 0 ? reads : reads.map((read) => ({ ...read, draft: { ...read.draft, abortedTransactions: [] } }))
    }
`,
      },
    ],
    why: 'A consumer at the end of a partition, as most are, reads aborted records.',
    from: 'KAFKA-5376',
    shows: 'A fetch that waits when an abort marker arrives.',
  },
  {
    name: 'aborted-list-begins-at-the-fetch',
    file: ABORTED,
    find: `if (entry.firstOffset < upperOffset) found.push`,
    replace: `if (entry.firstOffset < upperOffset && entry.firstOffset >= fromOffset) found.push`,
    why: 'A fetch that begins inside an aborted transaction shows the rest of it.',
    from: 'kafkajs 2.2.4 (fetch inside aborted transactions)',
    shows: 'A consumer that restarts, or whose fetch is cut, in the middle of an aborted transaction.',
  },
  {
    name: 'aborted-list-ends-too-early',
    file: ABORTED,
    find: `      if (entry.lastStableOffset >= upperOffset) break`,
    replace: `      if (entry.lastOffset >= fromOffset) break`,
    why: 'Of several aborted transactions in one fetch only the first is named.',
    from: '@platformatic/kafka 1.35.0 (two aborted transactions in a response)',
    shows: 'Two aborted transactions in one answer.',
  },
  {
    name: 'aborted-index-off-by-one',
    file: ABORTED,
    find: `      if (this.#columns[middle * COLUMNS + 2]! < offset) low = middle + 1`,
    replace: `      if (this.#columns[middle * COLUMNS + 2]! <= offset + 1) low = middle + 1`,
    why: 'A fetch that begins at the last record of an aborted transaction shows it.',
    from: 'KIP-98 (TransactionIndex.collectAbortedTxns)',
    shows: 'A fetch that begins one record before an abort marker.',
  },
  {
    name: 'abort-not-indexed',
    file: TABLE,
    find: `      if (aborted !== undefined) partition.log.appendAborted(aborted)`,
    replace: `      void aborted`,
    why: 'Aborted records are readable.',
    from: 'KAFKA-7866',
    shows: 'Any abort.',
  },
  {
    name: 'abort-not-indexed-at-start',
    file: 'src/broker/catalogue-runtime.ts',
    find: `      if (aborted !== undefined) log.appendAborted(aborted)`,
    replace: `      void aborted`,
    why: 'After a restart what was aborted since the last checkpoint is readable.',
    from: 'KAFKA-12153; Redpanda 7043',
    shows: 'An abort, a restart, and a consumer that begins before it.',
  },
  {
    name: 'aborted-index-not-written',
    file: 'src/storage/drain.ts',
    find: `      await this.#write(segment.path('txnindex'), segment.transactionIndexBytes, bytes)
      segment.transactionIndexBytes += bytes.length`,
    replace: `      void bytes`,
    why: 'After a restart what was aborted before the last checkpoint is readable.',
    from: 'KAFKA-7866; Redpanda 7043',
    shows: 'An abort, a checkpoint, a restart, and a consumer that begins before it.',
  },
  {
    name: 'latest-is-the-high-watermark',
    file: 'src/broker/handlers/list-offsets.ts',
    find: `request.replicaId === DEBUGGING_REPLICA_ID ? partition.state.logEndOffset : partition.readLimit(isolationLevel)`,
    replace: `request.replicaId === DEBUGGING_REPLICA_ID || isolationLevel === 'read_committed'
      ? partition.state.highWatermark
      : partition.readLimit(isolationLevel)`,
    why: 'A read_committed consumer that starts at the end, or at a time, begins inside an open transaction and misses the start of it.',
    from: 'KAFKA-5522',
    shows: 'ListOffsets while a transaction is open.',
  },
  {
    name: 'acks-before-the-flush',
    file: 'src/broker/handlers/produce.ts',
    find: `  if (request.acks === -1) await broker.store.whenDurable(lsn)
`,
    replace: `  void lsn
`,
    why: 'A power cut loses records that were acknowledged.',
    from: 'own promise: what was acknowledged is on disk',
    shows: 'A power cut between an answer to Produce and the flush after it.',
  },
  {
    name: 'repetition-answered-before-durable',
    file: 'src/broker/handlers/produce.ts',
    find: `        lsn = broker.store.appendedLsn
`,
    replace: '',
    why: 'A repeated request is acknowledged although its first try is not on disk yet; a power cut loses it.',
    from: 'ARCHITECTURE, “a duplicate waits too”',
    shows: 'A request is repeated while its first try waits for the flush, then a power cut.',
    survives:
      'The repetition has to overtake the flush of the first try, and the power has to fail in those milliseconds.',
  },
  {
    name: 'fetch-starts-below-the-log-start',
    file: FETCH,
    find: `if (target.fetchOffset < state.logStartOffset || target.fetchOffset > state.logEndOffset) {`,
    replace: `if (target.fetchOffset > state.logEndOffset) {
      reads.push(failed(target, partition, 'OFFSET_OUT_OF_RANGE'))
      continue
    }
    if (target.fetchOffset < state.logStartOffset) {
      reads.push(await readOne(target, partition, isolationLevel, 0, false, context.apiVersion, broker.runtime.logger))
      continue
    }
    if (target.fetchOffset < 0) {`,
    why: 'A consumer whose position was deleted gets nothing and no error, for ever.',
    from: 'KAFKA-12980 (the caller never advances)',
    shows: 'DeleteRecords past the position of a consumer.',
  },
]
