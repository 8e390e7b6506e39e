/** The real world as a `Runtime`: every part on Node's own modules. */

import type { Logger, Runtime } from '../base/runtime.ts'
import { nodeClock } from './clock.ts'
import { nodeEvents } from './events.ts'
import { nodeFileSystem } from './file-system.ts'
import { textLogger } from './logger.ts'
import { nodeNetwork } from './network.ts'
import { nodeRandom } from './random.ts'

export interface NodeRuntimeOptions {
  /** Where log lines go; standard error from `warn` up unless given, for a library should not chat. */
  readonly logger?: Logger
}

export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  const clock = nodeClock()
  const logger = options.logger ?? textLogger({ clock, level: 'warn' })
  return {
    clock,
    random: nodeRandom(),
    fileSystem: nodeFileSystem(),
    network: nodeNetwork(logger),
    logger,
    events: nodeEvents(),
  }
}
