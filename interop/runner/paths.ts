/** Where things are: everything is relative to this repository, the test data lies beside it. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const interopRoot = resolve(import.meta.dirname, '..')
export const repositoryRoot = resolve(interopRoot, '..')
export const cacheDirectory = join(interopRoot, '.cache')
export const dataDirectory = process.env['SEMEL_DATA'] ?? resolve(repositoryRoot, '../shared/data')

mkdirSync(cacheDirectory, { recursive: true })
