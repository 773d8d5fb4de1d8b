#!/usr/bin/env python3
"""A Holdfast server for the profile core,poll: docs/protocol.md in Python's standard library alone.

`python3 poll_server.py [PORT]` serves the applications in apps.py at /holdfast. It is an example, not a product: all sessions
share one lock, and nothing limits how many there are.
"""
import base64, collections, hashlib, hmac, json, queue, re, secrets, socket, sys, threading, time, types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apps

MAX, MAX_BATCH, MAX_BODY, MAX_MESSAGE, WIN, COST = 2**53 - 1, 65536, 65536 + 200, 1 << 20, 2 << 20, 16
PING, HOLD, TTL, GRACE, STANDBY, UNREPEATED = 8.0, 5.0, 30.0, 10.0, 30.0, 20.0
now = time.monotonic

class Refused(Exception):
    """Nothing was changed, and the answer is !refused with a reason, or an HTTP status."""

def check(ok, answer="malformed"):
    if not ok:
        raise Refused(answer)

# ---- batches (section 2)
Line = collections.namedtuple("Line", "kind more data")  # t or b with a payload in bytes, c with (code, reason)
FIELDS = {  # of the controls that a client sends; ? may be absent, n1 is above 0, N a list of numbers, L of strings
    "open": "v:N x:L? key:s run:s? att:n1 u:n1? recv:n lim:o auth:*? meta:*?",
    "poll": "key:s run:s att:n1 p:n1 recv:n hold:n?", "up": "key:s run:s att:n1",
    "use": "u:n1 att:n1 challenge:s recv:n", "detach": "code:n gone:T?", "rewind": "recv:n",
    "ping": "i:n", "pong": "i:n", "ticket": "att:n1 u:n1? recv:n", "close": "code:n reason:s"}
FITS = {"n": lambda v: type(v) is int, "n1": lambda v: type(v) is int and v > 0, "s": lambda v: isinstance(v, str),
        "o": lambda v: isinstance(v, dict), "T": lambda v: v is True, "*": lambda v: True,
        "N": lambda v: isinstance(v, list) and all(type(x) is int for x in v),
        "L": lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v)}

def number(text):  # None if it is none of the protocol's (HF1-BAT-04)
    return int(text) if re.fullmatch("0|[1-9][0-9]{0,15}", text) and int(text) <= MAX else None

class Pairs(dict):  # an object, and its names as they came
    def __init__(self, pairs=()):
        super().__init__(pairs)
        self.names = [name for name, _ in pairs]

def depth(value):
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0

def parse_control(text):
    name, space, raw = text[1:].partition(" ")
    check(re.fullmatch("[a-z][a-z0-9-]{0,31}", name) and len(text.encode()) < 8192)
    fields = Pairs()
    if space:
        try:  # numbers that are none become None, which is of no type
            fields = json.loads(raw, object_pairs_hook=Pairs, parse_int=number, parse_float=lambda _: None, parse_constant=float.fromhex)
        except (ValueError, RecursionError):
            raise Refused("malformed")
        check(raw[0] == "{" and raw[-1] == "}" and "NaN" not in raw and "Infinity" not in raw and depth(fields) <= 8)
    if text[0] == "?":
        return None
    check(name in FIELDS)
    for field, kind in (spec.split(":") for spec in FIELDS[name].split()):
        check(fields.names.count(field) < 2 and (FITS[kind.rstrip("?")](fields[field]) if field in fields else kind[-1] == "?"))
    return name, fields

