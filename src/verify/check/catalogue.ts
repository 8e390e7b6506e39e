/**
 * What can go wrong in a log that promises exactly once, one entry a kind: the code, its name, what it is in one sentence, and what
 * Kafka allows. What is allowed is reported and does not fail a run.
 */
export interface CatalogueEntry {
  readonly code: string
  readonly name: string
  readonly definition: string
  /** When Kafka shows this too, and why. */
  readonly allowed?: string
  /** Judged by a part of its own that is given to the checker (`Judge`); not checked without it. */
  readonly judgedBy?: string
}

export const CATALOGUE = [
  {
    code: 'A1',
    name: 'lost write',
    definition:
      'A value that was acknowledged or committed is not in the log at rest, or was passed by readers none of which was given it.',
  },
  {
    code: 'A2',
    name: 'unseen write',
    definition: 'A value that was acknowledged or committed was not read by anybody once all was read to the end.',
  },
  { code: 'A3', name: 'duplicate in the log', definition: 'One value lies at two places of the log.' },
  {
    code: 'A4',
    name: 'false deduplication',
    definition: 'A send was acknowledged with an offset at which another value lies: it was taken for a repetition.',
  },
  {
    code: 'A5',
    name: 'aborted read',
    definition:
      'A read_committed reader was given a value of a transaction that was aborted, or a transaction that nobody committed has a COMMIT marker (G1a).',
  },
  {
    code: 'A6',
    name: 'uncommitted read',
    definition:
      'A read_committed reader was given a value before its transaction was asked to commit, or a transaction read what it had written itself.',
  },
  {
    code: 'A7',
    name: 'torn transaction',
    definition: 'Of a committed transaction some values were read and others passed without being read.',
  },
  {
    code: 'A8',
    name: 'split decision',
    definition: 'A transaction was committed in one place and aborted in another.',
  },
  {
    code: 'A9',
    name: 'hanging transaction',
    definition:
      'At rest, long after its time, a transaction is open in a partition and holds up the last stable offset.',
  },
  {
    code: 'A10',
    name: 'zombie write',
    definition:
      'Behind a newer producer epoch, behind the marker of its own transaction, or within another transaction lies what should have been refused.',
  },
  {
    code: 'A11',
    name: 'sequence gap or reuse',
    definition:
      'The sequences of a producer in a partition do not follow each other, or a new epoch does not begin with 0.',
  },
  {
    code: 'A12',
    name: 'inconsistent offset',
    definition: 'One offset held different values for different observers or at different times.',
  },
  {
    code: 'A13',
    name: 'phantom',
    definition: 'A value was seen that nobody sent, that is damaged, or that was sent to another partition.',
  },
  {
    code: 'A14',
    name: 'nonmonotonic poll',
    definition: 'A reader was given an offset that is not above the one before, without having been moved.',
    allowed: 'between polls of a subscribed reader: a rebalance may take it back to the committed offset',
  },
  {
    code: 'A15',
    name: 'poll skip',
    definition: 'A reader was given an offset beyond another visible value that it was not given.',
    allowed: 'between polls of a subscribed reader: a rebalance may take it past what other members read',
  },
  {
    code: 'A16',
    name: 'nonmonotonic send',
    definition: 'Two values of one producer lie in a partition in the reverse of the order in which they were sent.',
  },
  {
    code: 'A17',
    name: 'unresolved outcome',
    definition: 'At rest it is still not decided whether a transaction that was asked to commit is committed.',
  },
  {
    code: 'A18',
    name: 'watermark fault',
    definition:
      'High watermark, last stable offset or log start went back, stand in the wrong order, or the last stable offset passed an open transaction.',
  },
  {
    code: 'A19',
    name: 'fencing violation',
    definition:
      'A transaction was begun to be committed after a newer producer of its transactional id was ready, and was committed.',
  },
  {
    code: 'A20',
    name: 'double ownership',
    definition:
      'Two members of one generation were assigned a partition, or a commit of an older generation was taken after one of a newer.',
  },
  {
    code: 'A21',
    name: 'offset without output',
    definition:
      'Committed offsets and committed outputs do not agree, or a committed offset was seen that nobody committed, or one that went back.',
  },
  { code: 'A22', name: 'duplicate effect', definition: 'One input has two committed outputs.' },
  {
    code: 'A23',
    name: 'state unlike its changelog',
    definition: 'A state store holds something else than its changelog adds up to.',
    judgedBy: 'the streams workload',
  },
  {
    code: 'A24',
    name: 'circular information flow',
    definition: 'Transactions read from each other in a circle (G1c, write-read edges only).',
  },
  {
    code: 'A25',
    name: 'write cycle',
    definition:
      'Transactions form a circle of reads and of the order of their writes in the log (G0, G1c with write-write edges).',
    allowed: 'Kafka does not isolate writes of concurrent transactions from each other',
  },
  {
    code: 'A26',
    name: 'broken conservation',
    definition: 'The amounts of committed effects do not add up to what they must.',
  },
  {
    code: 'A27',
    name: 'sink mismatch',
    definition: 'What a sink holds is not what was committed, or a prepared transaction of a sink was left undecided.',
    judgedBy: 'the sink workload',
  },
  {
    code: 'A28',
    name: 'no progress',
    definition: 'Something that should have ended in time had not, with no fault under way.',
  },
] as const satisfies readonly CatalogueEntry[]

export type Code = (typeof CATALOGUE)[number]['code']

export function catalogueEntry(code: Code): CatalogueEntry {
  return CATALOGUE.find((entry) => entry.code === code) as CatalogueEntry
}
