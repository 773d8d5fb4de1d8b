// A web site for the tests: an empty page, files, the built client below /dist/, and a server's
// endpoint at /holdfast.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanup } from './machines.mjs'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const types = { '.html': 'text/html', '.js': 'text/javascript', '.jsx': 'text/javascript', '.mjs': 'text/javascript' }

/**
 * Serves it for the time of the test; returns its origin. `folders`: path → folder; `texts`: path →
 * page; `server`: the port that /holdfast leads to.
 */
export async function pages(t, { folders = {}, texts = {}, server } = {}) {
  const all = { '/dist/': dist, ...folders }
  const site = createServer(async (asked, answer) => {
    const path = new URL(asked.url, 'http://site').pathname
    if (path === '/holdfast' && server) return forward(asked, answer, server)
    answer.setHeader('Content-Type', types[extname(path)] ?? 'text/html')
    const folder = Object.keys(all).find((prefix) => path.startsWith(prefix))
    if (!folder) return answer.end(texts[path] ?? '<!doctype html><link rel="icon" href="data:,"><title>test</title>')
    try {
      answer.end(await readFile(join(all[folder], path.slice(folder.length))))
    } catch {
      answer.writeHead(404).end()
    }
  }).listen(0, '127.0.0.1')
  site.on('upgrade', (asked, socket) => tunnel(asked, socket, server))
  await once(site, 'listening')
  cleanup(t, () => {
    site.close()
    site.closeAllConnections()
  })
  return `http://127.0.0.1:${site.address().port}`
}

/** As a proxy does that changes nothing, the Host neither. */
function forward(asked, answer, port) {
  const { method, url, headers } = asked
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
    answer.writeHead(reply.statusCode, reply.headers)
    reply.pipe(answer)
  })
  onward.on('error', () => answer.destroy())
  answer.on('close', () => onward.destroy())
  asked.pipe(onward)
}

function tunnel({ method, url, rawHeaders }, socket, port) {
  const onward = connect(port ?? 9, '127.0.0.1', () => {
    const head = rawHeaders.map((part, i) => part + (i % 2 ? '\r\n' : ': ')).join('')
    onward.write(`${method} ${url} HTTP/1.1\r\n${head}\r\n`)
    onward.pipe(socket).pipe(onward)
  })
  const end = () => (onward.destroy(), socket.destroy())
  for (const side of [onward, socket]) side.on('error', end).on('close', end)
}

/** Texts that browsertest tells apart. */
export const messages = (word, count) => Array.from({ length: count }, (_, i) => `${word} #${i + 1}`)

/** One of them in the form of a file that browsertest reads. */
export function packed(text) {
  const bytes = Buffer.from(text)
  const head = Buffer.alloc(5)
  head.write('t')
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
