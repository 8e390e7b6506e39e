/**
 * Installs the packed package into an empty folder and uses it as a stranger would: `npx semel start`, the library with
 * its types, a second start on the same data. Needs `npm run build` before.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBrokerProcess } from './broker-process.ts'
import { ask, writeAndRead } from './converse.ts'
import { main, root, run, ScriptFailure } from './run.ts'

/** The first program of the README with its output, as they stand there. */
function readmeProgram(): { readonly program: string; readonly output: string } {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, program, output] =
    /```ts\n(import \{ Kafka \} from 'semel'\n[\s\S]*?)```\n\n```\n([\s\S]*?)```/.exec(readme) ?? []
  if (program === undefined || output === undefined) throw new ScriptFailure('README.md: no program with its output')
  return { program, output }
}

await main(async () => {
  if (!existsSync(join(root, 'dist/cli/main.js')))
    throw new ScriptFailure('dist/ is missing; run `npm run build` first')
  const folder = mkdtempSync(join(tmpdir(), 'semel-package-'))
  try {
    const app = join(folder, 'app')
    mkdirSync(app)
    run('npm', ['pack', '--silent', '--pack-destination', folder])
    writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    run(
      'npm',
      ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', `../semel-${version()}.tgz`],
      {
        cwd: app,
      },
    )
    await useCommand(app)
    useLibrary(app)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

async function useCommand(app: string): Promise<void> {
  const first = await startBrokerProcess('npx', ['--no-install', 'semel', 'start', '--port', '0'], app)
  console.log(`${first.readyLine}\n${await ask(first)}`)
  await writeAndRead(first, 'package-check')
  await first.stop({ signalGroup: true })
  const bin = join(app, 'node_modules/.bin/semel')
  const second = await startBrokerProcess(bin, ['start', '--port', '0'], app)
  console.log(`${second.readyLine}\n${await ask(second)}`)
  console.log(`ready ${Math.round(second.readyMs)} ms after the start of the process`)
  await second.stop()
  run('npx', ['--no-install', 'semel', 'log', 'verify', '.semel'], { cwd: app })
}

function useLibrary(app: string): void {
  const { program, output: expected } = readmeProgram()
  writeFileSync(join(app, 'program.ts'), program)
  const output = run('node', ['program.ts'], { cwd: app, capture: true })
  console.log(output.trimEnd())
  // Topics are read side by side, so which comes first is nobody's promise.
  const lines = (text: string): string => text.trim().split('\n').toSorted().join('\n')
  if (lines(output) !== lines(expected)) throw new ScriptFailure(`the README says:\n${expected}`)
  const types = join(root, 'node_modules/@types')
  const flags = [
    '--noEmit',
    '--strict',
    '--target',
    'es2024',
    '--lib',
    'es2024,esnext.disposable',
    '--module',
    'nodenext',
  ]
  run('tsc', [...flags, '--typeRoots', types, '--types', 'node', 'program.ts'], { cwd: app })
}

function version(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
}
