import { describe, expect, test } from 'vitest'
import { ConfigError } from './config.ts'
import { parseProperties } from './properties.ts'

describe('a Java properties file', () => {
  test.each<[string, string, Record<string, string>]>([
    ['all separators', 'a=1\nb : 2\nc 3\nd\t=\t4\ne', { a: '1', b: '2', c: '3', d: '4', e: '' }],
    ['comments and blank lines', '# a=1\n  ! b=2\n\n   \nc=3', { c: '3' }],
    ['continuation lines', 'a=one \\\n    two\\\r\n three\nb=1', { a: 'one twothree', b: '1' }],
    ['a comment sign in a continued line', 'a=1\\\n#2', { a: '1#2' }],
    ['an even count of backslashes does not continue', 'a=x\\\\\nb=2', { a: 'x\\', b: '2' }],
    ['escaped separators in a key', 'a\\=b\\:c\\ d=1', { 'a=b:c d': '1' }],
    ['escapes', 'a=\\t\\n\\u00e9\\q\\=', { a: '\t\né' + 'q=' }],
    ['a value with separators', 'a=b=c:d', { a: 'b=c:d' }],
    ['trailing white space counts', 'a=1  ', { a: '1  ' }],
    ['the last one counts', 'a=1\na=2', { a: '2' }],
    ['a backslash at the very end', 'a=1\\', { a: '1' }],
    ['a name of every object', '__proto__=1', JSON.parse('{"__proto__":"1"}') as Record<string, string>],
  ])('%s', (_, text, properties) => {
    expect({ ...parseProperties(text) }).toEqual(properties)
  })

  test('a broken unicode escape is an error that shows it', () => {
    expect(() => parseProperties('a=\\u12')).toThrow(ConfigError)
  })
})
