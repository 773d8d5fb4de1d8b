// Runs in the page: one session, numbered messages by the schedule, and a record of everything that
// arrives. The server starts; its first message says when.
globalThis.zoo = (() => {
  const state = { beganAt: 0, firstAt: 0, t0: 0, sent: 0, arrived: [], transports: [], traces: [], ended: '' }
  let session

  // The same as in server/browsertest/traffic.go.
  const text = (n, bulk) => {
    const head = `${n} ${state.t0} `
    return head + String.fromCharCode(97 + (n % 26)).repeat(Math.max(0, (n % 25 === 24 ? bulk : 64) - head.length))
  }

  function send(dues, bulk) {
    for (; state.sent < dues.length && state.t0 + dues[state.sent] <= Date.now(); state.sent++)
      session.send(text(state.sent, bulk))
    if (state.sent < dues.length) setTimeout(send, Math.max(5, state.t0 + dues[state.sent] - Date.now()), dues, bulk)
  }

  return {
    /**
     * `meta` asks the server for its traffic, `dues` are the page's own times, `hang` is how many
     * requests of other tabs are open.
     */
    start({ meta, dues, hang, options }) {
      for (let i = 0; i < hang; i++) fetch('/hang').catch(() => {})
      state.beganAt = Date.now()
      session = Holdfast.connect('/holdfast', { meta, ...options })
      session.on('transport', ({ transport }) =>
        state.transports.push([Date.now() - state.beganAt, transport ?? '-']))
      session.on('trace', (step) => {
        if (state.traces.length >= 2000) return
        state.traces.push([step.time - state.beganAt, step.what, step.transport, step.attachment, step.reason])
      })
      session.on('renew', ({ code, reason }) => { state.ended ||= `renewed: ${code} ${reason}` })
      session.on('close', ({ code, reason }) => { state.ended ||= `closed: ${code} ${reason}` })
      session.on('message', ({ data }) => {
        const now = Date.now()
        const [n, t0] = data.split(' ', 2).map(Number)
        if (!state.firstAt) {
          state.firstAt = now
          state.t0 = t0
          send(dues, meta.traffic.bulk)
        }
        state.arrived.push([n, now, Number(data === text(n, meta.traffic.bulk))])
      })
    },
    report: () => ({ ...state, id: session?.id ?? '' }),
  }
})()
