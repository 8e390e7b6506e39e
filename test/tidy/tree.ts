/** Reads the files of the repository that the tidy rules look at: what is committed, without what is built or installed. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SourceFile } from './rules.ts'

const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', 'dist', 'coverage', 'target', '__pycache__'])

/** @param root absolute; @param pattern which files by their path from the root */
export function readTree(root: string, pattern: RegExp): SourceFile[] {
  const files: SourceFile[] = []
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        // `.ci` and `.github` are ours; other dotted folders hold data and caches.
        const isHidden = entry.name.startsWith('.') && entry.name !== '.ci' && entry.name !== '.github'
        if (!isHidden && !LEFT_OUT.has(entry.name)) visit(path)
      } else if (pattern.test(path)) {
        files.push({ path, text: readFileSync(join(root, path), 'utf8') })
      }
    }
  }
  visit('')
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}
