/**
 * The records of the catalogue as they are stored in `__cluster_metadata`-0: semel's own format, one key for each thing
 * there is, so that the newest record of a key is all that is needed of it.
 *
 *     key    int16 version | kind int8 | name string          name: topic, feature, node id ('' is every node), else ''
 *     value  int16 version | the fields of the kind           no value: the thing is gone
 */
import { unreachable } from '../../base/assert.ts'
import { decodeRecord, encodeRecord } from '../../protocol/codec.ts'
import { array, int16, int32, int64, int8, storedRecord, string, struct, uuid } from '../../protocol/schema.ts'
import type { RecordOf } from '../../protocol/schema.ts'

const configs = array(struct({ name: string(), value: string() }))

const catalogueKey = storedRecord({
  name: 'CatalogueKey',
  versions: '0',
  flexible: '0+',
  fields: { kind: int8(), name: string() },
})

export const clusterValue = storedRecord({
  name: 'ClusterValue',
  versions: '0',
  flexible: '0+',
  fields: { clusterId: string() },
})

export const brokerEpochValue = storedRecord({
  name: 'BrokerEpochValue',
  versions: '0',
  flexible: '0+',
  fields: { brokerEpoch: int32({ about: 'Grows by one at each start; leader and coordinator epoch of that run.' }) },
})

export const topicValue = storedRecord({
  name: 'TopicValue',
  versions: '0',
  flexible: '0+',
  fields: { topicId: uuid(), partitionCount: int32(), configs },
})

export const brokerConfigValue = storedRecord({
  name: 'BrokerConfigValue',
  versions: '0',
  flexible: '0+',
  fields: { configs },
})

export const featureValue = storedRecord({
  name: 'FeatureValue',
  versions: '0',
  flexible: '0+',
  fields: {
    level: int16({ about: 'The finalized level; 0 is off.' }),
    featuresEpoch: int64({ about: 'Grows by one with each change of any feature.' }),
  },
})

export const producerIdsValue = storedRecord({
  name: 'ProducerIdsValue',
  versions: '0',
  flexible: '0+',
  fields: { nextProducerId: int64({ about: 'First producer id that no block holds yet.' }) },
})

type Keyed<Kind extends string, V> = { readonly kind: Kind; readonly name: string; readonly value: V | null }

/** One change of the catalogue. `value: null` removes the thing. */
export type CatalogueRecord =
  | Keyed<'cluster', RecordOf<typeof clusterValue>>
  | Keyed<'brokerEpoch', RecordOf<typeof brokerEpochValue>>
  | Keyed<'topic', RecordOf<typeof topicValue>>
  | Keyed<'brokerConfig', RecordOf<typeof brokerConfigValue>>
  | Keyed<'feature', RecordOf<typeof featureValue>>
  | Keyed<'producerIds', RecordOf<typeof producerIdsValue>>

type Kind = CatalogueRecord['kind']

const KIND_NUMBERS: Readonly<Record<Kind, number>> = {
  cluster: 1,
  brokerEpoch: 2,
  topic: 3,
  brokerConfig: 4,
  feature: 5,
  producerIds: 6,
}

/** Key and value of the log record; no value for a removal. */
export function encodeCatalogueRecord(record: CatalogueRecord): { key: Uint8Array; value: Uint8Array | null } {
  const key = encodeRecord(catalogueKey, 0, { kind: KIND_NUMBERS[record.kind], name: record.name })
  return { key, value: record.value === null ? null : encodeValue(record) }
}

/**
 * @returns `undefined` for a kind this version does not know
 * @throws DecodeError  the bytes are not a catalogue record
 */
export function decodeCatalogueRecord(key: Uint8Array, value: Uint8Array | null): CatalogueRecord | undefined {
  const { kind: number, name } = decodeRecord(catalogueKey, key)
  const kind = (Object.keys(KIND_NUMBERS) as Kind[]).find((candidate) => KIND_NUMBERS[candidate] === number)
  if (kind === undefined) return undefined
  if (value === null) return { kind, name, value: null }
  switch (kind) {
    case 'cluster':
      return { kind, name, value: decodeRecord(clusterValue, value) }
    case 'brokerEpoch':
      return { kind, name, value: decodeRecord(brokerEpochValue, value) }
    case 'topic':
      return { kind, name, value: decodeRecord(topicValue, value) }
    case 'brokerConfig':
      return { kind, name, value: decodeRecord(brokerConfigValue, value) }
    case 'feature':
      return { kind, name, value: decodeRecord(featureValue, value) }
    case 'producerIds':
      return { kind, name, value: decodeRecord(producerIdsValue, value) }
    default:
      return unreachable(kind)
  }
}

function encodeValue(record: CatalogueRecord): Uint8Array | null {
  if (record.value === null) return null
  switch (record.kind) {
    case 'cluster':
      return encodeRecord(clusterValue, 0, record.value)
    case 'brokerEpoch':
      return encodeRecord(brokerEpochValue, 0, record.value)
    case 'topic':
      return encodeRecord(topicValue, 0, record.value)
    case 'brokerConfig':
      return encodeRecord(brokerConfigValue, 0, record.value)
    case 'feature':
      return encodeRecord(featureValue, 0, record.value)
    case 'producerIds':
      return encodeRecord(producerIdsValue, 0, record.value)
    default:
      return unreachable(record)
  }
}
