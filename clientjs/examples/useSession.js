import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { connect } from 'holdfast'

/**
 * A session for as long as the component is mounted with that URL, and what it has received.
 * `options` are those of the first time.
 */
export function useSession(url, options) {
  const store = useMemo(() => makeStore(url, options), [url])
  useEffect(store.open, [store])
  return { ...useSyncExternalStore(store.subscribe, store.view, store.view), send: store.send }
}

function makeStore(url, options) {
  let session
  let view
  const early = [] // sent before the session is there, as the effects of children do
  const listeners = new Set()
  const set = (news) => {
    view = { ...view, ...news, state: session?.state ?? 'connecting' }
    for (const listener of listeners) listener()
  }
  set({ messages: [], transport: undefined })
  return {
    // StrictMode calls it, closes what it opened, and calls it again.
    open() {
      const own = (session = connect(url, options))
      const show = (news) => own === session && set(news)
      own.on('message', ({ data }) => show({ messages: [...view.messages, data] }))
      own.on('transport', ({ transport }) => show({ transport }))
      own.on('close', (end) => show({ end }))
      for (const data of early.splice(0)) own.send(data)
      return () => {
        session = undefined
        own.close()
      }
    },
    send: (data) => (session ? session.send(data) : early.push(data)),
    subscribe: (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    view: () => view,
  }
}
