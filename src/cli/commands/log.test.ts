/** `semel log` on directories that the storage room made, whole and damaged in every kind of file. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, test } from 'vitest'
import type { FileSystem } from '../../base/runtime.ts'
import { MemoryFileSystem } from '../../runtime/memory-file-system.ts'
import { DATA, fillOrders, flip, openStore, overwrite, readAll } from '../log/sample-data.test-kit.ts'
import { sampleDirectory, text, topicId, truncate } from '../log/sample-data.test-kit.ts'
import { logDump, logVerify } from './log.ts'
import type { LogDumpOptions } from './log.ts'

const ORDERS = `${DATA}/orders-0`
const FIRST = `${ORDERS}/00000000000000000000`
const SECOND = `${ORDERS}/00000000000000000006`
const JOURNAL = `${DATA}/journal/00000000000000000001.journal`

interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

let fileSystem: MemoryFileSystem

async function run(
  command: (io: Parameters<typeof logDump>[2]) => Promise<number>,
  on: FileSystem = fileSystem,
  holder?: string,
): Promise<Result> {
  let [out, err] = ['', '']
  const code = await command({
    fileSystem: on,
    workingDirectory: '/',
    out: async (chunk) => {
      out += chunk
    },
    err: (chunk) => {
      err += chunk
    },
    lockHolder: async () => holder,
  })
  return { code, out, err }
}

const dump = (path: string, options: Partial<LogDumpOptions> = {}, on?: FileSystem): Promise<Result> =>
  run((io) => logDump(path, { format: 'text', maxValueBytes: '1024', ...options }, io), on)
const verify = (path: string, format: 'text' | 'json' = 'text', on?: FileSystem): Promise<Result> =>
  run((io) => logVerify(path, { format }, io), on)

/** Lines about damage, without those about files that are in order. */
async function damageOf(path: string): Promise<string> {
  const { code, out, err } = await verify(path)
  expect(err).toBe('')
  expect(code).toBe(1)
  return out
    .split('\n')
    .filter((line) => line.startsWith('DAMAGED') || line.includes(' position '))
    .join('\n')
}

beforeEach(async () => {
  fileSystem = await sampleDirectory()
})

