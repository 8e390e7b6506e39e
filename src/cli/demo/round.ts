/**
 * One round of the demonstration: the same orders and the same faults, with one guarantee. Starts the workers, breaks things on a
 * schedule, waits until all is processed, reads back what there is, and judges it.
 */
import type { Clock } from '../../base/runtime.ts'
import { type Admin, type Kafka, serdes, topic } from '../../client/index.ts'
import type { WorkerTask } from '../commands/demo-worker.ts'
import type { Order } from './orders.ts'
import { type BrokerProcess, type Children, WorkerProcess } from './processes.ts'
import { Judge, type LedgerResult, type LineResult, TOPICS, type Verdict } from './results.ts'
import type { View } from './view.ts'

export interface RoundSettings {
  readonly guarantee: 'exactly_once' | 'at_least_once'
  readonly prefix: string
  readonly orders: readonly Order[]
  readonly maxRecords: number
  readonly workMs: number
  readonly faults: readonly Fault[]
  /** A round that takes longer has failed. */
  readonly limitMs: number
}

export interface Fault {
  readonly atMs: number
  readonly kind: 'kill-worker' | 'kill-broker' | 'pause-worker'
  /** Which worker. */
  readonly worker: number
  /** How long it is paused. */
  readonly forMs?: number
}

export interface RoundResult {
  readonly guarantee: RoundSettings['guarantee']
  readonly verdict: Verdict
  readonly workersKilled: number
  readonly brokersKilled: number
  readonly zombies: number
  /** Records that a read_uncommitted consumer finds beyond the committed ones: attempts that were aborted. */
  readonly aborted: number
  readonly seconds: number
}

export const WORKERS = 2
const SESSION_TIMEOUT_MS = 1_500
const TRANSACTION_TIMEOUT_MS = 3_000
const POLL_MS = 250
/** After the last order: what is paused or was just killed settles. */
const SETTLE_MS = 500

