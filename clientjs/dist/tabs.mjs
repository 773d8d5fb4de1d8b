/*! Holdfast, MIT licence */

// src/tabs.ts
import {
  connect as connect2
} from "./holdfast.mjs";

// src/tabs/election.ts
var interval = 1e3;
var patience = 3;
var Election = class {
  locks;
  lock;
  tab;
  /** The place in the queue of those that would lead. */
  turn = new AbortController();
  release;
  /** Signs of life that were asked for in vain, and how many may be. */
  unanswered = 0;
  most = patience;
  stopped = false;
  /** The page is frozen: some of its tasks run nonetheless, and none may begin what it cannot end. */
  frozen = false;
  timer;
  constructor(locks, lock, tab) {
    this.locks = locks;
    this.lock = lock;
    this.tab = tab;
    this.timer = setInterval(() => this.beat(), interval);
    this.watch("addEventListener");
    this.stand(false);
  }
  watch(how) {
    globalThis.document?.[how]?.("freeze", this.freeze);
    globalThis.document?.[how]?.("resume", this.thaw);
  }
  /** Where the platform says that it freezes the page, another tab leads at once. */
  freeze = () => {
    this.frozen = true;
    this.turn.abort();
    if (!this.release) return;
    this.tab.follow();
    this.release();
    this.release = void 0;
  };
  thaw = () => {
    this.frozen = false;
    this.unanswered = 0;
    this.stand(false);
    this.tab.resume();
  };
  /** The tab that leads has answered. */
  answered() {
    this.unanswered = 0;
    this.most = patience;
  }
  /** Lets another tab lead. */
  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    this.watch("removeEventListener");
    this.turn.abort();
    this.release?.();
  }
  /**
   * Leads once the lock is granted, and waits for it again when another tab has taken it away. That
   * one leads then, and what this one still writes is not accepted (see Meta.term).
   */
  stand(steal) {
    this.turn.abort();
    const turn = this.turn = new AbortController();
    const granted = () => {
      if (this.stopped) return;
      const held = new Promise((release) => this.release = release);
      this.tab.lead();
      return held;
    };
    this.locks.request(this.lock, steal ? { steal } : { signal: turn.signal }, granted).catch(() => {
      if (turn !== this.turn || this.stopped || this.frozen) return;
      this.release = void 0;
      this.tab.follow();
      this.stand(false);
    });
  }
  /**
   * Answers are counted and not timed: the timers of this tab may be late too. Where no answer ever
   * comes, tabs take turns ever more slowly.
   */
  beat() {
    if (this.release || this.frozen) this.unanswered = 0;
    else if (this.unanswered++ < this.most) this.tab.ask();
    else {
      this.unanswered = 0;
      this.most *= 2;
      this.stand(true);
    }
  }
};

