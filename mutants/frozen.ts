/**
 * A copy of the sources as they are now: a run of an hour must not see what is edited meanwhile, or defects would be counted as
 * caught that were only met half way through somebody's change.
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COPIED = ['src', 'scripts', 'mutants', 'test', 'docs', 'package.json', 'tsconfig.json', 'vitest.config.ts']

/** @returns its root; removed when this process ends */
export function freezeSources(): string {
  const root = mkdtempSync(join(tmpdir(), 'semel-frozen-'))
  process.on('exit', () => rmSync(root, { recursive: true, maxRetries: 3 }))
  for (const name of COPIED) cpSync(join(ROOT, name), join(root, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  return root
}
