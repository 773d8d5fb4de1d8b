import type { Options, Session } from './types.js';
/**
 * Begins a session with the server at `url` (http, https, ws or wss; in a page it may be relative)
 * and returns at once: messages may be sent right away.
 */
export declare function connect(url: string, options?: Options): Session;
