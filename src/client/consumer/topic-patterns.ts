/** Which topics a subscription means: those it names, and those whose whole name matches one of its patterns, as in Kafka. */
import type { Cluster } from '../cluster/cluster.ts'
import type { AnyTopic } from '../topic.ts'

/** Asks the cluster only when there are patterns; internal topics match none. Rejects with KafkaError. */
export async function matchingTopics(
  cluster: Cluster,
  topics: readonly (AnyTopic | RegExp)[],
  timeoutMs: number,
): Promise<readonly string[]> {
  const names = topics.flatMap((topic) => {
    if (topic instanceof RegExp) return []
    return [typeof topic === 'string' ? topic : topic.name]
  })
  const patterns = topics.filter((topic) => topic instanceof RegExp)
  if (patterns.length === 0) return names
  const all = await cluster.listTopics({ timeoutMs })
  const matching = all.filter(({ name, isInternal }) => !isInternal && patterns.some((one) => isWholeMatch(one, name)))
  return [...new Set([...names, ...matching.map(({ name }) => name)])]
}

function isWholeMatch(pattern: RegExp, name: string): boolean {
  // Without the flags that make a pattern remember where it was.
  const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(name)
  return match !== null && match[0].length === name.length
}
