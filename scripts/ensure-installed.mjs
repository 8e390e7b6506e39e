// Installs exactly what package-lock.json says when node_modules is missing or stale, so that `npm start` and
// `npm test` work as the only command on a fresh clone. Needs nothing but Node and npm; runs on any Node >= 18.
//
//   node scripts/ensure-installed.mjs [FOLDER …]     packages below the root that are wanted as well
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

for (const folder of ['.', ...process.argv.slice(2)]) ensureInstalled(folder)

function ensureInstalled(folder) {
  const directory = join(root, folder)
  const stamp = join(directory, 'node_modules', '.semel-installed')
  // The dependencies in package.json, not all of it: a changed script is no reason to install anew.
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const wanted = createHash('sha256')
    .update(readFileSync(join(directory, 'package-lock.json')))
    .update(JSON.stringify({ dependencies, devDependencies }))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return

  const what = folder === '.' ? 'the locked dependencies' : `what ${folder} needs`
  process.stderr.write(`semel: installing ${what} (once) …\n`)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  // Not `npm ci`: it refuses a lock file that lacks builds for other platforms, which a registry need not all have. This
  // installs the locked versions just the same, and leaves package.json and the lock file alone.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline']
  const result = spawnSync(npm, args, { cwd: directory, stdio: ['ignore', 2, 2] })
  if (result.status !== 0) {
    process.stderr.write(`semel: \`npm install\` in ${directory} failed; see above, then run it by hand.\n`)
    process.exit(result.status ?? 1)
  }
  writeFileSync(stamp, wanted)
}
