/** Transactions over all partitions of two topics, so that their markers are one large frame. */
import type { CrashWorkload } from '../live-run.ts'

const PARTITIONS = 12

export const wideTransactions: CrashWorkload = {
  name: 'wide-transactions',
  summary: 'transactions over two dozen partitions and several groups at once',
  async run({ participant }) {
    await participant.createTopic('left', PARTITIONS)
    await participant.createTopic('right', PARTITIONS)
    const producer = await participant.transactional('wide')
    const all = ['left', 'right'].flatMap((topic) =>
      Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })),
    )
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(all.map((place) => producer.send(place, 1, 40 * round)))
      for (const group of ['a', 'b', 'c']) await producer.sendOffset(group, { topic: 'left', partition: 0 }, round + 1)
      await (round % 3 === 1 ? producer.abort() : producer.commit())
      if (round % 2 === 0) await participant.pause(600)
    }
    await Promise.all(all.slice(5, 15).map((place) => producer.send(place)))
  },
}
