// Builds dist/: holdfast.mjs (ESM, readable), holdfast.min.js (IIFE, global `Holdfast`) and the type declarations.
//
//   node build.mjs           write dist/
//   node build.mjs --check   fail when dist/ is not what the source builds, and change nothing
//   node build.mjs --size    print the sizes of dist/ and fail when the minified bundle is over its budget
//
// dist/ is committed, because the Go server embeds it and must build without npm. So the output is a function of the
// source and the lock file alone: no dates, no paths, no host line endings.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'
import { privateNames } from './names.mjs'

const root = dirname(fileURLToPath(import.meta.url))
const dist = join(root, 'dist')
const budget = 8000 // bytes of holdfast.min.js after gzip -9
const ecma = 2021
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

/** The ESM bundle: readable, since whoever debugs an application reads it. */
async function moduleBundle() {
  const result = await build({
    ...options,
    entryPoints: ['src/index.ts'],
    format: 'esm',
    banner: { js: banner },
    outfile: join(dist, 'holdfast.mjs'),
  })
  const [output] = Object.values(result.metafile.outputs)
  return { code: result.outputFiles[0].text, exports: output.exports.sort() }
}

/**
 * The script bundle. An entry that assigns the exports by name costs less than esbuild's own `globalName`, which adds
 * export getters. Properties that start with `_` are private to the client and get short names, by names.mjs.
 */
async function scriptBundle(names) {
  const list = names.join(', ')
  const result = await build({
    ...options,
    stdin: { contents: `import { ${list} } from './src/index.ts'\nglobalThis.Holdfast = { ${list} }`, resolveDir: root },
    format: 'iife',
    minifySyntax: true,
    mangleProps: /^_/,
    mangleCache: privateNames(join(root, 'src')),
    outfile: join(dist, 'holdfast.min.js'),
  })
  const { code } = await minify(result.outputFiles[0].text, {
    ecma,
    toplevel: true,
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

function declarations(into) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = ['-p', 'tsconfig.json', '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', into]
  execFileSync(process.execPath, [tsc, ...flags], { cwd: root, stdio: 'inherit' })
  // The rest is the client's own affair.
  const shown = ['index.d.ts', 'session.d.ts', 'types.d.ts']
  for (const name of readdirSync(into)) if (name.endsWith('.d.ts') && !shown.includes(name)) rmSync(join(into, name))
}

async function buildInto(folder) {
  const esm = await moduleBundle()
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'holdfast.mjs'), esm.code)
  writeFileSync(join(folder, 'holdfast.min.js'), await scriptBundle(esm.exports))
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

function size() {
  for (const name of ['holdfast.mjs', 'holdfast.min.js']) {
    const bytes = readFileSync(join(dist, name))
    const packed = gzipSync(bytes, { level: 9 }).length
    console.log(`${name}: ${bytes.length} bytes, ${packed} after gzip -9`)
    if (name === 'holdfast.min.js' && packed >= budget) {
      throw new Error(`holdfast.min.js is over its budget of ${budget} bytes by ${packed - budget + 1}`)
    }
  }
}

try {
  switch (process.argv[2]) {
    case undefined:
      rmSync(dist, { recursive: true, force: true })
      await buildInto(dist)
      size()
      break
    case '--check':
      await check()
      break
    case '--size':
      size()
      break
    default:
      throw new Error(`unknown flag ${process.argv[2]}`)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
