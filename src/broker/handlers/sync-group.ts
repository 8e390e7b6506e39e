/** SyncGroup: the leader brings the assignment, every member waits for its part. Rules: core/group; KIP-345, 559. */
import { syncGroup } from '../../protocol/messages/sync-group.ts'
import { defineHandler } from '../handler.ts'

export const syncGroupHandler = defineHandler(syncGroup, {
  minVersion: 0,
  maxVersion: 5,
  handle: (broker, request, context) =>
    broker.groups.runWaiting((coordinator, token) =>
      coordinator.syncGroup(request, broker.groups.contextOf(context), token),
    ),
})
