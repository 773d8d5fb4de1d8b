// The zoo: Chromium and the built server on the two sides of every middlebox in cells/. README.md
// says how to use it.
import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium, lacking, pause } from '../../clientjs/browser/machines.mjs'
import { limits, verdict } from './books.mjs'
import { Box, closeAll } from './box.mjs'
import evil from './cells/evil.mjs'
import gateways from './cells/gateways.mjs'
import { heading, row } from './table.mjs'
import { visit } from './visit.mjs'

const { values: flags } = parseArgs({
  options: {
    list: { type: 'boolean' }, // print the cells
    ci: { type: 'boolean' }, // the short schedule
    only: { type: 'string' }, // cells by name, or by class: F08,held
    repeat: { type: 'string', default: '1' },
    parallel: { type: 'string', default: '6' },
    seconds: { type: 'string' }, // of traffic, silence, traffic
    first: { type: 'string', default: `${limits.firstMs}` }, // a later first message fails, in ms
    stall: { type: 'string', default: `${limits.stallMs}` }, // a message that is later fails, in ms
    out: { type: 'string' }, // JSON lines
  },
})
process.env.PATH += ':/usr/sbin:/sbin'

const all = [...evil, ...gateways]
const seconds = (flags.seconds ?? (flags.ci ? '5,7,5' : '12,8,10')).split(',').map(Number)
const gate = { firstMs: Number(flags.first), stallMs: Number(flags.stall) }
const parallel = Number(flags.parallel)

function chosen() {
  if (!flags.only) return all.filter((cell) => cell.ci || !flags.ci)
  const words = flags.only.split(',')
  const found = all.filter((cell) => words.some((word) => word === cell.name || cell.class.split(' ').includes(word)))
  if (found.length === 0) throw new Error(`no cell is called ${flags.only}: see --list`)
  return found
}

/** The cells whose programs are here. CI skips nothing. */
function possible(cells) {
  return cells.filter(({ name, needs = [] }) => {
    const lack = needs.filter((tool) => !installed(tool))
    if (lack.length === 0) return true
    if (process.env.CI === 'true') throw new Error(`${name} needs ${lack.join(', ')}`)
    console.log(`skipped: ${name} needs ${lack.join(', ')}`)
    return false
  })
}

function installed(tool) {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Builds the server and the proxy of evil modes. */
function build(folder) {
  const packages = { server: './server/browsertest', middlebox: './conformance/cmd/holdfast-conformance' }
  const programs = {}
  for (const [name, path] of Object.entries(packages)) {
    programs[name] = join(folder, name)
    const options = { cwd: resolve(import.meta.dirname, '../..'), stdio: ['ignore', 'inherit', 'inherit'] }
    execFileSync('go', ['build', '-o', programs[name], path], options)
  }
  return programs
}

/**
 * Visits cells at the same time. All are set up before the first one connects, and they connect one
 * after the other.
 */
async function batch(cells, browser, programs) {
  let waiting = cells.length
  let open
  const allReady = new Promise((resolve) => { open = resolve })
  return Promise.all(cells.map(async (cell, i) => {
    let counted = false
    const ready = () => {
      if (!counted && --waiting === 0) open()
      counted = true
    }
    const turn = async () => {
      await allReady
      await pause(i * 400)
    }
    const times = cell.seconds ?? seconds
    const result = await visit({ browser, programs, cell, slot: all.indexOf(cell), seconds: times, ready, turn })
    return { cell, result, failure: report(cell, result) }
  }))
}

/** Prints what happened; returns what is wrong with it, if anything. */
function report(cell, result) {
  // A cell may state limits of its own, for the time that its fault costs in any case.
  const judge = ({ firstMs, stallMs }) => {
    if (result.error) return 'ERROR'
    const own = { firstMs: Math.max(firstMs, cell.firstMs ?? 0), stallMs: Math.max(stallMs, cell.stallMs ?? 0) }
    return verdict(result, own)
  }
  const { traces, ...shown } = { cell: cell.name, class: cell.class, verdict: judge(limits), ...result }
  console.log(row(shown))
  if (flags.out) appendFileSync(flags.out, `${JSON.stringify({ ...shown, traces })}\n`)
  const failure = judge(gate)
  if (failure === 'ok') return undefined
  console.log(result.error ?? JSON.stringify(shown))
  for (const step of traces?.slice(-60) ?? []) console.log(`    ${step.join(' ')}`)
  return failure
}

/** Visits all; returns the names of cells that failed. */
async function visitAll(cells, browser, programs) {
  const failed = []
  const again = []
  for (let i = 0; i < cells.length; i += parallel)
    for (const { cell, failure } of await batch(cells.slice(i, i + parallel), browser, programs))
      if (failure === 'slow' || failure === 'ERROR') again.push(cell)
      else if (failure) failed.push(cell.name)
  // The machine may have been slow, or another program took a port: try once more, alone. A fault
  // of the session gets no second try.
  for (const cell of again) if ((await batch([cell], browser, programs))[0].failure) failed.push(cell.name)
  return failed
}

function list({ ci, name, class: faults, title }) {
  console.log(`${ci ? '*' : ' '} ${name.padEnd(24)} ${faults.padEnd(12)} ${title}`)
}

async function main() {
  if (flags.list) return all.forEach(list)
  if (lacking('chromium')) return console.log(`the zoo is skipped: it ${lacking('chromium')}`)
  const cells = possible(chosen()).flatMap((cell) => Array(Number(flags.repeat)).fill(cell))

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => closeAll().finally(() => process.exit(1)))
  const own = new Box(all.length) // for what all cells share
  let failed
  try {
    const programs = build(own.folder)
    // The page never came over the network, so Chromium does not know that it belongs to this
    // machine, and would refuse it ws://127.0.0.1.
    const page = await chromium(own, own.folder, [
      '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
      '--ignore-certificate-errors',
    ])
    console.log(heading)
    failed = await visitAll(cells, page.browser(), programs)
  } finally {
    await own.close()
  }
  const names = failed.length ? `: ${failed.join(' ')}` : ''
  console.log(`zoo: ${cells.length - failed.length} passed, ${failed.length} failed${names}`)
  process.exitCode = failed.length ? 1 : 0
}

await main()
