/**
 * Mutation fuzzer over every API and version, requests and responses: a valid random message is encoded, its bytes are
 * damaged, and decoding must either return or throw DecodeError, and must not return more than the bytes can hold.
 *
 * Run one seed again: SEMEL_SEED=<seed> npx vitest run test/fuzz-codec.test.ts
 */
import { expect, test } from 'vitest'
import { ByteReader, ByteWriter, DecodeError } from '../src/base/bytes.ts'
import type { Random } from '../src/base/runtime.ts'
import { apis } from '../src/protocol/apis.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  parseVersionRange,
} from '../src/protocol/codec.ts'
import type { Api } from '../src/protocol/schema.ts'
import { randomBelow, randomRequest, randomResponse } from '../src/testing/message-generator.ts'
import { SimRandom } from '../src/testing/sim-random.ts'

const CASES = 200_000
const MUTATIONS_PER_MESSAGE = 4
const SEED = Number(process.env['SEMEL_SEED'] ?? 20_250_917)
const RERUN = `SEMEL_SEED=${SEED} npx vitest run test/fuzz-codec.test.ts`

interface Target {
  readonly label: string
  encode(random: Random): Uint8Array
  decode(bytes: Uint8Array): unknown
}

function targets(): Target[] {
  return apis.flatMap((api: Api) => {
    const { min, max } = parseVersionRange(api.versions)!
    return Array.from({ length: max - min + 1 }, (_, index) => min + index).flatMap((version) => [
      {
        label: `${api.name} request v${version}`,
        encode: (random: Random) =>
          written((writer) => encodeRequest(api, version, randomRequest(api, version, random), writer)),
        decode: (bytes: Uint8Array) => decodeRequest(api, version, new ByteReader(bytes)),
      },
      {
        label: `${api.name} response v${version}`,
        encode: (random: Random) =>
          written((writer) => encodeResponse(api, version, randomResponse(api, version, random), writer)),
        decode: (bytes: Uint8Array) => decodeResponse(api, version, new ByteReader(bytes)),
      },
    ])
  })
}

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter()
  write(writer)
  return writer.toBytes()
}

/** Lengths as they appear on the wire, at their most harmful. */
const EXTREMES: readonly (readonly number[])[] = [
  [0x00],
  [0x7f],
  [0x80],
  [0xff],
  [0xff, 0xff],
  [0x7f, 0xff],
  [0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xfe],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x1f],
  [0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
]

/** One to three damages: a bit flipped, bytes overwritten or inserted, a part cut out, doubled or appended. */
function mutate(original: Uint8Array, random: Random): Uint8Array {
  let bytes = Buffer.from(original)
  for (let count = 1 + randomBelow(3, random); count > 0; count--) {
    const at = randomBelow(bytes.length + 1, random)
    const extreme = Buffer.from(EXTREMES[randomBelow(EXTREMES.length, random)]!)
    switch (randomBelow(7, random)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << randomBelow(8, random)
        break
      case 1:
        if (at < bytes.length) bytes[at] = random.nextUint32()
        break
      case 2:
        bytes = bytes.subarray(0, at)
        break
      case 3:
        extreme.copy(bytes, at)
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), extreme, bytes.subarray(at)])
        break
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + randomBelow(8, random))])
        break
      default: {
        const tail = Buffer.alloc(randomBelow(64, random))
        random.fill(tail)
        bytes = Buffer.concat([bytes, bytes.subarray(at), tail])
      }
    }
  }
  return bytes
}

/** What a decoded message holds: array elements, and bytes of its blobs. Neither can be more than the bytes it came from. */
function contents(message: unknown): { elements: number; blobBytes: number } {
  const found = { elements: 0, blobBytes: 0 }
  const visit = (part: unknown) => {
    if (part instanceof Uint8Array) {
      found.blobBytes += part.length
    } else if (Array.isArray(part)) {
      found.elements += part.length
      for (const element of part) visit(element)
    } else if (typeof part === 'object' && part !== null) {
      for (const member of Object.values(part)) visit(member)
    }
  }
  visit(message)
  return found
}

test(`${CASES} damaged messages of all APIs and versions decode or are refused (${RERUN})`, {
  timeout: 240_000,
}, () => {
  const random = new SimRandom(SEED)
  const all = targets()
  const decodedBy = { returned: 0, refused: 0 }
  for (let index = 0; index < CASES; ) {
    const target = all[Math.floor(index / MUTATIONS_PER_MESSAGE) % all.length]!
    const message = target.encode(random)
    for (let round = 0; round < MUTATIONS_PER_MESSAGE && index < CASES; round++, index++) {
      const bytes = mutate(message, random)
      const explain = () =>
        `case ${index}, ${target.label}, bytes ${Buffer.from(bytes).toString('hex')}; again: ${RERUN}`
      let decoded: unknown
      try {
        decoded = target.decode(bytes)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw new Error(explain(), { cause: error })
        decodedBy.refused++
        continue
      }
      const { elements, blobBytes } = contents(decoded)
      if (elements > bytes.length || blobBytes > bytes.length) {
        throw new Error(`${elements} elements and ${blobBytes} bytes out of ${bytes.length}: ${explain()}`)
      }
      decodedBy.returned++
    }
  }
  // Damage that is always noticed, or never, would mean that the mutations miss their aim.
  expect(decodedBy.returned).toBeGreaterThan(CASES / 20)
  expect(decodedBy.refused).toBeGreaterThan(CASES / 20)
})
