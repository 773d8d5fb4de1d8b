// One cell: its server, its middlebox, a browser context of its own, the traffic, and the books of
// both directions.
import { readFile } from 'node:fs/promises'
import { pause } from '../../clientjs/browser/machines.mjs'
import { Box } from './box.mjs'
import { books, due } from './books.mjs'

const client = await readFile(new URL('../../clientjs/dist/holdfast.min.js', import.meta.url), 'utf8')
const script = await readFile(new URL('page.js', import.meta.url), 'utf8')

const openWithin = 30_000
const grace = 15_000 // for what comes late
const quiet = 2000 // for what comes twice

/** Runs a cell when `turn` resolves, once all of the batch are ready; returns what happened. */
export async function visit({ browser, programs, cell, slot, seconds, ready, turn }) {
  const box = new Box(slot, programs)
  let context
  try {
    const url = await open(box, cell)
    const proxy = { proxyServer: `http://127.0.0.1:${box.proxy}`, proxyBypassList: ['<-loopback>'] }
    context = await browser.createBrowserContext(box.proxy ? proxy : {})
    const page = await blank(context, url)
    await ready()
    await turn()
    return await traffic(box, page, cell, seconds)
  } catch (error) {
    const logs = box.logs.map(([name, lines]) => `--- ${name}\n${lines.slice(-10).join('\n')}`)
    return { error: [error.message, ...logs].join('\n') }
  } finally {
    await ready()
    await context?.close().catch(() => {})
    await box.close()
  }
}

/** Starts what the cell needs; returns the origin that the page is to have. */
async function open(box, cell) {
  box.upstreams = []
  for (let i = 0; i < (cell.nodes ?? 1); i++) box.upstreams.push(await box.server())
  box.upstream = box.upstreams[0]
  const where = await cell.start(box)
  box.proxy = where.proxy
  const port = !where.proxy ? where : cell.https ? await box.tls(box.upstream) : box.upstream
  return `${cell.https ? 'https' : 'http'}://127.0.0.1:${port}`
}

/** A page of that origin that does not come over the network: only the session is measured. */
async function blank(context, url) {
  const page = await context.newPage()
  page.complaints = []
  page.on('pageerror', (error) => page.complaints.push(error.message))
  await page.setRequestInterception(true)
  page.on('request', answer)
  await page.goto(url)
  page.off('request', answer)
  await page.setRequestInterception(false)
  for (const content of [client, script]) await page.addScriptTag({ content })
  return page
}

const empty = '<!doctype html><link rel="icon" href="data:,"><title>zoo</title>'
const answer = (request) => request.respond({ contentType: 'text/html', body: empty })

async function traffic(box, page, cell, seconds) {
  const dues = due(seconds)
  const bulk = cell.bulk ?? 2000
  box.begin()
  const task = { meta: { traffic: { seconds, bulk } }, dues, hang: cell.hang ?? 0, options: {} }
  await page.evaluate((task) => zoo.start(task), task)
  let completeAt
  for (;;) {
    await pause(250)
    const mine = await page.evaluate(() => zoo.report())
    const theirs = await ledgers(box, mine.id)
    const now = Date.now()
    if ([mine, theirs].every(({ arrived }) => new Set(arrived.map(([n]) => n)).size === dues.length)) completeAt ??= now
    const end = mine.firstAt ? mine.t0 + dues.at(-1) + grace : mine.beganAt + (cell.opensAt ?? 0) + openWithin
    if (now > end || mine.ended || now > completeAt + quiet)
      return summary(mine, theirs, dues, now, cell, page.complaints)
  }
}

/** What the servers have recorded of a session; only one of them should have anything. */
async function ledgers(box, id) {
  const ledger = async (port) => (await fetch(`http://127.0.0.1:${port}/traffic?id=${id}`)).json()
  const all = await Promise.all(box.upstreams.map(ledger))
  return {
    arrived: all.flatMap((one) => one.arrived).sort((a, b) => a[1] - b[1]),
    sessions: all.reduce((sum, one) => sum + one.sessions, 0),
    // A node that saw only the start of a session drops it. That is no failure of the node that had
    // the session.
    failure: all.map((one) => (one.arrived.length > 0 ? one.failure : '')).join(''),
  }
}

function summary(mine, theirs, dues, now, cell, complaints) {
  const t0 = mine.t0 || mine.beganAt
  return {
    firstMs: mine.firstAt ? mine.firstAt - mine.beganAt - (cell.opensAt ?? 0) : undefined,
    up: books(dues, theirs.arrived, t0, now),
    down: books(dues, mine.arrived, t0, now),
    transports: mine.transports,
    attaches: mine.traces.filter(([, what]) => what === 'attach').length,
    sessions: theirs.sessions,
    ended: mine.ended || theirs.failure,
    complaints,
    traces: mine.traces,
  }
}
