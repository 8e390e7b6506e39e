/**
 * `npm run build`: makes in `dist/` what would be published (JavaScript and declarations of what the public entries
 * reach), and checks it as a package: publint, attw, the size of the tarball, and that only what belongs there is in it.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main, root, run, ScriptFailure } from './run.ts'

const TARBALL_BYTES_MAX = 2_000_000

await main(async () => {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  run('tsc', ['-p', 'tsconfig.build.json'])
  makeExecutable()
  const folder = mkdtempSync(join(tmpdir(), 'semel-build-'))
  try {
    const { path, files } = pack(folder)
    run('publint', [path, '--strict'])
    run('attw', [path, '--profile', 'esm-only', '--exclude-entrypoints', './package.json'])
    console.log(`dist/: ${files} files, tarball ${statSync(path).size} bytes (at most ${TARBALL_BYTES_MAX})`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function makeExecutable(): void {
  const bin = join(root, 'dist/cli/main.js')
  if (!readFileSync(bin, 'utf8').startsWith('#!/usr/bin/env node\n')) throw new ScriptFailure(`${bin}: no shebang`)
  chmodSync(bin, 0o755)
}

function pack(folder: string): { path: string; files: number } {
  const [entry] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], { capture: true })) as {
    filename: string
    size: number
    files: { path: string }[]
  }[]
  if (entry === undefined) throw new ScriptFailure('npm pack made nothing')
  const stray = entry.files.filter(
    ({ path }) => !/^(?:dist\/.*\.(?:js|d\.ts)|package\.json|LICENSE|[A-Z]+\.md)$/.test(path),
  )
  if (stray.length > 0)
    throw new ScriptFailure(`not meant to be published: ${stray.map(({ path }) => path).join(', ')}`)
  if (entry.size > TARBALL_BYTES_MAX) throw new ScriptFailure(`the tarball has ${entry.size} bytes`)
  return { path: join(folder, entry.filename), files: entry.files.length }
}
