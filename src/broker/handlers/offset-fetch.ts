/** OffsetFetch: committed offsets of one group or many; stable ones only, where asked. Rules: core/group; KIP-447. */
import { offsetFetch } from '../../protocol/messages/offset-fetch.ts'
import type { OffsetFetchRequest } from '../../protocol/messages/offset-fetch.ts'
import { distinct, distinctPartitions } from '../distinct.ts'
import { defineHandler } from '../handler.ts'

export const offsetFetchHandler = defineHandler(offsetFetch, {
  minVersion: 1,
  maxVersion: 10,
  deviations: ['a group or partition that is named more than once is answered once'],
  handle: (broker, request, context) =>
    broker.groups.ask((coordinator) =>
      coordinator.offsetFetch(withoutRepetitions(request), broker.groups.contextOf(context)),
    ),
})

function withoutRepetitions(request: OffsetFetchRequest): OffsetFetchRequest {
  return {
    ...request,
    topics: request.topics === null ? null : distinctPartitions(request.topics, ({ name }) => name),
    groups: distinct(request.groups, ({ groupId }) => groupId).map((group) => ({
      ...group,
      topics:
        group.topics === null ? null : distinctPartitions(group.topics, ({ name, topicId }) => `${name} ${topicId}`),
    })),
  }
}
