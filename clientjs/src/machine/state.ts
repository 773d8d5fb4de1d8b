// The state of the client machine, and questions about it that change nothing. The machine does no
// I/O: what it wants done it leaves in `_effects`. All times are milliseconds of a clock that is
// never set, and near the wall clock; 0 or undefined stands for no time. What begins as false or as
// no time is left out where a value is made.

import type { Carrier, Kind } from '../carriers/carrier.js'
import { stored } from '../stored.js'
import type { End, Trace, Transport } from '../types.js'
import type { Fields } from '../wire/control.js'
import { newLogs, type Logs } from '../wire/log.js'

/** The entries that the network memory has of a transport. */
export const Cooldown = 0
export const Cooldowns = 1
export const Idle = 2
export const Age = 3
export const Hold = 4
export const Limit = 5

/** What is known of one transport. */
export interface TransportState {
  _name: Transport
  /** 0 is the best. */
  _rank: number
  /** Attachments in a row that failed before they were validated. */
  _earlyFailures: number
  /** It did not open. It gets a cooldown once another transport does. */
  _failed?: boolean
  /** This race has tried it. */
  _tried?: boolean
  /**
   * Cooldown: not before then, unless nothing else is left (HF1-LIV-09). Cooldowns: how many so
   * far, each twice as long; while there are any the transport is on probation (HF1-LIV-13).
   * Idle, Age: the silence and the age at which attachments end. Hold: longer polls fail.
   * Limit: the largest batch, 0 if it was never halved (HF1-ATT-07).
   */
  _learned: number[]
  /** Idle and Age as the last close alone has them, Limit as confirmed by the last pong. */
  _before: number[]
}

/** How long an attachment's own carrier was silent. */
export interface Silence {
  /** When its last batch came, or when it was started. */
  _lastReceived: number
  /** When the last frame went out, on a WebSocket. */
  _lastSent: number
  /** The longest silence since `_lastReceived` that this side ended. */
  _gap: number
  /** The longest silence after which something still came. */
  _maxSurvived: number
}

export interface Ping {
  /** The ping that waits for its pong; 0: none. */
  _i?: number
  _at?: number
  /** Pongs that came. */
  _count: number
}

/** The POSTs of an attachment. */
export interface Posts {
  /** Polls sent. */
  _polls: number
  /** The next poll waits until then. */
  _pollAt?: number
  /** How long POSTs wait after one that was refused, and until when (HF1-POL-09). */
  _pause: number
  _at?: number
  /** POSTs that failed in a row. */
  _failures: number
  /** POSTs in a row that another server has answered. */
  _misrouted: number
}

/** The lines that were written on an attachment. */
export interface Written {
  /** On a WebSocket: the last one. */
  _pos: number
  /** Size of the largest batch that is not known to have arrived, and its last line. */
  _inFlight: number
  _to?: number
}

/** One attachment as the client sees it. */
export interface Attachment {
  _att: number
  _transport: TransportState
  /** The selection that its open carried; undefined: it stands by. */
  _u: number | undefined
  _startedAt: number
  /** 0: it is being opened. */
  _openedAt: number
  _challenge?: string
  /** Controls to write. */
  _ctl: string
  /** A stream that has not shown both beacons by then is held back. */
  _beaconBy?: number
  /** The last beacon that came. */
  _beacons?: number
  _validated?: boolean
  /** Its transport was penalized for its end, or is not to be. */
  _penalized?: boolean
  /** It may be dead: another is opened beside it. */
  _suspect?: boolean
  /** The server sends no more data here. */
  _detached?: boolean
  /** It is read no longer than that. */
  _leaveBy?: number
  /** A `use` that is not confirmed: when to send it again, and by when it should be. */
  _useAt?: number
  _useBy?: number
  _silence: Silence
  _ping: Ping
  _posts: Posts
  _written: Written
}

/** One carrier of an attachment. */
export interface Conn {
  _kind: Kind
  _attachment: Attachment
  _startedAt: number
  /** Deadline, for POSTs. */
  _by: number
  /** Its first batch is not made yet. */
  _first: boolean
  /** The controls in its body: they are queued again if it fails. */
  _ctl: string
  /** For the host. */
  _carrier?: Carrier
}

/** Does what the machine wants done. */
export interface Host {
  /** Open the carrier; its first batch is `next(m, conn)`. */
  _dial(conn: Conn): void
  /** Call `next` until it has no more. */
  _write(conn: Conn): void
  /** End the carrier; nothing it does is of interest any more. */
  _hangup(conn: Conn, code: number): void
  /** Ask the application for credentials, then call `authorized`. */
  _ask(): void
  _trace(trace: Trace): void
  /** Keep it for the next session to this endpoint. */
  _remember(memory: string): unknown
  /** The session is over. */
  _end(): void
}

export interface Config {
  _key: string
  /** Order of preference, best first. */
  _transports: readonly Transport[]
  /** Largest batch and largest message that this side takes, in bytes. */
  _maxBatch: number
  _maxMessage: number
  _auth?: unknown
  _meta: unknown
  /** What an earlier session handed out, parsed. */
  _memory?: unknown
  /** In [0, 1). */
  _random: () => number
  /** Begins with the wall clock, which the network memory is kept by, and then only rises. */
  _clock: () => number
}

