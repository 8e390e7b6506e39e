/** `semel verify …`: names, arguments and options. What they do lies in commands/verify.ts and is loaded when one of them is run. */
import { type Command, Option } from 'commander'

export function addVerifyCommands(program: Command): void {
  const load = () => import('./commands/verify.ts')
  const format = () => new Option('--format <format>', 'text, or one JSON document').choices(['text', 'json'])
  const verify = program
    .command('verify')
    .description('prove exactly-once on any cluster: run a workload, check what it saw')
  verify
    .command('run')
    .description('run a workload beside a cluster, and check what it saw; exit code 3 when something is wrong')
    .addOption(
      new Option('-b, --target <host:port>', 'brokers to begin with')
        .env('SEMEL_BOOTSTRAP_SERVERS')
        .default('127.0.0.1:9092'),
    )
    .requiredOption('-w, --workload <name>', "which one; 'semel verify workloads' lists them")
    .option('-d, --duration <time>', 'how long it works', '30s')
    .option('--seed <number>', 'the same plan and faults again')
    .option('--rate <count>', 'operations a second that each role aims at', '100')
    .addOption(
      new Option('--faults <whose>', "'clients': its own clients crash, stand still and lose connections")
        .choices(['none', 'clients'])
        .default('clients'),
    )
    .option('-o, --out <file>', 'keep the history there; without it one is kept only when something is wrong')
    .option('--keep-topics', 'leave the topics behind, which are deleted otherwise when all is well')
    .addOption(format().default('text'))
    .action(async (flags) => {
      process.exitCode = await (await load()).verifyRun(flags)
    })
  verify
    .command('check')
    .description('check histories again; several files of one run are one history; exit code 3 when something is wrong')
    .argument('<history...>')
    .addOption(format().default('text'))
    .action(async (paths: string[], flags) => {
      process.exitCode = await (await load()).verifyCheck(paths, flags)
    })
  verify
    .command('report')
    .description('make one page of HTML of a history: verdict, findings, timeline; exit code 3 when something is wrong')
    .argument('<history...>')
    .option('-o, --out <file>', 'where to; beside the history unless given')
    .action(async (paths: string[], flags) => {
      process.exitCode = await (await import('./commands/verify-report.ts')).verifyReport(paths, flags)
    })
  verify
    .command('workloads')
    .description('the workloads there are')
    .addOption(format().default('text'))
    .action(async (flags) => {
      process.exitCode = await (await load()).verifyWorkloads(flags)
    })
}
