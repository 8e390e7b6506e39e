/** One defect in one net: starts the command, waits, says how it ended. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import type { Defect } from './defect.ts'
import type { Net } from './nets.ts'

/** Of its output; what it found stands at the end. */
const OUTPUT_CHARS_MAX = 200_000
const SAID_CHARS_MAX = 160
/** For the rest of what it says of a broken promise. */
const REST_MS = 500

/** Process groups of nets that run now: whoever ends this process ends them. */
const groups = new Set<number>()
process.on('exit', () => groups.forEach(kill))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/**
 * `caught`: by a verdict. `assert`: a program stopped on its own. `hang`: it did not end. `survived`: nothing was noticed.
 * `untouched`: nothing was noticed, and the place was never loaded.
 */
export type Outcome = 'caught' | 'assert' | 'hang' | 'survived' | 'untouched'

export interface Attempt {
  readonly outcome: Outcome
  readonly seconds: number
  readonly seed: string | undefined
  /** What it said of it, in one line. */
  readonly said: string
  /** Arguments of the net's program that show just this again, as the net printed them. */
  readonly again: readonly string[] | undefined
  readonly output: string
}

/**
 * @param root  of the sources to try it on
 * @param defect  `undefined`: the net without one
 */
export async function attempt(root: string, net: Net, defect: Defect | undefined): Promise<Attempt> {
  const folder = mkdtempSync(join(tmpdir(), 'semel-mutant-'))
  const loaded = join(folder, 'loaded')
  try {
    const startedMs = performance.now()
    const { code, output } = await run(root, net, {
      ...process.env,
      ...(defect !== undefined && {
        SEMEL_MUTANT: defect.name,
        SEMEL_MUTANT_LOADED: loaded,
        NODE_OPTIONS:
          `${process.env['NODE_OPTIONS'] ?? ''} --import=${pathToFileURL(join(root, 'mutants/load.ts')).href}`.trim(),
      }),
      FORCE_COLOR: '0',
    })
    const seconds = (performance.now() - startedMs) / 1000
    const verdict = net.verdict.exec(output)?.[0].trim()
    const outcome = outcomeOf(code, verdict !== undefined, defect === undefined || existsSync(loaded))
    const said = oneLine(verdict ?? mishapIn(output))
    return { outcome, seconds, seed: seedIn(output), said, again: againIn(output), output }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function outcomeOf(code: number | undefined, hasVerdict: boolean, isLoaded: boolean): Outcome {
  if (code === 0) return isLoaded ? 'survived' : 'untouched'
  if (hasVerdict) return 'caught'
  return code === undefined ? 'hang' : 'assert'
}

/** Ends the net when it has named a broken promise; it need not look for more. @returns `code` is undefined when it was ended */
function run(
  root: string,
  { command, timeoutMs, verdict }: Net,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | undefined; output: string }> {
  const [program = '', ...args] = command
  return new Promise((resolve, reject) => {
    // A group of its own, so that what it has started ends with it.
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const group = child.pid
    if (group !== undefined) groups.add(group)
    let output = ''
    let isOver = false
    let isFound = false
    const take = (chunk: string): void => {
      output = (output + stripVTControlCharacters(chunk)).slice(-OUTPUT_CHARS_MAX)
      if (isFound || !verdict.test(output)) return
      isFound = true
      setTimeout(end, REST_MS)
    }
    const end = (): void => {
      isOver = true
      if (group !== undefined) kill(group)
    }
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
    const timer = setTimeout(end, timeoutMs)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (group !== undefined) groups.delete(group)
      resolve({ code: isOver ? undefined : (code ?? 1), output })
    })
  })
}

function kill(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch (error) {
    // Nobody of the group is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function seedIn(output: string): string | undefined {
  return /\bseed[ =:]+(\d+)/i.exec(output)?.[1]
}

/** `npm run sim -- --seed 17`, say. */
function againIn(output: string): readonly string[] | undefined {
  return /(?:npm run (?:sim|crash) --|node mutants\/calm.ts) (.+)$/m.exec(output)?.[1]?.trim().split(/\s+/)
}

/** Where no promise was named: what went wrong. */
function mishapIn(output: string): string {
  const failure = /(?<=^seed \d+ .* fails: .*\n).*/m.exec(output)?.[0].trim()
  return failure ?? /^.*(?:Error\b|Assertion|FAIL|fails:|refuse).*$/m.exec(output)?.[0].trim() ?? ''
}

function oneLine(text: string): string {
  return text.length > SAID_CHARS_MAX ? `${text.slice(0, SAID_CHARS_MAX)}…` : text
}
