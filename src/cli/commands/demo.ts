/**
 * `semel demo`, which is also `npm start`: shows on the running system that nothing is lost, repeated or torn while workers and broker
 * are killed, and next to it what at-least-once does with the same faults.
 *
 * Exit codes: 0 nothing was lost, duplicated or torn (with at_least_once: nothing was lost); 1 otherwise; 2 wrong usage.
 */
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Runtime } from '../../base/runtime.ts'
import { Kafka, serdes, topic } from '../../client/index.ts'
import { textLogger } from '../../runtime/logger.ts'
import { nodeRuntime } from '../../runtime/node-runtime.ts'
import { makeOrders, type Order, readOrders } from '../demo/orders.ts'
import { BrokerProcess, Children } from '../demo/processes.ts'
import { isClean, TOPICS } from '../demo/results.ts'
import { type Fault, Round, type RoundResult, type RoundSettings, WORKERS } from '../demo/round.ts'
import { View } from '../demo/view.ts'

export interface DemoOptions {
  readonly input?: string
  readonly orders: string
  readonly seed?: string
  readonly kills: string
  readonly only?: 'exactly_once' | 'at_least_once'
  readonly keep?: boolean
  readonly format: 'text' | 'json'
}

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const PARTITIONS = 4
const ORDERS_MAX = 1_000_000
const KILLS_MAX = 1_000
const INPUT_BYTES_MAX = 512 * 1_048_576
/** A batch and the time it takes beside Kafka, so that there is something under way whenever something is killed. */
const SAMPLE_BATCH = { maxRecords: 25, workMs: 60 }
const INPUT_BATCH = { maxRecords: 150, workMs: 60 }
const FIRST_FAULT_MS = 1_500
const FAULT_INTERVAL_MS = 1_300
/** Longer than sessions and transactions live: who comes back is a zombie. */
const PAUSE_MS = 6_000
const LIMIT_MS = 600_000

