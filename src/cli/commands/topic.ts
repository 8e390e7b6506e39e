/** `semel topic …`, `semel config …`, `semel cluster …`: what there is, and how it is set up. */
import {
  type ClusterFlags,
  confirmed,
  type DangerFlags,
  pairOf,
  partitionOf,
  print,
  say,
  show,
  table,
  UsageError,
  wholeNumber,
  withAdmin,
} from '../session.ts'

export interface TopicCreateFlags extends ClusterFlags {
  readonly partitions?: string
  readonly replicationFactor?: string
  readonly config: readonly string[]
  readonly ifNotExists?: boolean
  readonly dryRun?: boolean
}

export function topicList(flags: ClusterFlags & { readonly internal?: boolean }): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const topics = (await admin.listTopics()).filter(({ isInternal }) => flags.internal === true || !isInternal)
    show(flags, topics, (all) =>
      table(
        ['TOPIC', 'PARTITIONS', 'ID'],
        all.map(({ topic, partitions, topicId }) => [topic, partitions, topicId]),
      ),
    )
  })
}

export function topicDescribe(topics: readonly string[], flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const described = await admin.describeTopics(topics)
    const partitions = described.flatMap(({ topic, layout }) => layout.map(({ partition }) => ({ topic, partition })))
    const [first, stable, end] = await Promise.all([
      admin.listOffsets(partitions.map((one) => ({ ...one, at: 'earliest' as const }))),
      admin.listOffsets(
        partitions.map((one) => ({ ...one, at: 'latest' as const })),
        { isolationLevel: 'read_committed' },
      ),
      admin.listOffsets(
        partitions.map((one) => ({ ...one, at: 'latest' as const })),
        { isolationLevel: 'read_uncommitted' },
      ),
    ])
    const rows = described.flatMap(({ topic, topicId, layout }) =>
      layout.map(({ partition, leaderId, replicaIds, inSyncReplicaIds }) => {
        const index = partitions.findIndex((one) => one.topic === topic && one.partition === partition)
        return {
          topic,
          topicId,
          partition,
          leaderId,
          replicaIds,
          inSyncReplicaIds,
          logStartOffset: first[index]?.offset,
          lastStableOffset: stable[index]?.offset,
          highWatermark: end[index]?.offset,
        }
      }),
    )
    show(flags, rows, (all) =>
      table(
        ['TOPIC', 'PARTITION', 'LEADER', 'REPLICAS', 'IN SYNC', 'START', 'STABLE', 'END'],
        all.map((one) => [
          one.topic,
          one.partition,
          one.leaderId,
          one.replicaIds.join(','),
          one.inSyncReplicaIds.join(','),
          one.logStartOffset,
          one.lastStableOffset,
          one.highWatermark,
        ]),
      ),
    )
  })
}

export function topicCreate(topics: readonly string[], flags: TopicCreateFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const configs = Object.fromEntries(flags.config.map((entry) => pairOf(entry, '--config')))
    const existing =
      flags.ifNotExists === true ? new Set((await admin.listTopics()).map(({ topic }) => topic)) : new Set<string>()
    const wanted = topics.filter((topic) => !existing.has(topic))
    if (wanted.length > 0) {
      await admin.createTopics(
        wanted.map((topic) => ({
          topic,
          configs,
          ...(flags.partitions === undefined
            ? {}
            : { partitions: wholeNumber('--partitions', flags.partitions, 1, 100_000) }),
          ...(flags.replicationFactor === undefined
            ? {}
            : { replicationFactor: wholeNumber('--replication-factor', flags.replicationFactor, 1, 32_767) }),
        })),
        { validateOnly: flags.dryRun === true },
      )
    }
    say(flags.dryRun === true ? `${wanted.length} topics could be created` : `${wanted.length} topics created`)
  })
}

export function topicDelete(topics: readonly string[], flags: ClusterFlags & DangerFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    await admin.describeTopics(topics)
    if (!(await confirmed(`delete ${topics.join(', ')} with all records`, flags))) return
    await admin.deleteTopics(topics)
    say(`${topics.length} topics deleted`)
  })
}

export function topicAddPartitions(
  topic: string,
  flags: ClusterFlags & { readonly total: string; readonly dryRun?: boolean },
): Promise<number> {
  return withAdmin(flags, async (admin) => {
    await admin.createPartitions(topic, wholeNumber('--total', flags.total, 1, 100_000), {
      validateOnly: flags.dryRun === true,
    })
    say(
      flags.dryRun === true
        ? 'it could be done'
        : `${topic} has ${flags.total} partitions; keys may go to other partitions than before`,
    )
  })
}

