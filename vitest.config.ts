import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['semel-source'] },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
