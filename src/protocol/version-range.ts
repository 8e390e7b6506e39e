/** Reads the version ranges of message declarations ('3', '0-5', '2+', 'none'). */
import { assert } from '../base/assert.ts'
import type { VersionRange } from './schema.ts'

/** Versions travel as int16. */
const VERSION_MAX = 0x7fff

export interface Versions {
  readonly min: number
  /** Inclusive; VERSION_MAX when the range is open. */
  readonly max: number
}

/** `undefined` for 'none'. A range that is none of the known forms is a mistake in a declaration. */
export function parseVersionRange(range: VersionRange): Versions | undefined {
  if (range === 'none') return undefined
  const match = /^(\d+)(\+|-(\d+))?$/.exec(range)
  assert(match !== null, `version range '${range}' is not of the form '3', '0-5', '2+' or 'none'`)
  const min = Number(match[1])
  if (match[2] === undefined) return { min, max: min }
  return { min, max: match[3] === undefined ? VERSION_MAX : Number(match[3]) }
}

export function versionInRange(version: number, range: VersionRange): boolean {
  const versions = parseVersionRange(range)
  return versions !== undefined && version >= versions.min && version <= versions.max
}
