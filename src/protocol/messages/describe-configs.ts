import { api, array, bool, errorCode, int32, int8, string, struct } from '../schema.ts'
import type { RequestDraftOf, RequestOf, ResponseDraftOf, ResponseOf } from '../schema.ts'

/** Configuration of topics, brokers and other resources, and where each value comes from. */
export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  kips: [133, 226, 569],
  request: {
    resources: array(
      struct({
        resourceType: int8({ about: '2 topic; 4 broker; 8 broker logger; 16 client metrics; 32 group' }),
        resourceName: string(),
        configurationKeys: array(string(), { nullable: '0+', about: 'null: all' }),
      }),
    ),
    includeSynonyms: bool({ default: false }),
    includeDocumentation: bool({ versions: '3+', default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array(
      struct({
        errorCode: errorCode(),
        errorMessage: string({ nullable: '0+' }),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: '0+', about: 'null when sensitive' }),
            readOnly: bool(),
            configSource: int8({
              default: -1,
              about:
                '0 unknown; 1 this topic; 2 this broker, dynamic; 3 all brokers, dynamic; 4 configuration file; ' +
                '5 default; 6 broker logger; 7 client metrics; 8 group',
            }),
            isSensitive: bool(),
            synonyms: array(
              struct({ name: string(), value: string({ nullable: '0+' }), source: int8({ about: 'as configSource' }) }),
              { default: [], about: 'where the value is looked up, in order' },
            ),
            configType: int8({
              versions: '3+',
              default: 0,
              about: '0 unknown; 1 boolean; 2 string; 3 int; 4 short; 5 long; 6 double; 7 list; 8 class; 9 password',
            }),
            documentation: string({ versions: '3+', nullable: '3+', default: '' }),
          }),
        ),
      }),
    ),
  },
  errors: {
    UNKNOWN_TOPIC_OR_PARTITION: 'no such topic',
    INVALID_TOPIC_EXCEPTION: 'the name is no legal topic name',
    INVALID_REQUEST: 'the resource type or name is not one this broker describes',
    TOPIC_AUTHORIZATION_FAILED: 'not allowed to see the configuration of the topic',
    CLUSTER_AUTHORIZATION_FAILED: 'not allowed to see the configuration of the broker',
  },
})

export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>
export type DescribeConfigsRequestDraft = RequestDraftOf<typeof describeConfigs>
export type DescribeConfigsResponse = ResponseOf<typeof describeConfigs>
export type DescribeConfigsResponseDraft = ResponseDraftOf<typeof describeConfigs>
