/** Shows for each tidy rule what it catches and what it lets pass. */
import { describe, expect, test } from 'vitest'
import {
  checkHandlerRegistry,
  checkImportTable,
  checkLength,
  checkModuleState,
  checkNoFocus,
  checkNoMachinePaths,
  checkPurity,
  checkSeam,
  checkSpec,
  checkSpecReference,
  SOURCE_LINES_MAX,
} from './rules.ts'
import type { Violation } from './rules.ts'
import { importsOf, scan } from './source-text.ts'

const messages = (violations: readonly Violation[]): string[] => violations.map(({ message }) => message)

describe('the scanner', () => {
  test('blanks comments, strings, templates and regular expressions, and keeps code between `${` and `}`', () => {
    const source = "a('x') // b\n/* c */ `d ${e(`f ${g}`)} h` / i; j = /k'\\/[/]l/ + m"
    const { code } = scan(source)
    expect(code.replace(/\s+/g, ' ')).toBe("a(' ') ` ${e(` ${g}`)} ` / i; j = / / + m")
    expect(code).toHaveLength(source.length)
  })

  test('finds imports of every kind, and none in comments or strings', () => {
    const source = [
      "import a, { b } from './a.ts'",
      'import {\n  type c,\n} from "./c.ts"',
      "import './d.ts'",
      "export * from './e.ts'",
      "export type { F } from './f.ts'",
      "const g = await import('./g.ts')",
      "const h = require('./h.ts')",
      "// import './no.ts'",
      'const text = "import \'./no.ts\'"',
      "/* from './no.ts' */",
    ].join('\n')
    expect(importsOf(source).map(({ specifier, line }) => `${line} ${specifier}`)).toEqual([
      '1 ./a.ts',
      '2 ./c.ts',
      '5 ./d.ts',
      '6 ./e.ts',
      '7 ./f.ts',
      '8 ./g.ts',
      '9 ./h.ts',
    ])
  })
})

describe('the import table', () => {
  const check = (path: string, text: string): string[] => messages(checkImportTable({ path, text }))

  test('refuses an import against the direction, types included', () => {
    expect(check('src/core/group/x.ts', "import type { A } from '../../broker/a.ts'")).toEqual([
      'core may not import broker',
    ])
    expect(check('src/broker/x.ts', "import { a } from '../client/a.ts'")).toEqual(['broker may not import client'])
    expect(check('src/client/x.ts', "export { a } from '../broker/a.ts'")).toEqual(['client may not import broker'])
    expect(check('src/storage/x.ts', "import { a } from '../runtime/a.ts'")).toEqual(['storage may not import runtime'])
  })

  test('lets the allowed directions pass', () => {
    expect(check('src/core/group/x.ts', "import '../../base/a.ts'\nimport '../fetch/b.ts'\nimport './c.ts'")).toEqual(
      [],
    )
    expect(check('src/storage/x.test.ts', "import '../testing/a.ts'\nimport '../runtime/b.ts'")).toEqual([])
  })

  test('refuses an unknown room, and sources that leave src/', () => {
    expect(check('src/attic/x.ts', '')).toEqual(['the room attic is not in the import table'])
    expect(check('src/core/x.ts', "import '../../test/a.ts'")).toEqual(['imports test/a.ts, which is outside src/'])
  })
})

test('a pure room imports neither the platform nor a package', () => {
  const check = (path: string, text: string): string[] => messages(checkPurity({ path, text }))
  expect(check('src/core/x.ts', "import { join } from 'node:path'")).toEqual(['a pure room may not import node:path'])
  expect(check('src/base/x.ts', "import snappy from 'snappy'")).toEqual(['a pure room may not import snappy'])
  expect(check('src/protocol/compression/x.ts', "import 'node:zlib'")).toEqual([])
  expect(check('src/base/crc32c.ts', "import '@node-rs/crc32'")).toEqual([])
  expect(check('src/core/x.test.ts', "import { test } from 'vitest'")).toEqual([])
  expect(check('src/storage/x.ts', "import { join } from 'node:path'")).toEqual([])
})

describe('the seam to the world', () => {
  const check = (text: string, path = 'src/broker/x.ts'): string[] => messages(checkSeam({ path, text }))

  test.each([
    'Date.now()',
    'const now = Date .now',
    'new Date()',
    'new Date',
    'new Date( )',
    'Date()',
    'performance.now()',
    'globalThis.performance.now()'.replace('globalThis.', ''),
    'process.hrtime.bigint()',
    'Math.random()',
    'crypto.randomUUID()',
    'globalThis.crypto.getRandomValues(a)',
    'setTimeout(a, 1)',
    'globalThis.setTimeout(a, 1)',
    'const later = setImmediate',
    'setInterval(a, 1)',
    "import fs from 'node:fs'",
    "import { open } from 'fs/promises'",
    "import { connect } from 'node:net'",
    "import { setTimeout as sleep } from 'node:timers/promises'",
    "import { performance } from 'node:perf_hooks'",
    "import { randomBytes } from 'node:crypto'",
    "await import('node:fs')",
    "const { a } = await import('./a.ts')",
  ])('%s goes around the runtime', (text) => {
    expect(check(text).length).toBeGreaterThan(0)
    expect(check(text, 'src/runtime/x.ts')).toEqual([])
    expect(check(text, 'src/broker/x.test.ts')).toEqual([])
  })

  test.each([
    'new Date(nowMs)',
    'new Date(\n  nowMs,\n)',
    'clock.setTimer(1, f)',
    'this.#setTimeoutMs(1)',
    '// Date.now() is banned',
    "const text = 'Math.random()'",
    'performanceOf(x)',
    'fromDate(x)',
    "import { createHash } from 'node:crypto'",
    "import { join } from 'node:path'",
    "require('a') as typeof import('a')",
  ])('%s does not', (text) => {
    expect(check(text)).toEqual([])
  })
})

