// Reads `go test -json` and prints what a person wants: the last line of each package, the output
// of tests that failed, the reason of each skipped test, and the count.
//
//   go test -json ./... | node .ci/go-summary.mjs NAME
import { createInterface } from 'node:readline'

const name = process.argv[2] ?? 'go'
const count = { pass: 0, fail: 0, skip: 0 }
const output = new Map() // of tests still running, by package and test
let packageFailed = false

function finish(event) {
  const key = `${event.Package} ${event.Test}`
  const lines = output.get(key) ?? []
  output.delete(key)
  count[event.Action]++
  if (event.Action === 'fail') process.stdout.write(lines.join(''))
  if (event.Action === 'skip') process.stdout.write(lines.filter((line) => !line.startsWith('=== ')).join(''))
}

for await (const line of createInterface({ input: process.stdin })) {
  let event
  try {
    event = JSON.parse(line)
  } catch {
    console.log(line) // not from a test: a message of the go command
    continue
  }
  switch (event.Action) {
    case 'output':
      if (event.Test) {
        const key = `${event.Package} ${event.Test}`
        if (!output.has(key)) output.set(key, [])
        output.get(key).push(event.Output)
      } else if (!/^(PASS|testing: warning: no tests to run)\s*$|\[no test files\]/.test(event.Output)) {
        process.stdout.write(event.Output)
      }
      break
    case 'build-output':
      process.stdout.write(event.Output)
      break
    case 'pass':
    case 'fail':
    case 'skip':
      if (event.Test) finish(event)
      else if (event.Action === 'fail') packageFailed = true
      break
    case 'build-fail':
      packageFailed = true
      break
  }
}

for (const lines of output.values()) process.stdout.write(lines.join('')) // of tests that never ended
console.log(`${name}: ${count.pass} passed, ${count.fail} failed, ${count.skip} skipped`)
if (packageFailed || count.fail > 0 || count.pass === 0) process.exitCode = 1
