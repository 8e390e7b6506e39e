/** LeaveGroup: members go, one by one or in a batch, static ones by their instance. Rules: core/group; KIP-345. */
import { leaveGroup } from '../../protocol/messages/leave-group.ts'
import { defineHandler } from '../handler.ts'

export const leaveGroupHandler = defineHandler(leaveGroup, {
  minVersion: 0,
  maxVersion: 5,
  deviations: ['A stable group does not rebalance when only a member id leaves that never joined; in Kafka it does.'],
  handle: (broker, request, context) =>
    broker.groups.run((coordinator) => coordinator.leaveGroup(request, broker.groups.contextOf(context))),
})
