/** Topics that are deleted while transactions over them are open or being ended. */
import type { CrashWorkload } from '../live-run.ts'

export const markersAndDeletion: CrashWorkload = {
  name: 'markers-and-deletion',
  summary: 'a topic deleted under open transactions, at the moment of their end, and created again before it',
  async run({ participant }) {
    await participant.createTopic('kept', 2)
    const producer = await participant.transactional('survivor')
    const kept = { topic: 'kept', partition: 0 }
    for (let round = 0; round < 6; round += 1) {
      await participant.createTopic('doomed', 2)
      await producer.send(kept)
      await producer.send({ topic: 'doomed', partition: 0 }, 2)
      await producer.send({ topic: 'doomed', partition: 1 })
      if (round % 3 === 0) await Promise.all([participant.deleteTopic('doomed'), producer.commit()])
      else if (round % 3 === 1) {
        await participant.deleteTopic('doomed')
        await (round === 1 ? producer.commit() : producer.abort())
      } else {
        await participant.deleteTopic('doomed')
        await participant.createTopic('doomed')
        await participant.append({ topic: 'doomed', partition: 0 })
        await producer.commit()
        await participant.deleteTopic('doomed')
      }
    }
  },
}