describe('semel log dump', () => {
  test('a partition is printed batch by batch, with its records and markers', async () => {
    const { code, out, err } = await dump(ORDERS, { records: true })
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toBe(`\
# orders-0  data/orders-0/00000000000000000000.log
baseOffset=0 lastOffset=1 count=2 compression=gzip CreateTime=2026-01-01T00:00:01.000Z..2026-01-01T00:00:02.000Z leaderEpoch=3 sizeBytes=115 position=0 crc=ok
  offset=0 timestamp=2026-01-01T00:00:01.000Z key="A" value="first" headers={trace="x y"}
  offset=1 timestamp=2026-01-01T00:00:02.000Z key=null value=0x0001ff
baseOffset=2 lastOffset=3 count=2 producerId=1000 producerEpoch=0 baseSequence=0 lastSequence=1 isTransactional=true compression=none CreateTime=2026-01-01T00:00:03.000Z..2026-01-01T00:00:04.000Z leaderEpoch=3 sizeBytes=82 position=115 crc=ok
  offset=2 timestamp=2026-01-01T00:00:03.000Z key="B" value="paid"
  offset=3 timestamp=2026-01-01T00:00:04.000Z key="B" value=null
baseOffset=4 lastOffset=4 count=1 markerType=COMMIT coordinatorEpoch=7 producerId=1000 producerEpoch=0 isTransactional=true isControl=true compression=none CreateTime=2026-01-01T00:00:05.000Z leaderEpoch=3 sizeBytes=78 position=197 crc=ok
baseOffset=5 lastOffset=5 count=1 producerId=1000 producerEpoch=0 baseSequence=2 lastSequence=2 isTransactional=true compression=none CreateTime=2026-01-01T00:00:06.000Z leaderEpoch=3 sizeBytes=74 position=275 crc=ok
  offset=5 timestamp=2026-01-01T00:00:06.000Z key="C" value="never"
# orders-0  data/orders-0/00000000000000000006.log
baseOffset=6 lastOffset=6 count=1 markerType=ABORT coordinatorEpoch=7 producerId=1000 producerEpoch=0 isTransactional=true isControl=true compression=none CreateTime=2026-01-01T00:00:07.000Z leaderEpoch=3 sizeBytes=78 position=0 crc=ok
baseOffset=7 lastOffset=7 count=1 producerId=1000 producerEpoch=0 baseSequence=3 lastSequence=3 isTransactional=true compression=none CreateTime=2026-01-01T00:00:08.000Z leaderEpoch=3 sizeBytes=74 position=78 crc=ok
  offset=7 timestamp=2026-01-01T00:00:08.000Z key="D" value="later"
`)
  })

  test('records of internal topics are decoded', async () => {
    const { out } = await dump(DATA, { records: true })
    const records = out.split('\n').filter((line) => / (?:transaction|offset-commit|group) /.test(line))
    expect(records).toEqual([
      '  offset=0 timestamp=2026-01-01T00:00:11.000Z offset-commit group=readers topic=orders partition=0 offset=5 leaderEpoch=3 metadata="as of noon" commitTimestamp=2026-01-01T00:00:00.000Z topicId=AQEBAQEBAQEBAQEBAQEBAQ',
      '  offset=1 timestamp=2026-01-01T00:00:12.000Z group group=readers protocolType=consumer generation=2 protocol=range leader=m1 currentStateTimestamp=2026-01-01T00:00:00.000Z members=[{memberId=m1 clientId=c clientHost=/127.0.0.1 rebalanceTimeout=1 sessionTimeout=2 subscription={topics=[orders] ownedPartitions=[]} assignment={partitions=[orders-0]}}, {memberId=m2 clientId=c clientHost=/127.0.0.1 rebalanceTimeout=1 sessionTimeout=2 subscription={base64="CQ=="} assignment={}}]',
      '  offset=0 timestamp=2026-01-01T00:00:09.000Z transaction transactionalId=transfers-1 state=Ongoing producerId=1000 producerEpoch=0 partitions=[orders-0] timeoutMs=60000 startTimestamp=2026-01-01T00:00:00.000Z lastUpdateTimestamp=2026-01-01T00:00:00.000Z clientTransactionVersion=2',
      '  offset=1 timestamp=2026-01-01T00:00:10.000Z transaction transactionalId=old deleted',
    ])
  })

  test('--format json gives one object a line, with the same fields in each of a type', async () => {
    const { out } = await dump(`${FIRST}.log`, { records: true, format: 'json' })
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.map(({ type }) => type)).toEqual(
      'batch record record batch record record batch batch record'.split(' '),
    )
    const fields = new Set(lines.filter(({ type }) => type === 'batch').map((line) => Object.keys(line).join()))
    expect([...fields]).toEqual([
      'type,topic,partition,baseOffset,lastOffset,count,producerId,producerEpoch,baseSequence,lastSequence,isTransactional,' +
        'isControl,markerType,coordinatorEpoch,compression,timestampType,baseTimestamp,maxTimestamp,leaderEpoch,sizeBytes,' +
        'file,position,lsn,crcOk',
    ])
    expect(lines[6]).toMatchObject({ markerType: 'COMMIT', coordinatorEpoch: 7, isControl: true, position: 197 })
    expect(lines[2]).toEqual({
      type: 'record',
      topic: 'orders',
      partition: 0,
      offset: 1,
      timestamp: Date.parse('2026-01-01T00:00:02Z'),
      key: null,
      value: { base64: 'AAH/' },
      headers: [],
    })
  })

  test('what only the journal has is printed after the segments', async () => {
    const killed = new MemoryFileSystem()
    const sample = await openStore(killed)
    fillOrders(sample)
    await sample.durable()
    const { code, out } = await dump(DATA, {}, killed)
    expect(code).toBe(0)
    expect(out).toMatch(/^# orders-0 {2}data\/journal {2}\(not in a segment yet\)\nbaseOffset=0 .* lsn=2 crc=ok\n/)
    expect(out.match(/^baseOffset/gm)).toHaveLength(6)
    await sample.store.close()
  })

  test('a journal is printed frame by frame with the logs that its entries are for', async () => {
    const { out } = await dump(JOURNAL, { limit: '2', records: true })
    expect(out).toBe(`\
frame lsn=1 position=32 bodyBytes=28 flushedLsn=0 previousCrc=0 crc=4293377344 entries=1
  log-created lsn=1 topic=orders partition=0 logId=1 topicId=AQEBAQEBAQEBAQEBAQEBAQ segmentBytes=400
frame lsn=2 position=92 bodyBytes=118 flushedLsn=0 previousCrc=4293377344 crc=2272974565 entries=1
  append orders-0 baseOffset=0 lastOffset=1 count=2 compression=gzip CreateTime=2026-01-01T00:00:01.000Z..2026-01-01T00:00:02.000Z leaderEpoch=3 sizeBytes=115 lsn=2 crc=ok
    offset=0 timestamp=2026-01-01T00:00:01.000Z key="A" value="first" headers={trace="x y"}
    offset=1 timestamp=2026-01-01T00:00:02.000Z key=null value=0x0001ff
`)
    const ofPartition = await dump(`${DATA}/journal`, { partition: '__transaction_state-0' })
    expect(ofPartition.out.match(/^frame lsn=\d+/gm)).toEqual(['frame lsn=8', 'frame lsn=9', 'frame lsn=10'])
  })

  test.each([
    [`${FIRST}.index`, 'index-entry offset=3 position=115\nindex-entry offset=5 position=275\n'],
    [
      `${FIRST}.timeindex`,
      'time-index-entry timestamp=2026-01-01T00:00:04.000Z offset=3\ntime-index-entry timestamp=2026-01-01T00:00:06.000Z offset=5\n',
    ],
    [`${SECOND}.txnindex`, 'aborted-transaction producerId=1000 firstOffset=5 lastOffset=6 lastStableOffset=7\n'],
    [
      `${ORDERS}/00000000000000000008.snapshot`,
      'producer producerId=1000 producerEpoch=0 coordinatorEpoch=7 lastTimestamp=2026-01-01T00:00:08.000Z currentTransactionFirstOffset=7 ' +
        'batches=[{baseOffset=7 lastOffset=7 lastSequence=3 timestamp=2026-01-01T00:00:08.000Z}]\n',
    ],
    [`${ORDERS}/leader-epoch-checkpoint`, 'leader-epoch leaderEpoch=3 startOffset=0\n'],
    [`${ORDERS}/partition.metadata`, 'partition-metadata topicId=AQEBAQEBAQEBAQEBAQEBAQ\n'],
    [`${DATA}/checkpoint-a`, 'checkpoint generation=1 lsn=0 cleanShutdown=true nextLogId=1 droppedLogIds=[] logs=0\n'],
  ])('%s is printed entry by entry', async (path, expected) => {
    expect(await dump(path)).toEqual({ code: 0, out: expected, err: '' })
  })

  test('--from, --to, --limit and --max-value-bytes leave out and cut', async () => {
    const some = await dump(ORDERS, { records: true, from: '3', to: '5', maxValueBytes: '2' })
    expect(some.out.match(/^ +offset=.*|^baseOffset=\d+/gm)).toEqual([
      'baseOffset=2',
      '  offset=3 timestamp=2026-01-01T00:00:04.000Z key="B" value=null',
      'baseOffset=4',
      'baseOffset=5',
      '  offset=5 timestamp=2026-01-01T00:00:06.000Z key="C" value="ne"…(5 bytes)',
    ])
    expect((await dump(DATA, { partition: 'orders-0', limit: '1' })).out.match(/^baseOffset=\d+/gm)).toEqual([
      'baseOffset=0',
    ])
  })

  test('a large segment is read in pieces of a mebibyte', async () => {
    const large = new MemoryFileSystem()
    const sample = await openStore(large, { journalFileBytes: 1 << 20 })
    const log = sample.log('orders', 1, 1 << 30)
    const value = new Uint8Array(100_000)
    for (let count = 0; count < 80; count++) sample.append(log, {}, { key: null, value, timestamp: sample.now() })
    await sample.durable()
    await sample.store.close()
    let largestRead = 0
    const watched: FileSystem = Object.assign(Object.create(large) as FileSystem, {
      list: (path: string) => large.list(path),
      stat: (path: string) => large.stat(path),
      async open(path: string) {
        const file = await large.open(path, 'read')
        return {
          path,
          sizeBytes: () => file.sizeBytes(),
          read(target: Uint8Array, position: number) {
            if (path.endsWith('.log')) largestRead = Math.max(largestRead, target.length)
            return file.read(target, position)
          },
          close: () => file.close(),
        }
      },
    })
    const { out } = await dump(ORDERS, {}, watched)
    expect(out.match(/^baseOffset/gm)).toHaveLength(80)
    expect((await verify(`${FIRST}.log`, 'text', watched)).code).toBe(0)
    expect(largestRead).toBe(1 << 20)
  })

  test('ends at a damaged batch, having printed those before it, and says where it is', async () => {
    await flip(fileSystem, `${FIRST}.log`, 190)
    const { code, out, err } = await dump(ORDERS)
    expect(code).toBe(1)
    expect(out.match(/^baseOffset=\d+/gm)).toEqual(['baseOffset=0'])
    expect(err).toMatch(/^semel: Damaged segment: a batch with a wrong checksum \(\S+0000\.log, position 115\)\. .*\n$/)
  })
})

