/**
 * Cluster features (KIP-584): which levels this broker can run at, and the rules for changing the finalized ones.
 *
 * Source: FeatureControlManager, Feature, TransactionVersion (4.3.1); kafka-features.
 */
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'

export interface FeatureRange {
  readonly name: string
  readonly minLevel: number
  readonly maxLevel: number
}

/** UPGRADE 1, SAFE_DOWNGRADE 2, UNSAFE_DOWNGRADE 3 on the wire. */
export type UpgradeType = 'UPGRADE' | 'SAFE_DOWNGRADE' | 'UNSAFE_DOWNGRADE'

export interface FeatureUpdate {
  readonly name: string
  readonly level: number
  /** `undefined`: a number that no type has. */
  readonly upgradeType: UpgradeType | undefined
}

/** Level of metadata.version in Kafka 4.3 (4.3-IV0): clients and tools see which Kafka this broker is like. */
const METADATA_VERSION_LEVEL = 30

/**
 * Deviation: metadata.version is fixed, because records of our own take the place of Kafka's metadata log;
 * kraft.version and the features of parts that are not here are not listed.
 */
export const SUPPORTED_FEATURES: readonly FeatureRange[] = [
  { name: 'metadata.version', minLevel: METADATA_VERSION_LEVEL, maxLevel: METADATA_VERSION_LEVEL },
  { name: 'transaction.version', minLevel: 0, maxLevel: 2 },
  { name: 'group.version', minLevel: 0, maxLevel: 0 },
]

/** What a new cluster begins with. */
export const INITIAL_FEATURES: readonly { readonly name: string; readonly level: number }[] = [
  { name: 'metadata.version', level: METADATA_VERSION_LEVEL },
  { name: 'transaction.version', level: 2 },
]

/**
 * Whether a feature may go from `currentLevel` to what the update asks for; the reason when it may not.
 * Unlike Kafka's name for it, "safe" says nothing more here: no level of any feature loses data.
 */
export function featureUpdateProblem(update: FeatureUpdate, currentLevel: number): Refusal | undefined {
  const invalid = (reason: string) =>
    refuse('INVALID_UPDATE_VERSION', `Invalid update version ${update.level} for feature ${update.name}. ${reason}`)
  if (update.upgradeType === undefined) return invalid('The given upgrade type is not known.')
  if (update.level < 0) return invalid('A feature version cannot be less than 0.')
  const range = SUPPORTED_FEATURES.find(({ name }) => name === update.name)
  if (range === undefined) return invalid('This broker does not support this feature.')
  if (update.level < range.minLevel || update.level > range.maxLevel) {
    return invalid(`This broker only supports versions ${range.minLevel}-${range.maxLevel}.`)
  }
  if (update.level < currentLevel && update.upgradeType === 'UPGRADE') {
    return invalid(
      "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    )
  }
  if (update.level > currentLevel && update.upgradeType !== 'UPGRADE')
    return invalid("Can't downgrade to a newer version.")
  return undefined
}
