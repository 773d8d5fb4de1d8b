// holdfast/doctor: finds out what a network does to sessions, by holding one over each transport
// with any Holdfast server.
//
//   const report = await diagnose('/holdfast')
//   console.log(reportText(report))

import { tryPolls } from './doctor/poll.js'
import { Probe, waits, type Diagnosis } from './doctor/probe.js'
import { Findings, type Report, type TransportReport, type Verdict } from './doctor/report.js'
import { trySocket } from './doctor/socket.js'
import { tryStream } from './doctor/tryStream.js'
import type { WebSocketLike } from './types.js'
import { endpointOf } from './url.js'

export { reportText } from './doctor/report.js'
export type { Finding, Report, Severity, TransportReport, Verdict } from './doctor/report.js'
export type { WebSocketLike } from './types.js'

/** A step of a diagnosis, to be shown while it runs. */
export interface Progress {
  readonly transport: 'websocket' | 'sse' | 'longpoll'
  /** What is tried now, or what became of it. */
  readonly text: string
  /** Set once the transport has been judged. */
  readonly state: TransportReport['state'] | undefined
}

/** Options of `diagnose`; all may be left out. */
export interface DiagnoseOptions {
  /**
   * Milliseconds for all of it. Default: 15,000; with `long` 95,000. What has not ended by then is
   * reported as far as it was seen.
   */
  timeout?: number
  /**
   * Watch a busy and a quiet connection for 70 s too, and hold a request for as long as the server
   * does. Default: false.
   */
  long?: boolean
  /** Credentials for the server's authenticator, as in `connect`: a JSON value. */
  auth?: unknown
  /** Whether requests carry cookies. Default: `'same-origin'`. */
  credentials?: RequestCredentials
  /** Ends the diagnosis early; the report tells what was seen by then. */
  signal?: AbortSignal
  /** Is told of every step. */
  onProgress?: (progress: Progress) => void
  /** In place of the platform's. */
  WebSocket?: new (url: string) => WebSocketLike
  /** In place of the platform's. */
  fetch?: typeof fetch
}

/**
 * Tries every transport to an endpoint, all at a time, and reports. It takes about 10 s and at most
 * `timeout` and 1 s more, needs nothing of the server's application, and closes its sessions.
 * Throws a TypeError if `endpoint` is not http, https, ws or wss, or has a fragment; all else is in
 * the report.
 */
export async function diagnose(endpoint: string | URL, options: DiagnoseOptions = {}): Promise<Report> {
  const began = performance.now()
  const date = new Date().toISOString()
  const long = options.long ?? false
  const timeout = options.timeout ?? (long ? 95_000 : 15_000)
  const over = new AbortController()
  const stop = () => over.abort()
  const timer = setTimeout(stop, timeout)
  options.signal?.addEventListener('abort', stop)
  if (options.signal?.aborted) stop()
  const found = new Findings()
  const d: Diagnosis = {
    url: new URL('http' + endpointOf(endpoint)),
    found,
    long,
    fetch: options.fetch ?? ((...args) => fetch(...args)),
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    credentials: options.credentials ?? 'same-origin',
    auth: options.auth,
    signal: over.signal,
    refused: false,
    left: (most) => Math.max(0, Math.min(most, began + timeout - performance.now() - waits.close)),
    progress: ({ result: { name } }, text) => show({ transport: name, text, state: undefined }),
  }
  found.hidden = d.url.search.slice(1)
  found.untested(
    'how large a batch from the server may be: a server says nothing large unasked, so only about 2 KiB were seen',
  )
  if (!long) found.untested('quiet times and ages above some seconds: the long run watches for more than a minute')
  if (globalThis.location)
    found.untested(
      'certificates, TLS interception, proxies in use, and the status of a refused WebSocket: a page is not told; ' +
        '`holdfast doctor` on the command line is',
    )
  if (globalThis.navigator?.onLine === false) found.find('offline', 'the browser says: offline')
  // What it throws is reported as what a listener throws, and does not end the diagnosis.
  const show = (progress: Progress) => void new Promise(() => options.onProgress?.(progress))
  const tries = [new Probe(d, 'websocket'), new Probe(d, 'sse'), new Probe(d, 'longpoll')]
  const run = [trySocket, tryStream, tryPolls]
  await Promise.all(
    tries.map(async (p, i) => {
      d.progress(p, 'Connecting.')
      await run[i]!(p)
      judge(p)
      show({ transport: p.result.name, text: conclusions[p.result.state], state: p.result.state })
    }),
  )
  clearTimeout(timer)
  options.signal?.removeEventListener('abort', stop)
  lookAtProtocol(d)
  const { verdict, summary } = conclude(tries, d.refused)
  const { facts, notTested } = found
  return {
    url: d.url.origin + d.url.pathname,
    began: date,
    tookMs: Math.round(performance.now() - began),
    long,
    verdict,
    summary,
    transports: tries.map((p) => p.result),
    findings: found.sorted(),
    facts,
    notTested,
  }
}

const conclusions = { fits: 'It works.', impaired: 'It works, at a cost.', fails: 'It does not work.' }

/** A transport of which nothing was found fits, if it was seen to work. */
function judge(p: Probe): void {
  if (p.judged || (p.result.openedMs >= 0 && p.result.rttMs >= 0)) return
  p.result.state = 'fails'
  p.d.found.untested(`${p.result.name}: the time was over before it was seen to work`)
}

/** What the browser says of how the requests went. */
function lookAtProtocol({ url, found }: Diagnosis): void {
  const entries = (performance.getEntriesByName?.(url.href) ?? []) as PerformanceResourceTiming[]
  const protocol = entries.map((e) => e.nextHopProtocol).find(Boolean)
  if (!protocol) return
  found.fact('HTTP version', protocol)
  if (protocol === 'http/1.0') found.find('http10', 'the browser says: http/1.0')
}

function conclude(tries: Probe[], refused: boolean): { verdict: Verdict; summary: string } {
  const states = tries.map((p) => p.result.state)
  if (states.every((s) => s === 'fits')) return { verdict: 'good', summary: 'Every transport carries a session here.' }
  if (states.some((s) => s !== 'fails'))
    return { verdict: 'degraded', summary: 'A session works here, though not over every transport as it should.' }
  return {
    verdict: 'blocked',
    summary: refused
      ? 'The server can be reached and refuses a session: this is no matter of the network.'
      : 'No session works here: nothing gets through.',
  }
}
