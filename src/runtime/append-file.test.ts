import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openAppendFile } from './append-file.ts'

test('what was appended is in the file when the call returns, in order, however many chunks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'semel-append-'))
  try {
    const path = join(folder, 'file')
    const file = openAppendFile(path)
    file.append([Buffer.from('one '), Buffer.alloc(0), Buffer.from('two ')])
    expect(readFileSync(path, 'utf8')).toBe('one two ')
    file.append(Array.from({ length: 3_000 }, () => Buffer.from('x')))
    expect(readFileSync(path, 'utf8')).toBe(`one two ${'x'.repeat(3_000)}`)
    file.close()
    expect(() => openAppendFile(path)).toThrow(expect.objectContaining({ code: 'EEXIST' }) as Error)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
