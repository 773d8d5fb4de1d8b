#!/usr/bin/env python3
"""A Holdfast server for the profile core,poll: docs/protocol.md in Python's standard library alone.

`python3 poll_server.py [PORT]` serves the applications in apps.py at /holdfast. It is an example,
not a product: all sessions share one lock, and nothing limits how many there are.
"""
import base64, collections, hashlib, hmac, queue, re, secrets, socket, sys, threading, time, types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apps
from batch import MAX, Refused, check, control_line, encode, parse_batch

MAX_BATCH, MAX_BODY, MAX_MESSAGE, WIN = 65536, 65536 + 200, 1 << 20, 2 << 20
PING, HOLD, TTL, GRACE, STANDBY, UNCONFIRMED = 8.0, 5.0, 30.0, 10.0, 30.0, 20.0
now = time.monotonic

# ---- sessions (sections 4 to 8, 10, 11)
lock = threading.RLock()
sessions, tombstones, ends = {}, collections.OrderedDict(), collections.OrderedDict()

def put_bounded(table, name, value, limit):
    table[name] = value
    while len(table) > limit:
        table.popitem(last=False)

class Attachment:
    def __init__(self, att, max_batch):
        self.att, self.max_batch, self.challenge = att, min(max(max_batch, 2048), 1 << 20), secrets.token_urlsafe(16)
        self.pos, self.p, self.polls, self.extra, self.last_received, self.standby = 0, 0, [], "", now(), now()

