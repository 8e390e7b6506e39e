/** The cluster itself: its brokers, what they speak, and the levels of its features. */
import { apiByKey } from '../../protocol/apis.ts'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import { describeCluster } from '../../protocol/messages/describe-cluster.ts'
import { updateFeatures } from '../../protocol/messages/update-features.ts'
import { type AdminContext, allBrokers, ask, askAllBrokers } from './admin-call.ts'
import type { ValidateOnly } from './topics.ts'

export interface ClusterDescription {
  readonly clusterId: string
  readonly controllerId: number | undefined
  readonly brokers: readonly {
    readonly nodeId: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
  }[]
}

export interface FeatureDescription {
  readonly name: string
  /** What is in force; 0: not finalized. */
  readonly level: number
  readonly minSupported: number
  readonly maxSupported: number
}

export interface BrokerApi {
  readonly apiKey: number
  /** `undefined`: none that this client has use for. */
  readonly name: string | undefined
  readonly minVersion: number
  readonly maxVersion: number
}

export interface UpdateFeatureOptions extends ValidateOnly {
  /** 'safe-downgrade' goes back only if nothing is lost. */
  readonly mode?: 'upgrade' | 'safe-downgrade' | 'unsafe-downgrade'
}

const NO_NODE = -1
/** Before it there was `allowDowngrade` alone, and no way to only validate. */
const VALIDATE_VERSION = 1

export async function describeClusterOf(context: AdminContext): Promise<ClusterDescription> {
  const { cluster } = context
  await allBrokers(context)
  if (cluster.view.apiVersionEverywhere(describeCluster) === undefined) {
    // Kafka before 2.8.
    const brokers = cluster.brokers().map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack }))
    return { clusterId: cluster.clusterId ?? '', controllerId: cluster.controllerId, brokers }
  }
  const { response } = await ask(
    context,
    { kind: 'any' },
    describeCluster,
    {},
    { errorOf: ({ errorCode, errorMessage }) => ({ code: errorCode, detail: errorMessage }) },
  )
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId === NO_NODE ? undefined : response.controllerId,
    brokers: response.brokers
      .map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack }))
      .toSorted((a, b) => a.nodeId - b.nodeId),
  }
}

export async function describeFeaturesOf(context: AdminContext): Promise<readonly FeatureDescription[]> {
  const { response } = await ask(context, { kind: 'any' }, apiVersions, versionsBody(context), {
    errorOf: ({ errorCode }) => ({ code: errorCode }),
  })
  const levels = new Map(response.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]))
  const supported = new Map(response.supportedFeatures.map((feature) => [feature.name, feature]))
  return [...new Set([...supported.keys(), ...levels.keys()])].toSorted().map((name) => ({
    name,
    level: levels.get(name) ?? 0,
    minSupported: supported.get(name)?.minVersion ?? 0,
    maxSupported: supported.get(name)?.maxVersion ?? 0,
  }))
}

export async function updateFeatureOf(
  context: AdminContext,
  name: string,
  level: number,
  { mode = 'upgrade', validateOnly = false }: UpdateFeatureOptions,
): Promise<void> {
  const upgradeType = { upgrade: 1, 'safe-downgrade': 2, 'unsafe-downgrade': 3 }[mode]
  await ask(
    context,
    { kind: 'controller' },
    updateFeatures,
    {
      timeoutMs: context.requestTimeoutMs,
      featureUpdates: [{ feature: name, maxVersionLevel: level, allowDowngrade: mode !== 'upgrade', upgradeType }],
      validateOnly,
    },
    {
      ...(validateOnly ? { minVersion: VALIDATE_VERSION } : {}),
      errorOf: ({ errorCode, errorMessage, results }) => {
        const failed = results.find((result) => result.errorCode !== 'NONE')
        return errorCode === 'NONE'
          ? failed && { code: failed.errorCode, detail: failed.errorMessage }
          : { code: errorCode, detail: errorMessage }
      },
    },
  )
}

/** By node id. */
export async function apiVersionsOf(context: AdminContext): Promise<ReadonlyMap<number, readonly BrokerApi[]>> {
  const answers = await askAllBrokers(context, apiVersions, versionsBody(context), {
    errorOf: ({ errorCode }) => ({ code: errorCode }),
  })
  return new Map(
    answers.map(({ response, nodeId }) => [
      nodeId,
      response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => ({
        apiKey,
        name: apiByKey(apiKey)?.name,
        minVersion,
        maxVersion,
      })),
    ]),
  )
}

function versionsBody({ cluster }: AdminContext) {
  return { clientSoftwareName: 'semel', clientSoftwareVersion: cluster.options.softwareVersion }
}
