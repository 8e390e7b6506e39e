/**
 * What must hold where promises cannot: a disk that had said "flushed" and was not, or bytes that rotted at the very end.
 *
 * Whatever is shown is true and whole: each value was sent to that partition, once, its batch is all there, and of each transaction
 * all is visible to read_committed or nothing. What is missing is missing from the end.
 */
import { metadata } from '../../protocol/messages/metadata.ts'
import { nameOf } from './facts.ts'
import type { KnownBatch } from './ledger.ts'
import type { Participant } from './participant.ts'
import { readAll } from './reader.ts'
import { check, ReadRefused } from './violation.ts'

export async function judgePrefix({ ledger, wire }: Participant): Promise<void> {
  const { topics } = await wire.request(metadata, 12, { topics: null })
  const from = topics.flatMap(({ name, isInternal, partitions }) => {
    check(isInternal || ledger.topics.has(name as string), `topic ${name} was asked for`)
    return isInternal
      ? []
      : partitions.map(({ partitionIndex }) => ({
          place: { topic: name as string, partition: partitionIndex },
          offset: 0,
        }))
  })
  if (from.length === 0) return
  const [all, committed] = [await readAll(wire, from, 0), await readAll(wire, from, 1)]
  const found = new Map<KnownBatch, { readonly offsets: number[]; visible: number }>()
  const missingFrom = new Map<string, number>()
  for (const [name, read] of all) {
    const visible = committed.get(name)
    for (const { error } of [read, visible ?? read]) {
      if (error === 'CORRUPT_MESSAGE') throw new ReadRefused(`${name} can be read, not CORRUPT_MESSAGE`)
      check(error === 'NONE', `${name} can be read, not ${error}`)
    }
    const seen = new Set<string>()
    for (const [offset, value] of read.records) {
      const batch = ledger.batchOf.get(value)
      const isSentThere = batch !== undefined && nameOf(batch.request.place) === name
      check(isSentThere, `${value.slice(0, 100)} at ${offset} of ${name} was sent there`)
      check(!seen.has(value), `${value} is in ${name} once`)
      seen.add(value)
      if (batch === undefined) continue
      check(
        batch.state !== 'stored' || batch.baseOffset + batch.request.values.indexOf(value) === offset,
        `${value} is where it was acknowledged`,
      )
      const entry = found.get(batch) ?? { offsets: [], visible: 0 }
      found.set(batch, entry)
      entry.offsets.push(offset)
      if (visible?.records.has(offset) === true) entry.visible += 1
    }
    missingFrom.set(name, visible?.lastStableOffset ?? 0)
    for (const [offset, value] of visible?.records ?? [])
      check(read.records.get(offset) === value, `${value} at ${offset} of ${name} is the same for either reader`)
  }
  for (const [batch, { offsets }] of found) {
    const isDeletedFront = offsets[0] === all.get(nameOf(batch.request.place))?.logStartOffset
    const isWhole = offsets.length === batch.request.values.length || isDeletedFront
    check(isWhole, `the batch of ${batch.request.values[0]} is whole`)
  }
  for (const transaction of ledger.transactions.values()) {
    const parts = transaction.batches.filter((batch) => {
      // Behind an open transaction neither.
      const entry = found.get(batch)
      const isHeld = (entry?.offsets[0] ?? 0) >= (missingFrom.get(nameOf(batch.request.place)) ?? 0)
      return entry !== undefined && !isHeld
    })
    const shown = parts.filter((batch) => (found.get(batch)?.visible ?? 0) > 0)
    const name = `transaction ${transaction.transaction} of ${transaction.transactionalId}`
    check(shown.length === 0 || shown.length === parts.length, `${name} is visible as a whole`)
    check(
      shown.length === 0 || transaction.state === 'committed' || transaction.state === 'deciding',
      `${name} was committed`,
    )
  }
}
