import { readFileSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Scenario } from './scenario.js'

const folder = new URL('../../session/testdata/scenarios/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))

// Traces are for readers: how this client words them is its own affair.
const withoutTraces = (script: string) =>
  script
    .split('\n')
    .filter((line) => !line.startsWith('  ;'))
    .join('\n')
    // A tick that brought nothing but traces shows nothing then.
    .replace(/^ {2}at .*\n(?! {2}(?!at ))/gm, '')

test.each(names)('%s', (name) => {
  const script = readFileSync(new URL(name, folder), 'utf8')
  expect(withoutTraces(new Scenario().run(script))).toBe(withoutTraces(script))
})
