export { AuthError, connect } from './session.js';
export type { Data, End, Events, Message, Options, Session, State, Step, Store, Trace, Transport, TransportChange, WebSocketLike, } from './types.js';
