// The programs that the browser tests need: the test server, nginx and Chromium. Each is started in
// a scratch folder of its own, on a port that the system picks, and stopped by whoever started it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import puppeteer from 'puppeteer-core'

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const skipped = process.env.CI === 'true' ? [] : (process.env.HOLDFAST_SKIP ?? '').split(',')

/** For a test's `skip`: which of the tools the machine is said not to have, or false. */
export function lacking(...tools) {
  const missing = tools.filter((tool) => skipped.includes(tool))
  return missing.length > 0 && `needs ${missing.join(', ')}`
}

const cleanups = new WeakMap() // of a test

/**
 * Calls `undo` when the test is over: what was begun last is undone first, which node:test's own
 * hooks do not promise.
 */
export function cleanup(t, undo) {
  if (!cleanups.has(t)) {
    const stack = []
    cleanups.set(t, stack)
    t.after(async () => {
      while (stack.length) await stack.pop()()
    })
  }
  cleanups.get(t).push(undo)
}

/** A folder for the time of the test. */
export function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-browser-'))
  cleanup(t, () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  return folder
}

/**
 * Builds a command of this repository, for all tests of a file; returns the binary, or '' where
 * none of these tools is there.
 */
export function built(name, tools = ['chromium', 'firefox-esr', 'WebKitWebDriver']) {
  if (tools.length > 0 && tools.every((tool) => lacking(tool))) return ''
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-browser-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const binary = join(folder, name.split('/').pop())
  execFileSync('go', ['build', '-o', binary, `./${name}`], { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] })
  return binary
}

const logs = new WeakMap() // of a test: [[command, lines], …]

/** Wraps a test's body: when it fails, what its programs said is shown. */
export const shown = (body) => async (t) => {
  try {
    await body(t)
  } catch (error) {
    for (const [command, lines] of logs.get(t) ?? [])
      console.error(`--- ${command}, its last lines\n${lines.slice(-80).join('\n')}`)
    throw error
  }
}

/**
 * Starts a program; its output is kept, and shown if the test fails. Returns { process, lines, log
 * }.
 */
export function start(t, command, args, env = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const log = []
  const keep = (line) => {
    log.push(line)
    if (log.length > 2000) log.shift()
  }
  const lines = createInterface({ input: child.stdout })
  lines.on('line', keep)
  createInterface({ input: child.stderr }).on('line', keep)
  const gone = once(child, 'exit').catch((error) => keep(String(error)))
  if (!logs.has(t)) logs.set(t, [])
  logs.get(t).push([command, log])
  cleanup(t, async () => {
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 3000)
    await gone
    clearTimeout(late)
  })
  return { child, lines, log, gone }
}

/** Starts a server that prints its address first; returns its port. */
export async function serve(t, binary, args = []) {
  const { lines, gone, log } = start(t, binary, args)
  const line = await Promise.race([once(lines, 'line').then(([first]) => first), gone])
  const port = Number(/:(\d+)\/?$/.exec(line)?.[1])
  if (!port) throw new Error(`${binary} did not start: ${log.join('\n')}`)
  return port
}

/** A port that is free at this moment. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Starts nginx in front of a port, with proxy_pass as it comes: HTTP/1.0, no Upgrade, buffering,
 * Host rewritten.
 */
export async function nginx(t, folder, upstream) {
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ')
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
events {}
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${upstream}; }
  }
}
`,
  )
  const { gone, log } = start(t, 'nginx', ['-e', 'stderr', '-p', folder, '-c', file])
  let failed = false
  gone.then(() => {
    failed = true
  })
  for (let i = 0; i < 100 && !failed; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
    if (answer?.ok) return port
    await pause(50)
  }
  throw new Error(`nginx did not start: ${log.join('\n')}`)
}

/**
 * Starts Chromium with an empty profile; returns a page. What it complains about is in
 * `page.complaints`.
 */
export async function chromium(t, folder, args = []) {
  const browser = await puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    headless: true,
    userDataDir: join(folder, 'profile'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
  cleanup(t, () => browser.close())
  const page = await browser.newPage()
  page.complaints = []
  page.on('pageerror', (error) => page.complaints.push(`page: ${error.message}`))
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) page.complaints.push(`console: ${message.text()}`)
  })
  return page
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `probe` gives something truthy, at most `ms`, and returns it. */
export async function until(what, ms, probe) {
  const end = Date.now() + ms
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await pause(20)
  }
}
