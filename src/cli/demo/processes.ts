/**
 * The processes of the demonstration: one broker and some workers, started, killed, paused and started again. Every one of them is a
 * child of this process and is ended with it, however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Clock } from '../../base/runtime.ts'
import type { WorkerMessage, WorkerTask } from '../commands/demo-worker.ts'

const READY_PATTERN = /\bready on (\S+):(\d+)\b/
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000
const TAIL_LINES = 20

/** This very program, whatever it was started as. */
function program(): readonly string[] {
  return [...process.execArgv, process.argv[1] as string]
}

export class Children {
  readonly #children = new Set<ChildProcess>()

  constructor() {
    process.once('exit', () => this.killAll())
  }

  spawn(args: readonly string[], options: { readonly withMessages: boolean }): ChildProcess {
    const child = spawn(process.execPath, [...program(), ...args], {
      stdio: options.withMessages ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

export class BrokerProcess {
  readonly #children: Children
  readonly #clock: Clock
  readonly #dataDir: string
  #child: ChildProcess | undefined
  #port = 0
  #tail: string[] = []

  constructor(children: Children, clock: Clock, dataDir: string) {
    this.#children = children
    this.#clock = clock
    this.#dataDir = dataDir
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** On the same port and data as before. Rejects with what it printed when it does not get ready. */
  async start(): Promise<void> {
    const settings = {
      'group.initial.rebalance.delay.ms': '0',
      'group.min.session.timeout.ms': '1000',
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
    }
    const extra = Object.entries(settings).flatMap(([key, value]) => ['-X', `${key}=${value}`])
    const args = ['start', '--data', this.#dataDir, '--port', String(this.#port), '--log-level', 'warn', ...extra]
    const child = this.#children.spawn(args, { withMessages: false })
    this.#child = child
    const ready = Promise.withResolvers<void>()
    let output = ''
    const take = (text: string): void => {
      this.#tail = [...this.#tail, ...text.trimEnd().split('\n')].slice(-TAIL_LINES)
      output += text
      const match = READY_PATTERN.exec(output)
      if (match === null) return
      this.#port = Number(match[2])
      ready.resolve()
    }
    child.stdout?.setEncoding('utf8').on('data', take)
    child.stderr?.setEncoding('utf8').on('data', take)
    child.once('exit', (code, signal) => {
      ready.reject(new Error(`the broker ended (${signal ?? code}) before it was ready:\n${this.#tail.join('\n')}`))
    })
    const timer = this.#clock.setTimer(START_TIMEOUT_MS, () =>
      ready.reject(new Error(`the broker was not ready within ${START_TIMEOUT_MS} ms`)),
    )
    await ready.promise.finally(() => timer.cancel())
  }

  /** SIGKILL, as when the power goes or the operating system runs out of memory. */
  async kill(): Promise<void> {
    await end(this.#child, 'SIGKILL')
  }

  async stop(): Promise<void> {
    await end(this.#child, 'SIGTERM', this.#clock)
  }
}

export interface WorkerEvents {
  readonly onProgress: (orders: number) => void
  readonly onNews: (text: string) => void
}

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #clock: Clock
  #orders = 0
  isPaused = false

  constructor(children: Children, clock: Clock, task: WorkerTask, events: WorkerEvents) {
    this.#clock = clock
    this.#child = children.spawn(['demo-worker', JSON.stringify(task)], { withMessages: true })
    this.#child.stdout?.resume()
    let tail = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      tail = `${tail}${text}`.slice(-2_000)
    })
    this.#child.on('message', (message: WorkerMessage) => {
      if (message.kind === 'progress') {
        events.onProgress(message.orders - this.#orders)
        this.#orders = message.orders
      } else if (message.kind === 'news') events.onNews(message.text)
    })
    this.#child.once('exit', (code, signal) => {
      if (signal === null && code !== 0) events.onNews(`a worker ended with exit code ${code}: ${tail.trim()}`)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async kill(): Promise<void> {
    await end(this.#child, 'SIGKILL')
  }

  /** Stands still, holding all it has: connections, membership, a transaction. */
  pause(): void {
    this.isPaused = true
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.isPaused = false
    this.#child.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    if (this.isPaused) this.resume()
    await end(this.#child, 'SIGTERM', this.#clock)
  }
}

async function end(child: ChildProcess | undefined, signal: 'SIGKILL' | 'SIGTERM', clock?: Clock): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  // One that does not listen is not waited for.
  const timer = clock?.setTimer(STOP_TIMEOUT_MS, () => void child.kill('SIGKILL'))
  await exited
  timer?.cancel()
}
