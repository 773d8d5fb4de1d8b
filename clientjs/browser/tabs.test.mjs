// Three tabs share a session while the one that carries it is closed five times, and a new one
// joins each time.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { messages, packed, pages } from './pages.mjs'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'

const program = built('server/browsertest')
const count = 500
const pace = 25 // ms: the last tab joins before the end

test(
  'tabs share a session, and whoever leads may be closed',
  { skip: lacking('chromium'), timeout: 90_000 },
  shown(async (t) => {
    const folder = scratch(t)
    const down = messages('down', count)
    for (const [name, list] of [
      ['up', []],
      ['down', down],
    ])
      writeFileSync(join(folder, name), Buffer.concat(list.map(packed)))
    const origin = await pages(t)
    const server = await serve(t, program, [
      '-up',
      join(folder, 'up'),
      '-down',
      join(folder, 'down'),
      '-pace',
      `${pace}ms`,
      '-origins',
      origin,
    ])
    const first = await chromium(t, folder)
    const browser = first.browser()
    const complaints = []
    let opened = 0
    const open = async (page) => {
      await page.goto(`${origin}/?server=${server}`)
      await page.evaluate(begin, String.fromCharCode(97 + opened++))
      return page
    }
    const newTab = async () => {
      const page = await browser.newPage()
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      return open(page)
    }
    const tabs = [await open(first), await newTab(), await newTab()]
    const leads = (page) => page.evaluate(() => globalThis.state.session.leads)
    await until('all tabs are in', 10_000, async () =>
      (await Promise.all(tabs.map((p) => p.evaluate(() => globalThis.state.session.state === 'open')))).every(Boolean),
    )
    const id = await first.evaluate(() => globalThis.state.session.id)

    const took = []
    const accepted = []
    for (let close = 0; close < 5; close++) {
      await Promise.all(tabs.map((page) => page.evaluate((ms) => globalThis.state.sendFor(ms), 300)))
      let leader
      await until('a tab leads', 10_000, async () => {
        for (const [i, page] of tabs.entries()) if (await leads(page)) leader = i
        return leader !== undefined
      })
      const [gone] = tabs.splice(leader, 1)
      // It is closed while it sends and receives.
      accepted.push(
        ...(await gone.evaluate(() => {
          globalThis.state.sendFor(10_000)
          return globalThis.state.accepted
        })),
      )
      await gone.close()
      tabs.push(await newTab())
    }
    await until('the server has sent all, and every tab has it', 40_000, async () => {
      const r = await report()
      assert.equal(r.failure, '')
      return (
        r.drained &&
        (
          await Promise.all(tabs.map((p) => p.evaluate((last) => globalThis.state.got.at(-1) === last, down.at(-1))))
        ).every(Boolean)
      )
    })
    for (const page of tabs) {
      await page.evaluate(() => globalThis.state.session.drained())
      accepted.push(...(await page.evaluate(() => globalThis.state.accepted)))
      const { got, session } = await page.evaluate(() => ({
        got: globalThis.state.got,
        session: globalThis.state.session.id,
      }))
      assert.equal(session, id, 'one session all along')
      took.push(got.length)
      assert.deepEqual(got, down.slice(down.indexOf(got[0])), 'a tab has everything since it joined, once and in order')
    }
    const r = await report()
    assert.equal(r.sessions, 1)
    // The server counts; that nothing is doubled the numbers show that each send was given.
    assert.equal(new Set(accepted.map(([, number]) => number)).size, accepted.length)
    assert.ok(r.received >= accepted.length, `${r.received} of ${accepted.length}`)
    assert.ok(r.received <= accepted.length + 10, 'more than was sent, but for what the closed tabs were sending')
    assert.ok(accepted.length > 150)
    t.diagnostic(`${accepted.length} messages up, the tabs took ${took.join(', ')} of ${count}`)
    assert.deepEqual(complaints, [])

    async function report() {
      return (await fetch(`http://127.0.0.1:${server}/report?id=${id}`)).json()
    }
  }),
)

/** Runs in the page. */
async function begin(word) {
  const { share } = await import('/dist/tabs.mjs')
  const session = share(`http://127.0.0.1:${new URLSearchParams(location.search).get('server')}/holdfast`, {
    meta: 'crossing',
  })
  const state = { session, got: [], accepted: [], sent: 0 }
  globalThis.state = state
  session.on('message', ({ data }) => state.got.push(data))
  session.on('renew', (end) => console.error(JSON.stringify(end)))
  session.on('close', (end) => console.error(JSON.stringify(end)))
  state.sendFor = (ms) =>
    new Promise((resolve) => {
      const timer = setInterval(async () => {
        const text = `${word}${++state.sent}`
        state.accepted.push([text, await session.send(text)])
      }, 20)
      setTimeout(() => {
        clearInterval(timer)
        resolve()
      }, ms)
    })
}
