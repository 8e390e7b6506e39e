/**
 * The commands that talk to a cluster: their names, arguments and options. What they do lies in commands/ and is loaded when one
 * of them is run.
 */
import { type Command, Option } from 'commander'

/** Everything that all of them take. */
function onCluster(command: Command): Command {
  return command
    .addOption(
      new Option('-b, --bootstrap-server <host:port>', 'brokers to begin with')
        .env('SEMEL_BOOTSTRAP_SERVERS')
        .default('127.0.0.1:9092'),
    )
    .addOption(new Option('--format <format>', 'text, or one JSON document').choices(['text', 'json']).default('text'))
    .option('--timeout <ms>', 'how long all of it may take', '30000')
}

function dangerous(command: Command): Command {
  return command.option('--dry-run', 'say what would happen, and do nothing').option('-y, --yes', 'do not ask')
}

function collect(entry: string, entries: readonly string[]): string[] {
  return [...entries, entry]
}

/** An argument that may be given several times. */
function texts(argument: unknown): string[] {
  return argument as string[]
}

/** Loads the module, runs one of its functions, sets the exit code. */
function running<M>(load: () => Promise<M>, run: (module: M, args: readonly unknown[]) => Promise<number>) {
  return async (...args: unknown[]): Promise<void> => {
    process.exitCode = await run(await load(), args)
  }
}

export function addClusterCommands(program: Command): void {
  addTopic(program)
  addGroup(program)
  addTransactions(program)
  addConfig(program)
  addCluster(program)
  addRecords(program)
}

function addTopic(program: Command): void {
  const load = () => import('./commands/topic.ts')
  const topic = program
    .command('topic')
    .description('topics: list, describe, create, delete, add-partitions, trim-prefix')
  onCluster(topic.command('list').description('all topics').option('--internal', 'internal ones too')).action(
    running(load, (module, [flags]) => module.topicList(flags as never)),
  )
  onCluster(topic.command('describe').description('leaders, replicas and offsets').argument('<topic...>')).action(
    running(load, (module, [topics, flags]) => module.topicDescribe(texts(topics), flags as never)),
  )
  onCluster(
    topic
      .command('create')
      .description('make topics')
      .argument('<topic...>')
      .option('-p, --partitions <count>', 'as the broker is configured unless given')
      .option('-r, --replication-factor <count>', 'as the broker is configured unless given')
      .option('-c, --config <key=value>', 'a setting; may be repeated', collect, [])
      .option('--if-not-exists', 'leave those alone that are there')
      .option('--dry-run', 'check, and do nothing'),
  ).action(running(load, (module, [topics, flags]) => module.topicCreate(texts(topics), flags as never)))
  onCluster(
    dangerous(topic.command('delete').description('delete topics with all their records').argument('<topic...>')),
  ).action(running(load, (module, [topics, flags]) => module.topicDelete(texts(topics), flags as never)))
  onCluster(
    topic
      .command('add-partitions')
      .description('give a topic more partitions')
      .argument('<topic>')
      .requiredOption('--total <count>', 'how many there are afterwards')
      .option('--dry-run', 'check, and do nothing'),
  ).action(running(load, (module, [name, flags]) => module.topicAddPartitions(name as never, flags as never)))
  onCluster(
    dangerous(
      topic
        .command('trim-prefix')
        .description('delete the oldest records')
        .argument('<topic:partition...>')
        .requiredOption('--before <offset>', "first offset that stays, or 'end'"),
    ),
  ).action(running(load, (module, [partitions, flags]) => module.topicTrim(texts(partitions), flags as never)))
}

