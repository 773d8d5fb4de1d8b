import type { Store } from './types.js';
/** Options of `reloadStore`; all may be left out. */
export interface ReloadOptions {
    /**
     * How many characters of unacknowledged messages to keep, binary ones as base64, before it turns
     * itself off. Default: 4 MiB.
     */
    limit?: number;
    /** How long to wait, in ms, for the page before this one to be gone. Default: 2,000. */
    wait?: number;
}
/** A store for one call of `connect`. */
export interface ReloadStore extends Store {
    /** The session goes on from an earlier page; false when it is a new one. */
    readonly restored: boolean;
}
/**
 * Makes the store that keeps a session under `name` for as long as its tab is open. Call it once
 * before each `connect`; two sessions in a page need two names. It never rejects: where the
 * platform lacks Web Locks (they need https or localhost) or forbids storage, the store is off and
 * the session has the event `unstored`.
 */
export declare function reloadStore(name: string, { limit, wait }?: ReloadOptions): Promise<ReloadStore>;
