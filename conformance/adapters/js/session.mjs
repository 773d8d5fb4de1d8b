// What the adapters of the JavaScript client share: it runs in Node and in a page. `adapter`
// returns the function that takes a command of docs/conformance.md, "The adapter protocol"; `emit`
// is called with the events.
export function adapter(connect, options, emit) {
  const sessions = new Map()
  return (c) => {
    const report = (event, more) => emit({ session: c.session, event, ...more })
    if (c.do === 'connect') {
      try {
        sessions.set(c.session, start(c, report))
      } catch (error) {
        report('refused', { error: String(error) })
      }
      return
    }
    const session = sessions.get(c.session)
    if (!session) return
    if (c.do === 'take') take(session, report)
    else if (c.do === 'send') send(session, c, report)
    else if (c.do === 'drained') session.drained().then(() => report('drained'), () => {})
    else if (c.do === 'close') session.close(c.code || 4100, c.reason ?? '')
  }

  function start(c, report) {
    const { url, transports, auth, meta, maxBatch } = c
    const session = connect(url, { transports, auth, meta, maxBatch, renew: false, ...options })
    let open = false
    session.on('trace', ({ what, transport, attachment, reason }) => {
      if (what === 'opened' && !open) report('open')
      open ||= what === 'opened'
      report('trace', { what, transport, attachment, reason })
    })
    session.on('close', ({ code, reason, remote, delivered, unknown }) =>
      report('closed', { code, reason, remote, delivered, exact: unknown.length === 0 }))
    if (!c.hold) take(session, report)
    return session
  }
}

function take(session, report) {
  session.on('message', ({ data, number }) =>
    report('message', typeof data === 'string' ? { number, text: data } : { number, base64: encode(data) }))
}

function send(session, c, report) {
  const data = c.malformed ? 'a\ud800' : (c.text ?? Uint8Array.from(atob(c.base64 ?? ''), (x) => x.charCodeAt(0)))
  try {
    report('sent', { number: session.send(data) })
  } catch (error) {
    report('refused', { error: String(error) })
  }
}

function encode(bytes) {
  let text = ''
  for (const b of bytes) text += String.fromCharCode(b)
  return btoa(text)
}
