/** Idempotent and plain appends of all sizes: segments roll, tails are drained, checkpoints are taken and the journal is cut. */
import type { CrashWorkload } from '../live-run.ts'

const KIB = 1024

export const plainAppends: CrashWorkload = {
  name: 'plain-appends',
  summary: 'idempotent and plain appends over rolls, drains, checkpoints and journal files',
  async run({ participant }) {
    await participant.createTopic('small', 2)
    await participant.createTopic('large')
    const producer = await participant.producer()
    for (let round = 0; round < 12; round += 1) {
      await producer.send({ topic: 'small', partition: round % 2 }, 1 + (round % 3), 200 * (round % 4))
      await Promise.all([
        producer.send({ topic: 'large', partition: 0 }, 2, 3 * KIB),
        participant.append({ topic: 'small', partition: 1 }, 2, 700),
        participant.append({ topic: 'large', partition: 0 }, 1, 9 * KIB),
      ])
      if (round % 4 === 3) await participant.pause(600)
    }
  },
}