class Session:
    def __init__(self, sid, principal, origin, meta):
        self.id, self.principal, self.origin, self.meta = sid, principal, origin, meta
        self.run, self.changed, self.inbox = secrets.token_urlsafe(16), threading.Condition(lock), queue.Queue()
        self.recv = self.taken = self.ack_sent = self.base = self.sent = self.bytes = self.closing = 0
        self.u = self.sel_att = 0
        self.ack_sent_at = self.created = self.last_received = now()
        self.out, self.piece, self.attachments, self.seen = [], [], {}, set()  # out: the lines after base
        self.peer_closed, self.confirmed, self.sel, self.closed = False, False, None, None
        self.limit, self.in_flight = 1 << 20, (0, 0)
    def send(self, kind, data):
        if len(data) > MAX_MESSAGE:
            raise ValueError("too large")
        lines = list(encode(kind, data))
        cost = sum(c for _, c in lines)
        with lock:
            while self.out and self.bytes + cost > WIN and not self.closed:  # HF1-NUM-10
                self.changed.wait()
            if not self.closed and not self.closing:
                self.out, self.bytes = self.out + lines, self.bytes + cost
            self.step()
    def mark_taken(self, n):
        self.taken = n
    def close(self, code, reason):
        with lock:
            if not self.closing:
                self.out.append((control_line("close", code=code, reason=reason), 0))
                self.closing, self.closed_at, self.own = self.base + len(self.out), now(), (code, reason)
    def finish(self, code, reason, tombstone=True):
        with lock:
            if self.closed:
                return
            self.closed = control_line("closed", code=code, reason=reason, recv=self.taken, ack=self.base)
            sessions.pop(self.id, None)
            if tombstone:
                # HF1-WHO-11: here they never become too old
                put_bounded(tombstones, self.id, (self.run, self.principal, self.closed), 100_000)
            last = self.base + len(self.out) - bool(self.closing)
            fate = {"sent": last, "delivered": min(self.base, last), "exact": self.base >= last}
            put_bounded(ends, self.id, fate, 10_000)
            self.inbox.put(None)
            self.changed.notify_all()
    def check_batch(self, first, ack, logs, controls):  # judges a batch before anything of it acts
        check(ack <= self.sent and all(f.get("recv", 0) <= self.sent for _, f in controls), "position")
        check(not any(name in ("open", "poll", "up") or controls[0][0] == "open" for name, _ in controls[1:]))
        for a, b in zip(logs, logs[1:]):
            check(a.kind != "c" and (not a.more or a.kind == b.kind))
        new = logs[self.recv + 1 - first:] if first <= self.recv + 1 else []
        check(not new or not self.peer_closed and (not self.piece or self.piece[-1].kind == new[0].kind))
    def accept(self, first, ack, logs):
        self.last_received = now()
        if ack > self.base:
            self.bytes -= sum(c for _, c in self.out[: ack - self.base])
            del self.out[: ack - self.base]
            self.base = ack
        if ack >= self.in_flight[0]:
            self.in_flight = (0, 0)
        # HF1-POL-05: lines behind a gap are not kept
        for line in logs[self.recv + 1 - first:] if first <= self.recv + 1 else []:
            self.recv += 1
            self.piece.append(line)
            if sum(len(x.data) for x in self.piece) > MAX_MESSAGE:
                return self.finish(4304, "message too large")
            if not line.more:
                data = line.data if line.kind == "c" else b"".join(x.data for x in self.piece)
                self.inbox.put((line.kind, data, self.recv))
                self.piece, self.peer_closed = [], line.kind == "c"
    def act(self, controls, attachment):  # the controls besides the address; returns the controls that answer them
        extra = ""
        for name, f in controls[1:]:
            if name == "ping":
                extra += control_line("pong", i=f["i"])
            elif name == "rewind" and attachment is self.sel:
                attachment.pos = max(f["recv"], self.base)
            elif name == "detach":
                self.end(attachment, 4004)
            elif name == "use" and f["u"] > self.u and f["att"] == attachment.att:
                if same(f["challenge"], attachment.challenge):  # HF1-SEL-03
                    self.select(attachment, f["u"], f["recv"])
        return extra
    def select(self, attachment, u, recv):
        if self.sel not in (None, attachment):
            # HF1-ATT-07; in_flight: the last line of a batch that was written, and its size
            if recv < self.in_flight[0]:
                self.limit = max(1024, self.in_flight[1] // 2)
            self.sel.extra, self.sel.standby = self.sel.extra + control_line("detach", code=4001), now()
        self.u, self.sel, self.sel_att, attachment.pos = u, attachment, attachment.att, max(recv, self.base)
    def end(self, attachment, code):
        for poll in attachment.polls:
            poll.state, poll.extra = "gone", control_line("detach", code=code, gone=True)
        self.attachments.pop(attachment.att, None)
        attachment.polls, self.sel = [], None if self.sel is attachment else self.sel
    def complete_older(self, attachment):
        for poll in attachment.polls:
            poll.state = "empty"
        attachment.polls = []
    def step(self):  # ends what is over, and answers the polls that have an answer
        if not self.confirmed and now() > self.created + UNCONFIRMED:  # HF1-WHO-10
            return self.finish(4201, "never attached", tombstone=False)
        if now() > self.last_received + TTL:
            return self.finish(4201, "ttl")
        if self.closing and (self.base >= self.closing or now() > self.closed_at + GRACE):
            return self.finish(*self.own)  # HF1-CLO-04
        for attachment in list(self.attachments.values()):
            if attachment is not self.sel and now() > attachment.standby + STANDBY:  # HF1-SEL-08
                self.end(attachment, 4004)
            elif not attachment.polls and now() > attachment.last_received + HOLD + 2 * PING:  # HF1-LIV-03
                self.end(attachment, 4002)
        if self.taken == self.ack_sent:
            self.ack_sent_at = now()
        # HF1-NUM-11
        ack = self.taken - self.ack_sent >= 32 or self.taken > self.ack_sent and now() > self.ack_sent_at + 0.25
        for attachment in self.attachments.values():
            lines = attachment is self.sel and (attachment.pos < self.base + len(self.out) or ack)
            if attachment.polls and (lines or attachment.extra or now() >= attachment.polls[0].until):
                for poll in attachment.polls:
                    poll.state, poll.pos, poll.extra = "answered", attachment.pos, poll.extra + attachment.extra
                attachment.polls, attachment.extra, attachment.last_received = [], "", now()
        self.changed.notify_all()
    def reply(self, extra, attachment=None, pos=None):  # a reply, with the lines after pos if there is one
        extra = control_line("reply", recv=self.recv, sent=self.sent, sel={"u": self.u, "att": self.sel_att}) + extra
        at = self.base if pos is None else max(pos, self.base)
        batch, to, self.ack_sent = "@%d %d\n" % (at + 1, self.taken) + extra, at, self.taken
        size, max_batch = len(batch.encode()), min(attachment.max_batch, self.limit) if attachment else 0
        for text, _ in self.out[at - self.base:] if pos is not None and attachment is self.sel else ():
            if (size := size + len(text.encode())) > max_batch and to > at:
                break
            batch, to = batch + text, to + 1
        if to > at:
            self.sent, self.in_flight = max(self.sent, to), (to, len(batch.encode()))
        return batch

def tick():
    with lock:
        for session in list(sessions.values()):
            session.step()
    time.sleep(0.03)

# ---- one request
GONE = control_line("detach", code=4001, gone=True)

def without_session(text):  # HF1-HTTP-10
    return "@1 0\n" + text

def same(a, b):
    return hmac.compare_digest(a.encode(), b.encode())

def session_id(key):
    check(re.fullmatch("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", key))  # 32 octets
    digest = hashlib.sha256(b"holdfast/1 id" + base64.urlsafe_b64decode(key + "=")).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")

def exchange(kind, batch, origin, origin_rejected):
    first, ack, logs, controls = batch
    f = controls[0][1]
    sid, principal = session_id(f["key"]), f.get("auth", "")
    if kind == "open" and 1 not in f["v"]:
        return without_session(control_line("refused", reason="version", v=[1]))
    if kind == "open":
        check(isinstance(principal, str) and principal != "refuse", "auth")  # HF1-WHO-07
    with lock:
        session, tombstone = sessions.get(sid), tombstones.get(sid)
        check(not origin_rejected or session and session.origin == origin, "origin")
        run, owner = (session.run, session.principal) if session else tombstone[:2] if tombstone else ("", principal)
        right_run = same(f["run"], run) if "run" in f else True
        check(right_run and (kind != "open" or principal == owner), "unknown")  # HF1-WHO-08
        if not session and tombstone:
            return without_session(tombstone[2])  # HF1-WHO-11
        session = session or Session(sid, principal, origin, f.get("meta"))
        session.check_batch(*batch)
        if sid not in sessions:
            sessions[sid] = session
            threading.Thread(target=apps.app, args=(session, ends), daemon=True).start()
        session.confirmed |= "run" in f
        session.accept(first, ack, logs)
        attachment = session.attachments.get(f["att"])
        answer = session.closed or {"open": on_open, "poll": on_poll, "up": on_up}[kind](session, attachment, f, batch)
        return without_session(session.closed) if session.closed else answer

def on_open(session, attachment, f, _):
    att, seen = f["att"], session.seen | {f["att"]}
    if not attachment:
        if att in session.seen or att <= max(seen) - 64:  # HF1-ATT-03
            return without_session(GONE)
        if len(session.attachments) == 4:  # HF1-ATT-04
            session.end(next(p for p in session.attachments.values() if p is not session.sel), 4001)
        attachment = session.attachments[att] = Attachment(att, f["lim"].get("maxBatch") or MAX_BATCH)
        session.seen = {n for n in seen if n > max(seen) - 64}
    session.complete_older(attachment)  # HF1-ATT-02
    attachment.last_received = now()
    if f.get("u", 0) > session.u:  # HF1-SEL-01
        session.select(attachment, f["u"], f["recv"])
    session.step()
    return "@%d %d\n" % (session.base + 1, session.taken) + control_line(
        "opened", v=1, id=session.id, run=session.run, node="python", att=att, recv=session.recv,
        sel={"u": session.u, "att": session.sel_att}, lim={"maxBatch": MAX_BATCH, "maxMessage": MAX_MESSAGE}, win=WIN,
        ping=int(PING * 1000), hold=int(HOLD * 1000), ttl=int(TTL * 1000), challenge=attachment.challenge)

def on_up(session, attachment, f, batch):
    if not attachment:
        return without_session(GONE) if any(name == "use" for name, _ in batch[3]) else session.reply("")
    attachment.last_received = now()
    extra = session.act(batch[3], attachment)
    session.step()
    return session.reply(extra)

def on_poll(session, attachment, f, batch):
    extra = attachment and session.act(batch[3], attachment)
    if f["att"] not in session.attachments:
        return without_session(GONE)
    attachment.last_received = now()
    if f["p"] < attachment.p:  # HF1-POL-02
        return session.reply(extra)
    if f["p"] > attachment.p or len(attachment.polls) == 4:
        session.complete_older(attachment)
    attachment.p = f["p"]
    if attachment is session.sel:
        attachment.pos = max(f["recv"], session.base)
        if f["recv"] >= session.in_flight[0]:
            session.in_flight = (0, 0)
    hold = min(f.get("hold") or HOLD * 1000, HOLD * 1000, 20 if batch[2] or len(batch[3]) > 1 else MAX)  # HF1-POL-03
    poll = types.SimpleNamespace(until=now() + hold / 1000, extra=extra, state="waits", pos=0)
    attachment.polls.append(poll)
    session.step()
    while poll.state == "waits" and not session.closed:
        session.changed.wait()
    if poll.state == "gone":
        return without_session(poll.extra)
    return session.reply(poll.extra, attachment, poll.pos if poll.state == "answered" else None)

# ---- HTTP (section 3)
class Handler(BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 20
    log_message = lambda *_: None  # HF1-WHO-12
    def answer(self, status, text=""):
        self.close_connection |= status != 200
        self.send_response(status)
        for name, value in (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text.encode()))),
                            ("Cache-Control", "no-store, no-transform"), ("X-Content-Type-Options", "nosniff"),
                            ("Referrer-Policy", "no-referrer"),
                            ("Connection", "close" if self.close_connection else "keep-alive")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())
    def serve(self):
        try:
            origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site")
            check(self.path.partition("?")[0].rstrip("/") == "/holdfast", 404)
            check(origin != "null" and (origin or site not in ("cross-site", "same-site")), 403)  # HF1-WHO-09
            check(self.command == "POST", 404 if self.command == "GET" else 405)
            other_host = origin and origin.partition("://")[2] != self.headers.get("Host")
            origin_rejected = other_host and site != "same-origin"
            self.answer(200, self.post(origin, origin_rejected))
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
    def post(self, origin, origin_rejected):
        check(self.headers.get_content_type() == "text/plain" and not self.headers.get("Content-Encoding"), 415)
        text = self.body().decode(errors="surrogateescape").removeprefix("\ufeff")
        check(not re.search("[\ud800-\udfff]", text), 400)  # it was not UTF-8
        preamble = r"(holdfast/1 (open|poll|up|stream) [A-Za-z0-9_-]{16,64})\r?\n"
        inner = re.fullmatch(preamble + r"((?:[^\n]*\n)*?)\.(\r?\n)?", text)
        check(inner and not re.search(r"^\.\r?$", inner[3], re.M), 400)
        check(inner[2] != "stream", 404)
        check(len(inner[3].encode()) <= MAX_BATCH, 413)
        try:
            lines = [line.removesuffix("\r") for line in inner[3].split("\n")[:-1]]
            batch = parse_batch(lines)
            check(lines[1:] and lines[1].startswith("!%s " % inner[2]))  # HF1-HTTP-09
            check(self.headers.get("Early-Data") != "1" or not batch[2], 425)
            answer = exchange(inner[2], batch, origin, origin_rejected)
        except Refused as r:
            check(isinstance(r.args[0], str), r.args[0])
            answer = without_session(control_line("refused", reason=r.args[0]))
        return "%s\n%s.\n" % (inner[1], answer)

if __name__ == "__main__":
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("http://127.0.0.1:%d/holdfast" % server.server_address[1], flush=True)
    while True:
        tick()
