/**
 * Bugs that brokers and clients of exactly-once systems had: where they are described and what went wrong there. Data only; which
 * scenario holds a row is said by the names of the tests (named-tests.ts).
 */

/** One line of the table. */
export interface ScenarioRow {
  /** `B1.7` in names of tests; of `C13.18401` the number alone. */
  readonly id: string
  readonly source: string
  readonly wentWrong: string
  /** What of it cannot be tried yet, and for want of what. */
  readonly waits?: string
  /** Why it cannot happen here. Tests that name it stand in for it. */
  readonly excluded?: string
}

export interface ScenarioSection {
  readonly title: string
  readonly rows: readonly ScenarioRow[]
}

const COMPACTION = 'there is no compaction yet'
const STREAMS = 'there are no streams yet'
const SINKS = 'there are no sinks yet'

export const SCENARIO_SECTIONS: readonly ScenarioSection[] = [
  {
    title: 'Coordinator and markers',
    rows: [
      {
        id: 'B1.1',
        source: 'KAFKA-17754, KIP-890, Redpanda PR 1384',
        wentWrong:
          'A request of one transaction arrived late and acted on the next: lost, torn, or committed though aborted.',
      },
      {
        id: 'B1.2',
        source: 'KIP-890',
        wentWrong:
          'A batch that came after the abort marker opened a transaction nobody would end; readers stood still.',
      },
      {
        id: 'B1.3',
        source: 'KIP-890',
        wentWrong: 'A partition took a batch that the coordinator did not know of.',
      },
      {
        id: 'B1.4',
        source: 'KAFKA-14884',
        wentWrong: 'Between the check that a transaction is open and the append, its abort marker was written.',
      },
      {
        id: 'B1.5',
        source: 'KAFKA-14904, 14920',
        wentWrong: 'The check of the first batch failed, a later one got in, and the first was out of order for ever.',
      },
      {
        id: 'B1.6',
        source: 'KAFKA-15449, 15784',
        wentWrong:
          'Offsets of a transaction were taken without asking the coordinator, and staged apart from their append.',
      },
      {
        id: 'B1.7',
        source: 'KAFKA-16352',
        wentWrong:
          'A late confirmation of a marker removed the entry of the transaction after it, which stayed prepared.',
      },
      {
        id: 'B1.8',
        source: 'KAFKA-19999',
        wentWrong:
          'A marker written once more after a reload was refused, and the transaction stayed prepared for ever.',
      },
      {
        id: 'B1.9',
        source: 'KAFKA-18575, 19446',
        wentWrong:
          'The next transaction began while the last one was being completed, and one marker ended the wrong one.',
      },
      {
        id: 'B1.10',
        source: 'KAFKA-18660, 19367, 20090',
        wentWrong: 'At the end of the epochs: a wrong producer id, epochs raised twice, ids that were stuck.',
      },
      {
        id: 'B1.11',
        source: 'KAFKA-18464',
        wentWrong: 'A producer that aborted nothing after a commit fenced itself.',
      },
      {
        id: 'B1.12',
        source: 'KAFKA-20785',
        wentWrong: 'A commit that lost against the timeout was told of a wrong state instead of having been fenced.',
      },
      {
        id: 'B1.13',
        source: 'KAFKA-17507',
        wentWrong: 'A commit was answered before its offsets could be read; the next reader got the old ones.',
      },
      {
        id: 'B1.14',
        source: 'KAFKA-6119, 5231',
        wentWrong: 'The coordinator aborted without raising the epoch, and the zombie went on.',
      },
      { id: 'B1.15', source: 'KAFKA-9600', wentWrong: 'EndTxn was accepted with an epoch that was never given out.' },
      {
        id: 'B1.16',
        source: 'KAFKA-9666',
        wentWrong: 'A fence that could not be written raised the epoch all the same, until there were none left.',
      },
      {
        id: 'B1.17',
        source: 'KAFKA-9777, 10080, 6131',
        wentWrong: 'Completion raced with itself: never written, or written again when the next transaction had begun.',
      },
      {
        id: 'B1.18',
        source: 'KAFKA-9749',
        wentWrong: 'A storage error in answer to a marker was taken for final; the transaction stayed prepared.',
      },
      {
        id: 'B1.19',
        source: 'KAFKA-5351, 7519',
        wentWrong: 'After an append that failed the id was "concurrent" for ever.',
      },
      {
        id: 'B1.20',
        source: 'KAFKA-14880, 13099',
        wentWrong:
          'The task that forgets ids died of one strange entry, or of tombstones that were too many for a batch.',
      },
      {
        id: 'B1.21',
        source: 'KAFKA-9065, 9307, 5600, 15468',
        wentWrong: 'Loading the coordinator never ended, mixed with an earlier load, or went back to old state.',
      },
      {
        id: 'B1.22',
        source: 'KAFKA-5202',
        wentWrong: 'A topic was deleted while its markers were due, and the transaction waited for it.',
      },
      {
        id: 'B1.23',
        source: 'KAFKA-14417, 16386',
        wentWrong: 'Old clients were told a new error that is to be tried again, and gave up.',
      },
      {
        id: 'B1.24',
        source: 'Redpanda 9c1f30a, 1a30165, 6018',
        wentWrong: 'That a transaction had begun was in memory only; after a failover its second half committed alone.',
      },
      {
        id: 'B1.25',
        source: 'Redpanda c50b68e, 39f2ec1, 3f92f12',
        wentWrong: 'Replayed state of many ids was given to the wrong one, or one id was initialised twice.',
      },
      {
        id: 'B1.26',
        source: 'Redpanda ff95615',
        wentWrong: 'A commit that was replayed after a failover met the transaction behind it.',
      },
      {
        id: 'B1.27',
        source: 'Redpanda 8236, 18324',
        wentWrong: 'Transactions past their time, or without data, were never aborted; readers stood still.',
      },
    ],
  },
  {
    title: 'Log, last stable offset, producer state',
    rows: [
      {
        id: 'B2.28',
        source: 'KAFKA-9807',
        wentWrong: 'A fetch looked at the high watermark twice and gave out data above the last stable offset.',
      },
      {
        id: 'B2.29',
        source: 'KAFKA-5376',
        wentWrong: 'A fetch that had waited came without the list of aborted transactions.',
      },
      {
        id: 'B2.30',
        source: 'Redpanda 3036, 10671, 28360, a56d0d9',
        wentWrong: 'The last stable offset was one off, taken from the wrong index, or asked for before it was known.',
      },
      {
        id: 'B2.31',
        source: 'KAFKA-5522',
        wentWrong: 'A look-up by time found records of open transactions for read_committed.',
      },
      {
        id: 'B2.32',
        source: 'KAFKA-12153',
        wentWrong: 'After a truncation the first unstable offset pointed at nothing.',
      },
      {
        id: 'B2.33',
        source: 'KAFKA-7866',
        wentWrong:
          'The index of aborted transactions could not be written after the log was, and offsets were given twice.',
      },
      { id: 'B2.34', source: 'KAFKA-10778', wentWrong: 'Appends were acknowledged after the disk had failed.' },
      {
        id: 'B2.35',
        source: 'KAFKA-9144',
        wentWrong: 'Producers were forgotten by the timestamps of their data, markers did not count; fences were lost.',
      },
      {
        id: 'B2.36',
        source: 'KAFKA-7190, 7298, KIP-360',
        wentWrong: 'With the records their producer was forgotten, and refused when it went on.',
      },
      {
        id: 'B2.37',
        source: 'Redpanda 22670',
        wentWrong: 'Idempotent producers were forgotten by the setting for transactional ids.',
      },
      { id: 'B2.38', source: 'KAFKA-7692, 7693, 5283', wentWrong: 'Sequences did not get over 2^31 - 1.' },
      {
        id: 'B2.39',
        source: 'KAFKA-5494, Redpanda 5356',
        wentWrong: 'Fewer than five batches were recognised, or answered with another offset than the first time.',
      },
      {
        id: 'B2.40',
        source: "Kafka's producer snapshot",
        wentWrong: 'A snapshot keeps one batch of a producer; after a restart older ones in flight are stored twice.',
      },
      {
        id: 'B2.41',
        source: 'KAFKA-8351, 14055, 13727, Redpanda 4ce6552',
        wentWrong: 'Compaction dropped markers: aborted data became committed, or readers stood still.',
        waits: COMPACTION,
      },
      {
        id: 'B2.42',
        source: 'KAFKA-5490, 8335',
        wentWrong: 'Compaction dropped the last batch of a producer, and with it its sequence.',
        waits: COMPACTION,
      },
      {
        id: 'B2.43',
        source: 'KAFKA-13194, Redpanda 70541df, abd7716',
        wentWrong: 'Cleaning went beyond the last stable offset, or began before the state was there.',
        waits: 'there is neither compaction nor retention yet; records can be deleted by request',
      },
      {
        id: 'B2.44',
        source: 'Redpanda 30003',
        wentWrong: 'A snapshot left out producers without data; after a restart nobody knew that they were fenced.',
      },
      {
        id: 'B2.45',
        source: 'Redpanda e52a56c, 4ee6b02',
        wentWrong: 'A snapshot was taken of state that was changing.',
      },
      {
        id: 'B2.46',
        source: 'Redpanda def3776',
        wentWrong: 'A batch failed, and the one behind it in the pipeline was stored.',
      },
      {
        id: 'B2.47',
        source: 'Redpanda 7043, 7819',
        wentWrong: 'Data came from one tier of storage, the aborted list from another.',
        excluded: 'there is one tier: memory and segments of a log share one index of aborted transactions',
      },
      {
        id: 'B2.48',
        source: 'KAFKA-16229',
        wentWrong: 'Forgetting 100,000 producers took time that grew with the square.',
      },
      { id: 'B2.49', source: 'Redpanda 7057, 18198', wentWrong: 'The table of producers grew without a bound.' },
    ],
  },
  {
    title: 'Groups and offsets',
    rows: [
      {
        id: 'B3.50',
        source: 'KAFKA-19163, 19164',
        wentWrong: 'A group that had staged offsets only was deleted; deleting an offset forgot its open transactions.',
      },
      {
        id: 'B3.51',
        source: 'Redpanda 31483',
        wentWrong: 'Retention wrote a tombstone for a staged offset; live and replayed order were not the same.',
      },
      { id: 'B3.52', source: 'KAFKA-16371', wentWrong: 'A refused commit left its offset unstable for ever.' },
      { id: 'B3.53', source: 'KAFKA-17306', wentWrong: 'Tombstones and records out of order made loading fail.' },
      {
        id: 'B3.54',
        source: 'KAFKA-16194, 16285',
        wentWrong: 'Records were handed out before the membership was known; offsets went out without a generation.',
      },
      {
        id: 'B3.55',
        source: 'Redpanda 9571',
        wentWrong:
          'A commit was applied and answered with an error; the next reader got the old offset, and did it again.',
      },
      {
        id: 'B3.56',
        source: 'KAFKA-6607',
        wentWrong: 'Committed offsets did not count markers; a reader at the end had lag for ever.',
      },
    ],
  },
  {
    title: 'Clients that produce',
    rows: [
      { id: 'B4.57', source: 'KAFKA-13574', wentWrong: 'NOT_LEADER was taken for "not written".' },
      {
        id: 'B4.58',
        source: 'KAFKA-14034',
        wentWrong: 'An error that is final gave new sequences to batches that were still being tried: stored twice.',
      },
      {
        id: 'B4.59',
        source: 'KAFKA-12152, Dekaf 3342',
        wentWrong: 'A new epoch left the old sequences to partitions that were idle.',
      },
      { id: 'B4.60', source: 'KAFKA-8483, 8484, 13794', wentWrong: 'Sequences were given anew in the wrong order.' },
      {
        id: 'B4.61',
        source: 'KAFKA-14830, 14831, 16217, 13412, 13782',
        wentWrong: 'Answers that came late broke the state of the transaction.',
      },
      {
        id: 'B4.62',
        source: 'KAFKA-14053',
        wentWrong: 'A batch was given up while it was on its way, and landed after the abort.',
      },
      { id: 'B4.63', source: 'KAFKA-9274', wentWrong: 'A commit without an answer was blindly asked for again.' },
      { id: 'B4.64', source: 'KAFKA-5340', wentWrong: 'A batch that was split lost its transaction.' },
      {
        id: 'B4.65',
        source: 'librdkafka 1.9.0',
        wentWrong:
          'A topic vanished from the metadata and came back; sequences began at 0, and records were swallowed.',
      },
      {
        id: 'B4.66',
        source: 'librdkafka #3575',
        wentWrong:
          'In the midst of a transaction the producer became another; the first part was lost, the commit succeeded.',
      },
      {
        id: 'B4.67',
        source: 'librdkafka 1.5.2, franz-go 1.21',
        wentWrong: 'A record timed out, and the transaction committed without it.',
      },
      {
        id: 'B4.68',
        source: 'librdkafka #4438, #4736, #4953, #4972',
        wentWrong: 'What may be stored was counted wrongly, or sent again with other bytes.',
      },
      {
        id: 'B4.69',
        source: 'franz-go #1217',
        wentWrong: 'A time-out was taken for "not written"; new records were swallowed.',
      },
      {
        id: 'B4.70',
        source: 'franz-go changelog',
        wentWrong:
          'Sends during a commit were stored twice; an unknown error was told as success; partitions were forgotten.',
      },
      {
        id: 'B4.71',
        source: 'kafkajs #1050, #1172, #1388, #299',
        wentWrong:
          'Concurrent sends shared sequences; empty transactions failed; CONCURRENT_TRANSACTIONS was not waited out.',
      },
    ],
  },
  {
    title: 'Clients that consume',
    rows: [
      {
        id: 'B5.72',
        source: '@platformatic/kafka 1.35.0, kafkajs 2.2.4',
        wentWrong: 'Aborted records leaked in read_committed: two transactions, overlaps, markers beyond the answer.',
      },
      {
        id: 'B5.73',
        source: 'librdkafka #3020, 1.7.0',
        wentWrong: 'Compressed aborted records leaked; an abort without data hid what was committed later.',
      },
      {
        id: 'B5.74',
        source: 'franz-go 1.21',
        wentWrong: 'An aborted list out of order leaked; a seek was undone by an answer that came late.',
      },
      {
        id: 'B5.75',
        source: 'brod #659, kafka-go #1332, KoP #1283',
        wentWrong: 'The filter ended at the first marker of a response, or there was none.',
      },
      {
        id: 'B5.76',
        source: 'KAFKA-12980, Pinot #12318',
        wentWrong: 'A fetch of aborted records alone told nothing, and whoever waited never got on.',
      },
    ],
  },
  {
    title: 'Streams and sinks',
    rows: [
      {
        id: 'B6.77',
        source: 'KAFKA-16017, 7192, 10362, 13249, 7672',
        wentWrong: 'A checkpoint did not fit the changelog: state ahead of it or behind.',
        waits: STREAMS,
      },
      {
        id: 'B6.78',
        source: 'KAFKA-14294, 6906',
        wentWrong: 'What a punctuation wrote was not committed while there was no input.',
        waits: STREAMS,
      },
      {
        id: 'B6.79',
        source: 'KAFKA-12951, 6190, 14302',
        wentWrong: 'Restoring never came to the end of a changelog that ends in markers.',
        waits: STREAMS,
      },
      {
        id: 'B6.80',
        source: 'KAFKA-16699, 9231, 15690',
        wentWrong: 'A fenced producer killed its thread; a task was lost in a rebalance.',
        waits: STREAMS,
      },
      {
        id: 'B6.81',
        source: 'KAFKA-12508, PR 12540',
        wentWrong: 'Output was lost after a crash between the write of the state and the commit.',
        waits: STREAMS,
      },
      {
        id: 'B6.82',
        source: 'KIP-939, FLINK-39218',
        wentWrong: 'The broker timed out a transaction that was prepared elsewhere; what lingered held readers up.',
        waits: SINKS,
      },
    ],
  },
  {
    title: "Kafka's own with transaction version 2",
    rows: [
      { id: 'C13.18401', source: 'KAFKA-18401', wentWrong: 'A commit with nothing sent failed.' },
      { id: 'C13.18464', source: 'KAFKA-18464', wentWrong: 'An abort of nothing fenced its own producer.' },
      {
        id: 'C13.18575',
        source: 'KAFKA-18575',
        wentWrong: 'The next transaction raced with the completion of the last one.',
      },
      {
        id: 'C13.18654',
        source: 'KAFKA-18654',
        wentWrong: 'EndTxn was answered early, and the next transaction had to wait and try again.',
      },
      {
        id: 'C13.18660',
        source: 'KAFKA-18660',
        wentWrong: 'Past the last epoch a producer was told the wrong producer id.',
      },
      { id: 'C13.20090', source: 'KAFKA-20090', wentWrong: 'An id was stuck at epoch 32,767.' },
      {
        id: 'C13.18227',
        source: 'KAFKA-18227',
        wentWrong: 'During the change to version 2 partitions were added to the last transaction.',
      },
      {
        id: 'C13.18042',
        source: 'KAFKA-18042',
        wentWrong: 'A late batch of an old epoch got as far as the coordinator and touched its transaction.',
      },
      {
        id: 'C13.18202',
        source: 'KAFKA-18202',
        wentWrong: 'Where nothing was known of a producer, a first sequence other than 0 was accepted.',
      },
      { id: 'C13.19367', source: 'KAFKA-19367', wentWrong: 'A timeout raised the epoch twice.' },
      {
        id: 'C13.19446',
        source: 'KAFKA-19446, KIP-1228',
        wentWrong: 'A late marker in the way of version 1 was accepted.',
      },
      {
        id: 'C13.19999',
        source: 'KAFKA-19999',
        wentWrong: 'After a reload of a prepared transaction the coordinator tried its markers for ever.',
      },
      {
        id: 'C13.20310',
        source: 'KAFKA-20310',
        wentWrong: 'A reload lost the producer id before the present one, and the one after it.',
      },
      { id: 'C13.19163', source: 'KAFKA-19163', wentWrong: 'A group of staged offsets alone expired.' },
      {
        id: 'C13.17507',
        source: 'KAFKA-17507',
        wentWrong: 'A marker was confirmed before its offsets had become readable.',
      },
    ],
  },
]
