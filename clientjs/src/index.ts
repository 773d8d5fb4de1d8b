// Holdfast for browsers and Node: one lossless session over WebSocket, server-sent events and long
// polling.
//
//   const session = connect('/holdfast', { auth: () => token })
//   session.on('message', (message) => show(message.data))
//   session.send('hello') // works before it is open, on any network

export { AuthError, connect } from './session.js'
export type {
  Data,
  End,
  Events,
  Message,
  Options,
  Session,
  State,
  Step,
  Store,
  Trace,
  Transport,
  TransportChange,
  WebSocketLike,
} from './types.js'
