"""The applications of the conformance suite (docs/conformance.md).

They use four methods of a session: send, mark_taken, close and finish.
"""
import hashlib, json, threading, time

def app(session, ends):
    meta = session.meta if isinstance(session.meta, dict) else {}
    name, count, digest = meta.get("conformance"), 0, hashlib.sha256()
    if name == "source":
        threading.Thread(target=source, args=(session, meta), daemon=True).start()
    elif name in ("illformed", "oversize"):
        try:
            session.send("t", "\ud800".encode() if name == "illformed" else b"x" * (1024 * 1024 + 1))
            session.send("t", b"sent")
        except ValueError:  # UnicodeEncodeError is one
            session.send("t", b"refused")
    elif name == "report":
        session.send("t", json.dumps(ends.get(meta.get("of"), {})).encode())
    while item := session.inbox.get():
        kind, data, n = item
        if kind == "c":
            session.mark_taken(n)
            session.finish(*data)
            continue
        if name == "slow":
            time.sleep(meta["delay"] / 1000)
        if name == "sink" and kind == "t" and data == b"digest":
            session.send("t", b"%d %s" % (count, digest.hexdigest().encode()))
        elif name == "sink":
            count += 1
            digest.update(b"%s%d:%s" % (kind.encode(), len(data), data))
        elif name not in ("source", "illformed", "oversize", "report"):
            session.send(kind, data)
        session.mark_taken(n)
        if name == "close":
            session.close(meta["code"], meta["reason"])

def source(session, meta):
    for k in range(1, meta["count"] + 1):
        session.send("b" if meta.get("binary") else "t", str(k).encode().ljust(meta.get("size", 0), b"."))
