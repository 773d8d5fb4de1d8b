import type { Options } from './index.js';
/**
 * The platform's WebSocket, over a session: what is sent while a connection breaks arrives
 * nonetheless, once and in order. `options` are those of the sessions that it makes; `meta` and
 * `renew` are its own.
 */
export declare const WebSocket: typeof globalThis.WebSocket & {
    options: Options;
};
export type WebSocket = globalThis.WebSocket;
