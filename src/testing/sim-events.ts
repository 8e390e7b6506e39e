/** Events of one simulated runtime, which nobody outside it sees. */

import type { EventSink } from '../base/runtime.ts'

export class SimEvents implements EventSink {
  readonly #subscribers = new Map<string, Set<(event: object) => void>>()

  hasSubscribers(channel: string): boolean {
    return (this.#subscribers.get(channel)?.size ?? 0) > 0
  }

  publish(channel: string, event: object): void {
    for (const subscriber of this.#subscribers.get(channel) ?? []) subscriber(event)
  }

  /** @returns ends the subscription */
  subscribe(channel: string, subscriber: (event: object) => void): () => void {
    const subscribers = this.#subscribers.get(channel) ?? new Set()
    this.#subscribers.set(channel, subscribers)
    subscribers.add(subscriber)
    return () => void subscribers.delete(subscriber)
  }
}
