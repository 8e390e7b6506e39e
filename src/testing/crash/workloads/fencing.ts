/** Transactions that nobody ends in time, and producers that are replaced while theirs are open. */
import type { CrashWorkload } from '../live-run.ts'

export const fencing: CrashWorkload = {
  name: 'fencing',
  summary: 'timeouts, and producers that are replaced while their transactions are open',
  properties: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000' },
  async run({ participant }) {
    await participant.createTopic('out', 2)
    const place = { topic: 'out', partition: 0 }
    const other = { topic: 'out', partition: 1 }
    for (let round = 0; round < 4; round += 1) {
      const version = round % 2 === 0 ? 2 : 1
      const zombie = await participant.transactional('replaced', { version })
      await zombie.send(place, 2)
      await zombie.send(other)
      const successor = await participant.transactional('replaced', { version })
      // All of these are too late.
      await zombie.send(place)
      await zombie.commit()
      await successor.send(place)
      await successor.commit()

      const slow = await participant.transactional('slow', { version, timeoutMs: 2000 })
      await slow.send(other)
      await slow.sendOffset('slow-group', place, round + 1)
      await participant.pause(4500)
      await slow.commit()
      await slow.renew()
      await slow.send(other)
      await slow.commit()
    }
  },
}
