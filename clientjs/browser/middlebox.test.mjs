// The proxy of these tests does not lose what a network would not lose.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { cleanup } from './machines.mjs'
import { middlebox } from './middlebox.mjs'

test('whoever reads slowly has all that came before the end', { timeout: 20_000 }, async (t) => {
  const size = 16 << 20
  const server = createServer((socket) => socket.once('data', () => socket.end(Buffer.alloc(size)))).listen(
    0,
    '127.0.0.1',
  )
  cleanup(t, () => server.close())
  await once(server, 'listening')
  const closed = once(server, 'connection').then(([socket]) => once(socket, 'close'))
  const line = await middlebox(t, server.address().port)
  const client = connect(line.port, '127.0.0.1')
  client.pause()
  client.write('all, please')
  await closed
  let read = 0
  for await (const bytes of client) read += bytes.length
  assert.equal(read, size)
})
