/**
 * The log as it is stored, record by record: which value lies where (A3, A12, A13), and what was told about offsets (A4, A12).
 *
 * Owns the comparison of everybody's view of an offset with the log at rest. Without a scan the first who saw an offset is believed.
 */
import { type Outcome, OUTCOMES, NONE } from '../history/tables.ts'
import type { Evidence } from './evidence.ts'
import type { Anchor } from './findings.ts'
import { EMPTY } from './offset-map.ts'
import { read, type Steps } from './steps.ts'
import { ACKNOWLEDGED, IN_LOG, NO_VALUE, OUTSIDE, REFUSED, TWICE, UNTOLD } from './value-index.ts'

/** In a `PartitionLog`: there is a record, and nobody sent it. */
const FOREIGN = -2

export function* logRecordPass(evidence: Evidence): Steps {
  const { lastScan } = evidence
  if (lastScan === undefined) {
    evidence.findings.notChecked('A8 A9 A10 A11', 'no raw scan at rest')
    return
  }
  let earlierRows = 0
  yield read('logRecord', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      if (rows.scan[row] !== lastScan) earlierRows += 1
      else {
        const value = evidence.values.find(rows.writer[row] as number, rows.number[row] as number)
        placeRecord(evidence, rows.partition[row] as number, rows.offset[row] as number, value)
      }
    }
  })
  if (earlierRows === 0) return
  yield read('logRecord', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      const scan = rows.scan[row] as number
      const partition = rows.partition[row] as number
      if (scan === lastScan || evidence.log(partition).isInternal) continue
      const value = evidence.values.find(rows.writer[row] as number, rows.number[row] as number)
      if (value !== NO_VALUE) observe(evidence, partition, rows.offset[row] as number, value, () => `scan ${scan}`)
    }
  })
}

function placeRecord(evidence: Evidence, partition: number, offset: number, value: number): void {
  const { findings, values, transactions } = evidence
  const log = evidence.log(partition)
  if (log.isInternal) return
  const place = { partition, offset }
  const known = log.values.get(offset)
  if (known !== EMPTY && known !== value) {
    findings.report('A12', { places: [place], values: [known, value].filter((each) => each >= 0) }, () => {
      const held = `${evidence.valueName(known)} and ${evidence.valueName(value)}`
      return `the scan at rest found ${held} at offset ${offset} of ${evidence.placeName(partition)}`
    })
  }
  if (value === NO_VALUE) {
    log.values.set(offset, FOREIGN)
    reportPhantom(evidence, partition, offset, 'lies')
    return
  }
  log.values.set(offset, value)
  checkPartition(evidence, partition, offset, value)
  const flags = values.flags[value] as number
  if ((flags & IN_LOG) !== 0) {
    values.flags[value] = flags | TWICE
    reportDuplicate(evidence, partition, offset, value)
    return
  }
  values.flags[value] = flags | IN_LOG
  values.offset[value] = offset
  const transaction = values.transaction[value] as number
  if (transaction !== OUTSIDE) transactions.inLog[transaction] = (transactions.inLog[transaction] as number) + 1
}

/** Somebody saw this value there. @param who  'reader 3' */
export function observe(
  evidence: Evidence,
  partition: number,
  offset: number,
  value: number,
  who: () => string,
  anchor: Anchor = {},
): void {
  const { values } = evidence
  const log = evidence.log(partition)
  const known = log.values.get(offset)
  if (known === value) return
  if (log.scanned !== undefined) {
    if (known !== EMPTY || !log.shrinks) reportInconsistent(evidence, partition, offset, known, value, who, anchor)
    return
  }
  if (known !== EMPTY) {
    reportInconsistent(evidence, partition, offset, known, value, who, anchor)
    return
  }
  log.values.set(offset, value)
  if (values.offset[value] === NONE) values.offset[value] = offset
  else if (values.offset[value] !== offset) {
    values.flags[value] = (values.flags[value] as number) | TWICE
    reportDuplicate(evidence, partition, offset, value)
  }
}

