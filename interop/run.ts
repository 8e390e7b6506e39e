/**
 * Real clients against `semel start` as a separate process: `npm run test:interop`, see README.md.
 *
 *   node interop/run.ts [--broker HOST:PORT] [--kafka] [--clients java,go,…] [--cases load,zombie,…]
 *                       [--invoices N|all] [--kills N] [--few-kills N] [--json FILE]
 */
import { parseArgs } from 'node:util'
import { type Broker, externalBroker, makeBroker, removeDirectories } from './runner/brokers.ts'
import { checksCase } from './runner/cases/checks.ts'
import { type Context, help, helper, printTails, type RunOptions } from './runner/cases/context.ts'
import { loadCase } from './runner/cases/load.ts'
import { readProcessWriteCase } from './runner/cases/read-process-write.ts'
import { toolsCase } from './runner/cases/tools.ts'
import { zombieCase } from './runner/cases/zombie.ts'
import { type Client, clients, missingTools } from './runner/clients.ts'
import { killAll } from './runner/programs.ts'
import { Report } from './runner/report.ts'
import { prepareRetail, type RetailInput } from './runner/retail.ts'

const CASES = [
  'basics',
  'idempotent',
  'transactions',
  'zombie',
  'rpw',
  'load',
  'kills',
  'tv1',
  'switch',
  'tools',
] as const
type CaseName = (typeof CASES)[number]

/** Cases that stop and start the broker, or need its files or settings: only for one that was started here. */
const NEEDS_OWN_BROKER: ReadonlySet<CaseName> = new Set(['kills', 'tools'])

/** Lets the tools case leave transactional records that no coordinator knows of. */
const TOOLS_SETTINGS = { 'transaction.partition.verification.enable': 'false' }

/** In a run that is not told otherwise. The whole file is `--invoices all`. */
const DEFAULT_INVOICES = 3_000
const DEFAULT_KILLS = 20
const DEFAULT_FEW_KILLS = 3
/** The slower repetitions take fewer invoices, unless the whole file is asked for. */
const SHORT_LOAD_INVOICES = 600

const { values: flags } = parseArgs({
  options: {
    broker: { type: 'string' },
    kafka: { type: 'boolean', default: false },
    clients: { type: 'string', default: clients.map((client) => client.name).join(',') },
    cases: { type: 'string', default: CASES.join(',') },
    invoices: { type: 'string', default: String(DEFAULT_INVOICES) },
    kills: { type: 'string', default: String(DEFAULT_KILLS) },
    'few-kills': { type: 'string', default: String(DEFAULT_FEW_KILLS) },
    json: { type: 'string' },
  },
})

const invoices = flags.invoices === 'all' ? 'all' : wholeNumber('--invoices', flags.invoices)
const options: RunOptions = {
  invoices,
  kills: wholeNumber('--kills', flags.kills),
  fewKills: wholeNumber('--few-kills', flags['few-kills']),
}
const cases = CASES.filter((name) => chosen('--cases', flags.cases, CASES).has(name))
const names = chosen(
  '--clients',
  flags.clients,
  clients.map((client) => client.name),
)
const report = new Report()
const startedMs = Date.now()

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    killAll()
    removeDirectories()
    process.exit(1)
  })
}

try {
  await main()
} finally {
  killAll()
}

