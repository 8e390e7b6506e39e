/** `semel group …`: consumer groups, how far they are, and where they go on. */
import type { ResetTarget } from '../../client/index.ts'
import { nodeClock } from '../../runtime/clock.ts'
import {
  type ClusterFlags,
  confirmed,
  type DangerFlags,
  durationMs,
  partitionOf,
  say,
  show,
  table,
  topicOrPartition,
  UsageError,
  wholeNumber,
  withAdmin,
} from '../session.ts'

export function groupList(flags: ClusterFlags & { readonly state: readonly string[] }): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const groups = await admin.listGroups({ states: flags.state })
    show(flags, groups, (all) =>
      table(
        ['GROUP', 'STATE', 'TYPE'],
        all.map(({ groupId, state, type }) => [groupId, state, type]),
      ),
    )
  })
}

export function groupDescribe(groupId: string, flags: ClusterFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const [description, lags] = await Promise.all([admin.describeGroup(groupId), admin.groupLag(groupId)])
    const memberOf = (topic: string, partition: number) =>
      description.members.find(({ partitions }) =>
        partitions.some((one) => one.topic === topic && one.partition === partition),
      )
    const total = lags.reduce((sum, { lag }) => sum + lag, 0)
    const blocked = lags.reduce((sum, one) => sum + one.blocked, 0)
    show(flags, { ...description, lag: total, blocked, partitions: lags }, ({ state, assignor, members, partitions }) =>
      [
        `group ${groupId}: ${state}${assignor === '' ? '' : `, ${assignor}`}, ${members.length} members, lag ${total}` +
          `${blocked === 0 ? '' : `; ${blocked} more wait for open transactions (semel txn find-hanging)`}`,
        table(
          ['TOPIC', 'PARTITION', 'COMMITTED', 'STABLE', 'END', 'LAG', 'BLOCKED', 'MEMBER', 'HOST'],
          partitions.map(({ topic, partition, committed, lastStableOffset, highWatermark, lag, blocked: waiting }) => {
            const member = memberOf(topic, partition)
            return [
              topic,
              partition,
              committed,
              lastStableOffset,
              highWatermark,
              lag,
              waiting,
              member?.groupInstanceId ?? member?.memberId,
              member?.host,
            ]
          }),
        ),
      ].join('\n'),
    )
  })
}

export interface GroupSeekFlags extends ClusterFlags, DangerFlags {
  readonly to: string
  readonly topic: readonly string[]
}

/** 'earliest', 'latest', an offset, '@TIMESTAMP', '@-1h', '+N' or '-N' */
function targetOf(text: string): ResetTarget {
  if (text === 'earliest' || text === 'start') return 'earliest'
  if (text === 'latest' || text === 'end') return 'latest'
  if (text.startsWith('@-')) return { timestampMs: nowMs() - durationMs(text.slice(2), '--to') }
  if (text.startsWith('@')) {
    const timestampMs = /^@\d+$/.test(text) ? Number(text.slice(1)) : Date.parse(text.slice(1))
    if (Number.isNaN(timestampMs))
      throw new UsageError(`--to ${text}: expected milliseconds or a date such as @2026-01-31T12:00:00Z`)
    return { timestampMs }
  }
  if (/^[+-]\d+$/.test(text)) return { shiftBy: Number(text) }
  return { offset: wholeNumber('--to', text) }
}

function nowMs(): number {
  return nodeClock().nowMs()
}

export function groupSeek(groupId: string, flags: GroupSeekFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const partitions = flags.topic.map(topicOrPartition)
    const target = targetOf(flags.to)
    const plan = await admin.resetGroupOffsets(groupId, target, { partitions, dryRun: true })
    if (plan.length === 0) throw new UsageError(`group ${groupId} has no offsets; name topics with --topic`)
    show(flags, plan, (all) =>
      table(
        ['TOPIC', 'PARTITION', 'FROM', 'TO'],
        all.map(({ topic, partition, from, to }) => [topic, partition, from, to]),
      ),
    )
    if (!(await confirmed(`move group ${groupId} in ${plan.length} partitions`, flags))) return
    await admin.resetGroupOffsets(groupId, target, { partitions })
    say(`group ${groupId} goes on there`)
  })
}

export function groupDelete(groupIds: readonly string[], flags: ClusterFlags & DangerFlags): Promise<number> {
  return withAdmin(flags, async (admin) => {
    if (!(await confirmed(`delete the groups ${groupIds.join(', ')} with their offsets`, flags))) return
    await admin.deleteGroups(groupIds)
    say(`${groupIds.length} groups deleted`)
  })
}

export function groupOffsetDelete(
  groupId: string,
  partitions: readonly string[],
  flags: ClusterFlags & DangerFlags,
): Promise<number> {
  return withAdmin(flags, async (admin) => {
    const wanted = partitions.map(partitionOf)
    if (!(await confirmed(`forget the offsets of group ${groupId} in ${partitions.join(', ')}`, flags))) return
    await admin.deleteGroupOffsets(groupId, wanted)
    say(`${partitions.length} offsets deleted`)
  })
}
