#!/usr/bin/env node
/**
 * The `semel` command. Owns the command line's shape and the exit codes: 0 done, 1 failed, 2 wrong usage.
 *
 * Each command lives in `commands/` and is loaded only when it is run, so that `semel start` is ready fast.
 */
import { createRequire, enableCompileCache } from 'node:module'
import { Command, CommanderError, Option } from 'commander'
import type { StartOptions } from './commands/start.ts'

const EXIT_USAGE = 2

// What a command loads is compiled once per version, not at each start. Without a place for it nothing is cached.
enableCompileCache()

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

const program = new Command('semel')
  .description('Exactly-once streaming: a durable broker that speaks the Kafka protocol')
  .version(version, '--version', 'print the version')
  .helpOption('-h, --help', 'print help')
  .exitOverride()

program
  .command('start')
  .description('run a broker until SIGTERM or SIGINT')
  .option('--data <dir>', 'data directory (default: log.dirs of the configuration, else .semel)')
  .addOption(new Option('--memory', 'keep nothing on disk').conflicts('data'))
  .option('--host <host>', 'address to listen on (default: 127.0.0.1)')
  .option('--port <port>', 'port to listen on, 0 for a free one (default: 9092)')
  .option('--advertise <host:port>', 'address that clients are told to connect to')
  .addOption(new Option('--durability <when>', 'when a write is acknowledged').choices(['fsync', 'os', 'memory']))
  .option('--config <file>', 'server.properties with Kafka configuration names')
  .option('-X <key=value>', 'one configuration entry; may be repeated', collect, [])
  .addOption(
    new Option('--log-level <level>', 'least serious log lines to print on standard error')
      .choices(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info'),
  )
  .action(async (options: StartOptions) => {
    const { start } = await import('./commands/start.ts')
    process.exitCode = await start(options, version)
  })

function collect(entry: string, entries: readonly string[]): string[] {
  return [...entries, entry]
}

try {
  await program.parseAsync()
} catch (error) {
  // Commander has printed what is wrong; help and version end here too, with exit code 0.
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
}
