// The page at /doctor as a visitor uses it: direct, behind networks that disturb, and by keyboard,
// in the dark, on a phone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { audit, tabStops } from './audit.mjs'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'
import { middlebox } from './middlebox.mjs'

const program = built('server/cmd/holdfast')
const options = { skip: lacking('chromium'), timeout: 60_000 }

async function visit(t, webSocket) {
  const server = await serve(t, program, ['-addr', '127.0.0.1:0'])
  const port = webSocket ? (await middlebox(t, server, webSocket)).port : server
  const page = await chromium(t, scratch(t))
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = []
    document.addEventListener('securitypolicyviolation', (event) =>
      violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    )
  })
  await page.setViewport({ width: 1280, height: 800 })
  await page.goto(`http://127.0.0.1:${port}/doctor`)
  return page
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent)
const states = (page) => page.$$eval('[data-way]', (cards) => cards.map((card) => card.dataset.state).join(' '))
const found = (page) => page.$$eval('#findings > li', (items) => items.map((item) => item.dataset.id))

/** Presses start and waits for the result; returns its verdict. */
async function check(page) {
  await page.click('#start')
  await until('the result', 20_000, () => page.$eval('#result', (section) => !section.hidden))
  return page.$eval('#result', (section) => section.dataset.verdict)
}

/** Looks whether the page serves everybody as it is now. */
async function fair(page) {
  for (const [width, scheme] of [
    [1280, 'light'],
    [1280, 'dark'],
    [360, 'light'],
    [360, 'dark'],
  ]) {
    await page.setViewport({ width, height: 800 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    const { scrollWidth, faults } = await page.evaluate(audit)
    assert.ok(scrollWidth <= width, `at ${width} px nothing is wider than the screen, but ${scrollWidth}`)
    assert.deepEqual(faults, [], `${width} px, ${scheme}`)
  }
}

test(
  'the doctor on a clean network',
  options,
  shown(async (t) => {
    const page = await visit(t)
    assert.match(page.url(), /\/doctor\/$/)
    await fair(page)
    for (const id of ['start', 'long']) assert.ok((await tabStops(page)).has(id), `Tab reaches ${id}`)
    assert.equal(await check(page), 'good')
    assert.equal(await states(page), 'fits fits fits')
    assert.deepEqual(await found(page), [])
    assert.equal(await text(page, '#verdict'), 'Everything works here')
    assert.match(await text(page, '#announce'), /Everything works here/)
    assert.equal(await page.evaluate(() => document.activeElement.id), 'result', 'the reader is led to the result')
    const report = await text(page, '#text')
    assert.match(report, /GOOD {2}Every transport carries a session here/)
    assert.match(report, /websocket {2}fits .*\n +session [\w-]{22}\n/)

    await page.evaluate(() => {
      navigator.clipboard.writeText = async (copied) => {
        globalThis.copied = copied
      }
    })
    await page.click('#copy')
    await until('the word', 5000, async () => (await text(page, '#copied')) === 'Copied')
    assert.equal(await page.evaluate(() => copied), report)

    await fair(page)
    const stops = await tabStops(page)
    for (const id of ['start', 'long', 'copy', 'text']) assert.ok(stops.has(id), `Tab reaches ${id}`)
    for (const [id, shows] of stops) assert.ok(shows, `focus shows on ${id}`)
    assert.deepEqual(await page.evaluate(() => violations), [], 'the page keeps to its Content-Security-Policy')
    assert.deepEqual(page.complaints, [])
  }),
)

for (const [webSocket, id, seen] of [
  ['swallow', 'ws-swallowed', /it opened, then no frame came/],
  ['kill', 'ws-killed', /cut \d+ ms after the handshake/],
])
  test(
    `the doctor behind a network: ${webSocket}`,
    options,
    shown(async (t) => {
      const page = await visit(t, webSocket)
      assert.equal(await check(page), 'degraded')
      assert.equal(await states(page), 'fails fits fits')
      assert.deepEqual(await found(page), [id])
      assert.match(await text(page, '#findings .seen'), seen)
      assert.match(await text(page, '#text'), new RegExp(`fault: ${id}`))
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true
      })
      await fair(page)
    }),
  )

test(
  'the doctor: stopped, and started again',
  options,
  shown(async (t) => {
    const page = await visit(t)
    await page.click('#start')
    await until('a first step', 5000, async () => (await states(page)).includes('trying'))
    await page.click('#stop')
    await until('the result', 5000, () => page.$eval('#result', (section) => !section.hidden))
    assert.equal(await text(page, '#verdict'), 'Stopped')
    assert.equal(await text(page, '#start'), 'Check again')
    assert.equal(await check(page), 'good')
    assert.deepEqual(page.complaints, [])
  }),
)
