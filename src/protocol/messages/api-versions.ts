import { api, array, bool, errorCode, int16, int32, int64, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * The first request on a connection: which APIs, in which versions, and which features the broker offers.
 *
 * A version the broker does not know is answered with a body of version 0; the response header never has tagged
 * fields, in any version, since the client cannot know yet what the broker speaks.
 */
export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  kips: [35, 511, 584],
  request: {
    clientSoftwareName: string({ versions: '3+', default: '' }),
    clientSoftwareVersion: string({ versions: '3+', default: '' }),
  },
  response: {
    errorCode: errorCode(),
    apiKeys: array(struct({ apiKey: int16(), minVersion: int16(), maxVersion: int16() })),
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    supportedFeatures: array(struct({ name: string(), minVersion: int16(), maxVersion: int16() }), {
      versions: '3+',
      tag: 0,
      default: [],
      about: 'below version 4 a feature whose lowest level is 0 must be left out (KAFKA-17011)',
    }),
    finalizedFeaturesEpoch: int64({
      versions: '3+',
      tag: 1,
      default: -1,
      about: 'grows with every change of the finalized features; clients ignore a lower one; -1: unknown',
    }),
    finalizedFeatures: array(struct({ name: string(), maxVersionLevel: int16(), minVersionLevel: int16() }), {
      versions: '3+',
      tag: 2,
      default: [],
    }),
    zkMigrationReady: bool({ versions: '3+', tag: 3, default: false }),
  },
  errors: {
    UNSUPPORTED_VERSION: 'the broker does not speak the version asked; apiKeys says what to use for ApiVersions itself',
    INVALID_REQUEST: 'the name or version of the client software is malformed',
  },
})

export type ApiVersionsRequest = RequestOf<typeof apiVersions>
export type ApiVersionsRequestDraft = RequestDraftOf<typeof apiVersions>
export type ApiVersionsResponse = ResponseOf<typeof apiVersions>
export type ApiVersionsResponseDraft = ResponseDraftOf<typeof apiVersions>