function addGroup(program: Command): void {
  const load = () => import('./commands/group.ts')
  const group = program.command('group').description('consumer groups: list, describe, seek, delete, offset-delete')
  onCluster(
    group
      .command('list')
      .description('all groups')
      .option('--state <state>', 'only these: Stable, Empty …; may be repeated', collect, []),
  ).action(running(load, (module, [flags]) => module.groupList(flags as never)))
  onCluster(
    group
      .command('describe')
      .description('members, offsets, lag, and what waits for open transactions')
      .argument('<group>'),
  ).action(running(load, (module, [name, flags]) => module.groupDescribe(name as never, flags as never)))
  onCluster(
    dangerous(
      group
        .command('seek')
        .description('move a group that has no members')
        .argument('<group>')
        .requiredOption('--to <place>', 'start, end, an offset, +N, -N, @TIMESTAMP, @-1h')
        .option('-t, --topic <topic[:partition]>', 'only there; may be repeated', collect, []),
    ),
  ).action(running(load, (module, [name, flags]) => module.groupSeek(name as never, flags as never)))
  onCluster(
    dangerous(group.command('delete').description('delete groups with their offsets').argument('<group...>')),
  ).action(running(load, (module, [names, flags]) => module.groupDelete(texts(names), flags as never)))
  onCluster(
    dangerous(
      group
        .command('offset-delete')
        .description('forget single offsets')
        .argument('<group>')
        .argument('<topic:partition...>'),
    ),
  ).action(
    running(load, (module, [name, partitions, flags]) =>
      module.groupOffsetDelete(name as never, texts(partitions), flags as never),
    ),
  )
}

function addTransactions(program: Command): void {
  const load = () => import('./commands/txn.ts')
  const txn = program
    .command('txn')
    .description('transactions: list, describe, describe-producers, find-hanging, abort, force-terminate')
  onCluster(
    txn
      .command('list')
      .description('transactional ids and what they are at')
      .option('--state <state>', 'only these: Ongoing, CompleteCommit …; may be repeated', collect, [])
      .option('--producer-id <id>', 'only these; may be repeated', collect, [])
      .option('--older-than <duration>', 'only what has been open for longer, such as 15m')
      .option('--pattern <regex>', 'only ids that match as a whole'),
  ).action(running(load, (module, [flags]) => module.txnList(flags as never)))
  onCluster(
    txn.command('describe').description('one transaction and its partitions').argument('<transactional-id...>'),
  ).action(running(load, (module, [ids, flags]) => module.txnDescribe(texts(ids), flags as never)))
  onCluster(
    txn
      .command('describe-producers')
      .description('who writes to a partition, and since where a transaction is open')
      .argument('<topic:partition...>'),
  ).action(running(load, (module, [partitions, flags]) => module.describeProducers(texts(partitions), flags as never)))
  onCluster(
    txn
      .command('find-hanging')
      .description('transactions that stay open although nobody will end them')
      .option('-t, --topic <topic>', 'only there; may be repeated', collect, [])
      .option('--older-than <duration>', 'since their last write', '15m'),
  ).action(running(load, (module, [flags]) => module.txnFindHanging(flags as never)))
  onCluster(
    dangerous(
      txn
        .command('abort')
        .description('abort a hung transaction in one partition')
        .argument('<topic:partition>')
        .option('--start-offset <offset>', 'where it began; find-hanging prints it'),
    ),
  ).action(running(load, (module, [partition, flags]) => module.txnAbort(partition as never, flags as never)))
  onCluster(
    dangerous(
      txn
        .command('force-terminate')
        .description('abort what is open under a transactional id, and fence its producer')
        .argument('<transactional-id...>'),
    ),
  ).action(running(load, (module, [ids, flags]) => module.fence(texts(ids), flags as never)))

  const producer = program.command('producer').description('producers: list, describe, fence')
  onCluster(producer.command('list').description('producers with a transactional id')).action(
    running(load, (module, [flags]) => module.producerList(flags as never)),
  )
  onCluster(
    producer.command('describe').description('producers of a partition').argument('<topic:partition...>'),
  ).action(running(load, (module, [partitions, flags]) => module.describeProducers(texts(partitions), flags as never)))
  onCluster(
    dangerous(
      producer
        .command('fence')
        .description('shut out the producers of these transactional ids')
        .argument('<transactional-id...>'),
    ),
  ).action(running(load, (module, [ids, flags]) => module.fence(texts(ids), flags as never)))
}

