// The state of a client's session. The functions of the machine take it as `m` and do no I/O: what they want done they
// leave in `_actions`. All times are milliseconds of the wall clock; 0 or undefined stands for no time. What begins as false
// or as no time is left out where a value is made.

import type { Carrier, Kind } from './carriers.js'
import type { Fields } from './control.js'
import { newLogs, type Logs } from './log.js'
import { recall } from './memory.js'
import { stored } from './stored.js'
import type { End, Step, Trace, Transport } from './types.js'

/** The facts that are remembered of a transport. */
export const Rest = 0
export const Rests = 1
export const Idle = 2
export const Age = 3
export const Hold = 4
export const Limit = 5

/** What the client knows of one transport. */
export interface Way {
  _name: Transport
  /** 0 is the best. */
  _rank: number
  /** Deaths before proof, in a row. */
  _young: number
  /** It did not open; charged once another transport does. */
  _failed?: boolean
  /** This race has tried it. */
  _tried?: boolean
  /**
   * Rest: not before then, unless nothing else is left (HF1-LIV-09). Rests: how many so far, each twice as long; while there
   * are any the transport is on probation (HF1-LIV-13). Idle, Age: when paths die. Hold: polls that hang for longer fail.
   * Limit: largest batch, 0 if never halved (HF1-ATT-07).
   */
  _facts: number[]
  /** Idle and Age as the last death would have them, Limit as it was at the last pong. */
  _before: number[]
}

/** One attachment as the client sees it. */
export interface Path {
  _att: number
  _way: Way
  /** The selection its open carried; undefined: it stands by. */
  _u: number | undefined
  /** When it was opened; 0: it is being opened. */
  _openedAt: number
  _born: number
  /** When its last batch came, or when it began. */
  _heard: number
  /** When the last frame went out, on a WebSocket. */
  _spoke: number
  /** The longest silence since `_heard` that this side ended, and the longest that the path lived through. */
  _gap: number
  _endured: number
  _challenge?: string
  /** On a WebSocket: the last up line written. */
  _pos: number
  /** Controls to write. */
  _ctl: string
  /** Polls sent. */
  _p: number
  /** The next poll waits until then. */
  _pollAt?: number
  /** How long POSTs wait after one that was refused, and until when (HF1-POL-09). */
  _pause: number
  _postAt?: number
  /** A use that is not confirmed: when to say it again, and by when it should be. */
  _useAt?: number
  _useBy?: number
  /** The ping under way, and when it was sent. */
  _pingI?: number
  _pingAt?: number
  _pongs: number
  /** A stream that has not shown both beacons by then is held back. */
  _beaconBy?: number
  /** The last of them that came. */
  _beacons?: number
  _proven?: boolean
  /** Its transport was charged with its death, or is not to be. */
  _charged?: boolean
  /** It may be dead: open beside. */
  _suspect?: boolean
  /** The server said so: no more data here. */
  _detached?: boolean
  /** Failed POSTs in a row. */
  _faults: number
  /** POSTs in a row that another server has answered. */
  _strays: number
  /** It is read no longer than that. */
  _leaveBy?: number
  /** Size of the largest batch not known to have arrived, and its last line. */
  _underway: number
  _underwayTo?: number
}

/** One carrier of a path. */
export interface Conn {
  _kind: Kind
  _path: Path
  _born: number
  /** Deadline, for POSTs. */
  _by: number
  /** Its first batch is not made yet. */
  _first: boolean
  /** The controls its body carries: said again if it fails. */
  _ctl: string
  /** For whoever does the I/O. */
  _carrier?: Carrier
}

/** Who does what the machine asks. */
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
  /** The session has ended: see `_over`. */
  _end(): void
}

export interface Config {
  _key: string
  /** Order of preference, best first. */
  _transports: readonly Transport[]
  /** Largest batch and largest message that this side takes, in bytes. */
  _takesBatch: number
  _takesMessage: number
  _auth?: unknown
  _meta: unknown
  /** What an earlier session handed out, parsed. */
  _memory?: unknown
  /** In [0, 1). */
  _random: () => number
  _clock: () => number
}

export interface Machine extends Config, Logs {
  /** The time of the input that is being handled. */
  _now: number
  /** When to call `input` again; 0: never. */
  _deadline: number
  /** A rule has changed what others have judged: there is a step to trace. */
  _again?: boolean
  _actions: ((host: Host) => void)[]

  /** What the server said in the last `opened`: who is who, its bounds and intervals. Before that, the defaults. */
  _server: Pick<Fields, 'win' | 'lim' | 'ping' | 'hold'> & Partial<Pick<Fields, 'run' | 'id' | 'att'>>

