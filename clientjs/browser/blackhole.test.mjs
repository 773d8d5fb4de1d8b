// Networks that accept WebSockets and do not carry them. The client must not lose a message, nor
// much time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { built, chromium, lacking, pause, scratch, serve, shown, until } from './machines.mjs'
import { middlebox } from './middlebox.mjs'

const program = built('server/browsertest')
const options = { skip: lacking('chromium'), timeout: 60_000 }

/** A page in front of a middlebox; `connect` begins an echo session in it. */
async function behind(t, webSocket) {
  const box = await middlebox(t, await serve(t, program), webSocket)
  const page = await chromium(t, scratch(t))
  await page.goto(`http://127.0.0.1:${box.port}/`)
  return { box, page }
}

/**
 * Begins an echo session that sends `first` at once, and then a number every `every` ms until
 * `stop()`.
 */
const connect = (page, every) =>
  page.evaluate((ms) => {
    const began = performance.now()
    const state = (globalThis.state = { sent: 0, got: [], at: [], transports: [], ended: '' })
    const session = (globalThis.session = Holdfast.connect('/holdfast'))
    globalThis.say = () => session.send(String(++state.sent))
    session.on('message', ({ data }) => {
      state.got.push(Number(data))
      state.at.push(performance.now() - began)
    })
    session.on('transport', ({ transport }) => state.transports.push([transport ?? '', performance.now() - began]))
    for (const name of ['renew', 'close'])
      session.on(name, (end) => {
        state.ended = `${name} ${end.code} ${end.reason}`
      })
    say()
    if (ms) globalThis.timer = setInterval(say, ms)
  }, every)

const state = (page) => page.evaluate(() => ({ ...state, transport: session.transport ?? '' }))

/** Stops sending, waits for the echoes and checks that each message came back once and in order. */
async function settle(page) {
  await page.evaluate(() => clearInterval(globalThis.timer))
  const now = await until('every message to come back', 15_000, async () => {
    const s = await state(page)
    return s.got.length >= s.sent && s
  })
  const wrong = now.got.findIndex((number, i) => number !== i + 1)
  assert.equal(wrong, -1, `message ${wrong + 1} is ${now.got.slice(Math.max(0, wrong - 2), wrong + 3)}`)
  assert.equal(now.got.length, now.sent)
  assert.equal(now.ended, '')
  return now
}

test(
  'a WebSocket that swallows every frame',
  options,
  shown(async (t) => {
    const { box, page } = await behind(t, 'swallow')
    await connect(page, 0)
    const { at } = await until('the first message', 10_000, async () => {
      const s = await state(page)
      return s.got.length && s
    })
    t.diagnostic(`first message after ${Math.round(at[0])} ms, by ${(await state(page)).transport}`)
    assert.ok(box.seen.webSockets > 0, 'a WebSocket was tried')
    assert.ok(at[0] < 1500, `the first message took ${at[0]} ms`)
    await page.evaluate(() => {
      globalThis.timer = setInterval(say, 50)
    })
    await pause(13_000) // longer than an attach may take, and than proof does
    const now = await settle(page)
    assert.notEqual(now.transport, 'websocket')
    assert.ok(!now.transports.some(([name]) => name === 'websocket'), 'it stayed there')
  }),
)

test(
  'a WebSocket that is killed 200 ms after every 101',
  options,
  shown(async (t) => {
    const { box, page } = await behind(t, 'kill')
    await connect(page, 20)
    await pause(8000)
    const now = await settle(page)
    const last = now.transports.at(-1)
    t.diagnostic(`${box.seen.webSockets} WebSockets were killed; on ${last[0]} since ${Math.round(last[1])} ms`)
    assert.ok(box.seen.webSockets > 1, 'one death may be chance')
    assert.ok(['sse', 'longpoll'].includes(last[0]), `settled on ${last[0]}`)
    assert.ok(last[1] < 4000, `settled after ${last[1]} ms`)
  }),
)

test(
  'a WebSocket that falls silent in the middle',
  options,
  shown(async (t) => {
    const { box, page } = await behind(t, 'pass')
    await connect(page, 100)
    // A slow machine lets another transport win the race; the WebSocket is promoted after its 10 s
    // of proof.
    await until('the WebSocket', 20_000, async () => (await state(page)).transport === 'websocket')
    await pause(3000)
    box.silence()
    const began = await page.evaluate(() => {
      say()
      return { sent: state.sent, now: performance.now(), changes: state.transports.length }
    })
    const left = await until('another transport', 10_000, () =>
      page.evaluate(({ now, changes }) => {
        const way = session.transport
        return (
          state.transports.length > changes && way && way !== 'websocket' && { way, after: performance.now() - now }
        )
      }, began),
    )
    t.diagnostic(`on ${left.way} ${Math.round(left.after)} ms after the silence began`)
    assert.ok(left.after < 6000, `left after ${left.after} ms`)
    await settle(page)
  }),
)
