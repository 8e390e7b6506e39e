import { api, array, bool, errorCode, int16, int32, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Sets finalized feature levels, such as transaction.version. From version 2 on all or none are set, and the
 * response has one error instead of one for each feature.
 */
export const updateFeatures = api({
  key: 57,
  name: 'UpdateFeatures',
  versions: '0-2',
  flexible: '0+',
  kips: [584, 778, 1022],
  request: {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array(
      struct({
        feature: string(),
        maxVersionLevel: int16({ about: 'new level; 0 removes the feature' }),
        allowDowngrade: bool({ versions: '0', default: false }),
        upgradeType: int8({
          versions: '1+',
          default: 1,
          about: '1: upgrade; 2: downgrade without loss; 3: downgrade that may lose metadata',
        }),
      }),
    ),
    validateOnly: bool({ versions: '1+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: errorCode(),
    errorMessage: string({ nullable: '0+' }),
    results: array(struct({ feature: string(), errorCode: errorCode(), errorMessage: string({ nullable: '0+' }) }), {
      versions: '0-1',
      default: [],
    }),
  },
  errors: {
    INVALID_UPDATE_VERSION: 'the level is unknown here, or the step is not of the kind named',
    FEATURE_UPDATE_FAILED: 'the features could not be changed',
    INVALID_REQUEST: 'a feature comes twice, or the request is malformed',
    NOT_CONTROLLER: 'another broker changes features',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to change features',
  },
})

export type UpdateFeaturesRequest = RequestOf<typeof updateFeatures>
export type UpdateFeaturesRequestDraft = RequestDraftOf<typeof updateFeatures>
export type UpdateFeaturesResponse = ResponseOf<typeof updateFeatures>
export type UpdateFeaturesResponseDraft = ResponseDraftOf<typeof updateFeatures>
