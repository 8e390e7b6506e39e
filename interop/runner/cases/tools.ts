/** Kafka's own command-line classes against the broker, and its dump tool on the files of a broker that was stopped. */
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clients, javaCommand, missingTools, start } from '../clients.ts'
import { javaHost } from '../java-host.ts'
import { run } from '../programs.ts'
import { CaseError, capability, committedValues, type Context, help, helper, record } from './context.ts'

const TOOL_TIMEOUT_MS = 60_000
const TOOLS = 'org.apache.kafka.tools'
const RECORDS = 500

/** Silence after which a console consumer ends: it has no other way to stop at the end of a topic. */
const CONSOLE_IDLE_MS = 4_000

export async function toolsCase(javaContext: Context): Promise<void> {
  const context: Context = { ...javaContext, client: { ...helper, name: 'kafka-tools' } }
  const { broker, prefix } = context
  const server = ['--bootstrap-server', broker.address]
  const topic = `${prefix}topic`
  const node = String((await help(context, 'node', {}))[0]?.['id'])

  await capability(context, 'TopicCommand', async () => {
    const topics = (...args: string[]): Promise<string> => tool(`${TOOLS}.TopicCommand`, ...server, ...args)
    await topics(
      '--create',
      '--topic',
      topic,
      '--partitions',
      '1',
      '--replication-factor',
      '1',
      '--config',
      'segment.bytes=16777216',
    )
    await topics('--create', '--topic', `${prefix}gone`, '--partitions', '1')
    includes(await topics('--list'), topic, `${prefix}gone`)
    await topics('--alter', '--topic', topic, '--partitions', '2')
    includes(await topics('--describe', '--topic', topic), 'PartitionCount: 2', 'segment.bytes=16777216')
    await topics('--delete', '--topic', `${prefix}gone`)
    excludes(await topics('--list'), `${prefix}gone`)
    return undefined
  })
  await capability(context, 'ConfigCommand', async () => {
    const configs = (...args: string[]): Promise<string> => tool('kafka.admin.ConfigCommand', ...server, ...args)
    await configs(
      '--alter',
      '--entity-type',
      'topics',
      '--entity-name',
      topic,
      '--add-config',
      'retention.ms=123456789',
    )
    includes(await configs('--describe', '--entity-type', 'topics', '--entity-name', topic), 'retention.ms=123456789')
    await configs('--alter', '--entity-type', 'topics', '--entity-name', topic, '--delete-config', 'retention.ms')
    excludes(await configs('--describe', '--entity-type', 'topics', '--entity-name', topic), 'retention.ms=123456789')
    includes(
      await configs('--describe', '--all', '--entity-type', 'brokers', '--entity-name', node),
      'transaction.max.timeout.ms=900000',
    )
    return undefined
  })
  await capability(context, 'FeatureCommand', async () => {
    const features = (...args: string[]): Promise<string> => tool(`${TOOLS}.FeatureCommand`, ...server, ...args)
    const level = async (): Promise<string | undefined> =>
      /transaction\.version.*FinalizedVersionLevel: (\d)/.exec(await features('describe'))?.[1]
    equal(await level(), '2', 'level at first')
    await features('downgrade', '--feature', 'transaction.version=1')
    equal(await level(), '1', 'level after the downgrade')
    await features('upgrade', '--feature', 'transaction.version=2')
    equal(await level(), '2', 'level after the upgrade')
    return undefined
  })
  await capability(context, 'VerifiableProducer', async () => {
    const settings = join(broker.dataDirectory ?? '', '..', 'idempotent.properties')
    writeFileSync(settings, 'enable.idempotence=true\nretries=100\n')
    const acknowledged = await verifiableProducer(context, topic, '--acks', '-1', '--command-config', settings)
    equal(acknowledged, RECORDS, 'acknowledged records')
    return undefined
  })
  await capability(context, 'GetOffsetShell', async () => {
    const total = async (time: string): Promise<number> => {
      const output = await tool(`${TOOLS}.GetOffsetShell`, ...server, '--topic', topic, '--time', time)
      return output.split('\n').reduce((sum, line) => sum + Number(/:(\d+)$/.exec(line)?.[1] ?? 0), 0)
    }
    equal(await total('latest'), RECORDS, 'end offsets')
    equal(await total('earliest'), 0, 'start offsets')
    return undefined
  })
  await capability(context, 'ProducerPerformance, transactional', async () => {
    await tool(`${TOOLS}.TopicCommand`, ...server, '--create', '--topic', `${prefix}perf`, '--partitions', '1')
    const args = [
      '--num-records',
      '3000',
      '--record-size',
      '100',
      '--throughput',
      '3000',
      '--transactional-id',
      `${prefix}perf`,
      '--transaction-duration-ms',
      '100',
    ]
    includes(
      await tool(`${TOOLS}.ProducerPerformance`, ...server, '--topic', `${prefix}perf`, ...args),
      '3000 records sent',
    )
    equal((await consoleConsumer(context, `${prefix}perf`)).length, 3_000, 'committed records')
    return undefined
  })
  await capability(context, 'TransactionalMessageCopier', async () => {
    await tool(`${TOOLS}.TopicCommand`, ...server, '--create', '--topic', `${prefix}copy-in`, '--partitions', '1')
    await tool(`${TOOLS}.TopicCommand`, ...server, '--create', '--topic', `${prefix}copy-out`, '--partitions', '1')
    await verifiableProducer(context, `${prefix}copy-in`)
    const args = [
      '--input-topic',
      `${prefix}copy-in`,
      '--input-partition',
      '0',
      '--output-topic',
      `${prefix}copy-out`,
      '--broker-list',
      broker.address,
    ]
    const group = [
      '--consumer-group',
      `${prefix}copier`,
      '--transactional-id',
      `${prefix}copier`,
      '--transaction-size',
      '40',
      '--enable-random-aborts',
      '--use-group-metadata',
    ]
    await tool(`${TOOLS}.TransactionalMessageCopier`, ...args, ...group)
    const values = await consoleConsumer(context, `${prefix}copy-out`)
    equal(values.join(), Array.from({ length: RECORDS }, (_, i) => i).join(), 'copied values')
    return undefined
  })
  await capability(context, 'ConsumerGroupCommand', async () => {
    const groups = (...args: string[]): Promise<string> =>
      tool(`${TOOLS}.consumer.group.ConsumerGroupCommand`, ...server, ...args)
    const group = ['--group', `${prefix}copier`]
    includes(await groups('--list'), `${prefix}copier`)
    match(await groups('--describe', ...group), new RegExp(`${prefix}copy-in +0 +${RECORDS} +${RECORDS} +0 `))
    includes(await groups('--describe', '--state', ...group), 'Empty')
    await groups('--reset-offsets', '--to-offset', '100', '--topic', `${prefix}copy-in`, '--execute', ...group)
    match(await groups('--describe', ...group), new RegExp(`${prefix}copy-in +0 +100 +${RECORDS} +${RECORDS - 100} `))
    await groups('--delete-offsets', '--topic', `${prefix}copy-in`, ...group)
    await groups('--delete', ...group)
    excludes(await groups('--list'), `${prefix}copier`)
    return undefined
  })
  await capability(context, 'console formatters of internal topics', async () => {
    const formatted = (of: string, formatter: string): Promise<string[]> =>
      consoleConsumer(context, of, '--formatter', `${TOOLS}.consumer.${formatter}`)
    // These formatters write one JSON object after the other without a line end.
    const states = (await formatted('__transaction_state', 'TransactionLogMessageFormatter')).join('')
    includes(states, `"transactionalId":"${prefix}copier"`, '"transactionStatus"')
    const offsets = (await formatted('__consumer_offsets', 'OffsetsMessageFormatter')).join('')
    includes(offsets, `"group":"${prefix}copier"`, `"topic":"${prefix}copy-in"`)
    return `${states.split('"transactionalId"').length - 1} transaction states, ${offsets.split('"topic"').length - 1} offsets`
  })
  await capability(context, 'TransactionsCommand list, describe, forceTerminate', async () => {
    const transactions = (...args: string[]): Promise<string> =>
      tool(`${TOOLS}.TransactionsCommand`, ...server, ...args)
    const id = `${prefix}open`
    const holder = start(helper, 'hold', { bootstrap: broker.address, topic, 'transactional-id': id })
    try {
      await holder.line('open', TOOL_TIMEOUT_MS)
      match(await transactions('list'), new RegExp(`${id}\\s+\\d+\\s+\\d+\\s+Ongoing`))
      const described = await transactions('describe', '--transactional-id', id)
      includes(described, 'Ongoing', `${topic}-0`)
      const producers = await transactions('describe-producers', '--topic', topic, '--partition', '0')
      equal(
        producers.split('\n').some((line) => /^\d+\s+\d+\s+-?\d+\s+\d+\s+\d+\s+\d+\s*$/.test(line)),
        true,
        'a producer with an open transaction',
      )
      excludes(await transactions('find-hanging', '--broker-id', node), topic)
      await transactions('forceTerminateTransaction', '--transactionalId', id)
      match(await transactions('describe', '--transactional-id', id), /CompleteAbort|PrepareAbort|Empty/)
      holder.write('\n')
      equal((await holder.line('fenced', TOOL_TIMEOUT_MS))['fenced'], true, 'the old producer is fenced')
      return undefined
    } finally {
      await holder.kill()
    }
  })
  await hungTransaction(context, server, node)
  await capability(context, 'ClientCompatibilityTest', async () => {
    // semel has no authorizer and does not offer the ACL requests; Kafka offers them and answers that security is off.
    const acls = broker.kind === 'kafka' ? 'true' : 'false'
    const supported = [
      'offsets-for-times',
      'cluster-id',
      'create-topics',
      'describe-configs',
      'idempotent-producer',
    ].flatMap((name) => [`--${name}-supported`, 'true'])
    await tool(`${TOOLS}.TopicCommand`, ...server, '--create', '--topic', `${prefix}compatibility`, '--partitions', '1')
    const args = [
      '--topic',
      `${prefix}compatibility`,
      ...supported,
      '--describe-acls-supported',
      acls,
      '--expect-record-too-large-exception',
      'false',
      '--num-cluster-nodes',
      '1',
    ]
    includes(await tool(`${TOOLS}.ClientCompatibilityTest`, ...server, ...args), 'SUCCESS')
    return undefined
  })
  await capability(context, 'clean stop', async () => {
    await broker.stop()
    return undefined
  })
  await dump(context, [`${prefix}perf`, `${prefix}copy-out`])
}

