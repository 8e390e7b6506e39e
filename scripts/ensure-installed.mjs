// Installs exactly what package-lock.json says when node_modules is missing or stale, so that `npm start` and
// `npm test` work as the only command on a fresh clone. Needs nothing but Node and npm; runs on any Node >= 18.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stamp = join(root, 'node_modules', '.semel-installed')
// The dependencies in package.json, not all of it: a changed script is no reason to install anew.
const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(JSON.stringify({ dependencies, devDependencies }))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  process.stderr.write('semel: installing the locked dependencies (once) …\n')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const result = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (result.status !== 0) {
    process.stderr.write('semel: `npm ci` failed; see above, then run it by hand.\n')
    process.exit(result.status ?? 1)
  }
  writeFileSync(stamp, wanted)
}
