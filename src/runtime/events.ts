/** Events as `node:diagnostics_channel` channels, so that any tool in the process may subscribe by name. */

import { type Channel, channel, hasSubscribers } from 'node:diagnostics_channel'
import type { EventSink } from '../base/runtime.ts'

export function nodeEvents(): EventSink {
  // A channel without a strong reference may be collected together with nothing but its name; one per kind is kept.
  const channels = new Map<string, Channel>()
  return {
    hasSubscribers: (name) => hasSubscribers(name),
    publish(name, event) {
      let target = channels.get(name)
      if (target === undefined) {
        target = channel(name)
        channels.set(name, target)
      }
      target.publish(event)
    },
  }
}
