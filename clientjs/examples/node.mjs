// node node.mjs http://127.0.0.1:8080/holdfast
import { connect } from 'holdfast'

// Node 22 and later have a WebSocket. Node 20 has none: the session uses the other transports, or
// what is given here, such as `WebSocket` of the package ws.
const session = connect(process.argv[2])
session.on('renew', (end) => console.error('a new session, after', end.reason))

for (let i = 1; i <= 3; i++) session.send(`message ${i}`)
await session.drained() // the server's application has them

for await (const { number, data } of session) {
  console.log(number, data)
  if (number === 3) break
}
console.log('carried by', session.transport)
session.close()
