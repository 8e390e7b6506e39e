/**
 * A checker that follows along, for runs without an end: a sink that judges rows as they come and forgets what it no longer needs.
 *
 * For each partition and writer it keeps the number that was read last and those sent behind it; for each transaction that is not over, what
 * became of it. That is enough for lost writes (A1), duplicates (A3), aborted and uncommitted reads (A5, A6), torn transactions (A7)
 * and readers that go back (A14), in memory that depends on partitions, writers and what is under way, not on how long the run has
 * been. Whatever else there is finds the checker in a whole history; for that, the rows around each fault and finding are kept
 * in full.
 *
 * Rows of several processes come mixed and a little late: what readers did is judged once everything else of that time has come
 * (`lateMs`), and a value that was passed is lost only when nobody was given it within `graceMs`.
 */
import {
  NO_TRANSACTION,
  NO_WRITER,
  type HistorySink,
  READ_COMMITTED,
  type Row,
  type TableName,
} from '../history/tables.ts'
import type { Code } from './catalogue.ts'

export interface FollowOptions {
  /** How much later than others a row may come. */
  readonly lateMs: number
  /** How long a value that was passed may stay unread: more than a rebalance takes. */
  readonly graceMs: number
  readonly onFinding?: (finding: FollowFinding) => void
}

export interface FollowFinding {
  readonly code: Code
  readonly what: string
  readonly at: number
}

/** Rows in full, around a fault or a finding. */
export interface FollowWindow {
  readonly because: string
  readonly at: number
  readonly rows: readonly KeptRow[]
}

export interface KeptRow {
  readonly table: TableName
  readonly row: Row<TableName>
}

const WINDOW_ROWS_BEFORE = 2_000
const WINDOW_ROWS_AFTER = 2_000
const WINDOWS_MAX = 50
const FINDINGS_MAX = 1_000
/** Sent and neither read nor over: beyond this nobody reads that partition, and it is not followed any more. */
const UNREAD_MAX = 100_000

type Fate = 'open' | 'asked' | 'committed' | 'aborted'

interface FollowedTransaction {
  readonly writer: number
  readonly number: number
  fate: Fate
  /** Values that are still in a queue or suspected, on which the fate has a bearing. */
  waiting: number
  read: number
  isTorn: boolean
}

interface Unread {
  readonly number: number
  readonly transaction: FollowedTransaction | undefined
  /** Of one outside transactions: what its answer said. */
  outcome: 'ok' | 'fail' | 'unknown' | undefined
}

/** One writer in one partition. */
interface Lane {
  readonly key: string
  readonly writer: number
  readonly partition: string
  /** Sent and not read yet, in the order of their numbers. */
  readonly unread: Unread[]
  readNumber: number
  readOffset: number
}

interface Delayed {
  readonly at: number
  readonly act: () => void
}

interface Suspect {
  readonly lane: Lane
  readonly unread: Unread
  readonly until: number
}

export class FollowingChecker implements HistorySink {
  readonly findings: FollowFinding[] = []
  readonly windows: FollowWindow[] = []
  readonly counts: Record<'sent' | 'read' | 'lanes' | 'abandoned', number> = {
    sent: 0,
    read: 0,
    lanes: 0,
    abandoned: 0,
  }
  readonly #options: FollowOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #lanesOfWriter = new Map<number, Lane[]>()
  readonly #transactions = new Map<string, FollowedTransaction>()
  readonly #answers = new Map<string, Unread>()
  readonly #readers = new Map<number, { isCommitted: boolean; isSubscribed: boolean; positions: Map<string, number> }>()
  readonly #writersOfProcess = new Map<number, number[]>()
  /** Of those whose process is over: from when on they may be forgotten. */
  readonly #endedWriters = new Map<number, number>()
  #suspects: Suspect[] = []
  #delayed: Delayed[] = []
  /** How many of the delayed are done already. */
  #done = 0
  #ring: KeptRow[] = []
  #open: { because: string; at: number; rows: KeptRow[]; left: number } | undefined
  #now = 0

  constructor(options: FollowOptions) {
    this.#options = options
  }

