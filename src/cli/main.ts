#!/usr/bin/env node
/**
 * The `semel` command. Owns the command line's shape and the exit codes: 0 done, 1 failed, 2 wrong usage,
 * 3 something was proven wrong (`verify`).
 *
 * Each command lives in `commands/` and is loaded only when it is run, so that `semel start` is ready fast.
 */
import { createRequire, enableCompileCache } from 'node:module'
import { Command, CommanderError, Option } from 'commander'
import { addClusterCommands } from './cluster-commands.ts'
import type { DemoOptions } from './commands/demo.ts'
import type { LogDumpOptions, LogVerifyOptions } from './commands/log.ts'
import type { StartOptions } from './commands/start.ts'
import { addVerifyCommands } from './verify-commands.ts'

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
  .option('--hints', 'print how clients connect')
  .addOption(
    new Option('--log-level <level>', 'least serious log lines to print on standard error')
      .choices(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info'),
  )
  .action(async (options: StartOptions) => {
    const { start } = await import('./commands/start.ts')
    process.exitCode = await start(options, version)
  })

program
  .command('demo')
  .description('kill workers and broker of a pipeline, and show that nothing is lost, repeated or torn')
  .option('--input <file>', 'real orders (CSV, also gzipped) instead of made-up ones')
  .option('--orders <count>', 'how many orders to make up', '4000')
  .option('--kills <count>', 'how many times something is killed or paused, in each round', '7')
  .option('--seed <number>', 'the same orders and faults again')
  .addOption(new Option('--only <guarantee>', 'one of the two rounds').choices(['exactly_once', 'at_least_once']))
  .option('--keep', 'leave the data directory behind')
  .addOption(new Option('--format <format>', 'what is printed in the end').choices(['text', 'json']).default('text'))
  .action(async (options: DemoOptions) => {
    const { demo } = await import('./commands/demo.ts')
    process.exitCode = await demo(options)
  })

program
  .command('demo-worker', { hidden: true })
  .argument('<task>')
  .action(async (task: string) => {
    const { demoWorker } = await import('./commands/demo-worker.ts')
    process.exitCode = await demoWorker(task)
  })

addClusterCommands(program)
addVerifyCommands(program)

const log = program.command('log').description('look into a data directory, with or without a broker running on it')
const formatOption = new Option('--format <format>', 'text, or one JSON object a line').choices(['text', 'json'])

log
  .command('dump')
  .description(
    'print the batches of a data directory, partition, segment or journal, or what is in any other file of them',
  )
  .argument('<path>', 'directory or file')
  .option('--records', 'print the records too, decoded where the topic is internal')
  .option('--from <offset>', 'leave out what lies below')
  .option('--to <offset>', 'leave out what lies above')
  .option('--partition <topic-number>', 'of a data directory or journal, this partition alone')
  .option('--limit <count>', 'stop after so many batches, frames or entries')
  .option('--max-value-bytes <count>', 'cut longer keys and values', '1024')
  .addOption(formatOption.default('text'))
  .action(async (path: string, options: LogDumpOptions) => {
    const { logDump } = await import('./commands/log.ts')
    process.exitCode = await logDump(path, options)
  })

log
  .command('verify')
  .description('check that what lies on disk is what was written; exit code 1 when something is damaged')
  .argument('<path>', 'directory or file')
  .option('--partition <topic-number>', 'of a data directory, this partition alone')
  .addOption(formatOption)
  .action(async (path: string, options: LogVerifyOptions) => {
    const { logVerify } = await import('./commands/log.ts')
    process.exitCode = await logVerify(path, options)
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