export class Round {
  readonly #settings: RoundSettings
  readonly #children: Children
  readonly #clock: Clock
  readonly #broker: BrokerProcess
  readonly #kafka: Kafka
  readonly #admin: Admin
  readonly #view: View
  readonly #workers: WorkerProcess[] = []
  readonly #startedMs: number
  readonly #groupId: string
  #committed = 0
  #workersKilled = 0
  #brokersKilled = 0
  #zombies = 0
  #isOver = false
  #brokerWork: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  constructor(
    settings: RoundSettings,
    parts: {
      readonly children: Children
      readonly clock: Clock
      readonly broker: BrokerProcess
      readonly kafka: Kafka
      readonly view: View
    },
  ) {
    this.#settings = settings
    this.#children = parts.children
    this.#clock = parts.clock
    this.#broker = parts.broker
    this.#kafka = parts.kafka
    this.#view = parts.view
    this.#admin = parts.kafka.admin({ timeoutMs: 20_000 })
    this.#startedMs = this.#clock.monotonicMs()
    this.#groupId = `${settings.prefix}enrichment`
  }

  /** Rejects when the round does not come to an end. */
  async run(): Promise<RoundResult> {
    const { guarantee, orders, limitMs } = this.#settings
    for (let index = 0; index < WORKERS; index += 1) this.#workers.push(this.#startWorker(index))
    this.#view.follow(() => ({
      title: guarantee,
      done: this.#committed,
      total: orders.length,
      unit: 'orders',
      perSecond: this.#committed / Math.max(0.1, this.#seconds),
      notes: [
        `killed: ${this.#workersKilled} workers, ${this.#brokersKilled} brokers; paused into zombies: ${this.#zombies}`,
      ],
    }))
    const faults = this.#breakThings()
    try {
      while (!(await this.#isDone())) {
        if (this.#failure !== undefined) throw this.#failure
        if (this.#elapsedMs > limitMs)
          throw new Error(`${this.#committed} of ${orders.length} orders are done after ${limitMs} ms`)
        await this.#sleep(POLL_MS)
      }
      const seconds = this.#seconds
      this.#isOver = true
      await faults
      await this.#brokerWork
      await this.#sleep(SETTLE_MS)
      await Promise.all(this.#workers.map((worker) => worker.stop()))
      this.#view.stopFollowing()
      const { verdict, aborted } = await this.#judge()
      return {
        guarantee,
        verdict,
        aborted,
        workersKilled: this.#workersKilled,
        brokersKilled: this.#brokersKilled,
        zombies: this.#zombies,
        seconds,
      }
    } finally {
      this.#isOver = true
      this.#view.stopFollowing()
      await Promise.all(this.#workers.map((worker) => worker.kill()))
      await this.#admin.close()
    }
  }

  get #elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs
  }

  get #seconds(): number {
    return this.#elapsedMs / 1_000
  }

  #startWorker(index: number): WorkerProcess {
    const { guarantee, prefix, maxRecords, workMs } = this.#settings
    const task: WorkerTask = {
      bootstrap: this.#broker.bootstrap,
      groupId: this.#groupId,
      guarantee,
      prefix,
      maxRecords,
      workMs,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
    }
    return new WorkerProcess(this.#children, this.#clock, task, {
      onProgress: () => undefined,
      onNews: (text) => this.#view.event(`worker ${index + 1}: ${text}`),
    })
  }

  async #breakThings(): Promise<void> {
    try {
      for (const fault of this.#settings.faults) {
        while (!this.#isOver && this.#elapsedMs < fault.atMs) await this.#sleep(20)
        if (this.#isOver) return
        await this.#inject(fault)
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }

  async #inject({ kind, worker: index, forMs = 0 }: Fault): Promise<void> {
    const worker = this.#workers[index] as WorkerProcess
    switch (kind) {
      case 'kill-worker':
        if (worker.isPaused) return
        await worker.kill()
        this.#workersKilled += 1
        this.#view.event(`kill -9 worker ${index + 1}; another one takes its place`)
        this.#workers[index] = this.#startWorker(index)
        return
      case 'kill-broker':
        await this.#broker.kill()
        this.#brokersKilled += 1
        this.#view.event('kill -9 the broker; it starts again on what is on disk')
        this.#brokerWork = this.#broker.start()
        await this.#brokerWork
        return
      case 'pause-worker':
        worker.pause()
        this.#zombies += 1
        this.#view.event(
          `worker ${index + 1} is paused for ${forMs / 1_000} s, in the middle of what it does: the others take over`,
        )
        this.#clock.setTimer(
          forMs,
          () => {
            if (worker.hasEnded) return
            worker.resume()
            this.#view.event(`worker ${index + 1} is back, a zombie: it believes that the work is still its own`)
          },
          { keepsProcessAlive: true },
        )
        return
    }
  }

  /** All orders are committed, and nobody stands still any more. */
  async #isDone(): Promise<boolean> {
    try {
      const lags = await this.#admin.groupLag(this.#groupId)
      this.#committed = lags.reduce(
        (sum, { committed, logStartOffset }) => sum + (committed ?? logStartOffset) - logStartOffset,
        0,
      )
    } catch (error) {
      // The broker is being killed; a round that never gets further has a limit.
      if (this.#isOver) throw error
      return false
    }
    if (this.#committed < this.#settings.orders.length) return false
    return this.#workers.every(({ isPaused }) => !isPaused)
  }

  async #judge(): Promise<{ readonly verdict: Verdict; readonly aborted: number }> {
    const judge = new Judge(this.#settings.orders)
    const { prefix } = this.#settings
    const lines = topic(`${prefix}${TOPICS.lines}`, { value: serdes.json<LineResult>() })
    const ledger = topic(`${prefix}${TOPICS.ledger}`, { value: serdes.json<LedgerResult>() })
    await this.#readAll(lines, 'read_committed', (line) => judge.addLine(line))
    await this.#readAll(ledger, 'read_committed', (entry) => judge.addLedger(entry))
    let all = 0
    const count = (): void => {
      all += 1
    }
    await this.#readAll(lines, 'read_uncommitted', count)
    await this.#readAll(ledger, 'read_uncommitted', count)
    return { verdict: judge.verdict(), aborted: all - judge.stored }
  }

  async #readAll<V>(
    from: ReturnType<typeof topic<never, V>>,
    isolationLevel: 'read_committed' | 'read_uncommitted',
    take: (value: V) => void,
  ): Promise<void> {
    const ends = await this.#ends(from.name)
    const consumer = this.#kafka.consumer({ topics: [from], isolationLevel, maxPollRecords: 5_000 })
    try {
      // Ends are those of all records: a transaction that is still open would hold a read_committed reader back, and show as loss.
      const isAtEnd = (): boolean =>
        ends.every(({ partition, offset }) => (consumer.position({ topic: from.name, partition }) ?? 0) >= offset)
      for (
        const deadlineMs = this.#clock.monotonicMs() + READ_LIMIT_MS;
        !isAtEnd() && this.#clock.monotonicMs() < deadlineMs;
      ) {
        for (const { value } of await consumer.poll({ timeoutMs: 200 })) if (value !== null) take(value as V)
      }
    } finally {
      await consumer.close()
    }
  }

  async #ends(name: string): Promise<readonly { readonly partition: number; readonly offset: number }[]> {
    const [description] = await this.#admin.describeTopics([name])
    const partitions = (description?.layout ?? []).map(({ partition }) => ({
      topic: name,
      partition,
      at: 'latest' as const,
    }))
    const offsets = await this.#admin.listOffsets(partitions, { isolationLevel: 'read_uncommitted' })
    return offsets.map(({ partition, offset = 0 }) => ({ partition, offset }))
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(ms, resolve, { keepsProcessAlive: true }))
  }
}

const READ_LIMIT_MS = 60_000
