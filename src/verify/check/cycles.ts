/**
 * Circles among committed transactions: of reads (A24), and of reads and the order of writes (A25). A transaction that reads another's
 * value comes after it; so does one whose value lies behind it in a partition, which Kafka does not promise to be the same everywhere.
 */
import { EdgeList } from './edge-list.ts'
import type { Evidence } from './evidence.ts'
import { graphOf, shortCycle, strongComponents } from './strong-components.ts'
import { COMMITTED, OUTSIDE } from './value-index.ts'

/** @param reads  from the transaction that wrote to the one that read */
export function checkCycles(evidence: Evidence, reads: EdgeList): void {
  const { transactions, findings } = evidence
  const readGraph = graphOf(transactions.length, reads.from, reads.to)
  for (const component of strongComponents(readGraph)) {
    const cycle = shortCycle(readGraph, component)
    findings.report('A24', { transactions: cycle }, () => {
      return `each read from the one before: ${cycle.map((id) => evidence.transactionName(id)).join(' → ')} → the first`
    })
  }
  const writes = writeOrder(evidence)
  const both = graphOf(transactions.length, joined(reads.from, writes.from), joined(reads.to, writes.to))
  for (const component of strongComponents(both)) {
    const cycle = shortCycle(both, component)
    const why = 'Kafka does not isolate writes from each other'
    findings.report(
      'A25',
      { transactions: cycle },
      () => {
        const steps = cycle.map((id) => evidence.transactionName(id)).join(' → ')
        return `each was read by, or wrote before, the next: ${steps} → the first (${component.length} in this knot)`
      },
      why,
    )
  }
}

function writeOrder(evidence: Evidence): EdgeList {
  const { transaction } = evidence.values
  const { status } = evidence.transactions
  const edges = new EdgeList()
  for (const { values } of evidence.logs) {
    let before = OUTSIDE
    values.forEach((value) => {
      const id = value < 0 ? OUTSIDE : (transaction[value] as number)
      if (id === OUTSIDE || status[id] !== COMMITTED) return
      if (before !== OUTSIDE && before !== id) edges.push(before, id)
      before = id
    })
  }
  return edges
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  const all = new Int32Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}
