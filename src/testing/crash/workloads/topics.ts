/** Topics that come, grow, are emptied from the front, go, and come again under the same name. */
import type { CrashWorkload } from '../live-run.ts'

export const topics: CrashWorkload = {
  name: 'topics',
  summary: 'topics created, grown, deleted and created again, with records deleted from the front and offsets for them',
  async run({ participant }) {
    await participant.createTopic('stays', 1)
    for (let round = 0; round < 5; round += 1) {
      await participant.createTopic('churn', 1 + (round % 3))
      const place = { topic: 'churn', partition: 0 }
      const producer = await participant.producer()
      for (let batch = 0; batch < 4; batch += 1) await producer.send(place, 2, 400)
      await participant.commitOffset('readers', place, 5)
      await participant.deleteRecords(place, 3 + round)
      if (round % 2 === 0) await participant.addPartitions('churn', 4)
      await participant.append({ topic: 'churn', partition: round % 3 })
      await participant.append({ topic: 'stays', partition: 0 }, 1, 6000)
      if (round % 2 === 1) await participant.pause(700)
      await participant.deleteRecords({ topic: 'stays', partition: 0 }, round)
      // All there is.
      await participant.deleteRecords(place, round % 3 === 0 ? 9 : 8)
      if (round < 4) await participant.deleteTopic('churn')
    }
  },
}
