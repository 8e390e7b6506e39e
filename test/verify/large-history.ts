/** A history of any size, drawn from a seed: tellers with transactions, readers, faults, watermarks. */
import { HistoryTables } from '../../src/verify/history/columns.ts'
import type { History } from '../../src/verify/history/history.ts'
import { NO_TRANSACTION, NO_WRITER, NONE } from '../../src/verify/history/tables.ts'
import { SeededRandom } from '../../src/verify/run/seeded-random.ts'

const TELLERS = 12
const PARTITIONS = 8
const VALUES_PER_TRANSACTION = 4
const KILLS_EVERY = 400
const KINDS = ['pause-client', 'kill-broker', 'lose-replies', 'power-cut'] as const

/** @param operations  values that are sent; as many are read */
export function largeHistory(operations: number, seed: number, durationMs = 120_000): History {
  const random = new SeededRandom(seed)
  const below = (limit: number): number => random.nextUint32() % limit
  const sink = new HistoryTables()
  const topic = 'ledger'
  const process = (index: number, life: number): number => 100 + index + life * TELLERS
  const stepMs = durationMs / (operations / VALUES_PER_TRANSACTION)
  sink.record('processStarted', { process: 1, kind: 'client', role: 'reader 0', at: 0 })
  sink.record('readerStarted', { reader: 1, process: 1, group: '', isolation: 1, isSubscribed: 0, at: 1 })
  sink.record('phase', { phase: 'running', at: 5 })
  const tellers = Array.from({ length: TELLERS }, (_, index) => start(index, 0, 10))
  const ends = Array.from({ length: PARTITIONS }, () => 0)
  let polls = 0

  function start(index: number, life: number, at: number) {
    const number = process(index, life)
    const writer = number * 65_536
    sink.record('processStarted', { process: number, kind: 'client', role: `teller ${index}`, at })
    sink.record('writerStarted', { writer, process: number, transactionalId: `large-teller-${index}`, at: at + 1 })
    sink.record('writerReady', { writer, outcome: 'ok', producerId: index, producerEpoch: life, error: '', at: at + 2 })
    return { index, life, process: number, writer, transactions: 0, values: 0 }
  }

  for (let step = 0; step * VALUES_PER_TRANSACTION < operations; step += 1) {
    const at = 20 + step * stepMs
    const place = step % TELLERS
    const teller = tellers[place] as (typeof tellers)[number]
    teller.transactions += 1
    const { writer, transactions: transaction } = teller
    sink.record('transactionBegun', { writer, transaction, at })
    const isKilled = step % KILLS_EVERY === KILLS_EVERY - 1
    const isCommit = below(10) > 0
    const sent: { partition: number; offset: number; number: number }[] = []
    for (let value = 0; value < VALUES_PER_TRANSACTION; value += 1) {
      const partition = below(PARTITIONS)
      const number = teller.values
      teller.values += 1
      const sentAt = at + (stepMs * TELLERS * 0.5 * value) / VALUES_PER_TRANSACTION
      sink.record('sendInvoked', { writer, number, transaction, partition: { topic, partition }, at: sentAt })
      sent.push({ partition, offset: ends[partition] as number, number })
      ends[partition] = (ends[partition] as number) + 1
    }
    const endingAt = at + stepMs * TELLERS * 0.6
    if (isKilled) {
      sink.record('processEnded', { process: teller.process, cause: 'killed', at: endingAt })
      tellers[place] = start(place, teller.life + 1, endingAt + stepMs)
      continue
    }
    const endedAt = at + stepMs * TELLERS * 0.8
    sink.record('transactionEnding', { writer, transaction, isCommit: isCommit ? 1 : 0, at: endingAt })
    sink.record('transactionEnded', { writer, transaction, outcome: 'ok', error: '', at: endedAt })
    if (!isCommit) continue
    polls += 1
    for (const { partition, offset, number } of sent) {
      sink.record('read', {
        reader: 1,
        poll: polls,
        partition: { topic, partition },
        offset,
        writer,
        number,
        at: endedAt,
      })
    }
    const use = { writer: NO_WRITER, transaction: NO_TRANSACTION, invokedAt: endedAt - 1, at: endedAt }
    sink.record('poll', { reader: 1, poll: polls, outcome: 'ok', error: '', ...use })
    if (step % 8 !== 0) continue
    const unknown = { highWatermark: NONE, lastStableOffset: NONE, logStartOffset: NONE, invokedAt: endedAt }
    for (const [partition, end] of ends.entries()) {
      const of = { partition: { topic, partition }, ...unknown }
      sink.record('watermarks', { ...of, highWatermark: end, at: endedAt })
      sink.record('watermarks', { ...of, lastStableOffset: Math.max(0, end - below(20)), at: endedAt + 1 })
    }
  }
  for (let at = 500; at < durationMs; at += durationMs / 300) {
    const kind = KINDS[below(KINDS.length)] as string
    const target = kind.endsWith('client') ? `teller-${below(TELLERS)}` : 'broker'
    sink.record('fault', { kind, target, detail: '', at, until: at + below(3_000) })
  }
  sink.record('phase', { phase: 'healed', at: durationMs })
  const info = { run: 'large', seed, workload: 'bank', target: 'simulation', expectations: { settleMs: 10_000 } }
  return { info, strings: sink.strings.values, partitions: sink.partitions.values, tables: sink.tables }
}
