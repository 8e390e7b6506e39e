/**
 * The broker under test: `semel start` as a separate process, a real Apache Kafka node (the oracle these programs were
 * developed against), or one that somebody else runs and that is never stopped here.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { javaCommand } from './clients.ts'
import { repositoryRoot } from './paths.ts'
import { Program, run, sleep } from './programs.ts'

export const HOST = '127.0.0.1'
export const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000

/** Scan interval of the transaction timeouts: low, so that the timeout case takes seconds. */
export const TIMEOUT_SCAN_INTERVAL_MS = 1_000

export interface Broker {
  readonly kind: 'semel' | 'kafka' | 'external'
  readonly address: string
  /** Where its segments are, or undefined when the broker is not ours. */
  readonly dataDirectory: string | undefined
  readonly tail: readonly string[]
  readonly alive: boolean
  start(): Promise<void>
  /** SIGKILL, as a power cut would end it. */
  kill(): Promise<void>
  /** SIGTERM, then wait: a clean stop. */
  stop(): Promise<void>
  /** Stands still with its connections open, as a machine does that is out of memory or whose disk hangs. */
  pause(): void
  resume(): void
  remove(): void
}

type Settings = Record<string, string>

/** Settings both brokers know, chosen so that a test does not wait for defaults made for production. */
export const TEST_SETTINGS: Settings = {
  'group.initial.rebalance.delay.ms': '0',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': String(TIMEOUT_SCAN_INTERVAL_MS),
}

const directories = new Set<string>()

/** What brokers of this run left on disk, for a run that ends early. */
export function removeDirectories(): void {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
}

/** A broker that this run starts and ends as a process. */
export abstract class OwnBroker implements Broker {
  abstract readonly kind: 'semel' | 'kafka'
  abstract readonly dataDirectory: string
  readonly directory: string
  readonly port: number
  #program: Program | undefined
  #earlier: string[] = []

  constructor(port: number) {
    this.port = port
    this.directory = mkdtempSync(join(tmpdir(), 'semel-interop-'))
    directories.add(this.directory)
  }

  get address(): string {
    return `${HOST}:${this.port}`
  }

