// A web site for the tests: an empty page, and the built client below /dist/.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { cleanup } from './machines.mjs'

const dist = new URL('../dist/', import.meta.url)

/** Serves it for the time of the test; returns its origin. */
export async function pages(t) {
  const server = createServer(async ({ url }, answer) => {
    const [, name] = /^\/dist\/([\w.-]+)$/.exec(url) ?? []
    if (!name) return answer.setHeader('Content-Type', 'text/html').end('<!doctype html><link rel="icon" href="data:,"><title>test</title>')
    try {
      answer.setHeader('Content-Type', 'text/javascript').end(await readFile(new URL(name, dist)))
    } catch {
      answer.writeHead(404).end()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup(t, () => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${server.address().port}`
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
