import { describe, expect, expectTypeOf, test } from 'vitest'
import { KafkaError } from './errors.ts'
import type { CheckedOptions, GivenOptions } from './options.ts'
import { boolean, callback, checkOptions, choice, defineOptions, number, string, value } from './options.ts'

const definitions = defineOptions({
  lingerMs: number({ default: 0, min: 0, max: 60_000, unit: 'ms', doc: 'How long a batch waits.' }),
  ratio: number({ fraction: true, min: 0, max: 1, doc: 'A share.' }),
  idempotent: boolean({ default: true, doc: 'Store once.' }),
  clientId: string({ doc: 'Shown in logs.' }),
  acks: choice({ choices: ['all', 1, 0], default: 'all', doc: 'When a record counts as sent.' }),
  partitioner: callback<(key: Uint8Array | null, count: number) => number>({ doc: 'Chooses the partition.' }),
  topics: value<readonly string[]>({
    required: true,
    doc: 'What to read.',
    check: (topics) => (Array.isArray(topics) && topics.length > 0 ? undefined : 'an array with at least one topic'),
  }),
})

function refusal(given: object): string {
  try {
    checkOptions('Options', given, definitions)
  } catch (error) {
    expect(error).toBeInstanceOf(KafkaError)
    expect((error as KafkaError).code).toBe('INVALID_OPTION')
    expect((error as KafkaError).recovery).toBe('fix-configuration')
    return (error as KafkaError).message
  }
  throw new Error('was not refused')
}

describe('checkOptions', () => {
  test('fills in defaults; undefined counts as left out', () => {
    expect(checkOptions('Options', { topics: ['a'], lingerMs: undefined }, definitions)).toEqual({
      lingerMs: 0,
      ratio: undefined,
      idempotent: true,
      clientId: undefined,
      acks: 'all',
      partitioner: undefined,
      topics: ['a'],
    })
  })

  test('a name that does not exist is refused with the nearest that does', () => {
    expect(refusal({ topics: ['a'], lingerMS: 5 })).toContain('there is no option lingerMS; did you mean lingerMs?')
    expect(refusal({ topics: ['a'], compressionCodecs: 5 })).toContain('known are lingerMs, ratio')
    expect(refusal({ topics: ['a'], toString: 5 })).toContain('there is no option toString')
  })

  test('what is required and missing is named', () => {
    expect(refusal({})).toContain('topics is missing. What to read.')
  })

  test.each([
    [{ lingerMs: -1 }, 'lingerMs is -1, expected a whole number in 0 … 60000 (ms)'],
    [{ lingerMs: 1.5 }, 'lingerMs is 1.5, expected a whole number in 0 … 60000 (ms)'],
    [{ lingerMs: Number.NaN }, 'lingerMs is NaN'],
    [{ lingerMs: '5' }, "lingerMs is '5', expected a whole number"],
    [{ ratio: 1.01 }, 'ratio is 1.01, expected a number in 0 … 1'],
    [{ idempotent: 'yes' }, "idempotent is 'yes', expected true or false"],
    [{ clientId: '' }, "clientId is '', expected a string that is not empty"],
    [{ acks: 2 }, "acks is 2, expected one of 'all', 1, 0"],
    [{ acks: null }, 'acks is null'],
    [{ partitioner: {} }, 'partitioner is an object, expected a function'],
    [{ topics: [] }, 'topics is an array of 0, expected an array with at least one topic'],
  ])('%o is refused with what was given and what is expected', (wrong, message) => {
    expect(refusal({ topics: ['a'], ...wrong })).toContain(message)
  })

  test('what is no object is refused', () => {
    expect(() => checkOptions('Options', [] as never, definitions)).toThrow('expected an object, got an array of 0')
    expect(() => checkOptions('Options', 'x' as never, definitions)).toThrow("expected an object, got 'x'")
  })
})

test('types follow from the definitions', () => {
  type Given = GivenOptions<typeof definitions>
  type Checked = CheckedOptions<typeof definitions>
  expectTypeOf<Checked['lingerMs']>().toEqualTypeOf<number>()
  expectTypeOf<Checked['clientId']>().toEqualTypeOf<string | undefined>()
  expectTypeOf<Checked['acks']>().toEqualTypeOf<'all' | 1 | 0>()
  expectTypeOf<Checked['topics']>().toEqualTypeOf<readonly string[]>()
  expectTypeOf<Given['topics']>().toEqualTypeOf<readonly string[]>()
  expectTypeOf<Given['lingerMs']>().toEqualTypeOf<number | undefined>()
  // @ts-expect-error: topics is required
  const incomplete: Given = {}
  expect(incomplete).toEqual({})
})
