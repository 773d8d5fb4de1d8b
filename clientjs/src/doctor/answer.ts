// What an answer to a POST is, and what its header shows of those in between.

import { parse, type Packet } from '../wire/codec.js'
import { clean, type Findings } from './report.js'

/**
 * What went wrong with a request: a finding in the making. Without an id: the time was over, or it
 * is booked.
 */
export interface Trouble {
  id: string
  evidence: string
}

export const isTrouble = (trouble: Trouble | Packet): trouble is Trouble => 'id' in trouble

const looksLikePage = (text: string) => /<html|<!doctype html/i.test(text.slice(0, 1024))

/** Shows the beginning of what a stranger sent: of a page its title. */
export function quote(text: string): string {
  const title = /<title[^>]*>([^]*?)<\/title>/i.exec(text)?.[1]
  return title != null ? `page with the title “${clean(title, 80)}”` : `“${clean(text.slice(0, 400), 80)}”`
}

/** Takes a body, or the data of a stream's first event, for what it is. */
export function decode(text: string, preamble: string): Packet | Trouble {
  const [first = '', ...rest] = text
    .replace(/^\ufeff/, '')
    .replace(/\r\n/g, '\n')
    .split('\n')
  const body = rest.join('\n')
  const end = body.search(/(^|\n)\.\n?$/)
  const shown = quote(text)
  if (!text) return { id: 'reply-truncated', evidence: 'an answer with status 200 and an empty body' }
  if (!first.startsWith('holdfast/1 ')) {
    if (looksLikePage(text))
      return { id: 'captive-portal', evidence: `status 200, and a web page in place of the answer: ${shown}` }
    if (text.includes('holdfast/1 '))
      return { id: 'reply-altered', evidence: `the answer does not begin as it should: ${shown}` }
    return { id: 'not-holdfast', evidence: `status 200, and the answer begins: ${shown}` }
  }
  if (end < 0)
    return { id: 'reply-truncated', evidence: `${text.length} bytes of an answer came, without its end line` }
  if (first + '\n' !== preamble) {
    const [, asked] = preamble.split(' ')
    const [, kind = ''] = first.split(' ')
    return {
      id: 'reply-reused',
      evidence: `asked for ${asked}, got the answer to another request (of kind ${clean(kind, 10)})`,
    }
  }
  return batchOf(body.slice(0, end + 1), 'the answer')
}

/** Reads a batch. */
export function batchOf(text: string, what: string): Packet | Trouble {
  try {
    return parse(text, 1 << 21)
  } catch {
    return { id: 'reply-altered', evidence: `${what} cannot be read: ${quote(text)}` }
  }
}

/** Puts an answer in a line: what anybody may see, so no cookie and no query. */
export function describe({ status, statusText, headers }: Response, body: string): string {
  const parts = [`status ${status} ${clean(statusText, 40)}`.trim()]
  for (const name of ['Server', 'Via', 'X-Cache', 'Retry-After']) {
    const value = headers.get(name)
    if (value) parts.push(`${name}: ${clean(value, 60)}`)
  }
  const location = headers.get('Location')
  if (location) parts.push(`Location: ${clean(location.replace(/[?#].*/, ''), 80)}`)
  if (body.trim() && (status < 300 || status > 399)) parts.push(quote(body)) // a redirect's repeats the address
  return parts.join(', ')
}

/**
 * Headers that the server never sends: whoever adds one stands in between. A page sees them of its
 * own origin only.
 */
const relays = [
  'Via',
  'Age',
  'X-Cache',
  'X-Cache-Hits',
  'X-Served-By',
  'X-Varnish',
  'X-Forwarded-For',
  'Cf-Ray',
  'X-Amz-Cf-Id',
  'X-Azure-Ref',
  'X-Squid-Error',
  'X-Bluecoat-Via',
  'X-Zscaler-Transaction-Id',
]

const maxSkew = 90_000

/** Notes what the header of an answer shows of those in between. Any answer will do. */
export function lookAtHeader(found: Findings, { status, headers }: Response, sent: number): void {
  for (const name of relays) {
    const value = headers.get(name)
    if (value) found.find('intermediary', `${name}: ${clean(value, 80)}`)
  }
  const server = headers.get('Server')
  if (server) found.fact('Server header', clean(server, 80))
  const coding = headers.get('Content-Encoding')
  if (status === 200 && coding && coding !== 'identity')
    found.find('transformed', `Content-Encoding: ${clean(coding, 20)}`)
  const rtt = performance.now() - sent
  const date = Date.parse(headers.get('Date') ?? '')
  const skew = date - (Date.now() - rtt / 2)
  if (Math.abs(skew) > maxSkew + rtt)
    // NaN is not
    found.find(
      'clock-skew',
      `the server's Date is ${Math.round(Math.abs(skew) / 1000)} s ` +
        `${skew < 0 ? 'behind' : 'ahead of'} this device's clock`,
    )
}

/** Notes what is missing from the header of an answer that is the server's. */
export function lookAtCaching(found: Findings, url: URL, headers: Headers): void {
  const cache = headers.get('Cache-Control') ?? ''
  for (const word of ['no-store', 'no-transform'])
    if (!cache.includes(word))
      found.find('headers-stripped', `Cache-Control: ${word} is missing from an answer of the server's`)
  const same = !globalThis.location || location.origin === url.origin
  if (same && headers.get('X-Content-Type-Options') !== 'nosniff')
    found.find('headers-stripped', "X-Content-Type-Options: nosniff is missing from an answer of the server's")
}
