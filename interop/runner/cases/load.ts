/**
 * The main job: one transaction per invoice over three topics, every tenth first aborted; then the same while the broker
 * is killed and restarted. The verdict is exact in both: see retail.ts.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDirectory } from '../paths.ts'
import { type Line, type Program, sleep } from '../programs.ts'
import { type RetailInput, topics } from '../retail.ts'
import { verifyCommitted, verifyUncommitted } from '../retail-verdict.ts'
import { begin, CaseError, capability, type Context, complete, help, helper, record } from './context.ts'
import { limitOf } from '../limits.ts'

const READ_TIMEOUT_MS = 300_000
/** Generous per invoice: a load on a busy two-core machine, with restarts. */
const LOAD_BASE_TIMEOUT_MS = 120_000
const LOAD_TIMEOUT_PER_INVOICE_MS = 60
const SETTLE_MS = 1_000
const KILL_TIMEOUT_MS = 30_000

export interface LoadPlan {
  name: string
  kills: number
  /** Called at these shares of the load, e.g. to switch the transaction version. */
  interludes?: readonly (() => Promise<unknown>)[]
}

export async function loadCase(context: Context, input: RetailInput, plan: LoadPlan): Promise<void> {
  const prefix = `${context.prefix}${plan.name}-`
  const trusted = context.client.trustedReader ? context.client : helper
  let loader: Program | undefined
  await capability(context, `${plan.name}/write`, async () => {
    await help(context, 'create', {
      topics: topics.map((topic) => `${prefix}${topic.name}:${topic.partitions}`).join(','),
    })
    const startedMs = Date.now()
    const { program, done } = await load(context, input, prefix, plan)
    loader = program
    const perSecond = Math.round(input.invoices / ((Date.now() - startedMs) / 1_000))
    return `${input.invoices} invoices, ${perSecond}/s, ${plan.kills} kills, ${done['restarts']} new producers, ${done['redone']} redone`
  })
  if (loader === undefined) return
  const writer = loader
  // A commit is answered before its markers are written: the last one may need a moment to be readable.
  await sleep(SETTLE_MS)
  const names = topics.map((topic) => `${prefix}${topic.name}`).join(',')
  for (const isolation of ['read_committed', 'read_uncommitted'] as const) {
    await capability(context, `${plan.name}/${isolation}`, async () => {
      const out = join(cacheDirectory, `${prefix}${isolation}.ndjson`)
      const reading = { topics: names, isolation, out }
      if (trusted.name === helper.name) await help(context, 'read', reading)
      else await complete(context, trusted, 'read', reading, READ_TIMEOUT_MS)
      const verdict =
        isolation === 'read_committed'
          ? await verifyCommitted(out, prefix, input)
          : await verifyUncommitted(out, prefix, input, plan.kills === 0 && plan.interludes === undefined)
      if (verdict.problems.length > 0) throw new CaseError(`${verdict.problems.join('; ')} (${out})`, writer)
      rmSync(out)
      return `${verdict.records} records, read by ${trusted.name}`
    })
  }
  if (!context.client.trustedReader && plan.kills === 0) await ownReader(context, input, prefix, names)
}

/** What the client's own read_committed makes of its data: a known defect is a limit with its reason, not a failure. */
async function ownReader(context: Context, input: RetailInput, prefix: string, names: string): Promise<void> {
  const startedMs = Date.now()
  const name = 'load/own read_committed'
  let problem: string | undefined
  try {
    const out = join(cacheDirectory, `${prefix}own.ndjson`)
    await complete(
      context,
      context.client,
      'read',
      { topics: names, isolation: 'read_committed', out },
      READ_TIMEOUT_MS,
    )
    const verdict = await verifyCommitted(out, prefix, input)
    problem = verdict.problems[0]
    rmSync(out)
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
  }
  const seconds = (Date.now() - startedMs) / 1_000
  const limit = limitOf(context.client.name, name)
  if (problem === undefined) record(context, name, 'pass', seconds)
  else if (limit !== undefined) record(context, name, 'limit', seconds, `${problem} (${limit})`)
  else record(context, name, 'fail', seconds, problem)
}

async function load(
  context: Context,
  input: RetailInput,
  prefix: string,
  plan: LoadPlan,
): Promise<{ program: Program; done: Line }> {
  let progress = 0
  const program = begin(
    context,
    'load',
    {
      input: input.path,
      prefix,
      'transactional-id': `${prefix}loader`,
      // Asked by clients whose own read_committed cannot tell them what was committed.
      resolver: JSON.stringify([...helper.command, 'next', '--bootstrap', context.broker.address, '--prefix', prefix]),
    },
    {
      onLine: (line) => {
        if (typeof line['progress'] === 'number') progress = line['progress']
      },
    },
  )
  const timeoutMs = LOAD_BASE_TIMEOUT_MS + input.invoices * LOAD_TIMEOUT_PER_INVOICE_MS + plan.kills * KILL_TIMEOUT_MS
  const finished = program.finish(timeoutMs)
  try {
    const interludes = [
      ...(plan.interludes ?? []),
      ...Array.from({ length: plan.kills }, (_, kill) => () => killAndRestart(context, kill)),
    ]
    for (const [index, interlude] of interludes.entries()) {
      const due = Math.floor((input.invoices * (index + 1)) / (interludes.length + 1))
      await reach(program, () => progress >= due, timeoutMs)
      await interlude()
    }
  } catch (error) {
    await program.kill()
    throw new CaseError(error instanceof Error ? error.message : String(error), program)
  }
  const code = await finished
  const done = program.lines.find((line) => line['done'] === true)
  if (code !== 0 || done === undefined)
    throw new CaseError(`${program.name} ended with ${code} after ${progress} invoices`, program)
  return { program, done }
}

async function reach(program: Program, holds: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs
  while (!holds()) {
    if (program.exitCode !== undefined)
      throw new Error('the load ended before the broker was killed as often as planned')
    if (Date.now() > deadlineMs) throw new Error('the load makes no progress')
    await sleep(5)
  }
}

async function killAndRestart(context: Context, kill: number): Promise<void> {
  // At another point of a transaction each time.
  await sleep((kill * 7) % 40)
  await context.broker.kill()
  await context.broker.start()
}
