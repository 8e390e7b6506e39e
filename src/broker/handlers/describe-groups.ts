/** DescribeGroups: state and members of classic groups. Rules: core/group. */
import { describeGroups } from '../../protocol/messages/describe-groups.ts'
import { GROUP_OPERATIONS } from '../authorized-operations.ts'
import { distinct } from '../distinct.ts'
import { defineHandler } from '../handler.ts'

export const describeGroupsHandler = defineHandler(describeGroups, {
  minVersion: 0,
  maxVersion: 6,
  deviations: ['a group that is named more than once is answered once'],
  async handle(broker, request, context) {
    const groupIds = distinct(request.groups, (groupId) => groupId)
    const reply = await broker.groups.ask((coordinator) =>
      coordinator.describeGroups({ ...request, groups: groupIds }, broker.groups.contextOf(context)),
    )
    if (!request.includeAuthorizedOperations) return reply
    // Only of a group that is there can something be done.
    const groups = reply.groups.map((group) =>
      group.errorCode === 'NONE' ? { ...group, authorizedOperations: GROUP_OPERATIONS } : group,
    )
    return { groups }
  },
})
