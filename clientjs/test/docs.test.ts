import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const doc = read('../docs/client.md')

/** The members of an interface of the source. */
function members(file: string, name: string): string[] {
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\n([^]*?)\n\\}`).exec(read(`src/${file}.ts`))![1]!
  const found = [...body.matchAll(/^ {2}(?:readonly )?([a-z]\w*)[?(:<]/gim)].map((m) => m[1]!)
  expect(found.length).toBeGreaterThan(0)
  return found
}

test('every example in the page is a file that a test runs', () => {
  const quoted = [...doc.matchAll(/^<!-- clientjs\/(examples\/\S+) -->\n```\w*\n([^]*?)```$/gm)]
  for (const [, file, text] of quoted) expect(text, file).toBe(read(file!))
  expect(quoted.map(([, file]) => file!.slice(9)).sort()).toEqual(
    readdirSync(new URL('../examples', import.meta.url)).sort(),
  )
})

describe('the page names', () => {
  test.each([
    ['types', 'Options'],
    ['types', 'Events'],
    ['types', 'Session'],
    ['types', 'End'],
    ['types', 'Message'],
    ['types', 'Trace'],
    ['reload', 'ReloadOptions'],
    ['reload', 'ReloadStore'],
    ['tabs', 'ShareOptions'],
    ['tabs', 'SharedSession'],
  ])('everything of %s.ts %s', (file, name) => {
    for (const member of members(file, name))
      expect(doc, member).toMatch(new RegExp(`\`(await |session\\.|store\\.)?${member}\\b`))
  })

  test('every entry of the package', () => {
    const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> }
    for (const entry of Object.keys(exports).filter((e) => !/json|min/.test(e)))
      expect(doc).toContain(`| \`holdfast${entry.slice(1)}\` |`)
  })
})

test('everything that is exported is documented', () => {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, { types?: string }> }
  const files = new Set(Object.values(exports).flatMap(({ types }) => (types ? [types.slice(2)] : [])))
  let count = 0
  for (const file of files) {
    const text = read(file)
    for (const [, next] of text.matchAll(/ from '(\.[^']+)\.js'/g)) files.add(join(dirname(file), `${next}.d.ts`))
    const lines = text.split('\n')
    const seen = new Set<string>() // a type may have the name of its constructor
    lines.forEach((line, i) => {
      const exported = /^export (?:declare )?(?:interface|type|function|class|const|let|abstract class) (\w+)/.exec(
        line,
      )
      if (!exported) return
      count++
      if (!seen.has(exported[1]!)) expect(lines[i - 1], `${file}: ${exported[1]}`).toMatch(/\*\/$/)
      seen.add(exported[1]!)
    })
  }
  expect(files.size).toBeGreaterThan(6)
  expect(count).toBeGreaterThan(20)
})