/** When the next attempt to connect may start. */
export interface Race {
  /** The next attempt; 0: none is planned. */
  _at?: number
  /** Nor before then: a server wanted it so. */
  _notBefore?: number
  /** Races in a row that every transport has lost. */
  _tries: number
  /** Attachments so far. */
  _atts: number
}

/** Which attachment carries the session. */
export interface Selection {
  /** Highest selection number used, and the highest that the server has confirmed. */
  _u: number
  _confirmedU: number
}

/** What tells whether the session makes progress. */
export interface Liveness {
  /** Round trip, smoothed; 0: unknown. */
  _rtt: number
  /** Set while the round trip is a guess and is to be measured anew: the least responseTimeout. */
  _guessedTimeout: number
  /** The last log line, either way. */
  _lastLog?: number
  /** The first log line after a time without. */
  _activeAt?: number
  /** The ack moved or a pong came, or lines went out when none were outstanding. */
  _progress: number
  _pings: number
  /** When the client woke. */
  _wokeAt: number
  /** The platform says that there is no network. */
  _offline?: boolean
  /** Highest down line that the server has sent by its own word. */
  _sentDown: number
  /** When it first said so, or when a line came since. */
  _sentDownAt?: number
}

/** What the network memory needs beside the transports. */
export interface Learning {
  /** The last transport that was in use and validated: it is tried first (HF1-LIV-19). */
  _best?: TransportState | undefined
  /** What is known was learned since then. */
  _since: number
  /** What was handed out last, and when. */
  _remembered?: string
  _rememberedAt: number
}

/** How the session ends. */
export interface Closing {
  /** This side's `!close` is the last line of its log. */
  _local?: boolean
  /** The peer's `!close` was taken. */
  _peer?: { code: number; reason: string }
  /** A close waits no longer than that. */
  _by?: number
  /** The ack of the peer's close is repeated then. */
  _ackAt?: number
  _over?: End
}

/** What is known of our own log at the server, and what is due to go out. */
export interface Output {
  /** Highest position in the up log that the server has stated. */
  _known: number
  /** An ack that rides alone is due. */
  _ackAt?: number
  /** When missing lines were last asked for. */
  _rewindAt?: number
}

/** What was refused so far, and the credentials. */
export interface Refusals {
  /** First refusal as unknown. */
  _unknownAt?: number
  /** A WebSocket was refused for its Origin. */
  _originRejected?: boolean
  /** Code and transport of the last fault (HF1-ERR-02). */
  _faultCode?: number
  _faultTransport?: TransportState
  /** Credentials were refused, and asked for again: those are not refused in vain (HF1-ERR-04). */
  _reauthed?: boolean
  /** When they are asked for again, since the application had none. */
  _askAt?: number
  /** Credentials are being asked for. */
  _waitAuth: boolean
  /** When they were given. */
  _authAt?: number
}

export interface Machine {
  _config: Config
  _log: Logs
  /** What `opened` said last: who is who, bounds and intervals. Before that, the defaults. */
  _server: Pick<Fields, 'win' | 'lim' | 'ping' | 'hold'> & Partial<Pick<Fields, 'run' | 'id' | 'att'>>
  /** The time of the input that is being handled. */
  _now: number
  /** When to call `tick` again; 0: never. */
  _deadline: number
  /** A rule has changed what others have judged. */
  _again?: boolean
  _effects: ((host: Host) => void)[]
  _transports: TransportState[]
  _attachments: Attachment[]
  _conns: Conn[]
  /** The attachment in use. */
  _current?: Attachment | undefined
  _race: Race
  _selection: Selection
  _liveness: Liveness
  _learning: Learning
  _closing: Closing
  _output: Output
  _refusals: Refusals
}

export function newState(config: Config): Machine {
  const _now = config._clock()
  return {
    _config: config,
    _log: newLogs(),
    // What is missing here is not asked for before `opened`.
    _server: { win: 1 << 21, lim: { maxMessage: 1 << 20 } } as Machine['_server'],
    _now,
    _deadline: 0,
    _effects: [],
    _transports: config._transports.map((_name, _rank) => ({
      _name,
      _rank,
      _earlyFailures: 0,
      _learned: [0, 0, 0, 0, 0, 0],
      _before: [0, 0, 0, 0, 0, 0],
    })),
    _attachments: [],
    _conns: [],
    _race: { _tries: 0, _atts: 0 },
    _selection: { _u: 0, _confirmedU: 0 },
    _liveness: { _rtt: 0, _guessedTimeout: 0, _progress: 0, _pings: 0, _wokeAt: 0, _sentDown: 0 },
    _learning: { _since: _now, _rememberedAt: 0 },
    _closing: {},
    _output: { _known: 0 },
    _refusals: { _waitAuth: true },
  }
}

/** It was restored (see store.ts), and the server has not said yet that it knows the session. */
export const unconfirmed = ({ _server }: Machine): boolean => stored && !!_server.run && !_server.att

export const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

/** The attachment in use, unless it may be dead. */
export const healthy = ({ _current }: Machine): Attachment | undefined =>
  _current?._suspect ? undefined : _current

export const isPoll = ({ _transport }: Attachment): boolean => _transport._name === 'longpoll'

export const isSocket = (attachment?: Attachment): boolean => attachment?._transport._name === 'websocket'
