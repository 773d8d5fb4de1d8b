// An HTTP/1.1 reverse proxy that behaves differently as a session goes on; the modes of
// conformance/middlebox cannot do that.
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { joined } from '../box.mjs'

/**
 * Starts it in front of the server; returns its port. `answer(asked)` gives an answer instead of
 * the server, { status, headers, body }, or nothing: then the server answers. WebSockets pass if
 * `upgrade()` is true; otherwise they get 403.
 */
export function gateway(box, { answer, upgrade = () => false }) {
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 }, async (asking, reply) => {
    const gone = new AbortController()
    reply.on('close', () => gone.abort())
    try {
      const asked = { method: asking.method, url: asking.url, headers: asking.headers, body: await buffer(asking) }
      const own = await answer(asked)
      if (own) {
        const page = `<!doctype html><title>gateway</title><h1>${own.body}</h1>`
        reply.writeHead(own.status, { 'content-type': 'text/html', ...own.headers }).end(page)
      } else await pass(await ask(box.upstream, asked, gone.signal), reply)
    } catch {
      if (!reply.headersSent) reply.writeHead(502)
      reply.destroy()
    }
  })
  server.on('upgrade', (asking, client) => {
    if (!upgrade()) return client.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    const upstream = connect(box.upstream, '127.0.0.1')
    const lines = [`GET ${asking.url} HTTP/1.1`]
    for (let i = 0; i < asking.rawHeaders.length; i += 2)
      lines.push(`${asking.rawHeaders[i]}: ${asking.rawHeaders[i + 1]}`)
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`)
    joined(client, upstream)
  })
  return box.listen(server)
}

const hop = ['keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'connection']

function ask(port, { method, url, headers, body }, signal) {
  const sent = { ...headers, ...(method === 'POST' && { 'content-length': body.length }) }
  for (const name of hop) delete sent[name]
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', port, method, path: url, headers: sent }
    const asking = request({ ...to, agent: false, setHost: false, signal }, resolve)
    asking.on('error', reject)
    asking.end(body)
  })
}

async function pass(answer, reply) {
  const headers = { ...answer.headers }
  for (const name of hop) delete headers[name]
  reply.writeHead(answer.statusCode, headers).flushHeaders()
  for await (const chunk of answer) reply.write(chunk)
  reply.end()
}
