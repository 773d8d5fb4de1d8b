// The drop-in WebSocket class against the platform's own: the same checks of both, with the same
// backend, in every engine. What differs stands here and, with its reason, in
// docs/websocket-compat.md; nothing else may.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { engines } from './engines.mjs'
import { built, lacking, scratch, serve, shown } from './machines.mjs'

const program = built('server/browsertest')
const scripts = ['page/websocketTools.js', 'page/websocket.js'].map((path) => new URL(path, import.meta.url).pathname)
const table = readFileSync(new URL('../../docs/websocket-compat.md', import.meta.url), 'utf8')

const all = Object.keys(engines)
/** Check → the engines whose own class does otherwise. */
const differences = {
  'own properties of the class': all,
  'events are trusted': all,
  'protocols in a Set': all,
  'the backend breaks the connection': all,
  'the backend refuses': all,
  'the backend refuses, with protocols': all,
  'a protocol is chosen where none was offered': all,
  'no protocol is chosen': ['firefox', 'webkit'],
  'cookies, Origin and User-Agent reach the backend': all,
  'a message above the limit of the server': all,
  'close without a code, with a reason that is too long': ['chromium', 'webkit'],
  'no events while a script runs': ['firefox'],
  'send after close counts for good': ['webkit'],
  'the backend has everything before the close': ['webkit'],
}

for (const [engine, { needs, open }] of Object.entries(engines))
  test(
    `the WebSocket class, ${engine}`,
    { skip: lacking(...needs), timeout: 240_000 },
    shown(async (t) => {
      const port = await serve(t, program)
      const { goto, script, evaluate } = await open(t, scratch(t))
      await goto(`http://127.0.0.1:${port}/`)
      for (const path of scripts) await script(path)
      const platform = await evaluate(() => webSocketChecks.run(WebSocket, `ws://${location.host}/backend/`))
      const ours = await evaluate(() =>
        webSocketChecks.run(Holdfast.WebSocket, `ws://${location.host}/gateway/holdfast/`),
      )
      const differ = Object.keys(platform).filter((name) => platform[name] !== ours[name])
      t.diagnostic(`${Object.keys(platform).length} checks, ${differ.length} differ`)
      for (const name of differ) t.diagnostic(`${name}\n    platform ${platform[name]}\n    ours     ${ours[name]}`)
      assert.deepEqual(
        differ.sort(),
        Object.keys(differences)
          .filter((name) => differences[name].includes(engine))
          .sort(),
      )
    }),
  )

test('the table of what differs is complete', () => {
  const rows = [...table.matchAll(/^\| ([^|]+) \| ([^|]+) \| [^|]+ \| [^|]+ \|$/gm)].map(([, name, which]) => [
    name,
    which,
  ])
  const names = { all: 'all', chromium: 'Chromium', firefox: 'Firefox', webkit: 'WebKit' }
  assert.deepEqual(
    Object.fromEntries(rows.filter(([name]) => name in differences)),
    Object.fromEntries(
      Object.entries(differences).map(([name, which]) => [
        name,
        which === all ? 'all' : which.map((engine) => names[engine]).join(', '),
      ]),
    ),
  )
})