// src/wire/codec.ts
var utf8 = new TextEncoder();
var byteLength = (text) => utf8.encode(text).length;
var costOf = (data) => 16 + (typeof data === "string" ? byteLength(data) : data.length);
var escapes = { "\\": "\\", n: "\n", r: "\r", "\n": "n", "\r": "r" };
var binaryString = (bytes) => String.fromCharCode(...bytes);
var randomName = (bytes) => btoa(binaryString(crypto.getRandomValues(new Uint8Array(bytes)))).replace(
  /\W/g,
  (c) => c === "+" ? "-" : c === "/" ? "_" : ""
);
function encodeEntry(text, cost, more, raw) {
  const line = (more ? "+" : "") + text;
  return { _line: line, _raw: raw, _cost: cost, _more: more, _end: 0 };
}
function cut(text, bytes) {
  const piece = text.slice(0, utf8.encodeInto(text.slice(0, bytes), new Uint8Array(bytes)).read);
  return piece !== text && /\\*$/.exec(piece)[0].length % 2 ? piece.slice(0, -1) : piece;
}
function bytesOf(data) {
  const { buffer, byteOffset, byteLength: byteLength2 } = ArrayBuffer.isView(data) ? data : new DataView(data);
  return new Uint8Array(buffer, byteOffset, byteLength2);
}
function prepare(data) {
  const _entries = [];
  let _cost = 0;
  const add = (text, cost, more, raw) => {
    _cost += cost;
    _entries.push(encodeEntry(text, cost, more, raw));
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

// src/tabs/journal.ts
var requested = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
var after = (key) => IDBKeyRange.lowerBound(key, true);
var upTo = (key) => IDBKeyRange.upperBound(key);
var fresh = (before) => ({
  gen: (before?.gen ?? 0) + 1,
  term: before?.term ?? 0,
  key: randomName(32),
  run: void 0,
  id: void 0,
  att: 0,
  u: 0,
  recv: 0,
  ack: 0,
  last: 0,
  since: 0,
  upSize: 0,
  downSize: before?.downSize ?? 0,
  largest: 1 << 20,
  seen: before?.seen ?? 0,
  closing: false
});
var stores = ["meta", "up", "down", "tabs"];
var Journal = class _Journal {
  db;
  constructor(db) {
    this.db = db;
  }
  static async open(name) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      for (const store of stores) request.result.createObjectStore(store, { autoIncrement: store === "down" });
    };
    return new _Journal(await requested(request));
  }
  /**
   * Runs `act` in a transaction and resolves with its result once that is committed. The `meta` it
   * is given is written back when it has changed it. What `act` throws undoes everything.
   */
  async run(act) {
    const t = this.db.transaction(stores, "readwrite");
    const [metas, up, down, tabs] = stores.map((name) => t.objectStore(name));
    let cause;
    const committed = new Promise((resolve, reject) => {
      t.oncomplete = () => resolve();
      t.onabort = () => reject(cause ?? t.error ?? Error("aborted"));
    });
    const work = async () => {
      const meta = await requested(metas.get(0)) ?? fresh();
      const before = JSON.stringify(meta);
      const all = { meta, up, down, tabs };
      const result = await act(all);
      if (JSON.stringify(all.meta) !== before) metas.put(all.meta, 0);
      return result;
    };
    const worked = work().catch((error) => {
      cause = error;
      try {
        t.abort();
      } catch {
      }
    });
    await committed;
    return await worked;
  }
  close() {
    this.db.close();
  }
};
async function dropTaken(t) {
  const positions = await requested(t.tabs.getAll());
  const least = Math.min(...positions, t.meta.seen);
  for (const { cost } of await requested(t.down.getAll(upTo(least)))) t.meta.downSize -= cost;
  t.down.delete(upTo(least));
}

// src/tabs/leader.ts
import { connect } from "./holdfast.mjs";

// src/wire/log.ts
function append(log, entries) {
  for (const entry2 of entries) entry2._end = log._grown += entry2._cost;
  log._entries.push(...entries);
}
var isEnd = (code, reason) => Number.isSafeInteger(code) && code > 4099 && code < 4400 && typeof reason === "string" && byteLength(reason) < 129;

// src/stored.ts
var stored = true;

// src/machine/state.ts
var unconfirmed = ({ _server }) => stored && !!_server.run && !_server.att;

// src/machine/effects.ts
function emit(m, effect) {
  m._effects.push(effect);
}

// src/machine/attachments.ts
function hangup(m, conn, code) {
  forget(m, conn);
  emit(m, (host) => host._hangup(conn, code));
}
function forget(m, conn) {
  m._conns = m._conns.filter((c) => c !== conn);
}

// src/machine/closing.ts
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

// src/store.ts
var unanswered = ({ run, since }) => !run && Math.abs(Date.now() - since) > 15e3;
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

