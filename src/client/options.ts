/**
 * What users pass to the client, declared once as data: name, kind, default, unit, range, what it does. From it follow the
 * types, the check and the documentation.
 *
 *     const definitions = defineOptions({
 *       lingerMs: number({ default: 0, min: 0, max: 60_000, unit: 'ms', doc: 'How long a batch waits for more records.' }),
 *       clientId: string({ doc: 'Shown in logs of the broker.' }),
 *     })
 *     type Given = GivenOptions<typeof definitions>      // { lingerMs?: number; clientId?: string }
 *     const options = checkOptions('ProducerOptions', given, definitions)   // { lingerMs: number; clientId: string | undefined }
 *
 * Owns single values. What two options mean together is checked by whoever declares them. (base/options.ts is the
 * broker's: configuration as text, with Kafka's names.)
 */
import { nearestName } from '../base/options.ts'
import { KafkaError } from './errors.ts'

/** `T`: the type of a value. `D`: what it is when it is left out. */
export interface OptionDefinition<T = unknown, D = unknown> {
  readonly kind: 'number' | 'boolean' | 'string' | 'choice' | 'function' | 'value'
  /** `undefined`: nothing stands in for it. */
  readonly default: D
  readonly required: boolean
  /** What it does, in a sentence. */
  readonly doc: string
  readonly unit?: string | undefined
  readonly min?: number | undefined
  readonly max?: number | undefined
  /** May have a fraction. */
  readonly fraction?: boolean | undefined
  readonly choices?: readonly unknown[] | undefined
  /** What is expected instead of this value; `undefined` when it is fine. */
  readonly check?: ((value: T) => string | undefined) | undefined
  /** Never set; carries the types. */
  readonly phantom?: (value: T) => D
}

export type OptionDefinitions = Readonly<Record<string, OptionDefinition<never, unknown>>>

type Base<T> = { readonly doc: string; readonly required?: true; readonly check?: (value: T) => string | undefined }
/** What a definition leaves out is `undefined` when absent, unless it is required. */
type Absent<O> = O extends { default: infer D } ? D : O extends { required: true } ? never : undefined

interface NumberRest extends Base<number> {
  readonly default?: number
  readonly min?: number
  readonly max?: number
  /** 'ms', 'bytes', 'records' … */
  readonly unit?: string
  readonly fraction?: boolean
}

/** Whole unless `fraction`; never NaN. An upper limit must be given for anything that is kept or waited for. */
export function number<const O extends NumberRest>(options: O): OptionDefinition<number, Widen<Absent<O>>> {
  return definition('number', options)
}

export function boolean<const O extends Base<boolean> & { readonly default?: boolean }>(
  options: O,
): OptionDefinition<boolean, Widen<Absent<O>>> {
  return definition('boolean', options)
}

/** Not empty. */
export function string<const O extends Base<string> & { readonly default?: string }>(
  options: O,
): OptionDefinition<string, Widen<Absent<O>>> {
  return definition('string', options)
}

/** One of a closed set of values. */
export function choice<
  const C extends readonly (string | number | boolean)[],
  const O extends Base<C[number]> & { readonly choices: C; readonly default?: C[number] },
>(
  options: O & { readonly choices: C },
): OptionDefinition<C[number], O extends { default: unknown } ? C[number] : Absent<O>> {
  return definition('choice', options)
}

/** A callback. */
export function callback<F extends (...args: never[]) => unknown>(options: {
  readonly doc: string
  readonly default?: undefined
}): OptionDefinition<F, undefined> {
  return definition('function', options)
}

/** Anything else; `check` says what is expected of it. */
export function value<T>(options: Base<T> & { readonly required: true }): OptionDefinition<T, never>
export function value<T>(options: Base<T> & { readonly default: T }): OptionDefinition<T, T>
export function value<T>(options: Base<T>): OptionDefinition<T, undefined>
export function value<T>(options: Base<T> & { readonly default?: T }): OptionDefinition<T, unknown> {
  return definition('value', options)
}

type Widen<T> = T extends number ? number : T extends boolean ? boolean : T extends string ? string : T

function definition<T, D>(kind: OptionDefinition['kind'], options: object): OptionDefinition<T, D> {
  return { kind, required: false, default: undefined, ...options } as unknown as OptionDefinition<T, D>
}

