"""Batches, section 2 of docs/protocol.md: read strictly, and the lines that a message becomes."""
import base64, collections, json, re

MAX, COST = 2**53 - 1, 16  # the largest number, and what a line costs of the window besides its payload

class Refused(Exception):
    """Nothing was changed, and the answer is !refused with a reason, or an HTTP status."""

def check(ok, answer="malformed"):
    if not ok:
        raise Refused(answer)

Line = collections.namedtuple("Line", "kind more data")  # t or b with a payload in bytes, c with (code, reason)
FIELDS = {  # of the controls that a client sends; ? may be absent, n1 is above 0, N a list of numbers, L of strings
    "open": "v:N x:L? key:s run:s? att:n1 u:n1? recv:n lim:o auth:*? meta:*?",
    "poll": "key:s run:s att:n1 p:n1 recv:n hold:n?", "up": "key:s run:s att:n1",
    "use": "u:n1 att:n1 challenge:s recv:n", "detach": "code:n gone:T?", "rewind": "recv:n",
    "ping": "i:n", "pong": "i:n", "ticket": "att:n1 u:n1? recv:n", "close": "code:n reason:s"}
TYPES = {"n": lambda v: type(v) is int, "n1": lambda v: type(v) is int and v > 0, "s": lambda v: isinstance(v, str),
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
            fields = json.loads(raw, object_pairs_hook=Pairs, parse_int=number, parse_float=lambda _: None,
                                parse_constant=float.fromhex)
        except (ValueError, RecursionError):
            raise Refused("malformed")
        check(raw[0] == "{" and raw[-1] == "}" and "NaN" not in raw and "Infinity" not in raw and depth(fields) <= 8)
    if text[0] == "?":
        return None
    check(name in FIELDS)
    for field, kind in (spec.split(":") for spec in FIELDS[name].split()):
        fits = TYPES[kind.rstrip("?")](fields[field]) if field in fields else kind[-1] == "?"
        check(fields.names.count(field) < 2 and fits)
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

def control_line(name, **fields):
    return "!%s %s\n" % (name, json.dumps(fields, ensure_ascii=False, separators=(",", ":")))

def encode(kind, data):  # the lines of a message, each of at most 1,536 bytes, with what they cost of the window
    at, room = 0, 1140 if kind == "b" else 760  # each byte of a text may be escaped
    while at < len(data) or not at:
        end = min(at + room, len(data))
        while kind == "t" and data[end:] and data[end] & 0xC0 == 0x80:
            end -= 1
        piece, more = data[at:end], "+" if end < len(data) else ""
        if kind == "b":
            text = base64.b64encode(piece)
        else:
            text = piece.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        yield more + kind + text.decode() + "\n", len(piece) + COST
        at = end or 1
