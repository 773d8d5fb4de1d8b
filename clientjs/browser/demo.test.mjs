// The demo page as a visitor uses it, and what everybody needs of a page: names, contrast,
// keyboard, narrow screens.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pngFiles } from './corpus.mjs'
import { audit, tabStops } from './audit.mjs'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'

const program = built('server/cmd/holdfast')
const options = { skip: lacking('chromium'), timeout: 60_000 }

async function visit(t) {
  const folder = scratch(t)
  const port = await serve(t, program, ['-addr', '127.0.0.1:0'])
  const page = await chromium(t, folder)
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = []
    document.addEventListener('securitypolicyviolation', (event) =>
      violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    )
  })
  await page.setViewport({ width: 1280, height: 800 })
  await page.goto(`http://127.0.0.1:${port}/`)
  await headline(page, 'WebSocket')
  return { page, folder }
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent)
const headline = (page, words, ms = 10_000) =>
  until(`the headline ${words}`, ms, async () => (await text(page, '#headline')) === words)
const counters = (page) =>
  page.$$eval('.counters div:not([hidden])', (tiles) =>
    Object.fromEntries(tiles.map((tile) => [...tile.children].map((part) => part.textContent))),
  )

/** Says something and waits until it came back. */
async function say(page, words) {
  await page.focus('#text')
  await page.type('#text', words)
  await page.keyboard.press('Enter')
  await until(`${words} to come back`, 10_000, () =>
    page.$$eval('.theirs .body', (bodies, wanted) => bodies.at(-1)?.textContent === wanted, words),
  )
}

/** All that was sent is back, and nothing went wrong on the way. */
async function whole(page) {
  if (await page.$eval('#steady', (box) => box.checked)) await page.click('#steady')
  const now = await until('everything to come back', 15_000, async () => {
    const c = await counters(page)
    return c['On the way'] === '0' && c
  })
  assert.equal(now.Received, now.Sent)
  assert.ok(Number(now.Sent) > 0)
  for (const name of ['Lost', 'Duplicated', 'Out of order', 'Altered']) assert.equal(now[name], '0', name)
  assert.deepEqual(await page.evaluate(() => violations), [], 'the page keeps to its Content-Security-Policy')
  assert.deepEqual(page.complaints, [])
}

test(
  'the demo: talk, pictures, every transport, every fault',
  options,
  shown(async (t) => {
    const { page, folder } = await visit(t)
    await say(page, 'Hello, 世界 👋')

    const [picture] = pngFiles().sort((a, b) => b.length - a.length)
    writeFileSync(join(folder, 'large.png'), picture)
    await (await page.$('#picture')).uploadFile(join(folder, 'large.png'))
    await until('the picture to show', 10_000, () => page.$$eval('.theirs img', ([image]) => image?.naturalWidth > 0))

    for (const [value, name] of [
      ['sse', 'Event stream'],
      ['longpoll', 'Long poll'],
      ['websocket', 'WebSocket'],
    ]) {
      await page.click(`#only input[value=${value}]`)
      await headline(page, name)
      await say(page, `by ${name}`)
    }
    await page.click('#only input[value=""]')

    await page.click('#cut')
    await say(page, 'after a cut')
    await page.click('#offline')
    await headline(page, 'Nothing, for the moment')
    assert.match(await text(page, '#why'), /You are offline/)
    await page.click('#offline')
    await until(
      'the session to be carried again',
      35_000,
      async () => (await text(page, '#headline')) !== 'Nothing, for the moment',
    )
    await page.click('#hole')
    await page.type('#text', 'into the hole')
    await page.keyboard.press('Enter')
    await headline(page, 'Nothing, for the moment')
    await page.click('#hole')
    await until('the message to come out of the hole', 15_000, () =>
      page.$$eval('.theirs .body', (bodies) => bodies.at(-1)?.textContent === 'into the hole'),
    )
    await whole(page)
    assert.ok((await page.$$('#timeline li')).length > 10)
  }),
)

test(
  'the demo: the end of a session and a new one',
  options,
  shown(async (t) => {
    const { page } = await visit(t)
    await say(page, 'before the end')
    const id = await text(page, '#fact-id')
    await page.click('#end')
    await headline(page, 'The session is over')
    assert.match(await text(page, '.notice'), /closed in good order/)
    await page.click('.notice button')
    await headline(page, 'WebSocket')
    assert.notEqual(await text(page, '#fact-id'), id)
    await say(page, 'in a new session')
  }),
)

test(
  'the demo: for every visitor',
  options,
  shown(async (t) => {
    const { page } = await visit(t)
    await say(page, 'something to look at')
    for (const [width, scheme] of [
      [1280, 'light'],
      [1280, 'dark'],
      [800, 'light'],
      [360, 'light'],
      [360, 'dark'],
    ]) {
      await page.setViewport({ width, height: 800 })
      // Without motion no colour is caught on its way to another.
      await page.emulateMediaFeatures([
        { name: 'prefers-color-scheme', value: scheme },
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ])
      const { scrollWidth, faults } = await page.evaluate(audit)
      assert.ok(scrollWidth <= width, `at ${width} px nothing is wider than the screen, but ${scrollWidth}`)
      assert.deepEqual(faults, [], `${width} px, ${scheme}`)
    }
    const stops = await tabStops(page)
    for (const id of ['log', 'text', 'picture', 'send', 'cut', 'offline', 'hole', 'end', 'steady', 'timeline'])
      assert.ok(stops.has(id), `Tab reaches ${id}`)
    for (const [id, shows] of stops) assert.ok(shows, `focus shows on ${id}`)
    await whole(page)
  }),
)
