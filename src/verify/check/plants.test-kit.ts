/**
 * One planted anomaly each: changes a clean history so that exactly this is wrong with it. What follows from it of necessity (of a torn
 * transaction a value is lost too) is named; anything else that the checker reports is a false alarm.
 */
import { CONTROL, NO_WRITER, NONE, type PartitionName } from '../history/tables.ts'
import type { Code } from './catalogue.ts'
import { type DraftRow, isSame } from './draft.test-kit.ts'
import type { Model, ModelPartition, ModelTransaction, ModelValue } from './model.test-kit.ts'
import type { Planting } from './planting.test-kit.ts'

export interface Plant {
  readonly code: Code
  readonly name: string
  /** What cannot but be found with it. */
  readonly follows?: readonly Code[]
  /** Done as the last thing of the run, before everything comes to rest. */
  readonly finale?: (model: Model) => void
  /** @returns false: there is no place for it in this history */
  plant(planting: Planting): boolean
}

function highestRead(planting: Planting, partition: PartitionName): number {
  const offsets = planting.draft.rows.read
    .filter((row) => isSame(row.partition, partition) && planting.isCommittedReader(row.reader))
    .map(({ offset }) => offset)
  return Math.max(NONE, ...offsets)
}

export const PLANTS: readonly Plant[] = [
  {
    code: 'A1',
    name: 'an acknowledged value is in no log',
    plant(planting) {
      const value = planting.pick(planting.plain().filter((one) => planting.isAcknowledged(one)))
      if (value === undefined) return false
      planting.draft.drop('read', ({ writer, number }) => writer === value.writer.id && number === value.number)
      planting.draft.drop('logRecord', ({ writer, number }) => writer === value.writer.id && number === value.number)
      return true
    },
  },
  {
    code: 'A1',
    name: 'a value is in the log and every reader goes past it',
    follows: ['A15'],
    plant(planting) {
      const passed = planting.plain().filter((value) => value.offset < highestRead(planting, value.partition.name))
      const value = planting.pick(passed)
      if (value !== undefined) planting.dropReads(value)
      return value !== undefined
    },
  },
  {
    code: 'A1',
    name: 'an acknowledged commit has ABORT markers',
    plant(planting) {
      const transaction = planting.pick(planting.acknowledged())
      if (transaction === undefined) return false
      for (const marker of planting.markersOf(transaction)) marker.control = CONTROL.abortMarker
      for (const value of transaction.values) planting.dropReads(value)
      return true
    },
  },
  {
    code: 'A2',
    name: 'the last value of a partition is never read',
    plant(planting) {
      const last = planting.plain().filter((value) => value.offset === highestRead(planting, value.partition.name))
      const value = planting.pick(last)
      if (value !== undefined) planting.dropReads(value)
      return value !== undefined
    },
  },
  {
    code: 'A3',
    name: 'a value is stored twice',
    plant(planting) {
      const value = planting.pick(planting.plain())
      if (value !== undefined) planting.appendRecord(value.partition, value.writer.id, value.number)
      return value !== undefined
    },
  },
  {
    code: 'A4',
    name: 'a send is acknowledged with the offset of another',
    plant(planting) {
      const acknowledged = planting.draft.rows.sendCompleted.filter(({ offset }) => offset !== NONE)
      const one = planting.pick(acknowledged)
      const place = planting.model.values.find(
        (value) => value.writer.id === one?.writer && value.number === one.number,
      )
      const others = planting.model.values.filter((value) => {
        return value.partition === place?.partition && value.offset !== NONE && value !== place
      })
      const other = planting.pick(others)
      if (one === undefined || other === undefined) return false
      one.offset = other.offset
      return true
    },
  },
  {
    code: 'A5',
    name: 'an aborted value is given to a reader',
    plant(planting) {
      const value = planting.pick(planting.inTransactions('aborted'))
      if (value === undefined) return false
      planting.readIn(undefined, value, planting.restAt + 1)
      return true
    },
  },
  {
    code: 'A6',
    name: 'a value is given to a reader before its commit is asked for',
    plant(planting) {
      const given = planting.inTransactions('committed').filter((value) => planting.readsOf(value).length > 0)
      const value = planting.pick(given)
      const read = planting.pick(
        value === undefined ? [] : planting.readsOf(value).filter(({ reader }) => planting.isCommittedReader(reader)),
      )
      if (read === undefined) return false
      read.at = planting.endingAt(value?.transaction as ModelTransaction) - 0.5
      return true
    },
  },
  {
    code: 'A6',
    name: 'a transaction reads what it has written itself',
    plant(planting) {
      const value = planting.pick(planting.inTransactions('committed'))
      if (value === undefined) return false
      const transaction = value.transaction as ModelTransaction
      planting.readIn(transaction, value, planting.endingAt(transaction) + 1)
      return true
    },
  },
  {
    code: 'A7',
    name: 'of a committed transaction one value is never read',
    follows: ['A1', 'A2', 'A15'],
    plant(planting) {
      const large = planting.transactions('committed').filter(({ values }) => values.length > 1)
      const value = planting.pick(planting.pick(large)?.values ?? [])
      if (value !== undefined) planting.dropReads(value)
      return value !== undefined
    },
  },
  {
    code: 'A8',
    name: 'one of two markers says the opposite',
    plant(planting) {
      const wide = planting.transactions('committed').filter((one) => planting.markersOf(one).length > 1)
      const transaction = planting.pick(wide)
      const marker = transaction && planting.pick(planting.markersOf(transaction))
      if (marker === undefined) return false
      marker.control = CONTROL.abortMarker
      return true
    },
  },
  {
    code: 'A9',
    name: 'a transaction has no marker in a partition',
    follows: ['A17'],
    plant(planting) {
      const markers = planting.transactions('aborted').flatMap((one) => planting.markersOf(one))
      // Whatever the producer wrote behind it would be within the open transaction.
      const last = markers.filter(({ partition, producerId, baseOffset }) => {
        const isBehind = (row: DraftRow<'logBatch'>) => row.producerId === producerId && row.baseOffset > baseOffset
        return planting.batches((row) => isSame(row.partition, partition) && isBehind(row)).length === 0
      })
      const marker = planting.pick(last)
      if (marker === undefined) return false
      planting.draft.drop('logBatch', (row) => row === marker)
      return true
    },
  },
  {
    code: 'A10',
    name: 'data of an older epoch lies behind a newer one',
    plant(planting) {
      const late = planting.batches((row) => {
        if (row.control !== CONTROL.data || row.producerEpoch === 0 || row.producerId === NONE) return false
        const same = planting.batches(
          (other) => isSame(other.partition, row.partition) && other.producerId === row.producerId,
        )
        const before = same.filter(({ baseOffset }) => baseOffset < row.baseOffset).at(-1)
        const isLast = !same.some((other) => other.baseOffset > row.baseOffset && other.control === CONTROL.data)
        return before?.producerEpoch === row.producerEpoch && isLast
      })
      const batch = planting.pick(late)
      if (batch === undefined) return false
      batch.producerEpoch -= 1
      return true
    },
  },
  {
    code: 'A10',
    name: 'a value of a transaction lies in a batch outside of transactions',
    plant(planting) {
      const batch = planting.pick(planting.batches((row) => row.control === CONTROL.data && row.isTransactional === 1))
      if (batch === undefined) return false
      batch.isTransactional = 0
      return true
    },
  },
  {
    code: 'A10',
    name: 'data of a transaction lies within the next one of its producer',
    plant(planting) {
      const { logRecord } = planting.draft.rows
      for (const value of planting.inTransactions('committed')) {
        const { writer, partition, transaction } = value
        const later = planting.model.values.filter((other) => {
          const isNext = other.transaction !== transaction && other.transaction?.state === 'committed'
          return other.writer === writer && other.partition === partition && isNext && other.offset > value.offset
        })
        const other = later.find(({ transaction: next }) => {
          return next?.values.filter((each) => each.partition === partition).length !== 1
        })
        if (other === undefined) continue
        // Everybody sees the two in each other's place: then only the transactions around them are wrong, and their order.
        const rows = [...logRecord, ...planting.draft.rows.read]
        for (const row of rows.filter((each) => each.writer === writer.id && isSame(each.partition, partition.name))) {
          if (row.number === value.number) row.number = other.number
          else if (row.number === other.number) row.number = value.number
        }
        return true
      }
      return false
    },
    follows: ['A16', 'A6', 'A18'],
  },
  {
    code: 'A11',
    name: 'a batch leaves a sequence out',
    plant(planting) {
      const later = planting.batches((row) => {
        const isBefore = (other: DraftRow<'logBatch'>) => {
          return isSame(other.partition, row.partition) && other.producerId === row.producerId
        }
        return row.control === CONTROL.data && planting.batches(isBefore).indexOf(row) > 0
      })
      const batch = planting.pick(later)
      if (batch === undefined) return false
      batch.baseSequence = (batch.baseSequence + 1) & 0x7fff_ffff
      return true
    },
  },
  {
    code: 'A12',
    name: 'a reader finds another value at an offset',
    plant(planting) {
      const plain = planting.plain()
      const value = planting.pick(plain)
      if (value === undefined) return false
      const other = planting.pick(plain.filter((one) => one.partition === value.partition && one !== value))
      const reads = planting.readsOf(value).filter(({ reader }) => planting.isCommittedReader(reader))
      if (other === undefined || reads.length < 2) return false
      const [read] = reads as [DraftRow<'read'>]
      read.writer = other.writer.id
      read.number = other.number
      return true
    },
  },
  {
    code: 'A13',
    name: 'a reader is given bytes that nobody sent',
    plant(planting) {
      const reads = planting.pick(planting.plain().map((one) => planting.readsOf(one)))
      const others = reads?.filter(({ reader }) => planting.isCommittedReader(reader)) ?? []
      if (others.length < 2) return false
      const [read] = others as [DraftRow<'read'>]
      if (planting.draw(2) === 0) read.writer = NO_WRITER
      else read.number += 100_000
      return true
    },
  },
  {
    code: 'A13',
    name: 'a value lies in a partition that it was not sent to',
    plant(planting) {
      const value = planting.pick(planting.plain().filter((one) => planting.model.queues.length > 1 && one.offset >= 0))
      const sent = planting.draft.rows.sendInvoked.find(
        (row) => row.writer === value?.writer.id && row.number === value.number,
      )
      const other = planting.pick(planting.model.queues.filter((one) => one !== value?.partition))
      if (sent === undefined || other === undefined) return false
      sent.partition = other.name
      return true
    },
    // What a send says of another partition compares with what lies there.
    follows: ['A4', 'A16'],
  },
  {
    code: 'A14',
    name: 'within one poll an offset comes twice',
    plant(planting) {
      const { read } = planting.draft.rows
      const at = planting.draw(read.length)
      const row = read[at]
      if (row !== undefined) read.splice(at, 0, { ...row })
      return row !== undefined
    },
  },
  {
    code: 'A15',
    name: 'a reader with partitions of its own leaves a value out',
    plant(planting) {
      const { read } = planting.draft.rows
      const left = read.filter((row, at) => {
        const [before, after] = [read[at - 1], read[at + 1]]
        const isInside =
          before?.poll === row.poll && before.reader === row.reader && isSame(before.partition, row.partition)
        const isFollowed =
          after?.poll === row.poll && after.reader === row.reader && isSame(after.partition, row.partition)
        // Somebody else is given it.
        return isInside && isFollowed && row.reader !== planting.drain
      })
      const row = planting.pick(left)
      if (row !== undefined) planting.draft.drop('read', (each) => each === row)
      return row !== undefined
    },
  },
  {
    code: 'A16',
    name: 'two values of a producer lie in reverse order',
    plant(planting) {
      const { logRecord, read, sendCompleted } = planting.draft.rows
      const neighbours = planting.plain().flatMap((value) => {
        const next = planting.plain().find((one) => {
          return one.partition === value.partition && one.writer === value.writer && one.offset === value.offset + 1
        })
        return next === undefined ? [] : [[value, next] as const]
      })
      const pair = planting.pick(neighbours)
      if (pair === undefined) return false
      const [one, other] = pair
      for (const row of [...logRecord, ...read]) {
        if (row.writer !== one.writer.id) continue
        if (row.number === one.number) row.number = other.number
        else if (row.number === other.number) row.number = one.number
      }
      for (const row of sendCompleted) {
        if (row.writer !== one.writer.id || row.offset === NONE) continue
        if (row.number === one.number) row.offset = other.offset
        else if (row.number === other.number) row.offset = one.offset
      }
      return true
    },
  },
  {
    code: 'A17',
    name: 'a coordinator has not decided at rest',
    plant(planting) {
      const state = planting.pick(planting.draft.rows.coordinatorState)
      if (state !== undefined) state.state = planting.draw(2) === 0 ? 'Ongoing' : 'PrepareCommit'
      return state !== undefined
    },
  },
  {
    code: 'A17',
    name: 'nobody knows of a transaction, and it is still open',
    follows: ['A9'],
    plant(planting) {
      const unknown = planting.transactions('aborted').filter((one) => {
        const [ending, ended] = [
          planting.transactionRow('transactionEnding', one),
          planting.transactionRow('transactionEnded', one),
        ]
        const isUnknown = ended === undefined || ('outcome' in ended && ended.outcome === 'unknown')
        return ending !== undefined && 'isCommit' in ending && ending.isCommit === 1 && isUnknown
      })
      const transaction = planting.pick(unknown)
      if (transaction === undefined || transaction.writer.transactions.at(-1) !== transaction) return false
      const markers = new Set(planting.markersOf(transaction))
      const isFollowed = [...markers].some((marker) => {
        const same = planting.batches(
          (row) => isSame(row.partition, marker.partition) && row.producerId === marker.producerId,
        )
        return same.at(-1) !== marker
      })
      if (isFollowed) return false
      planting.draft.drop('logBatch', (row) => markers.has(row))
      return true
    },
  },
  {
    code: 'A18',
    name: 'a watermark goes back',
    plant(planting) {
      const { watermarks } = planting.draft.rows
      const column = planting.pick(['highWatermark', 'lastStableOffset'] as const) as 'highWatermark'
      const earlier = planting.pick(watermarks.filter((row) => row[column] > 0))
      if (earlier === undefined) return false
      const at = planting.restAt
      const none = { highWatermark: NONE, lastStableOffset: NONE, logStartOffset: NONE }
      const row = { partition: earlier.partition, ...none, [column]: earlier[column] - 1, invokedAt: at, at }
      planting.draft.add('watermarks', row)
      return true
    },
  },
  {
    code: 'A18',
    name: 'the last stable offset passes a transaction that is open',
    plant(planting) {
      const transaction = planting.pick(planting.acknowledged())
      const [first] = transaction?.values ?? []
      if (transaction === undefined || first === undefined) return false
      const at = planting.endingAt(transaction) - 0.5
      const ends = { highWatermark: NONE, lastStableOffset: first.offset + 1, logStartOffset: NONE }
      planting.draft.add('watermarks', { partition: first.partition.name, ...ends, invokedAt: at, at })
      return true
    },
  },
  {
    code: 'A18',
    name: 'the last stable offset is above the high watermark',
    plant(planting) {
      const row = planting.pick(planting.draft.rows.watermarks.filter(({ highWatermark }) => highWatermark > 0))
      const at = planting.restAt
      const [highWatermark, lastStableOffset] = [
        (row?.highWatermark ?? 0) + 100_000,
        (row?.highWatermark ?? 0) + 100_001,
      ]
      if (row === undefined) return false
      const ends = { highWatermark, lastStableOffset, logStartOffset: NONE }
      planting.draft.add('watermarks', { partition: row.partition, ...ends, invokedAt: at, at })
      return true
    },
  },
  {
    code: 'A18',
    name: 'a search by time finds what is not stable yet',
    plant(planting) {
      const row = planting.pick(planting.draft.rows.timeLookup)
      if (row !== undefined) row.offset = row.lastStableOffset + planting.draw(2)
      return row !== undefined
    },
  },
  {
    code: 'A19',
    name: 'a producer commits after it was replaced',
    plant(planting) {
      const transaction = planting.pick(planting.acknowledged())
      if (transaction === undefined) return false
      const { writer } = transaction
      const ready = planting.draft.rows.writerReady.find((row) => row.writer === writer.id) as DraftRow<'writerReady'>
      const startedAt = ready.at + 0.1
      const newer = { writer: 5_000, process: 902, transactionalId: writer.transactionalId, at: startedAt }
      planting.draft.add('writerStarted', newer)
      const told = { producerId: NONE, producerEpoch: NONE, error: '', at: startedAt + 0.1 }
      planting.draft.add('writerReady', { writer: 5_000, outcome: 'ok', ...told })
      return true
    },
  },
  {
    code: 'A20',
    name: 'two members of a generation own a partition',
    plant(planting) {
      const { assignment, readerStarted } = planting.draft.rows
      const members = readerStarted.filter(({ group }) => group === 'members').map(({ reader }) => reader)
      const row = planting.pick(assignment.filter(({ reader, change }) => members.includes(reader) && change === 0))
      const other = members.find((member) => member !== row?.reader)
      if (row === undefined || other === undefined) return false
      planting.draft.add('assignment', { ...row, reader: other })
      return true
    },
  },
  {
    code: 'A20',
    name: 'a commit of an older generation is taken',
    plant(planting) {
      const { offsetCommitInvoked, offsetCommitCompleted } = planting.draft.rows
      const taken = offsetCommitInvoked.filter(({ commit, group }) => {
        return group === 'members' && offsetCommitCompleted.some((row) => row.commit === commit && row.outcome === 'ok')
      })
      const older = taken.find((row) => {
        return taken.some(
          (before) => isSame(before.partition, row.partition) && before.at < row.at - 4 && before !== row,
        )
      })
      if (older === undefined) return false
      older.generation = 0
      return true
    },
  },
  {
    code: 'A21',
    name: 'offsets are behind the outputs at rest',
    follows: ['A22'],
    plant(planting) {
      const last = planting.draft.rows.offsetFetched.filter(({ group, offset, at }) => {
        return group === 'copiers' && offset > 0 && at > planting.restAt
      })
      const row = planting.pick(last)
      if (row === undefined) return false
      row.offset = 0
      return true
    },
  },
  {
    code: 'A21',
    name: 'an input that was passed has no output',
    plant(planting) {
      const citing = planting.model.values.filter(({ cites, transaction }) => {
        return cites !== undefined && transaction?.state === 'committed'
      })
      const value = planting.pick(citing)
      if (value === undefined) return false
      planting.draft.drop('citation', ({ writer, number }) => writer === value.writer.id && number === value.number)
      return true
    },
  },
  {
    code: 'A21',
    name: 'an offset is seen that nobody committed',
    plant(planting) {
      const commits = planting.memberCommits()
      const places = commits.flatMap(({ partition }) =>
        planting.model.queues.filter(({ name }) => isSame(name, partition)),
      )
      const partition = planting.pick(places)
      if (partition === undefined) return false
      const meant = (offset: number) => planting.nextVisible(partition, offset)
      const known = commits.filter((row) => isSame(row.partition, partition.name)).map(({ offset }) => meant(offset))
      const offsets = Array.from({ length: partition.end }, (_, offset) => offset)
      const offset = planting.pick(offsets.filter((one) => ![...known, meant(0)].includes(meant(one))))
      if (offset === undefined) return false
      const at = planting.restAt
      planting.draft.add('offsetFetched', { group: 'members', partition: partition.name, offset, invokedAt: at, at })
      return true
    },
  },
  {
    code: 'A21',
    name: 'an acknowledged offset is forgotten',
    plant(planting) {
      const { offsetFetched } = planting.draft.rows
      const rest = offsetFetched.filter(
        ({ group, offset, at }) => group === 'members' && offset > 0 && at > planting.restAt,
      )
      const row = planting.pick(
        rest.filter((one) => {
          const partition = planting.model.queues.find(({ name }) => isSame(name, one.partition)) as ModelPartition
          const isFirst = planting.nextVisible(partition, one.offset) === planting.nextVisible(partition, 0)
          const same = planting.memberCommits().filter((commit) => isSame(commit.partition, one.partition))
          const isAcked = planting.draft.rows.offsetCommitCompleted.some(({ commit, outcome }) => {
            return outcome === 'ok' && same.some((each) => each.commit === commit && each.offset === one.offset)
          })
          return isAcked && !isFirst
        }),
      )
      if (row !== undefined) row.offset = NONE
      return row !== undefined
    },
  },
  {
    code: 'A22',
    name: 'an input has two outputs',
    plant(planting) {
      const citing = planting.model.values.filter(({ cites, transaction }) => {
        return cites !== undefined && transaction?.state === 'committed'
      })
      const value = planting.pick(citing)
      const other = planting.pick(citing.filter((one) => one !== value))
      if (value?.cites === undefined || other === undefined) return false
      const { partition, offset } = value.cites
      planting.draft.add('citation', {
        writer: other.writer.id,
        number: other.number,
        partition: partition.name,
        offset,
      })
      return true
    },
  },
  {
    code: 'A24',
    name: 'two transactions read from each other',
    plant(planting) {
      const one = planting.pick(planting.transactions('committed'))
      const other = planting.pick(planting.transactions('committed').filter((each) => each !== one))
      if (one === undefined || other === undefined) return false
      planting.readIn(one, other.values[0] as ModelValue, planting.endingAt(other) + 1)
      planting.readIn(other, one.values[0] as ModelValue, planting.endingAt(one) + 1)
      return true
    },
  },
  {
    code: 'A25',
    name: 'two transactions lie in different order in two partitions',
    finale(model) {
      const [one, other] = [model.openWriter('cycle-1'), model.openWriter('cycle-2')].map((writer) =>
        model.begin(writer),
      ) as [ModelTransaction, ModelTransaction]
      const [first, second] = [model.accounts[0], model.outputs[0]] as [ModelPartition, ModelPartition]
      model.sendIn(one, first, 1)
      model.sendIn(other, first, 1)
      model.sendIn(other, second, 1)
      model.sendIn(one, second, 1)
      model.commit(one)
      model.commit(other)
    },
    plant: () => true,
  },
  {
    code: 'A26',
    name: 'an amount is not what was given',
    plant(planting) {
      const committed = planting.draft.rows.effect.filter(({ writer, number }) => {
        const value = planting.model.values.find((one) => one.writer.id === writer && one.number === number)
        return value?.transaction?.state === 'committed'
      })
      const effect = planting.pick(committed)
      if (effect !== undefined) effect.amount += 1
      return effect !== undefined
    },
  },
  {
    code: 'A28',
    name: 'something is stuck',
    plant(planting) {
      planting.draft.add('stuck', { what: 'a commit', forMs: 30_000, at: planting.restAt })
      return true
    },
  },
  {
    code: 'A28',
    name: 'a run never settles',
    plant(planting) {
      planting.draft.drop('phase', ({ phase }) => phase !== 'running' && phase !== 'healed')
      return true
    },
  },
]
