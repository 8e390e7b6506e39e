/** `semel start` as a process of its own, to be killed. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nodeRuntime } from '../../src/runtime/node-runtime.ts'
import { WireClient } from '../../src/testing/wire-client.ts'
import { TestClient } from '../broker/test-broker.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const READY = /^semel \S+ ready on 127\.0\.0\.1:(\d+)/

export interface Exit {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class BrokerProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly exit: Promise<Exit>
  #stdout = ''
  #stderr = ''

  /** @param port  0: a free one */
  constructor(dataDir: string, port = 0, args: readonly string[] = []) {
    this.#child = spawn(process.execPath, [MAIN, 'start', '--data', dataDir, '--port', String(port), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.on('data', (chunk) => (this.#stdout += String(chunk)))
    this.#child.stderr?.on('data', (chunk) => (this.#stderr += String(chunk)))
    this.exit = new Promise((resolve) => {
      this.#child.on('close', (code) => resolve({ code, stdout: this.#stdout, stderr: this.#stderr }))
    })
  }

  get processId(): number {
    return this.#child.pid as number
  }

  /** Resolves with the port once the broker serves; rejects with what it said when it ended before. */
  async ready(): Promise<number> {
    const ended = this.exit.then(({ code, stderr }) => {
      throw new Error(`the broker ended with ${code}: ${stderr}`)
    })
    const started = new Promise<number>((resolve) => {
      const look = (): void => {
        const match = READY.exec(this.#stdout)
        if (match !== null) resolve(Number(match[1]))
      }
      this.#child.stdout?.on('data', look)
      look()
    })
    return await Promise.race([started, ended])
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

export async function connectTo(port: number): Promise<TestClient> {
  const { network, clock } = nodeRuntime()
  return new TestClient(await WireClient.connect(network, { host: '127.0.0.1', port }), clock)
}
