/*! Holdfast, MIT licence */

// src/wire/control.ts
function fail(why = "malformed", code = 4303) {
  throw Error(why, { cause: code });
}
var sel = { u: 0, att: 0 };
var examples = {
  "!opened": {
    id: "",
    run: "",
    att: 0,
    recv: 0,
    sel,
    lim: { maxBatch: 0, maxMessage: 0 },
    win: 0,
    ping: 0,
    hold: 0,
    challenge: ""
  },
  "!refused": { reason: "" },
  "!reply": { recv: 0, sent: 0, sel },
  "!detach": { code: 0 },
  "!rewind": { recv: 0 },
  "!ping": { i: 0 },
  "!pong": { i: 0 },
  "!close": { code: 0, reason: "" },
  "!closed": { code: 0, reason: "", recv: 0 },
  "?beacon": { i: 0 }
};
var isLike = (value, example) => typeof value === typeof example && (typeof value === "number" ? Number.isSafeInteger(value) && value >= 0 : typeof value === "string" || Object.keys(example).every((name) => isLike(value?.[name], example[name])));
function parseFields(name, json) {
  const fields = JSON.parse(json);
  if (!isLike(fields, examples[name] ?? (name[0] === "!" ? fail() : {}))) fail();
  return fields;
}

// src/wire/codec.ts
var utf8 = new TextEncoder();
var byteLength = (text2) => utf8.encode(text2).length;
var costOf = (data) => 16 + (typeof data === "string" ? byteLength(data) : data.length);
var escapes = { "\\": "\\", n: "\n", r: "\r", "\n": "n", "\r": "r" };
var binaryString = (bytes) => String.fromCharCode(...bytes);
function fromBase64(text2) {
  const raw = atob(text2);
  if (btoa(raw) !== text2) fail();
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}
var randomName = (bytes) => btoa(binaryString(crypto.getRandomValues(new Uint8Array(bytes)))).replace(
  /\W/g,
  (c) => c === "+" ? "-" : c === "/" ? "_" : ""
);
var messageLine = (data, more) => ({
  _log: true,
  _cost: costOf(data),
  _data: data,
  _more: more
});
function parseLine(text2) {
  const [, plus, type, rest, name, , json] = /^(?:(\+?)([tb])([^]*)|([!?][a-z][a-z\d-]{0,31})( (\{[^]*\}))?)$/.exec(text2) ?? fail();
  if (name) {
    if (byteLength(text2) > 8191) fail();
    return { _log: name === "!close", _cost: 0, _name: name, _fields: parseFields(name, json ?? "{}") };
  }
  const unescape = (_, c) => /[\\nr]/.test(c) ? escapes[c] : fail();
  return messageLine(type === "t" ? rest.replace(/\\([^]?)/g, unescape) : fromBase64(rest), !!plus);
}
function parse(batch, limit) {
  const binary = typeof batch !== "string";
  const text2 = binary ? binaryString(batch.subarray(0, Math.min(110, batch.indexOf(10) + 1))) : batch.replace(/^\uFEFF/, "");
  const [head, ...lines] = text2.split(/\r?\n/);
  const [, first, ack, , plus] = /^@([1-9]\d{0,15}) (0|[1-9]\d{0,15})( [\w-]{1,64})?( \+)?$/.exec(head) ?? fail();
  if ((binary ? batch.length : byteLength(text2)) > limit || lines.pop() !== "" || plus && !binary || /\r(?!\n)/.test(text2))
    fail();
  const parsed = binary ? [messageLine(batch.slice(text2.length), !!plus)] : lines.map(parseLine);
  if (Math.max(+first + parsed.filter((l) => l._log).length, +ack) > 2 ** 53 - 1) fail();
  return { _first: +first, _ack: +ack, _lines: parsed };
}
var encodeControl = (name, fields) => `!${name} ${JSON.stringify(fields)}
`;
function encodeEntry(text2, cost, more, raw) {
  const line = (more ? "+" : "") + text2;
  return { _line: line, _raw: raw, _cost: cost, _more: more, _end: 0 };
}
function cut(text2, bytes) {
  const piece = text2.slice(0, utf8.encodeInto(text2.slice(0, bytes), new Uint8Array(bytes)).read);
  return piece !== text2 && /\\*$/.exec(piece)[0].length % 2 ? piece.slice(0, -1) : piece;
}
function bytesOf(data) {
  const { buffer, byteOffset, byteLength: byteLength2 } = ArrayBuffer.isView(data) ? data : new DataView(data);
  return new Uint8Array(buffer, byteOffset, byteLength2);
}
function prepare(data) {
  const _entries = [];
  let _cost = 0;
  const add = (text2, cost, more, raw) => {
    _cost += cost;
    _entries.push(encodeEntry(text2, cost, more, raw));
  };
  if (typeof data === "string") {
    if (/\p{Cs}/u.test(data)) throw TypeError("lone surrogate");
    let rest = data.replace(/[\\\n\r]/g, (c) => "\\" + escapes[c]);
    do {
      let piece = cut(rest, 1534);
      if (piece !== rest) piece = cut(rest, 1533);
      rest = rest.slice(piece.length);
      add("t" + piece + "\n", costOf(piece.replace(/\\./g, ".")), !!rest);
    } while (rest);
  } else {
    const bytes = bytesOf(data);
    for (let at = 0; !at || at < bytes.length; ) {
      const piece = bytes.slice(at, at += 1149);
      add("b" + btoa(binaryString(piece)) + "\n", costOf(piece), at < bytes.length, piece);
    }
  }
  return { _entries, _cost };
}
var preambleOf = (kind) => `holdfast/1 ${kind} ${randomName(12)}
`;
var wrap = (preamble, batch) => preamble + batch + ".\n";
function unwrap(preamble, body) {
  const text2 = body.replace(/\r\n/g, "\n");
  const end = text2.search(/\n\.\n?$/) + 1;
  if (!text2.startsWith(preamble + "@") || !end || text2.includes("\r")) fail("not holdfast");
  return text2.slice(preamble.length, end);
}

// src/carriers/post.ts
function post(wire, kind, batch, take, closed2) {
  let preamble = preambleOf(kind);
  const stream = kind === "stream";
  const abort = new AbortController();
  const { _fetch } = wire;
  const exchange = async () => {
    const answer = await _fetch("http" + wire._url, {
      method: "POST",
      body: wrap(preamble, batch),
      // a string goes as text/plain, so there is no preflight (HF1-HTTP-06)
      headers: stream ? { Accept: "text/event-stream" } : {},
      // HF1-SSE-05
      cache: "no-store",
      credentials: wire._credentials,
      redirect: "error",
      // HF1-HTTP-08
      signal: abort.signal
    });
    if (answer.status !== 200) fail("status " + answer.status);
    const reader = answer.body.getReader();
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let text2 = "";
    for (; ; ) {
      const { done, value } = await reader.read();
      text2 += decoder.decode(value, { stream: !done });
      const events = stream ? text2.split(/\n\r?\n/) : [];
      text2 = events.pop() ?? text2;
      for (const event of events) {
        const data = [...event.matchAll(/^data:([^\r\n]*)/gm)].map((m) => m[1]).join("\n");
        if (data && (preamble || /\n\.$/.test(data))) take(unwrap(preamble, data));
        if (data) preamble = "";
      }
      if (text2.length > 2 * wire._maxBatch + 4096) fail("too large");
      if (done) break;
    }
    if (!stream) take(unwrap(preamble, text2));
    return "";
  };
  const end = () => abort.abort();
  void exchange().catch(String).then(closed2).then(end);
  return { _close: end };
}

