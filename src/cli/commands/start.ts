/**
 * `semel start`: a broker as a process of its own. Gathers the configuration, prints one line when ready, stops
 * cleanly on the first signal and at once on the second. Says what to do when it cannot start (start-error.ts).
 */
import { resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Runtime } from '../../base/runtime.ts'
import { Broker } from '../../broker/broker.ts'
import { ConfigError } from '../../broker/config.ts'
import { parseHostAndPort } from '../../broker/listeners.ts'
import { parseProperties } from '../../broker/properties.ts'
import { nodeClock } from '../../runtime/clock.ts'
import { textLogger } from '../../runtime/logger.ts'
import type { LogLevel } from '../../runtime/logger.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import { describeStartError } from './start-error.ts'

/** As the command line gives them; what was not given is absent. */
export interface StartOptions {
  readonly data?: string
  readonly memory?: boolean
  readonly host?: string
  readonly port?: string
  readonly advertise?: string
  readonly durability?: 'fsync' | 'os' | 'memory'
  readonly config?: string
  /** Each 'key=value'. */
  readonly X: readonly string[]
  readonly logLevel: LogLevel
  readonly hints?: boolean
}

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const DEFAULT_DATA_DIRECTORY = '.semel'
const CONFIG_FILE_MAX_BYTES = 1_048_576
const PORT_MAX = 65_535

/**
 * Batches lie outside V8's heap, which is small; but V8 counts them when it decides to collect it, and with its own
 * measure does so several times a second under load, for nothing: a third of the process's time.
 */
const HEAP_GROWTH_FLAG = '--heap-growing-percent=400'

/** Runs until the broker has stopped. @returns the exit code */
export async function start(options: StartOptions, version: string): Promise<number> {
  setFlagsFromString(HEAP_GROWTH_FLAG)
  const runtime = nodeRuntime({ logger: textLogger({ clock: nodeClock(), level: options.logLevel }) })
  let brokerOptions: Parameters<typeof Broker.start>[0]
  try {
    brokerOptions = await brokerOptionsOf(options, runtime)
  } catch (error) {
    process.stderr.write(`semel: ${describeStartError(error, {})}\n`)
    return EXIT_USAGE
  }
  const signals = new StopSignals()
  let broker: Broker
  try {
    broker = await Broker.start(brokerOptions)
  } catch (error) {
    process.stderr.write(`semel: ${describeStartError(error, brokerOptions ?? {})}\n`)
    return error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILED
  }
  if (broker.ignoredProperties.length > 0) {
    runtime.logger.warn('these configuration keys have no effect on a single node', { keys: broker.ignoredProperties })
  }
  process.stdout.write(`${readyLine(broker, version)}\n`)
  if (options.hints === true) process.stdout.write(connectionHints(broker.bootstrap))
  return untilStopped(broker, signals)
}

async function brokerOptionsOf(options: StartOptions, runtime: Runtime): Promise<Parameters<typeof Broker.start>[0]> {
  const properties: Record<string, string> = {}
  if (options.config !== undefined)
    Object.assign(properties, parseProperties(await readConfig(options.config, runtime)))
  for (const entry of options.X) {
    const at = entry.indexOf('=')
    if (at <= 0) throw new ConfigError(`-X ${entry}: expected key=value`)
    properties[entry.slice(0, at).trim()] = entry.slice(at + 1)
  }
  // One place decides about the directory, so that --data comes before the configuration file.
  const { 'log.dirs': dirs, 'log.dir': dir, ...others } = properties
  const dataDir = options.data ?? dirs ?? dir ?? DEFAULT_DATA_DIRECTORY
  return {
    ...(options.memory === true ? { memory: true } : { dataDir: resolve(dataDir) }),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: parsePort(options.port) }),
    ...(options.advertise === undefined ? {} : { advertise: checkedAddress(options.advertise) }),
    ...(options.durability === undefined ? {} : { durability: options.durability }),
    properties: others,
    runtime,
  }
}

async function readConfig(path: string, { fileSystem }: Runtime): Promise<string> {
  const file = await fileSystem.open(path, 'read')
  try {
    const sizeBytes = await file.sizeBytes()
    if (sizeBytes > CONFIG_FILE_MAX_BYTES) {
      throw new ConfigError(`${path} has ${sizeBytes} bytes; a configuration file has at most ${CONFIG_FILE_MAX_BYTES}`)
    }
    const bytes = Buffer.alloc(sizeBytes)
    const length = await file.read(bytes, 0)
    return bytes.toString('utf8', 0, length)
  } finally {
    await file.close()
  }
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > PORT_MAX) throw new ConfigError(`--port ${text}: expected 0 to ${PORT_MAX}`)
  return port
}

function checkedAddress(text: string): string {
  const { host, port } = parseHostAndPort(text)
  if (host === '' || port === 0) throw new ConfigError(`--advertise ${text}: expected the HOST:PORT that clients reach`)
  return text
}

/** Three lines for somebody who has just started a broker for the first time. */
function connectionHints(bootstrap: string): string {
  return [
    `  Java, Python, Go, Rust   bootstrap.servers=${bootstrap}`,
    `  Node, kafkajs            new Kafka({ brokers: ['${bootstrap}'] })`,
    `  a terminal, kcat         kcat -b ${bootstrap} -L        (Ctrl-C stops the broker)\n`,
  ].join('\n')
}

function readyLine(broker: Broker, version: string): string {
  const { recovery, dataDir, durability } = broker
  const where = dataDir === undefined ? 'in memory, nothing is kept' : `data in ${dataDir}`
  const stopped = recovery.cleanShutdown ? 'after a clean stop' : 'after an unclean stop'
  const cut = recovery.bytesCut > 0 ? `, ${recovery.bytesCut} bytes of a torn tail cut` : ''
  const did =
    recovery.partitions === 0
      ? 'started empty'
      : `recovered ${recovery.partitions} partitions ${stopped}, ${recovery.framesReplayed} frames replayed${cut}`
  const advertised =
    broker.bootstrap === `${broker.host}:${broker.port}` ? '' : `, clients are told ${broker.bootstrap}`
  return (
    `semel ${version} ready on ${broker.host}:${broker.port}${advertised}; ${where}; durability ${durability}; ` +
    `${did} in ${Math.round(recovery.durationMs)} ms`
  )
}

/** Counts the signals that ask for a stop, from before the broker starts: one may come while it recovers. */
class StopSignals {
  readonly first: Promise<void>
  #count = 0

  constructor() {
    const { promise, resolve: onFirst } = Promise.withResolvers<void>()
    this.first = promise
    const count = () => {
      this.#count += 1
      // Whoever asks twice does not want to wait.
      if (this.#count > 1) process.exit(EXIT_FAILED)
      onFirst()
    }
    process.on('SIGTERM', count)
    process.on('SIGINT', count)
  }
}

/** Runs until a signal or a failure. @returns the exit code */
async function untilStopped(broker: Broker, signals: StopSignals): Promise<number> {
  const failure = await Promise.race([signals.first, broker.failed])
  if (failure !== undefined) {
    process.stderr.write(`semel: the broker has stopped: ${describeStartError(failure, {})}\n`)
  }
  try {
    await broker.close()
  } catch (error) {
    process.stderr.write(`semel: stopping failed: ${describeStartError(error, {})}\n`)
    return EXIT_FAILED
  }
  return failure === undefined ? 0 : EXIT_FAILED
}
