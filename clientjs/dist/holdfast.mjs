/*! Holdfast, MIT licence */

// src/control.ts
function fail(why = "malformed", code = 4303) {
  throw Object.assign(Error(why), { code });
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

// src/codec.ts
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
var randomName = (bytes) => btoa(binaryString(crypto.getRandomValues(new Uint8Array(bytes)))).replace(/\W/g, (c) => ({ "+": "-", "/": "_" })[c] ?? "");
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
  const [head, ...lines2] = text2.split(/\r?\n/);
  const [, first, ack, , plus] = /^@([1-9]\d{0,15}) (0|[1-9]\d{0,15})( [\w-]{1,64})?( \+)?$/.exec(head) ?? fail();
  if ((binary ? batch.length : byteLength(text2)) > limit || lines2.pop() !== "" || plus && !binary || /\r(?!\n)/.test(text2)) fail();
  const parsed = binary ? [messageLine(batch.subarray(text2.length), !!plus)] : lines2.map(parseLine);
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
function encodeMessage(data) {
  const entries = [];
  if (typeof data === "string") {
    if (/\p{Cs}/u.test(data)) throw TypeError("lone surrogate");
    let rest = data.replace(/[\\\n\r]/g, (c) => "\\" + escapes[c]);
    do {
      let piece = cut(rest, 1534);
      if (piece !== rest) piece = cut(rest, 1533);
      rest = rest.slice(piece.length);
      entries.push(encodeEntry("t" + piece + "\n", costOf(piece.replace(/\\./g, ".")), !!rest));
    } while (rest);
  } else
    for (let at = 0; !at || at < data.length; ) {
      const piece = data.slice(at, at += 1149);
      entries.push(encodeEntry("b" + btoa(binaryString(piece)) + "\n", costOf(piece), at < data.length, piece));
    }
  return entries;
}
var wrap = (preamble, batch) => preamble + batch + ".\n";
function unwrap(preamble, body) {
  const text2 = body.replace(/\r\n/g, "\n");
  const end2 = text2.search(/\n\.\n?$/) + 1;
  if (!text2.startsWith(preamble + "@") || !end2 || text2.includes("\r")) fail("not holdfast");
  return text2.slice(preamble.length, end2);
}

// src/carriers.ts
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
function post(wire, kind, batch, take, closed2) {
  let preamble = `holdfast/1 ${kind} ${randomName(12)}
`;
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
      if (text2.length > 2 * wire._takesBatch + 4096) fail("too large");
      if (done) break;
    }
    if (!stream) take(unwrap(preamble, text2));
    return "";
  };
  const end2 = () => abort.abort();
  void exchange().catch(String).then(closed2).then(end2);
  return { _close: end2 };
}

// src/log.ts
var newLogs = () => ({
  _base: 0,
  _sent: 0,
  _entries: [],
  _grown: 0,
  _freed: 0,
  _recv: 0,
  _taken: 0,
  _queue: [],
  _pieces: [],
  _piecesCost: 0,
  _told: 0,
  _takenCost: 0
});
var lastNumber = (log) => log._base + log._entries.length;
var heldBytes = ({ _grown, _freed }) => _grown - _freed;
function append(log, entries) {
  for (const entry of entries) entry._end = log._grown += entry._cost;
  log._entries.push(...entries);
}
var appendClose = (log, code, reason) => append(log, [encodeEntry(encodeControl("close", { code, reason }), 0, false)]);
function free(log, n) {
  if (n <= log._base) return false;
  log._freed = log._entries[n - log._base - 1]._end;
  log._entries.splice(0, n - log._base);
  log._base = n;
  return true;
}
function fits(log, n, win) {
  const i = n - log._base - 1;
  const entry = log._entries[i];
  return win >= 0 && !!entry && (!entry._cost || entry._end - log._freed <= win || // The oldest message may always go whole.
  log._entries.findIndex((e) => !e._more) >= i);
}
function admit(log, packet, maxMessage) {
  let { _recv, _pieces, _piecesCost, _last } = log;
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
      _recv++;
      _last = line;
      _pieces.push(line);
      _piecesCost += line._cost;
      if (_piecesCost > maxMessage) fail("too large", 4304);
      if (line._more) continue;
      if (line._fields && !isEnd(line._fields.code, line._fields.reason)) fail();
      whole.push({ _data: join(_pieces, _piecesCost), _number: _recv, _cost: _piecesCost, _close: line._fields });
      _pieces = [];
      _piecesCost = 0;
    }
  return () => {
    log._queue.push(...whole);
    Object.assign(log, { _recv, _pieces, _piecesCost, _last });
  };
}
var isEnd = (code, reason) => code > 4099 && code < 4400 && byteLength(reason) < 129;
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
function told(log) {
  log._told = log._taken;
  log._takenCost = 0;
}

// src/memory.ts
var day = 864e5;
var text = ({ _ways, _best }) => JSON.stringify([_best?._name ?? "", Object.fromEntries(_ways.map((way) => [way._name, way._facts]))]);
function recall(m) {
  const [version, since, best, facts] = [0, 1, 2, 3].map((i) => Object(m._memory)[i]);
  if (version === 1 && since <= m._now && since > m._now - day) {
    m._since = since;
    m._best = m._ways.find((way) => way._name === best);
    for (const way of m._ways) {
      way._facts = way._facts.map((_, i) => {
        const value = Object(facts)[way._name]?.[i];
        return value === +value && value > 0 && value < 2 ** 53 ? Math.floor(value) : 0;
      });
      way._before[Limit] = way._facts[Limit];
      way._facts[Rest] = Math.min(way._facts[Rest], m._now + 6e5);
    }
  }
  m._remembered = text(m);
}
function remember(m) {
  if (due(m, m._since + day)) {
    for (const { _facts } of m._ways) _facts[Idle] = _facts[Age] = _facts[Hold] = 0;
    m._since = m._now;
  }
  if (text(m) === m._remembered || !due(m, m._toldAt + 1e3)) return;
  m._remembered = text(m);
  m._toldAt = m._now;
  const written = `[1,${m._since},${m._remembered.slice(1)}`;
  m._actions.push((host) => host._remember(written));
}

