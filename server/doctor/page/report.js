// Shows a report: a summary for the visitor, and the full text for support.
import { reportText } from './doctor.mjs'

const $ = (id) => document.getElementById(id)

const verdicts = {
  good: [
    'Everything works here',
    'All three ways get through. If something is slow or fails all the same, the cause is not between ' +
      'this browser and this server.',
  ],
  degraded: [
    'It works here, with a handicap',
    'At least one way gets through, so programs that use Holdfast work: nothing is lost. ' +
      'What the network does to the others is below.',
  ],
  blocked: ['Nothing gets through here', 'No way to this server works from this network. What was seen is below.'],
}
const refused = [
  'The server refuses',
  'The network lets everything through. The server itself does not want this session, and says why below.',
]
const stopped = ['Stopped', 'The check was ended early. What was seen until then is below.']
const severities = { fault: 'Fault', warning: 'Handicap', note: 'Good to know' }

function element(name, text, attributes = {}) {
  const e = document.createElement(name)
  if (text) e.textContent = text
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value)
  return e
}

/** One finding. Received data is only ever set as text, never as HTML. */
function finding({ id, severity, title, evidence, advice, config, class: classes }) {
  const item = element('li', '', { 'data-severity': severity, 'data-id': id })
  const head = element('h3', title)
  head.append(element('span', severities[severity], { class: 'badge' }))
  const seen = element('ul', '', { class: 'seen' })
  seen.append(...evidence.map((line) => element('li', line)))
  item.append(
    head,
    element('h4', `What was seen (${[id, ...classes].join(', ')})`),
    seen,
    element('h4', 'What to do'),
    element('p', advice),
  )
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

function summary(report) {
  return report.findings.some((f) => f.id === 'server-refuses') ? refused : verdicts[report.verdict]
}

/** Shows the report and moves the focus to it. */
export function show(report, early) {
  const [title, meaning] = early ? stopped : summary(report)
  $('result').dataset.verdict = early ? '' : report.verdict
  $('verdict').textContent = title
  $('meaning').textContent = meaning
  $('findings').replaceChildren(...report.findings.map(finding))
  $('text').textContent = reportText(report)
  $('copied').textContent = ''
  $('result').hidden = false
  $('result').focus()
  $('announce').textContent = `${title}. ${meaning}`
}

/**
 * Copies the report. Without https a page cannot use the clipboard: then the text is selected, and the
 * copy command of the browser is tried.
 */
async function copy() {
  const text = $('text')
  let result = 'Copied'
  try {
    await navigator.clipboard.writeText(text.textContent)
  } catch {
    getSelection().selectAllChildren(text)
    if (!document.execCommand('copy')) result = 'Marked: press Ctrl+C or ⌘C'
  }
  $('copied').textContent = result
  $('announce').textContent = result
}

$('copy').addEventListener('click', copy)