// src/tabs/reader.ts
function measured(data) {
  const { _entries, _cost } = prepare(data);
  return { lines: _entries.map((entry2) => entry2._line), cost: _cost };
}
var page = 64;
var Reader = class {
  /** Messages that wait for the application, each with its key. */
  inbox = [];
  journal;
  tab;
  events;
  /**
   * The last message that was read, that the application has taken, and that the journal knows it
   * has.
   */
  last = 0;
  taken = 0;
  reported = 0;
  joined = false;
  working = false;
  again = false;
  stopped = false;
  constructor(journal, tab, events) {
    this.journal = journal;
    this.tab = tab;
    this.events = events;
  }
  /** Starts where the tab is that has taken most. */
  join() {
    if (this.joined) return;
    this.joined = true;
    this.journal.run(({ meta, tabs }) => {
      tabs.put(meta.seen, this.tab);
      this.last = this.taken = this.reported = meta.seen;
    }).then(() => {
      this.events.room();
      this.sync();
    }).catch(() => {
    });
  }
  /** The next message; the inbox is not empty. */
  take() {
    const [key, message] = this.inbox.shift();
    this.taken = key;
    this.sync();
    return message;
  }
  /** Reads what is new, and reports what was taken. */
  sync() {
    this.again = true;
    if (this.working || this.stopped) return;
    this.working = true;
    this.work().catch(() => {
    }).finally(() => {
      this.working = false;
    });
  }
  stop() {
    this.stopped = true;
  }
  async work() {
    await Promise.resolve();
    while (this.again && !this.stopped) {
      this.again = false;
      const { taken, reported } = this;
      const reading = this.last > 0 || this.reported > 0 || this.joined;
      const room = this.inbox.length < page;
      const { meta, keys, rows, mine } = await this.journal.run(async (t) => {
        const mine2 = await requested(t.tabs.get(this.tab));
        if (mine2 !== void 0 && taken > reported) {
          await requested(t.tabs.put(taken, this.tab));
          t.meta.seen = Math.max(t.meta.seen, taken);
          await dropTaken(t);
        }
        const read = reading && mine2 !== void 0 && room;
        return {
          meta: t.meta,
          mine: mine2,
          keys: read ? await requested(t.down.getAllKeys(after(this.last), page)) : [],
          rows: read ? await requested(t.down.getAll(after(this.last), page)) : []
        };
      });
      if (this.stopped) return;
      this.reported = taken;
      if (taken > reported) this.events.room();
      if (this.joined && mine === void 0) return this.events.dropped();
      keys.forEach((key, i) => {
        const { data, number, session } = rows[i];
        this.inbox.push([key, { data, number, session }]);
        this.last = key;
      });
      if (rows.length === page) this.again = true;
      if (rows.length) this.events.came();
      if (room && !this.again) this.events.read(meta);
    }
  }
};
var Writer = class {
  journal;
  bound;
  /** Something was written. */
  wrote;
  waiting = [];
  working = false;
  constructor(journal, bound, wrote) {
    this.journal = journal;
    this.bound = bound;
    this.wrote = wrote;
  }
  /** Appends a message and resolves with its number. */
  send(data, lines, cost) {
    return this.append({ data, cost }, lines);
  }
  /** Appends the last line, after all that was sent; resolves if it is the last already. */
  close(code, reason) {
    return this.append({ close: { code, reason }, cost: 0 }, 1);
  }
  append(row, lines) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...row, lines, resolve, reject });
      if (!this.working) void this.work();
    });
  }
  async work() {
    this.working = true;
    await Promise.resolve();
    while (this.waiting.length) {
      const batch = this.waiting.splice(0);
      try {
        const outcomes = await this.journal.run(
          ({ meta, up }) => batch.map(({ data, close, lines, cost }) => {
            if (meta.over || meta.closing) return close ? meta.last : Error("closed");
            meta.closing = !!close;
            if (cost - 16 * lines > meta.largest) return RangeError("too large");
            if (meta.upSize + cost > this.bound) return RangeError("full");
            meta.last += lines;
            meta.upSize += cost;
            up.put(close ? { close, cost } : { data, cost }, meta.last);
            return meta.last;
          })
        );
        this.wrote();
        outcomes.forEach(
          (outcome, i) => typeof outcome === "number" ? batch[i].resolve(outcome) : batch[i].reject(outcome)
        );
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.working = false;
  }
};

// src/tabs/leader.ts
var backlog = 4 << 20;
var lagTimeout = 3e4;
var termSize = 2 ** 24;
var full = "full";
var Leader = class {
  url;
  options;
  journal;
  host;
  /** Ids of the tabs that live. */
  liveTabs;
  meta;
  session;
  machine;
  dispatch;
  stopped = false;
  /** The number of the last message that the session was given. */
  fed = 0;
  feeding = false;
  feedAgain = false;
  /** What the application takes, with what acknowledges it. */
  takes = [];
  writing;
  changed = false;
  /** Since when there is no room, by the clock that is never set. */
  fullSince = 0;
  timer;
  stopListening;
  /** Sessions in a row that have not lasted. */
  renewals = 0;
  constructor(url, options, journal, host, liveTabs) {
    this.url = url;
    this.options = options;
    this.journal = journal;
    this.host = host;
    this.liveTabs = liveTabs;
  }
  async start() {
    try {
      const liveTabs = await this.liveTabs();
      const rows = await this.journal.run(async (t) => {
        t.meta.term++;
        if (!t.meta.over && !t.meta.last && unanswered({ ...t.meta, since: t.meta.since || Date.now() }))
          t.meta = { ...fresh(t.meta), gen: t.meta.gen };
        t.meta.since ||= Date.now();
        this.meta = t.meta;
        for (const id of await requested(t.tabs.getAllKeys())) if (!liveTabs.has(id)) t.tabs.delete(id);
        return requested(t.up.getAll());
      });
      if (this.stopped) return;
      if (this.meta.over) this.host.news();
      else this.startSession(rows);
    } catch (error) {
      this.fail(error);
    }
  }
  /** Starts the session, or goes on with it: every message in the journal may have been sent. */
  startSession(rows) {
    const { meta } = this;
    const lines = rows.flatMap(({ data }) => data === void 0 ? [] : measured(data).lines);
    const head = { ...meta, att: meta.term * termSize, u: meta.term * termSize, last: meta.ack + lines.length };
    const store = {
      name: "tabs",
      _start: (m, _, dispatch) => {
        this.machine = m;
        this.dispatch = dispatch;
        restore(m, head, (n) => lines[n - meta.ack - 1]);
      },
      _keep: (m) => this.observe(m),
      _take: (message, done) => {
        this.takes.push([message, done]);
        this.write();
      }
    };
    this.stopListening = void 0;
    this.fed = head.last;
    const next = connect(this.url, { ...this.options, renew: false, buffer: Infinity, store });
    this.session = next;
    next.on("transport", () => this.show());
    next.on("open", () => this.show());
    next.on("trace", (trace2) => {
      if (trace2.what === "validated") this.renewals = 0;
      this.host.trace(trace2);
    });
    next.on("close", (end) => void this.ended(end));
    this.show();
    this.feed();
    void this.flow();
  }
  /** What the other tabs see. */
  show() {
    const { session, meta } = this;
    if (!session || this.stopped) return;
    const { state, transport, id } = session;
    this.host.show({
      gen: meta.gen,
      state: state === "closed" ? "connecting" : state,
      transport,
      id,
      ack: meta.ack,
      held: meta.upSize
    });
  }
  /** Sees what the machine has learned; it is called before anything is sent. */
  observe(m) {
    const { meta } = this;
    if (m._closing._over) return;
    if (m._server.run === meta.run && m._log._base === meta.ack && m._server.lim.maxMessage === meta.largest) return;
    if (unconfirmed(m)) return;
    this.changed = true;
    this.write();
  }
  /** Gives the session what the journal has for it. */
  feed() {
    this.feedAgain = true;
    if (this.feeding || !this.session || this.stopped) return;
    this.feeding = true;
    const work = async () => {
      while (this.feedAgain && !this.stopped) {
        this.feedAgain = false;
        const { session, fed, meta } = this;
        const rows = await this.journal.run((t) => {
          if (t.meta.gen !== meta.gen) return [];
          this.meta = t.meta;
          return requested(t.up.getAll(after(fed)));
        });
        if (session !== this.session || this.stopped) continue;
        for (const { data, close } of rows) {
          if (session.state === "closed") break;
          if (data !== void 0) this.fed = session.send(data);
          else session.close(close.code, close.reason);
        }
      }
    };
    work().catch((error) => {
      if (error instanceof RangeError) this.dispatch(() => finish(this.machine, 4304, "too large"));
      else this.fail(error);
    }).finally(() => {
      this.feeding = false;
      if (this.feedAgain) this.feed();
    });
  }
  /**
   * Takes messages down while somebody listens: otherwise they stay, unacknowledged, with the
   * server.
   */
  async flow() {
    try {
      const listeners = await this.journal.run((t) => requested(t.tabs.count()));
      if (this.stopped || !this.session) return;
      if (listeners && !this.stopListening) this.stopListening = this.session.on("message", () => {
      });
      if (this.takes.length) this.write();
    } catch (error) {
      this.fail(error);
    }
  }
  /** Writes into the journal what is due, one transaction after the other. */
  write() {
    if (this.writing || this.stopped) return;
    this.writing = this.written().catch((error) => this.fail(error)).finally(() => {
      this.writing = void 0;
      if (this.changed || this.takes.length && !this.fullSince) this.write();
    });
  }
  /** `last`: whether anybody listens or lags no longer counts. */
  async written(last = false) {
    await Promise.resolve();
    const { takes } = this;
    const count = takes.length;
    this.changed = false;
    const outcome = await this.journal.run(async (t) => {
      if (t.meta.term !== this.meta.term) return "another leads";
      await this.learn(t);
      if (count && !last && (t.meta.downSize > backlog || !await requested(t.tabs.count()))) return full;
      for (const [message] of takes.slice(0, count))
        if (message) {
          const { data, number, session } = message;
          const row = { data, number, session, cost: measured(data).cost };
          t.down.put(row);
          t.meta.recv = number;
          t.meta.downSize += row.cost;
        }
      return "";
    });
    if (outcome === "another leads") return this.stop();
    if (outcome === full) return this.wait();
    this.fullSince = 0;
    for (const [, done] of takes.splice(0, count)) done();
    if (count) this.host.news();
    this.show();
  }
  /** Writes down what the server has stated, and drops what it has taken. */
  async learn(t) {
    const m = this.machine;
    if (m._closing._over) return;
    if (m._server.run && !unconfirmed(m))
      Object.assign(t.meta, { run: m._server.run, id: m._server.id, largest: m._server.lim.maxMessage });
    if (m._log._base > t.meta.ack) {
      for (const { cost } of await requested(t.up.getAll(upTo(m._log._base)))) t.meta.upSize -= cost;
      t.up.delete(upTo(m._log._base));
      t.meta.ack = m._log._base;
    }
    this.meta = t.meta;
  }
  /**
   * There is no room, or nobody to take anything. Tabs that are gone or lag for too long are left
   * behind.
   */
  wait() {
    this.fullSince ||= performance.now();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.leave(), 1e3);
  }
  async leave() {
    try {
      const liveTabs = await this.liveTabs();
      const late = performance.now() - this.fullSince > lagTimeout;
      await this.journal.run(async (t) => {
        const ids = await requested(t.tabs.getAllKeys());
        const positions = await requested(t.tabs.getAll());
        const best = Math.max(...positions);
        ids.forEach((id, i) => {
          if (!liveTabs.has(id) || late && positions[i] < best && t.meta.downSize > backlog) t.tabs.delete(id);
        });
        await dropTaken(t);
      });
      if (this.stopped) return;
      this.host.news();
      this.fullSince = this.takes.length ? this.fullSince : 0;
      this.write();
    } catch (error) {
      this.fail(error);
    }
  }
  /** The session is over: another one takes its place, or it was the last. */
  async ended(end) {
    if (this.stopped) return;
    try {
      await this.writing;
      this.writing = this.written(true);
      await this.writing;
      this.writing = void 0;
      const kind = ~~(end.code / 100);
      const again = this.options.renew !== false && (kind === 42 || kind === 41 && unconfirmed(this.machine));
      const { meta, fed } = this;
      const done = await this.journal.run(async (t) => {
        if (t.meta.term !== meta.term) return false;
        const rest = await requested(t.up.getAllKeys(after(fed)));
        const fates = {
          ...end,
          notDelivered: [...end.notDelivered, ...t.meta.closing ? rest.slice(0, -1) : rest]
        };
        t.up.clear();
        const closed = t.meta.closing;
        t.meta = again && !closed ? { ...fresh(t.meta), term: t.meta.term, renewed: fates } : { ...t.meta, over: fates, upSize: 0 };
        this.meta = t.meta;
        return true;
      });
      if (!done) return this.stop();
      this.host.news();
      if (this.meta.over) return this.stop();
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(3e4, 500 * 2 ** this.renewals++)));
      if (!this.stopped) await this.start();
    } catch (error) {
      this.fail(error);
    }
  }
  fail(error) {
    if (this.stopped) return;
    this.stop();
    this.host.fail(error);
  }
  /** Leaves the session to whoever leads next. */
  stop() {
    if (this.stopped) return;
    this.stopped = true;
    clearTimeout(this.timer);
    this.dispatch?.(() => finish(this.machine, 4004, "another tab leads"));
  }
};

