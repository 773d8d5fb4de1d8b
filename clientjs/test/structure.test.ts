// The order of the source: no file imports itself by way of others, types included, and the parts
// of the machine use only what is above them in the list.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))

/** File → the files it imports, all relative to src. */
const imports = new Map<string, string[]>()
for (const name of readdirSync(root, { recursive: true }) as string[])
  if (name.endsWith('.ts')) {
    const from = [...readFileSync(join(root, name), 'utf8').matchAll(/\bfrom '(\.[^']*)\.js'/g)]
    imports.set(
      name,
      from.map(([, path]) => join(dirname(name), path + '.ts')),
    )
  }

/** The parts of the machine; the Go client has the same. */
const parts = [
  'state', 'effects', 'transports', 'backoff', 'learning', 'attachments', 'closing', 'selection', 'suspicion', 'posts',
  'wake', 'liveness', 'race', 'promotion', 'refusals', 'memory', 'output', 'input', 'step', 'machine',
].map((name) => `machine/${name}.ts`)

/** Circles, each as the files on it. */
function circles(): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, way: string[]): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' → '))
    if (way.includes(file) || done.has(file)) return
    for (const next of imports.get(file) ?? []) visit(next, [...way, file])
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  return found
}

test('every import is of a file that is there', () => {
  const missing = [...imports.values()].flat().filter((file) => !imports.has(file))
  expect(missing).toEqual([])
  expect(imports.size).toBeGreaterThan(40)
})

test('imports run in no circle', () => {
  expect(circles()).toEqual([])
})

test('the machine is made of its parts, each of which imports those above it only', () => {
  const files = [...imports.keys()].filter((file) => file.startsWith('machine/'))
  expect(files.sort()).toEqual([...parts].sort())
  for (const [at, part] of parts.entries())
    expect(imports.get(part)!.filter((file) => parts.indexOf(file) >= at), part).toEqual([])
})

test('what is below the machine knows nothing of it', () => {
  for (const [file, list] of imports)
    if (/^(wire|carriers)\/|^types/.test(file)) expect(list.filter((name) => /^machine\//.test(name)), file).toEqual([])
})
