import { readFileSync, readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Scenario } from './scenario.js'

const folder = new URL('../../session/testdata/scenarios/', import.meta.url)
const scripts = readdirSync(folder).filter((name) => name.endsWith('.txt'))
// pending.txt lists the scripts of rules that this client does not have yet, one a line.
const later = scripts.includes('pending.txt') ? readFileSync(new URL('pending.txt', folder), 'utf8').split('\n') : []
const names = scripts.filter((name) => name !== 'pending.txt' && !later.includes(name))

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
