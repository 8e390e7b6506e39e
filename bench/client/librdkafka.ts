/**
 * Builds @confluentinc/kafka-javascript from the sources in its package. Its install script, which is not run, would fetch a
 * binary from elsewhere; with dynamic linking the build needs headers of the system instead: on Debian
 * `apt-get install libcurl4-openssl-dev libssl-dev zlib1g-dev libzstd-dev liblz4-dev libsasl2-dev` and a C++ compiler.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const packageDirectory = join(import.meta.dirname, 'node_modules/@confluentinc/kafka-javascript')
const nodeGyp = join(import.meta.dirname, 'node_modules/node-gyp/bin/node-gyp.js')

/** @returns why it is not there, or `undefined` */
export function buildLibrdkafka(): string | undefined {
  if (existsSync(join(packageDirectory, 'build/Release/confluent-kafka-javascript.node'))) return undefined
  if (process.platform !== 'linux') return 'it is built on Linux only'
  process.stderr.write('bench: building librdkafka from the sources in its package (once, about a minute) …\n')
  const log = join(packageDirectory, 'build.log')
  mkdirSync(packageDirectory, { recursive: true })
  const out = openSync(log, 'w')
  // One job at a time: its makefiles race.
  const result = spawnSync(process.execPath, [nodeGyp, 'rebuild', ...headers()], {
    cwd: packageDirectory,
    env: { ...process.env, CKJS_LINKING: 'dynamic', JOBS: '1' },
    stdio: ['ignore', out, out],
  })
  return result.status === 0 ? undefined : `its build failed, see ${log}`
}

/** The headers of the Node that runs this, where the package it comes from ships them; otherwise node-gyp looks by itself. */
function headers(): string[] {
  const require = createRequire(import.meta.url)
  for (const base of [dirname(dirname(process.execPath)), nodePackage(require)]) {
    if (base !== undefined && existsSync(join(base, 'include/node/node_version.h'))) return [`--nodedir=${base}`]
  }
  return []
}

function nodePackage(require: NodeJS.Require): string | undefined {
  try {
    const directory = dirname(require.resolve('node/package.json'))
    return join(
      directory,
      `node_modules/node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`,
    )
  } catch {
    // This Node does not come from that package.
    return undefined
  }
}
