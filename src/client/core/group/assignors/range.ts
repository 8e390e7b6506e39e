/**
 * 'range': of each topic by itself, every member gets a run of neighbouring partitions, the first members one more. Topics
 * with the same partition count are divided alike, so that their partitions of one number meet in one member.
 *
 * Source: org.apache.kafka.clients.consumer.RangeAssignor (without racks).
 */
import type { TopicPartition } from '../../../topic.ts'
import { type Assignor, compareMembers } from '../assignor.ts'

export const rangeAssignor: Assignor = {
  name: 'range',
  isCooperative: false,
  assign({ members, partitionCounts }) {
    const assignment = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
    for (const [topic, count] of partitionCounts) {
      const interested = members.filter(({ topics }) => topics.includes(topic)).toSorted(compareMembers)
      const share = Math.floor(count / interested.length)
      const larger = count % interested.length
      let next = 0
      for (const [index, { memberId }] of interested.entries()) {
        const end = next + share + (index < larger ? 1 : 0)
        for (; next < end; next += 1) assignment.get(memberId)?.push({ topic, partition: next })
      }
    }
    return assignment
  },
}
