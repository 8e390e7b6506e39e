/** Transactions of version 2 over several partitions with offsets inside, some aborted, one left open. */
import type { CrashWorkload } from '../live-run.ts'

export const transactionsV2: CrashWorkload = {
  name: 'transactions-v2',
  summary: 'version 2 over several partitions with offsets inside, some aborted, one left open',
  async run({ participant }) {
    await participant.createTopic('in')
    await participant.createTopic('out', 3)
    const transfers = await participant.transactional('transfers')
    const audits = await participant.transactional('audits')
    await participant.append({ topic: 'in', partition: 0 }, 5)
    for (let round = 0; round < 9; round += 1) {
      await Promise.all([
        transfers.send({ topic: 'out', partition: round % 3 }, 2),
        transfers.send({ topic: 'out', partition: (round + 1) % 3 }),
        audits.send({ topic: 'out', partition: 2 }, 1, 300),
      ])
      if (round % 4 !== 2) await transfers.sendOffset('transferring', { topic: 'in', partition: 0 }, round + 1)
      await (round % 3 === 2 ? transfers.abort() : transfers.commit())
      if (round % 2 === 1) await (round % 4 === 1 ? audits.commit() : audits.abort())
    }
    await transfers.send({ topic: 'out', partition: 0 })
    await transfers.sendOffset('transferring', { topic: 'in', partition: 0 }, 99)
  },
}