describe('module-level state', () => {
  const check = (text: string): string[] => messages(checkModuleState({ path: 'src/core/x.ts', text }))

  test.each([
    'let count = 0',
    'export let count = 0',
    'var count',
    'const cache = new Map<string, number>()',
    'const cache: Map<string, number> = new Map()',
    'const all = new WeakMap<object, string>()',
    'const seen = new Set(["a"])',
    'const names = ["a", "b"]',
    'const names: string[] = [\n  "a",\n]',
    'const rows = Array.from(source)',
    'const registry = {}',
    'const registry: Record<string, number> = {}',
    'const queue: string[] = []',
    'const scratch = Buffer.alloc(16)',
    'const scratch = new Uint8Array(16)',
    'const scratch = new Uint8Array(SIZE)',
    'export const names: Array<string> = ["a"]',
  ])('%s is refused', (text) => {
    expect(check(`const before = 1\n${text}\nfunction f(): void {}\n`)).toHaveLength(1)
  })

  test.each([
    'const names = ["a", "b"] as const',
    'const names: readonly string[] = [\n  "a",\n]',
    'const byKey: ReadonlyMap<number, string> = new Map(list)',
    'const names: ReadonlySet<string> = new Set(["a"])',
    'const table: Readonly<Record<string, string[]>> = { a: ["b"] }',
    'const NONE = new Uint8Array(0)',
    'const NONE: readonly string[] = []',
    'const NOTHING: ReplayOutcome = {}',
    'const NOTHING: Readonly<Record<string, number>> = {}',
    'const MAGIC = Buffer.from([1, 2])',
    'function f() {\n  let a = 0\n  const b = []\n}',
    'class A {\n  static of() {\n    const c = new Map()\n  }\n}',
    '// let it be\nconst text = `\nlet x = 1\n`',
    'const make = () => {\n  const m = new Map()\n  return m\n}',
  ])('%s is fine', (text) => {
    expect(check(text)).toEqual([])
  })
})

test('a file may be just as long as the limit', () => {
  const check = (lines: number): string[] => messages(checkLength({ path: 'src/core/x.ts', text: 'a\n'.repeat(lines) }))
  expect(check(SOURCE_LINES_MAX)).toEqual([])
  expect(check(SOURCE_LINES_MAX + 1)).toHaveLength(1)
})

test('a focused, skipped or postponed test is refused; one that depends on something is not', () => {
  const check = (text: string): string[] => messages(checkNoFocus({ path: 'src/core/x.test.ts', text }))
  for (const word of ['only', 'skip', 'todo', 'fails']) expect(check(`test.${word}('a', f)`)).toHaveLength(1)
  expect(check("describe.concurrent.only('a', f)")).toHaveLength(1)
  expect(check("test.each([1]).skip('a', f)".replace('([1])', ''))).toHaveLength(1)
  expect(check("xit('a', f)")).toHaveLength(1)
  expect(check("test.skipIf(missing)('a', f)\ntest.runIf(here)('b', f)\nexpect(x.only).toBe('test.only')")).toEqual([])
})

test('a path of one machine is refused', () => {
  const check = (text: string): string[] => messages(checkNoMachinePaths({ path: 'README.md', text }))
  for (const path of ['/home/ann/x', '/Users/ann/x', '/root/x', 'see "/root/data"']) {
    expect(check(path), path).toHaveLength(1)
  }
  expect(check('../shared/data, /var/lib/semel, https://example.org/root/x, a/home/ann/b')).toEqual([])
})

describe('SPEC.md', () => {
  const tests = new Map([['src/core/a/x.test.ts', "test('a retry returns the same answer', f)"]])
  const check = (text: string): string[] =>
    messages(checkSpec({ path: 'src/core/a/SPEC.md', text }, (path) => tests.get(path)))

  test('an invariant with an existing file and test passes, as a row, an item or a paragraph', () => {
    expect(check('| I1 | said | `x.test.ts` "a retry returns the same answer" |')).toEqual([])
    expect(check('- **I1** said\n  and more: `x.test.ts`: "a retry returns the same answer"')).toEqual([])
    expect(check('I1. said `src/core/a/x.test.ts`')).toEqual([])
  })

  test('a missing file, test or mention is refused, and a SPEC.md without invariants too', () => {
    expect(check('| I1 | said | |')).toEqual(['I1 names no test file'])
    expect(check('| I2 | said | `y.test.ts` |')).toEqual(['I2 names y.test.ts, which does not exist'])
    expect(check('- I3 said `x.test.ts` "something else"')).toEqual([
      'I3 names the test "something else", which does not exist',
    ])
    expect(check('# States')).toEqual(['lists no invariants (I1 … In)'])
  })
})

test('a source that points at a SPEC.md that is not there is refused', () => {
  const file = { path: 'src/core/a/x.ts', text: '/** Invariants: SPEC.md I1. */' }
  expect(messages(checkSpecReference(file, new Set()))).toEqual(['refers to src/core/a/SPEC.md, which does not exist'])
  expect(checkSpecReference(file, new Set(['src/core/a/SPEC.md']))).toEqual([])
})

test('a handler that the registry does not import is refused', () => {
  const registry = { path: 'src/broker/handlers/index.ts', text: "import { a } from './a.ts'" }
  const paths = ['src/broker/handlers/a.ts', 'src/broker/handlers/b.ts', 'src/broker/handlers/b.test.ts', registry.path]
  expect(checkHandlerRegistry(registry, paths).map(({ path }) => path)).toEqual(['src/broker/handlers/b.ts'])
})
