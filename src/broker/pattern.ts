/**
 * Regular expressions that come from clients: RE2, as in Kafka, so that no pattern can stall the broker (KIP-1152).
 *
 * RE2 is large and a pattern is rare, so it is loaded with the first one; at once, as virtual time does not wait for an `import()`.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Characters of a pattern; a longer one is refused. */
const PATTERN_MAX_LENGTH = 1000

/** Matches whole strings; `undefined` when the text is no pattern. */
export function compilePattern(pattern: string): ((text: string) => boolean) | undefined {
  if (pattern.length > PATTERN_MAX_LENGTH) return undefined
  const { RE2JS } = require('re2js') as typeof import('re2js')
  try {
    const compiled = RE2JS.compile(pattern)
    return (text) => compiled.matches(text)
  } catch {
    // Whatever RE2 has against it, the client is told that it is not a pattern.
    return undefined
  }
}
