/**
 * `npm run bench -- client`: semel's client next to the other clients of Node, on one broker, in turns.
 *
 * Each client runs in a process of its own that stays alive over the rounds. One round: each side does the case once, on a
 * topic of its own, and what has come to lie there is counted by the suite; a side that loses or doubles a record, or fails,
 * has no figure. The first rounds warm up. Ratios are made pair by pair, of runs that follow each other.
 *
 *     npm run bench -- client [--quick] [--case NAME,…] [--sides NAME,…] [--value-bytes N,…] [--rounds N] [--seconds N]
 *                             [--partitions N] [--broker HOST:PORT] [--json FILE] [--node-option OPTION]
 *     npm run bench -- client --memory [--minutes N]
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { BrokerUnderLoad } from './client/broker-under-load.ts'
import {
  CASE_KINDS,
  type CaseKind,
  type Description,
  type FromWorker,
  type Measured,
  type Run,
  SIDE_NAMES,
  type SideName,
  type ToWorker,
} from './client/contract.ts'
import { buildLibrdkafka } from './client/librdkafka.ts'
import { benchMemory } from './client/memory.ts'

/** One row of `--json`. */
export interface BenchRow {
  readonly suite: string
  readonly case: string
  readonly unit: string
  readonly semel: number
  readonly peer: number
  readonly peerName: string
  readonly ratio: number
  readonly ratioMin: number
  readonly ratioMax: number
  readonly better: 'higher'
}

interface Options {
  readonly kinds: readonly CaseKind[]
  readonly sides: readonly SideName[]
  readonly valueBytes: readonly number[]
  readonly warmUps: number
  readonly rounds: number
  readonly seconds: number
  readonly partitions: number
  readonly broker: string | undefined
  readonly json: string | undefined
  readonly nodeOptions: readonly string[]
}

/** How many records are read: as much as takes the fastest side about a second and the slowest some. */
const READ_BYTES_MAX = 256_000_000
const READ_RECORDS = 1_000_000
const PIPELINE_SHARE = 0.3
const RUN_TIMEOUT_MS = 120_000

interface Figure extends Measured {
  readonly brokerCpuSeconds: number
}

