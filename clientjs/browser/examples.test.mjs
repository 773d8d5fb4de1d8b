// The examples of docs/client.md, as they are, against a server that echoes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { pages } from './pages.mjs'
import { built, chromium, lacking, scratch, serve, shown, until } from './machines.mjs'

const program = built('server/browsertest')
const folder = (path) => fileURLToPath(new URL(path, import.meta.url))
const entry = (name) => folder(`../dist/${name}.mjs`)
/** A page without an icon to ask the server for. */
const blank = '<!doctype html><link rel="icon" href="data:,">'
const imports = Object.fromEntries(
  ['', '/reload', '/tabs'].map((name) => [`holdfast${name}`, `/dist/${name.slice(1) || 'holdfast'}.mjs`]),
)
const modulePage = (name) =>
  `${blank}<body><script type="importmap">${JSON.stringify({ imports })}</script>` +
  `<script type="module" src="/examples/${name}"></script>`

const example = (name, body) => test(name, { skip: lacking('chromium'), timeout: 60_000 }, shown(body))

/** Opens a page of the site. */
async function open(t, path, site = {}) {
  const server = await serve(t, program)
  const origin = await pages(t, { server, ...site, folders: { '/examples/': folder('../examples'), ...site.folders } })
  const page = await chromium(t, scratch(t))
  await page.goto(origin + path)
  return { page, origin }
}

const shows = (page, text) =>
  until(text, 30_000, () => page.evaluate((wanted) => document.body.textContent.includes(wanted), text))

example('a page', async (t) => {
  // Where the server has it.
  const script = readFileSync(folder('../dist/holdfast.min.js'), 'utf8')
  const { page } = await open(t, '/examples/page.html', { texts: { '/holdfast/holdfast.js': script } })
  await shows(page, 'Carried by websocket, 0 bytes')
  await page.click('button')
  await until('the echo', 30_000, () => page.evaluate(() => document.querySelector('li')?.textContent === 'hello'))
})

example('React', async (t) => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createRoot } from 'react-dom/client'\nimport { Chat } from './Chat.jsx'\n
        createRoot(document.getElementById('root')).render(<Chat url="/holdfast" />)`,
      loader: 'jsx',
      resolveDir: folder('../examples'),
    },
    alias: { holdfast: entry('holdfast') },
    bundle: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    format: 'esm',
    jsx: 'automatic',
    write: false,
  })
  const { page } = await open(t, '/', {
    texts: {
      '/': `${blank}<div id="root"></div><script type="module" src="/app.js"></script>`,
      '/app.js': outputFiles[0].text,
    },
  })
  await shows(page, 'Carried by websocket')
  await page.click('button')
  await page.click('button')
  await until('the echoes', 30_000, () => page.evaluate(() => document.querySelectorAll('li').length === 2))
  assert.deepEqual(page.complaints, [])
})

example('React in StrictMode, with another URL, and a child that sends from an effect', async (t) => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { StrictMode, useEffect, useState } from 'react'
        import { createRoot } from 'react-dom/client'
        import { useSession } from './useSession.js'
        function Child({ send }) { useEffect(() => void send('hi'), [send]) }
        function App() {
          const [url, setUrl] = useState('/holdfast?first')
          const { messages, send } = useSession(url)
          return <><Child send={send} /><p>{url} has {messages.join()}.</p>
            <button onClick={() => setUrl('/holdfast?second')}>Other</button></>
        }
        createRoot(document.getElementById('root')).render(<StrictMode><App /></StrictMode>)`,
      loader: 'jsx',
      resolveDir: folder('../examples'),
    },
    alias: { holdfast: entry('holdfast') },
    bundle: true,
    define: { 'process.env.NODE_ENV': '"development"' },
    format: 'esm',
    jsx: 'automatic',
    write: false,
  })
  const { page } = await open(t, '/', {
    texts: {
      '/': `${blank}<div id="root"></div><script type="module" src="/app.js"></script>`,
      '/app.js': outputFiles[0].text,
    },
  })
  await shows(page, 'first has hi.')
  await page.click('button')
  await shows(page, 'second has hi.')
  assert.deepEqual(page.complaints, [])
})

example('reload', async (t) => {
  const { page } = await open(t, '/', { texts: { '/': modulePage('reload.js') } })
  await shows(page, 'hello')
  await page.reload()
  await shows(page, 'welcome back')
  assert.deepEqual(page.complaints, [])
})

example('tabs', async (t) => {
  const { page, origin } = await open(t, '/', { texts: { '/': modulePage('tabs.js') } })
  await shows(page, 'sent as 1')
  await shows(page, 'hello')
  const other = await page.browser().newPage()
  await other.goto(origin)
  await shows(other, 'sent as 2')
  await until('both echoes', 30_000, () => page.evaluate(() => document.body.textContent.split('hello').length === 3))
  assert.match(
    await until('its title', 5000, () => other.title().then((title) => /carried/.test(title) && title)),
    /carried by another$/,
  )
  assert.deepEqual(page.complaints, [])
})
