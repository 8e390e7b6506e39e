/** More producer ids than a block of them holds, and epochs that come to their end. */
import type { CrashWorkload } from '../live-run.ts'

/** Of a block of producer ids. */
const BLOCK = 1000
const AT_ONCE = 50

export const producerIds: CrashWorkload = {
  name: 'producer-ids',
  summary: 'producer ids over the border of a block, many transactional ids, epochs that grow fast',
  async run({ participant }) {
    await participant.createTopic('out')
    const place = { topic: 'out', partition: 0 }
    for (let given = 0; given < BLOCK - 2 * AT_ONCE; given += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, () => participant.init(undefined)))
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => participant.init(undefined)))
      const producer = await participant.producer()
      await producer.send(place)
      const transactional = await participant.transactional(`id-${round % 5}`)
      await transactional.send(place)
      await transactional.commit()
      await transactional.renew()
    }
  },
}
