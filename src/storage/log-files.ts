/**
 * Names of the files and directories of a data directory. They are Kafka's, so that Kafka's own tools read them.
 *
 *     <dataDir>/.lock  checkpoint-a  checkpoint-b  journal/
 *     <dataDir>/<topic>-<partition>/%020d.{log,index,timeindex,txnindex,snapshot}
 *                                  partition.metadata  leader-epoch-checkpoint
 *     <dataDir>/<topic>-<partition>.<uuid>-delete/      a dropped log on its way out
 */

export const LOCK_FILE = '.lock'
export const JOURNAL_DIRECTORY = 'journal'
export const PARTITION_METADATA_FILE = 'partition.metadata'
export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint'

const SEGMENT_SUFFIXES = ['log', 'index', 'timeindex', 'txnindex', 'snapshot'] as const
export type SegmentSuffix = (typeof SEGMENT_SUFFIXES)[number]

const DELETED_SUFFIX = '-delete'
const OFFSET_DIGITS = 20
/** Of all file systems in use; topic names are up to 249 bytes long. */
const FILE_NAME_BYTES_MAX = 255

/** '00000000000000000042.log' */
export function segmentFileName(baseOffset: number, suffix: SegmentSuffix): string {
  return `${String(baseOffset).padStart(OFFSET_DIGITS, '0')}.${suffix}`
}

export function parseSegmentFileName(name: string): { baseOffset: number; suffix: SegmentSuffix } | undefined {
  const match = /^(\d{20})\.([a-z]+)$/.exec(name)
  const suffix = SEGMENT_SUFFIXES.find((known) => known === match?.[2])
  return match === null || suffix === undefined ? undefined : { baseOffset: Number(match[1]), suffix }
}

export function partitionDirectoryName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

export function partitionDirectory(dataDirectory: string, topic: string, partition: number): string {
  return `${dataDirectory}/${partitionDirectoryName(topic, partition)}`
}

/** Whether a name in the data directory can be a partition's directory. */
export function isPartitionDirectoryName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}-\d{1,10}$/.test(name)
}

/** As Kafka names it, but with the topic id, so that the name tells which incarnation of the topic it was. */
export function deletedDirectoryName(topic: string, partition: number, topicId: string): string {
  const suffix = `-${partition}.${Buffer.from(topicId, 'base64url').toString('hex')}${DELETED_SUFFIX}`
  return `${topic.slice(0, FILE_NAME_BYTES_MAX - suffix.length)}${suffix}`
}

export function isDeletedDirectoryName(name: string): boolean {
  return /^[a-zA-Z0-9._-]+-\d{1,10}\.[0-9a-f]{32}-delete$/.test(name)
}

/** Whether a file inside a partition's directory is one that the store writes. */
export function isPartitionFileName(name: string): boolean {
  return name === PARTITION_METADATA_FILE || name === LEADER_EPOCH_FILE || parseSegmentFileName(name) !== undefined
}

/** Contents of `partition.metadata`. Source: PartitionMetadata. */
export function encodePartitionMetadata(topicId: string): Uint8Array {
  return Buffer.from(`version: 0\ntopic_id: ${topicId}`, 'utf8')
}

/** The topic id in `partition.metadata`, `undefined` when the contents are not what `encodePartitionMetadata` writes. */
export function decodePartitionMetadata(bytes: Uint8Array): string | undefined {
  return /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?$/.exec(Buffer.from(bytes).toString('utf8'))?.[1]
}

export interface LeaderEpochStart {
  readonly epoch: number
  /** First offset written under the epoch. */
  readonly startOffset: number
}

/** Contents of `leader-epoch-checkpoint`: version 0, the count, then one line for each epoch. Source: LeaderEpochCheckpointFile. */
export function encodeLeaderEpochs(epochs: readonly LeaderEpochStart[]): Uint8Array {
  const lines = ['0', String(epochs.length), ...epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`)]
  return Buffer.from(`${lines.join('\n')}\n`, 'utf8')
}

/** `undefined` when the contents are not what `encodeLeaderEpochs` writes: both numbers ascend from line to line. */
export function decodeLeaderEpochs(bytes: Uint8Array): LeaderEpochStart[] | undefined {
  const lines = Buffer.from(bytes).toString('latin1').split('\n')
  if (lines[0] !== '0' || lines.at(-1) !== '' || lines[1] !== String(lines.length - 3)) return undefined
  const epochs: LeaderEpochStart[] = []
  for (const line of lines.slice(2, -1)) {
    const match = /^(\d{1,10}) (\d{1,16})$/.exec(line)
    if (match === null) return undefined
    const [epoch, startOffset] = [Number(match[1]), Number(match[2])]
    const last = epochs.at(-1)
    if (last !== undefined && (epoch <= last.epoch || startOffset < last.startOffset)) return undefined
    epochs.push({ epoch, startOffset })
  }
  return epochs
}
