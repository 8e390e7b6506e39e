/** The command as a process: what it prints, what it exits with, how it stops. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

interface Run {
  readonly child: ChildProcess
  readonly output: { stdout: string; stderr: string }
  readonly exit: Promise<{ code: number | null; stdout: string; stderr: string }>
}

const children: ChildProcess[] = []
let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'semel-cli-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

function semel(...args: readonly string[]): Run {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)))
  const exit = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, ...output }))
  })
  return { child, output, exit }
}

/** Waits for the ready line. @returns the port */
async function ready(run: Run): Promise<number> {
  const line = /^semel \S+ ready on 127\.0\.0\.1:(\d+).*\n/
  const ended = run.exit.then(({ code, stderr }) => {
    throw new Error(`it ended with ${code}: ${stderr}`)
  })
  const started = new Promise<number>((resolve) => {
    const look = () => {
      const match = line.exec(run.output.stdout)
      if (match !== null) resolve(Number(match[1]))
    }
    run.child.stdout?.on('data', look)
    look()
  })
  return await Promise.race([started, ended])
}

describe('the semel command', () => {
  test('--version prints the version', async () => {
    const { code, stdout } = await semel('--version').exit
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/)
  })

  test('an unknown option is wrong usage', async () => {
    const { code, stderr } = await semel('start', '--prot', '1').exit
    expect(code).toBe(2)
    expect(stderr).toMatch(/unknown option '--prot'.*--port/s)
  })
})

describe('semel start', () => {
  test('says in one line what it runs on, stops on SIGTERM, and knows of its clean stop at the next start', async () => {
    const first = semel('start', '--data', 'data', '--port', '0')
    const port = await ready(first)
    expect(port).toBeGreaterThan(0)
    expect(first.output.stdout).toMatch(/data in \S*data; durability fsync; started empty in \d+ ms\n$/)
    first.child.kill('SIGTERM')
    expect((await first.exit).code).toBe(0)
    const second = semel('start', '--data', 'data', '--port', '0')
    await ready(second)
    expect(second.output.stdout).toMatch(/recovered \d+ partitions after a clean stop/)
    second.child.kill('SIGINT')
    expect((await second.exit).code).toBe(0)
  })

  test('--memory keeps nothing', async () => {
    const run = semel('start', '--memory', '--port', '0', '--advertise', 'kafka.example:19092')
    await ready(run)
    expect(run.output.stdout).toMatch(
      /clients are told kafka\.example:19092; in memory, nothing is kept; durability memory/,
    )
    run.child.kill('SIGTERM')
    expect((await run.exit).code).toBe(0)
  })

  test('-X comes before the file, and what has no effect is named', async () => {
    writeFileSync(join(directory, 'server.properties'), 'process.roles=broker,controller\nlog.dirs=elsewhere\n')
    const run = semel('start', '--config', 'server.properties', '-X', 'log.dirs=here', '--port', '0')
    await ready(run)
    expect(run.output.stdout).toMatch(/data in \S*\/here;/)
    expect(run.output.stderr).toMatch(/no effect on a single node.*process\.roles/)
    run.child.kill('SIGTERM')
    await run.exit
  })

  test.each([
    [['-X', 'num.partition=3'], /unknown configuration key num\.partition; did you mean num\.partitions\?/],
    [['-X', 'novalue'], /expected key=value/],
    [['--port', 'http'], /--port http: expected 0 to 65535/],
    [['--advertise', 'nowhere'], /'nowhere' is not HOST:PORT/],
    [['--config', 'missing.properties'], /missing\.properties does not exist/],
    [['--durability', 'never'], /fsync, os, memory/],
    [['--memory', '--data', 'x'], /cannot be used with/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stderr } = await semel('start', ...args).exit
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  test('a port in use and a directory in use say what to do', async () => {
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
    const { port } = blocker.address() as AddressInfo
    const refused = await semel('start', '--memory', '--port', String(port)).exit
    blocker.close()
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/is in use by another program.*--port/) })
    const first = semel('start', '--data', 'data', '--port', '0')
    await ready(first)
    const second = await semel('start', '--data', 'data', '--port', '0').exit
    expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/is in use by another broker.*--data/) })
    first.child.kill('SIGTERM')
    await first.exit
  })
})
