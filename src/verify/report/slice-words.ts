/** Rows of a history in words: who did what, and where. */
import { ASSIGNMENT_CHANGE, CONTROL, NO_TRANSACTION, NO_WRITER, NONE, type TableName } from '../history/tables.ts'
import type { SliceRow } from '../check/verdict.ts'

/**
 * - `fault`: done to the system. `transaction`: the life of one. `operation`: what clients do. `log`: what is stored,
 *   and what brokers say.
 */
export type RowKind = 'fault' | 'transaction' | 'operation' | 'log'

export interface Words {
  readonly kind: RowKind
  readonly who: string
  readonly what: string
  /** A partition, with an offset where there is one. */
  readonly where: string
}

/** The cells of a row, of which only those of its table are asked for. */
interface Cells {
  text(column: string): string
  number(column: string): number
}

export function wordsOf({ table, row }: SliceRow): Words {
  const cells: Cells = {
    text: (column) => String(row[column] ?? ''),
    number: (column) => Number(row[column] ?? NONE),
  }
  return WORDS[table](cells)
}

const writer = (row: Cells): string =>
  row.number('writer') === NO_WRITER ? 'nobody known' : `writer ${row.text('writer')}`
const reader = (row: Cells): string => `reader ${row.text('reader')}`
const process = (row: Cells): string => `process ${row.text('process')}`
const group = (row: Cells): string => `group ${row.text('group')}`
const value = (row: Cells): string =>
  row.number('writer') === NO_WRITER ? 'a value that nobody sent' : `value ${row.text('number')} of ${writer(row)}`

const inTransaction = (row: Cells): string => {
  const number = row.number('transaction')
  return number === NO_TRANSACTION ? 'outside transactions' : `in transaction ${number}`
}

const withError = (row: Cells): string => (row.text('error') === '' ? '' : `: ${row.text('error')}`)

const offsetText = (offset: number): string => (offset === NONE ? 'none' : String(offset))

const at = (row: Cells, column = 'offset'): string => {
  const offset = row.number(column)
  return offset === NONE ? row.text('partition') : `${row.text('partition')} @ ${offset}`
}

const producer = (row: Cells): string => {
  const [id, epoch] = [row.number('producerId'), row.number('producerEpoch')]
  return id === NONE ? '' : epoch === NONE ? `producer ${id}` : `producer ${id}, epoch ${epoch}`
}

const OUTCOME_WORDS: Readonly<Record<string, string>> = {
  ok: 'ok',
  fail: 'failed for good',
  unknown: 'outcome unknown',
}
const outcome = (row: Cells): string => (OUTCOME_WORDS[row.text('outcome')] ?? '') + withError(row)

const ASSIGNMENT_WORDS: Readonly<Record<number, string>> = {
  [ASSIGNMENT_CHANGE.assigned]: 'is assigned',
  [ASSIGNMENT_CHANGE.revoked]: 'gives up',
  [ASSIGNMENT_CHANGE.lost]: 'has lost',
  [ASSIGNMENT_CHANGE.sought]: 'is moved in',
}

const CONTROL_WORDS: Readonly<Record<number, string>> = {
  [CONTROL.data]: 'data',
  [CONTROL.abortMarker]: 'ABORT marker',
  [CONTROL.commitMarker]: 'COMMIT marker',
  [CONTROL.other]: 'control record',
}

