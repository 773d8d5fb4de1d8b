// Shows a report: in plain words for the visitor, as text for whoever helps.
import { reportText } from './doctor.mjs'

const $ = (id) => document.getElementById(id)

const verdicts = {
  good: ['Everything works here', 'All three ways get through. If something is slow or fails all the same, the cause is not between this browser and this server.'],
  degraded: ['It works here, with a handicap', 'At least one way gets through, so programs that use Holdfast work: nothing is lost. What the network does to the others is below.'],
  blocked: ['Nothing gets through here', 'No way to this server works from this network. What was seen is below.'],
}
const refused = ['The server refuses', 'The network lets everything through. The server itself does not want this session, and says why below.']
const stopped = ['Stopped', 'The check was ended early. What was seen until then is below.']
const severities = { fault: 'Fault', warning: 'Handicap', note: 'Good to know' }

function element(name, text, attributes = {}) {
  const e = document.createElement(name)
  if (text) e.textContent = text
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value)
  return e
}

/** One finding. What strangers sent is only ever text. */
function finding({ id, severity, title, evidence, advice, config, class: classes }) {
  const item = element('li', '', { 'data-severity': severity, 'data-id': id })
  const head = element('h3', title)
  head.append(element('span', severities[severity], { class: 'badge' }))
  const seen = element('ul', '', { class: 'seen' })
  seen.append(...evidence.map((line) => element('li', line)))
  item.append(head, element('h4', `What was seen (${[id, ...classes].join(', ')})`), seen, element('h4', 'What to do'), element('p', advice))
  const products = Object.entries(config)
  if (products.length > 0) {
    const settings = element('details')
    const list = element('dl')
    for (const [product, line] of products) {
      const value = element('dd')
      value.append(element('code', line))
      list.append(element('dt', product), value)
    }
    settings.append(element('summary', 'Settings for whoever runs a proxy on the way'), list)
    item.append(settings)
  }
  return item
}

/** Shows it, and moves the reader there. */
export function show(report, early) {
  const [title, words] = early ? stopped : report.findings.some((f) => f.id === 'server-refuses') ? refused : verdicts[report.verdict]
  $('result').dataset.verdict = early ? '' : report.verdict
  $('verdict').textContent = title
  $('meaning').textContent = words
  $('findings').replaceChildren(...report.findings.map(finding))
  $('text').textContent = reportText(report)
  $('copied').textContent = ''
  $('result').hidden = false
  $('result').focus()
  $('announce').textContent = `${title}. ${words}`
}

/** Copies the report. Where the clipboard is closed to pages, as without https, the text is marked, and the browser's own copying tried. */
async function copy() {
  const text = $('text')
  let words = 'Copied'
  try {
    await navigator.clipboard.writeText(text.textContent)
  } catch {
    getSelection().selectAllChildren(text)
    if (!document.execCommand('copy')) words = 'Marked: press Ctrl+C or ⌘C'
  }
  $('copied').textContent = words
  $('announce').textContent = words
}

$('copy').addEventListener('click', copy)
