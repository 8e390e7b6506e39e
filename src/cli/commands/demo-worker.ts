/**
 * One worker process of `semel demo`: a pipeline that turns orders into lines and ledger entries. It is killed, paused and
 * started again from outside, and knows nothing of it. Talks to its parent by messages only.
 */
import type { Logger } from '../../base/runtime.ts'
import { Kafka, serdes, topic } from '../../client/index.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import type { Order } from '../demo/orders.ts'
import { enrich, TOPICS } from '../demo/results.ts'

export interface WorkerTask {
  readonly bootstrap: string
  readonly groupId: string
  readonly guarantee: 'exactly_once' | 'at_least_once'
  /** Prefix of the topics of results. */
  readonly prefix: string
  readonly maxRecords: number
  /** Time that each batch takes beside Kafka, as if something else were asked. */
  readonly workMs: number
  readonly sessionTimeoutMs: number
  readonly transactionTimeoutMs: number
}

export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly orders: number }
  | { readonly kind: 'news'; readonly text: string }

/** Runs until it is told to stop by SIGTERM. @returns the exit code */
export async function demoWorker(taskText: string): Promise<number> {
  const task = JSON.parse(taskText) as WorkerTask
  const tell = (message: WorkerMessage): void => {
    if (process.connected === true) process.send?.(message)
  }
  const { clock } = nodeRuntime()
  const news = (text: string, fields?: Readonly<Record<string, unknown>>): void => {
    tell({
      kind: 'news',
      text: fields?.['next'] === undefined ? text : `${text}: ${String(fields['error'])}, so ${String(fields['next'])}`,
    })
  }
  const logger: Logger = { debug: () => undefined, info: () => undefined, warn: news, error: news }
  const kafka = new Kafka({
    brokers: [task.bootstrap],
    clientId: 'semel-demo-worker',
    logger,
    requestTimeoutMs: 10_000,
  })
  const orders = topic(TOPICS.orders, { value: serdes.json<Order>() })
  const lines = topic(`${task.prefix}${TOPICS.lines}`, { value: serdes.json<object>() })
  const ledger = topic(`${task.prefix}${TOPICS.ledger}`, { value: serdes.json<object>() })
  let processed = 0
  const pipeline = kafka.pipeline({
    groupId: task.groupId,
    from: orders,
    guarantee: task.guarantee,
    transactionTimeoutMs: task.transactionTimeoutMs,
    batch: { maxRecords: task.maxRecords },
    retry: { retries: 20, backoffMs: 50, backoffMaxMs: 500, producerRestartsMax: 50 },
    consumer: {
      sessionTimeoutMs: task.sessionTimeoutMs,
      heartbeatIntervalMs: Math.ceil(task.sessionTimeoutMs / 6),
      maxPollIntervalMs: 10_000,
    },
    async process(records, output) {
      for (const { value } of records) {
        if (value === null) continue
        const enriched = enrich(value)
        const key = Buffer.from(value.orderId)
        await output.send(
          lines,
          enriched.lines.map((line) => ({ key, value: line })),
        )
        await output.send(
          ledger,
          enriched.ledger.map((entry) => ({ key, value: entry })),
        )
      }
      await new Promise<void>((resolve) => clock.setTimer(task.workMs, resolve, { keepsProcessAlive: true }))
      processed += records.length
      tell({ kind: 'progress', orders: processed })
    },
  })
  process.on('SIGTERM', () => void pipeline.stop({ deadlineMs: 5_000 }))
  // The parent is gone, however it went: nobody would ever stop us.
  const onOrphaned = (): void => process.exit(1)
  process.on('disconnect', onOrphaned)
  tell({ kind: 'ready' })
  try {
    await pipeline.run()
    return 0
  } catch (error) {
    tell({ kind: 'news', text: `the pipeline ended: ${error instanceof Error ? error.message : String(error)}` })
    return 1
  } finally {
    await kafka.close()
    process.off('disconnect', onOrphaned)
    if (process.connected === true) process.disconnect()
  }
}
