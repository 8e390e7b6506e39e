/**
 * A broker in a process of its own, as a reader of the README starts it: waits until it is ready, stops it cleanly.
 *
 * It gets a process group, because `npx` puts a shell between itself and the broker that does not pass signals on: a
 * terminal signals the whole group, and so does `signalGroup`.
 */
import { spawn } from 'node:child_process'

const READY_PATTERN = /^.*\bready on (\S+):(\d+)\b.*$/m
/** Generous, for machines that are busy with other things. */
const READY_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 20_000

export interface BrokerProcess {
  readonly host: string
  readonly port: number
  readonly readyLine: string
  /** From the start of the process to its ready line. */
  readonly readyMs: number
  /**
   * Sends SIGTERM and waits. @throws Error when it does not end in time or, unless the group is signalled, not with exit code 0
   * @param options.signalGroup  signals the program and all it has started, as a terminal does
   */
  stop(options?: { signalGroup?: boolean }): Promise<void>
}

/** @throws Error with what the process printed when it ends before it is ready */
export async function startBrokerProcess(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<BrokerProcess> {
  const startedMs = performance.now()
  const command = [program, ...args].join(' ')
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  let hasEnded = false
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(code === null ? `signal ${signal}` : `exit code ${code}`))
  }).finally(() => {
    hasEnded = true
  })
  const ready = new Promise<RegExpExecArray>((resolve) => {
    const take = (chunk: string): void => {
      output += chunk
      const match = READY_PATTERN.exec(output)
      if (match !== null) resolve(match)
    }
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
  })
  // A script that is interrupted leaves no broker behind.
  const killNow = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      // Nobody of the group is left.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
    child.stdout.destroy()
    child.stderr.destroy()
  }
  process.once('exit', killNow)
  const outcome = await Promise.race([ready, ended, after(READY_TIMEOUT_MS, `not ready in ${READY_TIMEOUT_MS} ms`)])
  if (typeof outcome === 'string') {
    killNow()
    throw new Error(`${command}: ${outcome}\n${output}`)
  }
  const readyMs = performance.now() - startedMs
  return {
    host: outcome[1] ?? '',
    port: Number(outcome[2]),
    readyLine: outcome[0],
    readyMs,
    async stop({ signalGroup = false } = {}) {
      if (hasEnded || child.pid === undefined)
        throw new Error(`${command}: ended by itself (${await ended})\n${output}`)
      process.kill(signalGroup ? -child.pid : child.pid, 'SIGTERM')
      const end = await Promise.race([
        ended,
        after(STOP_TIMEOUT_MS, `still running ${STOP_TIMEOUT_MS} ms after SIGTERM`),
      ])
      process.off('exit', killNow)
      // npx itself dies of the signal that it shares with the group.
      if (end === 'exit code 0' || (signalGroup && (end === 'signal SIGTERM' || end === 'exit code 143'))) return
      killNow()
      throw new Error(`${command}: ${end}\n${output}`)
    },
  }
}

function after(delayMs: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs, text).unref()
  })
}
