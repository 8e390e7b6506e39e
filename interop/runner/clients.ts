/** The clients under test: how each is installed through its own package manager, and how its program is started. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory, interopRoot } from './paths.ts'
import { Program, type ProgramOptions, run } from './programs.ts'

const INSTALL_TIMEOUT_MS = 600_000

/** Kafka's command-line classes are no client of the list below, but have their column in the table. */
export type ClientName = 'java' | 'python' | 'go' | 'kafkajs' | 'platformatic' | 'kafka-tools'

export interface Client {
  readonly name: ClientName
  readonly library: string
  /** What must be on the PATH. */
  readonly tools: readonly string[]
  readonly install: () => Promise<void>
  readonly command: readonly string[]
  /** Reads its own committed data for the verdict; otherwise the Java client does (see limits.ts). */
  readonly trustedReader: boolean
  readonly transactionVersions: readonly (1 | 2)[]
}

const javaRoot = join(interopRoot, 'java')
const venv = join(cacheDirectory, 'python')
const goPeer = join(cacheDirectory, 'go-peer')
const nodeRoot = join(interopRoot, 'node')

/** A class of the Java peer's class path: the peer itself, Kafka's tools, or Kafka's broker. */
export function javaCommand(mainClass: string, ...args: string[]): string[] {
  const classPath = `${join(javaRoot, 'target/classes')}:${join(javaRoot, 'target/lib')}/*`
  return ['java', '-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, mainClass, ...args]
}

export const clients: readonly Client[] = [
  {
    name: 'java',
    library: 'kafka-clients 4.3.1',
    tools: ['java', 'mvn'],
    install: () => once('java', javaRoot, join(javaRoot, 'target'), [['mvn', '-q', '-B', 'package']]),
    command: javaCommand('semel.interop.Main'),
    trustedReader: true,
    transactionVersions: [2, 1],
  },
  {
    name: 'python',
    library: 'confluent-kafka 2.15.0',
    tools: ['python3'],
    install: () =>
      once('python', join(interopRoot, 'python'), venv, [
        ['python3', '-m', 'venv', venv],
        [join(venv, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'],
      ]),
    command: [join(venv, 'bin/python'), join(interopRoot, 'python/main.py')],
    trustedReader: true,
    transactionVersions: [1],
  },
  {
    name: 'go',
    library: 'franz-go 1.21.7',
    tools: ['go'],
    install: () => once('go', join(interopRoot, 'go'), goPeer, [['go', 'build', '-o', goPeer, '.']]),
    command: [goPeer],
    trustedReader: true,
    transactionVersions: [2, 1],
  },
  {
    name: 'kafkajs',
    library: 'kafkajs 2.2.4',
    tools: ['npm'],
    install: installNode,
    command: [process.execPath, join(nodeRoot, 'kafkajs.ts')],
    trustedReader: false,
    transactionVersions: [1],
  },
  {
    name: 'platformatic',
    library: '@platformatic/kafka 2.12.1',
    tools: ['npm'],
    install: installNode,
    command: [process.execPath, join(nodeRoot, 'platformatic.ts')],
    trustedReader: false,
    transactionVersions: [1],
  },
]

function installNode(): Promise<void> {
  return once('node', nodeRoot, join(nodeRoot, 'node_modules'), [['npm', 'ci', '--no-audit', '--no-fund']])
}

/** The tools of the client that are not on the PATH. */
export function missingTools(client: Client): string[] {
  const folders = (process.env['PATH'] ?? '').split(':')
  return client.tools.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))))
}

/** Runs the install commands unless the same sources were installed before and the product is still there. */
async function once(
  name: string,
  sources: string,
  product: string,
  commands: readonly (readonly string[])[],
): Promise<void> {
  const stamp = join(cacheDirectory, `${name}.stamp`)
  const digest = digestOf(sources)
  if (existsSync(product) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  for (const command of commands) {
    const program = await run({ name: `install ${name}`, command, cwd: sources, timeoutMs: INSTALL_TIMEOUT_MS })
    if (program.exitCode !== 0)
      throw new Error(`${command.join(' ')} failed in ${sources}:\n${program.tail.join('\n')}`)
  }
  writeFileSync(stamp, digest)
}

function digestOf(folder: string): string {
  const hash = createHash('sha256')
  const visit = (directory: string): void => {
    for (const name of readdirSync(directory).sort()) {
      if (['target', 'node_modules', '__pycache__'].includes(name)) continue
      const path = join(directory, name)
      if (statSync(path).isDirectory()) visit(path)
      else hash.update(path).update(readFileSync(path))
    }
  }
  visit(folder)
  return hash.digest('hex')
}

export type Arguments = Record<string, string | number>

/** Starts a client's program with one of its commands. */
export function start(client: Client, command: string, args: Arguments, more: Partial<ProgramOptions> = {}): Program {
  const options = Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)])
  return new Program({ name: `${client.name} ${command}`, command: [...client.command, command, ...options], ...more })
}
