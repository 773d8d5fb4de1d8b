import { preambleOf, unwrap, wrap } from '../wire/codec.js'
import { fail } from '../wire/control.js'
import type { Carrier, Closed, Kind, Take, Wire } from './carrier.js'

/** Makes one POST. The answer of kind `stream` is an event stream, every other one body. */
export function post(wire: Wire, kind: Kind, batch: string, take: Take, closed: Closed): Carrier {
  let preamble = preambleOf(kind)
  const stream = kind === 'stream'
  const abort = new AbortController()
  const { _fetch } = wire // a method of nothing, as the platform wants it
  const exchange = async () => {
    const answer = await _fetch('http' + wire._url, {
      method: 'POST',
      body: wrap(preamble, batch), // a string goes as text/plain, so there is no preflight (HF1-HTTP-06)
      headers: stream ? { Accept: 'text/event-stream' } : {}, // HF1-SSE-05
      cache: 'no-store',
      credentials: wire._credentials,
      redirect: 'error', // HF1-HTTP-08
      signal: abort.signal,
    })
    if (answer.status !== 200) fail('status ' + answer.status) // HF1-HTTP-04
    const reader = answer.body!.getReader()
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      text += decoder.decode(value, { stream: !done })
      const events = stream ? text.split(/\n\r?\n/) : []
      // HF1-SSE-04: a tail without its blank line is no event.
      text = events.pop() ?? text
      for (const event of events) {
        const data = [...event.matchAll(/^data:([^\r\n]*)/gm)].map((m) => m[1]).join('\n')
        // Without its end line it is discarded, unless it should have been the first. A comment has
        // no data.
        if (data && (preamble || /\n\.$/.test(data))) take(unwrap(preamble, data))
        if (data) preamble = ''
      }
      // Twice the limit leaves room for `data:` on every line, for CRs and for the comment in
      // front.
      if (text.length > 2 * wire._maxBatch + 4096) fail('too large')
      if (done) break
    }
    if (!stream) take(unwrap(preamble, text))
    return ''
  }
  const end = () => abort.abort()
  void exchange()
    .catch(String)
    .then(closed)
    .then(end) // a fault may have left some of the answer
  return { _close: end }
}