async function main(): Promise<void> {
  const usable = await install(clients.filter((client) => names.has(client.name)))
  if (usable.length > 0) {
    const shared = cases.filter((name) => !NEEDS_OWN_BROKER.has(name))
    if (shared.length > 0) await withBroker('shared', {}, (broker) => runCases(broker, shared, usable))
    for (const name of cases.filter((one) => NEEDS_OWN_BROKER.has(one))) {
      if (kind() === 'external') notRun(name)
      else if (name === 'kills') await withBroker(name, {}, (broker) => runCases(broker, [name], usable))
      else await withBroker(name, TOOLS_SETTINGS, runTools)
    }
  }
  const failed = report.count('fail', 'missing tool')
  console.log(`\n${report.table()}\n`)
  const seconds = Math.round((Date.now() - startedMs) / 1_000)
  if (flags.json !== undefined) report.writeJson(flags.json, { broker: kind(), invoices, seconds })
  console.log(`${report.count('limit')} client limits, ${report.count('not run')} not run, ${seconds} s`)
  console.log(`${report.count('pass')} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

function kind(): 'semel' | 'kafka' | 'external' {
  if (flags.broker !== undefined) return 'external'
  return flags.kafka ? 'kafka' : 'semel'
}

/** A broker with an empty directory for one group of cases: what one group leaves behind slows down no other. */
async function withBroker(
  group: string,
  settings: Record<string, string>,
  body: (broker: Broker) => Promise<void>,
): Promise<void> {
  const which = kind()
  const broker = which === 'external' ? externalBroker(flags.broker ?? '') : await makeBroker(which, settings)
  const outcome = { client: 'kafka-tools', capability: `broker: ${group} cases, then a clean stop` } as const
  const from = Date.now()
  try {
    await broker.start()
    console.log(`broker: ${broker.kind} at ${broker.address} for the ${group} cases`)
    await body(broker)
    await broker.stop()
    report.add({ ...outcome, result: 'pass', seconds: (Date.now() - from) / 1_000 })
  } catch (error) {
    report.add({ ...outcome, result: 'fail', seconds: (Date.now() - from) / 1_000, detail: String(error) })
    console.log(`fail    ${outcome.capability}: ${String(error)}`)
  } finally {
    if (which !== 'external') await broker.kill()
    broker.remove()
  }
}

/** Installs the clients; the Java one always, because it prepares topics and reads for the verdict. */
async function install(wanted: readonly Client[]): Promise<Client[]> {
  const usable: Client[] = []
  for (const client of new Set([helper, ...wanted])) {
    const missing = missingTools(client)
    if (missing.length > 0) {
      const detail = `not on the PATH: ${missing.join(', ')}`
      console.log(`missing ${client.name}: ${detail}`)
      report.add({ client: client.name, capability: 'install', result: 'missing tool', seconds: 0, detail })
      if (client === helper) return []
      continue
    }
    const from = Date.now()
    try {
      await client.install()
    } catch (error) {
      report.add({
        client: client.name,
        capability: 'install',
        result: 'fail',
        seconds: (Date.now() - from) / 1_000,
        detail: String(error),
      })
      console.log(`fail    ${client.name} install: ${String(error)}`)
      if (client === helper) return []
      continue
    }
    console.log(`ready   ${client.name} (${client.library}) ${((Date.now() - from) / 1_000).toFixed(1)}s`)
    if (wanted.includes(client)) usable.push(client)
  }
  return usable
}

async function runCases(broker: Broker, group: readonly CaseName[], usable: readonly Client[]): Promise<void> {
  const wantsLoad = group.some((name) => ['load', 'kills', 'tv1', 'switch'].includes(name))
  const full = wantsLoad ? prepareRetail(invoices) : undefined
  const short = wantsLoad
    ? invoices === 'all' || invoices <= SHORT_LOAD_INVOICES
      ? full
      : prepareRetail(SHORT_LOAD_INVOICES)
    : undefined
  for (const name of group) {
    for (const [index, client] of usable.entries()) {
      const context: Context = {
        broker,
        client,
        report,
        options,
        prefix: `${client.name}-${name}-${startedMs}-`,
        label: '',
      }
      try {
        await runCase(name, context, index === 0, full, short)
      } catch (error) {
        report.add({ client: client.name, capability: name, result: 'fail', seconds: 0, detail: String(error) })
        console.log(`fail    ${client.name} ${name}: ${String(error)}`)
        printTails(context, [])
      }
      if (broker.alive) continue
      console.log('the broker has ended: it is started again for the cases that follow')
      await broker.start()
    }
  }
}

async function runCase(
  name: CaseName,
  context: Context,
  first: boolean,
  full: RetailInput | undefined,
  short: RetailInput | undefined,
): Promise<void> {
  const { client } = context
  switch (name) {
    case 'basics':
    case 'idempotent':
    case 'transactions':
      return checksCase(context, name)
    case 'zombie':
      return zombieCase(context)
    case 'rpw':
      return client.name === 'java' || client.name === 'python' ? readProcessWriteCase(context) : undefined
    case 'load':
      return full && loadCase(context, full, { name: 'load', kills: 0 })
    case 'kills': {
      // The first client takes the full number of kills in the full load, the others a few in a shorter one.
      const plan = { name: 'kills', kills: first || options.invoices === 'all' ? options.kills : options.fewKills }
      const input = first ? full : short
      return input && loadCase(context, input, plan)
    }
    case 'tv1':
      if (!client.transactionVersions.includes(2)) return
      await help(context, 'feature', { level: 1 })
      try {
        const older = { ...context, label: 'tv1/' }
        await checksCase(older, 'transactions')
        await zombieCase(older)
        if (short) await loadCase(older, short, { name: 'load', kills: 0 })
      } finally {
        await help(context, 'feature', { level: 2 })
      }
      return
    case 'switch': {
      if (!client.transactionVersions.includes(2)) return
      const level = (to: number) => () => help(context, 'feature', { level: to })
      try {
        if (short)
          await loadCase(context, short, {
            name: 'version-switch',
            kills: 0,
            interludes: [level(1), level(2), level(1), level(2)],
          })
      } finally {
        await help(context, 'feature', { level: 2 })
      }
      return
    }
    case 'tools':
      return
  }
}

function runTools(broker: Broker): Promise<void> {
  return toolsCase({ broker, client: helper, report, options, prefix: `tools-${startedMs}-`, label: '' })
}

function notRun(name: CaseName): void {
  report.add({
    client: 'kafka-tools',
    capability: name,
    result: 'not run',
    seconds: 0,
    detail: 'a broker given with --broker is never stopped or reconfigured',
  })
}

function chosen(flag: string, text: string, known: readonly string[]): Set<string> {
  const wanted = text.split(',').filter((name) => name !== '')
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`${flag}: unknown ${unknown.join(', ')}; known: ${known.join(', ')}`)
  return new Set(wanted)
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${flag}: not a whole number: ${text}`)
  return value
}