  get tail(): readonly string[] {
    return [...this.#earlier, ...(this.#program?.tail ?? [])].slice(-30)
  }

  get alive(): boolean {
    return this.#program !== undefined && this.#program.exitCode === undefined
  }

  protected abstract command(): readonly string[]

  async start(): Promise<void> {
    this.#earlier = [...this.tail]
    const program = new Program({ name: this.kind, command: this.command(), cwd: repositoryRoot })
    this.#program = program
    const deadlineMs = Date.now() + START_TIMEOUT_MS
    while (!(await accepts(this.port))) {
      if (program.exitCode !== undefined)
        throw new Error(`${this.kind} ended with ${program.exitCode} before it was ready:\n${program.tail.join('\n')}`)
      if (Date.now() > deadlineMs)
        throw new Error(`${this.kind} did not listen within ${START_TIMEOUT_MS} ms:\n${program.tail.join('\n')}`)
      await sleep(20)
    }
  }

  async kill(): Promise<void> {
    await this.#program?.kill()
  }

  pause(): void {
    this.#program?.signal('SIGSTOP')
  }

  resume(): void {
    this.#program?.signal('SIGCONT')
  }

  async stop(): Promise<void> {
    if (!this.alive) return
    this.#program?.signal('SIGTERM')
    const code = await this.#program?.finish(STOP_TIMEOUT_MS)
    // 143 is how a JVM reports that SIGTERM ended it after its shutdown hooks.
    if (code !== 0 && code !== 143)
      throw new Error(`${this.kind} did not stop cleanly: exit code ${code}\n${this.tail.join('\n')}`)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

class SemelBroker extends OwnBroker {
  readonly kind = 'semel'
  readonly dataDirectory: string
  readonly #settings: Settings

  constructor(port: number, settings: Settings) {
    super(port)
    this.dataDirectory = join(this.directory, 'data')
    this.#settings = settings
  }

  protected command(): readonly string[] {
    const configured = process.env['SEMEL_BIN']?.trim()
    const program = configured ? configured.split(/\s+/) : [process.execPath, 'src/cli/main.ts']
    const settings = Object.entries({ ...TEST_SETTINGS, ...this.#settings }).flatMap(([key, value]) => [
      '-X',
      `${key}=${value}`,
    ])
    return [...program, 'start', '--data', this.dataDirectory, '--host', HOST, '--port', String(this.port), ...settings]
  }
}

/** One KRaft node in the broker and controller role, from the jars Maven put beside the Java peer. */
class KafkaBroker extends OwnBroker {
  readonly kind = 'kafka'
  readonly dataDirectory: string
  readonly #controllerPort: number
  readonly #settings: Settings

  constructor(port: number, controllerPort: number, settings: Settings) {
    super(port)
    this.dataDirectory = join(this.directory, 'data')
    this.#controllerPort = controllerPort
    this.#settings = settings
  }

  get #propertiesFile(): string {
    return join(this.directory, 'server.properties')
  }

  async format(): Promise<void> {
    mkdirSync(this.dataDirectory, { recursive: true })
    const properties: Settings = {
      'process.roles': 'broker,controller',
      'node.id': '1',
      'controller.quorum.bootstrap.servers': `${HOST}:${this.#controllerPort}`,
      listeners: `PLAINTEXT://${HOST}:${this.port},CONTROLLER://${HOST}:${this.#controllerPort}`,
      'advertised.listeners': `PLAINTEXT://${HOST}:${this.port},CONTROLLER://${HOST}:${this.#controllerPort}`,
      'inter.broker.listener.name': 'PLAINTEXT',
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      'log.dirs': this.dataDirectory,
      'broker.session.timeout.ms': '2000',
      'broker.heartbeat.interval.ms': '300',
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'share.coordinator.state.topic.replication.factor': '1',
      'share.coordinator.state.topic.min.isr': '1',
      'offsets.topic.num.partitions': '5',
      'transaction.state.log.num.partitions': '5',
      ...TEST_SETTINGS,
      ...this.#settings,
    }
    writeFileSync(
      this.#propertiesFile,
      Object.entries(properties)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
    const clusterId = Buffer.from('semel-interop-ok').toString('base64url')
    const format = await run({
      name: 'format',
      command: javaCommand(
        'kafka.tools.StorageTool',
        'format',
        '-t',
        clusterId,
        '-c',
        this.#propertiesFile,
        '--standalone',
      ),
      timeoutMs: START_TIMEOUT_MS,
    })
    if (format.exitCode !== 0) throw new Error(`Kafka's storage could not be formatted:\n${format.tail.join('\n')}`)
  }

  protected command(): readonly string[] {
    return javaCommand('kafka.Kafka', this.#propertiesFile)
  }
}

class ExternalBroker implements Broker {
  readonly kind = 'external'
  readonly dataDirectory = undefined
  readonly tail: readonly string[] = []
  readonly alive = true
  readonly address: string

  constructor(address: string) {
    this.address = address
  }

  async start(): Promise<void> {}
  async kill(): Promise<void> {
    throw new Error('a broker given with --broker is never stopped here')
  }
  async stop(): Promise<void> {}
  pause(): void {
    throw new Error('a broker given with --broker is never paused here')
  }
  resume(): void {}
  remove(): void {}
}

/** Makes a broker with its own empty data directory on free loopback ports; it is not started yet. */
export async function makeBroker(kind: 'semel' | 'kafka', settings: Settings = {}): Promise<Broker> {
  if (kind === 'semel') return new SemelBroker(await freePort(), settings)
  const broker = new KafkaBroker(await freePort(), await freePort(), settings)
  await broker.format()
  return broker
}

export function externalBroker(address: string): Broker {
  return new ExternalBroker(address)
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, HOST, () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