  record<T extends TableName>(table: T, row: Row<T>): void {
    this.#keep(table, row)
    if ('at' in row) this.#time(row.at as number)
    const take: ((row: Row<T>) => void) | undefined = this.#takers[table]
    take?.(row)
  }

  flush(): void {
    // Nothing is held back.
  }

  /** Judges what is still waiting, as nothing more comes. */
  finish(): void {
    this.#doLater(Infinity)
    this.#settleSuspects(Infinity)
  }

  /** What it has to remember at the moment, for those who watch that it does not grow. */
  get remembered(): number {
    let unread = 0
    for (const lane of this.#lanes.values()) unread += lane.unread.length
    const { length: delayed } = this.#delayed
    return unread + delayed + this.#transactions.size + this.#suspects.length + this.#answers.size + this.#lanes.size
  }

  readonly #takers: { readonly [T in TableName]?: (row: Row<T>) => void } = {
    writerStarted: ({ writer, process }) => {
      this.#writersOfProcess.set(process, [...(this.#writersOfProcess.get(process) ?? []), writer])
    },
    processEnded: ({ process }) => this.#processEnded(process),
    sendInvoked: (row) => this.#sent(row),
    sendCompleted: ({ writer, number, outcome }) => {
      const key = `${writer} ${number}`
      const unread = this.#answers.get(key)
      if (unread !== undefined) unread.outcome = outcome
      this.#answers.delete(key)
    },
    transactionEnding: ({ writer, transaction, isCommit }) => {
      const found = this.#transactions.get(`${writer} ${transaction}`)
      if (found !== undefined && found.fate === 'open') found.fate = isCommit === 1 ? 'asked' : 'aborted'
      if (isCommit === 0) this.#forget(found)
    },
    transactionEnded: ({ writer, transaction, outcome }) => {
      const found = this.#transactions.get(`${writer} ${transaction}`)
      if (found === undefined || found.fate !== 'asked') return
      if (outcome === 'ok') found.fate = 'committed'
      if (outcome === 'fail') found.fate = 'aborted'
      this.#forget(found)
    },
    readerStarted: ({ reader, isolation, isSubscribed }) => {
      const positions = new Map<string, number>()
      this.#readers.set(reader, {
        isCommitted: isolation === READ_COMMITTED,
        isSubscribed: isSubscribed === 1,
        positions,
      })
    },
    readerEnded: ({ reader, at }) => this.#later(at, () => void this.#readers.delete(reader)),
    assignment: ({ reader, partition, at }) => {
      this.#later(at, () => void this.#readers.get(reader)?.positions.delete(placeOf(partition)))
    },
    read: (row) => this.#later(row.at, () => this.#read(row)),
    fault: ({ kind, target, at }) => this.#openWindow(`fault ${kind} ${target}`, at),
  }

  #sent({ writer, number, transaction, partition }: Row<'sendInvoked'>): void {
    this.counts.sent += 1
    const lane = this.#laneOf(writer, placeOf(partition))
    const unread: Unread = { number, transaction: this.#transactionOf(writer, transaction), outcome: undefined }
    if (unread.transaction === undefined) this.#answers.set(`${writer} ${number}`, unread)
    else unread.transaction.waiting += 1
    lane.unread.push(unread)
    if (lane.unread.length > UNREAD_MAX) this.#abandon(lane)
  }

  #laneOf(writer: number, partition: string): Lane {
    const key = `${writer} ${partition}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { key, writer, partition, unread: [], readNumber: -1, readOffset: -1 }
      this.#lanes.set(key, lane)
      this.#lanesOfWriter.set(writer, [...(this.#lanesOfWriter.get(writer) ?? []), lane])
      this.counts.lanes = this.#lanes.size
    }
    return lane
  }

  #transactionOf(writer: number, number: number): FollowedTransaction | undefined {
    if (number === NO_TRANSACTION) return undefined
    const key = `${writer} ${number}`
    let transaction = this.#transactions.get(key)
    if (transaction === undefined) {
      transaction = { writer, number, fate: 'open', waiting: 0, read: 0, isTorn: false }
      this.#transactions.set(key, transaction)
    }
    return transaction
  }

  #read({ reader, partition, offset, writer, number, at }: Row<'read'>): void {
    this.counts.read += 1
    const place = placeOf(partition)
    const from = this.#readers.get(reader)
    if (from === undefined) return
    const position = from.positions.get(place)
    if (position !== undefined && offset <= position && !from.isSubscribed) {
      this.#report('A14', `reader ${reader} was given offset ${offset} after ${position} of ${place}`, at)
    }
    from.positions.set(place, offset)
    if (!from.isCommitted || writer === NO_WRITER) return
    const lane = this.#lanes.get(`${writer} ${place}`)
    // Of a writer that is forgotten, or whose own row is still to come.
    if (lane === undefined) return
    if (number <= lane.readNumber) this.#readAgain(lane, number, offset, at)
    else this.#advance(lane, number, offset, at)
  }

  /** Read before, or passed before: another reader is behind, or a value that was suspected lost turns up, or it is there twice. */
  #readAgain(lane: Lane, number: number, offset: number, at: number): void {
    const index = this.#suspects.findIndex((suspect) => suspect.lane === lane && suspect.unread.number === number)
    const suspect = this.#suspects[index]
    if (suspect !== undefined && offset < lane.readOffset) {
      this.#suspects.splice(index, 1)
      this.#given(lane, suspect.unread, at)
    } else if (offset > lane.readOffset) {
      const what = `value ${number} of writer ${lane.writer} is at offset ${offset} of ${lane.partition}`
      this.#report('A3', `${what}, behind its value ${lane.readNumber} at ${lane.readOffset}: it was stored before`, at)
    }
  }

  #advance(lane: Lane, number: number, offset: number, at: number): void {
    let next = 0
    for (; next < lane.unread.length; next += 1) {
      const unread = lane.unread[next] as Unread
      if (unread.number > number) break
      if (unread.number === number) this.#given(lane, unread, at)
      else this.#suspects.push({ lane, unread, until: at + this.#options.graceMs })
    }
    lane.unread.splice(0, next)
    lane.readNumber = number
    lane.readOffset = offset
  }

  #given(lane: Lane, { number, transaction }: Unread, at: number): void {
    if (transaction === undefined) {
      this.#answers.delete(`${lane.writer} ${number}`)
      return
    }
    const what = `value ${number} of writer ${lane.writer} in ${lane.partition} was read`
    const name = `transaction ${transaction.number}`
    if (transaction.fate === 'aborted') this.#report('A5', `${what}, and its ${name} was aborted`, at)
    else if (transaction.fate === 'open') this.#report('A6', `${what} before its ${name} was asked to commit`, at)
    transaction.read += 1
    transaction.waiting -= 1
    this.#forget(transaction)
  }

  /** In the order in which it is asked for, as that of one reader's rows matters. */
  #later(at: number, act: () => void): void {
    this.#delayed.push({ at, act })
  }

  #time(at: number): void {
    if (at <= this.#now) return
    this.#now = at
    this.#doLater(at - this.#options.lateMs)
    this.#settleSuspects(at - this.#options.lateMs)
    for (const [writer, until] of this.#endedWriters) if (until < at) this.#retire(writer)
  }

  #doLater(until: number): void {
    for (; this.#done < this.#delayed.length; this.#done += 1) {
      const { at, act } = this.#delayed[this.#done] as Delayed
      if (at > until) break
      act()
    }
    // Not each time: the others would have to move up.
    if (this.#done * 2 < this.#delayed.length) return
    this.#delayed = this.#delayed.slice(this.#done)
    this.#done = 0
  }

  #settleSuspects(now: number): void {
    const [first] = this.#suspects
    if (first === undefined || first.until > now) return
    const due = this.#suspects.filter(({ until }) => until <= now)
    this.#suspects = this.#suspects.filter(({ until }) => until > now)
    for (const suspect of due) this.#judgePassed(suspect)
  }

  #judgePassed({ lane, unread, until }: Suspect): void {
    const { number, transaction, outcome } = unread
    const what = `value ${number} of writer ${lane.writer} in ${lane.partition} was passed and read by nobody`
    if (transaction === undefined) {
      this.#answers.delete(`${lane.writer} ${number}`)
      if (outcome === 'ok') this.#report('A1', `${what}, and it was acknowledged`, until)
      return
    }
    // One of unknown outcome is committed if another value of it was read.
    const isCommitted = transaction.fate === 'committed' || (transaction.fate === 'asked' && transaction.read > 0)
    if (isCommitted) {
      this.#report('A1', `${what}, and its transaction ${transaction.number} was committed`, until)
      if (transaction.read > 0 && !transaction.isTorn) {
        transaction.isTorn = true
        const name = `transaction ${transaction.number} of writer ${lane.writer}`
        this.#report('A7', `of ${name} ${transaction.read} values were read, value ${number} was not`, until)
      }
    }
    transaction.waiting -= 1
    this.#forget(transaction)
  }

  /** Once it is decided and none of its values is waited for. */
  #forget(transaction: FollowedTransaction | undefined): void {
    if (transaction === undefined || transaction.waiting > 0 || transaction.fate === 'open') return
    this.#transactions.delete(`${transaction.writer} ${transaction.number}`)
  }

  /** Its writers send nothing more; their lanes go once they have been read to the end. */
  #processEnded(process: number): void {
    const { lateMs, graceMs } = this.#options
    const until = this.#now + lateMs + graceMs
    for (const writer of this.#writersOfProcess.get(process) ?? []) this.#endedWriters.set(writer, until)
    this.#writersOfProcess.delete(process)
  }

  #retire(writer: number): void {
    const lanes = this.#lanesOfWriter.get(writer) ?? []
    // What it sent last may never have arrived, or was aborted: nobody will read past it, as nothing of it comes behind.
    const isOver = lanes.every(({ unread }) =>
      unread.every(({ transaction, outcome }) => isSettled(transaction, outcome)),
    )
    if (!isOver) return
    for (const lane of lanes) this.#abandon(lane, false)
    this.#lanesOfWriter.delete(writer)
    this.#endedWriters.delete(writer)
  }

  #abandon(lane: Lane, isCounted = true): void {
    for (const { number, transaction } of lane.unread.splice(0)) {
      this.#answers.delete(`${lane.writer} ${number}`)
      if (transaction === undefined) continue
      transaction.waiting -= 1
      if (transaction.waiting === 0) this.#transactions.delete(`${transaction.writer} ${transaction.number}`)
    }
    this.#lanes.delete(lane.key)
    this.counts.lanes = this.#lanes.size
    if (isCounted) this.counts.abandoned += 1
  }

  #report(code: Code, what: string, at: number): void {
    const finding = { code, what, at }
    if (this.findings.length < FINDINGS_MAX) this.findings.push(finding)
    this.#openWindow(`${code}: ${what}`, at)
    this.#options.onFinding?.(finding)
  }

  #keep(table: TableName, row: Row<TableName>): void {
    const kept = { table, row }
    this.#ring.push(kept)
    if (this.#ring.length >= 2 * WINDOW_ROWS_BEFORE) this.#ring = this.#ring.slice(-WINDOW_ROWS_BEFORE)
    if (this.#open === undefined) return
    this.#open.rows.push(kept)
    this.#open.left -= 1
    if (this.#open.left === 0) this.#open = undefined
  }

  /** What happens within one that is open already is in it. */
  #openWindow(because: string, at: number): void {
    if (this.#open !== undefined || this.windows.length === WINDOWS_MAX) return
    const rows = this.#ring.slice(-WINDOW_ROWS_BEFORE)
    this.#open = { because, at, rows, left: WINDOW_ROWS_AFTER }
    this.windows.push(this.#open)
  }
}

/** Nothing is promised of it, or nothing will be. */
function isSettled(transaction: FollowedTransaction | undefined, outcome: Unread['outcome']): boolean {
  return transaction === undefined ? outcome !== 'ok' : transaction.fate !== 'committed'
}

function placeOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}-${partition}`
}
