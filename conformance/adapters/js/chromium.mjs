// The adapter of the JavaScript client in a page of Chromium:
// `holdfast-conformance client -- node conformance/adapters/js/chromium.mjs`.
// HOLDFAST_BUNDLE names another build of the client than clientjs/dist.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import puppeteer from '../../../clientjs/node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js'

const files = {
  '/holdfast.mjs': process.env.HOLDFAST_BUNDLE ?? new URL('../../../clientjs/dist/holdfast.mjs', import.meta.url),
  '/session.mjs': new URL('./session.mjs', import.meta.url),
}
const page = `<!doctype html><script type="module">
import { connect } from './holdfast.mjs'
import { adapter } from './session.mjs'
window.act = adapter(connect, {}, (event) => emit(JSON.stringify(event)))
</script>`
const server = createServer((request, response) => {
  const file = files[request.url]
  response.setHeader('Content-Type', file ? 'text/javascript' : 'text/html')
  response.end(file ? readFileSync(file) : page)
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

const profile = mkdtempSync(join(tmpdir(), 'holdfast-conformance-'))
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  userDataDir: profile,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-sync',
  ],
})
let ending = false
const end = async () => {
  ending = true
  await browser.close().catch(() => {})
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  process.exit()
}
process.on('SIGINT', end).on('SIGTERM', end)

const tab = await browser.newPage()
const expected = /net::ERR_|status of|^WebSocket connection to|^Access to fetch/ // requests fail on purpose
tab.on('console', (message) => expected.test(message.text()) || process.stderr.write(message.text() + '\n'))
await tab.exposeFunction('emit', (line) => void process.stdout.write(line + '\n'))
await tab.goto(`http://127.0.0.1:${server.address().port}/`)
await tab.waitForFunction('window.act')

process.stdout.write(JSON.stringify({
  event: 'ready', client: `holdfast-js in ${await browser.version()}`, transports: ['websocket', 'sse', 'longpoll'],
}) + '\n')
let last = Promise.resolve()
const run = (line) => {
  last = last
    .then(() => tab.evaluate((c) => act(c), JSON.parse(line)))
    .catch((error) => ending || process.stderr.write(`${error}\n`))
}
createInterface({ input: process.stdin }).on('line', run).on('close', end)