const WORDS: Readonly<Record<TableName, (row: Cells) => Words>> = {
  processStarted: (row) => words('operation', process(row), `begins as ${row.text('role')}`),
  processEnded: (row) => words('operation', process(row), `ends: ${row.text('cause')}`),
  writerStarted: (row) => {
    const id = row.text('transactionalId')
    const what = id === '' ? 'begins, idempotent only' : `begins as ${id}`
    return words('transaction', writer(row), `${what} in process ${row.text('process')}`)
  },
  writerReady: (row) => words('transaction', writer(row), `may begin: ${outcome(row)} ${producer(row)}`.trim()),
  sendInvoked: (row) => {
    return words(
      'operation',
      writer(row),
      `sends value ${row.text('number')} ${inTransaction(row)}`,
      row.text('partition'),
    )
  },
  sendCompleted: (row) => {
    const what = `is told of value ${row.text('number')}: ${outcome(row)}`
    return words('operation', writer(row), what, row.number('offset') === NONE ? '' : `@ ${row.text('offset')}`)
  },
  citation: (row) => words('operation', writer(row), `made value ${row.text('number')} from what lies there`, at(row)),
  effect: (row) => {
    const what = `value ${row.text('number')} changes account ${row.text('account')} by ${row.text('amount')}`
    return words('operation', writer(row), what)
  },
  transactionBegun: (row) => words('transaction', writer(row), `begins transaction ${row.text('transaction')}`),
  transactionEnding: (row) => {
    const end = row.number('isCommit') === 1 ? 'commit' : 'abort'
    return words('transaction', writer(row), `asks to ${end} transaction ${row.text('transaction')}`)
  },
  transactionEnded: (row) => {
    return words('transaction', writer(row), `is told of transaction ${row.text('transaction')}: ${outcome(row)}`)
  },
  readerStarted: (row) => {
    const as = row.text('group') === '' ? 'on its own' : `in group ${row.text('group')}`
    const isolation = row.number('isolation') === 1 ? 'read_committed' : 'read_uncommitted'
    return words('operation', reader(row), `begins ${as}, ${isolation}, in process ${row.text('process')}`)
  },
  readerEnded: (row) => words('operation', reader(row), 'ends'),
  poll: (row) => {
    const isUsed = row.number('writer') !== NO_WRITER && row.number('transaction') !== NO_TRANSACTION
    const use = isUsed ? `, used in transaction ${row.text('transaction')} of ${writer(row)}` : ''
    return words('operation', reader(row), `poll ${row.text('poll')}: ${outcome(row)}${use}`)
  },
  read: (row) => words('operation', reader(row), `poll ${row.text('poll')} gives ${value(row)}`, at(row)),
  assignment: (row) => {
    const generation = row.number('generation') === NONE ? '' : `, generation ${row.text('generation')}`
    const what = `${ASSIGNMENT_WORDS[row.number('change')] ?? ''} the partition${generation}`
    return words('operation', reader(row), what, at(row))
  },
  offsetCommitInvoked: (row) => {
    const isAlone = row.number('writer') === NO_WRITER || row.number('transaction') === NO_TRANSACTION
    const how = isAlone ? '' : ` in transaction ${row.text('transaction')} of ${writer(row)}`
    const what = `commits the offset for ${row.text('group')}${how}, commit ${row.text('commit')}`
    return words('operation', `${process(row)}, ${reader(row)}`, what, at(row))
  },
  offsetCommitCompleted: (row) => {
    return words('operation', process(row), `is told of commit ${row.text('commit')}: ${outcome(row)}`)
  },
  offsetFetched: (row) => words('log', group(row), `committed offset is ${offsetText(row.number('offset'))}`, at(row)),
  watermarks: (row) => {
    const said = [
      ['highWatermark', 'high watermark'],
      ['lastStableOffset', 'last stable offset'],
      ['logStartOffset', 'log start'],
    ] as const
    const told = said.flatMap(([column, name]) => {
      return row.number(column) === NONE ? [] : [`${name} ${row.text(column)}`]
    })
    return words('log', 'broker', told.join(', '), row.text('partition'))
  },
  timeLookup: (row) => {
    return words('log', 'broker', `first offset at or after ${row.text('timestampMs')} ms`, at(row))
  },
  fault: (row) => {
    const detail = row.text('detail')
    return words('fault', row.text('kind'), `${row.text('target')}${detail === '' ? '' : ` (${detail})`}`)
  },
  phase: (row) => words('operation', 'run', `is ${row.text('phase')}`),
  stuck: (row) => words('operation', 'run', `stuck for ${row.text('forMs')} ms: ${row.text('what')}`),
  transition: (row) => {
    return words('transaction', row.text('transactionalId'), `is ${row.text('state')}; ${producer(row)}`)
  },
  logScan: (row) => {
    const range = `${row.text('from')} to ${row.text('to')}`
    return words('log', 'log', `scan ${row.text('scan')} reads ${range}`, row.text('partition'))
  },
  logBatch: (row) => {
    const [from, to] = [row.text('baseOffset'), row.text('lastOffset')]
    const where = `${row.text('partition')} @ ${from === to ? from : `${from} to ${to}`}`
    const sequence = row.number('baseSequence') === NONE ? '' : `, sequence ${row.text('baseSequence')}`
    return words('log', producer(row), `${CONTROL_WORDS[row.number('control')] ?? ''}${sequence}`, where)
  },
  logRecord: (row) => words('log', 'log', `holds ${value(row)}`, at(row)),
  coordinatorState: (row) => {
    const what = `at rest ${row.text('state')}; ${producer(row)}, ${row.text('partitionCount')} partitions`
    return words('transaction', row.text('transactionalId'), what)
  },
  producerState: (row) => {
    const open = row.number('openTransactionOffset')
    const what = open === NONE ? 'at rest no open transaction' : `at rest a transaction is open from ${open} on`
    return words('log', producer(row), what, row.text('partition'))
  },
}

function words(kind: RowKind, who: string, what: string, where = ''): Words {
  return { kind, who, what, where }
}
