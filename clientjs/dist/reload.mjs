/*! Holdfast, MIT licence */

// src/wire/codec.ts
var utf8 = new TextEncoder();
var byteLength = (text) => utf8.encode(text).length;
var binaryString = (bytes) => String.fromCharCode(...bytes);
var randomName = (bytes) => btoa(binaryString(crypto.getRandomValues(new Uint8Array(bytes)))).replace(
  /\W/g,
  (c) => c === "+" ? "-" : c === "/" ? "_" : ""
);
function encodeEntry(text, cost, more, raw) {
  const line = (more ? "+" : "") + text;
  return { _line: line, _raw: raw, _cost: cost, _more: more, _end: 0 };
}

// src/wire/log.ts
var lastNumber = (log) => log._base + log._entries.length;
function append(log, entries) {
  for (const entry2 of entries) entry2._end = log._grown += entry2._cost;
  log._entries.push(...entries);
}

// src/store.ts
var unanswered = ({ run, since }) => !run && Math.abs(Date.now() - since) > 15e3;
var headOf = ({ _config, _server, _race, _selection, _log }, since) => ({
  key: _config._key,
  run: _server.run,
  id: _server.id,
  att: _race._atts,
  u: _selection._u,
  recv: _log._taken,
  ack: _log._base,
  last: lastNumber(_log),
  since
});
function restore(m, head, line) {
  const { key, run, id, att, u, recv, ack, last } = head;
  const { _log, _server } = m;
  m._config._key = key;
  if (run || unanswered(head)) _server.run = run ?? randomName(12);
  if (id) _server.id = id;
  m._race._atts = att;
  m._selection._u = u;
  _log._recv = _log._taken = recv;
  _log._base = ack;
  for (let n = ack; n++ < last; ) append(_log, [entry(line(n))]);
  _log._sent = last;
}
function entry(line) {
  const [, plus, rest, text] = /^(\+?)(.([^]*)\n)$/.exec(line);
  const raw = rest[0] === "b" ? Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) : void 0;
  return encodeEntry(rest, 16 + (raw ? raw.length : byteLength(text.replace(/\\./g, "."))), !!plus, raw);
}

