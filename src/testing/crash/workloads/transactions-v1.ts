/** Transactions of version 1, as most clients of today speak it: partitions are added first, one epoch for many transactions. */
import type { CrashWorkload } from '../live-run.ts'

export const transactionsV1: CrashWorkload = {
  name: 'transactions-v1',
  summary: 'version 1: partitions added first, offsets added first, one epoch for many transactions',
  async run({ participant }) {
    await participant.createTopic('in')
    await participant.createTopic('out', 2)
    const old = await participant.transactional('old', { version: 1 })
    const modern = await participant.transactional('modern')
    for (let round = 0; round < 10; round += 1) {
      await old.send({ topic: 'out', partition: round % 2 }, 2)
      if (round % 3 === 0) await old.send({ topic: 'out', partition: (round + 1) % 2 })
      if (round % 2 === 0) await old.sendOffset('copying', { topic: 'in', partition: 0 }, round + 1)
      await modern.send({ topic: 'out', partition: 0 })
      await (round % 4 === 3 ? old.abort() : old.commit())
      if (round % 3 === 2) await modern.commit()
    }
    await old.send({ topic: 'out', partition: 1 })
  },
}
