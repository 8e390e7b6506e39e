/** Whether amounts of committed effects add up to what they must (A26). */
import type { Evidence } from './evidence.ts'
import { read, type Steps } from './steps.ts'
import { IN_LOG, NO_VALUE, READ_BY_COMMITTED, TWICE } from './value-index.ts'

export function* conservationPass(evidence: Evidence): Steps {
  const { sum } = evidence.head.info.expectations
  if (sum === undefined) return
  const accounts = new Map<number, number>()
  let total = 0
  yield read('effect', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      const value = evidence.values.find(rows.writer[row] as number, rows.number[row] as number)
      if (value === NO_VALUE) continue
      const amount = (rows.amount[row] as number) * timesThere(evidence, value)
      const account = rows.account[row] as number
      accounts.set(account, (accounts.get(account) ?? 0) + amount)
      total += amount
    }
  })
  if (total === sum) return
  evidence.findings.report('A26', {}, () => {
    const largest = [...accounts].sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)).slice(0, 5)
    const shown = largest.map(([account, amount]) => `account ${account}: ${amount}`).join(', ')
    return `amounts of ${accounts.size} accounts add up to ${total}, not to ${sum} (${shown})`
  })
}

/** What an account that is made of the log, or without a scan of what readers were given, would add. */
function timesThere(evidence: Evidence, value: number): number {
  if (!evidence.isVisible(value)) return 0
  const flags = evidence.values.flags[value] as number
  const isScanned = evidence.log(evidence.values.partition[value] as number).scanned !== undefined
  if ((flags & (isScanned ? IN_LOG : READ_BY_COMMITTED)) === 0) return 0
  return (flags & TWICE) === 0 ? 1 : 2
}
