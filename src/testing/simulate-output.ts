/** What came out of a simulated application, and how it differs from what should have. */

export interface OutputRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
}

const TOLD_MAX = 3

/** One line a topic and kind of difference; empty when both are the same, in whatever order. */
export function compareOutput(expected: readonly OutputRecord[], actual: readonly OutputRecord[]): string[] {
  const balance = new Map<string, { record: OutputRecord; count: number }>()
  const add = (record: OutputRecord, by: number): void => {
    const key = JSON.stringify([record.topic, record.key, record.value])
    const entry = balance.get(key) ?? { record, count: 0 }
    entry.count += by
    balance.set(key, entry)
  }
  for (const record of expected) add(record, -1)
  for (const record of actual) add(record, 1)
  const known = new Set(expected.map(({ topic, key, value }) => JSON.stringify([topic, key, value])))
  const kinds = { missing: [] as Difference[], repeated: [] as Difference[], unexpected: [] as Difference[] }
  for (const [key, { record, count }] of balance) {
    if (count < 0) kinds.missing.push({ record, count: -count })
    else if (count > 0) kinds[known.has(key) ? 'repeated' : 'unexpected'].push({ record, count })
  }
  return Object.entries(kinds).flatMap(([kind, found]) => (found.length === 0 ? [] : [told(kind, found)]))
}

interface Difference {
  readonly record: OutputRecord
  readonly count: number
}

function told(kind: string, found: readonly Difference[]): string {
  const total = found.reduce((sum, { count }) => sum + count, 0)
  const some = found
    .slice(0, TOLD_MAX)
    .map(({ record: { topic, key, value } }) => `${topic} ${key ?? ''}=${value ?? ''}`)
  return `${total} ${total === 1 ? 'record' : 'records'} ${kind}: ${some.join(', ')}${found.length > TOLD_MAX ? ', …' : ''}`
}
