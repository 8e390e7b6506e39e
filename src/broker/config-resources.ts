/**
 * Changing configuration over the wire: which resources there are, and how one request becomes decisions of the
 * catalogue. Shared by AlterConfigs and IncrementalAlterConfigs.
 */
import type { ConfigChange } from '../core/metadata/catalogue-api.ts'
import type { ConfigOperation } from '../core/metadata/config-changes.ts'
import type { ErrorCode } from '../protocol/error-codes.ts'
import type { BrokerServices } from './services.ts'

/** ConfigResource.Type on the wire. */
export const TOPIC_RESOURCE = 2
export const BROKER_RESOURCE = 4

export interface RequestedChange {
  readonly resourceType: number
  readonly resourceName: string
  readonly operations: readonly ConfigOperation[]
  readonly isReplacement: boolean
}

export interface ChangeOutcome {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
  readonly resourceType: number
  readonly resourceName: string
}

/** Each resource stands or falls alone; outcomes come in the order of the request. */
export async function alterConfigResources(
  broker: BrokerServices,
  requested: readonly RequestedChange[],
  validateOnly: boolean,
): Promise<ChangeOutcome[]> {
  const changes = requested.map(changeOf)
  const results = await broker.catalogue.run((catalogue) =>
    catalogue.decideAlterConfigs(
      changes.filter((change) => change !== undefined),
      { validateOnly },
    ),
  )
  const next = results.values()
  return requested.map(({ resourceType, resourceName }, index) => {
    const result = changes[index] === undefined ? undefined : next.next().value
    return {
      errorCode: result?.error ?? 'INVALID_REQUEST',
      errorMessage: result === undefined ? `Unknown resource type ${resourceType}` : result.message,
      resourceType,
      resourceName,
    }
  })
}

function changeOf({
  resourceType,
  resourceName,
  operations,
  isReplacement,
}: RequestedChange): ConfigChange | undefined {
  if (resourceType !== TOPIC_RESOURCE && resourceType !== BROKER_RESOURCE) return undefined
  const type = resourceType === TOPIC_RESOURCE ? 'topic' : 'broker'
  return { resource: { type, name: resourceName }, operations, isReplacement }
}
