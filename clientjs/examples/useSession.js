import { useEffect, useState, useSyncExternalStore } from 'react'
import { connect } from 'holdfast'

/** A session for as long as the component is mounted, and what it has received. */
export function useSession(url, options) {
  const [store] = useState(() => {
    let session
    let view = { messages: [], transport: undefined, state: 'connecting' }
    const listeners = new Set()
    const set = (news) => {
      view = { ...view, ...news, state: session.state }
      for (const listener of listeners) listener()
    }
    return {
      open() {
        session = connect(url, options)
        session.on('message', ({ data }) => set({ messages: [...view.messages, data] }))
        session.on('transport', ({ transport }) => set({ transport }))
        session.on('close', (end) => set({ end }))
        return () => session.close()
      },
      send: (data) => session.send(data),
      subscribe: (listener) => (listeners.add(listener), () => listeners.delete(listener)),
      view: () => view,
    }
  })
  useEffect(store.open, [store])
  return { ...useSyncExternalStore(store.subscribe, store.view, store.view), send: store.send }
}
