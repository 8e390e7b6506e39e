/** `semel start` under strace, which kills it or fails a call at one system call of its life; started again without. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, HOST, OwnBroker, TEST_SETTINGS } from '../runner/brokers.ts'

/** What the storage of the broker asks the system for, and `write`, with which its threads wake each other. */
export const SYSCALLS = ['fdatasync', 'pwrite64', 'pwritev', 'write', 'rename', 'ftruncate', 'fsync'] as const
export type Syscall = (typeof SYSCALLS)[number]

export interface SyscallFault {
  readonly syscall: Syscall
  /** `kill`: SIGKILL as the call begins. `EIO`: the call does nothing and fails. */
  readonly action: 'kill' | 'EIO'
  /** Of such calls of one thread, from 1. */
  readonly nth: number
}

export function describeFault({ syscall, action, nth }: SyscallFault): string {
  return `${action === 'kill' ? 'SIGKILL' : 'EIO'} at ${syscall} ${nth}`
}

const SETTINGS = {
  ...TEST_SETTINGS,
  'group.min.session.timeout.ms': '500',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
}

export class TracedBroker extends OwnBroker {
  readonly kind = 'semel'
  readonly dataDirectory: string
  readonly #traceFile: string
  /** From the next start on. */
  fault: SyscallFault | undefined

  private constructor(port: number) {
    super(port)
    this.dataDirectory = join(this.directory, 'data')
    this.#traceFile = join(this.directory, 'trace')
  }

  static async make(): Promise<TracedBroker> {
    return new TracedBroker(await freePort())
  }

  /** Whether the life under strace came to the call. */
  get isFaultReached(): boolean {
    return existsSync(this.#traceFile) && /INJECTED|killed by SIGKILL/.test(readFileSync(this.#traceFile, 'utf8'))
  }

  protected command(): readonly string[] {
    const settings = Object.entries(SETTINGS).flatMap(([key, value]) => ['-X', `${key}=${value}`])
    return [
      ...this.#tracer(),
      ...[process.execPath, 'src/cli/main.ts', 'start', '--data', this.dataDirectory],
      ...['--host', HOST, '--port', String(this.port), ...settings],
    ]
  }

  #tracer(): readonly string[] {
    if (this.fault === undefined) return []
    const { syscall, action, nth } = this.fault
    const what = action === 'kill' ? 'signal=SIGKILL' : 'error=EIO'
    // Calls are counted for each thread, so there has to be one thread that makes them.
    return [
      ...['env', 'UV_THREADPOOL_SIZE=1', 'strace', '-f', '-o', this.#traceFile],
      ...['-e', `trace=${syscall}`, '-e', `inject=${syscall}:${what}:when=${nth}`],
    ]
  }
}
