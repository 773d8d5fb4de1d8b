// The crossing: two thousand numbered messages each way between a browser and the server, while the
// transport is killed twenty times and forced through WebSocket, event stream, long poll and
// WebSocket again. Nothing may be lost, doubled, reordered or altered.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sequence } from './corpus.mjs'
import { engines } from './engines.mjs'
import { built, chromium, lacking, nginx, pause, scratch, serve, shown, until } from './machines.mjs'
import { middlebox } from './middlebox.mjs'

const count = 2000
const kills = 5 // in each of four phases
const pace = 8 // ms between two messages of a side
const phases = ['websocket', 'sse', 'longpoll', 'websocket']

const runs = [
  ...Object.keys(engines).map((engine) => ({
    name: `direct, ${engine}`,
    engine,
    needs: engines[engine].needs,
    websocket: true,
  })),
  { name: 'through nginx', engine: 'chromium', needs: ['chromium', 'nginx'], nginx: true },
  {
    name: 'through nginx, under a name',
    engine: 'chromium',
    needs: ['chromium', 'nginx'],
    nginx: true,
    host: 'intranet.test',
  },
]

const program = built('server/browsertest')

for (const run of runs)
  test(
    `the crossing, ${run.name}`,
    { skip: lacking(...run.needs), timeout: 180_000 },
    shown((t) => cross(t, run)),
  )

test(
  'an Origin that nobody listed ends the session',
  { skip: lacking('chromium', 'nginx'), timeout: 60_000 },
  shown(async (t) => {
    const folder = scratch(t)
    const port = await nginx(t, folder, await serve(t, program))
    const page = await chromium(t, folder, [`--host-resolver-rules=MAP intranet.test:80 127.0.0.1:${port}`])
    await page.goto('http://intranet.test/')
    const end = await page.evaluate(() => new Promise((resolve) => Holdfast.connect('/holdfast').on('close', resolve)))
    assert.equal(end.code, 4306)
  }),
)

async function cross(t, run) {
  const folder = scratch(t)
  const up = sequence(count, 0)
  const down = sequence(count, 3)
  assert.ok(up.large > 0 && down.large > 0, 'a picture above 300 kB crosses')
  writeFileSync(join(folder, 'up'), up.bytes)
  writeFileSync(join(folder, 'down'), down.bytes)

  const args = ['-up', join(folder, 'up'), '-down', join(folder, 'down'), '-pace', `${pace}ms`]
  if (run.host) args.push('-origins', `http://${run.host}`)
  const server = await serve(t, program, args)
  const line = await middlebox(t, server)
  const port = run.nginx ? await nginx(t, folder, line.port) : line.port
  const page = await engines[run.engine].open(
    t,
    folder,
    run.host ? [`--host-resolver-rules=MAP ${run.host}:80 127.0.0.1:${port}`] : [],
  )
  const began = Date.now()
  await page.goto(run.host ? `http://${run.host}/` : `http://127.0.0.1:${port}/`)
  await page.script(new URL('page/crossing.js', import.meta.url).pathname)
  await page.evaluate((ms) => crossing.start(ms), pace)

  const report = () => page.evaluate(() => crossing.report())
  const ofServer = async (id) => (await fetch(`http://127.0.0.1:${server}/report?id=${id}`)).json()
  const explain = async (error) => {
    const { traces, ...mine } = await report()
    const steps = traces.slice(-40).map((s) => `${s.time % 1e6} ${s.what} ${s.transport} ${s.attachment} ${s.reason}`)
    throw new Error(
      [
        error.message,
        JSON.stringify(mine),
        JSON.stringify(await ofServer(mine.id)),
        ...(page.complaints ?? []),
        ...steps,
      ].join('\n'),
    )
  }
  const carried = await disturb(run, { page, report, line }).catch(explain)
  const settled = async () => {
    const mine = await report()
    const theirs = await ofServer(mine.id)
    return (
      mine.end ||
      theirs.failure ||
      (mine.sent === count && theirs.sent === count && theirs.drained && theirs.received === count && mine)
    )
  }
  await until('both sides have everything', 90_000, settled).catch(explain)
  await page.evaluate(() => crossing.drained())

  const mine = await report()
  const theirs = await ofServer(mine.id)
  t.diagnostic(
    `${((Date.now() - began) / 1000).toFixed(1)} s, ${carried.broken} connections broken, ` +
      `${mine.attaches} attachments, carried by ${[...new Set(carried.by)].join(', ')}; ` +
      `${up.binary + down.binary} pictures, ${((up.bytes.length + down.bytes.length) / 1e6).toFixed(1)} MB`,
  )
  const none = { lost: 0, duplicated: 0, outOfOrder: 0 }
  const faults = ({ lost, duplicated, outOfOrder }) => ({ lost, duplicated, outOfOrder })
  assert.deepEqual(faults(theirs), none, 'up')
  assert.deepEqual(faults(mine), none, 'down')
  assert.deepEqual([theirs.received, mine.received], [count, count])
  assert.equal(theirs.receivedHash, up.hash, 'the server has what the page sent')
  assert.equal(theirs.sentHash, down.hash, 'the server sent what it was given')
  assert.equal(await page.evaluate(() => crossing.hash()), down.hash, 'the page has what the server sent')
  assert.equal(theirs.sessions, 1, 'one session all along')
  assert.deepEqual(mine.errors, [])
  await until('every picture shows', 5000, async () => (await report()).pictures === down.binary)

  await page.evaluate(() => crossing.close())
  const { end } = await until('the end', 5000, async () => {
    const r = await report()
    return r.end && r
  })
  assert.equal(end.code, 4100)
  assert.deepEqual([end.notDelivered, end.unknown], [[], []])
}

/**
 * Forces the transports in turn and kills what carries them, from inside the page and on the wire.
 */
async function disturb(run, { page, report, line }) {
  const by = []
  let broken = 0
  for (const phase of phases) {
    const passes = phase !== 'websocket' || run.websocket
    await page.evaluate((transport) => crossing.force(transport), phase)
    if (!passes) {
      // nginx as it comes passes no WebSocket: while nothing else is let through the session waits,
      // and then goes on.
      await pause(1000)
      assert.notEqual((await report()).transport, 'websocket')
      await page.evaluate(() => crossing.force(''))
    }
    for (let i = 0; i < kills; i++) {
      const { transport } = await until(`${passes ? phase : 'something'} carries the session`, 15_000, async () => {
        const now = await report()
        assert.equal(now.end, undefined, 'the session goes on')
        return (passes ? now.transport === phase : now.transport) && now
      })
      by.push(transport)
      await pause(250 + ((by.length * 137) % 500))
      const cut = await until('something to break', 2000, async () =>
        i % 2 ? line.cut() : await page.evaluate(() => crossing.cut()),
      )
      broken += cut
    }
  }
  await page.evaluate(() => crossing.force(''))
  assert.equal(by.length, 20)
  if (!run.websocket) assert.ok(!by.includes('websocket'))
  return { by, broken }
}