/** Transactional records that no coordinator knows of: found, aborted, and readers move on. */
async function hungTransaction(context: Context, server: readonly string[], node: string): Promise<void> {
  const go = clients.find((client) => client.name === 'go')
  const name = 'TransactionsCommand find-hanging, abort'
  const missing = go === undefined ? ['go'] : missingTools(go)
  if (go === undefined || missing.length > 0) {
    record(
      context,
      name,
      'missing tool',
      0,
      `the hung transaction is made by the Go client; not on the PATH: ${missing.join(', ')}`,
    )
    return
  }
  await capability(context, name, async () => {
    await go.install()
    const transactions = (...args: string[]): Promise<string> =>
      tool(`${TOOLS}.TransactionsCommand`, ...server, ...args)
    const topic = `${context.prefix}hung`
    await help(context, 'create', { topics: `${topic}:1` })
    const maker = start(go, 'hang', { bootstrap: context.broker.address, topic, 'transactional-id': `${topic}-id` })
    if ((await maker.finish(TOOL_TIMEOUT_MS)) !== 0)
      throw new CaseError('the hung transaction could not be made', maker)
    const offset = Number(maker.lines[0]?.['offset'])
    await help(context, 'produce', { topic, value: 'after' })
    equal((await committedValues(context, topic)).length, 0, 'committed records while the transaction hangs')
    match(await transactions('find-hanging', '--broker-id', node), new RegExp(`${topic}\\s+0\\s+\\d+\\s+\\d+`))
    await transactions('abort', '--topic', topic, '--partition', '0', '--start-offset', String(offset))
    equal(
      (await committedValues(context, topic)).map((one) => one.v).join(),
      'after',
      'committed records after the abort',
    )
    excludes(await transactions('find-hanging', '--broker-id', node), topic)
    return undefined
  })
}

