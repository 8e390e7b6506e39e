/** Defects in what a partition knows of its producers: repetitions, sequences, epochs (core/producer-state, handlers/produce.ts). */
import type { Defect } from '../defect.ts'

const APPEND_CHECK = 'src/core/producer-state/append-check.ts'
const ENTRY = 'src/core/producer-state/producer-entry.ts'
const STORED = 'src/storage/stored-producers.ts'

export const PRODUCER_STATE_DEFECTS: readonly Defect[] = [
  {
    name: 'repetition-stored-again',
    file: APPEND_CHECK,
    find: `  if (entry !== undefined && context.origin === 'client') {
    const first`,
    replace: `  if (entry !== undefined && context.origin === 'client' && header.isControl) {
    const first`,
    also: [
      {
        file: APPEND_CHECK,
        find: `return baseSequence === next ? undefined : outOfOrder(String(next))`,
        replace: `return baseSequence <= next ? undefined : outOfOrder(String(next))`,
      },
    ],
    why: 'A request that is repeated because its answer was lost is stored a second time: duplicate records.',
    from: 'KIP-98; SPEC.md of core/producer-state',
    shows: 'An answer to Produce is lost after the batch was stored.',
  },
  {
    name: 'repetition-answered-with-another-offset',
    file: APPEND_CHECK,
    find: `baseOffset: lastOffset - offsetDelta, lastOffset`,
    replace: `baseOffset: lastOffset - offsetDelta + 1, lastOffset`,
    why: 'Who keeps the offset of what it sent finds another record there.',
    from: 'KAFKA-5494',
    shows:
      'An answer to Produce is lost after the batch was stored, and somebody compares the offset told with the log.',
  },
  {
    name: 'repetition-found-in-another-epoch',
    file: ENTRY,
    find: `  if (header.producerEpoch !== entry.producerEpoch) return undefined
`,
    replace: '',
    why: 'The first batch of a new epoch is taken for one of the old epoch and dropped with a success: silent loss.',
    from: 'librdkafka 1.9.0 (sequence restarts at 0); KIP-360',
    shows: 'A producer gets a new epoch and writes to a partition where no marker has told of it.',
  },
  {
    name: 'repetition-found-by-its-end-alone',
    file: ENTRY,
    find: `(batch) => batch.lastSequence === header.lastSequence && batch.offsetDelta === header.lastOffsetDelta,`,
    replace: `(batch) => batch.lastSequence >= header.lastSequence,`,
    why: 'A batch from before the five that are kept is answered with the offsets of another one.',
    from: 'KAFKA-5494; Redpanda 5356',
    shows: 'A batch older than the retained ones, or cut differently, is sent again.',
  },
  {
    name: 'four-batches-retained',
    file: 'src/core/producer-state/producer-table.ts',
    find: `entry.batches.slice(-(BATCHES_RETAINED - 1))`,
    replace: `entry.batches.slice(-(BATCHES_RETAINED - 2))`,
    why: 'Of five requests in flight whose answers are lost, the first can no longer be told from a new one: the send fails.',
    from: 'KAFKA-5494',
    shows: 'All five requests in flight of one partition are stored, all answers are lost, all are repeated.',
  },
  {
    name: 'sequence-gap-accepted',
    file: APPEND_CHECK,
    find: `return baseSequence === next ? undefined : outOfOrder(String(next))`,
    replace: `return baseSequence >= next ? undefined : outOfOrder(String(next))`,
    why: 'A batch overtakes one that was refused: records in another order than they were sent, or the first one lost.',
    from: 'KAFKA-14920',
    shows: 'The broker refuses a batch and takes the next one of the same connection.',
  },
  {
    name: 'sequence-does-not-wrap',
    file: APPEND_CHECK,
    find: `lastSequence === SEQUENCE_MAX ? 0 : lastSequence + 1`,
    replace: `lastSequence + 1`,
    why: 'After 2^31 records of one producer the partition takes nothing more from it.',
    from: 'KAFKA-7692, KAFKA-7693',
    shows: 'A producer whose sequence is at its end, as only one that begins there is within a test.',
    survives:
      'Nobody begins near 2^31; a producer of the crash workloads could, as a partition without state takes any sequence.',
  },
  {
    name: 'outdated-epoch-appended',
    file: APPEND_CHECK,
    find: `if (entry === undefined || header.producerEpoch >= entry.producerEpoch) return undefined`,
    replace: `if (entry === undefined || header.producerEpoch >= 0) return undefined`,
    also: [
      {
        file: APPEND_CHECK,
        find: `return baseSequence === 0 ? undefined : outOfOrder(\`0 at the new epoch \${producerEpoch}\`)`,
        replace: `return baseSequence === 0 || producerEpoch < entry.producerEpoch ? undefined : outOfOrder('0')`,
      },
      {
        file: 'src/broker/produce-verification.ts',
        find: `if (currentEpoch !== undefined && producerEpoch < currentEpoch) {`,
        replace: `if (currentEpoch !== undefined && producerEpoch < 0) {`,
      },
      {
        file: 'src/core/transaction/transaction-coordinator.ts',
        find: `    if (txn.producerEpoch !== producerEpoch) return all('PRODUCER_FENCED')
`,
        replace: '',
      },
    ],
    why: 'A zombie goes on writing after another instance has taken its place; its records land in the other one’s transaction.',
    from: 'KAFKA-6119; KIP-98',
    shows: 'Two instances of one transactional id, the older one not told that it is.',
  },
  {
    name: 'checkpoint-keeps-one-batch',
    file: STORED,
    find: `    writer.uvarint(producer.batches.length)
    for (const batch of producer.batches) {`,
    replace: `    writer.uvarint(producer.batches.slice(-1).length)
    for (const batch of producer.batches.slice(-1)) {`,
    why: 'After a restart only the last of five repeated requests is recognised: sends fail that had been stored.',
    from: 'Kafka’s ProducerSnapshot keeps one',
    shows: 'Several requests in flight, stored, then a checkpoint and a restart before any answer.',
  },
  {
    name: 'checkpoint-forgets-sequences',
    file: STORED,
    find: `      writer.varint(batch.lastSequence)`,
    replace: `      writer.varint(0)`,
    why: 'After a restart every idempotent producer is refused, or a repetition is stored twice.',
    from: 'KAFKA-7190',
    shows: 'A producer that goes on after a checkpoint and a restart.',
  },
  {
    name: 'checkpoint-forgets-open-transactions',
    file: STORED,
    find: `writer.varlong(producer.currentTransactionFirstOffset ?? NONE)`,
    replace: `writer.varlong(NONE)`,
    why: 'After a restart an open transaction does not hold readers back, and its abort leaves its records readable.',
    from: 'Redpanda 30003',
    shows: 'A checkpoint while a transaction is open, then a restart.',
  },
  {
    name: 'checkpoint-without-producers',
    file: 'src/storage/checkpointer.ts',
    find: `log.setProducerSnapshot(log.logEndOffset, encodeStoredProducers(producers))`,
    replace: `log.setProducerSnapshot(log.logEndOffset, encodeStoredProducers([]))`,
    why: 'A restart after a checkpoint forgets all producers: repetitions are stored twice.',
    from: 'KAFKA-9892; Redpanda 4ee6b02',
    shows: 'A repeated request after a checkpoint and a restart.',
  },
  {
    name: 'restart-forgets-producers-since-the-checkpoint',
    file: 'src/broker/catalogue-runtime.ts',
    find: `state.replay(header, header.isControl ? readMarker(batch) : undefined)`,
    replace: `state.replay({ ...header, producerId: header.isControl ? header.producerId : -1 }, header.isControl ? readMarker(batch) : undefined)`,
    why: 'What came after the last checkpoint is not in the producers’ state: repetitions are stored twice, transactions forgotten.',
    from: 'KAFKA-12153; own rule: derived state is rebuilt',
    shows: 'Any restart without a checkpoint just before it.',
  },
]
