/** Which APIs and versions brokers have, and which features their cluster has finalized. Pure. */
import type { Api, ResponseOf } from '../../protocol/schema.ts'
import type { apiVersions } from '../../protocol/messages/api-versions.ts'
import { parseVersionRange } from '../../protocol/version-range.ts'

interface Range {
  readonly min: number
  readonly max: number
}

/** What one broker said of itself. */
export class BrokerSupport {
  readonly #ranges = new Map<number, Range>()
  readonly response: ResponseOf<typeof apiVersions>

  constructor(response: ResponseOf<typeof apiVersions>) {
    this.response = response
    for (const { apiKey, minVersion, maxVersion } of response.apiKeys) {
      if (minVersion >= 0 && maxVersion >= minVersion) this.#ranges.set(apiKey, { min: minVersion, max: maxVersion })
    }
  }

  rangeOf(apiKey: number): Range | undefined {
    return this.#ranges.get(apiKey)
  }

  /** The highest version both sides speak within the bounds; `undefined`: there is none. */
  version(api: Api, minVersion = 0, maxVersion = Number.MAX_SAFE_INTEGER): number | undefined {
    const theirs = this.#ranges.get(api.key)
    const ours = parseVersionRange(api.versions)
    if (theirs === undefined || ours === undefined) return undefined
    const version = Math.min(ours.max, theirs.max, maxVersion)
    return version >= Math.max(ours.min, theirs.min, minVersion) ? version : undefined
  }
}

/** The finalized features of the cluster: what the newest answer says. A lower epoch is an older answer. */
export class FinalizedFeatures {
  #epoch = -1
  #levels: ReadonlyMap<string, number> = new Map()

  /** Whether anything changed. */
  learn(response: ResponseOf<typeof apiVersions>): boolean {
    const epoch = response.finalizedFeaturesEpoch
    if (epoch <= this.#epoch) return false
    const levels = new Map(response.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]))
    const isSame =
      levels.size === this.#levels.size && [...levels].every(([name, level]) => this.#levels.get(name) === level)
    this.#epoch = epoch
    this.#levels = levels
    return !isSame
  }

  level(name: string): number {
    return this.#levels.get(name) ?? 0
  }
}
