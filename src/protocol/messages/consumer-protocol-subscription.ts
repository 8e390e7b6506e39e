import { array, bytes, int32, storedRecord, string, struct } from '../schema.ts'
import type { RecordDraftOf, RecordOf } from '../schema.ts'

/** What a consumer says when it joins a classic group: `metadata` of each protocol in JoinGroup. */
export const consumerProtocolSubscription = storedRecord({
  name: 'ConsumerProtocolSubscription',
  versions: '0-3',
  flexible: 'none',
  fields: {
    topics: array(string()),
    userData: bytes({ nullable: '0+', default: null, about: 'of the assignor' }),
    ownedPartitions: array(struct({ topic: string(), partitions: array(int32()) }), {
      versions: '1+',
      default: [],
      about: 'for cooperative rebalancing (KIP-429)',
    }),
    generationId: int32({ versions: '2+', default: -1, about: 'in which the partitions were owned (KIP-792)' }),
    rackId: string({ versions: '3+', nullable: '3+', default: null }),
  },
})

export type ConsumerProtocolSubscription = RecordOf<typeof consumerProtocolSubscription>
export type ConsumerProtocolSubscriptionDraft = RecordDraftOf<typeof consumerProtocolSubscription>
