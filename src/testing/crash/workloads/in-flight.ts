/** Five requests of each producer on their way at once, for ever. */
import type { CrashWorkload } from '../live-run.ts'

export const inFlight: CrashWorkload = {
  name: 'in-flight',
  summary: 'producers with five requests in flight: all are sent once more after the crash, and the sixth',
  async run({ participant }) {
    await participant.createTopic('out', 2)
    const producers = await Promise.all([participant.producer(), participant.producer(), participant.producer()])
    for (let round = 0; round < 8; round += 1) {
      await Promise.all(
        producers.map((producer, index) => producer.sendAtOnce({ topic: 'out', partition: index % 2 }, 5)),
      )
      if (round % 3 === 2) {
        await participant.append({ topic: 'out', partition: 0 }, 1, 30_000)
        await participant.pause(600)
      }
    }
  },
}
