// The package as `npm pack` makes it, installed without a network into projects of their own.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { build as vite } from 'vite'
import { pages } from './pages.mjs'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'

const program = built('server/browsertest')
const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** What a project does: says something to a server that echoes, and shows the answer. */
const app = `
import { connect } from 'holdfast'
import { WebSocket } from 'holdfast/websocket'
import { reloadStore } from 'holdfast/reload'
import { share } from 'holdfast/tabs'
import { diagnose } from 'holdfast/doctor'

export async function main(show) {
  const session = connect('/holdfast', { store: await reloadStore('app') })
  session.on('message', ({ data }) => show('session ' + data))
  session.send('hello')
  const shared = share('/holdfast')
  shared.on('message', ({ data }) => show('shared ' + data))
  await shared.send('hello')
  show([typeof WebSocket, typeof diagnose].join())
}
`
const all = ['session hello', 'shared hello', 'function,function']
const page = (scripts) => `<!doctype html><link rel="icon" href="data:,"><body>${scripts}`
const show = "(text) => document.body.append(text + '; ')"

const packs = mkdtempSync(join(tmpdir(), 'holdfast-package-'))
after(() => rmSync(packs, { recursive: true, force: true }))
let tarball

function packed() {
  const flags = ['--json', '--ignore-scripts', '--pack-destination', packs]
  const told = execFileSync('npm', ['pack', ...flags], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return join(packs, JSON.parse(told)[0].filename)
}

/** A project that has the package, and nothing else. */
function project(t) {
  tarball ??= packed()
  const folder = scratch(t)
  const place = join(folder, 'project')
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const flags = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', join(folder, 'cache')]
  execFileSync('npm', ['install', ...flags, tarball], { cwd: place, stdio: 'ignore' })
  return place
}

async function says(t, site, expected = all) {
  const origin = await pages(t, { server: await serve(t, program), ...site })
  const tab = await chromium(t, scratch(t))
  await tab.goto(origin + (site.path ?? '/'))
  for (const text of expected)
    await until(text, 30_000, () => tab.evaluate((wanted) => document.body.textContent.includes(wanted), text))
  assert.deepEqual(tab.complaints, [])
}

const packaged = (name, needs, body) => test(name, { skip: lacking(...needs), timeout: 90_000 }, shown(body))

packaged('Node', ['chromium'], async (t) => {
  const place = project(t)
  cpSync(join(root, 'examples', 'node.mjs'), join(place, 'node.mjs'))
  const { stdout } = await run(process.execPath, ['node.mjs', `http://127.0.0.1:${await serve(t, program)}/holdfast`], {
    cwd: place,
    timeout: 30_000,
  })
  // Node has a WebSocket from version 22 on.
  assert.match(
    stdout,
    globalThis.WebSocket
      ? /^1 message 1\n2 message 2\n3 message 3\ncarried by websocket\n$/
      : /^1 message 1\n2 message 2\n3 message 3\ncarried by (sse|longpoll)\n$/,
  )
})

packaged('esbuild', ['chromium'], async (t) => {
  const place = project(t)
  writeFileSync(join(place, 'app.js'), `${app}\nmain(${show})`)
  const { outputFiles, warnings } = await build({
    absWorkingDir: place,
    entryPoints: ['app.js'],
    bundle: true,
    format: 'iife',
    minify: true,
    write: false,
  })
  assert.deepEqual(warnings, [])
  await says(t, { texts: { '/': page('<script src="/app.js"></script>'), '/app.js': outputFiles[0].text } })
})

packaged('Vite', ['chromium'], async (t) => {
  const place = project(t)
  writeFileSync(join(place, 'app.js'), `${app}\nmain(${show})`)
  writeFileSync(join(place, 'index.html'), page('<script type="module" src="/app.js"></script>'))
  await vite({ root: place, configFile: false, logLevel: 'error', build: { outDir: 'out' } })
  await says(t, {
    folders: { '/assets/': join(place, 'out', 'assets') },
    texts: { '/': readFileSync(join(place, 'out', 'index.html'), 'utf8') },
  })
})

packaged('a plain script', ['chromium'], async (t) => {
  const place = project(t)
  const code = `
    const session = Holdfast.connect('/holdfast')
    session.on('message', ({ data }) => document.body.append('session ' + data))
    session.send('hello')`
  await says(
    t,
    {
      folders: { '/lib/': join(place, 'node_modules', 'holdfast', 'dist') },
      texts: { '/': page(`<script src="/lib/holdfast.min.js"></script><script>${code}</script>`) },
    },
    all.slice(0, 1),
  )
})

for (const resolution of ['bundler', 'nodenext'])
  packaged(`TypeScript, ${resolution}`, ['chromium'], async (t) => {
    const place = project(t)
    const typed = app.replace('main(show)', 'main(show: (text: string) => void)')
    writeFileSync(
      join(place, 'app.ts'),
      `${typed}\nimport type { Session } from 'holdfast'\nexport const number: number = ({} as Session).send('')`,
    )
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const flags = [
      '--strict',
      '--noEmit',
      '--module',
      resolution === 'bundler' ? 'esnext' : 'nodenext',
      '--moduleResolution',
      resolution,
      '--target',
      'es2022',
      '--lib',
      'es2022,dom,dom.iterable',
      '--types',
      '',
    ]
    const failed = await run(process.execPath, [tsc, ...flags, 'app.ts'], { cwd: place }).then(
      () => '',
      ({ stdout }) => stdout,
    )
    assert.equal(failed, '')
  })

packaged('what is in it', ['chromium'], async (t) => {
  const place = join(project(t), 'node_modules', 'holdfast')
  assert.deepEqual(readdirSync(place).sort(), ['LICENSE', 'dist', 'package.json'])
  const { exports, dependencies } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'))
  assert.equal(dependencies, undefined)
  const files = readdirSync(join(place, 'dist'))
  for (const target of Object.values(exports).flatMap((value) =>
    typeof value === 'string' ? [value] : Object.values(value),
  ))
    if (target !== './package.json') assert.ok(files.includes(target.slice('./dist/'.length)), target)
})