// src/reload.ts
var day = 864e5;
async function reloadStore(name, { limit = 4 << 20, wait = 2e3 } = {}) {
  const index = `holdfast:${name}`;
  try {
    const copy = sessionStorage.getItem(index);
    if (copy) {
      const old = new Copy(index, copy);
      const held2 = hold(old.prefix, wait);
      const granted = await held2.granted;
      if (!held2.store?.giveWay()) {
        const head = granted ? old.readHead() : void 0;
        if (head) return new SessionStore(name, limit, old, held2, head);
        old.erase(false);
        held2.release();
      }
    }
    prune(index);
    const fresh = new Copy(index, randomName(12));
    const held = hold(fresh.prefix, wait);
    await held.granted;
    return new SessionStore(name, limit, fresh, held);
  } catch (error) {
    return new SessionStore(name, limit, void 0, void 0, void 0, String(error));
  }
}
var ownLocks = /* @__PURE__ */ new WeakMap();
function hold(lock, wait) {
  const { locks } = navigator;
  if (!locks) throw Error("no Web Locks");
  const own = ownLocks.get(locks) ?? /* @__PURE__ */ new Map();
  ownLocks.set(locks, own);
  const before = own.get(lock);
  if (before) return before;
  const given = new AbortController();
  const timer = setTimeout(() => given.abort(), wait);
  let free = () => {
  };
  const granted = new Promise((resolve) => {
    const until = () => {
      clearTimeout(timer);
      resolve(true);
      return new Promise((end) => free = end);
    };
    locks.request(lock, { signal: given.signal }, until).catch(() => resolve(false));
  });
  const release = () => {
    own.delete(lock);
    free();
  };
  void granted.then((is) => is || release());
  const held = { granted, release };
  own.set(lock, held);
  return held;
}
function prune(index) {
  for (const key of Object.keys(localStorage))
    if (key.startsWith(index + ":") && !(Date.now() - parseInt(localStorage.getItem(key)) < day))
      localStorage.removeItem(key);
}
var Copy = class {
  prefix;
  // Those of this page, whatever becomes of the names.
  session = sessionStorage;
  local = localStorage;
  index;
  name;
  constructor(index, name) {
    this.index = index;
    this.name = name;
    this.prefix = `${index}:${name}`;
  }
  readLine(n) {
    return this.session.getItem(`${this.prefix}:${n}`);
  }
  setLine(n, line) {
    this.session.setItem(`${this.prefix}:${n}`, line);
  }
  dropLine(n) {
    this.session.removeItem(`${this.prefix}:${n}`);
  }
  /** The head of a copy that is whole and has not aged. */
  readHead() {
    const head = JSON.parse(this.session.getItem(this.prefix) ?? "null");
    const stamp = this.local.getItem(this.prefix);
    if (!head || !stamp || stamp !== head.stamp && stamp !== head.before) return;
    for (let n = head.ack; n++ < head.last; ) if (this.readLine(n) === null) return;
    if (unanswered(head) && !head.last) return;
    return head;
  }
  setHead(head, before) {
    const stamped = { ...head, stamp: `${Date.now()} ${randomName(6)}`, before: before ?? "" };
    if (!before) this.session.setItem(this.index, this.name);
    this.session.setItem(this.prefix, JSON.stringify(stamped));
    this.local.setItem(this.prefix, stamped.stamp);
    return stamped;
  }
  /** Removes it, what counts first. What cannot be removed has lost its stamp. */
  erase(stampToo = true) {
    for (const act of [
      () => stampToo && this.local.removeItem(this.prefix),
      () => this.session.removeItem(this.prefix),
      () => {
        for (const key of Object.keys(this.session)) if (key.startsWith(this.prefix + ":")) this.session.removeItem(key);
      }
    ])
      try {
        act();
      } catch {
      }
  }
};
var SessionStore = class {
  name;
  restored;
  limit;
  copy;
  held;
  used = false;
  /** Why it is off. */
  off;
  /** What the first machine goes on from. */
  old;
  /** What was written last. */
  head;
  /** Characters of the lines that are kept. */
  size = 0;
  report;
  constructor(name, limit, copy, held, old, off = "") {
    this.held = held;
    if (held) held.store = this;
    this.name = name;
    this.limit = limit;
    this.copy = copy;
    this.old = old;
    this.off = off;
    this.restored = !!old;
  }
  _start(m, emit) {
    const { old, copy } = this;
    this.used = true;
    this.report = () => emit("unstored", { reason: this.off });
    this.old = void 0;
    if (this.off) queueMicrotask(this.report);
    if (!old) return;
    restore(m, old, (n) => copy.readLine(n));
    this.head = old;
    for (const { _line } of m._log._entries) this.size += _line.length;
  }
  _keep(m) {
    if (this.off) return;
    try {
      if (m._closing._local || m._closing._peer || m._closing._over) this.forget();
      else this.write(m, this.copy);
    } catch (error) {
      this.off = String(error);
      this.report();
      this.forget();
    }
  }
  _end() {
    if (this.held?.store === this) this.held.release();
  }
  /** For another store of the same copy in this page; true if a session uses it. */
  giveWay() {
    if (!this.used) {
      this.off = "another store took its place";
      this.old = void 0;
      this.restored = false;
    }
    return this.used;
  }
  write(m, copy) {
    if (this.head?.key !== m._config._key) this.forget();
    const { head } = this;
    const next = headOf(m, head?.since ?? Date.now());
    if (head && Object.keys(next).every((name) => head[name] === next[name])) return;
    for (let n = head?.last ?? 0; n++ < next.last; ) {
      const { _line } = m._log._entries[n - next.ack - 1];
      this.size += _line.length;
      if (this.size > this.limit) throw RangeError("more than is kept");
      copy.setLine(n, _line);
    }
    this.head = copy.setHead(next, head?.stamp);
    for (let n = head?.ack ?? 0; n++ < next.ack; ) {
      this.size -= copy.readLine(n).length;
      copy.dropLine(n);
    }
  }
  forget() {
    if (this.head || this.off) this.copy.erase();
    this.head = void 0;
    this.size = 0;
  }
};
export {
  reloadStore
};