def parse_batch(lines):
    head = re.fullmatch("@([^ ]*) ([^ ]*)( [A-Za-z0-9_-]{1,64})?", lines[0] if lines else "")
    check(head and number(head[1]) and number(head[2]) is not None)
    first, logs, controls = number(head[1]), [], []
    for text in lines[1:]:
        body = text.removeprefix("+")
        more, kind = body != text, body[:1]
        if kind == "t":
            check(re.fullmatch(r"(?:[^\\\r]|\\[\\nr])*", body))
            data = re.sub(r"\\(.)", lambda m: {"\\": "\\", "n": "\n", "r": "\r"}[m[1]], body[1:]).encode()
            logs.append(Line("t", more, data))
        elif kind == "b":
            check(len(body) % 4 == 1 and re.fullmatch("[A-Za-z0-9+/]*={0,2}", body[1:]))
            data = base64.b64decode(body[1:])
            check(base64.b64encode(data).decode() == body[1:])  # no trailing bits
            logs.append(Line("b", more, data))
        else:
            check(kind and kind in "!?" and not more)
            control = parse_control(text)
            if control and control[0] == "close":
                code, reason = control[1]["code"], control[1]["reason"]
                check(4100 <= code <= 4399 and len(reason.encode()) <= 128)
                logs.append(Line("c", False, (code, reason)))
            elif control:
                controls.append(control)
    check(first + len(logs) <= MAX)
    return first, number(head[2]), logs, controls

def say(name, **fields):
    return "!%s %s\n" % (name, json.dumps(fields, ensure_ascii=False, separators=(",", ":")))

def encode(kind, data):  # the lines of a message, each of at most 1,536 bytes, with what they cost of the window
    at, room = 0, 1140 if kind == "b" else 760  # each byte of a text may be escaped
    while at < len(data) or not at:
        end = min(at + room, len(data))
        while kind == "t" and data[end:] and data[end] & 0xC0 == 0x80:
            end -= 1
        piece, more = data[at:end], "+" if end < len(data) else ""
        text = base64.b64encode(piece) if kind == "b" else piece.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        yield more + kind + text.decode() + "\n", len(piece) + COST
        at = end or 1

# ---- sessions (sections 4 to 8, 10, 11)
lock = threading.RLock()
sessions, graves, ends = {}, collections.OrderedDict(), collections.OrderedDict()

def keep(table, name, value, most):
    table[name] = value
    while len(table) > most:
        table.popitem(last=False)

class Path:
    def __init__(self, att, most):
        self.att, self.most, self.challenge = att, min(max(most, 2048), 1 << 20), secrets.token_urlsafe(16)
        self.pos, self.p, self.polls, self.said, self.heard, self.standby = 0, 0, [], "", now(), now()

