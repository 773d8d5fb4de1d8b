// Faults that no packaged middlebox can be configured to make, by the failure classes of networks.
import { gateway } from '../proxy/gateway.mjs'
import { wire } from '../proxy/wire.mjs'

// The modes are listed by `go run ./conformance/cmd/holdfast-conformance middlebox -list`.
const modes = (text) => (box) => box.middlebox(text)
const noWebSocket = (text) => modes(`refuse-upgrade:403,${text}`)
const tcp = (faults) => (box) => wire(box, box.upstream, faults)
const both = { up: true, down: true }

export default [
  { name: 'direct', ci: true, class: 'control', title: 'nothing in between', start: (box) => box.upstream },

  { name: 'upgrade-refused', class: 'F01', title: '403 for a WebSocket', start: modes('refuse-upgrade:403') },
  {
    name: 'upgrade-stripped', class: 'F01',
    title: 'the Upgrade header is lost on the way',
    start: modes('strip-upgrade'),
  },
  {
    name: 'upgrade-unanswered', ci: true, class: 'F02',
    title: 'a WebSocket stays connecting for ever',
    start: modes('black-hole-upgrade'),
  },
  {
    name: 'mute-after-101', ci: true, class: 'F03',
    title: '101, then nothing in either direction',
    start: modes('mute'),
  },
  {
    name: 'killed-200ms', ci: true, class: 'F04',
    title: 'a WebSocket is reset 200 ms after it opened',
    start: modes('kill-ws:200ms'),
  },
  { name: 'killed-3s', class: 'F04', title: 'a WebSocket is reset 3 s after it opened', start: modes('kill-ws:3s') },
  { name: 'first-frame-lost', class: 'F05', title: "the server's first frame is swallowed", start: modes('swallow:1') },
  {
    name: 'glued-words-lost', class: 'F06',
    title: 'what the client says before it has the 101 is swallowed',
    start: modes('swallow-glued'),
  },

  {
    name: 'held', ci: true, class: 'F08',
    title: 'no reply goes on before it is complete; no WebSocket',
    start: noWebSocket('buffer:close'),
  },
  {
    name: 'threshold-512', class: 'F09',
    title: 'replies pass in blocks of 512 B; no WebSocket',
    start: noWebSocket('buffer:512B'),
  },
  {
    name: 'threshold-32k', class: 'F09',
    title: 'replies pass in blocks of 32 KiB; no WebSocket',
    start: noWebSocket('buffer:32KiB'),
  },
  {
    name: 'threshold-1m', class: 'F09',
    title: 'replies pass in blocks of 1 MiB; no WebSocket',
    start: noWebSocket('buffer:1MiB'),
  },
  {
    name: 'one-behind', ci: true, class: 'F10',
    title: 'every chunk of a stream waits for the next one; no WebSocket',
    start: noWebSocket('one-behind'),
  },
  {
    name: 'one-behind-frames', class: 'F10',
    title: 'every frame of a WebSocket waits for the next one',
    start: modes('one-behind@ws'),
  },
  {
    name: 'late-unless-stream', class: 'F11',
    title: 'replies to requests that accept no event stream come 20 s late; no WebSocket',
    start: noWebSocket('sse-accept@stream:20s'),
  },

  { name: 'idle-5s', class: 'F12', title: 'connections die after 5 s of silence', start: modes('tcp,idle:5s') },
  { name: 'idle-8s', class: 'F12', title: 'connections die after 8 s of silence', start: modes('tcp,idle:8s') },
  { name: 'life-3s', class: 'F13', title: 'connections die at 3 s of age', start: modes('tcp,life:3s') },
  { name: 'life-10s', ci: true, class: 'F13', title: 'connections die at 10 s of age', start: modes('tcp,life:10s') },
  { name: 'life-15s', class: 'F13', title: 'connections die at 15 s of age', start: modes('tcp,life:15s') },
  {
    name: 'life-30s', class: 'F13', seconds: [20, 8, 10],
    title: 'connections die at 30 s of age',
    start: modes('tcp,life:30s'),
  },
  {
    name: 'half-open', ci: true, class: 'F14',
    title: 'at 4 and 13.5 s what is open falls silent, both ways',
    start: tcp({ freeze: { at: [4000, 13_500], ...both } }),
  },
  {
    name: 'half-open-up', class: 'F14',
    title: 'at 4 and 22 s what is open falls silent towards the server',
    start: tcp({ freeze: { at: [4000, 22_000], up: true } }),
  },
  {
    name: 'half-open-down', class: 'F14',
    title: 'at 4 and 22 s what is open falls silent towards the client',
    start: tcp({ freeze: { at: [4000, 22_000], down: true } }),
  },
  {
    name: 'half-open-requests', class: 'F14',
    title: 'at 4 and 13.5 s what is open falls silent, both ways; no WebSocket',
    start: async (box) =>
      wire(box, await box.middlebox('refuse-upgrade:403'), { freeze: { at: [4000, 13_500], ...both } }),
  },

  {
    name: 'answers-5s', class: 'F15',
    title: '504 for what is not answered within 5 s; no WebSocket',
    start: noWebSocket('gateway-timeout:5s'),
  },
  {
    name: 'replies-5s', class: 'F13 F15',
    title: 'a reply that takes longer than 5 s is cut; no WebSocket',
    start: noWebSocket('life@http:5s'),
  },
  {
    name: 'coalesced', class: 'F16',
    title: 'requests of one kind at the same time get one answer; no WebSocket',
    start: noWebSocket('coalesce'),
  },
  {
    name: 'cached', class: 'F16',
    title: 'polls get the first answer that a poll had, again and again; no WebSocket',
    start: noWebSocket('cache@poll'),
  },
  {
    name: 'replayed', ci: true, class: 'F17',
    title: 'every request reaches the server twice; no WebSocket',
    start: noWebSocket('duplicate'),
  },
  {
    name: 'retried', class: 'F17',
    title: 'the first answer to a POST is lost and it is sent again; no WebSocket',
    start: noWebSocket('retry@up+poll'),
  },
  {
    name: 'late-copies', class: 'F17',
    title: 'every request comes again 2 s later; no WebSocket',
    start: noWebSocket('late-copy:2s'),
  },
  {
    name: 'overtaken', class: 'F17',
    title: 'every other request waits for the next one, 300 ms at most; no WebSocket',
    start: noWebSocket('reorder@post:300ms'),
  },
  {
    name: 'portal-first', class: 'F19', opensAt: 10_000, firstMs: 10_000, // waits grow while nothing answers
    title: 'a captive portal answers everything for the first 10 s',
    start: (box) => gateway(box, {
      answer: () => (box.age < 10_000 ? portal : undefined),
      upgrade: () => box.age >= 10_000,
    }),
  },
  {
    name: 'portal-between', class: 'F19', stallMs: 9000, // its own time, and the limit
    title: 'a captive portal answers requests from 6 to 10 s; no WebSocket',
    start: (box) => gateway(box, { answer: () => (box.age >= 6000 && box.age < 10_000 ? portal : undefined) }),
  },
  { name: 'http10', class: 'F20', title: 'HTTP/1.0 both ways; no WebSocket', start: noWebSocket('http10') },
  {
    name: 'six-connections', class: 'F21', hang: 4,
    title: "other tabs hold four of the browser's six connections; no WebSocket",
    start: (box) => gateway(box, { answer: hanging }),
  },
  {
    name: 'last-connection', class: 'F21', hang: 5,
    title: "other tabs hold five of the browser's six connections; no WebSocket",
    start: (box) => gateway(box, { answer: hanging }),
  },
  {
    name: 'two-connections', class: 'F21',
    title: 'two connections at a time, the rest wait',
    start: modes('tcp,connections:2'),
  },

  {
    name: 'caps-4k', ci: true, class: 'F24', bulk: 20_000,
    title: 'bodies above 4 KiB are 413, frames above 4 KiB are 1009; some messages have 20 kB',
    // Without strip, compression would make every frame small.
    start: modes('limit-body:4KiB,limit-frame:4KiB,strip@ws:Sec-WebSocket-Extensions'),
  },
  {
    name: 'body-cap-4k', class: 'F24', bulk: 20_000,
    title: 'bodies above 4 KiB are 413; no WebSocket; some messages have 20 kB',
    start: noWebSocket('limit-body:4KiB'),
  },
  { name: 'head-cap-1k', class: 'F24', title: 'heads above 1 KiB are 431', start: modes('limit-head:1KiB') },
  {
    name: 'bytes-6k', class: 'F24',
    title: 'a connection is reset after 6 kB towards the client',
    start: tcp({ bytes: 6000 }),
  },
  {
    name: 'truncated', class: 'F25',
    title: "the first ten polls' answers lose their last byte and look complete; no WebSocket, no stream",
    start: modes('refuse@ws+stream:403,truncate@poll#10:1'),
  },
  {
    name: 'truncated-streams', class: 'F25',
    title: 'replies lose their last byte and look complete, but for polls; no WebSocket',
    start: noWebSocket('truncate@stream+up:1'),
  },

  { name: 'latency', class: 'latency', title: '100 to 300 ms each way', start: tcp({ latency: [100, 300] }) },
  {
    name: 'latency-requests', class: 'latency',
    title: '100 to 300 ms each way; no WebSocket',
    start: async (box) => wire(box, await box.middlebox('refuse-upgrade:403'), { latency: [100, 300] }),
  },
  {
    name: 'latency-1s', class: 'latency', firstMs: 2500,
    title: '1 s each way; no WebSocket',
    start: noWebSocket('delay:1s'),
  },
  {
    name: 'latency-1s-polls', class: 'latency', firstMs: 5000,
    title: '1 s each way; no WebSocket, no stream',
    start: modes('refuse@ws+stream:403,delay:1s'),
  },
  {
    name: 'late-posts', class: 'latency', stallMs: 9000,
    title: 'what is posted is held for 2 s each way; no WebSocket',
    start: noWebSocket('delay@up:2s'),
  },
  {
    name: 'slow-link', class: 'latency',
    title: '16 kB a second and 200 ms, each way',
    start: tcp({ rate: 16_000, latency: [200, 200] }),
  },
  {
    name: 'headers-changed', class: 'headers',
    title: 'no Accept, Origin, Sec-Fetch-Site or User-Agent; replies become text/html that may be cached; no WebSocket',
    start: noWebSocket('strip:Accept,strip:Origin,strip:Sec-Fetch-Site,strip:Sec-Fetch-Mode,strip:User-Agent,' +
      'add:X-Forwarded-For=10.0.0.7,add-reply:Content-Type=text/html,add-reply:Cache-Control=public'),
  },
  {
    name: 'rate-limit', class: 'rate',
    title: '5 requests a second, then 429; no WebSocket',
    start: (box) => gateway(box, { answer: limited(5) }),
  },
  {
    name: 'rate-limit-minute', class: 'rate',
    title: '20 requests at once and 60 a minute, then 429; no WebSocket',
    start: (box) => gateway(box, { answer: limited(1, 20) }),
  },
  {
    name: 'busy-server', class: 'status',
    title: 'every fourth request is 503; no WebSocket',
    start: (box) => gateway(box, { answer: every(4, { status: 503, body: 'Sorry' }) }),
  },
]

const portal = { status: 200, body: 'Welcome! Please accept our terms.' }

/** The requests of the other tabs are never answered. */
function hanging(asked) {
  return asked.url === '/hang' ? new Promise(() => {}) : undefined
}

/** So many requests a second, and so many at once. */
function limited(rate, burst = rate) {
  let tokens = burst
  let last = Date.now()
  return () => {
    tokens = Math.min(burst, tokens + ((Date.now() - last) / 1000) * rate)
    last = Date.now()
    if (tokens < 1) return { status: 429, headers: { 'retry-after': '1' }, body: 'Too many requests' }
    tokens--
  }
}

function every(nth, answer) {
  let count = 0
  return () => (++count % nth ? undefined : answer)
}
