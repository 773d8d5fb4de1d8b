import type { Options, Session } from './types.js';
/**
 * Begins a session with the server at `url` (http, https, ws or wss; in a page it may be relative)
 * and returns at once: messages may be sent right away. Throws a TypeError for a URL or an option
 * that cannot be, and a RangeError for a number out of its bounds.
 */
export declare function connect(url: string | URL, options?: Options): Session;
