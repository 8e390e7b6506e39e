/** Several clients of all kinds at once, so that everything shares journal frames, flushes and checkpoints. */
import type { CrashWorkload } from '../live-run.ts'

export const mixture: CrashWorkload = {
  name: 'mixture',
  summary: 'plain, idempotent and transactional clients, groups and administration side by side',
  async run({ participant, world }) {
    await participant.createTopic('shared', 3)
    const random = world.random.fork()
    const place = () => ({ topic: 'shared', partition: random.below(3) })
    const plain = async (): Promise<void> => {
      for (let count = 0; count < 12; count += 1)
        await participant.append(place(), 1 + random.below(2), random.below(4000))
    }
    const idempotent = async (): Promise<void> => {
      const producer = await participant.producer()
      for (let count = 0; count < 8; count += 1) await producer.sendAtOnce(place(), 2)
    }
    const transactional = async (name: string, version: 1 | 2): Promise<void> => {
      const producer = await participant.transactional(name, { version })
      for (let count = 0; count < 5; count += 1) {
        await producer.send(place(), 2)
        await producer.send(place())
        await producer.sendOffset(`${name}-group`, { topic: 'shared', partition: 0 }, count + 1)
        await (random.chance(0.3) ? producer.abort() : producer.commit())
      }
    }
    const admin = async (): Promise<void> => {
      for (let count = 0; count < 4; count += 1) {
        await participant.createTopic(`extra-${count}`, 2)
        await participant.set('broker log.retention.bytes', String(2_000_000_000 + count))
        if (count % 2 === 1) await participant.deleteTopic(`extra-${count - 1}`)
        await participant.pause(random.below(40))
      }
    }
    await Promise.all([plain(), idempotent(), transactional('one', 2), transactional('two', 1), admin()])
    await participant.pause(600)
  },
}
