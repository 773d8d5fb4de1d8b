import type { Options, Session } from './types.js';
/** Thrown by `auth` it ends the session, 4301: there are no credentials, and there will be none. */
export declare class AuthError extends Error {
}
/**
 * Begins a session with the server at `url` (http, https, ws or wss; in a page it may be relative)
 * and returns at once: messages may be sent right away. Throws a TypeError for a URL or an option
 * that cannot be, and a RangeError for a number out of its bounds.
 */
export declare function connect(url: string | URL, options?: Options): Session;