/** @param verb  'lies', 'was read' */
export function reportPhantom(
  evidence: Evidence,
  partition: number,
  offset: number,
  verb: string,
  anchor: Anchor = {},
): void {
  evidence.findings.report('A13', { ...anchor, places: [{ partition, offset }] }, () => {
    return `a value that nobody sent ${verb} at offset ${offset} of ${evidence.placeName(partition)}`
  })
}

export function checkPartition(evidence: Evidence, partition: number, offset: number, value: number): void {
  const sentTo = evidence.values.partition[value] as number
  if (sentTo === partition) return
  evidence.findings.report('A13', evidence.anchorOf(value, { partition, offset }), () => {
    const where = `${evidence.placeName(partition)} at offset ${offset}`
    return `${evidence.valueName(value)} was sent to ${evidence.placeName(sentTo)} and is in ${where}`
  })
}

function reportDuplicate(evidence: Evidence, partition: number, offset: number, value: number): void {
  evidence.findings.report('A3', evidence.anchorOf(value, { partition, offset }), () => {
    const first = `${evidence.placeName(evidence.values.partition[value] as number)} offset ${evidence.values.offset[value]}`
    return `${evidence.valueName(value)} lies at ${first} and at ${evidence.placeName(partition)} offset ${offset}`
  })
}

function reportInconsistent(
  evidence: Evidence,
  partition: number,
  offset: number,
  known: number,
  value: number,
  who: () => string,
  anchor: Anchor,
): void {
  const { log, findings } = { log: evidence.log(partition), findings: evidence.findings }
  const merged = { ...evidence.anchorOf(value, { partition, offset }), ...anchor }
  findings.report('A12', merged, () => {
    const held = known === EMPTY ? 'nothing' : evidence.valueName(known === FOREIGN ? NO_VALUE : known)
    const source = log.scanned === undefined ? 'others saw' : 'the log at rest has'
    const where = `offset ${offset} of ${evidence.placeName(partition)}`
    return `${who()} found ${evidence.valueName(value)} at ${where}, where ${source} ${held}`
  })
}

/** What the answers to sends said. Comes before the readers' views, as acknowledgements outside of scans are compared with each other. */
export function* sendCompletedPass(evidence: Evidence): Steps {
  const { values } = evidence
  yield read('sendCompleted', (rows) => {
    for (let row = 0; row < rows.length; row += 1) {
      const value = values.find(rows.writer[row] as number, rows.number[row] as number)
      if (value === NO_VALUE) continue
      const outcome: Outcome = OUTCOMES[rows.outcome[row] as number] as Outcome
      const flag = outcome === 'ok' ? ACKNOWLEDGED : outcome === 'fail' ? REFUSED : UNTOLD
      values.flags[value] = (values.flags[value] as number) | flag
      if (outcome === 'ok' && rows.offset[row] !== NONE)
        compareAcknowledged(evidence, value, rows.offset[row] as number)
    }
  })
}

function compareAcknowledged(evidence: Evidence, value: number, offset: number): void {
  const { values } = evidence
  const partition = values.partition[value] as number
  const log = evidence.log(partition)
  if (log.scanned === undefined) {
    observe(evidence, partition, offset, value, () => `the producer of ${evidence.valueName(value)}`)
    return
  }
  const there = log.values.get(offset)
  // An acknowledged value that is nowhere is lost (A1); what was retained away is not wrong.
  if (there === value || there === EMPTY) return
  evidence.findings.report('A4', evidence.anchorOf(value, { partition, offset }), () => {
    const isElsewhere = ((values.flags[value] as number) & IN_LOG) !== 0
    const own = isElsewhere ? `it lies at ${values.offset[value]}` : 'it is nowhere'
    const held = evidence.valueName(there === FOREIGN ? NO_VALUE : there)
    const where = `offset ${offset} of ${evidence.placeName(partition)}`
    return `${evidence.valueName(value)} was acknowledged at ${where}, where ${held} lies; ${own}`
  })
}
