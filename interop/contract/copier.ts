/**
 * A process with one pipeline that copies a topic, for the cases that kill processes:
 *
 *   node interop/contract/copier.ts '{"brokers":[…],"groupId":…,"from":…,"to":…,"guarantee":…,"workMs":…}'
 *
 * Prints {"ready":true} once, {"processed":N} as it goes, {"error":…} when it cannot go on.
 */
import { Kafka } from '../../src/client/index.ts'
import { sleep } from '../runner/programs.ts'

export interface CopierTask {
  readonly brokers: readonly string[]
  readonly groupId: string
  readonly from: string
  readonly to: string
  readonly guarantee: 'exactly_once' | 'at_least_once'
  readonly workers: number
  readonly workMs: number
  readonly maxRecords: number
}

const task = JSON.parse(process.argv[2] ?? '{}') as CopierTask
const say = (line: object): void => console.log(JSON.stringify(line))
const kafka = new Kafka({ brokers: task.brokers, clientId: 'copier', requestTimeoutMs: 10_000 })
let processed = 0
const pipeline = kafka.pipeline({
  groupId: task.groupId,
  from: task.from,
  guarantee: task.guarantee,
  workers: task.workers,
  transactionTimeoutMs: 10_000,
  batch: { maxRecords: task.maxRecords },
  retry: { producerRestartsMax: 100 },
  consumer: { sessionTimeoutMs: 4_000, heartbeatIntervalMs: 700, maxPollIntervalMs: 20_000 },
  async process(records, output) {
    for (const { key, value, partition } of records) await output.send(task.to, { key, value, partition })
    await sleep(task.workMs)
    processed += records.length
    say({ processed })
  },
})
process.on('SIGTERM', () => void pipeline.stop({ deadlineMs: 10_000 }))
say({ ready: true })
try {
  await pipeline.run()
  say({ done: true, stats: pipeline.stats() })
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}
await kafka.close()
