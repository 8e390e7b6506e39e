/** Whether everything came to its end in time (A28), and what the cluster says of transactions that did not (A9 where there is no scan). */
import { NONE } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'

/** What comes after the end of faults, in this order. */
const LATER_PHASES = ['settled', 'drained'] as const

export function checkLiveness(evidence: Evidence): void {
  const { findings } = evidence
  const { stuck } = evidence.head.tables
  for (let row = 0; row < stuck.length; row += 1) {
    const at = stuck.at[row] as number
    findings.report('A28', { at }, () => {
      return `${evidence.text(stuck.what[row] as number)}, after ${Math.round(stuck.forMs[row] as number)} ms`
    })
  }
  const healedAt = evidence.phaseAt('healed')
  if (healedAt !== undefined) {
    const missing = LATER_PHASES.find((phase) => evidence.phaseAt(phase) === undefined)
    if (missing !== undefined) {
      findings.report(
        'A28',
        { at: healedAt },
        () => `faults ended at ${healedAt}, and the run never got to '${missing}'`,
      )
    }
  }
  checkOpenProducers(evidence)
  checkStableEnds(evidence)
}

function checkOpenProducers(evidence: Evidence): void {
  const { producerState } = evidence.head.tables
  for (let row = 0; row < producerState.length; row += 1) {
    const offset = producerState.openTransactionOffset[row] as number
    const partition = producerState.partition[row] as number
    const at = producerState.at[row] as number
    if (offset === NONE || at < (evidence.restAt ?? -Infinity)) continue
    // The scan has said it, and whose it is.
    if (evidence.log(partition).scanned !== undefined) continue
    evidence.findings.report('A9', { places: [{ partition, offset }], at }, () => {
      const where = `${evidence.placeName(partition)} since offset ${offset}`
      return `at rest producer id ${producerState.producerId[row]} has a transaction open in ${where}`
    })
  }
}

/** Without a scan, a last stable offset that stays behind shows that something is open. */
function checkStableEnds(evidence: Evidence): void {
  const { watermarks } = evidence.head.tables
  const { restAt } = evidence
  if (restAt === undefined) return
  const ends = new Map<number, { stable: number; high: number; at: number }>()
  for (let row = 0; row < watermarks.length; row += 1) {
    const partition = watermarks.partition[row] as number
    if ((watermarks.invokedAt[row] as number) < restAt || evidence.log(partition).scanned !== undefined) continue
    const end = ends.get(partition) ?? { stable: NONE, high: NONE, at: 0 }
    end.stable = Math.max(end.stable, watermarks.lastStableOffset[row] as number)
    end.high = Math.max(end.high, watermarks.highWatermark[row] as number)
    end.at = watermarks.at[row] as number
    ends.set(partition, end)
  }
  for (const [partition, { stable, high, at }] of ends) {
    if (stable === NONE || stable >= high) continue
    evidence.findings.report('A9', { places: [{ partition, offset: stable }], at }, () => {
      return `at rest the last stable offset of ${evidence.placeName(partition)} is ${stable}, its high watermark ${high}`
    })
  }
}
