import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { privateNames } from '../names.mjs'
import type { Scenario } from './scenario.js'

const names = privateNames(fileURLToPath(new URL('../src', import.meta.url)))

test('properties of one object have different names', () => {
  const own = ['_att', '_transport', '_u', '_openedAt', '_posts', '_ctl', '_suspect', '_written']
  const ofAttachments = own.map((name) => names[name])
  expect(new Set(ofAttachments).size).toBe(ofAttachments.length)
  const parts = ['_config', '_log', '_now', '_attachments', '_conns', '_race', '_selection', '_closing']
  const ofMachines = parts.map((name) => names[name])
  expect(new Set(ofMachines).size).toBe(ofMachines.length)
})

test('the machine does the same under short names', async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('scenario.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
    mangleProps: /^_/,
    mangleCache: { ...names },
    logLevel: 'silent',
  })
  const code = outputFiles[0]!.text
  expect(code).not.toMatch(/\._attachments\b/)
  const short = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { Scenario: typeof Scenario }
  const long = await import('./scenario.js')
  const folder = new URL('../../session/testdata/scenarios/', import.meta.url)
  for (const name of readdirSync(folder).filter((n) => n.endsWith('.txt'))) {
    const script = readFileSync(new URL(name, folder), 'utf8')
    expect(new short.Scenario().run(script), name).toBe(new long.Scenario().run(script))
  }
})
