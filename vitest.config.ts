import { defineConfig } from 'vitest/config'
import { mutantPlugins } from './mutants/vite-plugin.ts'

export default defineConfig({
  // None, unless SEMEL_MUTANT names a seeded defect.
  plugins: mutantPlugins(),
  resolve: { conditions: ['semel-source'] },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'mutants/*.test.ts'],
    pool: 'forks',
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
