// Pages that sleep and networks that go away, as Chromium has them: a dead WebSocket is found when
// the page comes back, and what fails while there is no network is held against no transport.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'
import { middlebox } from './middlebox.mjs'

const program = built('server/browsertest')
const options = { skip: lacking('chromium'), timeout: 90_000 }

/**
 * A page in front of a middlebox, with an echo session that a WebSocket carries, and the tool that
 * plays its platform.
 */
async function open(t) {
  const box = await middlebox(t, await serve(t, program), 'pass')
  const page = await chromium(t, scratch(t))
  await page.goto(`http://127.0.0.1:${box.port}/`)
  await page.evaluate(() => {
    const state = (globalThis.state = { sent: 0, got: [], traces: [], events: [] })
    const session = (globalThis.session = Holdfast.connect('/holdfast'))
    globalThis.say = () => session.send(String(++state.sent))
    session.on('message', ({ data }) => state.got.push(Number(data)))
    session.on('trace', (trace) => state.traces.push(trace))
    for (const type of ['freeze', 'resume'])
      document.addEventListener(type, () => state.events.push([type, Date.now()]))
    for (const type of ['offline', 'online']) addEventListener(type, () => state.events.push([type, Date.now()]))
    say()
  })
  const tool = await page.createCDPSession()
  const now = () =>
    page.evaluate(() => ({ ...state, transport: session.transport ?? '', ended: session.state === 'closed' }))
  await until('the WebSocket and an echo', 15_000, async () => {
    const s = await now()
    return s.transport === 'websocket' && s.got.length === 1
  })
  return { box, page, tool, now }
}

/** Every message has come back once and in order. */
const settled = (now) =>
  until('every message to come back', 20_000, async () => {
    const s = await now()
    assert.deepEqual(
      s.got,
      Array.from(s.got, (_, i) => i + 1),
    )
    return s.got.length === s.sent && s
  })

/** When the page saw the event. */
const timeOf = ({ events }, type) => events.find(([name]) => name === type)?.[1]

const noLimits = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 }

test(
  'a page that was frozen goes on at once',
  options,
  shown(async (t) => {
    const { page, tool, now } = await open(t)
    await tool.send('Page.setWebLifecycleState', { state: 'frozen' })
    await tool.send('Page.setWebLifecycleState', { state: 'active' })
    await page.evaluate(() => say())
    const state = await settled(now)
    assert.ok(timeOf(state, 'resume'), 'the page was frozen and resumed')
    // This Chromium closes the WebSockets of a page that it freezes, and says so when the page is
    // resumed.
    const last = state.traces.findLast((step) => step.what === 'selected')
    t.diagnostic(
      `${state.traces.at(-1).transport} was selected ${last.time - timeOf(state, 'resume')} ms ` +
        'after the page was resumed',
    )
    assert.ok(last.time - timeOf(state, 'resume') < 2500)
  }),
)

test(
  'a WebSocket that is dead when the network is back is found within 3 s',
  options,
  shown(async (t) => {
    const { box, page, tool, now } = await open(t)
    await tool.send('Network.enable')
    await tool.send('Network.emulateNetworkConditions', { offline: true, ...noLimits })
    await until('the page to know', 10_000, async () => timeOf(await now(), 'offline'))
    box.silence()
    await tool.send('Network.emulateNetworkConditions', { offline: false, ...noLimits })
    await until('the page to know', 10_000, async () => timeOf(await now(), 'online'))
    await page.evaluate(() => say())
    const state = await settled(now)
    const beside = state.traces.find((step) => step.what === 'attach' && step.time >= timeOf(state, 'online'))
    const after = beside?.time - timeOf(state, 'online')
    t.diagnostic(`${beside?.transport} was tried ${after} ms after the network was back; now on ${state.transport}`)
    // The pong is missing after the delay of a race, at most 1 s, by the clock of a page that may
    // be busy.
    assert.ok(after < 2000)
  }),
)

test(
  'a network that was away is nobody’s fault',
  options,
  shown(async (t) => {
    const { box, page, tool, now } = await open(t)
    await tool.send('Network.enable')
    await tool.send('Network.emulateNetworkConditions', { offline: true, ...noLimits })
    await until('the page to know', 10_000, async () => timeOf(await now(), 'offline'))
    box.cut()
    await page.evaluate(() => say())
    const failed = (s) =>
      new Set(
        s.traces
          .filter((step) => step.what === 'died' && step.time >= timeOf(s, 'offline'))
          .map((step) => step.transport),
      )
    await until('every transport to fail', 20_000, async () => failed(await now()).size === 3)
    await tool.send('Network.emulateNetworkConditions', { offline: false, ...noLimits })
    const state = await settled(now)
    assert.equal(state.ended, false)
    const last = state.traces.findLastIndex((step) => step.what === 'died')
    const attach = state.traces.slice(last + 1).find((step) => step.what === 'attach')
    const after = attach.time - timeOf(state, 'online')
    t.diagnostic(`tried ${attach.transport} ${after} ms after the network was back; now on ${state.transport}`)
    assert.equal(attach.transport, 'websocket')
    assert.ok(after < 500)
  }),
)