// src/stored.ts
var stored = true;

// src/state.ts
var Rest = 0;
var Rests = 1;
var Idle = 2;
var Age = 3;
var Hold = 4;
var Limit = 5;
function newMachine(config) {
  const _now = config._clock();
  const m = {
    ...config,
    ...newLogs(),
    _ways: config._transports.map((name, rank) => ({ _name: name, _rank: rank, _young: 0, _facts: [0, 0, 0, 0, 0, 0], _before: [0, 0, 0, 0, 0, 0] })),
    _paths: [],
    _conns: [],
    _actions: [],
    // What is missing here is not asked for before `opened`.
    _server: { win: 1 << 21, lim: { maxMessage: 1 << 20 } },
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
    _tries: 0
  };
  recall(m);
  return m;
}
function due(m, at = 0) {
  if (at > m._now) m._deadline = Math.min(m._deadline || at, at);
  return !!at && at <= m._now;
}
var unheard = ({ _server }) => stored && !!_server.run && !_server.att;
var clamp = (value, low, high) => Math.min(Math.max(value, low), high);
var hangs = (m) => Math.max(2e3, 4 * m._rtt);
var patience = (m) => Math.max(hangs(m), m._slow);
function slower(m) {
  m._slow = Math.min(3 * patience(m), 1e4);
}
var sound = ({ _cur }) => _cur?._suspect ? void 0 : _cur;
var isPoll = (path) => path._way._name === "longpoll";
function trace(m, what, { _way, _att }, reason = "") {
  const step2 = { what, transport: _way._name, attachment: _att, reason, time: m._now };
  m._again = true;
  m._actions.push((host) => host._trace(step2));
}

// src/wake.ts
function wake(m) {
  const { _cur, _now } = m;
  if (_now - m._wokeAt < 1e3) return;
  m._wokeAt = _now;
  m._again = true;
  m._tries = 0;
  if (m._closeBy) m._closeBy = _now + grace;
  raceFrom(m, _cur ? _cur._suspect ? _now : _now + raceDelay(m) : Math.max(_now, m._notBefore ?? 0));
  if (_cur) {
    _cur._suspect = true;
    pingPath(m, _cur);
  }
}
function late(m) {
  if (m._deadline && m._now - m._deadline > 5e3) wake(m);
}
var blameless = (m, path) => m._offline || path._born < m._wokeAt && m._now - m._wokeAt < 5e3;

// src/ways.ts
var floor = 512;
var settledAt = (path) => path._openedAt + 6e4;
function died(m, path) {
  const way = path._way;
  if (path._charged || blameless(m, path)) return;
  if (!path._openedAt) way._failed = way !== sound(m)?._way;
  else if (path._proven ? way._facts[Rests] && m._now < settledAt(path) : ++way._young > 1) takeRest(m, way);
}
function takeRest(m, way) {
  way._young = 0;
  way._failed = false;
  way._facts[Rest] = m._now + Math.min(2e4 * 2 ** way._facts[Rests]++, 6e5);
}
function proved(way) {
  way._young = way._facts[Rest] = 0;
  way._failed = false;
}
var limitOf = (m, { _way }) => m._slow > 2e3 ? floor : Math.max(_way._facts[Limit] || Infinity, floor);
function wrote(path, size, to) {
  if (size > path._underway) {
    path._underway = size;
    path._underwayTo = to;
  }
}
function shrink(path, told2) {
  const { _facts, _before } = path._way;
  if (path._underway > floor) {
    _facts[Limit] = path._underway >> 1;
    if (told2) _before[Limit] = _facts[Limit];
  }
  path._underway = 0;
}
function carried(path, ack) {
  const facts = path._way._facts;
  if (ack < path._underwayTo) return;
  if (path._underway > facts[Limit] / 2) facts[Limit] += facts[Limit] >> 4;
  path._underway = 0;
}

