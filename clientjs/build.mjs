// Builds dist/: one ESM file per entry (readable), holdfast.min.js (a script, global `Holdfast`)
// and the type declarations.
//
//   node build.mjs           write dist/
//   node build.mjs --check   fail when dist/ is not what the source builds, and change nothing
//   node build.mjs --size    print the size of every entry and fail when one is over its budget
//   node build.mjs --names   try for two minutes which short names pack best, and write names.json
//
// dist/ is committed, because the Go server embeds it and must build without npm. So the output is
// a function of the source and the lock file alone: no dates, no paths, no host line endings.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'
import { betterNames, privateNames } from './names.mjs'

const root = dirname(fileURLToPath(import.meta.url))
const dist = join(root, 'dist')
const sources = join(root, 'src')
const ecma = 2022

/**
 * The modules of the package: dist/NAME.mjs from src/SOURCE.ts. `budget` is in bytes after
 * minifying and gzip -9, without what it imports from the first, which the others share: they
 * import `./index.js` and bundle everything else they need.
 */
const modules = [
  { name: 'holdfast', source: 'index', budget: 9950 },
  { name: 'websocket', source: 'websocket', budget: 1900 },
  { name: 'reload', source: 'reload', budget: 2000 },
  { name: 'doctor', source: 'doctor', budget: 15000 },
  { name: 'tabs', source: 'tabs', budget: 6750 },
]

/**
 * The scripts: dist/NAME with the exports of these sources under the global `Holdfast`. The first
 * is only measured.
 */
const scripts = [
  { name: 'core.min.js', sources: ['index'], budget: 9790 },
  { name: 'holdfast.min.js', sources: ['index', 'websocket'], budget: 11250 },
]
const banner = '/*! Holdfast, MIT licence */'

const options = {
  absWorkingDir: root,
  bundle: true,
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  platform: 'neutral',
  target: `es${ecma}`,
  write: false,
}

/** What the modules other than the first share is in the first. */
const shared = {
  name: 'shared',
  setup(build) {
    build.onResolve({ filter: /^\.\.?\/index\.js$/ }, () => ({ path: `./${modules[0].name}.mjs`, external: true }))
  },
}

/** The scripts have no store for sessions, and do without what is for one. */
const storeless = {
  name: 'storeless',
  setup(build) {
    build.onLoad({ filter: /\/stored\.ts$/ }, () => ({ contents: 'export const stored = false' }))
  },
}

/** An ESM file: readable, since whoever debugs an application reads it. */
async function moduleBundle({ name, source }) {
  const result = await build({
    ...options,
    entryPoints: [`src/${source}.ts`],
    format: 'esm',
    banner: { js: banner },
    plugins: [shared],
    outfile: join(dist, `${name}.mjs`),
  })
  return result.outputFiles[0].text
}

/** The names that a source file exports, types aside. */
async function exportsOf(source) {
  const { metafile } = await build({ ...options, entryPoints: [`src/${source}.ts`], format: 'esm' })
  const [output] = Object.values(metafile.outputs)
  return output.exports.sort()
}

/**
 * Minifies. Properties that start with `_` are private to the client and get short names, by
 * names.mjs.
 */
async function minified(contents, format, plugins, names = privateNames(sources)) {
  const result = await build({
    ...options,
    stdin: { contents, resolveDir: root },
    format,
    minifySyntax: true,
    mangleProps: /^_/,
    mangleCache: names,
    plugins,
  })
  const { code } = await minify(result.outputFiles[0].text, {
    ecma,
    toplevel: true,
    module: format === 'esm',
    compress: {
      passes: 6,
      pure_getters: true,
      unsafe_arrows: true,
      unsafe_methods: true,
      keep_fargs: false,
      // What packs better, by trial.
      inline: 1,
      hoist_funs: true,
      lhs_constants: false,
    },
    format: { preamble: banner, quote_style: 1 },
  })
  return `${code}\n`
}

/**
 * A script. Assigning the exports by name costs less than esbuild's own `globalName`, which adds
 * export getters.
 */
async function scriptBundle({ sources }, names) {
  const lists = await Promise.all(sources.map(async (source) => (await exportsOf(source)).join(', ')))
  const imports = sources.map((source, i) => `import { ${lists[i]} } from './src/${source}.ts'\n`)
  return minified(`${imports.join('')}globalThis.Holdfast = { ${lists.join(', ')} }`, 'iife', [storeless], names)
}

