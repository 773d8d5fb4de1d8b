// What a diagnosis reports: the form of its report, which is that of `holdfast doctor -json` too,
// and its text for people.

import catalogue from './findings.json' with { type: 'json' }

/**
 * How much a finding matters: a transport does not carry sessions; it does, at a cost; worth
 * knowing when something fails.
 */
export type Severity = 'fault' | 'warning' | 'note'

/**
 * Every transport carries a session; a session works, not over every transport as it should; none
 * works.
 */
export type Verdict = 'good' | 'degraded' | 'blocked'

/** What became of one transport's session. */
export interface TransportReport {
  readonly name: 'websocket' | 'sse' | 'longpoll'
  /** `impaired`: it carries a session, at a cost. */
  state: 'fits' | 'impaired' | 'fails'
  /** The session's public id; empty if it never opened. */
  session: string
  /** Milliseconds until the server's first control; -1: it never came. */
  openedMs: number
  /** Milliseconds of a ping there and back; -1: unknown. */
  rttMs: number
  /** For how many milliseconds it was seen to live. */
  watchedMs: number
}

/** One thing that the network does, or that is wrong at an end of it. */
export interface Finding {
  /** docs/doctor.md has them all. */
  readonly id: string
  readonly severity: Severity
  readonly title: string
  /** What was seen; never empty. */
  readonly evidence: string[]
  readonly advice: string
  /** Product → the setting that would mend it there. */
  readonly config: Readonly<Record<string, string>>
  /** Failure modes of docs/doctor.md, as F08. */
  readonly class: readonly string[]
}

/**
 * What a diagnosis has found. It has no secrets: neither the session's key nor its run, no cookie,
 * no query of the URL.
 */
export interface Report {
  /** The endpoint, less its query. */
  readonly url: string
  /** When it began, ISO 8601. */
  readonly began: string
  readonly tookMs: number
  readonly long: boolean
  readonly verdict: Verdict
  readonly summary: string
  /** The best first. */
  readonly transports: readonly TransportReport[]
  /** The gravest first. */
  readonly findings: readonly Finding[]
  /** What was measured and is no finding. */
  readonly facts: readonly { readonly name: string; readonly value: string }[]
  /** What this run cannot tell. */
  readonly notTested: readonly string[]
}

/** What there is to say of a finding, beside its evidence. */
interface CatalogueEntry {
  severity: Severity
  class: string[]
  title: string
  advice: string
  config?: Record<string, string>
}

const entries = catalogue as unknown as Record<string, CatalogueEntry>
const order: Record<Severity, number> = { fault: 0, warning: 1, note: 2 }

/** The bounds of a finding's evidence: lines, and characters of a line. */
const maxEvidence = 8
const maxLine = 240

/**
 * Makes what a stranger sent fit to be shown: one line, no control characters, at most so many
 * characters.
 */
export function clean(text: string, most = maxLine): string {
  const shown = text
    .replace(/[\t\n\r]/g, ' ')
    .replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '')
    .trim()
  const chars = [...shown]
  return chars.length > most ? chars.slice(0, most - 1).join('') + '…' : shown
}

/** Collects what is found. */
export class Findings {
  readonly findings: Finding[] = []
  readonly facts: { name: string; value: string }[] = []
  readonly notTested: string[] = []
  /** The URL's query, which is not to be shown. */
  hidden = ''

  /** Books a finding, or more evidence for it; returns how grave it is. */
  find(id: string, evidence: string): Severity {
    const { severity, title, advice, config = {}, class: classes } = entries[id]!
    // Pages like to repeat their address.
    const words = clean(this.hidden ? evidence.replaceAll(this.hidden, '…') : evidence)
    const known = this.findings.find((f) => f.id === id)
    if (!known) this.findings.push({ id, severity, title, evidence: [words], advice, config, class: classes })
    else if (known.evidence.length < maxEvidence && !known.evidence.includes(words)) known.evidence.push(words)
    return severity
  }

  /** Books a measurement; the first of a name stays. */
  fact(name: string, value: string): void {
    if (!this.facts.some((f) => f.name === name)) this.facts.push({ name, value: clean(value) })
  }

  /** Books what could not be seen. */
  untested(what: string): void {
    if (!this.notTested.includes(what)) this.notTested.push(what)
  }

  /** The findings, the gravest first. */
  sorted(): Finding[] {
    return [...this.findings].sort((a, b) => order[a.severity] - order[b.severity])
  }
}

/** Milliseconds in words. */
export const took = (ms: number): string => (ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)

/** Breaks words into lines of at most 100 characters, if they let themselves be broken. */
function wrapped(indent: string, text: string): string {
  const lines = [indent]
  text.split(/\s+/).forEach((word, i) => {
    const line = lines[lines.length - 1]!
    if (i && line.length + 1 + word.length > 100) lines.push(' '.repeat(indent.length) + word)
    else lines[lines.length - 1] = line + (i ? ' ' : '') + word
  })
  return lines.join('\n') + '\n'
}

/** The report for people: to be read at a help desk, and copied. */
export function reportText(report: Report): string {
  let text = `Holdfast doctor: ${report.url}\n${report.began}, took ${took(report.tookMs)}\n\n`
  text += `${report.verdict.toUpperCase()}  ${report.summary}\n\n`
  for (const t of report.transports) {
    text += `  ${t.name.padEnd(10)} ${t.state.padEnd(9)}`
    if (t.openedMs >= 0) text += ` opened in ${t.openedMs} ms`
    if (t.rttMs >= 0) text += `, ping ${t.rttMs} ms`
    if (t.watchedMs > 0) text += `, seen to live for ${took(t.watchedMs)}`
    text += (t.session && `\n${' '.repeat(22)} session ${t.session}`) + '\n'
  }
  if (!report.findings.length) text += '\nNothing was found.\n'
  report.findings.forEach((f, i) => {
    text += `\n${i + 1}. ${f.title}\n   [${[`${f.severity}: ${f.id}`, f.class.join(' ')].filter(Boolean).join(', ')}]\n`
    for (const line of f.evidence) text += wrapped('   seen: ', line)
    text += wrapped('   to do: ', f.advice)
    for (const [product, line] of Object.entries(f.config)) text += `     ${`${product}:`.padEnd(8)} ${line}\n`
  })
  if (report.facts.length) text += '\nMeasured:\n' + report.facts.map((f) => `  ${f.name}: ${f.value}\n`).join('')
  if (report.notTested.length)
    text += '\nNot seen by this run:\n' + report.notTested.map((n) => wrapped('  - ', n)).join('')
  return text
}