class Session:
    def __init__(self, sid, principal, origin, meta):
        self.id, self.principal, self.origin, self.meta = sid, principal, origin, meta
        self.run, self.changed, self.inbox = secrets.token_urlsafe(16), threading.Condition(lock), queue.Queue()
        self.recv = self.taken = self.told = self.base = self.sent = self.u = self.bytes = self.closing = self.sel_att = 0
        self.told_at = self.born = self.heard = now()
        self.out, self.piece, self.paths, self.seen = [], [], {}, set()  # out: the lines after base
        self.peer_closed, self.repeated, self.sel, self.over = False, False, None, None
        self.limit, self.underway = 1 << 20, (0, 0)
    def send(self, kind, data):
        if len(data) > MAX_MESSAGE:
            raise ValueError("too large")
        lines = list(encode(kind, data))
        cost = sum(c for _, c in lines)
        with lock:
            while self.out and self.bytes + cost > WIN and not self.over:  # HF1-NUM-10
                self.changed.wait()
            if not self.over and not self.closing:
                self.out, self.bytes = self.out + lines, self.bytes + cost
            self.step()
    def took(self, n):
        self.taken = n
    def close(self, code, reason):
        with lock:
            if not self.closing:
                self.out.append((say("close", code=code, reason=reason), 0))
                self.closing, self.closed_at, self.own = self.base + len(self.out), now(), (code, reason)
    def finish(self, code, reason, grave=True):
        with lock:
            if self.over:
                return
            self.over = say("closed", code=code, reason=reason, recv=self.taken, ack=self.base)
            sessions.pop(self.id, None)
            if grave:
                keep(graves, self.id, (self.run, self.principal, self.over), 100_000)  # HF1-WHO-11: they are never too old
            last = self.base + len(self.out) - bool(self.closing)
            keep(ends, self.id, {"sent": last, "delivered": min(self.base, last), "exact": self.base >= last}, 10_000)
            self.inbox.put(None)
            self.changed.notify_all()
    def admit(self, first, ack, logs, controls):  # judges a batch before anything of it acts
        check(ack <= self.sent and all(f.get("recv", 0) <= self.sent for _, f in controls), "position")
        check(not any(name in ("open", "poll", "up") or controls[0][0] == "open" for name, _ in controls[1:]))
        for a, b in zip(logs, logs[1:]):
            check(a.kind != "c" and (not a.more or a.kind == b.kind))
        fresh = logs[self.recv + 1 - first:] if first <= self.recv + 1 else []
        check(not fresh or not self.peer_closed and (not self.piece or self.piece[-1].kind == fresh[0].kind))
    def accept(self, first, ack, logs):
        self.heard = now()
        if ack > self.base:
            self.bytes -= sum(c for _, c in self.out[: ack - self.base])
            del self.out[: ack - self.base]
            self.base = ack
        if ack >= self.underway[0]:
            self.underway = (0, 0)
        for line in logs[self.recv + 1 - first:] if first <= self.recv + 1 else []:  # from the future: not kept (HF1-POL-05)
            self.recv += 1
            self.piece.append(line)
            if sum(len(x.data) for x in self.piece) > MAX_MESSAGE:
                return self.finish(4304, "message too large")
            if not line.more:
                self.inbox.put((line.kind, line.data if line.kind == "c" else b"".join(x.data for x in self.piece), self.recv))
                self.piece, self.peer_closed = [], line.kind == "c"
    def act(self, controls, path):  # the controls beside the address; gives what the reply says to them
        said = ""
        for name, f in controls[1:]:
            if name == "ping":
                said += say("pong", i=f["i"])
            elif name == "rewind" and path is self.sel:
                path.pos = max(f["recv"], self.base)
            elif name == "detach":
                self.end(path, 4004)
            elif name == "use" and f["u"] > self.u and f["att"] == path.att and same(f["challenge"], path.challenge):  # HF1-SEL-03
                self.select(path, f["u"], f["recv"])
        return said
    def select(self, path, u, recv):
        if self.sel not in (None, path):
            if recv < self.underway[0]:  # HF1-ATT-07; underway: the last line of a batch that was written, and its size
                self.limit = max(1024, self.underway[1] // 2)
            self.sel.said, self.sel.standby = self.sel.said + say("detach", code=4001), now()
        self.u, self.sel, self.sel_att, path.pos = u, path, path.att, max(recv, self.base)
    def end(self, path, code):
        for poll in path.polls:
            poll.state, poll.said = "gone", say("detach", code=code, gone=True)
        self.paths.pop(path.att, None)
        path.polls, self.sel = [], None if self.sel is path else self.sel
    def overtake(self, path):
        for poll in path.polls:
            poll.state = "empty"
        path.polls = []
    def step(self):  # time, and polls that can be answered
        if not self.repeated and now() > self.born + UNREPEATED:  # HF1-WHO-10
            return self.finish(4201, "never attached", grave=False)
        if now() > self.heard + TTL:
            return self.finish(4201, "ttl")
        if self.closing and (self.base >= self.closing or now() > self.closed_at + GRACE):
            return self.finish(*self.own)  # HF1-CLO-04
        for path in list(self.paths.values()):
            if path is not self.sel and now() > path.standby + STANDBY:  # HF1-SEL-08
                self.end(path, 4004)
            elif not path.polls and now() > path.heard + HOLD + 2 * PING:  # HF1-LIV-03
                self.end(path, 4002)
        if self.taken == self.told:
            self.told_at = now()
        ack = self.taken - self.told >= 32 or self.taken > self.told and now() > self.told_at + 0.25  # HF1-NUM-11
        for path in self.paths.values():
            lines = path is self.sel and (path.pos < self.base + len(self.out) or ack)
            if path.polls and (lines or path.said or now() >= path.polls[0].until):
                for poll in path.polls:
                    poll.state, poll.pos, poll.said = "answered", path.pos, poll.said + path.said
                path.polls, path.said, path.heard = [], "", now()
        self.changed.notify_all()
    def reply(self, said, path=None, pos=None):  # a reply, with the lines after pos if there is one
        said = say("reply", recv=self.recv, sent=self.sent, sel={"u": self.u, "att": self.sel_att}) + said
        at = self.base if pos is None else max(pos, self.base)
        batch, to, self.told = "@%d %d\n" % (at + 1, self.taken) + said, at, self.taken
        size, most = len(batch.encode()), min(path.most, self.limit) if path else 0
        for text, _ in self.out[at - self.base:] if pos is not None and path is self.sel else ():
            if (size := size + len(text.encode())) > most and to > at:
                break
            batch, to = batch + text, to + 1
        if to > at:
            self.sent, self.underway = max(self.sent, to), (to, len(batch.encode()))
        return batch

def tick():
    with lock:
        for session in list(sessions.values()):
            session.step()
    time.sleep(0.03)

# ---- one request
GONE = say("detach", code=4001, gone=True)

def nobody(text):  # HF1-HTTP-10
    return "@1 0\n" + text

def same(a, b):
    return hmac.compare_digest(a.encode(), b.encode())

def session_id(key):
    check(re.fullmatch("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", key))  # 32 octets
    digest = hashlib.sha256(b"holdfast/1 id" + base64.urlsafe_b64decode(key + "=")).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")

def exchange(kind, batch, origin, foreign):
    first, ack, logs, controls = batch
    f = controls[0][1]
    sid, principal = session_id(f["key"]), f.get("auth", "")
    if kind == "open" and 1 not in f["v"]:
        return nobody(say("refused", reason="version", v=[1]))
    if kind == "open":
        check(isinstance(principal, str) and principal != "refuse", "auth")  # HF1-WHO-07
    with lock:
        session, grave = sessions.get(sid), graves.get(sid)
        check(not foreign or session and session.origin == origin, "origin")
        run, owner = (session.run, session.principal) if session else grave[:2] if grave else ("", principal)
        check((same(f["run"], run) if "run" in f else True) and (kind != "open" or principal == owner), "unknown")  # HF1-WHO-08
        if not session and grave:
            return nobody(grave[2])  # HF1-WHO-11
        session = session or Session(sid, principal, origin, f.get("meta"))
        session.admit(*batch)
        if sid not in sessions:
            sessions[sid] = session
            threading.Thread(target=apps.app, args=(session, ends), daemon=True).start()
        session.repeated |= "run" in f
        session.accept(first, ack, logs)
        path = session.paths.get(f["att"])
        answer = session.over or {"open": opened, "poll": polled, "up": upped}[kind](session, path, f, batch)
        return nobody(session.over) if session.over else answer

def opened(session, path, f, _):
    att, seen = f["att"], session.seen | {f["att"]}
    if not path:
        if att in session.seen or att <= max(seen) - 64:  # HF1-ATT-03
            return nobody(GONE)
        if len(session.paths) == 4:  # HF1-ATT-04
            session.end(next(p for p in session.paths.values() if p is not session.sel), 4001)
        path = session.paths[att] = Path(att, f["lim"].get("maxBatch") or MAX_BATCH)
        session.seen = {n for n in seen if n > max(seen) - 64}
    session.overtake(path)  # HF1-ATT-02
    path.heard = now()
    if f.get("u", 0) > session.u:  # HF1-SEL-01
        session.select(path, f["u"], f["recv"])
    session.step()
    return "@%d %d\n" % (session.base + 1, session.taken) + say(
        "opened", v=1, id=session.id, run=session.run, node="python", att=att, recv=session.recv,
        sel={"u": session.u, "att": session.sel_att}, lim={"maxBatch": MAX_BATCH, "maxMessage": MAX_MESSAGE}, win=WIN,
        ping=int(PING * 1000), hold=int(HOLD * 1000), ttl=int(TTL * 1000), challenge=path.challenge)

def upped(session, path, f, batch):
    if not path:
        return nobody(GONE) if any(name == "use" for name, _ in batch[3]) else session.reply("")
    path.heard = now()
    said = session.act(batch[3], path)
    session.step()
    return session.reply(said)

def polled(session, path, f, batch):
    said = path and session.act(batch[3], path)
    if f["att"] not in session.paths:
        return nobody(GONE)
    path.heard = now()
    if f["p"] < path.p:  # HF1-POL-02
        return session.reply(said)
    if f["p"] > path.p or len(path.polls) == 4:
        session.overtake(path)
    path.p = f["p"]
    if path is session.sel:
        path.pos = max(f["recv"], session.base)
        if f["recv"] >= session.underway[0]:
            session.underway = (0, 0)
    hold = min(f.get("hold") or HOLD * 1000, HOLD * 1000, 20 if batch[2] or len(batch[3]) > 1 else MAX)  # HF1-POL-03
    me = types.SimpleNamespace(until=now() + hold / 1000, said=said, state="hangs", pos=0)
    path.polls.append(me)
    session.step()
    while me.state == "hangs" and not session.over:
        session.changed.wait()
    return nobody(me.said) if me.state == "gone" else session.reply(me.said, path, me.pos if me.state == "answered" else None)

# ---- HTTP (section 3)
class Handler(BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 20
    log_message = lambda *_: None  # HF1-WHO-12
    def answer(self, status, text=""):
        self.close_connection |= status != 200
        self.send_response(status)
        for name, value in (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text.encode()))),
                            ("Cache-Control", "no-store, no-transform"), ("X-Content-Type-Options", "nosniff"),
                            ("Referrer-Policy", "no-referrer"), ("Connection", "close" if self.close_connection else "keep-alive")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())
    def serve(self):
        try:
            origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
            check(self.path.partition("?")[0].rstrip("/") == "/holdfast", 404)
            check(origin != "null" and (origin or site not in ("cross-site", "same-site")), 403)  # HF1-WHO-09
            check(self.command == "POST", 404 if self.command == "GET" else 405)
            foreign = origin and site != "same-origin" and origin.partition("://")[2] != self.headers.get("Host")
            self.answer(200, self.post(origin, foreign))
        except Refused as r:
            self.answer(r.args[0])
    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = serve
    def body(self):  # HF1-HTTP-07
        length = self.headers.get("Content-Length", "")
        check(length.isdigit(), 411)
        check(int(length) <= MAX_BODY, 413)  # HF1-BAT-05
        slow = threading.Timer(10, self.connection.shutdown, [socket.SHUT_RDWR])
        slow.start()
        data = self.rfile.read(int(length))
        slow.cancel()
        check(len(data) == int(length), 408)
        return data
    def post(self, origin, foreign):
        check(self.headers.get_content_type() == "text/plain" and not self.headers.get("Content-Encoding"), 415)
        text = self.body().decode(errors="surrogateescape").removeprefix("\ufeff")
        check(not re.search("[\ud800-\udfff]", text), 400)  # it was not UTF-8
        inner = re.fullmatch(r"(holdfast/1 (open|poll|up|stream) [A-Za-z0-9_-]{16,64})\r?\n((?:[^\n]*\n)*?)\.(\r?\n)?", text)
        check(inner and not re.search(r"^\.\r?$", inner[3], re.M), 400)
        check(inner[2] != "stream", 404)
        check(len(inner[3].encode()) <= MAX_BATCH, 413)
        try:
            lines = [line.removesuffix("\r") for line in inner[3].split("\n")[:-1]]
            batch = parse_batch(lines)
            check(lines[1:] and lines[1].startswith("!%s " % inner[2]))  # HF1-HTTP-09
            check(self.headers.get("Early-Data") != "1" or not batch[2], 425)
            answer = exchange(inner[2], batch, origin, foreign)
        except Refused as r:
            check(isinstance(r.args[0], str), r.args[0])
            answer = nobody(say("refused", reason=r.args[0]))
        return "%s\n%s.\n" % (inner[1], answer)

if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("http://127.0.0.1:%d/holdfast" % server.server_address[1], flush=True)
    while True:
        tick()
