// The order of the source: no file imports itself by way of others, types included, and the parts
// of the machine use only what is above them in the list.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))

/** File → its text, and file → the files it imports, all relative to src. */
const texts = new Map<string, string>()
const imports = new Map<string, string[]>()
for (const name of readdirSync(root, { recursive: true }) as string[])
  if (name.endsWith('.ts')) {
    const text = readFileSync(join(root, name), 'utf8')
    const from = [...text.matchAll(/\bfrom '(\.[^']*)\.js'/g)]
    texts.set(name, text)
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

// A store restores a machine before it starts, and is no part of what runs it.
test('whoever runs a machine writes none of its fields', () => {
  for (const [file, text] of texts)
    if (!/^machine\/|^store\.ts$/.test(file))
      expect(text.match(/\bm(\._\w+)+ *(=(?![=>])|[-+|&?*]+=|\+\+|--).*/g), file).toBeNull()
})

test('files, lines and interfaces are small enough to read', () => {
  for (const [file, text] of texts) {
    const lines = text.split('\n')
    expect(lines.length, file).toBeLessThanOrEqual(401)
    expect(lines.filter((line) => [...line].length > 120), file).toEqual([])
    for (const [, name, body] of text.matchAll(/\binterface (\w+)[^{]*\{\n([^]*?)\n\}/g))
      expect([...body!.matchAll(/^ {2}(readonly )?[\w]+\??[:(]/gm)].length, `${file} ${name}`).toBeLessThanOrEqual(20)
  }
})
