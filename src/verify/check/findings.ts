/** What the passes have found: counts for all, and for the first few of a kind what is needed to show them. */
import type { Code } from './catalogue.ts'

/** Of one kind, this many are shown; the others are counted. */
const EXAMPLES_MAX = 5

/** Where to look for what happened. Numbers are those of the history: partitions and readers, values and transactions of the index. */
export interface Anchor {
  readonly places?: readonly { readonly partition: number; readonly offset: number }[]
  readonly values?: readonly number[]
  readonly transactions?: readonly number[]
  /** Of the reader, what it was given and how it was moved near the places. */
  readonly reader?: number
  /** Of the group, commits and committed offsets of the partitions of the places. */
  readonly group?: string
  readonly transactionalId?: string
  /** When it was noticed; faults that overlap this belong to it. */
  readonly at?: number
}

export interface Example {
  readonly what: string
  readonly anchor: Anchor
}

export interface Kind {
  readonly code: Code
  /** Why it does not fail the run; `undefined`: it does. */
  readonly allowedBecause: string | undefined
  count: number
  readonly examples: Example[]
}

export class Findings {
  readonly #kinds = new Map<string, Kind>()
  readonly #notChecked: string[] = []
  readonly #allowed: Readonly<Record<string, string>>

  /** @param allowed  codes that this workload may show, with the reason */
  constructor(allowed: Readonly<Record<string, string>>) {
    this.#allowed = allowed
  }

  /** @param what  called for the examples only */
  report(code: Code, anchor: Anchor, what: () => string, allowedBecause = this.#allowed[code]): void {
    const key = `${code} ${allowedBecause === undefined ? 'fails' : 'allowed'}`
    let kind = this.#kinds.get(key)
    if (kind === undefined) {
      kind = { code, allowedBecause, count: 0, examples: [] }
      this.#kinds.set(key, kind)
    }
    kind.count += 1
    if (kind.examples.length < EXAMPLES_MAX) kind.examples.push({ what: what(), anchor })
  }

  /** Part of the definition of `codes` could not be judged from this history. */
  notChecked(codes: string, why: string): void {
    this.#notChecked.push(`${codes}: ${why}`)
  }

  /** What fails first, in the order of the catalogue. */
  get kinds(): readonly Kind[] {
    const rank = ({ code, allowedBecause }: Kind): number =>
      Number(code.slice(1)) + (allowedBecause === undefined ? 0 : 1_000)
    return [...this.#kinds.values()].sort((a, b) => rank(a) - rank(b))
  }

  get unchecked(): readonly string[] {
    return this.#notChecked
  }
}
