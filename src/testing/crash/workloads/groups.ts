/** Groups that form, commit with and without transactions, and are deleted. */
import type { CrashWorkload } from '../live-run.ts'

export const groups: CrashWorkload = {
  name: 'groups',
  summary: 'joins, plain and transactional offsets of groups with and without members, deletion of groups',
  async run({ participant }) {
    await participant.createTopic('in', 2)
    const [first, second] = [
      { topic: 'in', partition: 0 },
      { topic: 'in', partition: 1 },
    ]
    await participant.append(first, 3)
    const producer = await participant.transactional('committer')
    for (let round = 0; round < 6; round += 1) {
      await participant.join('members')
      await participant.commitOffset('members', first, 10 * round + 1)
      await participant.commitOffset('loners', second, round + 1)
      await producer.sendOffset('members', second, 100 * round + 1)
      await producer.send(first)
      await (round % 3 === 1 ? producer.abort() : producer.commit())
      await participant.commitOffset('doomed', first, round + 1)
      await producer.sendOffset('doomed', second, round + 1)
      await producer.commit()
      if (round % 2 === 1) await participant.deleteGroup('doomed')
    }
  },
}