/** What a module costs whoever bundles it. */
const moduleCost = ({ source }) =>
  minified(`export * from './src/${source}.ts'`, 'esm', source === modules[0].source ? [] : [shared])

function declarations(into) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = ['-p', 'tsconfig.json', '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', into]
  execFileSync(process.execPath, [tsc, ...flags], { cwd: root, stdio: 'inherit' })
  // What no entry leads to is the client's own affair.
  const shown = new Set(modules.map(({ source }) => `${source}.d.ts`))
  for (const name of shown)
    for (const [, next] of readFileSync(join(into, name), 'utf8').matchAll(/ from '(\.[^']+)\.js'/g))
      shown.add(join(dirname(name), `${next}.d.ts`))
  for (const name of readdirSync(into, { recursive: true }))
    if (name.endsWith('.d.ts') && !shown.has(name)) rmSync(join(into, name))
  for (const { name } of readdirSync(into, { withFileTypes: true }).filter((entry) => entry.isDirectory()))
    if (readdirSync(join(into, name)).length === 0) rmSync(join(into, name), { recursive: true })
}

async function buildInto(folder) {
  mkdirSync(folder, { recursive: true })
  for (const module of modules) writeFileSync(join(folder, `${module.name}.mjs`), await moduleBundle(module))
  for (const script of scripts.slice(1)) writeFileSync(join(folder, script.name), await scriptBundle(script))
  declarations(folder)
}

/** Every file below a folder, as path → bytes. */
function tree(folder) {
  const found = new Map()
  if (!existsSync(folder)) return found
  for (const entry of readdirSync(folder, { recursive: true })) {
    const path = join(folder, entry)
    if (statSync(path).isFile()) found.set(relative(folder, path), readFileSync(path))
  }
  return found
}

async function check() {
  const temporary = mkdtempSync(join(tmpdir(), 'holdfast-dist-'))
  try {
    await buildInto(temporary)
    const fresh = tree(temporary)
    const committed = tree(dist)
    const stale = [...new Set([...fresh.keys(), ...committed.keys()])].filter(
      (name) => !fresh.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)),
    )
    if (stale.length > 0) {
      throw new Error(`dist is not what the source builds: ${stale.join(', ')}; run \`task build:js\` and commit dist`)
    }
    console.log(`dist is up to date (${fresh.size} files)`)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** Prints what each entry costs, and throws if one is over its budget. */
async function size() {
  const over = []
  const row = (name, code, budget) => {
    const packed = gzipSync(code, { level: 9 }).length
    console.log(`${name.padEnd(20)} ${`${packed}`.padStart(6)} bytes after gzip -9, budget ${budget}`)
    if (packed > budget) over.push(`${name} is over its budget by ${packed - budget} bytes`)
  }
  for (const script of scripts)
    row(
      script.name,
      script === scripts[0] ? await scriptBundle(script) : readFileSync(join(dist, script.name)),
      script.budget,
    )
  for (const module of modules) row(`${module.name}.mjs`, await moduleCost(module), module.budget)
  if (over.length > 0) throw new Error(over.join('\n'))
}

/** Writes the short names that pack the first script best. */
async function nameProperties() {
  // The minifier runs once, with names that can be told from all else.
  const properties = Object.keys(privateNames(sources))
  const marks = Object.fromEntries(properties.map((property, i) => [property, `ª${i}º`]))
  const pieces = (await scriptBundle(scripts[0], marks)).split(/ª(\d+)º/)
  const used = [...new Set(pieces.flatMap((piece, i) => (i % 2 ? [properties[piece]] : [])))]
  const size = (names) => {
    const code = pieces.map((piece, i) => (i % 2 ? names[properties[piece]] : piece)).join('')
    return gzipSync(code, { level: 9 }).length
  }
  const names = betterNames(sources, used, size, 120)
  writeFileSync(join(root, 'names.json'), `${JSON.stringify(names, null, 2)}\n`)
}

try {
  switch (process.argv[2]) {
    case undefined:
      rmSync(dist, { recursive: true, force: true })
      await buildInto(dist)
      await size()
      break
    case '--check':
      await check()
      break
    case '--size':
      await size()
      break
    case '--names':
      await nameProperties()
      break
    default:
      throw new Error(`unknown flag ${process.argv[2]}`)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
