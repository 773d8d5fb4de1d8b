import { type Data, type Events, type Message, type Options, type State, type Transport } from './index.js';
/**
 * Options of `share`: those of `connect` without `store`, and a name. All tabs should give the
 * same.
 */
export interface ShareOptions extends Omit<Options, 'store'> {
    /** Tabs of an origin that give the same name and URL share a session. Default: `''`. */
    name?: string;
}
/**
 * A session of all tabs. It is used as a `Session` is; what it sends takes its number from what all
 * tabs send.
 */
export interface SharedSession extends AsyncIterable<Message> {
    readonly state: State;
    /** What carries the session at this moment, whichever tab does. */
    readonly transport: Transport | undefined;
    /** The session's public name, once the server has told it. */
    readonly id: string | undefined;
    /**
     * About how many bytes are held, of all tabs, because the server's application has not taken them
     * yet.
     */
    readonly buffered: number;
    /** Whether this tab carries the session. Where tabs cannot share, every one carries its own. */
    readonly leads: boolean;
    /**
     * Sends a message and resolves with its number once it is in the journal: from then on it is
     * delivered even if this tab is closed. Messages of one tab keep their order. Rejects as
     * `Session.send` throws, and if the journal cannot be written.
     */
    send(data: Data): Promise<number>;
    /**
     * Resolves when the server's application has taken all that this tab has sent so far; rejects if
     * the session ends before that.
     */
    drained(): Promise<void>;
    /**
     * Calls `listener` for every event of that type, and returns the function that stops it. `trace`
     * comes in the tab that leads.
     */
    on<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): () => void;
    /** Ends the session for all tabs, as `Session.close` does. */
    close(code?: number, reason?: string): void;
    /**
     * This tab takes no more part. The session goes on in the others; without any, the next tab goes
     * on with it.
     */
    leave(): void;
}
/**
 * Joins the session that the tabs of this origin share, or begins it. Every tab is given every
 * message, in order, from the moment it listens; nothing is taken from the server while no tab
 * does. Where the platform lacks Web Locks (they need https or localhost), BroadcastChannel or
 * IndexedDB, the tab has a session of its own.
 */
export declare function share(url: string | URL, options?: ShareOptions): SharedSession;
