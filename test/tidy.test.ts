/** The rules of the house over the whole tree. What each rule says, and that it can fail, is in test/tidy/. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
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
} from './tidy/rules.ts'
import type { SourceFile, Violation } from './tidy/rules.ts'
import { readTree } from './tidy/tree.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const all = readTree(root, /\.(?:ts|mjs|md|json|java|py|go|sh|yml|yaml)$|^\.ci\//)
const typescript = all.filter(({ path }) => path.endsWith('.ts'))
const textByPath = new Map(all.map(({ path, text }) => [path, text]))

function each(check: (file: SourceFile) => Violation[]): string[] {
  return lines(typescript.flatMap(check))
}

function lines(violations: readonly Violation[]): string[] {
  return violations.map(({ path, line, message }) => `${path}:${line} ${message}`)
}

test('rooms import only what the import table allows', () => {
  expect(typescript.filter(({ path }) => path.startsWith('src/')).length).toBeGreaterThan(50)
  expect(each(checkImportTable)).toEqual([])
})

test('base, protocol and core import neither the platform nor packages', () => {
  expect(each(checkPurity)).toEqual([])
})

test('only src/runtime touches clocks, timers, randomness, files and sockets', () => {
  expect(each(checkSeam)).toEqual([])
})

test('nothing at module level can change', () => {
  expect(each(checkModuleState)).toEqual([])
})

test('no source file is too long', () => {
  expect(each(checkLength)).toEqual([])
})

test('no test is focused or left out', () => {
  expect(each(checkNoFocus)).toEqual([])
})

test('no path of one machine is committed', () => {
  const files = all.filter(({ path }) => path !== 'package-lock.json' && !path.startsWith('test/tidy/'))
  expect(lines(files.flatMap(checkNoMachinePaths))).toEqual([])
})

test('every invariant of every SPEC.md names a test that exists', () => {
  const specs = all.filter(({ path }) => path.endsWith('/SPEC.md'))
  expect(lines(specs.flatMap((spec) => checkSpec(spec, (path) => textByPath.get(path))))).toEqual([])
})

test('a source that points at SPEC.md has one beside it', () => {
  const paths = new Set(textByPath.keys())
  expect(each((file) => checkSpecReference(file, paths))).toEqual([])
})

test('every handler is in the registry', () => {
  const registry = all.find(({ path }) => path === 'src/broker/handlers/index.ts')
  expect(registry, 'src/broker/handlers/index.ts').toBeDefined()
  if (registry === undefined) return
  expect(
    lines(
      checkHandlerRegistry(
        registry,
        all.map(({ path }) => path),
      ),
    ),
  ).toEqual([])
})
