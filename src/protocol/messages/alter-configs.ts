import { api, array, bool, errorCode, int32, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/**
 * Replaces the whole configuration of a resource: what is not named goes back to its default. Older clients only;
 * IncrementalAlterConfigs took its place.
 */
export const alterConfigs = api({
  key: 33,
  name: 'AlterConfigs',
  versions: '0-2',
  flexible: '2+',
  kips: [133],
  request: {
    resources: array(
      struct({
        resourceType: int8({ about: 'see DescribeConfigs' }),
        resourceName: string(),
        configs: array(struct({ name: string(), value: string({ nullable: '0+' }) })),
      }),
    ),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array(
      struct({
        errorCode: errorCode(),
        errorMessage: string({ nullable: '0+' }),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  },
  errors: {
    INVALID_CONFIG: 'an unknown name or a value out of range',
    INVALID_REQUEST: 'a resource or a name comes twice, or a value is null',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name',
    POLICY_VIOLATION: 'a rule of this broker forbids it',
    NOT_CONTROLLER: 'another broker changes configuration',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to change the configuration of the topic',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to change the configuration of the broker',
  },
})

export type AlterConfigsRequest = RequestOf<typeof alterConfigs>
export type AlterConfigsRequestDraft = RequestDraftOf<typeof alterConfigs>
export type AlterConfigsResponse = ResponseOf<typeof alterConfigs>
export type AlterConfigsResponseDraft = ResponseDraftOf<typeof alterConfigs>
