/**
 * The rules of the house that no compiler or linter knows: who may import whom, what may touch the world, what may live
 * at module level, how long a file may get. Each rule is a pure function of source texts, so that it can be shown to
 * fail (rules.test.ts); tidy.test.ts runs them over the tree.
 */
import { posix } from 'node:path'
import { importsOf, lineAt, moduleLevelDeclarations, scan } from './source-text.ts'

export interface SourceFile {
  /** From the root of the repository, with '/'. */
  readonly path: string
  readonly text: string
}

export interface Violation {
  readonly path: string
  readonly line: number
  readonly message: string
}

/** Which room may import which others; every room may import itself. docs/ARCHITECTURE.md gives the reasons. */
const IMPORT_TABLE: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ['base'],
  core: ['base', 'protocol'],
  storage: ['base', 'protocol'],
  net: ['base', 'protocol'],
  runtime: ['base'],
  broker: ['base', 'protocol', 'core', 'storage', 'net', 'runtime'],
  client: ['base', 'protocol', 'net', 'runtime'],
  sinks: ['base', 'client'],
  streams: ['base', 'client', 'sinks'],
  proxy: ['base', 'protocol', 'net', 'runtime'],
  verify: ['base', 'client'],
  console: ['base', 'client'],
  testing: [
    'base',
    'protocol',
    'core',
    'storage',
    'net',
    'runtime',
    'broker',
    'client',
    'sinks',
    'streams',
    'proxy',
    'verify',
  ],
  cli: [
    'base',
    'protocol',
    'storage',
    'runtime',
    'broker',
    'client',
    'streams',
    'proxy',
    'verify',
    'testing',
    'console',
  ],
}

/** Beside what they test, tests may use the simulated world and the real one. */
const ALSO_FOR_TESTS: readonly string[] = ['testing', 'runtime']

/** Folders whose code is a function of its arguments: no platform, clock, timer or randomness. */
const PURE_FOLDERS: readonly string[] = [
  'src/base/',
  'src/protocol/',
  'src/core/',
  'src/client/core/',
  'src/streams/core/',
]

/** Pure towards the outside, but native inside: checksums and compression. */
const NATIVE_INSIDE: readonly string[] = ['src/protocol/compression/', 'src/base/crc32c.ts']

/** What implements the world, and so may touch it. The simulated clock waits for promises to settle, and only that. */
const IMPLEMENTS_THE_WORLD: readonly string[] = ['src/runtime/', 'src/testing/sim-clock.ts']

/** May load modules as they go: programs, which run in real time, and what waits while it is loaded itself. */
const LOADS_MODULES: readonly string[] = ['src/cli/', 'src/base/crc32c.ts']

const WORLD_MODULES: ReadonlySet<string> = new Set(
  [
    'fs',
    'fs/promises',
    'net',
    'tls',
    'dgram',
    'dns',
    'http',
    'https',
    'timers',
    'timers/promises',
    'perf_hooks',
  ].flatMap((name) => [name, `node:${name}`]),
)

