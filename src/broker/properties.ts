/**
 * Text of a Java properties file to key and value pairs: comments, continuation lines, all separators and escapes.
 * What the keys mean is left to config.ts.
 *
 * Source: java.util.Properties.load.
 */
import { ConfigError } from './config.ts'

/** The last of several lines with one key counts, as in Java. */
export function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = Object.create(null)
  for (const line of logicalLines(text)) {
    const [key, value] = splitLine(line)
    properties[unescape(key)] = unescape(value)
  }
  return properties
}

/** Lines without comments and blanks, with continued lines joined. */
function* logicalLines(text: string): Iterable<string> {
  let joined: string | undefined
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (joined === undefined && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue
    const isContinued = (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1
    joined = (joined ?? '') + (isContinued ? line.slice(0, -1) : line)
    if (isContinued) continue
    yield joined
    joined = undefined
  }
  if (joined !== undefined && joined !== '') yield joined
}

/** The key ends at the first '=', ':' or white space that is not escaped; white space around one separator goes too. */
function splitLine(line: string): readonly [key: string, value: string] {
  let end = 0
  while (end < line.length && !/[=: \t\f]/.test(line[end] as string)) end += line[end] === '\\' ? 2 : 1
  const rest = line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
  return [line.slice(0, end), rest]
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescape(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|u|.|$)/gs, (whole, escape: string) => {
    if (escape === 'u') throw new ConfigError(`'${whole}' in '${text}' is not followed by four hexadecimal digits`)
    if (escape.length === 5) return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return ESCAPES[escape] ?? escape
  })
}