async function dump(context: Context, topics: readonly string[]): Promise<void> {
  const root = context.broker.dataDirectory
  if (root === undefined) return
  const files = filesBelow(root)
  const of = (folder: RegExp, extension: string): string[] =>
    files.filter(
      (file) => file.endsWith(extension) && folder.test(file.split('/').at(-2) ?? '') && statSync(file).size > 0,
    )
  const dumped = (file: string, ...args: string[]): Promise<string> =>
    tool(`${TOOLS}.DumpLogSegments`, '--files', file, ...args)

  await capability(context, 'DumpLogSegments of topics', async () => {
    let segments = 0
    for (const topic of topics) {
      for (const file of of(new RegExp(`^${topic}-\\d+$`), '.log')) {
        const output = await dumped(file, '--print-data-log')
        includes(output, 'isTransactional: true', 'endTxnMarker: COMMIT', 'compresscodec: none')
        excludes(output, 'isvalid: false')
        segments++
      }
    }
    equal(segments >= topics.length, true, 'a segment of each topic')
    return `${segments} segments`
  })
  await capability(context, 'DumpLogSegments of indexes and snapshots', async () => {
    const folder = new RegExp(`^${context.prefix}.*-\\d+$`)
    let count = 0
    for (const file of [...of(folder, '.index').slice(0, 2), ...of(folder, '.timeindex').slice(0, 2)]) {
      excludes(await dumped(file, '--verify-index-only'), 'Mismatches')
      count++
    }
    const aborted = of(new RegExp(`^${context.prefix}copy-out-0$`), '.txnindex')
    for (const file of aborted) {
      includes(await dumped(file), 'producerId')
      count++
    }
    const snapshots = of(new RegExp(`^${context.prefix}copy-out-0$`), '.snapshot')
    equal(snapshots.length > 0, true, 'a producer snapshot')
    for (const file of snapshots.slice(-1)) {
      includes(await dumped(file), 'producerEpoch')
      count++
    }
    return `${count} files, ${aborted.length} with aborted transactions`
  })
  await capability(context, 'DumpLogSegments of __transaction_state', async () => {
    const outputs: string[] = []
    for (const file of of(/^__transaction_state-\d+$/, '.log'))
      outputs.push(await dumped(file, '--transaction-log-decoder'))
    const all = outputs.join('\n')
    includes(all, `${context.prefix}copier`, 'transactionStatus')
    return `${outputs.length} segments`
  })
  await capability(context, 'DumpLogSegments of __consumer_offsets', async () => {
    const outputs: string[] = []
    for (const file of of(/^__consumer_offsets-\d+$/, '.log')) outputs.push(await dumped(file, '--offsets-decoder'))
    const all = outputs.join('\n')
    includes(all, `${context.prefix}copier`, `${context.prefix}copy-in`)
    return `${outputs.length} segments`
  })
}