const WORLD_CALLS: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bDate\s*\.\s*now\b/g, instead: 'runtime.clock.nowMs()' },
  { pattern: /\bnew\s+Date\b(?!\s*\(\s*[^\s)])/g, instead: 'runtime.clock.nowMs()' },
  { pattern: /(?<!\bnew\s+)(?<![\w$.])Date\s*\(/g, instead: 'runtime.clock.nowMs()' },
  { pattern: /(?<![\w$.])performance\s*\./g, instead: 'runtime.clock.monotonicMs()' },
  { pattern: /\bprocess\s*\.\s*(?:hrtime|uptime)\b/g, instead: 'runtime.clock.monotonicMs()' },
  { pattern: /\bMath\s*\.\s*random\b/g, instead: 'runtime.random' },
  { pattern: /\bcrypto\s*\.\s*(?:random\w*|getRandomValues)/g, instead: 'runtime.random' },
  { pattern: /(?<![\w$#])set(?:Timeout|Interval|Immediate)\b/g, instead: 'runtime.clock.setTimer()' },
]

/** State that belongs to the process and not to one broker in it; each with its reason. */
const PROCESS_WIDE: Readonly<Record<string, string>> = {
  'src/runtime/file-lock.ts': 'a lock that this process holds must refuse a second broker of this process too',
}

export const SOURCE_LINES_MAX = 600

function isTest(path: string): boolean {
  return /\.(?:test|contract|test-kit)\.ts$/.test(path)
}

export function checkImportTable(file: SourceFile): Violation[] {
  const room = roomOf(file.path)
  if (room === undefined) return []
  const allowed = IMPORT_TABLE[room]
  if (allowed === undefined)
    return [{ path: file.path, line: 1, message: `the room ${room} is not in the import table` }]
  const violations: Violation[] = []
  for (const { specifier, line } of importsOf(file.text)) {
    if (!specifier.startsWith('.')) continue
    const target = posix.join(posix.dirname(file.path), specifier)
    const targetRoom = roomOf(target)
    if (targetRoom === undefined) {
      // Tests may use fixtures and helpers of test/; sources stay inside src/.
      if (isTest(file.path) && target.startsWith('test/')) continue
      if (room === 'cli' && target === 'package.json') continue
      if (target.startsWith('src/') && posix.dirname(target) === 'src') continue
      violations.push({ path: file.path, line, message: `imports ${target}, which is outside src/` })
      continue
    }
    if (targetRoom === room || allowed.includes(targetRoom)) continue
    if (isTest(file.path) && ALSO_FOR_TESTS.includes(targetRoom)) continue
    violations.push({ path: file.path, line, message: `${room} may not import ${targetRoom}` })
  }
  return violations
}

export function checkPurity(file: SourceFile): Violation[] {
  if (isTest(file.path) || !PURE_FOLDERS.some((folder) => file.path.startsWith(folder))) return []
  if (NATIVE_INSIDE.some((place) => file.path.startsWith(place))) return []
  return importsOf(file.text)
    .filter(({ specifier }) => !specifier.startsWith('.'))
    .map(({ specifier, line }) => ({ path: file.path, line, message: `a pure room may not import ${specifier}` }))
}

/** What goes around the runtime (DESIGN: one seam to the world). */
export function checkSeam(file: SourceFile): Violation[] {
  if (!file.path.startsWith('src/') || isTest(file.path)) return []
  if (IMPLEMENTS_THE_WORLD.some((place) => file.path.startsWith(place))) return []
  const violations: Violation[] = []
  for (const { specifier, clause, line } of importsOf(file.text)) {
    const isRandom =
      /^(?:node:)?crypto$/.test(specifier) && /\brandom\w*|\bgetRandomValues\b|\bwebcrypto\b/.test(clause)
    if (WORLD_MODULES.has(specifier) || isRandom) {
      violations.push({ path: file.path, line, message: `${specifier} is for src/runtime only; take a Runtime` })
    }
  }
  const { code } = scan(file.text)
  if (!LOADS_MODULES.some((place) => file.path.startsWith(place))) {
    // Virtual time goes on while a module is read: what waits for one runs differently the first time.
    for (const match of code.matchAll(/(?<!typeof\s+)\bimport\s*\(/g)) {
      const line = lineAt(file.text, match.index)
      violations.push({ path: file.path, line, message: 'import() takes real time; import it above, or require it' })
    }
  }
  for (const { pattern, instead } of WORLD_CALLS) {
    for (const match of code.matchAll(pattern)) {
      const line = lineAt(file.text, match.index)
      violations.push({ path: file.path, line, message: `${match[0].trim()} is for src/runtime only; use ${instead}` })
    }
  }
  return violations
}

/**
 * No state at module level, so that several brokers live in one process and a run is a function of its seed: no `let`,
 * no weak collection, no scratch buffer, and other collections only if their type is read-only.
 */
export function checkModuleState(file: SourceFile): Violation[] {
  if (!file.path.startsWith('src/') || isTest(file.path) || file.path in PROCESS_WIDE) return []
  const violations: Violation[] = []
  for (const { keyword, name, annotation, initializer, line } of moduleLevelDeclarations(file.text)) {
    const problem = keyword === 'const' ? mutableCollection(annotation, initializer) : `module-level ${keyword}`
    if (problem !== undefined) violations.push({ path: file.path, line, message: `${name}: ${problem}` })
  }
  return violations
}

function mutableCollection(annotation: string, initializer: string): string | undefined {
  if (/^new\s+Weak(?:Map|Set|Ref)\b/.test(initializer)) return 'a weak collection at module level is hidden state'
  const scratch =
    /^(?:new\s+(?:Shared)?ArrayBuffer\b|new\s+\w+Array\s*\(\s*[\w.]*[1-9A-Za-z][\w.]*\s*\)|Buffer\s*\.\s*alloc)/
  if (scratch.test(initializer)) return 'a scratch buffer at module level is shared state'
  const isReadonly = /^:\s*(?:readonly\b|Readonly)/.test(annotation) || /\bas\s+const\b/.test(initializer)
  if (/^\{\s*\}/.test(initializer)) {
    // An empty object of a named type is a value; one without, or of open keys, is there to be filled.
    const isValue = isReadonly || (annotation !== '' && !/\bRecord\b|\[/.test(annotation))
    return isValue ? undefined : 'an empty object at module level is state in waiting'
  }
  const isCollection = /^(?:new\s+(?:Map|Set|Array)\b|\[|Array\s*\.\s*(?:from|of)\b)/.test(initializer)
  return isCollection && !isReadonly ? 'a collection at module level needs a read-only type or `as const`' : undefined
}

export function checkLength(file: SourceFile): Violation[] {
  if (!file.path.startsWith('src/') || isTest(file.path)) return []
  const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0)
  if (lines <= SOURCE_LINES_MAX) return []
  return [
    {
      path: file.path,
      line: lines,
      message: `${lines} lines; more than ${SOURCE_LINES_MAX} hold more than one concept`,
    },
  ]
}

/** `skipIf` and `runIf` are allowed: they say on what the test depends. */
export function checkNoFocus(file: SourceFile): Violation[] {
  if (!isTest(file.path)) return []
  const { code } = scan(file.text)
  const pattern =
    /\b(?:it|test|describe|suite)(?:\s*\.\s*\w+)*?\s*\.\s*(?:only|skip|todo|fails)\b|\bx(?:it|test|describe)\s*\(/g
  return Array.from(code.matchAll(pattern), (match) => ({
    path: file.path,
    line: lineAt(file.text, match.index),
    message: `${match[0]}: every test runs`,
  }))
}

/** Paths of somebody's machine mean nothing to a reader; shared material is `../shared/…`. */
export function checkNoMachinePaths(file: SourceFile): Violation[] {
  const pattern = /(?<![\w.])\/(?:root|home\/\w+|Users\/\w+)\/[\w.-]+|\b[A-Z]:\\Users\\/g
  return Array.from(file.text.matchAll(pattern), (match) => ({
    path: file.path,
    line: lineAt(file.text, match.index),
    message: `${match[0]}: a path of one machine`,
  }))
}

/**
 * Every invariant of a SPEC.md names the test that holds it. An invariant is a table row, list item or paragraph that
 * begins with its number (`| I3 |`, `- **I3** …`, `I3. …`; the letter may be any capital) and runs to the next one, an
 * empty line or the end of the table. In it, `` `file.test.ts` `` names a file beside the SPEC.md (or from the root),
 * and each text in quotes that follows is the name of a test in that file.
 */
export function checkSpec(spec: SourceFile, textOf: (path: string) => string | undefined): Violation[] {
  const violations: Violation[] = []
  let count = 0
  for (const { id, text, line } of invariantsOf(spec.text)) {
    count += 1
    const files = Array.from(text.matchAll(/`([^`\s]+\.test\.ts)`/g), (match) => match[1] ?? '')
    const report = (message: string): number => violations.push({ path: spec.path, line, message: `${id} ${message}` })
    if (files.length === 0) report('names no test file')
    const texts: string[] = []
    for (const name of files) {
      const found = textOf(posix.join(posix.dirname(spec.path), name)) ?? textOf(name)
      if (found === undefined) report(`names ${name}, which does not exist`)
      else texts.push(found)
    }
    const afterFile = text.slice(Math.max(0, text.indexOf('.test.ts')))
    const names = Array.from(afterFile.matchAll(/"([^"]+)"|“([^”]+)”/g), (match) => match[1] ?? match[2] ?? '')
    for (const name of names) {
      if (texts.length > 0 && !texts.some((found) => found.includes(name)))
        report(`names the test "${name}", which does not exist`)
    }
  }
  if (count === 0) violations.push({ path: spec.path, line: 1, message: 'lists no invariants (I1 … In)' })
  return violations
}

/** A source that points at SPEC.md has one beside it. */
export function checkSpecReference(file: SourceFile, paths: ReadonlySet<string>): Violation[] {
  if (!file.path.startsWith('src/')) return []
  const at = file.text.search(/(?<![\w/])SPEC\.md/)
  const spec = posix.join(posix.dirname(file.path), 'SPEC.md')
  if (at < 0 || paths.has(spec)) return []
  return [{ path: file.path, line: lineAt(file.text, at), message: `refers to ${spec}, which does not exist` }]
}

interface Invariant {
  readonly id: string
  readonly text: string
  readonly line: number
}

function invariantsOf(text: string): Invariant[] {
  const found: { id: string; text: string; line: number }[] = []
  let open = false
  text.split('\n').forEach((content, index) => {
    const match = /^\s*(?:[|*-]\s*)?(?:\*\*|`)?([A-Z]\d+)(?:\*\*|`)?(?=[\s|:.,–—-]|\*\*)/.exec(content)
    if (match !== null) {
      found.push({ id: match[1] ?? '', text: content, line: index + 1 })
      open = !content.trimStart().startsWith('|')
    } else if (content.trim() === '' || content.startsWith('#')) {
      open = false
    } else if (open) {
      const last = found.at(-1)
      if (last !== undefined) last.text += `\n${content}`
    }
  })
  return found
}

/** Every file of the handlers' folder is imported by its registry, so that what is written is also answered. */
export function checkHandlerRegistry(registry: SourceFile, paths: readonly string[]): Violation[] {
  const folder = posix.dirname(registry.path)
  const imported = new Set(importsOf(registry.text).map(({ specifier }) => posix.join(folder, specifier)))
  return paths
    .filter((path) => posix.dirname(path) === folder && path !== registry.path && !isTest(path) && !imported.has(path))
    .map((path) => ({ path, line: 1, message: `is not in ${registry.path}` }))
}

function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}
