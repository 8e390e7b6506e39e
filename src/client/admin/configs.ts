/** Settings of topics and brokers, as an admin sees them. */
import { describeConfigs } from '../../protocol/messages/describe-configs.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.ts'
import { KafkaError } from '../errors.ts'
import { type AdminContext, allBrokers, ask } from './admin-call.ts'
import { describeClusterOf } from './cluster.ts'
import type { ValidateOnly } from './topics.ts'

export type ConfigResource = { readonly topic: string } | { readonly broker: number | 'all' }

export interface ConfigEntry {
  readonly name: string
  /** `null` when it is secret. */
  readonly value: string | null
  readonly source: 'topic' | 'broker' | 'all-brokers' | 'file' | 'default' | 'other'
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
}

export interface ConfigChange {
  readonly name: string
  /** `append` and `subtract` are for lists; `delete` goes back to the default. */
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  readonly value?: string
}

const RESOURCE_TOPIC = 2
const RESOURCE_BROKER = 4
const OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const
const SOURCES: readonly ConfigEntry['source'][] = ['other', 'topic', 'broker', 'all-brokers', 'file', 'default']

export async function describeConfigsOf(
  context: AdminContext,
  resource: ConfigResource,
): Promise<readonly ConfigEntry[]> {
  const { type, name, destination } = await resourceOf(context, resource)
  const { response } = await ask(
    context,
    destination,
    describeConfigs,
    { resources: [{ resourceType: type, resourceName: name, configurationKeys: null }], includeSynonyms: false },
    {
      errorOf: ({ results: [first] }) =>
        first && { code: first.errorCode, about: { topic: first.resourceName }, detail: first.errorMessage },
    },
  )
  return (response.results[0]?.configs ?? [])
    .map(({ name: key, value, readOnly, configSource, isSensitive }) => ({
      name: key,
      value,
      source: SOURCES[configSource] ?? 'other',
      isReadOnly: readOnly,
      isSensitive,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export async function alterConfigsOf(
  context: AdminContext,
  resource: ConfigResource,
  changes: readonly ConfigChange[],
  { validateOnly = false }: ValidateOnly,
): Promise<void> {
  const { type, name, destination } = await resourceOf(context, resource)
  const configs = changes.map(({ name: key, operation, value }) => ({
    name: key,
    configOperation: OPERATIONS[operation],
    value: operation === 'delete' ? null : (value ?? ''),
  }))
  await ask(
    context,
    destination,
    incrementalAlterConfigs,
    { resources: [{ resourceType: type, resourceName: name, configs }], validateOnly },
    {
      errorOf: ({ responses: [first] }) =>
        first && { code: first.errorCode, about: { topic: first.resourceName }, detail: first.errorMessage },
    },
  )
}

/** Rejects with INVALID_ARGUMENT for a broker that the cluster does not have. */
async function resourceOf(context: AdminContext, resource: ConfigResource) {
  if ('topic' in resource)
    return { type: RESOURCE_TOPIC, name: resource.topic, destination: { kind: 'controller' } as const }
  const { broker } = resource
  if (broker === 'all') return { type: RESOURCE_BROKER, name: '', destination: { kind: 'controller' } as const }
  if (!(await allBrokers(context)).includes(broker)) {
    const nodes = (await describeClusterOf(context)).brokers.map(({ nodeId }) => nodeId)
    if (!nodes.includes(broker)) {
      throw new KafkaError(
        'INVALID_ARGUMENT',
        `there is no broker ${broker} in the cluster now; there are ${nodes.join(', ')}`,
      )
    }
    context.cluster.refresh()
  }
  return { type: RESOURCE_BROKER, name: String(broker), destination: { kind: 'node', nodeId: broker } as const }
}
