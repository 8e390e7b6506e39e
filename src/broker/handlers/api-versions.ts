/**
 * ApiVersions: what this broker speaks, derived from the handlers it has, and the features that decide how clients
 * speak it: transaction version 2 is used exactly while `transaction.version` is finalized at 2 (KIP-890).
 * Source: KIP-35, KIP-511, KIP-584; ApiVersionsResponse (KAFKA-17492 on features with a lowest level of 0).
 */
import { SUPPORTED_FEATURES } from '../../core/metadata/features.ts'
import { apiVersions } from '../../protocol/messages/api-versions.ts'
import type { ApiVersionsResponseDraft } from '../../protocol/messages/api-versions.ts'
import { defineHandler } from '../handler.ts'
import type { BrokerServices } from '../services.ts'

/** From here on a feature whose lowest level is 0 may be listed. */
const FIRST_LEVEL_ZERO_VERSION = 4
/** KIP-511: what a client may call itself. */
const SOFTWARE_NAME_PATTERN = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

export const apiVersionsHandler = defineHandler(apiVersions, {
  minVersion: 0,
  maxVersion: 4,
  async handle(broker, request, { apiVersion }): Promise<ApiVersionsResponseDraft> {
    const { clientSoftwareName, clientSoftwareVersion } = request
    const isNamed = SOFTWARE_NAME_PATTERN.test(clientSoftwareName) && SOFTWARE_NAME_PATTERN.test(clientSoftwareVersion)
    if (apiVersion >= 3 && !isNamed) return { errorCode: 'INVALID_REQUEST', apiKeys: [] }
    // A feature that has just been changed is told once the change is durable.
    return broker.catalogue.run(() => ({ records: [], reply: apiVersionsOf(broker, apiVersion) }))
  },
})

/** The answer to a version of ApiVersions that is not known: version 0, with what is known (KIP-511). */
export function unsupportedApiVersions(broker: BrokerServices): ApiVersionsResponseDraft {
  return { errorCode: 'UNSUPPORTED_VERSION', apiKeys: apiKeysOf(broker) }
}

function apiKeysOf(broker: BrokerServices): ApiVersionsResponseDraft['apiKeys'] {
  return broker.handlers.map(({ api, minVersion, maxVersion, advertisedMinVersion }) => ({
    apiKey: api.key,
    minVersion: advertisedMinVersion ?? minVersion,
    maxVersion,
  }))
}

function apiVersionsOf(broker: BrokerServices, apiVersion: number): ApiVersionsResponseDraft {
  const { catalogue } = broker.catalogue
  return {
    errorCode: 'NONE',
    apiKeys: apiKeysOf(broker),
    supportedFeatures: SUPPORTED_FEATURES.filter(
      ({ minLevel }) => minLevel > 0 || apiVersion >= FIRST_LEVEL_ZERO_VERSION,
    ).map(({ name, minLevel, maxLevel }) => ({ name, minVersion: minLevel, maxVersion: maxLevel })),
    finalizedFeaturesEpoch: catalogue.finalizedFeaturesEpoch,
    finalizedFeatures: catalogue
      .finalizedFeatures()
      .map(({ name, level }) => ({ name, minVersionLevel: level, maxVersionLevel: level })),
  }
}