// src/url.ts
function endpointOf(url) {
  const { href } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
  const parts = /^(?:http|ws)(s?:\/\/)(?!.*\/\/$)(?:[^/]*@)?([^#]*)$/.exec(href);
  if (!parts) throw TypeError(href);
  return parts[1] + parts[2];
}

// src/tabs.ts
function share(url, options = {}) {
  return new Tab(url, options);
}
var Tab = class {
  url;
  options;
  id_ = randomName(12);
  path;
  ready;
  journal;
  channel;
  locks = globalThis.navigator?.locks;
  giveUp = new AbortController();
  release = [];
  election;
  leader;
  /** The session of this tab alone. */
  plain;
  listeners = {};
  iterators = [];
  waiters = [];
  reader;
  writer;
  /** Messages of the session of this tab alone. */
  inbox = [];
  forwards = false;
  gen = 0;
  view;
  shownId;
  over;
  closing = false;
  left = false;
  constructor(url, { name = "", ...options }) {
    this.url = "http" + endpointOf(url);
    this.options = options;
    this.path = `holdfast:${name}:${this.url}`;
    this.ready = this.open().catch(() => this.useOwnSession());
  }
  async open() {
    const { locks, path } = this;
    const { BroadcastChannel: Channel } = globalThis;
    if (!locks || !Channel || !globalThis.indexedDB) throw Error("cannot share");
    const [journal] = await Promise.all([Journal.open(path), this.hold(`${path}:tab:${this.id_}`)]);
    await journal.run((t) => {
      if (t.meta.over) {
        t.meta = { ...fresh(t.meta), downSize: 0 };
        t.down.clear();
      }
      this.gen = t.meta.gen;
    });
    if (this.left) return;
    this.journal = journal;
    this.reader = new Reader(journal, this.id_, {
      came: () => this.deliver(),
      room: () => this.broadcast({ what: "room" }),
      read: (meta) => this.judge(meta),
      dropped: () => this.lost(4203, "slow tab")
    });
    this.writer = new Writer(journal, this.options.buffer ?? 8 << 20, () => this.broadcast({ what: "up" }));
    this.channel = new Channel(path);
    this.channel.onmessage = ({ data }) => this.handle(data);
    this.channel.postMessage({ what: "hello" });
    this.election = new Election(locks, `${path}:leader`, {
      lead: () => this.lead(journal),
      follow: () => {
        this.leader?.stop();
        this.leader = void 0;
      },
      ask: () => this.channel.postMessage({ what: "ping" }),
      resume: () => this.reader.sync()
    });
    this.listen();
  }
  /** Takes a lock until this tab leaves or is gone. */
  hold(name) {
    return new Promise((resolve) => {
      const held = () => {
        resolve(true);
        return new Promise((release) => this.release.push(release));
      };
      this.locks.request(name, { signal: this.giveUp.signal }, held).catch(() => resolve(false));
    });
  }
  /** Tabs cannot share here. */
  useOwnSession() {
    if (this.left) return;
    const session = this.plain = connect2(this.url, this.options);
    for (const type of ["open", "transport", "drain", "renew", "trace", "close"])
      session.on(type, (event) => {
        if (type === "close") this.over = event;
        this.emit(type, event);
        this.wake();
      });
    this.listen();
  }
  lead(journal) {
    if (this.left) return;
    this.leader = new Leader(
      this.url,
      this.options,
      journal,
      {
        news: () => this.broadcast({ what: "news" }),
        show: (view) => this.broadcast({ what: "view", view }),
        trace: (trace2) => this.emit("trace", trace2),
        fail: (error) => this.broadcast({ what: "failed", reason: String(error) })
      },
      async () => {
        const prefix = `${this.path}:tab:`;
        const { held = [] } = await this.locks.query();
        return new Set(held.flatMap(({ name }) => name?.startsWith(prefix) ? [name.slice(prefix.length)] : []));
      }
    );
    void this.leader.start();
  }
  /** Signals every tab, this one too. */
  broadcast(signal) {
    if (this.left) return;
    this.channel.postMessage(signal);
    this.handle(signal);
  }
  handle(signal) {
    if (this.left || this.election?.frozen) return;
    if (signal.what === "up") this.leader?.feed();
    else if (signal.what === "room") void this.leader?.flow();
    else if (signal.what === "hello") this.leader?.show();
    else if (signal.what === "ping") this.leader && this.channel.postMessage({ what: "pong" });
    else if (signal.what === "pong") this.election?.answered();
    else if (signal.what === "news") this.reader.sync();
    else if (signal.what === "view") this.show(signal.view);
    else this.lost(4202, signal.reason);
  }
  /** This tab cannot go on, and knows no fates. */
  lost(code, reason) {
    this.end({ code, reason, remote: false, session: this.id ?? "", delivered: 0, notDelivered: [], unknown: [] });
  }
  /** As a session does: to those that are registered now. One of them may let this tab leave. */
  emit(type, event) {
    if (this.left) return;
    for (const listener of [...this.listeners[type] ?? []]) void new Promise(() => listener(event));
  }
  wake() {
    for (const woken of this.iterators.splice(0)) woken();
  }
  show(view) {
    const old = this.view;
    if (view.gen > this.gen) return this.reader.sync();
    if (view.gen < this.gen || this.over) return;
    this.view = view;
    if (view.id !== this.shownId && view.id && view.state !== "connecting") {
      this.shownId = view.id;
      this.emit("open", { id: view.id });
    }
    if (view.transport !== old?.transport) this.emit("transport", { transport: view.transport });
    if (!view.held && old?.held) this.emit("drain", void 0);
    this.waiters = this.waiters.filter(({ number, resolve }) => number > view.ack || resolve());
  }
  /** Starts to take messages, if somebody wants them. */
  listen() {
    if (!this.listeners.message?.size && !this.iterators.length || this.over || this.left) return;
    this.reader?.join();
    if (this.plain && !this.forwards) {
      this.forwards = true;
      this.plain.on("message", (message) => {
        this.inbox.push(message);
        this.deliver();
      });
    }
    this.deliver();
  }
  /** Sees in the journal how the session ended, and that another has begun. */
  judge({ gen, renewed, over }) {
    if (over) return this.end(over);
    if (gen === this.gen) return;
    this.gen = gen;
    this.view = void 0;
    this.fail(renewed);
    this.emit("renew", renewed);
    this.channel.postMessage({ what: "hello" });
    this.leader?.show();
  }
  /** Nothing more will be taken of what was sent. */
  fail({ code, reason }) {
    for (const { reject } of this.waiters.splice(0)) reject(Error(`closed ${code} ${reason}`));
  }
  end(end) {
    if (this.over) return;
    this.over = end;
    this.fail(end);
    this.emit("close", end);
    this.wake();
    this.leave();
  }
  deliver() {
    while (this.listeners.message?.size && !this.left) {
      const message = this.take();
      if (!message) return;
      this.emit("message", message);
    }
    if (this.reader?.inbox[0] || this.inbox[0]) this.wake();
  }
  take() {
    return this.reader?.inbox[0] ? this.reader.take() : this.inbox.shift();
  }
  get state() {
    if (this.plain) return this.plain.state;
    return this.over || this.left ? "closed" : this.closing ? "closing" : this.view?.state ?? "connecting";
  }
  get transport() {
    return this.plain ? this.plain.transport : this.over ? void 0 : this.view?.transport;
  }
  get id() {
    return this.plain ? this.plain.id : this.view?.id ?? this.shownId;
  }
  get buffered() {
    return this.plain ? this.plain.buffered : this.view?.held ?? 0;
  }
  get leads() {
    return !!this.plain || !!this.leader;
  }
  async send(data) {
    const own = typeof data === "string" ? data : bytesOf(data).slice();
    const { lines, cost } = measured(own);
    if (this.over || this.left || this.closing) throw Error("closed");
    await this.ready;
    if (this.plain) return this.plain.send(own);
    if (!this.writer) throw Error("closed");
    return this.writer.send(own, lines.length, cost);
  }
  async drained() {
    await this.ready;
    if (this.plain) return this.plain.drained();
    if (!this.journal || this.over || this.left) throw Error("closed");
    const { ack, last } = await this.journal.run(({ meta }) => meta);
    if (last > ack) return new Promise((resolve, reject) => this.waiters.push({ number: last, resolve, reject }));
  }
  on(type, listener) {
    const set = this.listeners[type] ??= /* @__PURE__ */ new Set();
    const own = (event) => listener(event);
    set.add(own);
    if (type === "message") queueMicrotask(() => this.listen());
    return () => void set.delete(own);
  }
  close(code = 4100, reason = "") {
    if (!(code < 4200) || !isEnd(code, reason)) throw RangeError("code or reason");
    this.closing = true;
    const close = async () => {
      await this.ready;
      if (this.plain) return this.plain.close(code, reason);
      await this.writer?.close(code, reason);
    };
    close().catch((error) => this.handle({ what: "failed", reason: String(error) }));
  }
  leave() {
    if (this.left) return;
    this.left = true;
    this.leader?.stop();
    this.reader?.stop();
    const go = async () => {
      await this.ready;
      await this.journal?.run((t) => void t.tabs.delete(this.id_)).catch(() => {
      });
      this.giveUp.abort();
      this.election?.stop();
      for (const release of this.release.splice(0)) release();
      this.channel?.close();
      this.journal?.close();
    };
    void go();
    this.wake();
  }
  async *[Symbol.asyncIterator]() {
    for (; ; ) {
      const message = this.take();
      if (message) yield message;
      else if (this.over || this.left) return;
      else
        await new Promise((resolve) => {
          this.iterators.push(resolve);
          this.listen();
        });
    }
  }
};
export {
  share
};
