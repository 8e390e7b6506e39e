/** docs/protocol-support.md says what the handlers answer, no more and no less. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { handlers } from '../src/broker/handlers/index.ts'
import { parseVersionRange } from '../src/protocol/version-range.ts'
import { KAFKA_APIS } from '../scripts/protocol-support/kafka-apis.ts'
import { renderProtocolSupport, sourceDeviations } from '../scripts/protocol-support/render.ts'
import type { AnsweredApi } from '../scripts/protocol-support/render.ts'
import { root } from '../scripts/run.ts'
import { readTree } from './tidy/tree.ts'

test('docs/protocol-support.md is up to date (npm run docs:protocol)', () => {
  const sources = readTree(root, /^src\/.*(?<!\.test)\.ts$/)
  const expected = renderProtocolSupport(handlers, sourceDeviations(sources))
  expect(readFileSync(join(root, 'docs/protocol-support.md'), 'utf8')).toBe(expected)
})

test('every handler answers versions that its schema has, and that Kafka has', () => {
  for (const { api, minVersion, maxVersion, advertisedMinVersion = minVersion } of handlers) {
    const schema = parseVersionRange(api.versions)
    const kafka = parseVersionRange(KAFKA_APIS.find(({ key }) => key === api.key)?.versions ?? 'none')
    expect({ name: api.name, schema, kafka }).toEqual({
      name: api.name,
      schema: { min: expect.any(Number), max: expect.any(Number) },
      kafka: { min: expect.any(Number), max: expect.any(Number) },
    })
    expect(advertisedMinVersion, api.name).toBeLessThanOrEqual(minVersion)
    expect(minVersion, api.name).toBeGreaterThanOrEqual(schema?.min ?? Infinity)
    expect(minVersion, api.name).toBeGreaterThanOrEqual(kafka?.min ?? Infinity)
    expect(maxVersion, api.name).toBeLessThanOrEqual(schema?.max ?? -1)
    expect(maxVersion, api.name).toBeLessThanOrEqual(kafka?.max ?? -1)
  }
})

test('no API has two handlers', () => {
  expect(new Set(handlers.map(({ api }) => api.key)).size).toBe(handlers.length)
})

describe('the generator', () => {
  const all: AnsweredApi[] = KAFKA_APIS.filter(({ missing }) => missing === undefined).map(
    ({ key, name, versions }) => {
      const { min, max } = parseVersionRange(versions) ?? { min: 0, max: 0 }
      const api = { key, name, versions, flexible: 'none', request: {}, response: {}, errors: {}, kips: [] }
      return { api, minVersion: min, maxVersion: max }
    },
  )

  test('shows versions, what is advertised beyond them, deviations and errors', () => {
    const changed = all.map((handler): AnsweredApi => {
      if (handler.api.name !== 'Produce') return handler
      const api = { ...handler.api, errors: { NONE: 'all is | well' } as const, kips: [98] }
      return { api, minVersion: 4, maxVersion: 13, advertisedMinVersion: 0, deviations: ['it differs'] }
    })
    const text = renderProtocolSupport(changed, [{ path: 'src/a.ts', text: 'All differs' }])
    expect(text).toContain('| 0 | Produce | 4-13 (0-13 advertised) | 3-13 | clients | 98 | [yes](#produce) |')
    expect(text).toContain('### Produce\n\n- it differs\n')
    expect(text).toContain('- All differs ([src/a.ts](../src/a.ts))')
    expect(text).toContain('| NONE | all is \\| well |')
    expect(text).toContain('| 17 | SaslHandshake | 0-1 | clients | there is no authentication yet |')
  })

  test('refuses a gap between what is answered and what is said to be missing', () => {
    expect(() => renderProtocolSupport(all.slice(1), [])).toThrow('Produce is not answered, and nothing says why')
    const sasl = { key: 17, name: 'SaslHandshake', versions: '0-1', flexible: 'none', request: {}, response: {} }
    expect(() => renderProtocolSupport([...all, { api: sasl, minVersion: 0, maxVersion: 1 }], [])).toThrow(
      'said to be missing',
    )
  })

  test('finds deviations in comments, whole, and nowhere else', () => {
    const text = [
      '/**',
      ' * Does a thing.',
      ' * Deviation: it is done',
      ' * twice.',
      ' * Source: somewhere',
      ' */',
      '/** A limit. Deviation: there is one. */',
      '  // Deviation: first line',
      '  // second line.',
      '  return "Deviation: no"',
      '  // Deviation: more of it.',
      '  queueBytes: longOption({',
    ].join('\n')
    expect(sourceDeviations([{ path: 'a.ts', text }]).map((deviation) => deviation.text)).toEqual([
      'It is done twice.',
      'There is one.',
      'First line second line.',
      '`queueBytes`: more of it.',
    ])
  })
})
