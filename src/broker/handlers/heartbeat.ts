/** Heartbeat: a member says that it is alive, and learns of rebalances. Rules: core/group. */
import { heartbeat } from '../../protocol/messages/heartbeat.ts'
import { defineHandler } from '../handler.ts'

export const heartbeatHandler = defineHandler(heartbeat, {
  minVersion: 0,
  maxVersion: 4,
  handle: (broker, request, context) =>
    broker.groups.run((coordinator) => coordinator.heartbeat(request, broker.groups.contextOf(context))),
})
