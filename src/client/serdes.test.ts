import { describe, expect, expectTypeOf, test } from 'vitest'
import { serdes } from './serdes.ts'
import { topic, type KeyIn, type ValueIn, type ValueOf } from './topic.ts'

interface Order {
  readonly total: number
}

describe('serdes', () => {
  test('what goes in comes out', () => {
    expect(serdes.string.deserialize(serdes.string.serialize('aé€😀', 't'), 't')).toBe('aé€😀')
    expect(serdes.bytes.deserialize(serdes.bytes.serialize(Buffer.from([1, 2]), 't'), 't')).toEqual(Buffer.from([1, 2]))
    expect(serdes.json<Order>().deserialize(serdes.json<Order>().serialize({ total: 3 }, 't'), 't')).toEqual({
      total: 3,
    })
    for (const value of [0, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(serdes.int32.deserialize(serdes.int32.serialize(value, 't'), 't')).toBe(value)
    }
    for (const value of [0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      expect(serdes.int64.deserialize(serdes.int64.serialize(value, 't'), 't')).toBe(value)
    }
    for (const value of [0.1, -0, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(serdes.double.deserialize(serdes.double.serialize(value, 't'), 't')).toBe(value)
    }
  })

  test('the binary ones are big-endian, as in Java', () => {
    expect(serdes.int32.serialize(258, 't')).toEqual(Buffer.from([0, 0, 1, 2]))
    expect(serdes.int64.serialize(-2, 't')).toEqual(Buffer.from([255, 255, 255, 255, 255, 255, 255, 254]))
    expect(serdes.double.serialize(1, 't')).toEqual(Buffer.from([0x3f, 0xf0, 0, 0, 0, 0, 0, 0]))
  })

  test('nothing is mended in silence', () => {
    expect(() => serdes.string.serialize('\ud800', 't')).toThrow('surrogate')
    expect(() => serdes.string.serialize(5 as never, 't')).toThrow('expected a string, got number')
    expect(() => serdes.string.deserialize(Buffer.from([0xff]), 't')).toThrow('encoded data was not valid')
    expect(() => serdes.bytes.serialize('x' as never, 't')).toThrow('expected bytes')
    expect(() => serdes.json().serialize(undefined, 't')).toThrow('undefined is no JSON')
    expect(() => serdes.json().deserialize(Buffer.from('{'), 't')).toThrow('JSON')
    expect(() => serdes.int32.serialize(2 ** 31, 't')).toThrow('no 32-bit integer')
    expect(() => serdes.int32.deserialize(Buffer.alloc(3), 't')).toThrow('3 bytes, expected 4')
    expect(() => serdes.int64.serialize(2 ** 53, 't')).toThrow('no safe integer')
    expect(() => serdes.double.serialize('1' as never, 't')).toThrow('expected a number')
  })

  test('bytes that were read are a copy', () => {
    const input = Buffer.from([1])
    const output = serdes.bytes.deserialize(input, 't')
    input[0] = 2
    expect(output[0]).toBe(1)
  })

  test('the types of a topic follow from its serdes', () => {
    const orders = topic('orders', { key: serdes.string, value: serdes.json<Order>() })
    expectTypeOf<KeyIn<typeof orders>>().toEqualTypeOf<string>()
    expectTypeOf<ValueIn<typeof orders>>().toEqualTypeOf<Order>()
    expectTypeOf<ValueOf<typeof orders>>().toEqualTypeOf<Order>()
    expect(orders.name).toBe('orders')
  })
})