// src/select.ts
function confirm(m, { u, att }) {
  const path = m._paths.find((p) => p._att === att && p._openedAt);
  m._heardU = Math.max(m._heardU, u);
  if (stored) m._u = Math.max(m._u, u);
  if (u !== m._u || !path) return;
  path._useBy = 0;
  choose(m, path);
}
function choose(m, path) {
  const old2 = m._cur;
  m._cur = path;
  path._detached = false;
  path._leaveBy = 0;
  if (old2 === path) return;
  raceFrom(m);
  trace(m, "selected", path);
  m._progress = m._now;
  m._told = 0;
  if (old2) old2._leaveBy = m._now + linger;
}
function use(m, path) {
  if (!mayRaise(m)) return false;
  m._u++;
  path._useBy = m._now + 2 * patience(m);
  sayUse(m, path);
  choose(m, path);
  return true;
}
function sayUse(m, path) {
  path._useAt = m._now + patience(m) / 2;
  due(m, path._useAt);
  say(path, "use", { u: m._u, att: path._att, challenge: path._challenge, recv: m._recv });
}
function replied(m, path, { recv, sent, sel: sel2 }) {
  path._strays = 0;
  if (recv > m._known) {
    m._known = recv;
    m._tries = 0;
    carried(path, recv);
  }
  if (m._sentDown <= m._recv) m._sentAt = m._now;
  m._sentDown = Math.max(m._sentDown, sent);
  confirm(m, sel2);
}
function pingPath(m, path) {
  path._pingI = ++m._pings;
  path._pingAt = m._now;
  speaks(m, path);
  say(path, "ping", { i: m._pings });
}
function ponged(m, path, { i }) {
  if (!i || i !== path._pingI) return;
  const rtt = clamp(m._now - path._pingAt, 1, 5e3);
  for (const { _facts, _before } of m._ways) _before[Limit] = _facts[Limit] = (4 * rtt > patience(m) ? _before : _facts)[Limit];
  m._rtt = m._slow ? rtt : (7 * m._rtt + rtt) / 8;
  m._slow = 0;
  path._pingI = 0;
  path._pongs++;
  path._faults = 0;
  if (path !== m._cur) return;
  m._progress = m._now;
  if (!path._beaconBy) path._suspect = false;
}
var mayMove = (m) => !m._waitAuth && !m._closing && !m._peerClosed;
function better(m) {
  const inUse = sound(m);
  if (!inUse || inUse._useBy || !mayMove(m)) return;
  for (const way of m._ways) {
    if (way === inUse._way) return;
    const path = m._paths.find((p) => p._way === way && !p._leaveBy);
    if (path) {
      if (path._openedAt && path._proven) use(m, path);
    } else if (way._facts[Rest] > m._now) {
      due(m, way._facts[Rest]);
      continue;
    } else attach(m, way);
    return;
  }
}
function tidy(m) {
  const { _cur } = m;
  if (_cur && !_cur._useBy) {
    for (const path of m._paths)
      if (path === _cur) continue;
      else if (path._leaveBy) {
        if (path._detached || due(m, path._leaveBy)) kill(m, path, 4004, "left");
      } else if (_cur._proven && !_cur._suspect && path._way._rank >= _cur._way._rank) kill(m, path, 4004, "left");
  }
}

// src/learn.ts
var last = (path) => Math.max(path._spoke, path._heard);
function speaks(m, path) {
  path._gap = Math.max(path._gap, m._now - last(path));
}
function hears(m, path) {
  speaks(m, path);
  path._endured = Math.max(path._endured, path._gap);
  path._gap = 0;
  path._heard = m._now;
}
function learn({ _facts, _before }, fact, value, part) {
  const before = _before[fact];
  _before[fact] = value;
  return Math.abs(value - before) <= before / part && lower(_facts, fact, Math.min(value, before));
}
function lower(facts, fact, value) {
  if (facts[fact] && value >= facts[fact]) return false;
  facts[fact] = value;
  return true;
}
function cut2(m, path, visible) {
  const way = path._way;
  if (!path._openedAt || path._charged || path._beaconBy || isPoll(path) || blameless(m, path)) return false;
  const silence = visible ? Math.max(path._gap, m._now - last(path)) : path._gap;
  if (!visible && !silence) return false;
  if (silence >= 2e3 && silence > path._endured) return learn(way, Idle, silence, 4);
  way._before[Idle] = silence;
  const age = (visible ? m._now : path._heard) - path._openedAt;
  return age >= 12e3 && learn(way, Age, age, 10);
}
var holdOf = (m, { _way }) => Math.min(m._server.hold, Math.max(_way._facts[Hold] || 25e3, 5e3));
function holdFailed(m, { _kind, _path, _born }) {
  const lasted = m._now - _born;
  const hold = holdOf(m, _path);
  return _kind === "poll" && lasted >= 3e3 && !blameless(m, _path) && lower(_path._way._facts, Hold, Math.max(~~(0.7 * Math.min(lasted, hold)), 5e3)) && lasted < hold;
}
function ask(m, path) {
  const inUse = path === m._cur;
  const idle = path._way._facts[Idle];
  if (path._suspect) return;
  if (path._pingI) {
    if (inUse && due(m, Math.max(path._pingAt, m._progress) + patience(m)))
      if (path._faults && outlives(path, path._pingAt)) mute(m, path, path._pingAt, "no pong");
      else unanswered(m, path, "no pong");
    return;
  }
  const stall = inUse && m._entries[0] ? m._progress + patience(m) : Infinity;
  const carries = !isPoll(path) && !path._leaveBy;
  const late2 = carries && inUse && !isActive(m) ? path._heard + m._server.ping + 1e3 : Infinity;
  const early2 = carries && idle ? last(path) + Math.max(idle / 2, 1e3) : Infinity;
  if (due(m, Math.min(stall, late2, early2))) {
    pingPath(m, path);
    m._again = true;
  }
}
var outlives = (path, asked) => path._way._name === "sse" && path._heard > asked;
function mute(m, path, asked, reason) {
  if (m._now - asked >= patience(m) && !path._suspect) slower(m);
  const rests = outlives(path, asked);
  if (rests) takeRest(m, path._way);
  kill(m, path, rests ? 4004 : 4005, reason);
}
function old(m, path) {
  const age = path._way._facts[Age];
  if (!path._useBy && !isPoll(path) && mayMove(m) && age && due(m, path._openedAt + Math.max(0.8 * age, 9600))) move(m, path, "age");
}