export async function benchClient(args: readonly string[]): Promise<void> {
  if (args.includes('--memory')) return benchMemory(args)
  const options = optionsOf(args)
  const sides = available(options.sides)
  const broker = await BrokerUnderLoad.open(options.broker, options.partitions)
  const rows: BenchRow[] = []
  try {
    print(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, load ${loadAverage()}`)
    print(
      `broker: ${options.broker ?? 'semel from the sources, durability os, group.initial.rebalance.delay.ms 0'}; ${options.partitions} partitions; median of ${options.rounds} rounds after ${options.warmUps}, in turns`,
    )
    for (const kind of options.kinds) {
      for (const valueBytes of options.valueBytes)
        rows.push(...(await benchCase(kind, valueBytes, sides, broker, options)))
    }
  } finally {
    await broker.close()
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 2)}\n`)
}

async function benchCase(
  kind: CaseKind,
  valueBytes: number,
  sides: readonly SideName[],
  broker: BrokerUnderLoad,
  options: Options,
): Promise<BenchRow[]> {
  const title = `${kind}, ${valueBytes} B`
  print(`\n${title}`)
  const reads = kind === 'consume' || kind === 'pipeline'
  const share = kind === 'pipeline' ? PIPELINE_SHARE : 1
  const most = Math.min(READ_RECORDS, READ_BYTES_MAX / valueBytes) * share * (options.seconds < 2 ? 0.5 : 1)
  const recordCount = reads ? Math.floor(most / 1000) * 1000 : 0
  const source = `bench-${kind}-${valueBytes}`
  if (reads) {
    await broker.createTopic(source)
    await broker.fill(source, recordCount, valueBytes)
  }
  const workers = new Map<SideName, Worker>()
  const figures = new Map<SideName, (Figure | undefined)[]>(sides.map((name) => [name, []]))
  try {
    for (const name of sides) {
      const worker = await Worker.start(name, options.nodeOptions)
      workers.set(name, worker)
      const { package: packageName, version, config } = await worker.describe(kind)
      print(`  ${name.padEnd(13)} ${packageName} ${version}: ${config}`)
    }
    for (let round = 0; round < options.warmUps + options.rounds; round += 1) {
      for (const name of sides) {
        const id = `${source}-${name}-${round}-${process.pid}`
        const target = kind === 'consume' ? undefined : id
        if (target !== undefined) await broker.createTopic(target)
        const run: Run = {
          kind,
          broker: broker.address,
          topic: reads ? source : id,
          outTopic: id,
          valueBytes,
          seconds: options.seconds,
          recordCount,
          name: id,
        }
        const figure = await measured(workers.get(name) as Worker, run, broker, target)
        if (round >= options.warmUps) figures.get(name)?.push(figure)
        if (target !== undefined) await broker.deleteTopic(target)
      }
    }
  } finally {
    for (const worker of workers.values()) await worker.stop()
    if (reads) await broker.deleteTopic(source)
  }
  return report(title, sides, figures)
}

/** @returns `undefined` when the side failed, or what it said is not what lies in the topic */
async function measured(
  worker: Worker,
  run: Run,
  broker: BrokerUnderLoad,
  target: string | undefined,
): Promise<Figure | undefined> {
  const before = broker.cpuSeconds()
  try {
    const figure = await worker.run(run)
    const brokerCpuSeconds = broker.cpuSeconds() - before
    const stored = target === undefined ? run.recordCount : await broker.count(target)
    if (stored !== figure.records) {
      print(`  ${worker.name}: void, ${figure.records} records were confirmed and ${stored} are there`)
      return undefined
    }
    return { ...figure, brokerCpuSeconds }
  } catch (error) {
    print(`  ${worker.name}: failed: ${String(error).split('\n').slice(0, 4).join(' | ')}`)
    await worker.restart()
    return undefined
  }
}

function report(
  title: string,
  sides: readonly SideName[],
  figures: ReadonlyMap<SideName, readonly (Figure | undefined)[]>,
): BenchRow[] {
  print(
    '  side             records/s     min     max  µs CPU/record  of the broker  peak MB   semel : it (pair by pair)',
  )
  const rows: BenchRow[] = []
  const semel = figures.get('semel') ?? []
  for (const name of sides) {
    const all = figures.get(name) ?? []
    const valid = all.filter((figure) => figure !== undefined)
    if (valid.length === 0) {
      print(`  ${name.padEnd(13)} no figure`)
      continue
    }
    const rates = valid.map(rate)
    const ratios = all.flatMap((figure, round) => {
      const ours = semel[round]
      return figure === undefined || ours === undefined ? [] : [rate(ours) / rate(figure)]
    })
    const perRecord = (seconds: (figure: Figure) => number): string =>
      median(valid.map((figure) => (seconds(figure) / figure.records) * 1e6)).toFixed(2)
    const spread = `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)})`
    print(
      `  ${name.padEnd(13)}${count(median(rates)).padStart(13)}${count(Math.min(...rates)).padStart(9)}${count(Math.max(...rates)).padStart(9)}` +
        `${perRecord((figure) => figure.cpuSeconds).padStart(14)}${perRecord((figure) => figure.brokerCpuSeconds).padStart(15)}` +
        `${(Math.max(...valid.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0).padStart(9)}` +
        `${name === 'semel' ? '' : `   ${spread}`}${valid.length < all.length ? `   ${all.length - valid.length} runs void` : ''}`,
    )
    if (name === 'semel' || ratios.length === 0) continue
    rows.push({
      suite: 'client',
      case: title,
      unit: 'records/s',
      semel: median(semel.flatMap((figure) => (figure === undefined ? [] : [rate(figure)]))),
      peer: median(rates),
      peerName: name,
      ratio: median(ratios),
      ratioMin: Math.min(...ratios),
      ratioMax: Math.max(...ratios),
      better: 'higher',
    })
  }
  const best = rows.toSorted((a, b) => b.peer - a.peer)[0]
  if (best !== undefined) print(`  semel : best other (${best.peerName}) = ${best.ratio.toFixed(2)}`)
  return rows
}

class Worker {
  readonly name: SideName
  readonly #nodeOptions: readonly string[]
  #process: ChildProcess

  private constructor(name: SideName, nodeOptions: readonly string[]) {
    this.name = name
    this.#nodeOptions = nodeOptions
    this.#process = this.#fork()
  }

  static async start(name: SideName, nodeOptions: readonly string[]): Promise<Worker> {
    const worker = new Worker(name, nodeOptions)
    await worker.#answer()
    return worker
  }

  async describe(kind: CaseKind): Promise<Description> {
    const answer = await this.#ask({ describe: kind })
    if (!('description' in answer)) throw new Error('no description')
    return answer.description
  }

  async run(run: Run): Promise<Measured> {
    const answer = await this.#ask({ run })
    if (!('measured' in answer)) throw new Error('no figure')
    return answer.measured
  }

  async restart(): Promise<void> {
    await this.stop()
    this.#process = this.#fork()
    await this.#answer()
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    // Lets what --cpu-prof has collected be written.
    this.#process.disconnect()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(timer)
  }

  #fork(): ChildProcess {
    const execArgv = this.name === 'semel' ? [...this.#nodeOptions] : []
    return fork(join(import.meta.dirname, 'client/worker.ts'), [this.name], { execArgv, serialization: 'advanced' })
  }

  async #ask(message: ToWorker): Promise<FromWorker> {
    this.#process.send(message)
    return this.#answer()
  }

  #answer(): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error('no answer in time'))), RUN_TIMEOUT_MS)
      const onMessage = (message: unknown): void => {
        const answer = message as FromWorker
        settle(() => ('error' in answer ? reject(new Error(answer.error)) : resolve(answer)))
      }
      const onExit = (code: number | null): void => settle(() => reject(new Error(`the process ended with ${code}`)))
      const settle = (then: () => void): void => {
        clearTimeout(timer)
        this.#process.off('message', onMessage)
        this.#process.off('exit', onExit)
        then()
      }
      this.#process.on('message', onMessage)
      this.#process.on('exit', onExit)
    })
  }
}

