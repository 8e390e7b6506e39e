import { describe, expect, test } from 'vitest'
import {
  booleanOption,
  choiceOption,
  doubleOption,
  formatOption,
  intOption,
  listOption,
  longOption,
  nearestName,
  parseOption,
  UNLIMITED,
} from './options.ts'
import type { Option } from './options.ts'

const rest = { name: 'x', doc: '' }

describe('reading values', () => {
  test.each<[string, Option, string, unknown]>([
    ['a boolean', booleanOption({ ...rest, default: true }), ' FALSE ', false],
    ['an int', intOption({ ...rest, default: 0 }), '-2147483648', -2_147_483_648],
    ['an int with a plus', intOption({ ...rest, default: 0 }), '+5', 5],
    ['a long', longOption({ ...rest, default: 0 }), '604800000000', 604_800_000_000],
    ['the largest long', longOption({ ...rest, default: 0 }), '9223372036854775807', UNLIMITED],
    ['a double', doubleOption({ ...rest, default: 0 }), '.5', 0.5],
    ['a choice', choiceOption({ ...rest, choices: ['a', 'b'], default: 'a' }), 'b', 'b'],
    ['a list', listOption({ ...rest, default: [] }), 'a , b', ['a', 'b']],
    ['an empty list', listOption({ ...rest, default: [] }), '', []],
  ])('%s', (_, option, text, value) => {
    expect(parseOption(option, text)).toEqual({ ok: true, value })
  })

  test.each<[string, Option, string]>([
    ['a boolean', booleanOption({ ...rest, default: true }), 'yes'],
    ['an int beyond 32 bits', intOption({ ...rest, default: 0 }), '2147483648'],
    ['an int with a fraction', intOption({ ...rest, default: 0 }), '1.5'],
    ['an int with a unit', intOption({ ...rest, default: 0 }), '10s'],
    ['no int', intOption({ ...rest, default: 0 }), ''],
    ['an int below its range', intOption({ ...rest, default: 0, min: 1 }), '0'],
    ['an int above its range', intOption({ ...rest, default: 0, max: 1 }), '2'],
    ['a long beyond 64 bits', longOption({ ...rest, default: 0 }), '9223372036854775808'],
    ['a double in words', doubleOption({ ...rest, default: 0 }), 'NaN'],
    ['no choice', choiceOption({ ...rest, choices: ['a', 'b'], default: 'a' }), 'A'],
    ['a list with a hole', listOption({ ...rest, default: [] }), 'a,,b'],
    ['a list with an element twice', listOption({ ...rest, default: [] }), 'a,a'],
    ['a list with a stranger', listOption({ ...rest, default: [], choices: ['a'] }), 'a,b'],
  ])('not %s', (_, option, text) => {
    expect(parseOption(option, text).ok).toBe(false)
  })
})

test('values are printed as Kafka prints them', () => {
  expect(formatOption(longOption({ ...rest, default: 0 }), UNLIMITED)).toBe('9223372036854775807')
  expect(formatOption(doubleOption({ ...rest, default: 0 }), 1)).toBe('1.0')
  expect(formatOption(listOption({ ...rest, default: [] }), ['a', 'b'])).toBe('a,b')
  expect(formatOption(booleanOption({ ...rest, default: true }), false)).toBe('false')
  expect(formatOption(longOption({ ...rest, default: undefined }), undefined)).toBeUndefined()
})

test('the nearest name is offered only when it is near', () => {
  const names = ['num.partitions', 'node.id', 'log.dirs']
  expect(nearestName('num.partition', names)).toBe('num.partitions')
  expect(nearestName('nod.id', names)).toBe('node.id')
  expect(nearestName('something.else', names)).toBeUndefined()
})
