/** `npm run docs:protocol`: writes docs/protocol-support.md. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { handlers } from '../src/broker/handlers/index.ts'
import { readTree } from '../test/tidy/tree.ts'
import { renderProtocolSupport, sourceDeviations } from './protocol-support/render.ts'
import { root } from './run.ts'

const sources = readTree(root, /^src\/.*(?<!\.test)\.ts$/)
writeFileSync(join(root, 'docs/protocol-support.md'), renderProtocolSupport(handlers, sourceDeviations(sources)))