export function topicTrim(
  partitions: readonly string[],
  flags: ClusterFlags & DangerFlags & { readonly before: string },
): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const before = flags.before === 'end' ? 'end' : wholeNumber('--before', flags.before)
    const wanted = partitions.map((text) => ({ ...partitionOf(text), before }) as const)
    if (
      !(await confirmed(
        `delete all records of ${partitions.join(', ')} before ${before === 'end' ? 'the end' : before}`,
        flags,
      ))
    )
      return
    const trimmed = await admin.deleteRecords(wanted)
    show(flags, trimmed, (all) =>
      table(
        ['TOPIC', 'PARTITION', 'START'],
        all.map((one) => [one.topic, one.partition, one.logStartOffset]),
      ),
    )
  })
}

interface ConfigFlags extends ClusterFlags {
  readonly all?: boolean
  readonly dryRun?: boolean
}

/** 'topic:NAME', 'broker:ID' or 'broker:all' */
function resourceOf(text: string) {
  const match = /^(topic|broker):(.+)$/.exec(text)
  if (match === null) throw new UsageError(`${text}: expected topic:NAME, broker:ID or broker:all`)
  if (match[1] === 'topic') return { topic: match[2] as string }
  return { broker: match[2] === 'all' ? ('all' as const) : wholeNumber('broker', match[2] as string) }
}

export function configDescribe(resource: string, flags: ConfigFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const entries = (await admin.describeConfigs(resourceOf(resource))).filter(
      ({ source }) => flags.all === true || source !== 'default',
    )
    show(flags, entries, (all) =>
      all.length === 0
        ? 'everything is at its default (--all shows it)'
        : table(
            ['NAME', 'VALUE', 'FROM'],
            all.map(({ name, value, source, isSensitive }) => [name, isSensitive ? '(secret)' : (value ?? ''), source]),
          ),
    )
  })
}

export function configSet(resource: string, entries: readonly string[], flags: ConfigFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const changes = entries
      .map((entry) => pairOf(entry, 'config'))
      .map(([name, value]) => ({ name, value, operation: 'set' as const }))
    await admin.alterConfigs(resourceOf(resource), changes, { validateOnly: flags.dryRun === true })
    say(flags.dryRun === true ? 'it could be done' : `${changes.length} entries set`)
  })
}

export function configDelete(resource: string, names: readonly string[], flags: ConfigFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const changes = names.map((name) => ({ name, operation: 'delete' as const }))
    await admin.alterConfigs(resourceOf(resource), changes, { validateOnly: flags.dryRun === true })
    say(flags.dryRun === true ? 'it could be done' : `${changes.length} entries are at their defaults`)
  })
}

export function clusterDescribe(flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const cluster = await admin.describeCluster()
    show(flags, cluster, ({ clusterId, controllerId, brokers }) =>
      [
        `cluster ${clusterId}, controller ${controllerId ?? 'unknown'}`,
        table(
          ['NODE', 'ADDRESS', 'RACK'],
          brokers.map(({ nodeId, host, port, rack }) => [nodeId, `${host}:${port}`, rack ?? '-']),
        ),
      ].join('\n'),
    )
  })
}

export function clusterFeatures(flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const features = await admin.describeFeatures()
    show(flags, features, (all) =>
      table(
        ['FEATURE', 'LEVEL', 'SUPPORTED'],
        all.map(({ name, level, minSupported, maxSupported }) => [name, level, `${minSupported}-${maxSupported}`]),
      ),
    )
  })
}

export function clusterSetFeature(
  name: string,
  level: string,
  flags: ClusterFlags & DangerFlags & { readonly downgrade?: boolean },
): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const wanted = wholeNumber('level', level, 0, 32_767)
    const mode = flags.downgrade === true ? 'safe-downgrade' : 'upgrade'
    if (flags.dryRun === true) {
      await admin.updateFeature(name, wanted, { mode, validateOnly: true })
      say('it could be done')
      return
    }
    if (!(await confirmed(`set ${name} of the whole cluster to ${level}`, flags))) return
    await admin.updateFeature(name, wanted, { mode })
    say(`${name} is ${level}`)
  })
}

export function clusterApiVersions(flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const versions = await admin.apiVersions()
    const rows = [...versions].flatMap(([nodeId, apis]) => apis.map((one) => ({ nodeId, ...one })))
    if (flags.format === 'json') show(flags, rows, () => '')
    else
      print(
        table(
          ['NODE', 'API', 'MIN', 'MAX'],
          rows.map(({ nodeId, apiKey, minVersion, maxVersion }) => [nodeId, apiKey, minVersion, maxVersion]),
        ),
      )
  })
}
