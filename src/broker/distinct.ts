/**
 * An answer says a thing once, however often a request asks for it: otherwise a few bytes that are repeated a hundred
 * thousand times would be answered with gigabytes.
 */

/** The first of each key, in order. */
export function distinct<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const key = keyOf(item)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** Topics with each partition where it is named first; `topicKeyOf` gives the name or the id. */
export function distinctPartitions<T extends { readonly partitionIndexes: readonly number[] }>(
  topics: readonly T[],
  topicKeyOf: (topic: T) => string,
): T[] {
  const seenOf = new Map<string, Set<number>>()
  return topics.map((topic) => {
    const key = topicKeyOf(topic)
    const seen = seenOf.get(key) ?? new Set<number>()
    seenOf.set(key, seen)
    const partitionIndexes = topic.partitionIndexes.filter((index) => !seen.has(index) && seen.add(index))
    return { ...topic, partitionIndexes }
  })
}