describe('semel log verify', () => {
  test('says of each file what is in it, and how the transactions stand', async () => {
    const { code, out, err } = await verify(DATA)
    expect(err).toBe('')
    expect(code).toBe(0)
    const about = out.split('\n').filter((line) => !line.includes('__'))
    expect(about.join('\n')).toBe(`\
ok       checkpoint  data/checkpoint-a  generation=1 lsn=0 cleanShutdown=yes logs=0 segments=0
ok       checkpoint  data/checkpoint-b  generation=2 lsn=13 cleanShutdown=yes logs=3 segments=4
ok       journal  data/journal/00000000000000000001.journal  sizeBytes=65536 durability=fsync frames=14 entries=13 firstLsn=1 lastLsn=14 flushedLsn=13
ok       segment  data/orders-0/00000000000000000000.log  sizeBytes=349 batches=4 records=6 endOffset=6
ok       offset-index  data/orders-0/00000000000000000000.index  sizeBytes=16 entries=2
ok       time-index  data/orders-0/00000000000000000000.timeindex  sizeBytes=24 entries=2
ok       segment  data/orders-0/00000000000000000006.log  sizeBytes=152 batches=2 records=2 endOffset=8
ok       offset-index  data/orders-0/00000000000000000006.index  sizeBytes=0 entries=0
ok       time-index  data/orders-0/00000000000000000006.timeindex  sizeBytes=0 entries=0
ok       transaction-index  data/orders-0/00000000000000000006.txnindex  sizeBytes=34 entries=1
ok       producer-snapshot  data/orders-0/00000000000000000008.snapshot  producers=1
ok       leader-epochs  data/orders-0/leader-epoch-checkpoint  epochs=1
ok       partition-metadata  data/orders-0/partition.metadata  topicId=AQEBAQEBAQEBAQEBAQEBAQ
ok       partition  data/orders-0  batches=6 records=8 producers=1 committedTransactions=1 abortedTransactions=1 openTransactions=1 lastStableOffset=7 topicId=AQEBAQEBAQEBAQEBAQEBAQ logEndOffset=8
         note: 1 open transaction (read_committed consumers wait there until it ends or times out): producer 1000 epoch 0 since offset 7
ok       data-directory  data  generation=2 checkpointLsn=13 cleanShutdown=yes framesToReplay=0 partitions=3 emptyPartitions=0
27 checked, none damaged, 1 note
`)
  })

  test('--format json gives the same as objects, and a summary', async () => {
    await truncate(fileSystem, `${FIRST}.log`, 300)
    const { code, out } = await verify(`${FIRST}.log`, 'json')
    expect(code).toBe(1)
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(lines).toEqual([
      {
        type: 'check',
        status: 'damaged',
        kind: 'segment',
        path: `${FIRST}.log`,
        details: { sizeBytes: 300, batches: 0, records: 0, endOffset: 0 },
        damage: [
          {
            position: 300,
            problem: 'the file ends here, 349 bytes had been flushed',
            meaning: 'Acknowledged data is damaged: restore this data directory from a copy.',
          },
        ],
        notes: [],
      },
      { type: 'summary', checked: 1, damaged: 1, notes: 0 },
    ])
  })

  const garbage = new Uint8Array(60).fill(0xa5)
  const kinds = [
    `${FIRST}.log`,
    `${FIRST}.index`,
    `${FIRST}.timeindex`,
    `${SECOND}.txnindex`,
    `${ORDERS}/00000000000000000008.snapshot`,
    `${ORDERS}/leader-epoch-checkpoint`,
    `${ORDERS}/partition.metadata`,
    JOURNAL,
    `${DATA}/checkpoint-b`,
  ]
  test.each(kinds)(
    '%s: truncated, overwritten or of garbage alone is damage with a place and a meaning',
    async (path) => {
      const whole = await readAll(fileSystem, path)
      const content = path === JOURNAL ? 1500 : whole.length
      for (const [name, damage] of [
        ['truncated', () => truncate(fileSystem, path, content - 3)],
        ['overwritten', () => overwrite(fileSystem, path, garbage.subarray(0, Math.min(60, content)))],
        ['garbage', () => truncate(fileSystem, path, 0).then(() => overwrite(fileSystem, path, garbage))],
      ] as const) {
        await damage()
        const { code, out, err } = await verify(path)
        expect(err, name).toBe('')
        expect(code, `${name}: ${out}`).toBe(1)
        const [first, second] = out.split('\n')
        expect(first, name).toMatch(/^DAMAGED {2}/)
        expect(second, name).toContain(`${path.slice(1)} position `)
        expect(second, name).toMatch(/position \d+: .+\. .+\.$/)
        expect(out, name).not.toMatch(/^\s+at /m)
        // What can be read of it is printed; the rest is an error in one line, never a stack.
        const dumped = await dump(path)
        expect(dumped.err, name).not.toMatch(/^\s+at /m)
        expect(dumped.err.split('\n').length, name).toBeLessThanOrEqual(2)
        await truncate(fileSystem, path, 0)
        await overwrite(fileSystem, path, whole)
        expect((await verify(path)).code, name).toBe(0)
      }
    },
  )

  test('behind a damaged segment no damage is made up', async () => {
    await flip(fileSystem, `${FIRST}.log`, 340)
    const { out } = await verify(ORDERS)
    expect(out.match(/^DAMAGED {2}.*/gm)).toEqual([expect.stringContaining('orders-0/00000000000000000000.log')])
    expect(out).toContain('note: not all of it can be read, so nothing is said about its transactions')
  })

  test('an index entry that points to no batch is damage of the index alone', async () => {
    await overwrite(fileSystem, `${FIRST}.index`, Uint8Array.of(0, 0, 0, 3, 0, 0, 0, 116))
    expect(await damageOf(DATA)).toBe(
      `DAMAGED  offset-index  data/orders-0/00000000000000000000.index  sizeBytes=16 entries=2\n` +
        `         ${FIRST.slice(1)}.index position 0: entry 0 points to position 116, where no batch begins. ` +
        'Nothing is lost: remove the file while the broker is stopped, and the next start builds it anew from the segment.',
    )
  })

  test('a removed index is built anew by the next start, as the message says', async () => {
    await fileSystem.remove(`${FIRST}.index`)
    expect(await damageOf(DATA)).toContain('position 0: the file is missing, 16 bytes had been flushed')
    const sample = await openStore(fileSystem)
    await sample.store.close()
    expect((await verify(DATA)).code).toBe(0)
  })

  test('a time index entry that no batch bears out is damage', async () => {
    await overwrite(fileSystem, `${FIRST}.timeindex`, Uint8Array.of(0, 0, 0, 4), 8)
    expect(await damageOf(ORDERS)).toMatch(
      /position 0: entry 0 says timestamp \d+ at offset 4, the largest up to there/,
    )
  })

  test('the index of aborted transactions is compared with the markers in the log', async () => {
    const firstOffsetAt = 10
    await overwrite(fileSystem, `${SECOND}.txnindex`, Uint8Array.of(4), firstOffsetAt + 7)
    expect(await damageOf(ORDERS)).toMatch(/position 0: entry 0 has firstOffset 4, the log says 5\. read_committed/)
    await overwrite(fileSystem, `${SECOND}.txnindex`, Uint8Array.of(5), firstOffsetAt + 7)
    await overwrite(fileSystem, `${SECOND}.txnindex`, Uint8Array.of(7), firstOffsetAt + 15)
    expect(await damageOf(ORDERS)).toMatch(
      /position 0: no entry for the transaction of producer 1000 aborted at offset 6/,
    )
  })

  test('bytes behind the checkpoint are no damage, whatever they are', async () => {
    await overwrite(fileSystem, `${SECOND}.log`, garbage, 152)
    const { code, out } = await verify(DATA)
    expect(code).toBe(0)
    expect(out).toMatch(/0006\.log {2}sizeBytes=212 bytesAfterCheckpoint=60 batches=2/)
  })

  test('a segment apart from its data directory is checked as it is', async () => {
    await fileSystem.makeDirectory('/copy')
    for (const suffix of ['log', 'index', 'timeindex']) {
      const bytes = await readAll(fileSystem, `${FIRST}.${suffix}`)
      await overwrite(fileSystem, `/copy/00000000000000000000.${suffix}`, bytes)
    }
    expect((await verify('/copy')).code).toBe(0)
    await truncate(fileSystem, '/copy/00000000000000000000.log', 340)
    expect(await damageOf('/copy')).toContain('position 275: Damaged segment: a batch of 74 bytes')
    expect((await dump('/copy')).out).toMatch(/^# copy\/0+\.log\nbaseOffset=0/)
  })

  test('another topic id than the checkpoint has is damage', async () => {
    await overwrite(fileSystem, `${ORDERS}/partition.metadata`, text(`version: 0\ntopic_id: ${topicId(9)}`))
    expect(await damageOf(DATA)).toContain(`topic id ${topicId(9)}, the checkpoint says ${topicId(1)}`)
  })

  test('a torn journal tail is normal, and said so', async () => {
    await overwrite(fileSystem, JOURNAL, garbage, 1800)
    const { code, out } = await verify(DATA)
    expect(code).toBe(0)
    expect(out).toMatch(/note: \d+ bytes at position 1723, behind the last whole frame: a torn tail, which is normal/)
  })

  test('a damaged frame that a later one says was flushed is damage, with its position', async () => {
    await flip(fileSystem, JOURNAL, 1430)
    expect(await damageOf(`${DATA}/journal`)).toMatch(
      /0001\.journal position 1412: frame 13 of the journal is damaged or missing here, and frame 14 .* had been flushed\. /,
    )
  })

  test('journal files from before the checkpoint that were not removed need not be whole', async () => {
    const crashed = new MemoryFileSystem()
    const sample = await openStore(crashed, { journalFileBytes: 300 })
    fillOrders(sample)
    await sample.durable()
    const first = await readAll(crashed, JOURNAL)
    await sample.store.close()
    expect(await crashed.list(`${DATA}/journal`)).not.toContain('00000000000000000001.journal')
    await overwrite(crashed, JOURNAL, first)
    const leftOver = await verify(DATA, 'text', crashed)
    expect(leftOver.out).toContain('note: the file after it is not there: left over from before the checkpoint')
    expect(leftOver.code).toBe(0)
    await flip(crashed, JOURNAL, 120)
    const rotten = await verify(DATA, 'text', crashed)
    expect(rotten.out).toMatch(/position 92: frame 2 .* A start does not need this frame, the checkpoint is at LSN \d+/)
    expect(rotten.code).toBe(1)
    const restarted = await openStore(crashed)
    await restarted.store.close()
  })

  test('a torn checkpoint beside a whole one is what an interrupted checkpoint leaves', async () => {
    await flip(fileSystem, `${DATA}/checkpoint-a`, 20)
    const { code, out } = await verify(DATA)
    expect(code).toBe(0)
    expect(out).toContain('note: wrong checksum: an interrupted checkpoint leaves that, the other one counts')
  })

  test('without any checkpoint the directory is damaged, and its partitions are still looked at', async () => {
    await flip(fileSystem, `${DATA}/checkpoint-a`, 20)
    await flip(fileSystem, `${DATA}/checkpoint-b`, 20)
    const { code, out } = await verify(DATA)
    expect(code).toBe(1)
    expect(out).toContain('no checkpoint can be read. A start refuses the directory')
    expect(out).toContain('ok       segment  data/orders-0/00000000000000000006.log')
    expect((await dump(DATA)).err).toContain('partition directories can still be dumped one by one')
  })

  test('files that a crash left of a log that the checkpoint does not know are mentioned', async () => {
    await fileSystem.makeDirectory(`${DATA}/ghost-0`)
    await overwrite(fileSystem, `${DATA}/ghost-0/partition.metadata`, text(`version: 0\ntopic_id: ${topicId(8)}`))
    const { code, out } = await verify(DATA)
    expect(code).toBe(0)
    expect(out).toContain('note: ghost-0: no log of that name is known, a start removes it')
  })

  test('nothing on disk changes', async () => {
    const before = await contents()
    await verify(DATA)
    await dump(DATA, { records: true })
    expect(await contents()).toEqual(before)
  })
})

describe('semel log', () => {
  test.each([
    ['dump', [], /missing required argument 'path'/],
    ['verify', ['.', '--format', 'xml'], /Allowed choices are text, json/],
    ['verify', ['.'], /expected a data directory/],
    ['dump', ['package.json'], /no file of a log by its name/],
  ])('%s %j as a process is wrong usage', async (command, args, message) => {
    const main = fileURLToPath(new URL('../main.ts', import.meta.url))
    const failure: unknown = await promisify(execFile)(process.execPath, [main, 'log', command, ...args]).catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(message) as unknown })
  })

  test.each([
    [
      'an unknown file',
      () => overwrite(fileSystem, '/notes.txt', text('hello')),
      '/notes.txt',
      /no file of a log by its name/,
    ],
    ['a foreign directory', () => fileSystem.makeDirectory('/etc'), '/etc', /holds nothing that a broker writes/],
  ])('%s is wrong usage', async (_name, make, path, message) => {
    await make()
    for (const { code, out, err } of [await verify(path), await dump(path)]) {
      expect(code).toBe(2)
      expect(out).toBe('')
      expect(err).toMatch(message)
    }
  })

  test('a number or partition that is none is wrong usage', async () => {
    expect(await dump(DATA, { from: '-1' })).toMatchObject({
      code: 2,
      err: 'semel: --from -1: expected a number, 0 or more\n',
    })
    expect(await dump(DATA, { partition: 'orders' })).toMatchObject({ code: 2 })
  })

  test('a path that is not there fails', async () => {
    expect(await verify('/nowhere')).toEqual({ code: 1, out: '', err: 'semel: /nowhere does not exist\n' })
  })

  test('a file that cannot be opened fails with the reason', async () => {
    const denied: FileSystem = Object.assign(Object.create(fileSystem) as FileSystem, {
      list: (path: string) => fileSystem.list(path),
      stat: (path: string) => fileSystem.stat(path),
      open: (path: string) =>
        Promise.reject(Object.assign(new Error(`EACCES: permission denied, open '${path}'`), { code: 'EACCES' })),
    })
    expect(await verify(JOURNAL, 'text', denied)).toMatchObject({
      code: 1,
      err: expect.stringContaining('EACCES') as unknown,
    })
  })

  test('says on standard error that a broker is writing there', async () => {
    await overwrite(fileSystem, `${DATA}/.lock`, text('{}'))
    const { code, out, err } = await run(
      (io) => logVerify(`${FIRST}.log`, { format: 'text' }, io),
      fileSystem,
      'process 7 on host',
    )
    expect(code).toBe(0)
    expect(out).toContain('1 checked')
    expect(err).toMatch(/^semel: a broker \(process 7 on host\) is writing to this directory/)
  })
})

async function contents(directory = DATA): Promise<string[]> {
  const found: string[] = []
  for (const name of await fileSystem.list(directory)) {
    const path = `${directory}/${name}`
    if ((await fileSystem.stat(path))?.isDirectory === true) found.push(...(await contents(path)))
    else found.push(`${path} ${(await readAll(fileSystem, path)).toString('base64')}`)
  }
  return found
}
