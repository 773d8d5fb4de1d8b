// What the checks of page/websocket.js use. No module, so that it can be injected.

globalThis.webSocketTools = (() => {
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const next = (socket, type) => new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }))

  /** The name of what is thrown, or what is returned. */
  const outcome = (act) => {
    try {
      return act()
    } catch (error) {
      return `throws ${error.name}`
    }
  }

  const ready = async (socket) => {
    await Promise.race([next(socket, 'open'), next(socket, 'close')])
    return socket
  }

  /** Everything that a socket tells, up to its close. */
  const story = async (socket, act = () => {}) => {
    const lines = []
    for (const type of ['open', 'message', 'error', 'close'])
      socket.addEventListener(type, (event) => {
        const words = [type, socket.readyState]
        if (type === 'message') words.push(event.data)
        if (type === 'close') words.push(event.code, event.reason, event.wasClean)
        lines.push(words.join(' '))
      })
    await act(socket)
    if (!lines.some((line) => line.startsWith('close'))) await next(socket, 'close')
    await pause(20)
    return lines
  }

  const echoed = async (socket, data) => {
    socket.send(data)
    return (await next(socket, 'message')).data
  }

  const hex = async (data) => [...new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data)].join(' ')

  return { pause, next, outcome, ready, story, echoed, hex }
})()
