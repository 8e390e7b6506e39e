import { describe, expect, test } from 'vitest'
import { NO_TRANSACTION, NO_WRITER, NONE, READ_COMMITTED, type Outcome } from '../history/tables.ts'
import { check } from './check.ts'
import { Draft } from './draft.test-kit.ts'
import { formatVerdict } from './format-verdict.ts'
import { failureCount, type Verdict } from './verdict.ts'

const AT = { topic: 'orders', partition: 0 }
const WRITER = 7
const DATA = { producerId: 1, producerEpoch: 0, control: 0, coordinatorEpoch: NONE }

/** One transaction of one value by hand; what is known of it is up to the test. */
class Small {
  readonly draft = new Draft(3)

  constructor() {
    this.draft.add('writerStarted', { writer: WRITER, process: 1, transactionalId: 't', at: 1 })
    this.draft.add('transactionBegun', { writer: WRITER, transaction: 1, at: 2 })
    this.draft.add('sendInvoked', { writer: WRITER, number: 0, transaction: 1, partition: AT, at: 3 })
  }

  asked(isCommit: 0 | 1): this {
    this.draft.add('transactionEnding', { writer: WRITER, transaction: 1, isCommit, at: 4 })
    return this
  }

  told(outcome: Outcome): this {
    this.draft.add('transactionEnded', { writer: WRITER, transaction: 1, outcome, error: '', at: 5 })
    return this
  }

  phases(...phases: readonly string[]): this {
    phases.forEach((phase, index) => void this.draft.add('phase', { phase, at: 10 + index * 10 }))
    return this
  }

  read(): this {
    this.draft.add('readerStarted', {
      reader: 1,
      process: 2,
      group: '',
      isolation: READ_COMMITTED,
      isSubscribed: 0,
      at: 1,
    })
    this.draft.add('read', { reader: 1, poll: 0, partition: AT, offset: 0, writer: WRITER, number: 0, at: 35 })
    const use = { writer: NO_WRITER, transaction: NO_TRANSACTION }
    this.draft.add('poll', { reader: 1, poll: 0, outcome: 'ok', error: '', ...use, invokedAt: 34, at: 35 })
    return this
  }

  /** @param control  of the marker; `undefined`: there is none */
  scanned(at: number, control?: 1 | 2): this {
    const place = { scan: 0, partition: AT }
    const to = control === undefined ? 1 : 2
    this.draft.add('logScan', { ...place, from: 0, to, at })
    this.draft.add('logBatch', { ...place, ...DATA, baseOffset: 0, lastOffset: 0, baseSequence: 0, isTransactional: 1 })
    this.draft.add('logRecord', { ...place, offset: 0, writer: WRITER, number: 0 })
    if (control === undefined) return this
    const marker = {
      baseOffset: 1,
      lastOffset: 1,
      baseSequence: NONE,
      isTransactional: 1,
      control,
      coordinatorEpoch: 1,
    }
    this.draft.add('logBatch', { ...place, ...DATA, ...marker })
    return this
  }

  verdict(): Verdict {
    return check(this.draft.history())
  }

  codes(): string[] {
    return this.verdict().anomalies.map(({ code, isAllowed }) => (isAllowed ? `(${code})` : code))
  }
}

const ALL = ['running', 'healed', 'settled', 'drained', 'scanned']

describe('a commit whose outcome nobody was told', () => {
  const unknown = () =>
    new Small()
      .asked(1)
      .told('unknown')
      .phases(...ALL)

  test('is one when the log has its COMMIT marker', () => {
    expect(unknown().scanned(45, 2).read().codes()).toEqual([])
    expect(unknown().scanned(45, 2).verdict().counts.committed).toBe(1)
  })

  test('is none when the log has its ABORT marker: then its values are not to be read', () => {
    expect(unknown().scanned(45, 1).codes()).toEqual([])
    expect(unknown().scanned(45, 1).read().codes()).toEqual(['A5'])
  })

  test('is one when a reader was given a value of it and there is no scan', () => {
    const verdict = unknown().read().verdict()
    expect([verdict.counts.committed, failureCount(verdict)]).toEqual([1, 0])
  })

  test('stays unresolved without scan and reads, which is said and not failed', () => {
    const verdict = unknown().verdict()
    expect([verdict.counts.unresolved, failureCount(verdict)]).toEqual([1, 0])
    expect(verdict.notChecked.join()).toContain('A17: 1 transactions of unknown outcome left no trace')
  })

  test('is a finding when it is still open at rest', () => {
    expect(unknown().scanned(45).codes()).toEqual(['A9', 'A17'])
  })
})