export async function demo(options: DemoOptions): Promise<number> {
  const runtime = nodeRuntime({ logger: textLogger({ clock: nodeRuntime().clock, level: 'silent' }) })
  const orderCount = wholeNumber('--orders', options.orders, 1, ORDERS_MAX)
  const kills = wholeNumber('--kills', options.kills, 0, KILLS_MAX)
  const seed =
    options.seed === undefined ? runtime.random.nextUint32() : wholeNumber('--seed', options.seed, 0, 2 ** 32 - 1)
  for (const given of [orderCount, kills, seed]) {
    if (typeof given === 'number') continue
    process.stderr.write(`semel: ${given}\n`)
    return EXIT_USAGE
  }
  const draw = drawFrom(seed as number)
  const view = new View(runtime.clock, options.format === 'json' ? process.stderr : process.stdout)
  let orders: readonly Order[]
  try {
    orders =
      options.input === undefined
        ? makeOrders(orderCount as number, draw)
        : readOrders(await readInput(options.input, runtime))
  } catch (error) {
    process.stderr.write(
      `semel: ${options.input ?? 'orders'}: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    return EXIT_USAGE
  }
  const expected = options.input === undefined ? undefined : await expectedOf(options.input, runtime)
  const children = new Children()
  const dataDir = join(tmpdir(), `semel-demo-${process.pid}-${runtime.random.nextUint32().toString(36)}`)
  await runtime.fileSystem.makeDirectory(dataDir)
  const interrupted = onInterrupt(children, dataDir, runtime, options.keep === true)
  try {
    const results = await runDemo({
      options,
      orders,
      kills: kills as number,
      seed: seed as number,
      runtime,
      view,
      children,
      dataDir,
    })
    return report(results, { options, view, expected, seed: seed as number })
  } catch (error) {
    view.stopFollowing()
    view.say(`${view.style('red', 'failed')}: ${error instanceof Error ? error.message : String(error)}`)
    return EXIT_FAILED
  } finally {
    interrupted()
    children.killAll()
    if (options.keep === true) view.say(`data in ${dataDir}`)
    else await runtime.fileSystem.removeDirectory(dataDir)
  }
}

interface DemoRun {
  readonly options: DemoOptions
  readonly orders: readonly Order[]
  readonly kills: number
  readonly seed: number
  readonly runtime: Runtime
  readonly view: View
  readonly children: Children
  readonly dataDir: string
}

async function runDemo({
  options,
  orders,
  kills,
  seed,
  runtime,
  view,
  children,
  dataDir,
}: DemoRun): Promise<readonly RoundResult[]> {
  const { clock } = runtime
  const lineCount = orders.reduce((sum, { lines }) => sum + lines.length, 0)
  const broker = new BrokerProcess(children, clock, dataDir)
  await broker.start()
  view.say(
    `${view.style('bold', 'semel')}: a broker on ${broker.bootstrap}, every acknowledgement on disk (${dataDir})`,
  )
  const kafka = new Kafka({ brokers: [broker.bootstrap], clientId: 'semel-demo', runtime, requestTimeoutMs: 10_000 })
  try {
    await createTopics(kafka)
    const startedMs = clock.monotonicMs()
    await load(kafka, orders)
    const seconds = (clock.monotonicMs() - startedMs) / 1_000
    view.say(
      `loaded ${orders.length} orders with ${lineCount} lines in ${seconds.toFixed(1)} s; ${WORKERS} worker processes turn each order`,
    )
    view.say(
      'into its lines and two ledger entries that add up to zero, all in one transaction, while things are killed.',
    )
    view.say()
    const batch = options.input === undefined ? SAMPLE_BATCH : INPUT_BATCH
    const guarantees = options.only === undefined ? (['exactly_once', 'at_least_once'] as const) : [options.only]
    const results: RoundResult[] = []
    for (const guarantee of guarantees) {
      const settings: RoundSettings = {
        guarantee,
        prefix: guarantee === 'exactly_once' ? '' : 'alo-',
        orders,
        ...batch,
        faults: faultsOf(kills, drawFrom(seed)),
        limitMs: LIMIT_MS,
      }
      results.push(await new Round(settings, { children, clock, broker, kafka, view }).run())
    }
    return results
  } finally {
    await kafka.close()
    await broker.stop()
  }
}

async function createTopics(kafka: Kafka): Promise<void> {
  const admin = kafka.admin()
  const results = [TOPICS.lines, TOPICS.ledger]
  const names = [TOPICS.orders, ...results, ...results.map((name) => `alo-${name}`)]
  await admin.createTopics(names.map((name) => ({ topic: name, partitions: PARTITIONS })))
  await admin.close()
}

async function load(kafka: Kafka, orders: readonly Order[]): Promise<void> {
  const producer = kafka.producer({ lingerMs: 5 })
  const target = topic(TOPICS.orders, { value: serdes.json<Order>() })
  const CHUNK = 2_000
  for (let at = 0; at < orders.length; at += CHUNK) {
    await producer.send(
      target,
      orders.slice(at, at + CHUNK).map((order) => ({ key: order.orderId, value: order })),
    )
  }
  await producer.close()
}

/** Workers and broker in turn, and one worker paused beyond all its timeouts. */
function faultsOf(kills: number, draw: (limit: number) => number): readonly Fault[] {
  const faults: Fault[] = []
  for (let index = 0; index < kills; index += 1) {
    const atMs = FIRST_FAULT_MS + index * FAULT_INTERVAL_MS + draw(500)
    if (index === 2) faults.push({ atMs, kind: 'pause-worker', worker: 1, forMs: PAUSE_MS })
    else if (index % 2 === 1) faults.push({ atMs, kind: 'kill-broker', worker: 0 })
    else faults.push({ atMs, kind: 'kill-worker', worker: draw(WORKERS) })
  }
  return faults
}

interface Expected {
  readonly rows: number
  readonly salesMilli: number
  readonly digestByOrder: string
}

interface ReportParts {
  readonly options: DemoOptions
  readonly view: View
  readonly expected: Expected | undefined
  readonly seed: number
}

function report(results: readonly RoundResult[], { options, view, expected, seed }: ReportParts): number {
  const isRight = (result: RoundResult): boolean =>
    result.guarantee === 'exactly_once'
      ? isClean(result.verdict) && matches(result, expected)
      : result.verdict.lost === 0 && result.verdict.foreign === 0
  const isOk = results.every(isRight)
  if (options.format === 'json') {
    process.stdout.write(`${JSON.stringify({ seed, ok: isOk, rounds: results }, undefined, 2)}\n`)
    return isOk ? 0 : EXIT_FAILED
  }
  const rows: readonly [string, (result: RoundResult) => number | string, ((result: RoundResult) => boolean)?][] = [
    ['records to be stored', ({ verdict }) => verdict.expected],
    ['stored', ({ verdict }) => verdict.stored],
    ['lost', ({ verdict }) => verdict.lost, ({ verdict }) => verdict.lost === 0],
    ['duplicated', ({ verdict }) => verdict.duplicated, ({ verdict }) => verdict.duplicated === 0],
    ['orders torn apart', ({ verdict }) => verdict.torn, ({ verdict }) => verdict.torn === 0],
    [
      'ledger adds up to',
      ({ verdict }) => pounds(verdict.ledgerSumMilli),
      ({ verdict }) => verdict.ledgerSumMilli === 0,
    ],
    [
      'sales',
      ({ verdict }) => pounds(verdict.salesMilli),
      ({ verdict }) => verdict.salesMilli === verdict.expectedSalesMilli,
    ],
    ['workers killed', ({ workersKilled }) => workersKilled],
    ['brokers killed', ({ brokersKilled }) => brokersKilled],
    ['zombies come back', ({ zombies }) => zombies],
    ['records of aborted attempts, never shown', ({ aborted }) => aborted],
    ['orders a second', ({ verdict, seconds }) => Math.round(verdict.orders / seconds)],
  ]
  view.say()
  const width = Math.max(...rows.map(([name]) => name.length))
  const column = (text: string): string => text.padStart(20)
  view.say(view.style('bold', `${' '.repeat(width)}${results.map(({ guarantee }) => column(guarantee)).join('')}`))
  for (const [name, valueOf, isGood] of rows) {
    const cells = results.map((result) => {
      const text = column(String(valueOf(result)))
      if (isGood === undefined) return text
      return view.style(isGood(result) ? 'green' : 'red', text)
    })
    view.say(`${name.padEnd(width)}${cells.join('')}`)
  }
  view.say()
  const [first] = results
  if (expected !== undefined && first !== undefined && first.guarantee === 'exactly_once') {
    view.say(
      matches(first, expected)
        ? `The ${expected.rows} rows of the file and what is known of them agree: sales and the sums of all orders, to the last digit.`
        : view.style(
            'red',
            `What is known of the file does not agree: sales should be ${pounds(expected.salesMilli)}.`,
          ),
    )
  }
  for (const result of results) view.say(sentenceOf(result, isRight(result), view))
  view.say(view.style('dim', `The same faults again: npm start -- --seed ${seed}`))
  return isOk ? 0 : EXIT_FAILED
}

function sentenceOf(
  { guarantee, verdict, workersKilled, brokersKilled, zombies }: RoundResult,
  isOk: boolean,
  view: View,
): string {
  const faults = `${workersKilled} workers and ${brokersKilled} brokers were killed, and ${zombies} came back as a zombie`
  if (guarantee === 'exactly_once') {
    return isOk
      ? `${view.style(['bold', 'green'], 'EXACTLY ONCE')}: ${faults}; every record is there once.`
      : `${view.style(['bold', 'red'], 'NOT EXACTLY ONCE')}: ${faults}; lost ${verdict.lost}, duplicated ${verdict.duplicated}, torn ${verdict.torn}.`
  }
  if (!isOk) return `${view.style(['bold', 'red'], 'at_least_once has lost records')}: ${verdict.lost}.`
  return verdict.duplicated === 0
    ? 'at_least_once was lucky: with these faults nothing came twice. Try another seed.'
    : `at_least_once, the same faults: nothing is lost, and ${verdict.duplicated} records are there more than once, worth ${pounds(verdict.salesMilli - verdict.expectedSalesMilli)} of sales that never were.`
}

function matches({ verdict }: RoundResult, expected: Expected | undefined): boolean {
  return (
    expected === undefined ||
    (verdict.salesMilli === expected.salesMilli && verdict.salesDigest === expected.digestByOrder)
  )
}

/** Thousandths as pounds. */
function pounds(milli: number): string {
  const sign = milli < 0 ? '-' : ''
  const whole = Math.floor(Math.abs(milli) / 1_000)
  return `${sign}£${whole.toLocaleString('en-GB')}.${String(Math.abs(milli) % 1_000).padStart(3, '0')}`
}

async function readInput(path: string, { fileSystem }: Runtime): Promise<string> {
  const bytes = await readWhole(path, fileSystem)
  return (path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: INPUT_BYTES_MAX }) : bytes).toString('utf8')
}

async function readWhole(path: string, fileSystem: Runtime['fileSystem']): Promise<Buffer> {
  const file = await fileSystem.open(path, 'read')
  try {
    const sizeBytes = await file.sizeBytes()
    if (sizeBytes > INPUT_BYTES_MAX) throw new Error(`${sizeBytes} bytes, at most ${INPUT_BYTES_MAX} are read`)
    const bytes = Buffer.alloc(sizeBytes)
    await file.read(bytes, 0)
    return bytes
  } finally {
    await file.close()
  }
}

/** What is known of the file, where somebody put it beside it. */
async function expectedOf(path: string, { fileSystem }: Runtime): Promise<Expected | undefined> {
  const beside = join(dirname(path), 'expected.json')
  if ((await fileSystem.stat(beside)) === undefined) return undefined
  const all = JSON.parse((await readWhole(beside, fileSystem)).toString('utf8')) as Readonly<
    Record<string, Readonly<Record<string, unknown>>>
  >
  const { rows, sum_amount_milli_gbp: salesMilli, digest_amount_by_invoice: digestByOrder } = all[basename(path)] ?? {}
  if (typeof rows !== 'number' || typeof salesMilli !== 'number' || typeof digestByOrder !== 'string') return undefined
  return { rows, salesMilli, digestByOrder }
}

/** xorshift32: the same faults and orders for the same seed. */
function drawFrom(seed: number): (limit: number) => number {
  let state = seed === 0 ? 1 : seed
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** Ctrl-C leaves nothing behind. @returns how to stop listening */
function onInterrupt(children: Children, dataDir: string, { fileSystem }: Runtime, isKept: boolean): () => void {
  const stop = (): void => {
    children.killAll()
    const removed = isKept ? Promise.resolve() : fileSystem.removeDirectory(dataDir)
    removed.finally(() => process.exit(EXIT_FAILED)).catch(() => undefined)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return () => {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

/** @returns the number, or what is wrong with it */
function wholeNumber(name: string, text: string, min: number, max: number): number | string {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= min && value <= max
    ? value
    : `${name} ${text}: expected a whole number from ${min} to ${max}`
}
