/** Starts programs for the scripts: what they print is shown, and what fails says so in one line. */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository, absolute. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..')

export class ScriptFailure extends Error {
  override name = 'ScriptFailure'
}

/**
 * Runs a program to its end; packages' programs are found as npm scripts find them.
 * @returns what it printed on standard output, when `capture` is set
 * @throws ScriptFailure when it cannot be started or exits with anything but 0
 */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; capture?: boolean } = {},
): string {
  const { cwd = root, capture = false } = options
  const result = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` },
  })
  const command = [program, ...args].join(' ')
  if (result.error !== undefined) throw new ScriptFailure(`${command}: ${result.error.message}`)
  if (result.status !== 0) throw new ScriptFailure(`${command}: exit code ${result.status ?? result.signal}`)
  return capture ? result.stdout : ''
}

/** Runs a script's main function; a failure is one line on standard error and exit code 1. */
export async function main(script: () => Promise<void>): Promise<void> {
  try {
    await script()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    process.stderr.write(`${error.name === 'ScriptFailure' ? error.message : error.stack}\n`)
    process.exitCode = 1
  }
}
