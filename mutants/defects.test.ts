/** Every seeded defect has its place, and what comes of it is a program. */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { expect, test } from 'vitest'
import { applyEdit, editsOf, withDefect } from './defect.ts'
import { DEFECTS } from './defects/index.ts'

const textOf = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')

test('there are at least 75 defects, each with a name of its own and all of its reasons', () => {
  expect(DEFECTS.length).toBeGreaterThanOrEqual(75)
  expect(new Set(DEFECTS.map(({ name }) => name)).size).toBe(DEFECTS.length)
  for (const { name, why, from, shows } of DEFECTS) {
    expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/)
    for (const text of [why, from, shows]) expect(text.trim(), name).not.toBe('')
  }
})

test.each(DEFECTS.map((defect) => [defect.name, defect] as const))(
  '%s: the place is there exactly once, and the changed file is TypeScript that Node can run',
  (_, defect) => {
    for (const file of new Set(editsOf(defect).map((edit) => edit.file))) {
      const text = textOf(file)
      const changed = withDefect(defect, file, text) as string
      expect(changed).not.toBe(text)
      expect(() => stripTypeScriptTypes(changed)).not.toThrow()
    }
  },
)

test('a file that a defect does not name stays as it is', () => {
  const defect = { name: 'a-b', file: 'src/x.ts', find: 'a', replace: 'b', why: '', from: '', shows: '' }
  expect(withDefect(defect, 'src/y.ts', 'a')).toBeUndefined()
  expect(withDefect(defect, 'src/x.ts', 'xa')).toBe('xb')
})

test('a place that is gone, or is there twice, is an error that names the file', () => {
  const edit = { file: 'src/x.ts', find: 'ab', replace: '' }
  expect(() => applyEdit(edit, 'a b')).toThrow('src/x.ts no longer holds: ab')
  expect(() => applyEdit(edit, 'abab')).toThrow('src/x.ts holds more than once: ab')
})
