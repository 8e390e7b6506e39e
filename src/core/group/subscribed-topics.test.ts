import fc from 'fast-check'
import { expect, it } from 'vitest'
import { subscription } from './group-shell.test-kit.ts'
import { readSubscribedTopics } from './subscribed-topics.ts'

it('reads the topics of a subscription, of a future version too', () => {
  const metadata = subscription('a', 'ü')
  expect(readSubscribedTopics(metadata)).toEqual(['a', 'ü'])
  metadata[1] = 99
  expect(readSubscribedTopics(metadata)).toEqual(['a', 'ü'])
})

it('whatever else is there, is no subscription and no error', () => {
  expect(readSubscribedTopics(new Uint8Array(0))).toBeUndefined()
  expect(readSubscribedTopics(Uint8Array.of(0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0))).toBeUndefined()
  expect(readSubscribedTopics(Uint8Array.of(0, 0, 0, 0, 0, 1, 0xff, 0xff))).toBeUndefined()
  expect(readSubscribedTopics(Uint8Array.of(0xff, 0xff, 0, 0, 0, 0))).toBeUndefined()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (metadata) => {
      const topics = readSubscribedTopics(metadata)
      expect(topics === undefined || topics.length <= metadata.length).toBe(true)
    }),
  )
})
