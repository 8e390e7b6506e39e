/** `npm run docs:scenarios`: writes docs/internals/scenarios.md. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTree } from '../test/tidy/tree.ts'
import { root } from './run.ts'
import { namedTestsIn, TEST_PATHS } from './scenario-table/named-tests.ts'
import { renderScenarioTable } from './scenario-table/render.ts'
import { SCENARIO_SECTIONS } from './scenario-table/rows.ts'

const tests = namedTestsIn(readTree(root, TEST_PATHS))
mkdirSync(join(root, 'docs/internals'), { recursive: true })
writeFileSync(join(root, 'docs/internals/scenarios.md'), renderScenarioTable(SCENARIO_SECTIONS, tests))
