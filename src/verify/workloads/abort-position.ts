/**
 * Where a consumer goes on after a transaction in which its records were used was aborted: at the next record, not back at those it
 * had read. The client promises to leave positions alone; going back is the application's, by `seek` or a new consumer.
 *
 * A reader of its own partitions that went back would read twice (A14), one that lost its place would leave records out (A15). One in
 * a group that begins anew must begin at what was committed last, never at offsets of what was aborted (A21).
 */
import type { PartitionName } from '../history/tables.ts'
import { chance } from './dice.ts'
import { feeder } from './feeder.ts'
import { participating } from './participant.ts'
import { allPartitions, endsOf } from './partitions.ts'
import { settleMs } from './queue.ts'
import { ReaderSlot, WriterSlot } from './takeover.ts'
import { watch } from './watch.ts'
import type { PlanOptions, Role, Workload } from './workload.ts'

const PARTITIONS = 2
const ABORT_SHARE = 0.5
const RENEW_SHARE = 0.1
const POLL_TIMEOUT_MS = 100
const RECORDS_MAX = 10

export const abortPosition: Workload = {
  name: 'abort-position',
  summary: 'whether consumers go on where they were after a transaction was aborted, as documented',
  plan(options) {
    const { run, replicationFactor } = options
    const input = { topic: `${run}-position-input`, partitions: PARTITIONS, replicationFactor }
    const output = { topic: `${run}-position-output`, partitions: PARTITIONS, replicationFactor }
    return {
      topics: [input, output],
      expectations: { settleMs: settleMs(options) },
      roles: [
        feeder(options, allPartitions([input])),
        aborter(options, allPartitions([input]), output.topic),
        watch(options, allPartitions([input, output])),
      ],
    }
  },
}

function aborter(plan: PlanOptions, input: readonly PartitionName[], output: string): Role {
  return {
    name: 'aborter',
    count: 2,
    run: (worker) =>
      participating(worker, plan, async (me) => {
        const { random } = worker.runtime
        const isInGroup = worker.index % 2 === 1
        const writers = new WriterSlot(me, { transactionalId: `${plan.run}-aborter-${worker.index}` })
        // The group keeps its offsets only: nobody else takes its partitions.
        const group = `${plan.run}-aborter-${worker.index}`
        const readers = new ReaderSlot(me, isInGroup ? { group, partitions: input } : { partitions: input })
        for (;;) {
          const current = await writers.get()
          if (current === undefined) break
          const reader = await readers.get()
          await current.writer.transaction(async (tx) => {
            const use = { writer: tx.writer, transaction: tx.number }
            const read = await reader.poll({ timeoutMs: POLL_TIMEOUT_MS, maxRecords: RECORDS_MAX }, use)
            for (const { partition } of read) await tx.send({ topic: output, partition })
            if (isInGroup && read.length > 0) await tx.sendOffsets(reader, endsOf(read))
            return chance(random, ABORT_SHARE) ? 'abort' : 'commit'
          })
          if (!isInGroup || !chance(random, RENEW_SHARE)) continue
          await reader.committed(input)
          await readers.renew()
        }
        await readers.close()
      }),
  }
}