// src/paths.ts
function say(path, name, fields) {
  path._ctl += encodeControl(name, fields);
}
function dial(m, path, kind, by) {
  const conn = { _kind: kind, _path: path, _born: m._now, _by: by, _first: true, _ctl: "" };
  m._conns.push(conn);
  m._actions.push((host) => host._dial(conn));
  due(m, by);
}
function hangup(m, conn, code) {
  forget(m, conn);
  m._actions.push((host) => host._hangup(conn, code));
}
function forget(m, conn) {
  m._conns = m._conns.filter((c) => c !== conn);
}
var grace = 1e4;
function kill(m, path, code, reason) {
  const { _cur } = m;
  if (!m._paths.includes(path)) return;
  trace(m, "died", path, reason);
  if (code === 4005 || code === 4002 || code >= 4300) {
    died(m, path);
    shrink(path, code !== 4002);
  }
  m._paths = m._paths.filter((p) => p !== path);
  for (const conn of [...m._conns].reverse()) if (conn._path === path) hangup(m, conn, code);
  if (_cur === path) {
    m._cur = void 0;
    lost(m);
  } else if (!sound(m) && m._raceAt && !path._openedAt) m._raceAt = m._now;
}
function postFailed(m, conn, reason) {
  const path = conn._path;
  const busy = /status (429|503)/.test(reason);
  unsaid(m, conn);
  if (busy) path._postAt = m._now + (path._pause = clamp(2 * path._pause, 100, 2e3));
  else shrink(path, reason !== "no answer");
  if (!holdFailed(m, conn) && ++path._faults > (busy ? 4 : 1)) mute(m, path, conn._born, reason);
}
function unsaid(m, { _path, _ctl }) {
  _path._ctl = _ctl + _path._ctl;
  m._told = 0;
}
function pollAnew(m, path) {
  const poll = m._conns.find((c) => c._path === path && c._kind === "poll");
  if (poll) {
    hangup(m, poll, 4002);
    unsaid(m, poll);
  }
  return isPoll(path);
}
var linger = 5e3;
function detached(m, path, { code, gone }) {
  trace(m, "detached", path);
  if (gone) return kill(m, path, code, "detached");
  path._detached = true;
  if (path !== m._cur) path._leaveBy ||= m._now + linger;
}
function fault(m, path, message, code) {
  if (code === 4302 && unheard(m)) return finish(m, 4202, message);
  const again = code === 4304 || m._faultCode === code && m._faultWay !== path._way;
  kill(m, path, code, message);
  if (again) finish(m, code, message);
  m._faultCode = code;
  m._faultWay = path._way;
}
function finish(m, code, reason, remote = false, recv) {
  const peer = m._peerClosed;
  if (m._over) return;
  const rest = m._entries.flatMap(({ _cost, _more }, i) => _cost && !_more ? m._base + i + 1 : []);
  const final = recv !== void 0;
  m._over = {
    code: peer?.code ?? code,
    reason: peer?.reason ?? reason,
    remote: remote || !!peer,
    session: m._server.id ?? "",
    delivered: m._base,
    notDelivered: final ? rest : [],
    unknown: final ? [] : rest
  };
  for (const conn of m._conns) hangup(m, conn, code);
  m._paths = [];
  m._cur = void 0;
  m._actions.push((host) => host._end());
}

// src/attach.ts
var maxPaths = 4;
function raceFrom(m, at = 0) {
  m._raceAt = at;
  for (const way of m._ways) way._tried = false;
}
var backoff = (m) => Math.min(3e4, 500 * 2 ** m._tries) * m._random();
function lost(m) {
  raceFrom(m, m._now + (m._tries ? backoff(m) : 0));
  m._tries++;
}
function connect(m) {
  const { _cur } = m;
  if (m._waitAuth || sound(m)) return;
  const [best] = m._paths.filter((p) => p !== _cur && p._openedAt && !p._suspect && p._heard >= m._wokeAt).sort((a, b) => a._way._rank - b._way._rank);
  if (best) {
    for (const path of m._paths)
      if (!_cur && !mayRaise(m) && opensWith(path, m._u) && due(m, path._heard + raceDelay(m)))
        kill(m, path, 4004, "left");
    if (!use(m, best) && _cur) {
      kill(m, _cur, 4002, "use unanswered");
      connect(m);
    }
    return;
  }
  const opening = isOpening(m);
  if (!opening) m._raceAt ||= m._now;
  if (!due(m, m._raceAt)) return;
  const way = nextWay(m);
  if (way) {
    attach(m, way, _cur ? void 0 : raceU(m));
    m._raceAt = m._now + raceDelay(m);
  } else if (opening) m._raceAt = m._now + hangs(m);
  else if (m._foreign && !m._server.run) finish(m, 4306, "origin");
  else {
    m._tries++;
    raceFrom(m, m._now + backoff(m));
    for (const w of m._ways) w._failed = false;
  }
  due(m, m._raceAt);
}
var raceDelay = (m) => clamp(2 * m._rtt, 250, 1e3);
var beaconTime = (m) => 1e3 + 2 * m._rtt;
var opensWith = (path, u) => !path._openedAt && path._u === u;
function raceU(m) {
  if (mayRaise(m) && !m._paths.some((p) => opensWith(p, m._u))) m._u++;
  return m._u;
}
var mayRaise = (m) => m._heardU >= m._u || !m._paths.some((p) => p._useBy || opensWith(p, m._u));
function nextWay(m) {
  const rest = (way2) => way2._facts[Rest] > m._now ? way2._facts[Rest] : 0;
  const key = (way2) => rest(way2) || (way2 === m._best ? -1 : way2._rank);
  const [way] = m._ways.filter((w) => !w._tried).sort((a, b) => key(a) - key(b));
  return way && rest(way) && m._paths.some((p) => !p._openedAt && m._now < p._born + hangs(m)) ? void 0 : way;
}
var isOpening = (m) => m._paths.some((p) => !p._openedAt);
function attach(m, way, u) {
  if (m._paths.length >= maxPaths) kill(m, m._paths.find((p) => p !== m._cur), 4004, "left");
  const path = {
    _att: ++m._atts,
    _way: way,
    _u: u,
    _born: m._now,
    _heard: m._now,
    _spoke: 0,
    _gap: 0,
    _endured: 0,
    _openedAt: 0,
    _pos: 0,
    _ctl: "",
    _p: 0,
    _pause: 0,
    _pongs: 0,
    _faults: 0,
    _strays: 0,
    _underway: 0
  };
  way._tried = true;
  m._paths.push(path);
  trace(m, "attach", path);
  dial(m, path, way._name === "sse" ? "stream" : way._name === "longpoll" ? "open" : "socket", 0);
}
function opened(m, path, o, conn) {
  if (path._openedAt) return;
  if (!m._server.run) m._progress = m._now;
  m._offline = false;
  m._server = o;
  o.ping = clamp(o.ping, 5e3, 25e3);
  o.hold = clamp(o.hold, 5e3, 25e3);
  m._unknownAt = 0;
  m._reauthed = false;
  path._challenge = o.challenge;
  path._openedAt = m._now;
  path._pos = Math.max(o.recv, m._base);
  m._known = Math.max(m._known, path._pos);
  if (path._way._name === "sse") path._beaconBy = m._now + beaconTime(m);
  if (conn._kind === "open") forget(m, conn);
  path._way._failed = false;
  if (!sound(m)) {
    m._rtt = clamp((m._now - path._born) / 2, m._rtt, 5e3);
    m._slow ||= 1;
  }
  trace(m, "opened", path);
  confirm(m, o.sel);
  pingPath(m, path);
}

