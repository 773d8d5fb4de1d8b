import { type Report, type TransportReport } from './doctor/report.js';
import type { WebSocketLike } from './types.js';
export { reportText } from './doctor/report.js';
export type { Finding, Report, Severity, TransportReport, Verdict } from './doctor/report.js';
export type { WebSocketLike } from './types.js';
/** A step of a diagnosis, to be shown while it runs. */
export interface Progress {
    readonly transport: 'websocket' | 'sse' | 'longpoll';
    /** What is tried now, or what became of it. */
    readonly text: string;
    /** Set once the transport has been judged. */
    readonly state: TransportReport['state'] | undefined;
}
/** Options of `diagnose`; all may be left out. */
export interface DiagnoseOptions {
    /**
     * Milliseconds for all of it. Default: 15,000; with `long` 95,000. What has not ended by then is
     * reported as far as it was seen.
     */
    timeout?: number;
    /**
     * Watch a busy and a quiet connection for 70 s too, and hold a request for as long as the server
     * does. Default: false.
     */
    long?: boolean;
    /** Credentials for the server's authenticator, as in `connect`: a JSON value. */
    auth?: unknown;
    /** Whether requests carry cookies. Default: `'same-origin'`. */
    credentials?: RequestCredentials;
    /** Ends the diagnosis early; the report tells what was seen by then. */
    signal?: AbortSignal;
    /** Is told of every step. */
    onProgress?: (progress: Progress) => void;
    /** In place of the platform's. */
    WebSocket?: new (url: string) => WebSocketLike;
    /** In place of the platform's. */
    fetch?: typeof fetch;
}
/**
 * Tries every transport to an endpoint, all at a time, and reports. It takes about 10 s and at most
 * `timeout` and 1 s more, needs nothing of the server's application, and closes its sessions.
 * Throws a TypeError if `endpoint` is not http, https, ws or wss, or has a fragment; all else is in
 * the report.
 */
export declare function diagnose(endpoint: string | URL, options?: DiagnoseOptions): Promise<Report>;
