/**
 * Looks at TypeScript as text, as far as the tidy rules need it: comments and literals told from code, imports, and
 * what is declared at module level. It is a scanner, not a parser: a regular expression is told from a division by
 * what stands before it, which is right for code that compiles and is formatted.
 */

/** Same length and line breaks as the source, with spaces in place of what is left out. */
export interface ScannedText {
  /** Without comments. */
  readonly withoutComments: string
  /** Without comments and without the contents of strings, templates and regular expressions. */
  readonly code: string
}

export interface ImportedModule {
  readonly specifier: string
  /** What stands between `import` and `from`: names, braces, `type`; empty for a bare or a dynamic import. */
  readonly clause: string
  readonly line: number
}

/** Before one of these a `/` begins a regular expression; after any other word or closing bracket it divides. */
const WORDS_BEFORE_REGEX: ReadonlySet<string> = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'await',
  'yield',
  'else',
  'do',
])

export function scan(source: string): ScannedText {
  const plain = source.split('')
  const code = source.split('')
  const blank = (target: string[], from: number, to: number): void => {
    for (let i = from; i < to; i++) if (target[i] !== '\n') target[i] = ' '
  }
  /** Depth of braces at which each open template goes on after `${ … }`. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  while (at < source.length) {
    const char = source[at]
    const next = source[at + 1]
    if (char === '/' && next === '/') {
      const end = endOfLine(source, at)
      blank(plain, at, end)
      blank(code, at, end)
      at = end
    } else if (char === '/' && next === '*') {
      const close = source.indexOf('*/', at + 2)
      const end = close < 0 ? source.length : close + 2
      blank(plain, at, end)
      blank(code, at, end)
      at = end
    } else if (char === "'" || char === '"') {
      const end = endOfString(source, at)
      blank(code, at + 1, end - 1)
      at = end
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop()
      const end = endOfTemplatePart(source, at + 1)
      blank(code, at + 1, end)
      if (source[end] === '$') {
        templates.push(depth)
        at = end + 2
      } else {
        at = end + 1
      }
    } else if (char === '/' && beginsRegex(source, code, at)) {
      const end = endOfRegex(source, at)
      blank(code, at + 1, end - 1)
      at = end
    } else {
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      at += 1
    }
  }
  return { withoutComments: plain.join(''), code: code.join('') }
}

/** Static and dynamic imports, re-exports and `require`, with types or without. */
export function importsOf(source: string): ImportedModule[] {
  const { withoutComments, code } = scan(source)
  const found: ImportedModule[] = []
  const pattern =
    /\b(?:import|export)\b([^'"();=]*?)\bfrom\s*(['"])(.*?)\2|\bimport\s*(['"])(.*?)\4|\b(?:import|require)\s*\(\s*(['"])(.*?)\6/g
  for (const match of withoutComments.matchAll(pattern)) {
    // The keyword of a real import is code; inside a string it was blanked.
    if (code[match.index] === ' ') continue
    const specifier = match[3] ?? match[5] ?? match[7]
    if (specifier === undefined) continue
    found.push({ specifier, clause: (match[1] ?? '').trim(), line: lineAt(source, match.index) })
  }
  return found
}

export interface ModuleLevelDeclaration {
  readonly keyword: 'let' | 'const' | 'var'
  readonly name: string
  /** Text between the name and `=`. */
  readonly annotation: string
  /** Code from `=` up to the next statement at module level. */
  readonly initializer: string
  readonly line: number
}

/** Variables declared outside of every block, bracket and parenthesis. */
export function moduleLevelDeclarations(source: string): ModuleLevelDeclaration[] {
  const { code } = scan(source)
  const found: ModuleLevelDeclaration[] = []
  const starts = statementStarts(code)
  starts.forEach((start, index) => {
    const statement = code.slice(start, starts[index + 1] ?? code.length)
    const match = /^(?:export\s+)?(?:declare\s+)?(let|const|var)\s+([A-Za-z_$][\w$]*|[[{][^=]*)/.exec(statement)
    if (match === null) return
    const rest = statement.slice(match[0].length)
    const equals = assignmentAt(rest)
    found.push({
      keyword: match[1] as 'let' | 'const' | 'var',
      name: match[2]?.trim() ?? '',
      annotation: (equals < 0 ? rest : rest.slice(0, equals)).trim(),
      initializer: equals < 0 ? '' : rest.slice(equals + 1).trim(),
      line: lineAt(source, start),
    })
  })
  return found
}

export function lineAt(source: string, position: number): number {
  let line = 1
  for (let i = source.indexOf('\n'); i >= 0 && i < position; i = source.indexOf('\n', i + 1)) line += 1
  return line
}

/** Positions at depth 0 where a line begins with something else than a closing bracket or an operator. */
function statementStarts(code: string): number[] {
  const starts: number[] = []
  let depth = 0
  for (let at = 0; at < code.length; at++) {
    const char = code[at] ?? ''
    const isLineStart = at === 0 || code[at - 1] === '\n'
    if (isLineStart && depth === 0 && /[A-Za-z@]/.test(char)) starts.push(at)
    if ('([{'.includes(char)) depth += 1
    else if (')]}'.includes(char)) depth -= 1
  }
  return starts
}

/** The `=` of the declaration: not one of `=>`, `==`, `<=` or of a default inside the annotation's brackets. */
function assignmentAt(text: string): number {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if ('([{'.includes(char)) depth += 1
    else if (')]}'.includes(char)) depth -= 1
    else if (char === '=' && depth === 0 && text[at + 1] !== '>' && text[at + 1] !== '=') return at
  }
  return -1
}

function endOfLine(source: string, from: number): number {
  const end = source.indexOf('\n', from)
  return end < 0 ? source.length : end
}

function endOfString(source: string, from: number): number {
  const quote = source[from]
  let at = from + 1
  while (at < source.length && source[at] !== quote && source[at] !== '\n') at += source[at] === '\\' ? 2 : 1
  return at + 1
}

/** Position of the closing backtick or of the `$` of `${`. */
function endOfTemplatePart(source: string, from: number): number {
  let at = from
  while (at < source.length && source[at] !== '`' && !(source[at] === '$' && source[at + 1] === '{')) {
    at += source[at] === '\\' ? 2 : 1
  }
  return at
}

function endOfRegex(source: string, from: number): number {
  let at = from + 1
  let inClass = false
  while (at < source.length && source[at] !== '\n' && (inClass || source[at] !== '/')) {
    if (source[at] === '[') inClass = true
    if (source[at] === ']') inClass = false
    at += source[at] === '\\' ? 2 : 1
  }
  return at + 1
}

function beginsRegex(source: string, code: readonly string[], at: number): boolean {
  let before = at - 1
  while (before >= 0 && /\s/.test(code[before] ?? '')) before -= 1
  if (before < 0) return true
  const char = source[before] ?? ''
  if (/[\w$]/.test(char)) {
    const word = /[\w$]+$/.exec(source.slice(0, before + 1))?.[0] ?? ''
    return WORDS_BEFORE_REGEX.has(word)
  }
  return !/[)\]}'"`]/.test(char)
}