// src/send.ts
var isSocket = (path) => path?._way._name === "websocket";
function pump(m) {
  planAck(m);
  for (const path of m._paths) {
    const conns = m._conns.filter((c) => c._path === path);
    const down = conns.find((c) => c._kind !== "up");
    if (!path._openedAt) continue;
    if (hasOutput(m, path)) {
      if (isSocket(path)) m._actions.push((host) => host._write(down));
      else if (!conns.some((c) => c !== down) && mayPost(m, path)) dial(m, path, "up", m._now + Math.min(patience(m), 1e4));
    }
    if (isPoll(path) && path === m._cur && !down && (!path._pollAt || due(m, path._pollAt)) && mayPost(m, path)) {
      path._pollAt = 0;
      dial(m, path, "poll", m._now + holdOf(m, path) + patience(m));
    }
  }
}
var mayPost = (m, { _pause, _postAt }) => !_pause || due(m, _postAt);
var lineWaits = (m, path) => fits(m, position(m, path) + 1, m._server.win);
var hasOutput = (m, path) => !!path._ctl || path === m._cur && (lineWaits(m, path) || due(m, m._ackAt));
var position = (m, path) => isSocket(path) ? path._pos : m._known;
function planAck(m) {
  const unsaid2 = m._taken - m._told;
  if (!unsaid2) m._ackAt = 0;
  else if (unsaid2 > 31 || m._takenCost >= m._server.win / 4) m._ackAt = m._now;
  else m._ackAt ||= m._now + (isSocket(m._cur) ? 100 : 250);
  due(m, m._ackAt);
}
var early = 4096;
function next(m, conn) {
  const { _path: path, _kind: kind, _first: first } = conn;
  const { run, lim } = m._server;
  m._now = m._clock();
  if (!m._conns.includes(conn) || !(first || kind === "socket" && path._openedAt && hasOutput(m, path))) return;
  conn._first = false;
  if (kind === "socket") {
    speaks(m, path);
    path._spoke = m._now;
  }
  const who = { key: m._key, run, att: path._att };
  const recv = m._recv;
  let { win } = m._server;
  let limit = lim.maxBatch;
  let pos = m._base;
  let controls = path._ctl;
  if (first && kind === "poll") {
    controls = encodeControl(kind, { ...who, p: ++path._p, recv, hold: holdOf(m, path) });
    win = -1;
    told(m);
  } else if (first && kind !== "up") {
    controls = encodeControl("open", {
      v: [1],
      ...who,
      u: path._u,
      recv,
      lim: { maxBatch: m._takesBatch },
      auth: m._auth,
      meta: m._meta
    });
    if (run) win = -1;
    limit = early;
  } else {
    path._ctl = "";
    if (kind === "up") {
      conn._ctl = controls;
      controls = encodeControl(kind, who) + controls;
    }
    if (path !== m._cur) win = -1;
    if (path === m._cur || kind === "up") {
      pos = position(m, path);
      m._ackAt = 0;
      told(m);
    }
  }
  return lines(m, path, pos, `@${pos + 1} ${m._taken}
${controls}`, controls.length, win, Math.min(limit, limitOf(m, path)));
}
function lines(m, path, pos, head, controls, win, limit) {
  let batch = head;
  let size = byteLength(batch);
  let to = pos;
  while (fits(m, to + 1, win)) {
    const { _line, _raw, _more } = m._entries[to - m._base];
    const frame = _raw && m._server.run && isSocket(path);
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
  m._sent = Math.max(m._sent, to);
  if (to > pos) {
    active(m);
    wrote(path, size, to);
    path._pos = to;
  }
  return batch;
}

// src/alive.ts
function step(m) {
  late(m);
  m._again = true;
  for (let rounds = 8; m._again && rounds && !m._over; rounds--) judge(m);
  if (m._over) m._deadline = 0;
  else pump(m);
}
function judge(m) {
  m._deadline = 0;
  m._again = false;
  if (m._cur && lineWaits(m, m._cur)) active(m);
  for (const path of [...m._paths].reverse()) alive(m, path);
  for (const conn of [...m._conns].reverse())
    if (m._conns.includes(conn) && due(m, conn._by)) {
      hangup(m, conn, 4002);
      pollAnew(m, conn._path);
      postFailed(m, conn, "no answer");
    }
  const inUse = sound(m);
  if (inUse) {
    if (inUse._proven && !inUse._charged) m._best = inUse._way;
    for (const way of m._ways) if (way._failed && way !== inUse._way) takeRest(m, way);
    stalled(m, inUse);
    old(m, inUse);
  }
  connect(m);
  better(m);
  tidy(m);
  ending(m);
  remember(m);
}
function alive(m, path) {
  if (!path._openedAt) {
    if (due(m, path._heard + 1e4)) kill(m, path, 4002, path._way._name === "sse" && m._cur ? "held" : "no answer");
    return;
  }
  if (!path._proven && path._pongs && !path._beaconBy && !path._suspect && due(m, path._openedAt + 1e4)) {
    if (path === m._cur || path._pongs > 1) {
      path._proven = true;
      m._tries = 0;
      proved(path._way);
      trace(m, "proven", path);
    } else if (!path._pingI) pingPath(m, path);
  }
  if (path._proven && !path._suspect && path._way._facts[Rests] && due(m, settledAt(path))) path._way._facts[Rests] = 0;
  if (due(m, path._beaconBy) && !path._suspect) {
    if (!blameless(m, path)) takeRest(m, path._way);
    doubt(m, path, path._beacons ? "one-behind" : "threshold");
  }
  if (path._useBy && due(m, path._useAt)) sayUse(m, path);
  if (due(m, path._useBy)) unanswered(m, path, "use unanswered");
  ask(m, path);
  const silentAt = path === m._cur && isActive(m) ? Math.max(path._heard, m._activeAt) + 5750 : path._heard + 1.5 * m._server.ping + 5e3;
  if (!isPoll(path) && !path._suspect && due(m, silentAt)) doubt(m, path, "silent");
}
var isActive = (m) => m._now - m._lastLog < 3e4;
function active(m) {
  if (!isActive(m)) m._activeAt = m._now;
  m._lastLog = m._now;
}
function stalled(m, path) {
  if (m._sentDown > m._recv && due(m, m._sentAt + patience(m))) {
    m._sentDown = m._recv;
    if (!pollAnew(m, path)) doubt(m, path, "lines missing");
  }
}
function doubt(m, path, reason) {
  if (path._suspect) return;
  trace(m, "suspect", path, reason);
  path._charged ||= cut2(m, path);
  if (path !== m._cur) return kill(m, path, 4002, reason);
  path._suspect = true;
  if (!path._charged) {
    died(m, path);
    shrink(path);
    path._charged = true;
  }
  raceFrom(m, m._now);
}
function unanswered(m, path, reason) {
  if (!path._suspect) slower(m);
  doubt(m, path, reason);
}
function move(m, path, reason) {
  path._charged = true;
  path._pingI = 0;
  doubt(m, path, reason);
}
function ending(m) {
  if (m._peerClosed && due(m, m._closeAck)) {
    m._closeAck = m._now + patience(m);
    m._told = 0;
    m._ackAt = m._now;
    if (m._cur && !m._cur._pingI) pingPath(m, m._cur);
    due(m, m._closeAck);
  }
  if (due(m, m._closeBy)) finish(m, 4100, "");
}

// src/refused.ts
var codes = { position: 4302, malformed: 4303, version: 4305, origin: 4306, policy: 4306 };
function refused(m, path, { reason, retry }, conn) {
  const code = codes[reason];
  let wait = 0;
  trace(m, "refused", path, reason);
  if (reason === "origin" && path._way._name === "websocket" && (m._server.run || !m._foreign)) {
    m._foreign = true;
    takeRest(m, path._way);
    return kill(m, path, 4004, "refused origin");
  }
  if (code > 4304) return finish(m, code, reason);
  if (code) return fault(m, path, "refused: " + reason, code);
  if (reason === "unknown") {
    if (path._openedAt && conn._by && path._strays++ < 4) return unsaid(m, conn);
    wait = 1100;
    if (!m._paths.some((p) => p !== path && p._openedAt && !p._suspect)) {
      m._unknownAt ||= m._now;
      if (m._now - m._unknownAt > 1e3) return finish(m, 4204, reason);
    }
  } else if (reason === "auth") {
    raceFrom(m, m._raceAt);
    if (!m._waitAuth && !(conn._born < m._authAt)) {
      if (m._reauthed) return finish(m, 4301, reason);
      m._reauthed = m._waitAuth = true;
      m._actions.push((host) => host._ask());
    }
  } else {
    wait = retry > 0 ? Math.max(retry, 100) : 5e3;
    wait += m._random() * wait / 2;
  }
  kill(m, path, 4004, "refused " + reason);
  if (wait)
    if (!sound(m)) raceFrom(m, m._notBefore = m._now + wait);
    else if (reason === "unknown") takeRest(m, path._way);
    else path._way._facts[Rest] = Math.max(path._way._facts[Rest], m._now + wait);
}

// src/machine.ts
function input(m, act) {
  m._now = m._clock();
  if (!m._over) act?.();
  step(m);
}
function authorized(m, auth) {
  m._auth = auth;
  m._waitAuth = false;
  m._authAt = m._now;
}
function send(m, entries) {
  if (!heldBytes(m)) m._progress = m._now;
  append(m, entries);
}
function taken(m, { _number, _cost, _close }) {
  m._taken = _number;
  m._takenCost += _cost;
  if (_close) {
    m._peerClosed = _close;
    m._closeAck = m._now;
    m._closeBy = m._now + grace;
  }
}
function end(m, code, reason) {
  if (m._closing) return;
  if (!m._server.run && !lastNumber(m)) return finish(m, code, reason, false, 0);
  m._closing = true;
  appendClose(m, code, reason);
  m._progress = m._now;
  m._closeBy = m._now + grace;
}
function closed(m, conn, reason) {
  late(m);
  if (!m._conns.includes(conn)) return;
  forget(m, conn);
  if (!conn._by) {
    conn._path._charged ||= cut2(m, conn._path, true);
    kill(m, conn._path, 4005, reason || "ended");
  } else if (reason) postFailed(m, conn, reason);
}
function received(m, conn, batch) {
  if (!m._conns.includes(conn)) return;
  let packet;
  let accept;
  try {
    packet = parse(batch, m._takesBatch);
    if (packet._ack > m._sent || unheard(m) && packet._first > m._recv + 1) fail("position", 4302);
    accept = admit(m, packet, m._takesMessage);
  } catch (error) {
    const { message, code } = error;
    return fault(m, conn._path, message, code > 4e3 ? code : 4303);
  }
  apply(m, conn, packet, accept);
}
function apply(m, conn, { _first, _ack, _lines }, accept) {
  const path = conn._path;
  const controls = _lines.filter((l) => l._name);
  if (conn._kind !== "up" || isPoll(path)) hears(m, path);
  if (conn._by) {
    path._faults = 0;
    path._postAt = m._now + (path._pause >>= 1);
  }
  if (!path._openedAt) {
    const answer = controls.find((l) => /^!(opened|refused|closed|detach)$/.test(l._name));
    const fields = answer?._fields;
    if (!answer || fields.run && m._server.run && fields.run !== m._server.run) return kill(m, path, 4005, "another run");
    if (answer._name !== "!opened") return handlers[answer._name](m, path, fields, conn);
    if (fields.att !== path._att) return fault(m, path, "another attachment", 4303);
  }
  if (controls.some((l) => l._name !== "!closed" && l._fields.recv > m._sent)) return fault(m, path, "position", 4302);
  m._faultCode = 0;
  const news = acked(m, _ack);
  const before = m._recv;
  accept();
  const fresh = m._recv > before;
  if (fresh) {
    active(m);
    m._sentAt = m._now;
  }
  if (news || fresh) m._tries = 0;
  else if (conn._kind === "poll") path._pollAt = conn._born + 100;
  for (const line of controls) if (!m._over) handlers[line._name]?.(m, path, line._fields, conn);
  if (_first > before + 1 && path === m._cur) rewind(m, path);
}
function rewind(m, path) {
  if (isPoll(path) || m._now - m._rewindAt < Math.max(m._rtt, 250)) return;
  m._rewindAt = m._now;
  say(path, "rewind", { recv: m._recv });
}
function acked(m, ack) {
  if (!free(m, ack)) return false;
  m._progress = m._now;
  if (m._closeBy) m._closeBy = m._now + grace;
  m._known = Math.max(m._known, ack);
  for (const path of m._paths) {
    path._pos = Math.max(path._pos, ack);
    carried(path, ack);
    path._faults = 0;
  }
  return true;
}
var handlers = {
  "!opened": opened,
  "!reply": replied,
  "!refused": refused,
  "!detach": detached,
  "!closed"(m, _, { code, reason, recv }) {
    acked(m, Math.min(recv, m._sent));
    finish(m, code, reason, true, m._server.run ? recv : void 0);
  },
  "!rewind"(m, path, { recv }) {
    path._pos = Math.max(recv, m._base);
  },
  "!ping"(_, path, { i }) {
    if (path._ctl.length < 1025) say(path, "pong", { i });
  },
  "!pong": ponged,
  "?beacon"(_, path, { i }) {
    path._beacons = i;
    if (i > 1) path._beaconBy = 0;
  },
  // HF1-SEL-10
  "?move"(m, path) {
    move(m, path, "move");
  }
};

// src/session.ts
function connect2(url, options = {}) {
  const { auth, meta, credentials = "same-origin", buffer = 8 << 20, maxBatch = 65536, renew = true, memory } = options;
  const store = stored ? options.store : void 0;
  const wire = {
    _url: new URL(url, globalThis.location?.href).href.replace(/^(ws|http)/, ""),
    _fetch: options.fetch ?? fetch,
    _WebSocket: options.WebSocket ?? globalThis.WebSocket,
    _credentials: credentials,
    _takesBatch: maxBatch
  };
  let m;
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
  const emit = (type, event) => listeners[type]?.forEach((listener) => new Promise(() => listener(event)));
  const remembered = (text2) => {
    const key = "holdfast http" + wire._url.split("?")[0];
    try {
      const shelf = memory ?? (globalThis.document && localStorage);
      return text2 ? shelf.setItem(key, text2) : JSON.parse(shelf.getItem(key));
    } catch {
      return;
    }
  };
  const offline = () => globalThis.navigator?.onLine === false;
  const begin = () => {
    m = newMachine({
      _memory: remembered(),
      _key: randomName(32),
      _transports: (options.transports ?? ["websocket", "sse", "longpoll"]).filter(
        (name) => name !== "websocket" || wire._WebSocket
      ),
      _takesBatch: maxBatch,
      _takesMessage: 16 << 20,
      // the most that a server may be set to
      _meta: meta,
      _random: Math.random,
      _clock: Date.now
    });
    m._offline = offline();
    store?._begin(m, emit, happen);
  };
  const make = (conn) => {
    store?._keep(m);
    return next(m, conn);
  };
  const happen = (act) => {
    input(m, act);
    soon();
  };
  const notice = ({ persisted }) => happen(() => {
    m._offline = offline();
    if (!m._offline && persisted !== false && !globalThis.document?.hidden) wake(m);
  });
  const watch = (how) => {
    for (const type of ["online", "offline", "visibilitychange", "pageshow"])
      globalThis[how]?.(type, notice, true);
  };
  const soon = () => {
    if (!queued) queueMicrotask(settle);
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
      const take = (batch) => happen(() => received(m, conn, batch));
      const over = (fault2) => happen(() => closed(m, conn, fault2));
      const ready = () => happen(() => write(conn));
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
      try {
        const given = await (typeof auth === "function" ? auth() : auth);
        happen(() => authorized(m, given));
      } catch (error) {
        happen(() => finish(m, 4301, String(error)));
      }
    },
    _trace(trace2) {
      if (trace2.what === "proven") renewals = 0;
      emit("trace", trace2);
    },
    _remember: remembered,
    _end() {
      const fates = m._over;
      const kind = ~~(fates.code / 100);
      const again = renew && !m._closing && (kind === 42 || kind === 41 && unheard(m));
      deliver();
      release();
      if (again) {
        begin();
        setTimeout(host._ask, Math.random() * Math.min(3e4, 500 * 2 ** renewals++));
      } else watch("removeEventListener");
      emit(again ? "renew" : "close", fates);
    }
  };
  const deliver = () => {
    for (const item of m._queue.splice(0)) inbox.push([m._server.id, item]);
    while (inbox[0] && (inbox[0][1]._close || listeners.message?.size)) {
      const message = shift();
      if (message) emit("message", message);
    }
  };
  const shift = () => {
    const [session, item] = inbox.shift();
    const message = item._close ? void 0 : { data: item._data, number: item._number, session };
    const done = () => session === m._server.id && happen(() => taken(m, item));
    store?._take ? store._take(message, done) : done();
    return message;
  };
  const release = () => {
    while (drains[0] && drains[0][0] <= m._base) drains.shift()[1]();
    if (m._over) for (const [, , reject] of drains.splice(0)) reject(Error(`closed ${m._over.code} ${m._over.reason}`));
  };
  const settle = () => {
    queued = false;
    for (const action of m._actions.splice(0)) action(host);
    deliver();
    if (m._actions[0]) soon();
    release();
    for (const look of idle.splice(0)) look();
    if (m._server.id !== shownId && m._server.att) {
      shownId = m._server.id;
      if (shownId) emit("open", { id: shownId });
    }
    if (m._cur?._way._name !== shownTransport) {
      shownTransport = m._cur?._way._name;
      emit("transport", { transport: shownTransport });
    }
    const held = heldBytes(m);
    if (!held && shownHeld) emit("drain", void 0);
    shownHeld = held;
    store?._keep(m);
    clearTimeout(timer);
    if (m._deadline) timer = setTimeout(happen, Math.min(m._deadline - Date.now(), 1e9));
  };
  begin();
  watch("addEventListener");
  host._ask();
  return {
    get state() {
      return m._over ? "closed" : m._closing || m._peerClosed ? "closing" : m._cur ? "open" : "connecting";
    },
    get transport() {
      return m._cur?._way._name;
    },
    get id() {
      return m._server.id;
    },
    get buffered() {
      return heldBytes(m);
    },
    send(data) {
      if (m._over || m._closing) throw Error("closed");
      const entries = encodeMessage(data);
      const cost = entries.reduce((sum, entry) => sum + entry._cost, 0);
      if (cost - 16 * entries.length > m._server.lim.maxMessage) throw RangeError("too large");
      if (heldBytes(m) + cost > buffer) throw RangeError("full");
      happen(() => send(m, entries));
      shownHeld += cost;
      return lastNumber(m);
    },
    drained: () => new Promise((resolve, reject) => {
      drains.push([lastNumber(m), resolve, reject]);
      soon();
    }),
    on(type, listener) {
      const set = listeners[type] ??= /* @__PURE__ */ new Set();
      set.add(listener);
      soon();
      return () => void set.delete(listener);
    },
    close(code = 4100, reason = "") {
      if (code > 4199 || !isEnd(code, reason)) throw RangeError("code or reason");
      happen(() => end(m, code, reason));
    },
    async *[Symbol.asyncIterator]() {
      for (; ; ) {
        const message = inbox[0] && shift();
        if (message) yield message;
        else if (m._over) return;
        else await new Promise((look) => idle.push(look));
      }
    }
  };
}
export {
  connect2 as connect
};
