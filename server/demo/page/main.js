// The demo: an echo session whose network the visitor can break.

import { Chart } from './chart.js'
import { Composer } from './composer.js'
import { unwrap, wrapPicture, wrapText } from './envelope.js'
import { Ledger } from './ledger.js'
import { Network } from './network.js'
import { Talk } from './talk.js'
import { Timeline } from './timeline.js'
import { CurrentTransport } from './transport.js'
import { age, count, meaning, nameOf } from './text.js'

const $ = (id) => document.getElementById(id)
const endpoint = new URL('holdfast', document.baseURI).href

const network = new Network()
const ledger = new Ledger()
const current = new CurrentTransport()
const chart = new Chart($('chart'))
const timeline = new Timeline($('timeline'))
const talk = new Talk($('log'), $('empty'))
new Composer($('composer'), (content) => send(content, true))

let connect
let session
let startedAt = 0
let ended = false

try {
  ;({ connect } = await import('./holdfast.mjs'))
  start()
} catch (error) {
  fail(error)
}

function start() {
  ended = false
  startedAt = Date.now()
  current.reset()
  setTransport(undefined)
  session = connect(endpoint, { fetch: network.fetch, WebSocket: network.WebSocket })
  session.on('message', ({ data }) => receive(data))
  session.on('transport', ({ transport }) => setTransport(transport))
  session.on('trace', (step) => {
    const line = current.trace(step)
    if (line) timeline.add(line, step.time)
  })
  session.on('open', () => timeline.add({ tone: 'good', text: 'Session open' }))
  session.on('renew', (end) => {
    over(end, 'A new session has begun by itself.')
    startedAt = Date.now()
    current.reset()
  })
  session.on('close', (end) => {
    ended = true
    setTransport(undefined)
    over(end, '', { label: 'Start a new session', run: start })
  })
  refresh()
}

/** Sends text or a picture; `shown` adds it to the conversation. Returns the text of an error, or ''. */
function send(content, shown) {
  if (!session || ended) return 'The session is over. Start a new one to send more.'
  const number = ledger.next
  const data = content.bytes ? wrapPicture(number, content.type, content.bytes) : wrapText(number, content.text)
  let sessionNumber
  try {
    sessionNumber = session.send(data)
  } catch (error) {
    if (session.state === 'closing') return 'The session is being closed.'
    return error instanceof RangeError
      ? 'The session holds as much as it may until the server answers. Try again later.'
      : `Not sent: ${error.message}`
  }
  const entry = shown ? talk.mine(content) : undefined
  ledger.send(data, { entry, content, sessionNumber }, performance.now())
  return ''
}

function receive(data) {
  const content = unwrap(data)
  const entry = ledger.receive(content.number, data)
  current.suspect = false
  if (!entry) return
  const ms = performance.now() - entry.at
  chart.trip(ms, session.transport, Date.now())
  if (!entry.note.entry) return
  talk.state(entry.note.entry, 'delivered, once')
  talk.theirs(content, ms)
}

/** Shows how a session ended and which messages were delivered. */
function over(end, next, action) {
  const left = ledger.handBack()
  const not = new Set(end.notDelivered)
  const unknown = new Set(end.unknown)
  const fates = { delivered: 0, not: 0, unknown: 0 }
  for (const [, { note }] of left) {
    const fate = not.has(note.sessionNumber) ? 'not' : unknown.has(note.sessionNumber) ? 'unknown' : 'delivered'
    fates[fate]++
    if (!note.entry) continue
    if (fate === 'delivered') talk.state(note.entry, 'delivered, but the answer did not come')
    else {
      talk.state(note.entry, fate === 'not' ? 'not delivered' : 'fate unknown', 'bad')
      talk.offer(note.entry, () => send(note.content, true))
    }
  }
  const parts = []
  if (fates.delivered) parts.push(`${fates.delivered} delivered`)
  if (fates.not) parts.push(`${fates.not} not delivered`)
  if (fates.unknown) parts.push(`${fates.unknown} unknown`)
  const fate = parts.length
    ? ` Of the ${count(left.length, 'message')} still under way: ${parts.join(', ')}.`
    : ' Every message had come back.'
  const tone = end.code < 4200 ? 'good' : 'bad'
  talk.notice(`The session is over: ${meaning(end)}.${fate} ${next}`, tone, action)
  timeline.add({ tone, text: `Session over: ${meaning(end)}`, transport: '' })
  refresh()
}

function setTransport(transport) {
  current.transport = transport
  chart.carries(transport, Date.now())
  if (session && !ended) $('announce').textContent = `${nameOf(transport)} carries the session`
  refresh()
}

function fail(error) {
  $('headline').textContent = 'The client did not load'
  $('why').textContent = `Is the server running? Reload the page to try again. (${error.message})`
  $('chip').textContent = 'error'
}

/** Sets the text of an element, if it has changed. */
function write(id, text) {
  const element = $(id)
  if (element.textContent !== text) element.textContent = text
}

function headline() {
  if (ended) return 'The session is over'
  if (current.transport) return nameOf(current.transport)
  return session.id ? 'Nothing, for the moment' : 'Connecting …'
}

function refresh() {
  if (!session) return
  const now = Date.now()
  const transport = current.transport ?? ''
  write('headline', headline())
  write('why', ended ? 'Start a new one in the conversation.' : current.why(now, network, ledger.waiting))
  write('chip', ended ? 'over' : transport ? nameOf(transport) : 'no connection')
  $('status').dataset.transport = $('chip').dataset.transport = transport
  write('fact-id', session.id ? session.id.slice(0, 8) : '–')
  write('fact-age', session.id && !ended ? age(now - startedAt) : '–')
  write('fact-switches', String(current.switches))
  for (const name of ['sent', 'received', 'waiting', 'lost', 'duplicated', 'outOfOrder', 'altered', 'handedBack'])
    write(`n-${name}`, String(ledger[name]))
  $('handed-back').hidden = !ledger.handedBack
  for (const tile of document.querySelectorAll('.zero'))
    tile.classList.toggle('broken', tile.lastElementChild.textContent !== '0')
  write('latency-text', chart.summary())
  for (const id of ['cut', 'end']) $(id).disabled = ended
}

/** Records that the visitor changed the network. */
function did(text) {
  timeline.add({ tone: 'you', text })
  chart.mark(Date.now())
  refresh()
}

function toggle(id, property, on, off) {
  $(id).addEventListener('click', () => {
    did(network[property] ? off : on)
    network[property] = !network[property]
    $(id).setAttribute('aria-pressed', String(network[property]))
  })
}

$('cut').addEventListener('click', () => {
  did('You cut the line')
  network.cut()
})
toggle('offline', 'offline', 'You went offline', 'You came back online')
toggle('hole', 'blackHole', 'You opened a black hole', 'You closed the black hole')
$('end').addEventListener('click', () => {
  did('You ended the session')
  session?.close()
})
$('only').addEventListener('change', ({ target }) => {
  did(target.value ? `You forced ${nameOf(target.value)}` : 'You let every transport through')
  network.only = target.value
})

setInterval(() => {
  if ($('steady').checked && session?.state !== 'closing') send({ text: '·' }, false)
}, 250)

// A browser may keep the state of a form over a reload, but the network starts without faults.
document.querySelector('#only input').checked = true
$('steady').checked = true

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')
let drawnAt = 0
setInterval(() => {
  if (document.hidden) return
  refresh()
  const now = Date.now()
  if (now - drawnAt < (reducedMotion.matches ? 1000 : 240)) return
  drawnAt = now
  chart.draw(now, ledger.oldest(performance.now()))
}, 250)
