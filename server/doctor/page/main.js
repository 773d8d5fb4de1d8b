// Runs the check and shows its progress; report.js shows the result.
import { diagnose } from './doctor.mjs'
import { show } from './report.js'

const $ = (id) => document.getElementById(id)
const endpoint = new URL(document.body.dataset.endpoint, location.origin)

const names = { websocket: 'WebSocket', sse: 'Event stream', longpoll: 'Long poll' }

/** Shows the state of a transport, and announces the final one to screen readers. */
function step({ transport, text, state }) {
  const card = document.querySelector(`[data-way="${transport}"]`)
  card.dataset.state = state ?? 'trying'
  card.querySelector('.state').textContent = text
  const line = document.createElement('span')
  line.textContent = `${names[transport]}: ${text} `
  if (state) $('log').append(line)
}

/** Moves the progress bar with time, because the duration of a check is known. */
function clock(seconds) {
  const bar = $('bar')
  const startedAt = performance.now()
  bar.hidden = false
  const timer = setInterval(() => { bar.value = Math.min(97, (performance.now() - startedAt) / seconds / 10) }, 100)
  return () => {
    clearInterval(timer)
    bar.hidden = true
    bar.value = 0
  }
}

let running

async function run() {
  running = new AbortController()
  const long = $('long').checked
  $('result').hidden = true
  $('log').textContent = ''
  $('start').hidden = true
  $('stop').hidden = false
  $('long').disabled = true
  $('stop').focus()
  $('announce').textContent = `The check runs. It takes about ${long ? 80 : 10} seconds.`
  const stop = clock(long ? 80 : 10)
  const report = await diagnose(endpoint, { long, signal: running.signal, onProgress: step })
  stop()
  $('start').hidden = false
  $('start').textContent = 'Check again'
  $('stop').hidden = true
  $('long').disabled = false
  show(report, running.signal.aborted)
}

$('start').addEventListener('click', run)
$('stop').addEventListener('click', () => running.abort())
