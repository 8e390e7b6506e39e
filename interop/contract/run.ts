/**
 * The client's contract, the same cases on semel, one node of Apache Kafka and three: `npm run test:kafka`.
 *
 *   node interop/contract/run.ts [--targets semel,kafka1,kafka3] [--tv 2,1] [--cases TEXT] [--kills N] [--json FILE] [--quick]
 *
 * --cases takes those whose name contains TEXT. --kills is for the case that kills brokers (50 is what the issue asks for).
 * --quick leaves three nodes out. Kafka comes from Maven Central through interop/java/pom.xml. Prints a table; the last line is
 * `N passed, N failed`.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { removeDirectories } from '../runner/brokers.ts'
import { clients, missingTools } from '../runner/clients.ts'
import { javaHost } from '../runner/java-host.ts'
import { killAll } from '../runner/programs.ts'
import { adminCases } from './cases-admin.ts'
import { groupCases } from './cases-groups.ts'
import { pipelineCases } from './cases-pipelines.ts'
import { recordCases } from './cases-records.ts'
import { transactionCases } from './cases-transactions.ts'
import { type Case, Context } from './context.ts'
import { Target, TARGETS, type TargetName } from './targets.ts'

const { values: flags } = parseArgs({
  options: {
    targets: { type: 'string' },
    tv: { type: 'string', default: '2,1' },
    cases: { type: 'string', default: '' },
    kills: { type: 'string', default: '5' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})

interface Outcome {
  readonly name: string
  readonly target: TargetName
  readonly transactionVersion: 1 | 2
  readonly seconds: number
  readonly detail: string | undefined
  readonly error: string | undefined
}

const CASE_TIMEOUT_MS = 60_000
const CASES: readonly Case[] = [...recordCases, ...transactionCases, ...groupCases, ...adminCases, ...pipelineCases]
const wanted = (flags.targets ?? (flags.quick ? 'semel,kafka1' : TARGETS.join(','))).split(',') as TargetName[]
const versions = flags.tv.split(',').map(Number) as (1 | 2)[]
const kills = Number(flags.kills)
const outcomes: Outcome[] = []

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killAll()
    removeDirectories()
    process.exit(1)
  })
}
process.on('unhandledRejection', (reason) => {
  console.log(`FAIL  an unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`)
  outcomes.push({
    name: 'no unhandled rejection',
    target: 'semel',
    transactionVersion: 2,
    seconds: 0,
    detail: undefined,
    error: String(reason),
  })
})

function check(): void {
  for (const name of wanted)
    if (!TARGETS.includes(name)) throw new Error(`--targets ${name}: there are ${TARGETS.join(', ')}`)
  for (const version of versions) if (version !== 1 && version !== 2) throw new Error(`--tv ${version}: 1 or 2`)
  if (!Number.isSafeInteger(kills) || kills < 1) throw new Error(`--kills ${flags.kills}: a whole number above 0`)
}

async function installKafka(): Promise<void> {
  const java = clients.find(({ name }) => name === 'java')
  if (java === undefined) throw new Error('the list of clients has no Java')
  const missing = missingTools(java)
  if (missing.length > 0) throw new Error(`${missing.join(', ')} is missing: Apache Kafka needs Java and Maven`)
  await java.install()
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

async function runCase(one: Case, target: Target, transactionVersion: 1 | 2, index: number): Promise<void> {
  const kafka = target.kafka()
  const context = new Context(target, kafka, transactionVersion, kills, `v${transactionVersion}-${index}`)
  const startedMs = Date.now()
  let detail: string | undefined
  let error: string | undefined
  try {
    detail = (await within(one.run(context), one.timeoutMs ?? CASE_TIMEOUT_MS)) ?? undefined
  } catch (caught) {
    error = caught instanceof Error ? (caught.stack ?? caught.message) : String(caught)
  }
  await within(kafka.close(), 30_000).catch((caught: unknown) => {
    error ??= `closing: ${caught instanceof Error ? caught.message : String(caught)}`
  })
  const seconds = (Date.now() - startedMs) / 1_000
  outcomes.push({ name: one.name, target: target.name, transactionVersion, seconds, detail, error })
  const note = detail === undefined ? '' : ` (${detail})`
  console.log(
    `${error === undefined ? 'ok  ' : 'FAIL'}  ${target.name} v${transactionVersion}  ${one.name}${note}  ${seconds.toFixed(1)} s`,
  )
  if (error !== undefined) console.log(error.replace(/^/gm, '      '))
}

function table(): string {
  const columns = wanted.flatMap((target) =>
    versions.map((version) => ({ target, version, title: `${target} v${version}` })),
  )
  const names = [...new Set(outcomes.map(({ name }) => name))]
  const cell = (name: string, column: (typeof columns)[number]): string => {
    const found = outcomes.find(
      (one) => one.name === name && one.target === column.target && one.transactionVersion === column.version,
    )
    return found === undefined ? '-' : `${found.error === undefined ? 'ok' : 'FAIL'} ${found.seconds.toFixed(1)} s`
  }
  const width = Math.max(...names.map((name) => name.length))
  const line = (first: string, cells: readonly string[]): string =>
    `${first.padEnd(width)}  ${cells.map((text) => text.padEnd(12)).join('')}`.trimEnd()
  return [
    line(
      'case',
      columns.map(({ title }) => title),
    ),
    ...names.map((name) =>
      line(
        name,
        columns.map((column) => cell(name, column)),
      ),
    ),
  ].join('\n')
}

check()
const startedMs = Date.now()
if (wanted.some((name) => name !== 'semel')) await installKafka()
for (const name of wanted) {
  const target = await Target.start(name)
  console.log(
    `\n=== ${name}: ${target.addresses.join(', ')}, ready after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`,
  )
  try {
    for (const version of versions) {
      await target.setTransactionVersion(version)
      for (const [index, one] of CASES.entries()) {
        if (!one.name.includes(flags.cases) || one.on?.includes(name) === false) continue
        await runCase(one, target, version, index)
      }
    }
  } finally {
    await target.stop()
  }
}
await javaHost.stop()
killAll()
removeDirectories()
console.log(`\n${table()}\n`)
if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify(outcomes, undefined, 2))
const failed = outcomes.filter(({ error }) => error !== undefined).length
console.log(`${((Date.now() - startedMs) / 1_000).toFixed(0)} s`)
console.log(`${outcomes.length - failed} passed, ${failed} failed`)
process.exit(failed === 0 && outcomes.length > 0 ? 0 : 1)
