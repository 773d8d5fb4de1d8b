// The adapter of the JavaScript client in Node:
// `holdfast-conformance client -- node conformance/adapters/js/node.mjs`.
// HOLDFAST_BUNDLE names another build of the client than clientjs/dist.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { adapter } from './session.mjs'

const bundle = process.env.HOLDFAST_BUNDLE
  ? pathToFileURL(process.env.HOLDFAST_BUNDLE).href
  : new URL('../../../clientjs/dist/holdfast.mjs', import.meta.url).href
const { connect } = await import(bundle)

// Node has a WebSocket of its own from version 22 on.
const options = {}
if (!globalThis.WebSocket) {
  const ws = await import('../../../clientjs/node_modules/ws/wrapper.mjs')
  options.WebSocket = ws.WebSocket
}
const emit = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const act = adapter(connect, options, emit)

emit({ event: 'ready', client: `holdfast-js in Node ${process.version}`, transports: ['websocket', 'sse', 'longpoll'] })
createInterface({ input: process.stdin }).on('line', (line) => act(JSON.parse(line))).on('close', () => process.exit())