function addConfig(program: Command): void {
  const load = () => import('./commands/topic.ts')
  const config = program
    .command('config')
    .description('settings of topic:NAME, broker:ID or broker:all: describe, set, delete')
  onCluster(
    config.command('describe').description('what is set').argument('<resource>').option('--all', 'defaults too'),
  ).action(running(load, (module, [resource, flags]) => module.configDescribe(resource as never, flags as never)))
  onCluster(
    config
      .command('set')
      .description('set entries')
      .argument('<resource>')
      .argument('<key=value...>')
      .option('--dry-run', 'check, and do nothing'),
  ).action(
    running(load, (module, [resource, entries, flags]) =>
      module.configSet(resource as never, texts(entries), flags as never),
    ),
  )
  onCluster(
    config
      .command('delete')
      .description('go back to defaults')
      .argument('<resource>')
      .argument('<key...>')
      .option('--dry-run', 'check, and do nothing'),
  ).action(
    running(load, (module, [resource, names, flags]) =>
      module.configDelete(resource as never, texts(names), flags as never),
    ),
  )
}

function addCluster(program: Command): void {
  const load = () => import('./commands/topic.ts')
  const cluster = program.command('cluster').description('the cluster: describe, features, set-feature, api-versions')
  onCluster(cluster.command('describe').description('its brokers')).action(
    running(load, (module, [flags]) => module.clusterDescribe(flags as never)),
  )
  onCluster(cluster.command('features').description('levels of its features')).action(
    running(load, (module, [flags]) => module.clusterFeatures(flags as never)),
  )
  onCluster(
    dangerous(
      cluster
        .command('set-feature')
        .description('switch a feature, such as transaction.version')
        .argument('<name>')
        .argument('<level>')
        .option('--downgrade', 'to a lower level, if nothing is lost by it'),
    ),
  ).action(
    running(load, (module, [name, level, flags]) =>
      module.clusterSetFeature(name as never, level as never, flags as never),
    ),
  )
  onCluster(cluster.command('api-versions').description('what each broker speaks')).action(
    running(load, (module, [flags]) => module.clusterApiVersions(flags as never)),
  )
}

function addRecords(program: Command): void {
  onCluster(
    program
      .command('produce')
      .description('send lines of standard input as records')
      .argument('<topic>')
      .option('-f, --file <file>', 'lines of a file instead')
      .option('-k, --key <key>', 'one key for all')
      .option('-K, --key-delimiter <text>', 'what separates key and value in a line')
      .option('-H, --header <key=value>', 'a header for all; may be repeated', collect, [])
      .option('-p, --partition <number>', 'instead of what the key says')
      .addOption(
        new Option('-z, --compression <codec>', 'of batches')
          .choices(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
          .default('none'),
      )
      .addOption(new Option('--acks <acks>', 'when a record counts as sent').choices(['all', '1', '0']).default('all'))
      .option('--transactional-id <id>', 'all of it in one transaction')
      .option('--tombstones', 'an empty value is a tombstone')
      .addHelpText(
        'after',
        '\nExamples:\n  echo hello | semel produce greetings\n  semel produce orders -f orders.txt -K : --transactional-id load-1',
      ),
  ).action(
    running(
      () => import('./commands/produce.ts'),
      (module, [topic, flags]) => module.produce(topic as never, flags as never),
    ),
  )
  onCluster(
    program
      .command('consume')
      .description('print records of topics')
      .argument('<topic...>')
      .option('-o, --offset <place>', 'start, end, an offset, +N, -N, @TIMESTAMP, @-1h')
      .option('-n, --num <count>', 'stop after so many')
      .option('-e, --exit', 'stop at the present end')
      .option('-g, --group <group>', 'as a member of a group, which keeps the progress')
      .option('-p, --partition <number>', 'only this one; may be repeated', collect, [])
      .option(
        '-f, --output-format <format>',
        '%t topic, %p partition, %o offset, %k key, %s value, %T timestamp, %h headers',
      )
      .addOption(
        new Option('--isolation <level>', 'whether records of open and aborted transactions are left out')
          .choices(['read_committed', 'read_uncommitted'])
          .default('read_committed'),
      )
      .option('--print-control-records', 'everything that is stored, markers and aborted records too')
      .addHelpText(
        'after',
        "\nExamples:\n  semel consume orders -e\n  semel consume orders -o -10 -n 10 -f '%p %o %k %s'\n  semel consume orders --print-control-records --format json",
      ),
  ).action(
    running(
      () => import('./commands/consume.ts'),
      (module, [topics, flags]) => module.consume(texts(topics), flags as never),
    ),
  )
}
