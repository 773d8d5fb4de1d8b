// The state of a client's session. The functions of the machine take it as `m`; they do no I/O and read no clock: `_now`
// is the time of the input being handled, and 0 stands for no time. All times are milliseconds of the wall clock.

import type { Kind } from './carriers.js'
import { newRecvLog, newSendLog, type RecvLog, type SendLog } from './log.js'

/** The transports, as the API and the server's metrics name them. */
export type Transport = 'websocket' | 'sse' | 'longpoll'

/** What the client knows of one transport. */
export interface Way {
  _name: Transport
  /** Deaths before proof, in a row. */
  _young: number
  /** Rests so far, each twice as long. */
  _rests: number
  /** Not before then, unless nothing else is left (HF1-LIV-09). */
  _rest: number
  /** It did not open; charged once another transport does. */
  _failed: boolean
  /** Largest batch (HF1-ATT-07). */
  _limit: number
  /** Full batches that arrived since `_limit` last changed. */
  _full: number
  /** This race has tried it. */
  _tried: boolean
}

/** One attachment as the client sees it. */
export interface Path {
  _att: number
  _way: Way
  _state: 'opening' | 'open' | 'gone'
  /** The selection its open carried; 0: it stands by. */
  _u: number
  /** What carries it: WebSocket, stream, hanging poll; undefined between polls. */
  _down: Conn | undefined
  /** Its POST under way, on HTTP. */
  _up: Conn | undefined
  _challenge: string
  /** On a WebSocket: the last up line written. */
  _pos: number
  /** Controls to write. */
  _ctl: string
  /** Polls sent. */
  _p: number
  _pollAt: number
  /** The u of a use that is not confirmed. */
  _useU: number
  _useAt: number
  _born: number
  _openedAt: number
  /** Last batch. */
  _heard: number
  /** Ping under way. */
  _pingI: number
  _pingAt: number
  _pongs: number
  /** The ping under way asks about a stall. */
  _stallPing: boolean
  _beaconBy: number
  _proven: boolean
  /** It carried a log line or an ack. */
  _useful: boolean
  /** It may be dead: open beside. */
  _suspect: boolean
  /** The server said so: no more data here. */
  _detached: boolean
  /** Failed POSTs in a row. */
  _faults: number
  _leaveBy: number
  /** Size of the largest batch not known to have arrived, and its last line. */
  _batch: number
  _batchTo: number
}

/** One carrier of a path. */
export interface Conn {
  _id: number
  _kind: Kind
  _path: Path
  _born: number
  /** Deadline, for POSTs. */
  _by: number
  /** Its first batch is not written yet. */
  _first: boolean
  /** The controls its body carries: said again if it fails. */
  _ctl: string
}

/** How a session ended. */
export interface Ending {
  _code: number
  _reason: string
  /** What the peer has taken of our log; undefined: there was no final word. */
  _recv: number | undefined
  _remote: boolean
}

/** A step of a session's life, for timelines and logs. */
export type Step = 'attach' | 'opened' | 'selected' | 'proven' | 'suspect' | 'detached' | 'refused' | 'died'

/** What the machine asks of its surroundings. */
export type Action =
  /** Open carrier `_conn`; its first batch is `next(m, _conn)`. */
  | { _do: 'dial'; _conn: number; _kind: Kind }
  /** Call `next` until it has no more. */
  | { _do: 'write'; _conn: number }
  /** End the carrier; nothing it does is of interest any more. */
  | { _do: 'hangup'; _conn: number; _code: number }
  /** Ask the application for credentials, then call `authorized`. */
  | { _do: 'auth' }
  | { _do: 'trace'; _what: Step; _transport: Transport; _att: number; _reason: string }
  /** The session has ended: see `_over`. */
  | { _do: 'over' }

export interface Config {
  _key: string
  /** Order of preference, best first. */
  _transports: readonly Transport[]
  _maxBatch: number
  /** Largest message this side takes, in bytes. */
  _maxMessage: number
  /** Window until `opened` tells the session's. */
  _win: number
  _auth: unknown
  _meta: unknown
  /** In [0, 1). */
  _random: () => number
}

