// yjs over y-websocket: two documents are edited at once, 150 times each, while every connection is
// cut, and end up the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDecoder, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { createEncoder, length, toUint8Array, writeVarUint } from 'lib0/encoding'
import { Awareness, applyAwarenessUpdate } from 'y-protocols/awareness'
import { readSyncMessage, writeSyncStep1, writeUpdate } from 'y-protocols/sync'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { cleanup, until } from '../browser/machines.mjs'
import { behind, Counted, wsServer } from './gateway.mjs'

const edits = 150

test('yjs and y-websocket', { timeout: 60_000 }, async (t) => {
  const backend = await wsServer(t)
  const connections = hub(backend)
  const { url, cut, seen } = await behind(t, backend.address().port)
  const ends = []
  const docs = [0, 1].map(() => {
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(url, 'room', doc, { WebSocketPolyfill: Counted, disableBc: true })
    provider.on('connection-close', (event) => event && ends.push([event.code, event.reason]))
    cleanup(t, () => provider.destroy())
    return { doc, provider, text: doc.getText('text'), list: doc.getArray('list') }
  })
  await until('both in step', 20_000, () => docs.every(({ provider }) => provider.synced))
  for (let n = 1; n <= edits; n++) {
    for (const [i, { text, list }] of docs.entries()) {
      text.insert((n * 7) % (text.length + 1), `${'ab'[i]}${n} `)
      list.push([`${'ab'[i]}${n}`])
    }
    if (n % 25 === 10) cut()
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  const [one, two] = docs
  await until(
    'both the same',
    20_000,
    () => one.list.length === 2 * edits && two.list.length === 2 * edits && `${one.text}` === `${two.text}`,
  )
  assert.deepEqual(one.list.toJSON(), two.list.toJSON())
  for (const who of 'ab')
    assert.deepEqual(
      one.list.toJSON().filter((word) => word[0] === who),
      Array.from({ length: edits }, (_, i) => `${who}${i + 1}`),
    )
  assert.deepEqual([ends, connections(), Counted.made], [[], 2, 2])
  t.diagnostic(`${seen.cuts} cuts, ${seen.broken} connections broken`)
  assert.ok(seen.cuts >= 6 && seen.broken >= 12)
})

/**
 * A server of one room, from yjs's own protocol library. Returns how many connections there were.
 */
function hub(server) {
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  awareness.setLocalState(null)
  let connections = 0
  const message = (type, write) => {
    const encoder = createEncoder()
    writeVarUint(encoder, type)
    write(encoder)
    return toUint8Array(encoder)
  }
  doc.on('update', (update) => {
    for (const socket of server.clients) socket.send(message(0, (encoder) => writeUpdate(encoder, update)))
  })
  server.on('connection', (socket) => {
    connections++
    socket.send(message(0, (encoder) => writeSyncStep1(encoder, doc)))
    socket.on('message', (data) => {
      const decoder = createDecoder(new Uint8Array(data))
      if (readVarUint(decoder) === 1) return applyAwarenessUpdate(awareness, readVarUint8Array(decoder), socket)
      const encoder = createEncoder()
      writeVarUint(encoder, 0)
      readSyncMessage(decoder, encoder, doc, socket)
      if (length(encoder) > 1) socket.send(toUint8Array(encoder))
    })
  })
  server.on('close', () => awareness.destroy())
  return () => connections
}
