/** A broker in a process of its own, as a reader of the README starts it: waits until it is ready, stops it cleanly. */
import { spawn } from 'node:child_process'

const READY_PATTERN = /\bready on (\S+):(\d+)\b.*$/m
/** Generous, for machines that are busy with other things. */
const READY_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 20_000

export interface BrokerProcess {
  readonly host: string
  readonly port: number
  readonly readyLine: string
  /** From the start of the process to its ready line. */
  readonly readyMs: number
  /** Sends SIGTERM and waits. @throws Error when it does not end in time or not with exit code 0 */
  stop(): Promise<void>
}

/** @throws Error with what the process printed when it ends before it is ready */
export async function startBrokerProcess(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<BrokerProcess> {
  const startedMs = performance.now()
  const command = [program, ...args].join(' ')
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
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
  const killNow = (): void => void child.kill('SIGKILL')
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
    async stop() {
      if (hasEnded) throw new Error(`${command}: ended by itself (${await ended})\n${output}`)
      child.kill('SIGTERM')
      const end = await Promise.race([
        ended,
        after(STOP_TIMEOUT_MS, `still running ${STOP_TIMEOUT_MS} ms after SIGTERM`),
      ])
      process.off('exit', killNow)
      if (end === 'exit code 0') return
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
