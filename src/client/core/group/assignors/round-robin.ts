/**
 * 'roundrobin': all partitions of all topics in order, dealt out one by one to the members that want them.
 *
 * Source: org.apache.kafka.clients.consumer.RoundRobinAssignor.
 */
import type { TopicPartition } from '../../../topic.ts'
import { type Assignor, compare, compareMembers } from '../assignor.ts'

export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  isCooperative: false,
  assign({ members, partitionCounts }) {
    const assignment = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
    const circle = members.toSorted(compareMembers)
    const wanted = new Set(members.flatMap(({ topics }) => topics))
    let next = 0
    for (const [topic, count] of [...partitionCounts].toSorted(([a], [b]) => compare(a, b))) {
      if (!wanted.has(topic)) continue
      for (let partition = 0; partition < count; partition += 1) {
        while (circle[next % circle.length]?.topics.includes(topic) === false) next += 1
        assignment.get(circle[next % circle.length]?.memberId ?? '')?.push({ topic, partition })
        next += 1
      }
    }
    return assignment
  },
}