function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Runs one of Kafka's classes and returns what it printed to stdout; throws unless it exits with 0. */
async function tool(mainClass: string, ...args: string[]): Promise<string> {
  const { exit, out, err } = await javaHost.call(mainClass, args)
  if (exit !== 0) throw new CaseError(`${mainClass} ${args.join(' ')} ended with ${exit}: ${shorten(`${err}${out}`)}`)
  return out
}

/** Numbered records; the count of acknowledged ones. It finishes in a hook of its JVM's end, so it has a JVM of its own. */
async function verifiableProducer(context: Context, topic: string, ...args: string[]): Promise<number> {
  const call = [
    '--bootstrap-server',
    context.broker.address,
    '--topic',
    topic,
    '--max-messages',
    String(RECORDS),
    ...args,
  ]
  const program = await run({
    name: 'VerifiableProducer',
    command: javaCommand(`${TOOLS}.VerifiableProducer`, ...call),
    timeoutMs: TOOL_TIMEOUT_MS,
  })
  if (program.exitCode !== 0) throw new CaseError(`VerifiableProducer ended with ${program.exitCode}`, program)
  return program.lines.filter((line) => line['name'] === 'producer_send_success').length
}

/** Committed records of a topic from its start, one a line, until nothing comes for a while. */
async function consoleConsumer(context: Context, topic: string, ...args: string[]): Promise<string[]> {
  const from = [
    '--bootstrap-server',
    context.broker.address,
    '--topic',
    topic,
    '--from-beginning',
    '--isolation-level',
    'read_committed',
  ]
  // Its exit code only tells how it ended, and that nothing came for a while is how it ends here.
  const { out } = await javaHost.call(`${TOOLS}.consumer.ConsoleConsumer`, [
    ...from,
    '--timeout-ms',
    String(CONSOLE_IDLE_MS),
    ...args,
  ])
  return out.split('\n').filter((line) => line !== '')
}

function includes(text: string, ...parts: string[]): void {
  for (const part of parts) if (!text.includes(part)) throw new Error(`"${part}" is missing in: ${shorten(text)}`)
}

function excludes(text: string, part: string): void {
  if (text.includes(part)) throw new Error(`"${part}" is in: ${shorten(text)}`)
}

function match(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`${pattern} does not fit: ${shorten(text)}`)
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected)
    throw new Error(`${what}: expected ${shorten(String(expected))}, got ${shorten(String(actual))}`)
}

const shorten = (text: string): string => (text.length > 600 ? `${text.slice(0, 600)}…` : text)
