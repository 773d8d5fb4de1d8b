// Short names for the client's private properties, those that start with `_`.
//
// Two properties need different names only if one object can have both, and TypeScript's interfaces
// tell which can: those of one interface and of what it extends. So the same few letters serve all
// interfaces, which packs better than a name of its own for each of some hundred properties.
// test/names.test.ts runs the machine's scenarios under these names.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

// The frequent letters of what a minifier writes anyhow come first.
const letters = 'etnroailscufdhmpgvwybkjxzqETNROAISLCUFDHMPGVWYBKJXZQ$_'

const nameAt = (i) =>
  i < letters.length ? letters[i] : nameAt(Math.floor(i / letters.length) - 1) + letters[i % letters.length]

/** The private properties of each interface in the source, those it inherits too. */
function interfaces(source) {
  const own = new Map()
  for (const [, name, parents = '', body] of source.matchAll(
    /\binterface (\w+)(?: extends ([\w, ]+))? \{([^]*?)\n\}/g,
  )) {
    own.set(name, {
      parents: parents.split(/, /),
      properties: [...body.matchAll(/^\s+(_\w+)\??[:(]/gm)].map((m) => m[1]),
    })
  }
  const all = (name) => (own.has(name) ? [...own.get(name).properties, ...own.get(name).parents.flatMap(all)] : [])
  return [...own.keys()].map((name) => new Set(all(name)))
}

/** Private property → short name, for the TypeScript files of a folder. */
export function privateNames(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ts'))
  const source = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
  const groups = interfaces(source)
  const uses = new Map()
  for (const [property] of source.matchAll(/\b_[a-z]\w*/gi)) uses.set(property, (uses.get(property) ?? 0) + 1)
  const names = {}
  const byUse = [...uses.keys()].sort((a, b) => uses.get(b) - uses.get(a) || (a < b ? -1 : 1))
  for (const property of byUse) {
    const beside = groups.filter((group) => group.has(property))
    if (beside.length === 0) throw new Error(`${property} is in no interface, so it has no short name`)
    const taken = new Set(beside.flatMap((group) => [...group].map((other) => names[other])))
    let i = 0
    while (taken.has(nameAt(i))) i++
    names[property] = nameAt(i)
  }
  return names
}
