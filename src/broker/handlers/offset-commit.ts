/** OffsetCommit: how far a group has read. Rules: core/group; kafka-eos.md C8. */
import { offsetCommit } from '../../protocol/messages/offset-commit.ts'
import { defineHandler } from '../handler.ts'

export const offsetCommitHandler = defineHandler(offsetCommit, {
  minVersion: 2,
  maxVersion: 10,
  handle: (broker, request, context) =>
    broker.groups.run((coordinator) => coordinator.offsetCommit(request, broker.groups.contextOf(context))),
})