export interface Machine {
  _cfg: Config
  _now: number
  _out: SendLog
  _in: RecvLog

  _run: string
  _id: string
  _win: number
  /** Bounds of the server. */
  _maxBatch: number
  _maxMessage: number
  _ping: number
  _hold: number

  /** Highest selection number used, and the highest that the server has confirmed. */
  _u: number
  _heard: number
  /** The path this side has selected. */
  _cur: Path | undefined
  /** Highest position in the up log that the server has stated. */
  _known: number
  /** Highest down line the server says it has sent, and when it said so first. */
  _sentDown: number
  _sentAt: number

  _ways: Way[]
  _paths: Path[]
  _conns: Conn[]
  _atts: number
  _ids: number
  _pings: number

  /** Round trip, smoothed; 0 unknown. */
  _rtt: number
  /** A log line came or went. */
  _lastLog: number
  /** A log line came. */
  _lastRecv: number
  /** The ack moved, or lines went out when none were outstanding. */
  _progress: number
  /** An ack of its own is due. */
  _ackAt: number
  /** A rewind was asked. */
  _rewindAt: number
  /** Empty poll answers in a row, each within 100 ms. */
  _empties: number

  /** The next attempt to connect starts then; 0: nothing is planned. */
  _raceAt: number
  /** Whole races lost in a row. */
  _tries: number
  /** First refusal as unknown. */
  _unknownAt: number
  /** Code and transport of the last fault (HF1-ERR-02). */
  _faultCode: number
  _faultWay: Way | undefined
  _reauthed: boolean
  _waitAuth: boolean
  /** A close gives up waiting. */
  _closeBy: number
  _peerClosed: { code: number; reason: string } | undefined
  /** The ack of the peer's close is repeated. */
  _closeAck: number

  _over: Ending | undefined
  /** When to call `tick`; 0: never. */
  _deadline: number
  _actions: Action[]
}

/** The largest batch there may be. */
export const maxBatchBound = 1 << 20

export const newMachine = (cfg: Config): Machine => ({
  _cfg: cfg,
  _now: 0,
  _out: newSendLog(),
  _in: newRecvLog(),
  _run: '',
  _id: '',
  _win: cfg._win,
  _maxBatch: 65536,
  _maxMessage: maxBatchBound,
  _ping: 20e3,
  _hold: 20e3,
  _u: 0,
  _heard: 0,
  _cur: undefined,
  _known: 0,
  _sentDown: 0,
  _sentAt: 0,
  _ways: cfg._transports.map((name) => ({
    _name: name,
    _young: 0,
    _rests: 0,
    _rest: 0,
    _failed: false,
    _limit: maxBatchBound,
    _full: 0,
    _tried: false,
  })),
  _paths: [],
  _conns: [],
  _atts: 0,
  _ids: 0,
  _pings: 0,
  _rtt: 0,
  _lastLog: 0,
  _lastRecv: 0,
  _progress: 0,
  _ackAt: 0,
  _rewindAt: 0,
  _empties: 0,
  _raceAt: 0,
  _tries: 0,
  _unknownAt: 0,
  _faultCode: 0,
  _faultWay: undefined,
  _reauthed: false,
  _waitAuth: false,
  _closeBy: 0,
  _peerClosed: undefined,
  _closeAck: 0,
  _over: undefined,
  _deadline: 0,
  _actions: [],
})

/** The time has come. If not, it is a deadline to wake for. */
export function due(m: Machine, at: number): boolean {
  if (!at || m._now >= at) return !!at
  if (!m._deadline || at < m._deadline) m._deadline = at
  return false
}

/** How long a close waits for the final word (HF1-CLO-04). */
export const closeGrace = 10e3

export const connOf = (m: Machine, id: number): Conn | undefined => m._conns.find((c) => c._id === id)

/** How long lines may go without any sign that they arrive. */
export const patience = (m: Machine): number => Math.max(2e3, 4 * m._rtt)

export const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

export function trace(m: Machine, what: Step, path: Path, reason: string): void {
  m._actions.push({ _do: 'trace', _what: what, _transport: path._way._name, _att: path._att, _reason: reason })
}
