import { useSession } from './useSession.js'

export function Chat({ url }) {
  const { messages, transport, send } = useSession(url)
  return (
    <>
      <p>Carried by <b>{transport ?? 'nothing yet'}</b></p>
      <button onClick={() => send('hello')}>Send</button>
      <ul>{messages.map((text, i) => <li key={i}>{text}</li>)}</ul>
    </>
  )
}
