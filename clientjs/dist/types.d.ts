/** The transports, as the server's metrics name them too. */
export type Transport = 'websocket' | 'sse' | 'longpoll';
/**
 * What can be sent: text, or bytes as a buffer or a view of one. Of a view, its bytes as they lie in
 * memory; of either, those it has when `send` is called.
 */
export type Data = string | ArrayBufferLike | ArrayBufferView;
/** A step in the life of an attachment. */
export type Step = 'attach' | 'opened' | 'selected' | 'validated' | 'suspect' | 'detached' | 'refused' | 'died';
/** A message from the server. */
export interface Message {
    /**
     * A text, or the bytes of a binary message; they belong to the receiver and fill a buffer of their
     * own.
     */
    readonly data: string | Uint8Array;
    /** Its place in what the server has sent. With `session` it makes an idempotency key. */
    readonly number: number;
    /** The id of the session it came in. */
    readonly session: string;
}
/** How a session ended, and the fate of each message that this side had sent in it. */
export interface End {
    /** The close code: 41xx ended normally, 42xx over but a new session is welcome, 43xx fatal. */
    readonly code: number;
    /** The reason that whoever ended it gave. */
    readonly reason: string;
    /** The server ended it. */
    readonly remote: boolean;
    /** The id of the session; empty if it was never open. */
    readonly session: string;
    /** The server's application has taken every message up to this number. */
    readonly delivered: number;
    /** Numbers of the messages that it has not taken, and will not. */
    readonly notDelivered: readonly number[];
    /** Numbers of the messages whose fate nobody knows, since there was no final word. */
    readonly unknown: readonly number[];
}
/** A step in the life of the session's transports, for timelines and logs. */
export interface Trace {
    /**
     * What happened: an `attach` began, it was `opened`, `selected` to carry the session, `validated`
     * by survival …
     */
    readonly what: Step;
    readonly transport: Transport;
    /** The number of the attachment: one WebSocket, one event stream, or one series of long polls. */
    readonly attachment: number;
    /** Why, where there is more to say. */
    readonly reason: string;
    /** When, in milliseconds since 1970, by a clock that is not set while the session lasts. */
    readonly time: number;
}
/** What carries the session now. */
export interface TransportChange {
    /** Undefined while nothing does: the session goes on as soon as something can. */
    readonly transport: Transport | undefined;
}
/** The events of a session and what their listeners are given. */
export interface Events {
    /** A message. Messages are kept, unacknowledged, until there is a listener or an iterator. */
    message: Message;
    /** The server knows the session; `id` may be shown and logged. Comes again after a renewal. */
    open: {
        readonly id: string;
    };
    /** Another transport carries the session, or none does for now. */
    transport: TransportChange;
    /** The server's application has taken everything sent so far. */
    drain: undefined;
    /**
     * The session was over and a new one has begun in its place. Nothing was sent again: see the
     * fates.
     */
    renew: End;
    /** The option `store` has turned itself off: the next page begins a new session. */
    unstored: {
        readonly reason: string;
    };
    /** The session has ended for good. */
    close: End;
    /** For timelines and logs. */
    trace: Trace;
}
/**
 * `connecting`: no transport carries it, for the first time or again. `closing`: one side has
 * closed it.
 */
export type State = 'connecting' | 'open' | 'closing' | 'closed';
/** What Holdfast needs of a WebSocket: the platform's, or that of the ws package. */
export interface WebSocketLike {
    binaryType: string;
    readonly bufferedAmount: number;
    onopen: ((event: any) => void) | null;
    onmessage: ((event: any) => void) | null;
    onclose: ((event: any) => void) | null;
    onerror: ((event: any) => void) | null;
    send(data: any): void;
    close(code?: number): void;
}
/** Where a session is kept. It is for one call of `connect`. */
export interface Store {
    /** What it is kept under. */
    readonly name: string;
}
/** Options of `connect`; all may be left out. */
export interface Options {
    /**
     * Credentials for the server's authenticator: any JSON value, or a function that gives one or a
     * promise of one. It is called when a session begins, and again when the server refuses what it
     * gave. If it throws it is called again, ever more slowly. The session ends (4301) if it throws an
     * `AuthError` or gives what JSON cannot hold, and if the server refuses what it has just given in
     * place of what was refused.
     */
    auth?: unknown;
    /** Any JSON value for the server's application. With `auth` at most 8 KiB. */
    meta?: unknown;
    /**
     * Which transports may be used, the preferred first. Default: `['websocket', 'sse', 'longpoll']`.
     */
    transports?: readonly Transport[];
    /** Whether requests carry cookies. Default: `'same-origin'`. */
    credentials?: RequestCredentials;
    /**
     * In place of the platform's; Node has one from version 22 on. Without any, `websocket` is left
     * out.
     */
    WebSocket?: new (url: string) => WebSocketLike;
    /** In place of the platform's. */
    fetch?: typeof fetch;
    /**
     * How many bytes of unacknowledged messages to hold, each with 16 for every line, before `send`
     * throws. Default: 8 MiB.
     */
    buffer?: number;
    /** The largest batch to take from the server, in bytes, 2,048 to 1,048,576. Default: 65,536. */
    maxBatch?: number;
    /** Whether a new session begins when one is over (42xx). Default: true. */
    renew?: boolean;
    /**
     * Where it is kept what the network did to each transport: under `holdfast` and the endpoint, for
     * a day, so that the next session begins with what worked. Nothing of the session or of its
     * messages is kept. Default: `localStorage`, in a page; `false`: nothing is kept.
     */
    memory?: Pick<Storage, 'getItem' | 'setItem'> | false;
    /**
     * Keeps the session, so that the page goes on with it when it is loaded again: see
     * `holdfast/reload`.
     */
    store?: Store;
}
/**
 * A session: what is sent on either side arrives on the other once, whole and in order, whatever
 * becomes of connections.
 */
export interface Session extends AsyncIterable<Message> {
    readonly state: State;
    /** What carries the session at this moment. */
    readonly transport: Transport | undefined;
    /** The session's public name, once the server has told it. */
    readonly id: string | undefined;
    /** How many bytes are held because the server's application has not taken them yet. */
    readonly buffered: number;
    /**
     * Sends a message, now or as soon as something carries the session, and returns its number.
     * Throws a RangeError at the bound of the buffer or of a message, a TypeError for what is neither
     * bytes nor text and for a text with a lone surrogate, and an Error once the session is closing.
     */
    send(data: Data): number;
    /**
     * Resolves when the server's application has taken all that was sent so far; rejects if the
     * session ends before that.
     */
    drained(): Promise<void>;
    /** Calls `listener` for every event of that type, and returns the function that stops it. */
    on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void;
    /**
     * Ends the session after everything sent before has been delivered. Throws a RangeError unless
     * `code` is 4100 to 4199 and `reason` at most 128 bytes of UTF-8.
     */
    close(code?: number, reason?: string): void;
}
