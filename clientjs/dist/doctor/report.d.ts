/**
 * How much a finding matters: a transport does not carry sessions; it does, at a cost; worth
 * knowing when something fails.
 */
export type Severity = 'fault' | 'warning' | 'note';
/**
 * Every transport carries a session; a session works, not over every transport as it should; none
 * works.
 */
export type Verdict = 'good' | 'degraded' | 'blocked';
/** What became of one transport's session. */
export interface TransportReport {
    readonly name: 'websocket' | 'sse' | 'longpoll';
    /** `impaired`: it carries a session, at a cost. */
    state: 'fits' | 'impaired' | 'fails';
    /** The session's public id; empty if it never opened. */
    session: string;
    /** Milliseconds until the server's first control; -1: it never came. */
    openedMs: number;
    /** Milliseconds of a ping there and back; -1: unknown. */
    rttMs: number;
    /** For how many milliseconds it was seen to live. */
    watchedMs: number;
}
/** One thing that the network does, or that is wrong at an end of it. */
export interface Finding {
    /** docs/doctor.md has them all. */
    readonly id: string;
    readonly severity: Severity;
    readonly title: string;
    /** What was seen; never empty. */
    readonly evidence: string[];
    readonly advice: string;
    /** Product → the setting that would mend it there. */
    readonly config: Readonly<Record<string, string>>;
    /** Failure modes of docs/doctor.md, as F08. */
    readonly class: readonly string[];
}
/**
 * What a diagnosis has found. It has no secrets: neither the session's key nor its run, no cookie,
 * no query of the URL.
 */
export interface Report {
    /** The endpoint, less its query. */
    readonly url: string;
    /** When it began, ISO 8601. */
    readonly began: string;
    readonly tookMs: number;
    readonly long: boolean;
    readonly verdict: Verdict;
    readonly summary: string;
    /** The best first. */
    readonly transports: readonly TransportReport[];
    /** The gravest first. */
    readonly findings: readonly Finding[];
    /** What was measured and is no finding. */
    readonly facts: readonly {
        readonly name: string;
        readonly value: string;
    }[];
    /** What this run cannot tell. */
    readonly notTested: readonly string[];
}
/**
 * Makes what a stranger sent fit to be shown: one line, no control characters, at most so many
 * characters.
 */
export declare function clean(text: string, most?: number): string;
/** Collects what is found. */
export declare class Findings {
    readonly findings: Finding[];
    readonly facts: {
        name: string;
        value: string;
    }[];
    readonly notTested: string[];
    /** The URL's query, which is not to be shown. */
    hidden: string;
    /** Books a finding, or more evidence for it; returns how grave it is. */
    find(id: string, evidence: string): Severity;
    /** Books a measurement; the first of a name stays. */
    fact(name: string, value: string): void;
    /** Books what could not be seen. */
    untested(what: string): void;
    /** The findings, the gravest first. */
    sorted(): Finding[];
}
/** Milliseconds in words. */
export declare const took: (ms: number) => string;
/** The report for people: to be read at a help desk, and copied. */
export declare function reportText(report: Report): string;
