// A page that is loaded again ten times in the middle of five hundred messages each way goes on
// with its session, and a duplicated tab begins one of its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { messages, packed, pages } from './pages.mjs'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'

const program = built('server/browsertest')
const count = 500
const pace = 6

test(
  'a page that is reloaded goes on',
  { skip: lacking('chromium'), timeout: 60_000 },
  shown(async (t) => {
    const { page, server, down } = await setUp(t)
    await page.evaluate(() => sessionStorage.setItem('sent', '0'))
    const all = []
    let reloads = 0
    for (;;) {
      const state = await load(page, count, pace)
      assert.equal(state.restored, reloads > 0)
      const enough = (reloads + 1) * 45
      const done = await until('messages', 20_000, () =>
        page.evaluate(
          (n, more) =>
            n <= globalThis.state.sent && (!more || globalThis.state.session.buffered === 0) && globalThis.state.sent,
          reloads < 10 ? enough : count,
          reloads >= 10,
        ),
      )
      assert.ok(done)
      if (reloads++ === 10) break
      await page.reload()
    }
    const id = await page.evaluate(() => globalThis.state.session.id)
    const report = await until('everything', 20_000, async () => {
      const r = await (await fetch(`http://127.0.0.1:${server}/report?id=${id}`)).json()
      return (r.drained || r.failure) && r
    })
    const taken = await page.evaluate(() => JSON.parse(sessionStorage.getItem('taken')))
    all.push(...taken)
    assert.deepEqual(
      [report.failure, report.sessions, report.received, report.lost, report.duplicated, report.outOfOrder],
      ['', 1, count, 0, 0, 0],
    )
    assert.deepEqual(all, down, 'every message once and in order')
    assert.deepEqual(page.complaints, [])
  }),
)

test(
  'a duplicated tab begins a session of its own',
  { skip: lacking('chromium'), timeout: 60_000 },
  shown(async (t) => {
    const { page } = await setUp(t)
    await load(page, 0, pace)
    await page.evaluate(() => globalThis.state.opened)
    const id = await page.evaluate(() => globalThis.state.session.id)
    // A window that a page opens gets a copy of its sessionStorage, as a duplicated tab does.
    const popup = once(page, 'popup')
    await page.evaluate(() => void window.open(location.href))
    const [twin] = await popup
    await until('the copy', 5000, () => twin.evaluate(() => !!sessionStorage.getItem('holdfast:test')))
    const state = await load(twin, 0, pace)
    assert.equal(state.restored, false)
    await twin.evaluate(() => globalThis.state.opened)
    assert.notEqual(await twin.evaluate(() => globalThis.state.session.id), id)
    // Each goes on with its own.
    for (const [tab, old] of [
      [page, id],
      [twin, await twin.evaluate(() => globalThis.state.session.id)],
    ]) {
      await tab.reload()
      assert.equal((await load(tab, 0, pace)).restored, true)
      await tab.evaluate(() => globalThis.state.opened)
      assert.equal(await tab.evaluate(() => globalThis.state.session.id), old)
    }
  }),
)

async function setUp(t) {
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
  const page = await chromium(t, folder)
  await page.goto(`${origin}/?server=${server}`)
  return { page, server, down }
}

/**
 * Begins the session in a page that was just loaded; what was taken and sent is in its
 * sessionStorage.
 */
function load(page, total, interval) {
  return page.evaluate(
    async (count, ms) => {
      const { connect } = await import('/dist/holdfast.mjs')
      const { reloadStore } = await import('/dist/reload.mjs')
      const store = await reloadStore('test')
      const session = connect(`http://127.0.0.1:${new URLSearchParams(location.search).get('server')}/holdfast`, {
        store,
        meta: 'crossing',
      })
      const state = { session, sent: Number(sessionStorage.getItem('sent')), unstored: [] }
      globalThis.state = state
      state.opened = new Promise((resolve) => session.on('open', resolve))
      const taken = JSON.parse(sessionStorage.getItem('taken') ?? '[]')
      session.on('message', ({ data }) => {
        taken.push(data)
        sessionStorage.setItem('taken', JSON.stringify(taken))
      })
      session.on('unstored', ({ reason }) => console.error(reason))
      session.on('renew', (end) => console.error(JSON.stringify(end)))
      const timer = setInterval(() => {
        if (state.sent >= count) return clearInterval(timer)
        session.send(`up #${++state.sent}`)
        sessionStorage.setItem('sent', String(state.sent))
      }, ms)
      return { restored: store.restored }
    },
    total,
    interval,
  )
}