describe('client and marker that contradict each other', () => {
  test('an acknowledged commit that was aborted is a lost write', () => {
    const codes = new Small()
      .asked(1)
      .told('ok')
      .phases(...ALL)
      .scanned(45, 1)
      .codes()
    expect(codes).toEqual(['A1'])
  })

  test.each([
    ['an acknowledged abort', new Small().asked(0).told('ok')],
    ['a commit that was refused for good', new Small().asked(1).told('fail')],
    ['what nobody asked to commit', new Small()],
  ])('%s that is committed is one too many', (_name, small) => {
    expect(
      small
        .phases(...ALL)
        .scanned(45, 2)
        .read()
        .codes(),
    ).toContain('A5')
  })
})

describe('a history that is not whole', () => {
  test('a scan from before the run came to rest proves nothing', () => {
    const early = new Small().asked(1).told('ok').phases('running', 'healed', 'settled').scanned(15)
    const verdict = early.verdict()
    expect(verdict.notChecked.join()).toContain('no raw scan at rest')
    expect(verdict.anomalies.map(({ code }) => code)).toEqual(['A28'])
  })

  test('without a final reading nothing is missed for being unread', () => {
    const verdict = new Small().asked(1).told('ok').verdict()
    expect(failureCount(verdict)).toBe(0)
    expect(verdict.notChecked.join()).toContain('A2: the run did not read everything to the end')
  })

  test('a transaction that a run of no phases has left open is hanging', () => {
    expect(new Small().scanned(45).codes()).toEqual(['A9'])
  })

  test('without a scan, a producer that says it has a transaction open is a hanging one', () => {
    const small = new Small().phases(...ALL)
    const state = { producerId: 1, producerEpoch: 0, lastSequence: 0, coordinatorEpoch: 0, openTransactionOffset: 0 }
    small.draft.add('producerState', { partition: AT, ...state, at: 46 })
    expect(small.codes()).toEqual(['A9'])
  })

  test('without a scan, a last stable offset that stays behind is a hanging transaction', () => {
    const small = new Small().phases(...ALL)
    const ends = { highWatermark: 5, lastStableOffset: 3, logStartOffset: NONE }
    small.draft.add('watermarks', { partition: AT, ...ends, invokedAt: 41, at: 42 })
    expect(small.codes()).toEqual(['A9'])
  })

  test('what has left a log by itself is not lost', () => {
    const lossy = (shrinks: readonly string[]) => {
      const small = new Small()
        .asked(1)
        .told('ok')
        .phases(...ALL)
      small.draft.expectations = { settleMs: 1, shrinks }
      small.draft.add('logScan', { scan: 0, partition: AT, from: 5, to: 5, at: 45 })
      return small.codes()
    }
    expect(lossy([])).toEqual(['A1'])
    expect(lossy(['orders'])).toEqual([])
  })
})

test('a workload may allow a kind, which is then told with the reason', () => {
  const small = new Small()
    .asked(1)
    .told('ok')
    .phases(...ALL)
    .scanned(45, 1)
  small.draft.expectations = { settleMs: 1, allowed: { A1: 'durability is memory' } }
  expect(small.codes()).toEqual(['(A1)'])
  expect(formatVerdict(small.verdict())).toContain('A1 lost write: 1 (allowed: durability is memory)')
})

test('a judge of the workload is asked, and its kinds are not checked without it', () => {
  const { draft } = new Small().asked(0).told('ok')
  const history = draft.history()
  expect(check(history).notChecked).toContain('A27: is judged by the sink workload')
  const judge = { codes: ['A27'] as const, judge: () => [{ code: 'A27' as const, what: 'row 3 is missing' }] }
  const verdict = check(history, { judges: [judge] })
  expect(verdict.anomalies).toMatchObject([{ code: 'A27', isAllowed: false, summary: 'row 3 is missing' }])
  expect(verdict.notChecked.join()).not.toContain('A27')
})

test('an example shows the transaction, what lies near, the faults meanwhile and the seed', () => {
  const small = new Small()
    .asked(1)
    .told('ok')
    .phases(...ALL)
    .scanned(45, 1)
  small.draft.add('fault', { kind: 'kill', target: 'broker', detail: '', at: 3.5, until: 4.5 })
  small.draft.add('fault', { kind: 'kill', target: 'nobody', detail: '', at: 100, until: 101 })
  small.draft.add('transition', {
    transactionalId: 't',
    producerId: 1,
    producerEpoch: 1,
    state: 'PrepareAbort',
    at: 4.2,
  })
  const text = formatVerdict(small.verdict())
  expect(text).toContain('EXACTLY ONCE IS BROKEN in 1 way')
  expect(text).toContain('seed 3')
  for (const shown of ['transactionBegun', 'transactionEnding', 'state=PrepareAbort', 'target=broker', 'number=0']) {
    expect(text).toContain(shown)
  }
  expect(text).not.toContain('target=nobody')
  expect(JSON.parse(JSON.stringify(small.verdict()))).toEqual(small.verdict())
})

test('rows of a scan that are out of order are a mistake of whoever wrote them', () => {
  const small = new Small().phases(...ALL).scanned(45, 1)
  small.draft.rows.logBatch.reverse()
  expect(() => small.verdict()).toThrow('logBatch rows of orders-0 are not in order')
})
