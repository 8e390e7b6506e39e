/**
 * One JVM for the whole run that calls main methods one after the other: Kafka's command-line classes, and the commands
 * of the Java peer that only prepare or verify. Starting a JVM for each would take most of the run.
 */
import { javaCommand } from './clients.ts'
import { Program, sleep } from './programs.ts'

/** The longest call reads back the whole of the main job. */
const CALL_TIMEOUT_MS = 180_000

class JavaHost {
  #program: Program | undefined
  #answers = 0

  async call(mainClass: string, args: readonly string[]): Promise<{ exit: number; out: string; err: string }> {
    const program = this.#running()
    program.write(`${JSON.stringify([mainClass, ...args])}\n`)
    this.#answers++
    const deadlineMs = Date.now() + CALL_TIMEOUT_MS
    while (program.lines.length < this.#answers) {
      if (program.exitCode !== undefined)
        throw new Error(
          `the JVM of the tools ended with ${program.exitCode} in ${mainClass}\n${program.tail.join('\n')}`,
        )
      if (Date.now() > deadlineMs) {
        await this.stop()
        throw new Error(`${mainClass} took longer than ${CALL_TIMEOUT_MS} ms\n${program.tail.join('\n')}`)
      }
      await sleep(10)
    }
    return program.lines[this.#answers - 1] as unknown as { exit: number; out: string; err: string }
  }

  async stop(): Promise<void> {
    await this.#program?.kill()
    this.#program = undefined
  }

  #running(): Program {
    if (this.#program === undefined || this.#program.exitCode !== undefined) {
      this.#program = new Program({ name: 'java host', command: [...javaCommand('semel.interop.Main'), 'tools'] })
      this.#answers = 0
    }
    return this.#program
  }
}

export const javaHost = new JavaHost()
