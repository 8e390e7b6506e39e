/** JoinGroup: a member enters a rebalance and waits for its end. Rules: core/group; KIP-62, 345, 394, 814. */
import { joinGroup } from '../../protocol/messages/join-group.ts'
import { defineHandler } from '../handler.ts'

export const joinGroupHandler = defineHandler(joinGroup, {
  minVersion: 0,
  maxVersion: 9,
  deviations: [
    'A JoinGroup or SyncGroup that a later one of the same member replaces is answered with REBALANCE_IN_PROGRESS; Kafka never answers it.',
    'group.max.size is 100000 by default, and what members may say of themselves is bounded; Kafka has no bounds there.',
    'A client or instance id of more than 255 characters is cut in the member ids that are made of it.',
    'A group is kept over a restart once it has had a generation or an offset; Kafka also keeps one that has had neither.',
  ],
  handle: (broker, request, context) =>
    broker.groups.runWaiting((coordinator, token) =>
      coordinator.joinGroup(request, broker.groups.contextOf(context), token),
    ),
})
