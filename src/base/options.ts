/**
 * Options declared once: name, type, default, unit, range and documentation as plain data; parsing and printing of
 * their values as Kafka's configuration does it (text in, text out).
 *
 * Owns single values. Which options exist, aliases and precedence are left to whoever declares them (the broker's
 * config.ts, the catalogue's topic-config.ts).
 */

export type OptionType = 'boolean' | 'int' | 'long' | 'double' | 'string' | 'list'

export interface Option<T = unknown> {
  /** The spelling that users write, Kafka's wherever Kafka has one. */
  readonly name: string
  readonly type: OptionType
  readonly default: T
  /** What it does, for people; also the documentation that DescribeConfigs returns. */
  readonly doc: string
  readonly unit?: string
  readonly min?: number
  readonly max?: number
  /** Legal values of a string, or of each element of a list. */
  readonly choices?: readonly string[]
  /** May be changed while the broker runs. */
  readonly dynamic?: boolean
  /** Other spellings, in falling precedence, all below `name`. */
  readonly aliases?: readonly string[]
}

export type ValueOf<O> = O extends Option<infer T> ? T : never

/** Java's Long.MAX_VALUE, which Kafka's defaults use for "no limit". Read as `UNLIMITED`, printed in full. */
const LONG_MAX_TEXT = '9223372036854775807'
/** The number that stands for every long above the safe-integer range. */
export const UNLIMITED: number = Number.MAX_SAFE_INTEGER
const LONG_LIMIT = 1n << 63n
const INT_MAX = 2 ** 31 - 1

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string }

type Rest<T> = Omit<Option<T>, 'type' | 'default'>

export function booleanOption(rest: Rest<boolean> & { readonly default: boolean }): Option<boolean> {
  return { type: 'boolean', ...rest }
}

export function intOption(rest: Rest<number> & { readonly default: number }): Option<number>
export function intOption(rest: Rest<number> & { readonly default: undefined }): Option<number | undefined>
export function intOption(rest: Rest<number> & { readonly default: number | undefined }): Option<number | undefined> {
  return { type: 'int', ...rest }
}

/** 64 bits in Kafka; a value above the safe-integer range reads as `UNLIMITED`. */
export function longOption(rest: Rest<number> & { readonly default: number }): Option<number>
export function longOption(rest: Rest<number> & { readonly default: undefined }): Option<number | undefined>
export function longOption(rest: Rest<number> & { readonly default: number | undefined }): Option<number | undefined> {
  return { type: 'long', ...rest }
}

export function doubleOption(rest: Rest<number> & { readonly default: number }): Option<number> {
  return { type: 'double', ...rest }
}

export function stringOption(rest: Rest<string> & { readonly default: string }): Option<string>
export function stringOption(rest: Rest<string> & { readonly default: undefined }): Option<string | undefined>
export function stringOption(
  rest: Rest<string> & { readonly default: string | undefined },
): Option<string | undefined> {
  return { type: 'string', ...rest }
}

/** A string of a closed set. */
export function choiceOption<const C extends readonly string[]>(
  rest: Omit<Rest<string>, 'choices'> & { readonly choices: C; readonly default: C[number] },
): Option<C[number]> {
  return { type: 'string', ...rest }
}

export function listOption(
  rest: Rest<readonly string[]> & { readonly default: readonly string[] },
): Option<readonly string[]> {
  return { type: 'list', ...rest }
}

/** Reads the text of a value; surrounding white space does not count, as in Kafka. */
export function parseOption<T>(option: Option<T>, text: string): Parsed<T> {
  const parsed = parseText(option, text.trim())
  return parsed as Parsed<T>
}

/** The text of a value as Kafka prints it; `undefined` for an option that is not set. */
export function formatOption(option: Option, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (option.type === 'list') return (value as readonly string[]).join(',')
  if (option.type === 'long' && value === UNLIMITED) return LONG_MAX_TEXT
  // Java prints a whole double with a fraction.
  if (option.type === 'double' && Number.isInteger(value)) return (value as number).toFixed(1)
  return String(value)
}

function parseText(option: Option, text: string): Parsed<unknown> {
  switch (option.type) {
    case 'boolean': {
      const lower = text.toLowerCase()
      if (lower === 'true') return { ok: true, value: true }
      if (lower === 'false') return { ok: true, value: false }
      return { ok: false, reason: 'expected true or false' }
    }
    case 'int': {
      if (!/^[+-]?\d{1,10}$/.test(text)) return { ok: false, reason: 'not a 32-bit whole number' }
      const value = Number(text)
      if (value > INT_MAX || value < -INT_MAX - 1) return { ok: false, reason: 'not a 32-bit whole number' }
      return inRange(option, value)
    }
    case 'long': {
      if (!/^[+-]?\d{1,19}$/.test(text)) return { ok: false, reason: 'not a 64-bit whole number' }
      const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
      if (value >= LONG_LIMIT || value < -LONG_LIMIT) return { ok: false, reason: 'not a 64-bit whole number' }
      if (value > BigInt(UNLIMITED)) return inRange(option, UNLIMITED)
      return inRange(option, value < -BigInt(UNLIMITED) ? -UNLIMITED : Number(value))
    }
    case 'double': {
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return { ok: false, reason: 'not a number' }
      return inRange(option, Number(text))
    }
    case 'string':
      return isChoice(option, text) ? { ok: true, value: text } : notAChoice(option)
    case 'list': {
      const elements = text === '' ? [] : text.split(',').map((element) => element.trim())
      if (elements.includes('')) return { ok: false, reason: 'an element of the list is empty' }
      if (new Set(elements).size !== elements.length) return { ok: false, reason: 'an element of the list is repeated' }
      return elements.every((element) => isChoice(option, element)) ? { ok: true, value: elements } : notAChoice(option)
    }
  }
}

function inRange(option: Option, value: number): Parsed<number> {
  const { min, max } = option
  if (min !== undefined && value < min) return { ok: false, reason: `value must be at least ${min}` }
  if (max !== undefined && value > max) return { ok: false, reason: `value must be no more than ${max}` }
  return { ok: true, value }
}

function isChoice(option: Option, text: string): boolean {
  return option.choices === undefined || option.choices.includes(text)
}

function notAChoice(option: Option): Parsed<never> {
  return { ok: false, reason: `expected one of ${(option.choices ?? []).join(', ')}` }
}

/** The name in `names` that takes the fewest edits from `name`, if that is near enough to be meant. */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of names) {
    const distance = editDistance(name, candidate, bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance; gives up with `limit` once it cannot be below it. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    let least = row
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const cost = Math.min(substitution, (previous[column] as number) + 1, (current[column - 1] as number) + 1)
      current.push(cost)
      if (cost < least) least = cost
    }
    if (least >= limit) return limit
    previous = current
  }
  return previous[b.length] as number
}