export function defineOptions<const D extends OptionDefinitions>(definitions: D): D {
  return definitions
}

type ValueOf<F> = F extends OptionDefinition<infer T, infer _D> ? T : never
type AbsentOf<F> = F extends OptionDefinition<infer _T, infer D> ? D : never
type RequiredNames<D> = { [K in keyof D]: [AbsentOf<D[K]>] extends [never] ? K : never }[keyof D]

/** What users pass: everything that is not required may be left out. */
export type GivenOptions<D extends OptionDefinitions> = {
  readonly [K in Exclude<keyof D, RequiredNames<D>>]?: ValueOf<D[K]> | undefined
} & { readonly [K in RequiredNames<D>]: ValueOf<D[K]> }

/** What checkOptions gives: everything is there. */
export type CheckedOptions<D extends OptionDefinitions> = { readonly [K in keyof D]: ValueOf<D[K]> | AbsentOf<D[K]> }

/**
 * Throws INVALID_OPTION for a name that is not declared (with the nearest that is), a required one that is missing, a value of
 * another type or outside its range. An option that is `undefined` counts as left out.
 *
 * @param what  whose options these are, for the message: 'ProducerOptions'
 */
export function checkOptions<const D extends OptionDefinitions>(
  what: string,
  given: object | undefined,
  definitions: D,
): CheckedOptions<D> {
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given))) {
    throw new KafkaError('INVALID_OPTION', `${what}: expected an object, got ${show(given)}`)
  }
  const values = (given ?? {}) as Readonly<Record<string, unknown>>
  for (const name of Object.keys(values)) {
    if (Object.hasOwn(definitions, name)) continue
    const nearest = nearestName(name, Object.keys(definitions))
    const hint = nearest === undefined ? `known are ${Object.keys(definitions).join(', ')}` : `did you mean ${nearest}?`
    throw new KafkaError('INVALID_OPTION', `${what}: there is no option ${name}; ${hint}`)
  }
  const checked: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(definitions)) {
    const option = one as unknown as OptionDefinition
    const given = values[name]
    if (given === undefined) {
      if (option.required) throw new KafkaError('INVALID_OPTION', `${what}: ${name} is missing. ${option.doc}`)
      checked[name] = option.default
      continue
    }
    const expected = expectation(option, given)
    if (expected !== undefined) {
      throw new KafkaError('INVALID_OPTION', `${what}: ${name} is ${show(given)}, expected ${expected}`)
    }
    checked[name] = given
  }
  return checked as CheckedOptions<D>
}

/** What is expected instead of `given`. */
function expectation(option: OptionDefinition, given: unknown): string | undefined {
  switch (option.kind) {
    case 'number': {
      const { min, max, unit } = option
      const fits =
        typeof given === 'number' &&
        (option.fraction === true ? !Number.isNaN(given) : Number.isSafeInteger(given)) &&
        (min === undefined || given >= min) &&
        (max === undefined || given <= max)
      if (!fits) {
        const range = [min === undefined ? '' : `${min}`, max === undefined ? '' : `${max}`]
        const span = min === undefined && max === undefined ? '' : ` in ${range[0]} … ${range[1]}`
        return `a ${option.fraction === true ? '' : 'whole '}number${span}${unit === undefined ? '' : ` (${unit})`}`
      }
      break
    }
    case 'boolean':
      if (typeof given !== 'boolean') return 'true or false'
      break
    case 'string':
      if (typeof given !== 'string' || given === '') return 'a string that is not empty'
      break
    case 'choice':
      if (!(option.choices ?? []).includes(given)) return `one of ${(option.choices ?? []).map(show).join(', ')}`
      break
    case 'function':
      if (typeof given !== 'function') return 'a function'
      break
    case 'value':
      break
  }
  return option.check?.(given)
}

/** A value for a message: short, and never a throw. */
function show(given: unknown): string {
  if (typeof given === 'string') return `'${given.length > 60 ? `${given.slice(0, 60)}…` : given}'`
  if (typeof given === 'function') return 'a function'
  if (Array.isArray(given)) return `an array of ${given.length}`
  if (typeof given === 'object' && given !== null) return 'an object'
  return String(given)
}
