/** A broker that is stopped, killed and started again in the midst of transactions, again and again. */
import type { CrashWorkload } from '../live-run.ts'

export const restarts: CrashWorkload = {
  name: 'restarts',
  summary: 'clean stops and kills with starts after them, transactions open over each',
  async run(stage) {
    await stage.participant.createTopic('out', 2)
    for (let life = 0; life < 5; life += 1) {
      const { participant } = stage
      const producer = await participant.producer()
      const transactional = await participant.transactional(`life-${life % 2}`)
      for (let round = 0; round < 3; round += 1) {
        await producer.send({ topic: 'out', partition: 0 }, 1, 500)
        await transactional.send({ topic: 'out', partition: 1 }, 2, 900)
        await transactional.send({ topic: 'out', partition: 0 })
        await transactional.sendOffset('group', { topic: 'out', partition: 0 }, 10 * life + round)
        if (round < 2) await (round === 1 ? transactional.abort() : transactional.commit())
      }
      await participant.commitOffset('plain', { topic: 'out', partition: 1 }, life + 1)
      await stage.restart(life % 2 === 0 ? 'stop' : 'kill')
    }
  },
}
