import { api, array, bool, errorCode, int32, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Changes single configuration values; what is not named stays. Each resource stands or falls alone. */
export const incrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: '0-1',
  flexible: '1+',
  kips: [339],
  request: {
    resources: array(
      struct({
        resourceType: int8({ about: 'see DescribeConfigs' }),
        resourceName: string({ about: 'a broker id, or empty for all brokers, where it is a broker' }),
        configs: array(
          struct({
            name: string(),
            configOperation: int8({ about: '0 set; 1 delete; 2 append to a list; 3 subtract from a list' }),
            value: string({ nullable: '0+' }),
          }),
        ),
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
    INVALID_CONFIG: 'an unknown name, a value out of range, or a list operation on what is no list',
    INVALID_REQUEST: 'a resource or a name comes twice, or a value is missing',
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name',
    POLICY_VIOLATION: 'a rule of this broker forbids it',
    NOT_CONTROLLER: 'another broker changes configuration',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to change the configuration of the topic',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to change the configuration of the broker',
  },
})

export type IncrementalAlterConfigsRequest = RequestOf<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsRequestDraft = RequestDraftOf<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsResponse = ResponseOf<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsResponseDraft = ResponseDraftOf<typeof incrementalAlterConfigs>
