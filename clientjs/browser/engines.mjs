// The three browser engines behind one small face: goto, evaluate, script, complaints. Chromium and
// Firefox are driven by puppeteer, WebKit by the WebDriver of WebKitGTK, which knows the classic
// protocol only.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import puppeteer from 'puppeteer-core'
import { chromium, cleanup, freePort, start, until } from './machines.mjs'

/** The engines, and the tools that each needs. */
export const engines = {
  chromium: { needs: ['chromium'], open: async (t, folder, args) => face(await chromium(t, folder, args)) },
  firefox: { needs: ['firefox-esr'], open: firefox },
  webkit: { needs: ['WebKitWebDriver', 'Xvfb'], open: webkit },
}

const face = (page) => ({
  goto: (url) => page.goto(url),
  evaluate: (body, ...values) => page.evaluate(body, ...values),
  script: (path) => page.addScriptTag({ path }),
})

async function firefox(t) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    // Firefox slows the retries of WebSockets to a host that has broken one, by itself and for all
    // pages.
    extraPrefsFirefox: { 'network.websocket.delay-failed-reconnects': false },
  })
  cleanup(t, () => browser.close())
  return face(await browser.newPage())
}

async function webkit(t) {
  const display = await xvfb(t)
  const port = await freePort()
  start(t, 'WebKitWebDriver', [`--port=${port}`], { DISPLAY: display })
  const call = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) })
    const { value } = await answer.json()
    if (!answer.ok) throw new Error(`${value.error}: ${value.message}`)
    return value
  }
  await until('WebKitWebDriver', 10_000, () =>
    call('GET', '/status').then(
      () => true,
      () => false,
    ),
  )
  const binary = execFileSync('dpkg', ['-L', 'libwebkit2gtk-4.1-0'], { encoding: 'utf8' })
    .split('\n')
    .find((name) => name.endsWith('/MiniBrowser'))
  const { sessionId } = await call('POST', '/session', {
    capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } } },
  })
  const session = `/session/${sessionId}`
  cleanup(t, () => call('DELETE', session).catch(() => {}))
  await call('POST', `${session}/timeouts`, { script: 60_000 })
  const evaluate = async (body, ...values) => {
    const script = `const done = arguments[arguments.length - 1]
      Promise.resolve()
        .then(() => (${body})(...[...arguments].slice(0, -1)))
        .then((value) => done({ value: JSON.stringify(value) }), (error) => done({ error: String(error) }))`
    const { value, error } = await call('POST', `${session}/execute/async`, { script, args: values })
    if (error) throw new Error(error)
    return value && JSON.parse(value) // the driver would make null of undefined
  }
  return {
    goto: (url) => call('POST', `${session}/url`, { url }),
    evaluate,
    script: (path) => evaluate((source) => void (0, eval)(source), readFileSync(path, 'utf8')),
  }
}

/** A display that nobody sees; the X server picks a number that is free. */
async function xvfb(t) {
  const { log } = start(t, 'Xvfb', ['-displayfd', '1', '-nolisten', 'tcp', '-screen', '0', '1024x768x24'])
  return until(
    'Xvfb',
    10_000,
    () => log.some((line) => /^\d+$/.test(line)) && `:${log.find((line) => /^\d+$/.test(line))}`,
  )
}
