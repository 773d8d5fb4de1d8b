// Short names for the client's private properties, those that start with `_`.
//
// Two properties need different names only if one object can have both, and TypeScript's interfaces
// tell which can: those of one interface and of what it extends. So the same few letters serve all
// interfaces, which packs better than a name of its own for each of some hundred properties.
// test/names.test.ts runs the machine's scenarios under these names.
//
// Which letter a property gets matters little to a reader and a little to gzip: names.json has those
// that packed best when they were last tried (`node build.mjs --names`), and what is not in it
// gets the first that is free. So a new property needs no new trial.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const tried = JSON.parse(readFileSync(new URL('names.json', import.meta.url), 'utf8'))

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

/** The text of all TypeScript files of a folder. */
function sourceOf(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ts'))
  return files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
}

/** Property → those that one object may have beside it. */
function neighbours(source) {
  const beside = new Map()
  for (const group of interfaces(source))
    for (const property of group)
      beside.set(property, new Set([...(beside.get(property) ?? []), ...group].filter((other) => other !== property)))
  return beside
}

/** Private property → short name, for the TypeScript files of a folder. */
export function privateNames(folder) {
  const source = sourceOf(folder)
  const beside = neighbours(source)
  const uses = new Map()
  for (const [property] of source.matchAll(/\b_[a-z]\w*/gi)) uses.set(property, (uses.get(property) ?? 0) + 1)
  const byUse = [...uses.keys()].sort((a, b) => uses.get(b) - uses.get(a) || (a < b ? -1 : 1))
  const names = {}
  const isFree = (property, name) => ![...beside.get(property)].some((other) => names[other] === name)
  for (const property of byUse) {
    if (!beside.has(property)) throw new Error(`${property} is in no interface, so it has no short name`)
    if (tried[property] && isFree(property, tried[property])) names[property] = tried[property]
  }
  for (const property of byUse) {
    let i = 0
    while (!names[property] && !isFree(property, nameAt(i))) i++
    names[property] ??= nameAt(i)
  }
  return names
}

/**
 * Tries other names for some time, and returns the best of `uses`, the properties that `size`
 * depends on. At first it takes worse ones too, the less the later (simulated annealing).
 */
export function betterNames(folder, uses, size, seconds) {
  const beside = neighbours(sourceOf(folder))
  let names = privateNames(folder)
  let now = size(names)
  let best = { names, bytes: now }
  const begun = performance.now()
  for (let left = 1; left > 0; left = 1 - (performance.now() - begun) / seconds / 1e3) {
    const property = uses[Math.floor(Math.random() * uses.length)]
    const other = { ...names, [property]: nameAt(Math.floor(20 * Math.random() ** 1.5)) }
    // Whoever has the name and may not share it gets the one that was given up.
    const parted = [...beside.get(property)].filter((next) => other[next] === other[property])
    for (const next of parted) other[next] = names[property]
    if (parted.some((next) => [...beside.get(next)].some((third) => other[third] === other[next]))) continue
    const bytes = size(other)
    if (bytes > now && Math.random() > Math.exp((now - bytes) / 2.5 / left)) continue
    names = other
    now = bytes
    if (now < best.bytes) best = { names, bytes: now }
  }
  return Object.fromEntries(uses.sort().map((property) => [property, best.names[property]]))
}
