/**
 * Tries the nets on seeded defects: each defect in each net from the cheapest on, until one notices.
 *
 *   npm run mutants                       all of them; exit code 1 when fewer than 95 % are caught from outside
 *   npm run mutants -- --only NAME,NAME   some, and only their rows of docs/internals/mutants.md change
 *   npm run mutants -- --missing          those that nothing has caught from outside, as they are now, in the nets that they were not tried in
 *   npm run mutants -- --known            each once more by what caught it the last time: a minute or two; changes no document
 *
 * --jobs N (2) at a time; --budget-seconds N begins none after that; --nets which (kinds or names, 'crash,sim' say); --told prints what a net said;
 * --no-health trusts the nets to find nothing without a defect.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Attempt, attempt } from './attempt.ts'
import { type Defect, editsOf } from './defect.ts'
import { DEFECTS } from './defects/index.ts'
import { freezeSources } from './frozen.ts'
import { type Net, NETS } from './nets.ts'
import { document, GOAL, lineOf, shareLine } from './report.ts'
import {
  catchOf,
  readResults,
  type Result,
  resultOf,
  type Results,
  shareOf,
  textHash,
  type Trial,
  writeResults,
} from './results.ts'

const DOCUMENT = new URL('../docs/internals/mutants.md', import.meta.url)
/** A net must be done in this part of its time without a defect, else its time being over says nothing. */
const HEALTHY_PART = 1 / 4
const TOLD_CHARS = 6_000

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    missing: { type: 'boolean', default: false },
    known: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '2' },
    'budget-seconds': { type: 'string' },
    nets: { type: 'string', default: 'crash,sim,tests' },
    told: { type: 'boolean', default: false },
    health: { type: 'boolean', default: true },
  },
  allowNegative: true,
})

function chosen(results: Results): readonly Defect[] {
  const { only, missing } = flags
  if (only === undefined) return missing ? DEFECTS.filter((one) => untried(one, results).length > 0) : DEFECTS
  return only.split(',').map((name) => {
    const defect = DEFECTS.find((one) => one.name === name)
    if (defect === undefined) throw new Error(`--only ${name}: there is no such defect`)
    return defect
  })
}

/** What can still be told of the defect, the text of which has to be the one that was tried. */
function untried(defect: Defect, results: Results): readonly Net[] {
  const result = resultOf(results, defect)
  const by = result === undefined ? undefined : catchOf(result)
  if (by !== undefined && by.kind !== 'tests') return []
  const done = new Set(result?.trials.map(({ net }) => net))
  return nets.filter((net) => {
    if (done.has(net.name) || (by !== undefined && net.kind === 'tests')) return false
    return editsOf(defect).some(({ file }) => net.reaches(file))
  })
}

/** Without a defect every net must find nothing, in good time. */
async function checkHealthy(nets: readonly Net[]): Promise<void> {
  for (const net of nets) {
    const { outcome, seconds, said, output } = await attempt(root, net, undefined)
    console.log(`${net.name} without a defect: ${outcome}, ${seconds.toFixed(1)} s`)
    const isQuick = seconds * 1000 <= net.timeoutMs * HEALTHY_PART
    if (outcome === 'survived' && isQuick) continue
    console.error(output.slice(-TOLD_CHARS))
    throw new Error(`${net.name} says something without a defect (${said}), or takes too long to tell a hang by`)
  }
}

/** By the seed or the crash point that caught it, where that is known. */
async function tryAgain(defect: Defect): Promise<Result> {
  const result = resultOf(before, defect)
  const by = result === undefined ? undefined : catchOf(result)
  const net = NETS.find(({ name }) => name === by?.net)
  if (by === undefined || net === undefined) return { text: textHash(defect), trials: [] }
  const command = by.again === undefined ? net.command : [...net.command.slice(0, 2), ...by.again]
  return { text: textHash(defect), trials: [trialOf(net, await attempt(root, { ...net, command }, defect))] }
}

async function tryOut(defect: Defect): Promise<Result> {
  const trials: Trial[] = flags.missing ? [...(resultOf(before, defect)?.trials ?? [])] : []
  for (const net of flags.missing ? untried(defect, before) : untried(defect, {})) {
    const made = await attempt(root, net, defect)
    trials.push(trialOf(net, made))
    if (flags.told) console.log(made.output.slice(-TOLD_CHARS))
    if (made.outcome !== 'survived' && made.outcome !== 'untouched') break
  }
  return { text: textHash(defect), trials }
}

function trialOf({ name, kind }: Net, { outcome, seconds, seed, said, again }: Attempt): Trial {
  const isCaught = outcome !== 'survived' && outcome !== 'untouched'
  return {
    net: name,
    kind,
    outcome,
    seconds: Math.round(seconds * 10) / 10,
    ...(isCaught && seed !== undefined && { seed }),
    ...(isCaught && said !== '' && { said }),
    ...(isCaught && again !== undefined && { again }),
  }
}

const root = freezeSources()
const startedMs = performance.now()
const budgetMs = Number(flags['budget-seconds'] ?? Infinity) * 1000
const kinds = new Set(flags.nets.split(','))
const nets = NETS.filter(({ kind, name }) => kinds.has(kind) || kinds.has(name))
const before = readResults()
const defects = chosen(before)
if (flags.health && !flags.known) await checkHealthy(nets)

const results: Record<string, Result> = { ...before }
const tried: Result[] = []
const waiting = [...defects]
await Promise.all(
  Array.from({ length: Number(flags.jobs) }, async () => {
    while (performance.now() - startedMs < budgetMs) {
      const defect = waiting.shift()
      if (defect === undefined) return
      const result = await (flags.known ? tryAgain(defect) : tryOut(defect))
      tried.push(result)
      console.log(lineOf(defect, result))
      if (flags.known) continue
      results[defect.name] = result
      // Kept at once: a run of hours that is ended loses nothing.
      writeResults(results, DEFECTS)
    }
  }),
)

if (!flags.known) {
  mkdirSync(new URL('.', DOCUMENT), { recursive: true })
  writeFileSync(DOCUMENT, document(DEFECTS, results))
}
console.log(shareLine(tried))
if (waiting.length > 0) console.log(`${waiting.length} not tried: the budget is over`)
const { tried: count, fromOutside } = shareOf(tried)
if (fromOutside < GOAL * count) process.exitCode = 1