// src/carriers/socket.ts
var highWater = 65536;
function openSocket(wire, ready, take, closed2) {
  const socket = new wire._WebSocket("ws" + wire._url);
  socket.binaryType = "arraybuffer";
  socket.onopen = ready;
  socket.onmessage = ({ data }) => take(typeof data === "string" ? data : new Uint8Array(data));
  socket.onclose = ({ code, reason }) => closed2(`closed ${code} ${reason}`);
  socket.onerror = () => closed2("failed");
  return {
    _writable: () => socket.bufferedAmount < highWater,
    _send: (batch) => socket.send(batch),
    _close: (code) => socket.close(code)
  };
}

// src/wire/log.ts
var newLogs = () => ({
  _base: 0,
  _sent: 0,
  _entries: [],
  _grown: 0,
  _freed: 0,
  _recv: 0,
  _taken: 0,
  _unread: 0,
  _queue: [],
  _pieces: [],
  _piecesCost: 0,
  _ackSent: 0,
  _takenCost: 0
});
var lastNumber = (log) => log._base + log._entries.length;
var heldBytes = ({ _grown, _freed }) => _grown - _freed;
function append(log, entries) {
  for (const entry of entries) entry._end = log._grown += entry._cost;
  log._entries.push(...entries);
}
function free(log, n) {
  const news = n > log._base;
  if (news) {
    log._freed = log._entries[n - log._base - 1]._end;
    log._entries.splice(0, n - log._base);
    log._base = n;
  }
  return news;
}
function fits(log, n, win) {
  const i = n - log._base - 1;
  const entry = log._entries[i];
  return win >= 0 && !!entry && (!entry._cost || entry._end - log._freed <= win || // The oldest message may always go whole.
  log._entries.findIndex((e) => !e._more) >= i);
}
function admit(log, packet, maxMessage, win = Infinity) {
  let { _unread, _recv, _pieces, _piecesCost, _last } = log;
  const whole = [];
  let n = packet._first;
  let before;
  _pieces = [..._pieces];
  for (const line of packet._lines)
    if (line._log) {
      if (n === _recv + 1) before = _last;
      if (before?._name || before?._more && typeof line._data !== typeof before._data) fail();
      before = line;
      if (n++ !== _recv + 1) continue;
      if (_unread > win + maxMessage) fail("window overrun", 4304);
      _unread += line._cost;
      _recv++;
      _last = line;
      _pieces.push(line);
      _piecesCost += line._cost;
      if (_piecesCost - 16 * _pieces.length > maxMessage) fail("too large", 4304);
      if (line._more) continue;
      if (line._fields && !isEnd(line._fields.code, line._fields.reason)) fail();
      whole.push({ _data: join(_pieces, _piecesCost), _number: _recv, _cost: _piecesCost, _close: line._fields });
      _pieces = [];
      _piecesCost = 0;
    }
  return () => {
    log._queue.push(...whole);
    Object.assign(log, { _unread, _recv, _pieces, _piecesCost, _last });
  };
}
var isEnd = (code, reason) => Number.isSafeInteger(code) && code > 4099 && code < 4400 && typeof reason === "string" && byteLength(reason) < 129;
function join(pieces, cost) {
  const parts = pieces.map((line) => line._data);
  if (parts.length < 2) return parts[0];
  if (typeof parts[0] === "string") return parts.join("");
  const whole = new Uint8Array(cost - 16 * parts.length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
function noteAckSent(log) {
  log._ackSent = log._taken;
  log._takenCost = 0;
}

// src/stored.ts
var stored = true;

// src/machine/state.ts
var Cooldown = 0;
var Cooldowns = 1;
var Idle = 2;
var Age = 3;
var Hold = 4;
var Limit = 5;
function newState(config) {
  const _now = config._clock();
  return {
    _config: config,
    _log: newLogs(),
    // What is missing here is not asked for before `opened`.
    _server: { win: 1 << 21, lim: { maxMessage: 1 << 20 } },
    _now,
    _deadline: 0,
    _effects: [],
    _transports: config._transports.map((_name, _rank) => ({
      _name,
      _rank,
      _earlyFailures: 0,
      _learned: [0, 0, 0, 0, 0, 0],
      _before: [0, 0, 0, 0, 0, 0]
    })),
    _attachments: [],
    _conns: [],
    _race: { _tries: 0, _atts: 0 },
    _selection: { _u: 0, _confirmedU: 0 },
    _liveness: { _rtt: 0, _guessedTimeout: 0, _progress: 0, _pings: 0, _wokeAt: 0, _sentDown: 0 },
    _learning: { _since: _now, _rememberedAt: 0 },
    _closing: {},
    _output: { _known: 0 },
    _refusals: { _waitAuth: true }
  };
}
var unconfirmed = ({ _server }) => stored && !!_server.run && !_server.att;
var clamp = (value, low, high) => Math.min(Math.max(value, low), high);
var healthy = ({ _current }) => _current?._suspect ? void 0 : _current;
var isPoll = ({ _transport }) => _transport._name === "longpoll";
var isSocket = (attachment) => attachment?._transport._name === "websocket";

// src/machine/backoff.ts
function startRace(m, at = 0) {
  m._race._at = at;
  for (const transport of m._transports) transport._tried = false;
}
var forgetRefusal = (m) => m._refusals._reauthed = false;
var backoff = (m) => Math.min(3e4, 500 * 2 ** m._race._tries) * m._config._random();
function allFailed(m) {
  m._race._tries++;
  startRace(m, m._now + backoff(m));
  for (const transport of m._transports) transport._failed = false;
  forgetRefusal(m);
}
var attemptDelay = (m) => clamp(2 * m._liveness._rtt, 250, 1e3);
var attemptTimeout = (m) => Math.max(2e3, 4 * m._liveness._rtt);
var responseTimeout = (m) => Math.max(attemptTimeout(m), m._liveness._guessedTimeout);
function growTimeout(m) {
  m._liveness._guessedTimeout = Math.min(3 * responseTimeout(m), 1e4);
}

// src/machine/effects.ts
function emit(m, effect) {
  m._effects.push(effect);
}
function trace(m, what, { _transport, _att }, reason = "") {
  const step2 = { what, transport: _transport._name, attachment: _att, reason, time: m._now };
  m._again = true;
  emit(m, (host) => host._trace(step2));
}
function due(m, at = 0) {
  if (at > m._now) m._deadline = Math.min(m._deadline || at, at);
  return !!at && at <= m._now;
}

// src/machine/transports.ts
var minBatch = 512;
function startCooldown(m, transport) {
  transport._earlyFailures = 0;
  transport._failed = false;
  transport._learned[Cooldown] = m._now + Math.min(2e4 * 2 ** transport._learned[Cooldowns]++, 6e5);
}
function noteWorking(m, { _validated, _penalized, _transport }) {
  if (_validated && !_penalized) m._learning._best = _transport;
  for (const other of m._transports) if (other._failed && other !== _transport) startCooldown(m, other);
}
var batchLimit = (m, { _transport }) => m._liveness._guessedTimeout > 2e3 ? minBatch : Math.max(_transport._learned[Limit] || Infinity, minBatch);
function lost({ _transport, _written }) {
  if (_written._inFlight > minBatch) _transport._learned[Limit] = _written._inFlight >> 1;
  _written._inFlight = 0;
}
function refused(attachment) {
  if (attachment._written._inFlight > minBatch)
    attachment._transport._before[Limit] = attachment._written._inFlight >> 1;
  lost(attachment);
}
function acknowledged({ _transport, _written }, ack) {
  if (ack < _written._to) return;
  if (_written._inFlight > _transport._learned[Limit] / 2)
    _transport._learned[Limit] += _transport._learned[Limit] >> 4;
  _written._inFlight = 0;
}

// src/machine/learning.ts
var lastUse = ({ _silence }) => Math.max(_silence._lastSent, _silence._lastReceived);
function noteSent(m, attachment) {
  attachment._silence._gap = Math.max(attachment._silence._gap, m._now - lastUse(attachment));
}
function noteReceived(m, attachment) {
  noteSent(m, attachment);
  attachment._silence._maxSurvived = Math.max(attachment._silence._maxSurvived, attachment._silence._gap);
  attachment._silence._gap = 0;
  attachment._silence._lastReceived = m._now;
}
var exempt = ({ _liveness, _now }, { _startedAt }) => _liveness._offline || _startedAt < _liveness._wokeAt && _now - _liveness._wokeAt < 5e3;
var probationEnd = ({ _openedAt }) => _openedAt + 6e4;
function penalize(m, attachment) {
  if (attachment._penalized || exempt(m, attachment)) return;
  if (!attachment._openedAt) attachment._transport._failed = attachment._transport !== healthy(m)?._transport;
  else if (attachment._validated ? attachment._transport._learned[Cooldowns] && m._now < probationEnd(attachment) : ++attachment._transport._earlyFailures > 1)
    startCooldown(m, attachment._transport);
}
function learn({ _learned, _before }, entry, value, part) {
  const before = _before[entry];
  _before[entry] = value;
  return Math.abs(value - before) <= before / part && lower(_learned, entry, Math.min(value, before));
}
function lower(learned, entry, value) {
  const news = !learned[entry] || value < learned[entry];
  if (news) learned[entry] = value;
  return news;
}
function learnFromClose(m, attachment, visible) {
  if (!attachment._openedAt || attachment._penalized || attachment._beaconBy || isPoll(attachment) || exempt(m, attachment))
    return false;
  const silence = visible ? Math.max(attachment._silence._gap, m._now - lastUse(attachment)) : attachment._silence._gap;
  if (!visible && !silence) return false;
  if (silence >= 2e3 && silence > attachment._silence._maxSurvived)
    return learn(attachment._transport, Idle, silence, 4);
  attachment._transport._before[Idle] = silence;
  const ageAtClose = (visible ? m._now : attachment._silence._lastReceived) - attachment._openedAt;
  return ageAtClose >= 12e3 && learn(attachment._transport, Age, ageAtClose, 10);
}
var holdOf = (m, { _transport }) => Math.min(m._server.hold, Math.max(_transport._learned[Hold] || 25e3, 5e3));
function holdFailed(m, { _kind, _attachment, _startedAt }) {
  const lasted = m._now - _startedAt;
  const hold = holdOf(m, _attachment);
  return _kind === "poll" && lasted >= 3e3 && !exempt(m, _attachment) && lower(_attachment._transport._learned, Hold, Math.max(~~(0.7 * Math.min(lasted, hold)), 5e3)) && lasted < hold;
}

// src/machine/attachments.ts
var maxAttachments = 4;
function queueControl(attachment, name, fields) {
  attachment._ctl += encodeControl(name, fields);
}
function attach(m, transport, u) {
  if (m._attachments.length >= maxAttachments)
    endAttachment(m, m._attachments.find((a) => a !== m._current));
  const attachment = {
    _att: ++m._race._atts,
    _transport: transport,
    _u: u,
    _startedAt: m._now,
    _openedAt: 0,
    _ctl: "",
    _silence: { _lastReceived: m._now, _lastSent: 0, _gap: 0, _maxSurvived: 0 },
    _ping: { _count: 0 },
    _posts: { _polls: 0, _pause: 0, _failures: 0, _misrouted: 0 },
    _written: { _pos: 0, _inFlight: 0 }
  };
  transport._tried = true;
  m._attachments.push(attachment);
  trace(m, "attach", attachment);
  dial(m, attachment, transport._name === "sse" ? "stream" : transport._name === "longpoll" ? "open" : "socket", 0);
}
function dial(m, attachment, kind, by) {
  const conn = {
    _kind: kind,
    _attachment: attachment,
    _startedAt: m._now,
    _by: by,
    _first: true,
    _ctl: ""
  };
  m._conns.push(conn);
  emit(m, (host) => host._dial(conn));
  due(m, by);
}
function hangup(m, conn, code) {
  forget(m, conn);
  emit(m, (host) => host._hangup(conn, code));
}
function forget(m, conn) {
  m._conns = m._conns.filter((c) => c !== conn);
}
function endAttachment(m, attachment, code = 4004, reason = "left") {
  if (!m._attachments.includes(attachment)) return;
  trace(m, "died", attachment, reason);
  if (code === 4005 || code === 4002 || code >= 4300) {
    penalize(m, attachment);
    if (code === 4002) lost(attachment);
    else refused(attachment);
  }
  m._attachments = m._attachments.filter((a) => a !== attachment);
  for (const conn of [...m._conns].reverse()) if (conn._attachment === attachment) hangup(m, conn, code);
  if (m._current === attachment) {
    m._current = void 0;
    startRace(m, m._now + (m._race._tries ? backoff(m) : 0));
    m._race._tries++;
  } else if (!healthy(m) && m._race._at && !attachment._openedAt) m._race._at = m._now;
}
function ping(m, attachment) {
  const i = attachment._ping._i = ++m._liveness._pings;
  attachment._ping._at = m._now;
  noteSent(m, attachment);
  queueControl(attachment, "ping", { i });
}
function requeue(m, { _attachment, _ctl }) {
  _attachment._ctl = _ctl + _attachment._ctl;
  m._log._ackSent = 0;
}
function abandonPoll(m, attachment) {
  const poll = m._conns.find((c) => c._attachment === attachment && c._kind === "poll");
  if (poll) {
    hangup(m, poll, 4002);
    requeue(m, poll);
  }
  return isPoll(attachment);
}

// src/machine/closing.ts
var closeTimeout = 1e4;
function finish(m, code, reason, remote = false, recv) {
  const { _log } = m;
  const peer = m._closing._peer;
  if (m._closing._over) return;
  const rest = _log._entries.flatMap(({ _cost, _more }, i) => _cost && !_more ? _log._base + i + 1 : []);
  const final = recv !== void 0;
  m._closing._over = {
    code: peer?.code ?? code,
    reason: peer?.reason ?? reason,
    remote: remote || !!peer,
    session: m._server.id ?? "",
    delivered: _log._base,
    notDelivered: final ? rest : [],
    unknown: final ? [] : rest
  };
  for (const conn of m._conns) hangup(m, conn, code);
  m._attachments = [];
  m._current = void 0;
  emit(m, (host) => host._end());
}
function fault(m, attachment, message, code = 4303) {
  if (code === 4302 && unconfirmed(m)) return finish(m, 4202, message);
  endAttachment(m, attachment, code, message);
  if (code === 4304 || m._refusals._faultCode === code && m._refusals._faultTransport !== attachment._transport)
    finish(m, code, message);
  m._refusals._faultCode = code;
  m._refusals._faultTransport = attachment._transport;
}
function close(m, code, reason) {
  if (m._closing._local) return;
  if (!m._server.run && !lastNumber(m._log)) return finish(m, code, reason, false, 0);
  m._closing._local = true;
  append(m._log, [encodeEntry(encodeControl("close", { code, reason }), 0, false)]);
  m._liveness._progress = m._now;
  waitForEnd(m);
}
function waitForEnd(m) {
  m._closing._by = m._now + closeTimeout;
}
function extendClose(m) {
  if (m._closing._by) waitForEnd(m);
}
function checkClosing(m) {
  const { _current } = m;
  if (m._closing._peer && due(m, m._closing._ackAt)) {
    m._closing._ackAt = m._now + responseTimeout(m);
    m._log._ackSent = 0;
    m._output._ackAt = m._now;
    if (_current && !_current._ping._i) ping(m, _current);
    due(m, m._closing._ackAt);
  }
  if (due(m, m._closing._by)) finish(m, 4100, "");
}

// src/machine/memory.ts
var day = 864e5;
var text = ({ _transports, _learning }) => JSON.stringify([
  _learning._best?._name ?? "",
  Object.fromEntries(_transports.map(({ _name, _learned }) => [_name, _learned]))
]);
function recall(m) {
  const { _learning } = m;
  const { 0: version, 1: since, 2: best, 3: entries } = Object(m._config._memory);
  if (version === 1 && since <= m._now && since > m._now - day) {
    _learning._since = since;
    _learning._best = m._transports.find((t) => t._name === best);
    for (const t of m._transports) {
      t._learned = t._learned.map((_, i) => {
        const value = Object(entries)[t._name]?.[i];
        return value === +value && value > 0 && value < 2 ** 53 ? Math.floor(value) : 0;
      });
      t._before[Limit] = t._learned[Limit];
      t._learned[Cooldown] = Math.min(t._learned[Cooldown], m._now + 6e5);
    }
  }
  _learning._remembered = text(m);
}
function remember(m) {
  const { _learning } = m;
  if (due(m, _learning._since + day)) {
    for (const { _learned } of m._transports) _learned[Idle] = _learned[Age] = _learned[Hold] = 0;
    _learning._since = m._now;
  }
  if (text(m) === _learning._remembered || !due(m, _learning._rememberedAt + 1e3)) return;
  _learning._remembered = text(m);
  _learning._rememberedAt = m._now;
  const written = `[1,${_learning._since},${_learning._remembered.slice(1)}`;
  emit(m, (host) => host._remember(written));
}

// src/machine/suspicion.ts
function markSuspect(m, attachment, reason) {
  if (attachment._suspect) return;
  trace(m, "suspect", attachment, reason);
  attachment._penalized ||= learnFromClose(m, attachment);
  if (attachment !== m._current) return endAttachment(m, attachment, 4002, reason);
  attachment._suspect = true;
  if (!attachment._penalized) {
    penalize(m, attachment);
    lost(attachment);
    attachment._penalized = true;
  }
  startRace(m, m._now);
}
function pingUnanswered(m, attachment, reason) {
  if (!attachment._suspect) growTimeout(m);
  markSuspect(m, attachment, reason);
}
function move(m, attachment, reason) {
  attachment._penalized = true;
  attachment._ping._i = 0;
  markSuspect(m, attachment, reason);
}
var heardSince = ({ _transport, _silence }, time) => _transport._name === "sse" && _silence._lastReceived > time;
function uplinkDead(m, attachment, sentAt, reason) {
  if (m._now - sentAt >= responseTimeout(m) && !attachment._suspect) growTimeout(m);
  const heard = heardSince(attachment, sentAt);
  if (heard) startCooldown(m, attachment._transport);
  endAttachment(m, attachment, heard ? 4004 : 4005, reason);
}

// src/machine/posts.ts
var mayPost = (m, { _posts }) => !_posts._pause || due(m, _posts._at);
function postFailed(m, conn, reason) {
  const { _attachment } = conn;
  const { _posts } = _attachment;
  const busy = /status (429|503)/.test(reason);
  requeue(m, conn);
  if (busy) _posts._at = m._now + (_posts._pause = clamp(2 * _posts._pause, 100, 2e3));
  else if (reason === "no answer") lost(_attachment);
  else refused(_attachment);
  if (!holdFailed(m, conn) && ++_posts._failures > (busy ? 4 : 1)) uplinkDead(m, _attachment, conn._startedAt, reason);
}
function postAnswered(m, { _posts }) {
  _posts._failures = 0;
  _posts._at = m._now + (_posts._pause >>= 1);
}
function checkPosts(m) {
  for (const conn of [...m._conns].reverse())
    if (m._conns.includes(conn) && due(m, conn._by)) {
      hangup(m, conn, 4002);
      abandonPoll(m, conn._attachment);
      postFailed(m, conn, "no answer");
    }
}

// src/machine/selection.ts
var drainTimeout = 5e3;
var opensWith = (attachment, u) => !attachment._openedAt && attachment._u === u;
var maySelect = ({ _selection, _attachments }) => _selection._confirmedU >= _selection._u || !_attachments.some((a) => a._useBy || opensWith(a, _selection._u));
function nextU(m) {
  if (maySelect(m) && !m._attachments.some((a) => opensWith(a, m._selection._u))) m._selection._u++;
  return m._selection._u;
}
function confirm(m, { u, att }) {
  const attachment = m._attachments.find((a) => a._att === att && a._openedAt);
  m._selection._confirmedU = Math.max(m._selection._confirmedU, u);
  if (stored) m._selection._u = Math.max(m._selection._u, u);
  if (u !== m._selection._u || !attachment) return;
  attachment._useBy = 0;
  choose(m, attachment);
}
function choose(m, attachment) {
  const old = m._current;
  m._current = attachment;
  attachment._detached = false;
  attachment._leaveBy = 0;
  if (old === attachment) return;
  if (old) old._leaveBy = m._now + drainTimeout;
  startRace(m);
  trace(m, "selected", attachment);
  m._liveness._progress = m._now;
  m._log._ackSent = 0;
}
function use(m, attachment) {
  const may = maySelect(m);
  if (may) {
    m._selection._u++;
    attachment._useBy = m._now + 2 * responseTimeout(m);
    sendUse(m, attachment);
    choose(m, attachment);
  }
  return may;
}
function sendUse(m, attachment) {
  const { _att, _challenge } = attachment;
  attachment._useAt = m._now + responseTimeout(m) / 2;
  due(m, attachment._useAt);
  queueControl(attachment, "use", { u: m._selection._u, att: _att, challenge: _challenge, recv: m._log._recv });
}
function replied(m, attachment, { recv, sent, sel: sel2 }) {
  attachment._posts._misrouted = 0;
  if (recv > m._output._known) {
    m._output._known = recv;
    m._race._tries = 0;
    acknowledged(attachment, recv);
  }
  if (m._liveness._sentDown <= m._log._recv) m._liveness._sentDownAt = m._now;
  m._liveness._sentDown = Math.max(m._liveness._sentDown, sent);
  confirm(m, sel2);
}
function detached(m, attachment, { code, gone }) {
  trace(m, "detached", attachment);
  if (gone) return endAttachment(m, attachment, code, "detached");
  attachment._detached = true;
  if (attachment !== m._current) attachment._leaveBy ||= m._now + drainTimeout;
}

// src/machine/liveness.ts
var isActive = (m) => m._now - m._liveness._lastLog < 3e4;
function noteActive(m) {
  if (!isActive(m)) m._liveness._activeAt = m._now;
  m._liveness._lastLog = m._now;
}
function judgeAttachment(m, attachment) {
  const { _transport, _silence, _ping } = attachment;
  const inUse = attachment === m._current;
  if (!attachment._openedAt) {
    if (due(m, _silence._lastReceived + 1e4))
      endAttachment(m, attachment, 4002, _transport._name === "sse" && m._current ? "held" : "no answer");
    return;
  }
  if (!attachment._validated && _ping._count && !attachment._beaconBy && !attachment._suspect && due(m, attachment._openedAt + 1e4)) {
    if (inUse || _ping._count > 1) {
      attachment._validated = true;
      m._race._tries = 0;
      _transport._earlyFailures = _transport._learned[Cooldown] = 0;
      _transport._failed = false;
      trace(m, "validated", attachment);
    } else if (!_ping._i) ping(m, attachment);
  }
  if (attachment._validated && !attachment._suspect && _transport._learned[Cooldowns] && due(m, probationEnd(attachment)))
    _transport._learned[Cooldowns] = 0;
  if (due(m, attachment._beaconBy) && !attachment._suspect) {
    if (!exempt(m, attachment)) startCooldown(m, _transport);
    markSuspect(m, attachment, attachment._beacons ? "one-behind" : "threshold");
  }
  if (attachment._useBy && due(m, attachment._useAt)) sendUse(m, attachment);
  if (due(m, attachment._useBy)) pingUnanswered(m, attachment, "use unanswered");
  maybePing(m, attachment);
  const silentAt = attachment === m._current && isActive(m) ? Math.max(_silence._lastReceived, m._liveness._activeAt) + 5750 : _silence._lastReceived + 1.5 * m._server.ping + 5e3;
  if (!isPoll(attachment) && !attachment._suspect && due(m, silentAt)) markSuspect(m, attachment, "silent");
}
function maybePing(m, attachment) {
  const inUse = attachment === m._current;
  const progress = m._liveness._progress;
  const idle = attachment._transport._learned[Idle];
  if (attachment._suspect) return;
  if (attachment._ping._i) {
    if (inUse && due(m, Math.max(attachment._ping._at, progress) + responseTimeout(m)))
      if (attachment._posts._failures && heardSince(attachment, attachment._ping._at))
        uplinkDead(m, attachment, attachment._ping._at, "no pong");
      else pingUnanswered(m, attachment, "no pong");
    return;
  }
  const stall = inUse && m._log._entries[0] ? progress + responseTimeout(m) : Infinity;
  const carries = !isPoll(attachment) && !attachment._leaveBy;
  const late2 = carries && inUse && !isActive(m) ? attachment._silence._lastReceived + m._server.ping + 1e3 : Infinity;
  const early = carries && idle ? lastUse(attachment) + Math.max(idle / 2, 1e3) : Infinity;
  if (due(m, Math.min(stall, late2, early))) {
    ping(m, attachment);
    m._again = true;
  }
}
function checkMissingLines(m, attachment) {
  if (m._liveness._sentDown > m._log._recv && due(m, m._liveness._sentDownAt + responseTimeout(m))) {
    m._liveness._sentDown = m._log._recv;
    if (!abandonPoll(m, attachment)) markSuspect(m, attachment, "lines missing");
  }
}
function ponged(m, attachment, { i }) {
  if (!i || i !== attachment._ping._i) return;
  const rtt = clamp(m._now - attachment._ping._at, 1, 5e3);
  const tooLittle = 4 * rtt > responseTimeout(m);
  for (const { _learned, _before } of m._transports)
    _before[Limit] = _learned[Limit] = (tooLittle ? _before : _learned)[Limit];
  m._liveness._rtt = m._liveness._guessedTimeout ? rtt : (7 * m._liveness._rtt + rtt) / 8;
  m._liveness._guessedTimeout = 0;
  attachment._ping._i = 0;
  attachment._ping._count++;
  attachment._posts._failures = 0;
  if (attachment !== m._current) return;
  m._liveness._progress = m._now;
  if (!attachment._beaconBy) attachment._suspect = false;
}

// src/machine/output.ts
function pump(m) {
  const unsent = m._log._taken - m._log._ackSent;
  if (!unsent) m._output._ackAt = 0;
  else if (unsent > 31 || m._log._takenCost >= m._server.win / 4) m._output._ackAt = m._now;
  else m._output._ackAt ||= m._now + (isSocket(m._current) ? 100 : 250);
  due(m, m._output._ackAt);
  for (const a of m._attachments) {
    const conns = m._conns.filter((c) => c._attachment === a);
    const down = conns.find((c) => c._kind !== "up");
    if (!a._openedAt) continue;
    if (hasOutput(m, a)) {
      if (isSocket(a)) emit(m, (host) => host._write(down));
      else if (!conns.some((c) => c !== down) && mayPost(m, a))
        dial(m, a, "up", m._now + Math.min(responseTimeout(m), 1e4));
    }
    if (isPoll(a) && a === m._current && !down && (!a._posts._pollAt || due(m, a._posts._pollAt)) && mayPost(m, a)) {
      a._posts._pollAt = 0;
      dial(m, a, "poll", m._now + holdOf(m, a) + responseTimeout(m));
    }
  }
}
var lineWaits = (m, attachment) => fits(m._log, position(m, attachment) + 1, m._server.win);
var hasOutput = (m, attachment) => !!attachment._ctl || attachment === m._current && (lineWaits(m, attachment) || due(m, m._output._ackAt));
var position = (m, attachment) => isSocket(attachment) ? attachment._written._pos : m._output._known;
var maxEarly = 4096;
function goodbye(m) {
  close(m, 4100, "1001");
  const attachment = m._current;
  if (!attachment) return;
  attachment._written._pos = m._output._known = m._log._base;
  dial(m, attachment, "up", m._now + 1e4);
  return next(m, m._conns.at(-1));
}
function next(m, conn) {
  const { _attachment, _first } = conn;
  const { _log } = m;
  const { run, lim } = m._server;
  const inUse = _attachment === m._current;
  m._now = m._config._clock();
  if (!m._conns.includes(conn) || !(_first || conn._kind === "socket" && _attachment._openedAt && hasOutput(m, _attachment)))
    return;
  conn._first = false;
  if (conn._kind === "socket") {
    noteSent(m, _attachment);
    _attachment._silence._lastSent = m._now;
  }
  const who = { key: m._config._key, run, att: _attachment._att };
  const recv = _log._recv;
  let { win } = m._server;
  let limit = lim.maxBatch;
  let pos = _log._base;
  let controls = _attachment._ctl;
  if (_first && conn._kind === "poll") {
    const p = ++_attachment._posts._polls;
    controls = encodeControl(conn._kind, { ...who, p, recv, hold: holdOf(m, _attachment) });
    win = -1;
    noteAckSent(_log);
  } else if (_first && conn._kind !== "up") {
    controls = encodeControl("open", {
      v: [1],
      ...who,
      u: _attachment._u,
      recv,
      lim: { maxBatch: m._config._maxBatch },
      auth: m._config._auth,
      meta: m._config._meta
    });
    if (run) win = -1;
    limit = maxEarly;
  } else {
    _attachment._ctl = "";
    if (conn._kind === "up") {
      conn._ctl = controls;
      controls = encodeControl(conn._kind, who) + controls;
    }
    if (!inUse) win = -1;
    if (inUse || conn._kind === "up") {
      pos = position(m, _attachment);
      m._output._ackAt = 0;
      noteAckSent(_log);
    }
  }
  const head = `@${pos + 1} ${_log._taken}
${controls}`;
  return writeLines(m, conn, pos, head, controls.length, win, Math.min(limit, batchLimit(m, _attachment)));
}
function writeLines(m, { _kind, _attachment }, pos, head, controls, win, limit) {
  let batch = head;
  let size = byteLength(batch);
  let to = pos;
  while (fits(m._log, to + 1, win)) {
    const { _line, _raw, _more } = m._log._entries[to - m._log._base];
    const frame = _raw && m._server.run && _kind === "socket";
    const added = byteLength(_line);
    if (to > pos ? frame || size + added > limit : frame ? controls : size + added > limit && controls > 400) break;
    to++;
    size += added;
    if (frame) {
      batch = new Uint8Array([...utf8.encode(_more ? head.replace("\n", " +\n") : head), ..._raw]);
      size = batch.length;
      break;
    }
    batch += _line;
  }
  m._log._sent = Math.max(m._log._sent, to);
  if (to > pos) {
    noteActive(m);
    const { _written } = _attachment;
    if (size > _written._inFlight) {
      _written._inFlight = size;
      _written._to = to;
    }
    _written._pos = to;
  }
  return batch;
}

// src/machine/promotion.ts
var mayMove = ({ _refusals, _closing }) => !_refusals._waitAuth && !_closing._local && !_closing._peer;
function promote(m) {
  const inUse = healthy(m);
  if (!inUse || inUse._useBy || !mayMove(m)) return;
  for (const transport of m._transports) {
    if (transport === inUse._transport) return;
    const attachment = m._attachments.find((a) => a._transport === transport && !a._leaveBy);
    if (attachment) {
      if (attachment._validated) use(m, attachment);
    } else if (transport._learned[Cooldown] > m._now) {
      due(m, transport._learned[Cooldown]);
      continue;
    } else attach(m, transport);
    return;
  }
}
function closeUnused(m) {
  const { _current } = m;
  if (_current && !_current._useBy) {
    for (const a of m._attachments)
      if (a !== _current && (a._leaveBy ? a._detached || due(m, a._leaveBy) : _current._validated && !_current._suspect && a._transport._rank >= _current._transport._rank))
        endAttachment(m, a);
  }
}
function rotateByAge(m, attachment) {
  const age = attachment._transport._learned[Age];
  if (!attachment._useBy && !isPoll(attachment) && mayMove(m) && age && due(m, attachment._openedAt + Math.max(0.8 * age, 9600)))
    move(m, attachment, "age");
}

// src/machine/race.ts
function connect(m) {
  const { _race, _refusals } = m;
  if (due(m, _refusals._askAt)) {
    _refusals._askAt = 0;
    emit(m, (host) => host._ask());
  }
  if (_refusals._waitAuth || healthy(m) || selectStandby(m)) return;
  const opening = m._attachments.some((a) => !a._openedAt);
  if (!opening) _race._at ||= m._now;
  if (!due(m, _race._at)) return;
  const transport = nextTransport(m);
  if (transport) {
    attach(m, transport, m._current ? void 0 : nextU(m));
    _race._at = m._now + attemptDelay(m);
  } else if (opening) _race._at = m._now + attemptTimeout(m);
  else if (_refusals._originRejected && !m._server.run) finish(m, 4306, "origin");
  else allFailed(m);
  due(m, _race._at);
}
function selectStandby(m) {
  const [best] = m._attachments.filter(
    (a) => a !== m._current && a._openedAt && !a._suspect && a._silence._lastReceived >= m._liveness._wokeAt
  ).sort((a, b) => a._transport._rank - b._transport._rank);
  if (!best) return false;
  for (const a of m._attachments)
    if (!m._current && !maySelect(m) && opensWith(a, m._selection._u) && due(m, a._silence._lastReceived + attemptDelay(m)))
      endAttachment(m, a);
  if (!use(m, best) && m._current) {
    endAttachment(m, m._current, 4002, "use unanswered");
    connect(m);
  }
  return true;
}
function nextTransport(m) {
  const cooldown = (t) => t._learned[Cooldown] > m._now ? t._learned[Cooldown] : 0;
  const key = (t) => cooldown(t) || (t === m._learning._best ? -1 : t._rank);
  const [first] = m._transports.filter((t) => !t._tried).sort((a, b) => key(a) - key(b));
  return first && cooldown(first) && m._attachments.some((a) => !a._openedAt && m._now < a._startedAt + attemptTimeout(m)) ? void 0 : first;
}
function opened(m, attachment, o, conn) {
  if (attachment._openedAt) return;
  if (!m._server.run) m._liveness._progress = m._now;
  m._liveness._offline = false;
  m._server = o;
  o.ping = clamp(o.ping, 5e3, 25e3);
  o.hold = clamp(o.hold, 5e3, 25e3);
  m._refusals._unknownAt = 0;
  m._refusals._reauthed = false;
  attachment._challenge = o.challenge;
  attachment._openedAt = m._now;
  attachment._written._pos = Math.max(o.recv, m._log._base);
  m._output._known = Math.max(m._output._known, attachment._written._pos);
  if (attachment._transport._name === "sse") attachment._beaconBy = m._now + 1e3 + 2 * m._liveness._rtt;
  if (conn._kind === "open") forget(m, conn);
  attachment._transport._failed = false;
  if (!healthy(m)) {
    m._liveness._rtt = clamp((m._now - attachment._startedAt) / 2, m._liveness._rtt, 5e3);
    m._liveness._guessedTimeout ||= 1;
  }
  trace(m, "opened", attachment);
  confirm(m, o.sel);
  ping(m, attachment);
}

// src/machine/wake.ts
function wake(m) {
  const { _current } = m;
  if (m._now - m._liveness._wokeAt < 1e3) return;
  m._liveness._wokeAt = m._now;
  m._again = true;
  m._race._tries = 0;
  forgetRefusal(m);
  m._refusals._askAt &&= m._now;
  extendClose(m);
  if (_current) {
    startRace(m, _current._suspect ? m._now : m._now + attemptDelay(m));
    _current._suspect = true;
    ping(m, _current);
  } else startRace(m, Math.max(m._now, m._race._notBefore ?? 0));
}
function late(m) {
  if (m._deadline && m._now - m._deadline > 5e3) wake(m);
}
function online(m, on, awake) {
  m._liveness._offline = !on;
  if (on && awake) wake(m);
}

// src/machine/step.ts
function step(m) {
  late(m);
  m._again = true;
  for (let rounds = 8; m._again && rounds && !m._closing._over; rounds--) judge(m);
  if (m._closing._over) m._deadline = 0;
  else pump(m);
}
function judge(m) {
  const { _current } = m;
  m._deadline = 0;
  m._again = false;
  if (_current && lineWaits(m, _current)) noteActive(m);
  for (const attachment of [...m._attachments].reverse()) judgeAttachment(m, attachment);
  checkPosts(m);
  const inUse = healthy(m);
  if (inUse) {
    noteWorking(m, inUse);
    checkMissingLines(m, inUse);
    rotateByAge(m, inUse);
  }
  connect(m);
  promote(m);
  closeUnused(m);
  checkClosing(m);
  remember(m);
}

// src/machine/refusals.ts
var codes = { position: 4302, malformed: 4303, version: 4305, origin: 4306, policy: 4306 };
function authFailed(m) {
  m._race._tries++;
  m._refusals._askAt = m._now + backoff(m);
}
function handleRefusal(m, attachment, { reason, retry }, conn) {
  const { _refusals } = m;
  const code = codes[reason];
  let wait = 0;
  trace(m, "refused", attachment, reason);
  if (reason === "origin" && isSocket(attachment) && (m._server.run || !_refusals._originRejected)) {
    _refusals._originRejected = true;
    startCooldown(m, attachment._transport);
    return endAttachment(m, attachment, 4004, "refused origin");
  }
  if (code > 4304) return finish(m, code, reason);
  if (code) return fault(m, attachment, "refused: " + reason, code);
  if (reason === "unknown") {
    if (attachment._openedAt && conn._by && attachment._posts._misrouted++ < 4) return requeue(m, conn);
    wait = 1100;
    if (!m._attachments.some((a) => a !== attachment && a._openedAt && !a._suspect)) {
      _refusals._unknownAt ||= m._now;
      if (m._now - _refusals._unknownAt > 1e3) return finish(m, 4204, reason);
    }
  } else if (reason === "auth") {
    startRace(m, m._race._at);
    if (!_refusals._waitAuth && !(conn._startedAt < _refusals._authAt)) {
      if (_refusals._reauthed && m._now - _refusals._authAt < 6e4) return finish(m, 4301, reason);
      _refusals._reauthed = _refusals._waitAuth = true;
      emit(m, (host) => host._ask());
    }
  } else {
    wait = retry > 0 ? Math.max(retry, 100) : 5e3;
    wait += m._config._random() * wait / 2;
  }
  endAttachment(m, attachment, 4004, "refused " + reason);
  if (wait)
    if (!healthy(m)) startRace(m, m._race._notBefore = m._now + wait);
    else if (reason === "unknown") startCooldown(m, attachment._transport);
    else attachment._transport._learned[Cooldown] = Math.max(attachment._transport._learned[Cooldown], m._now + wait);
}

// src/machine/input.ts
function received(m, conn, batch) {
  if (!m._conns.includes(conn)) return;
  let packet;
  let accept;
  try {
    packet = parse(batch, m._config._maxBatch);
    if (packet._ack > m._log._sent || unconfirmed(m) && packet._first > m._log._recv + 1) fail("position", 4302);
    accept = admit(m._log, packet, m._config._maxMessage, m._server.win);
  } catch (error) {
    const { message, cause } = error;
    return fault(m, conn._attachment, message, cause);
  }
  apply(m, conn, packet, accept);
}
function apply(m, conn, { _first, _ack, _lines }, accept) {
  const { _attachment } = conn;
  const controls = _lines.filter((l) => l._name);
  if (conn._kind !== "up" || isPoll(_attachment)) noteReceived(m, _attachment);
  if (conn._by) postAnswered(m, _attachment);
  if (!_attachment._openedAt) {
    const answer = controls.find((l) => /^!(opened|refused|closed|detach)$/.test(l._name));
    const fields = answer?._fields;
    if (!answer || fields.run && m._server.run && fields.run !== m._server.run)
      return endAttachment(m, _attachment, 4005, "another run");
    if (answer._name !== "!opened") return handlers[answer._name](m, _attachment, fields, conn);
    if (fields.att !== _attachment._att) return fault(m, _attachment, "another attachment");
  }
  if (controls.some((l) => l._name !== "!closed" && l._fields.recv > m._log._sent))
    return fault(m, _attachment, "position", 4302);
  m._refusals._faultCode = 0;
  const news = acked(m, _ack);
  const before = m._log._recv;
  accept();
  const fresh = m._log._recv > before;
  if (fresh) {
    noteActive(m);
    m._liveness._sentDownAt = m._now;
  }
  if (news || fresh) m._race._tries = 0;
  else if (conn._kind === "poll") _attachment._posts._pollAt = conn._startedAt + 100;
  for (const { _name, _fields } of controls)
    if (!m._closing._over) handlers[_name]?.(m, _attachment, _fields, conn);
  if (_first > before + 1 && _attachment === m._current) requestRewind(m, _attachment);
}
function requestRewind(m, attachment) {
  const { _output } = m;
  if (isPoll(attachment) || m._now - _output._rewindAt < Math.max(m._liveness._rtt, 250)) return;
  _output._rewindAt = m._now;
  queueControl(attachment, "rewind", { recv: m._log._recv });
}
function acked(m, ack) {
  const { _output } = m;
  if (!free(m._log, ack)) return false;
  m._liveness._progress = m._now;
  extendClose(m);
  _output._known = Math.max(_output._known, ack);
  for (const a of m._attachments) {
    a._written._pos = Math.max(a._written._pos, ack);
    acknowledged(a, ack);
    a._posts._failures = 0;
  }
  return true;
}
var handlers = {
  "!opened": opened,
  "!reply": replied,
  "!refused": handleRefusal,
  "!detach": detached,
  "!closed"(m, _, { code, reason, recv }) {
    acked(m, Math.min(recv, m._log._sent));
    finish(m, code, reason, true, m._server.run ? recv : void 0);
  },
  "!rewind"(m, attachment, { recv }) {
    attachment._written._pos = Math.max(recv, m._log._base);
  },
  "!ping"(_, attachment, { i }) {
    if (attachment._ctl.length < 1025) queueControl(attachment, "pong", { i });
  },
  "!pong": ponged,
  "?beacon"(_, attachment, { i }) {
    attachment._beacons = i;
    if (i > 1) attachment._beaconBy = 0;
  },
  // HF1-SEL-10
  "?move"(m, attachment) {
    move(m, attachment, "move");
  }
};

// src/machine/machine.ts
function newMachine(config) {
  const m = newState(config);
  recall(m);
  return m;
}
function tick(m, act) {
  m._now = m._config._clock();
  if (!m._closing._over) act?.();
  step(m);
}
function authorized(m, auth) {
  m._config._auth = auth;
  m._refusals._waitAuth = false;
  m._refusals._authAt = m._now;
}
function send(m, message) {
  if (!heldBytes(m._log)) m._liveness._progress = m._now;
  append(m._log, message._entries);
}
function taken(m, { _number, _cost, _close }) {
  m._log._taken = _number;
  m._log._takenCost += _cost;
  m._log._unread -= _cost;
  if (_close) {
    m._closing._peer = _close;
    m._closing._ackAt = m._now;
    waitForEnd(m);
  }
}
function closed(m, conn, reason) {
  const { _attachment } = conn;
  late(m);
  if (!m._conns.includes(conn)) return;
  forget(m, conn);
  if (!conn._by) {
    _attachment._penalized ||= learnFromClose(m, _attachment, true);
    endAttachment(m, _attachment, 4005, reason || "ended");
  } else if (reason) postFailed(m, conn, reason);
}

// src/url.ts
function endpointOf(url) {
  const { href } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
  const parts = /^(?:http|ws)(s?:\/\/)(?!.*\/\/$)(?:[^/]*@)?([^#]*)$/.exec(href);
  if (!parts) throw TypeError(href);
  return parts[1] + parts[2];
}

// src/session.ts
var AuthError = class extends Error {
};
var known = ["websocket", "sse", "longpoll"];
function ownJson(value) {
  if (value === void 0) return;
  const text2 = JSON.stringify(value);
  if (!text2 || byteLength(text2) > 8e3) throw TypeError("not JSON");
  return JSON.parse(text2);
}
function connect2(url, options = {}) {
  const {
    auth,
    meta,
    credentials = "same-origin",
    buffer = 8 << 20,
    maxBatch = 65536,
    transports = known,
    renew = true,
    memory
  } = options;
  const store = stored ? options.store : void 0;
  const wire = {
    _url: endpointOf(url),
    _fetch: options.fetch ?? fetch,
    _WebSocket: options.WebSocket ?? globalThis.WebSocket,
    _credentials: credentials,
    _maxBatch: maxBatch
  };
  const usable = transports.filter((name) => name !== "websocket" || wire._WebSocket);
  if (!usable[0] || transports.some((name) => !known.includes(name))) throw TypeError("transports");
  if (!(buffer >= 0 && maxBatch > 2047 && maxBatch <= 1 << 20)) throw RangeError("bounds");
  const ownMeta = ownJson(meta);
  if (typeof auth !== "function") ownJson(auth);
  let m;
  let base;
  let lead;
  const clock = () => Math.round(base + performance.now());
  let renewals = 0;
  let timer;
  let queued = false;
  let shownId;
  let shownTransport;
  let shownHeld = 0;
  const inbox = [];
  const listeners = {};
  const drains = [];
  const idle = [];
  const emit2 = (type, event) => [...listeners[type] ?? []].forEach((listener) => new Promise(() => listener(event)));
  const remembered = (text2) => {
    const key = "holdfast http" + wire._url.split("?")[0];
    try {
      const storage = memory ?? (globalThis.document && localStorage);
      return text2 ? storage.setItem(key, text2) : JSON.parse(storage.getItem(key));
    } catch {
      return;
    }
  };
  const isOnline = () => globalThis.navigator?.onLine !== false;
  const start = () => {
    base = Date.now() - performance.now();
    lead = 0;
    m = newMachine({
      _memory: remembered(),
      _key: randomName(32),
      _transports: usable,
      _maxBatch: maxBatch,
      _maxMessage: 16 << 20,
      // the most that a server may be set to
      _meta: ownMeta,
      _random: Math.random,
      _clock: clock
    });
    online(m, isOnline(), false);
    store?._start(m, emit2, dispatch);
  };
  const make = (conn) => {
    store?._keep(m);
    return next(m, conn);
  };
  const dispatch = (act) => {
    tick(m, () => {
      const ahead = Date.now() - clock();
      if (Math.abs(ahead - lead) > 5e3) wake(m);
      lead = ahead;
      act?.();
    });
    schedule();
  };
  const notice = ({ type, persisted }) => dispatch(() => {
    if (type !== "pagehide") online(m, isOnline(), persisted !== false && !globalThis.document?.hidden);
    else if (!persisted && !store) {
      const batch = goodbye(m);
      if (batch) navigator.sendBeacon("http" + wire._url, wrap(preambleOf("up"), batch));
    }
  });
  const watch = (how) => {
    for (const type of ["online", "offline", "visibilitychange", "pageshow", "pagehide"])
      globalThis[how]?.(type, notice, true);
  };
  const schedule = () => {
    if (!queued) queueMicrotask(collect);
    queued = true;
  };
  const write = (conn) => {
    const { _writable, _send } = conn._carrier;
    let batch;
    while (_writable() && (batch = make(conn))) _send(batch);
    if (!_writable()) due(m, m._now + 50);
  };
  const host = {
    _dial(conn) {
      const take = (batch) => dispatch(() => received(m, conn, batch));
      const over = (fault2) => dispatch(() => closed(m, conn, fault2));
      const ready = () => dispatch(() => write(conn));
      try {
        if (conn._kind === "socket") conn._carrier = openSocket(wire, ready, take, over);
        else {
          const batch = make(conn);
          if (batch) conn._carrier = post(wire, conn._kind, batch, take, over);
        }
      } catch (error) {
        over(String(error));
      }
    },
    _write: write,
    _hangup: (conn, code) => conn._carrier?._close(code),
    async _ask() {
      let given;
      try {
        given = await (typeof auth === "function" ? auth() : auth);
        const own = ownJson(given);
        dispatch(() => authorized(m, own));
      } catch (error) {
        dispatch(
          () => given || error instanceof AuthError ? finish(m, 4301, error.message) : authFailed(m)
        );
      }
    },
    _trace(trace2) {
      if (trace2.what === "validated") renewals = 0;
      emit2("trace", trace2);
    },
    _remember: remembered,
    _end() {
      const fates = m._closing._over;
      const kind = ~~(fates.code / 100);
      const again = renew && !m._closing._local && (kind === 42 || kind === 41 && unconfirmed(m));
      collectMessages();
      release();
      if (again) start();
      deliver();
      if (again) {
        setTimeout(host._ask, Math.random() * Math.min(3e4, 500 * 2 ** renewals++));
      } else {
        watch("removeEventListener");
        store?._end?.();
      }
      emit2(again ? "renew" : "close", fates);
    }
  };
  const collectMessages = () => {
    for (const item of m._log._queue.splice(0)) inbox.push([m._server.id, item]);
  };
  const deliver = () => {
    collectMessages();
    while (inbox[0] && (inbox[0][1]._close || listeners.message?.size)) {
      const message = shift();
      if (message) emit2("message", message);
    }
  };
  const shift = () => {
    const [session, item] = inbox.shift();
    const message = item._close ? void 0 : { data: item._data, number: item._number, session };
    const done = () => session === m._server.id && dispatch(() => taken(m, item));
    store?._take ? store._take(message, done) : done();
    return message;
  };
  const release = () => {
    const over = m._closing._over;
    while (drains[0] && drains[0][0] <= m._log._base) drains.shift()[1]();
    if (over) for (const [, , reject] of drains.splice(0)) reject(Error(`closed ${over.code} ${over.reason}`));
  };
  const transportName = () => m._current?._transport._name;
  const collect = () => {
    queued = false;
    for (const effect of m._effects.splice(0)) effect(host);
    deliver();
    if (m._effects[0]) schedule();
    release();
    for (const resolve of idle.splice(0)) resolve();
    if (m._server.id !== shownId && m._server.att) {
      shownId = m._server.id;
      if (shownId) emit2("open", { id: shownId });
    }
    if (transportName() !== shownTransport) {
      shownTransport = transportName();
      emit2("transport", { transport: shownTransport });
    }
    const held = heldBytes(m._log);
    if (!held && shownHeld) emit2("drain", void 0);
    shownHeld = held;
    store?._keep(m);
    clearTimeout(timer);
    if (m._deadline) timer = setTimeout(dispatch, Math.min(m._deadline - clock(), 1e9));
  };
  start();
  watch("addEventListener");
  host._ask();
  return {
    get state() {
      const closing = m._closing;
      if (closing._over) return "closed";
      return closing._local || closing._peer ? "closing" : m._current ? "open" : "connecting";
    },
    get transport() {
      return transportName();
    },
    get id() {
      return m._server.id;
    },
    get buffered() {
      return heldBytes(m._log);
    },
    send(data) {
      if (m._closing._over || m._closing._local) throw Error("closed");
      const message = prepare(data);
      if (message._cost - 16 * message._entries.length > m._server.lim.maxMessage) throw RangeError("too large");
      if (heldBytes(m._log) + message._cost > buffer) throw RangeError("full");
      dispatch(() => send(m, message));
      shownHeld += message._cost;
      return lastNumber(m._log);
    },
    drained: () => new Promise((resolve, reject) => {
      drains.push([lastNumber(m._log), resolve, reject]);
      schedule();
    }),
    on(type, listener) {
      const set = listeners[type] ??= /* @__PURE__ */ new Set();
      const own = (event) => listener(event);
      set.add(own);
      schedule();
      return () => void set.delete(own);
    },
    close(code = 4100, reason = "") {
      if (code > 4199 || !isEnd(code, reason)) throw RangeError("code or reason");
      dispatch(() => close(m, code, reason));
    },
    async *[Symbol.asyncIterator]() {
      for (; ; ) {
        const message = inbox[0] && shift();
        if (message) yield message;
        else if (m._closing._over) return;
        else await new Promise((resolve) => idle.push(resolve));
      }
    }
  };
}
export {
  AuthError,
  connect2 as connect
};