  /** Highest selection number used, and the highest that the server has confirmed. */
  _u: number
  _heardU: number
  /** The path this side has selected. */
  _cur?: Path | undefined
  /** Highest position in the up log that the server has stated. */
  _known: number
  /** Highest down line the server says it has sent, and when it said so first, or a line came since. */
  _sentDown: number
  _sentAt: number

  _ways: Way[]
  /** The last that was in use and proven: it is tried first (HF1-LIV-19). */
  _best?: Way | undefined
  /** What is known began to be learned then. */
  _since: number
  /** What was handed out last, and when. */
  _remembered?: string
  _toldAt: number
  _paths: Path[]
  _conns: Conn[]
  _atts: number
  _pings: number

  /** Round trip, smoothed; 0 unknown. */
  _rtt: number
  /** The round trip is a guess, and is to be measured anew: how long to be patient until then, at least. */
  _slow: number
  /** A log line came or went. */
  _lastLog?: number
  /** The first one after a time without. */
  _activeAt?: number
  /** The ack moved or a pong came, or lines went out when none were outstanding. */
  _progress: number
  /** An ack of its own is due. */
  _ackAt?: number
  /** A rewind was asked. */
  _rewindAt?: number
  /** When the client woke. */
  _wokeAt: number
  /** The platform says that there is no network. */
  _offline?: boolean

  /** The next attempt to connect starts then; 0: nothing is planned. */
  _raceAt?: number
  /** Nor before then: a server said so. */
  _notBefore?: number
  /** Whole races lost in a row. */
  _tries: number
  /** First refusal as unknown. */
  _unknownAt?: number
  /** A WebSocket was refused for its Origin. */
  _foreign?: boolean
  /** Code and transport of the last fault (HF1-ERR-02). */
  _faultCode?: number
  _faultWay?: Way
  _reauthed?: boolean
  /** Credentials are being asked for, and were given then. */
  _waitAuth: boolean
  _authAt?: number
  /** This side's `!close` is the last line of its log. */
  _closing?: boolean
  /** The peer's `!close` was taken. */
  _peerClosed?: { code: number; reason: string }
  /** A close gives up waiting. */
  _closeBy?: number
  /** The ack of the peer's close is repeated. */
  _closeAck?: number
  _over?: End
}

export function newMachine(config: Config): Machine {
  const _now = config._clock()
  const m: Machine = {
    ...config,
    ...newLogs(),
    _ways: config._transports.map((name, rank) => ({ _name: name, _rank: rank, _young: 0, _facts: [0, 0, 0, 0, 0, 0], _before: [0, 0, 0, 0, 0, 0] })),
    _paths: [],
    _conns: [],
    _actions: [],
    // What is missing here is not asked for before `opened`.
    _server: { win: 1 << 21, lim: { maxMessage: 1 << 20 } } as Machine['_server'],
    _waitAuth: true,
    _now,
    _since: _now,
    _wokeAt: 0,
    _toldAt: 0,
    _deadline: 0,
    _u: 0,
    _heardU: 0,
    _known: 0,
    _sentDown: 0,
    _sentAt: 0,
    _atts: 0,
    _pings: 0,
    _rtt: 0,
    _slow: 0,
    _progress: 0,
    _tries: 0,
  }
  recall(m)
  return m
}

/** The time has come. If not, it is a deadline to wake for. */
export function due(m: Machine, at = 0): boolean {
  if (at > m._now) m._deadline = Math.min(m._deadline || at, at)
  return !!at && at <= m._now
}

/** It was restored (see reload.ts), and the server has not said yet that it knows the session. */
export const unheard = ({ _server }: Machine): boolean => stored && !!_server.run && !_server.att

export const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

/** How long an attempt may take before it hangs. */
export const hangs = (m: Machine): number => Math.max(2e3, 4 * m._rtt)

/** How long lines may go without any sign that they arrive. */
export const patience = (m: Machine): number => Math.max(hangs(m), m._slow)

/** Nothing was answered in time: be three times as patient until the round trip is measured anew (HF1-LIV-06). */
export function slower(m: Machine): void {
  m._slow = Math.min(3 * patience(m), 10e3)
}

/** The path in use, unless it may be dead. */
export const sound = ({ _cur }: Machine): Path | undefined => (_cur?._suspect ? undefined : _cur)

export const isPoll = (path: Path): boolean => path._way._name === 'longpoll'

export function trace(m: Machine, what: Step, { _way, _att }: Path, reason = ''): void {
  const step = { what, transport: _way._name, attachment: _att, reason, time: m._now }
  m._again = true
  m._actions.push((host) => host._trace(step))
}