/** Installs what the sides need, and leaves out what cannot be had on this machine. */
function available(wanted: readonly SideName[]): readonly SideName[] {
  if (wanted.every((name) => name === 'semel')) return wanted
  const install = join(import.meta.dirname, '../scripts/ensure-installed.mjs')
  const { status } = spawnSync(process.execPath, [install, 'bench/client'], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the other clients could not be installed')
  return wanted.filter((name) => {
    if (name !== 'confluent') return true
    const problem = buildLibrdkafka()
    if (problem !== undefined) print(`without @confluentinc/kafka-javascript: ${problem}`)
    return problem === undefined
  })
}

function optionsOf(args: readonly string[]): Options {
  const isQuick = args.includes('--quick')
  const text = (name: string): string | undefined => {
    const at = args.indexOf(`--${name}`)
    return at < 0 ? undefined : args[at + 1]
  }
  const list = <T extends string>(name: string, known: readonly T[]): readonly T[] => {
    const given = text(name)?.split(',') ?? known
    const unknown = given.find((one) => !known.includes(one as T))
    if (unknown !== undefined) throw new Error(`--${name}: ${unknown} is not one of ${known.join(', ')}`)
    return given as readonly T[]
  }
  return {
    kinds: list('case', CASE_KINDS),
    sides: list('sides', SIDE_NAMES),
    valueBytes: (text('value-bytes') ?? '100,1024').split(',').map(Number),
    warmUps: Number(text('warm-ups') ?? 1),
    rounds: Number(text('rounds') ?? (isQuick ? 2 : 5)),
    seconds: Number(text('seconds') ?? (isQuick ? 1 : 2)),
    partitions: Number(text('partitions') ?? 6),
    broker: text('broker'),
    json: text('json'),
    nodeOptions: text('node-option')?.split(' ') ?? [],
  }
}

function rate({ records, seconds }: Measured): number {
  return records / seconds
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function loadAverage(): string {
  return process.platform === 'linux' ? (readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '') : 'unknown'
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
