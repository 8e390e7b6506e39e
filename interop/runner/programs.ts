/**
 * Child processes of the interop run: starting them in a group of their own, reading their JSON lines, keeping their
 * last log lines, and making sure that none of them outlives the run.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const TAIL_LINES = 30

export type Line = Record<string, unknown>

export interface ProgramOptions {
  name: string
  command: readonly string[]
  cwd?: string
  env?: Record<string, string>
  onLine?: (line: Line) => void
  /** Whether JSON lines are kept in `lines`; true unless given. */
  keepsLines?: boolean
}

const running = new Set<Program>()

/** A started program. Its stdout is JSON lines (others are kept as text), its stderr a log. */
export class Program {
  readonly name: string
  readonly lines: Line[] = []
  readonly text: string[] = []
  readonly tail: string[] = []
  readonly exited: Promise<number>
  readonly #child: ChildProcess
  readonly #waiters = new Set<() => void>()
  exitCode: number | undefined

  constructor(options: ProgramOptions) {
    this.name = options.name
    const [file, ...args] = options.command
    if (file === undefined) throw new Error(`${options.name}: no command`)
    this.#child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that a signal reaches a program that was started through a wrapper.
      detached: true,
    })
    running.add(this)
    this.#child.stdin?.on('error', () => {
      // The program ended before it read its input; its exit code says so.
    })
    if (this.#child.stdout) {
      createInterface({ input: this.#child.stdout }).on('line', (text) => {
        const line = parse(text)
        if (line === undefined) {
          this.text.push(text)
          this.#remember(text)
        } else {
          if (options.keepsLines !== false) this.lines.push(line)
          if ('ok' in line || 'done' in line || 'error' in line) this.#remember(text)
          options.onLine?.(line)
        }
        this.#wake()
      })
    }
    if (this.#child.stderr) createInterface({ input: this.#child.stderr }).on('line', (text) => this.#remember(text))
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#remember(error.message)
        this.#end(127)
        resolve(127)
      })
      this.#child.on('close', (code) => {
        this.#end(code ?? 137)
        resolve(code ?? 137)
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  signal(signal: NodeJS.Signals): void {
    if (this.exitCode !== undefined || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, signal)
    } catch {
      // It ended between the check and the signal: nothing is left to be signalled.
    }
  }

  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  /** The first line that has the field, now or later. */
  async line(field: string, timeoutMs: number): Promise<Line> {
    const deadlineMs = Date.now() + timeoutMs
    while (true) {
      const found = this.lines.find((line) => field in line)
      if (found !== undefined) return found
      if (this.exitCode !== undefined)
        throw new Error(`${this.name} ended with ${this.exitCode} before it said "${field}"`)
      if (Date.now() > deadlineMs) throw new Error(`${this.name} did not say "${field}" within ${timeoutMs} ms`)
      await this.#nextLine(deadlineMs - Date.now() + 1)
    }
  }

  /** The exit code; kills the program and throws when it takes longer. */
  async finish(timeoutMs: number): Promise<number> {
    const timer = setTimeout(() => {
      this.#remember(`killed: still running after ${timeoutMs} ms`)
      this.signal('SIGKILL')
    }, timeoutMs)
    try {
      return await this.exited
    } finally {
      clearTimeout(timer)
    }
  }

  #nextLine(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiters.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, timeoutMs)
      this.#waiters.add(wake)
    })
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter()
  }

  #remember(text: string): void {
    this.tail.push(text)
    if (this.tail.length > TAIL_LINES) this.tail.shift()
  }

  #end(code: number): void {
    this.exitCode = code
    running.delete(this)
    this.#wake()
  }
}

function parse(text: string): Line | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text) as Line
  } catch {
    return undefined
  }
}

/** Runs a program to its end. */
export async function run(options: ProgramOptions & { timeoutMs: number }): Promise<Program> {
  const program = new Program(options)
  await program.finish(options.timeoutMs)
  return program
}

/** Nothing that was started here outlives the run. */
export function killAll(): void {
  for (const program of running) {
    program.signal('SIGCONT')
    program.signal('SIGKILL')
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
