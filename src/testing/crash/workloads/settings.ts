/** Settings of topics and of the broker, and the transaction version, changed between and within transactions. */
import type { CrashWorkload } from '../live-run.ts'

const VERSION = 'feature transaction.version'

export const settings: CrashWorkload = {
  name: 'settings',
  summary: 'options of topics and of the broker, and transaction.version changed while transactions are open',
  async run({ participant }) {
    await participant.createTopic('out', 1, { 'max.message.bytes': '100000' })
    const place = { topic: 'out', partition: 0 }
    for (let round = 0; round < 5; round += 1) {
      await participant.set('topic out retention.ms', String(1_000_000_000 + round))
      await participant.set('broker log.retention.bytes', String(1_000_000_000 + round))
      const version = round % 2 === 0 ? 1 : 2
      const producer = await participant.transactional('switching', { version })
      await producer.send(place)
      await participant.set(VERSION, String(version))
      await producer.send(place)
      await (round % 3 === 1 ? producer.abort() : producer.commit())
      await participant.append(place, 1, 3000)
    }
  },
}
