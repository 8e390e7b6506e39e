/**
 * Whether everything that must be there is there: in the log at rest (A1), before readers that went past it (A1, A7), and at the end
 * for whoever read to the end (A2). And whether what one producer sent lies in the order in which it was sent (A16).
 */
import { NONE } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import { IN_LOG, OUTSIDE, READ_BY_COMMITTED, REFUSED } from './value-index.ts'

export function checkCoverage(evidence: Evidence): void {
  const { values, findings, transactions } = evidence
  const isDrained = evidence.phaseAt('drained') !== undefined
  const torn = new Uint8Array(transactions.length)
  const unread = new Set<number>()
  for (let value = 0; value < values.length; value += 1) {
    const flags = values.flags[value] as number
    if ((flags & REFUSED) !== 0 || !evidence.isVisible(value)) continue
    const partition = values.partition[value] as number
    const log = evidence.log(partition)
    if (log.scanned !== undefined && (flags & IN_LOG) === 0) {
      if (!log.shrinks) reportLost(evidence, value, 'is not in the log at rest')
      if (!log.shrinks) tear(value)
      continue
    }
    if ((flags & READ_BY_COMMITTED) !== 0) continue
    if (!log.hasReader) {
      unread.add(partition)
      continue
    }
    // What is still in a log that shrinks need not have been read before; what is gone from it cannot be.
    const offset = values.offset[value] as number
    if (log.shrinks && log.scanned === undefined) continue
    const isPassed = offset !== NONE && offset < log.highestRead && (isDrained || offset > log.lowestRead)
    if (isPassed) reportLost(evidence, value, `at offset ${offset} was passed by readers and given to none`)
    else if (isDrained) {
      findings.report('A2', evidence.anchorOf(value), () => {
        return `${evidence.valueName(value)} was not read by anybody, and all was read to the end`
      })
    }
    if (isPassed || isDrained) tear(value)
  }
  if (unread.size > 0) findings.notChecked('A2 A7', `${unread.size} partitions had no read_committed reader`)
  if (!isDrained) findings.notChecked('A2', 'the run did not read everything to the end')

  function tear(value: number): void {
    const transaction = values.transaction[value] as number
    if (transaction === OUTSIDE || torn[transaction] === 1 || transactions.read[transaction] === 0) return
    torn[transaction] = 1
    findings.report('A7', evidence.anchorOf(value), () => {
      const seen = `${transactions.read[transaction]} of ${transactions.sent[transaction]} values`
      return `of ${evidence.transactionName(transaction)} ${seen} were read; ${evidence.valueName(value)} was not`
    })
  }
}

function reportLost(evidence: Evidence, value: number, how: string): void {
  evidence.findings.report('A1', evidence.anchorOf(value), () => {
    const transaction = evidence.values.transaction[value] as number
    const promise =
      transaction === OUTSIDE ? 'which was acknowledged' : `of the committed ${evidence.transactionName(transaction)}`
    return `${evidence.valueName(value)}, ${promise}, ${how}`
  })
}

export function checkSendOrder(evidence: Evidence): void {
  const { values, findings } = evidence
  const last = new Float64Array(evidence.logs.length)
  for (const { from, to } of values.runs()) {
    last.fill(NONE)
    for (let value = from; value < to; value += 1) {
      const offset = values.offset[value] as number
      if (offset === NONE) continue
      const partition = values.partition[value] as number
      const before = last[partition] as number
      if (offset < before) {
        findings.report('A16', evidence.anchorOf(value, { partition, offset: before }), () => {
          const where = `offset ${offset} of ${evidence.placeName(partition)}`
          return `${evidence.valueName(value)} lies at ${where}, before what the same writer sent earlier at ${before}`
        })
      }
      last[partition] = Math.max(before, offset)
    }
  }
}
