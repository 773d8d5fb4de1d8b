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
var byteLength = (text) => utf8.encode(text).length;
var costOf = (data) => 16 + (typeof data === "string" ? byteLength(data) : data.length);
var escapes = { "\\": "\\", n: "\n", r: "\r", "\n": "n", "\r": "r" };
var binaryString = (bytes) => String.fromCharCode(...bytes);
function fromBase64(text) {
  const raw = atob(text);
  if (btoa(raw) !== text) fail();
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
function parseLine(text) {
  const [, plus, type, rest, name, , json] = /^(?:(\+?)([tb])([^]*)|([!?][a-z][a-z\d-]{0,31})( (\{[^]*\}))?)$/.exec(text) ?? fail();
  if (name) {
    if (byteLength(text) > 8191) fail();
    return { _log: name === "!close", _cost: 0, _name: name, _fields: parseFields(name, json ?? "{}") };
  }
  const unescape = (_, c) => /[\\nr]/.test(c) ? escapes[c] : fail();
  return messageLine(type === "t" ? rest.replace(/\\([^]?)/g, unescape) : fromBase64(rest), !!plus);
}
function parse(batch, limit) {
  const binary = typeof batch !== "string";
  const text = binary ? binaryString(batch.subarray(0, Math.min(110, batch.indexOf(10) + 1))) : batch.replace(/^\uFEFF/, "");
  const [head, ...lines] = text.split(/\r?\n/);
  const [, first, ack, , plus] = /^@([1-9]\d{0,15}) (0|[1-9]\d{0,15})( [\w-]{1,64})?( \+)?$/.exec(head) ?? fail();
  if ((binary ? batch.length : byteLength(text)) > limit || lines.pop() !== "" || plus && !binary || /\r(?!\n)/.test(text))
    fail();
  const parsed = binary ? [messageLine(batch.slice(text.length), !!plus)] : lines.map(parseLine);
  if (Math.max(+first + parsed.filter((l) => l._log).length, +ack) > 2 ** 53 - 1) fail();
  return { _first: +first, _ack: +ack, _lines: parsed };
}
var wrap = (preamble, batch) => preamble + batch + ".\n";

// src/doctor/findings.json
var findings_default = {
  unreachable: {
    severity: "fault",
    class: [],
    title: "The server cannot be reached",
    advice: "Check the address, that the server runs, and that a firewall lets this machine reach that host and port."
  },
  offline: {
    severity: "fault",
    class: [],
    title: "This device says that it is offline",
    advice: "Connect it to a network and try again."
  },
  "proxy-refuses": {
    severity: "fault",
    class: ["F01"],
    title: "The proxy does not let the connection through",
    advice: "Ask whoever runs the proxy to allow this host and port, for CONNECT too; or add the host to NO_PROXY if it can be reached directly."
  },
  "proxy-auth": {
    severity: "fault",
    class: ["F01"],
    title: "The proxy wants a user name and a password",
    advice: "Browsers ask for them. Programs need them in the proxy's settings, or an exception for this host in the proxy."
  },
  "tls-untrusted": {
    severity: "fault",
    class: ["F20"],
    title: "The server's certificate is not trusted by this machine",
    advice: "If the issuer below is a security appliance of your network, its certificate must be installed on this machine, or this host be exempted from inspection. Otherwise the server's certificate is wrong or has expired."
  },
  "tls-inspection": {
    severity: "note",
    class: ["F20"],
    title: "Signs that something on the way opens encrypted connections",
    advice: "These are signs and no proof. An appliance that inspects TLS may also hold back streams and cut WebSockets: exempt this host from inspection if transports fail."
  },
  "captive-portal": {
    severity: "fault",
    class: ["F19"],
    title: "Something else answers in the server's place: a sign-in page, a block page, or another site",
    advice: "Open any web page and sign in to this network if it asks for it. If a block page shows, ask whoever runs the network to allow the host. If neither, check the address."
  },
  redirected: {
    severity: "fault",
    class: ["F19"],
    title: "The server sends the request to another address",
    advice: "Use the address it names. Holdfast follows no redirect, since what it sends is secret."
  },
  "not-holdfast": {
    severity: "fault",
    class: ["F19"],
    title: "What answers at this address is not a Holdfast server",
    advice: "Check the path of the address. If it is right, a proxy in front of the server does not pass this path on.",
    config: {
      nginx: "location /holdfast { proxy_pass http://127.0.0.1:8080; }",
      HAProxy: "use_backend holdfast if { path_beg /holdfast }",
      Apache: "ProxyPass /holdfast http://127.0.0.1:8080/holdfast",
      Caddy: "reverse_proxy /holdfast* 127.0.0.1:8080"
    }
  },
  "server-refuses": {
    severity: "fault",
    class: [],
    title: "The server answers, and refuses the session",
    advice: "The network is not the cause. auth: the server wants credentials, so let the application run the diagnosis, which has them. origin or policy: the server must list this page's Origin. busy or draining: try again later. version: update the client or the server."
  },
  "post-refused": {
    severity: "fault",
    class: ["F01"],
    title: "Requests are answered with an HTTP error",
    advice: "The status and the words below tell who refuses: text that begins with “holdfast:” is the server's, anything else is a proxy's or firewall's. Allow POST with a text/plain body on this path.",
    config: {
      nginx: "location /holdfast { limit_except GET POST OPTIONS { deny all; } proxy_pass http://127.0.0.1:8080; }",
      HAProxy: "http-request allow if { path_beg /holdfast } { method GET POST OPTIONS }"
    }
  },
  "post-blackholed": {
    severity: "fault",
    class: ["F02"],
    title: "Requests vanish: no answer comes",
    advice: "A firewall or proxy swallows them, or waits for a scanner. Ask whoever runs it to let POST requests to this host pass."
  },
  "post-cut": {
    severity: "fault",
    class: [],
    title: "The connection breaks before the answer",
    advice: "Something resets it: an inspection appliance, a proxy that cannot reach the server, or the server itself. Look at its log at the time of this report."
  },
  "reply-truncated": {
    severity: "fault",
    class: ["F25"],
    title: "Answers arrive cut short",
    advice: "Something on the way ends bodies early. Look for limits on the size or the time of responses in proxies and scanners."
  },
  "reply-reused": {
    severity: "fault",
    class: ["F16"],
    title: "A cache gave the answer to another request",
    advice: "Serious: one visitor may be shown what belongs to another. Exempt this path from caching and from request coalescing.",
    config: {
      nginx: "proxy_cache off;",
      Apache: "CacheDisable /holdfast",
      Varnish: 'if (req.url ~ "^/holdfast") { return (pass); }'
    }
  },
  "reply-altered": {
    severity: "fault",
    class: ["F16", "F19"],
    title: "Answers arrive altered",
    advice: "A proxy rewrites the text of answers. Exempt this path from content filters and rewriting."
  },
  "request-repeated": {
    severity: "note",
    class: ["F17"],
    title: "A request arrived at the server more than once",
    advice: "Holdfast does no harm by it. Other applications may: switch off retries of POST requests.",
    config: {
      nginx: "proxy_next_upstream off;",
      HAProxy: "retries 0",
      Apache: "ProxyPass /holdfast http://127.0.0.1:8080/holdfast retry=0",
      Caddy: "reverse_proxy 127.0.0.1:8080 { lb_retries 0 }"
    }
  },
  "ws-refused": {
    severity: "fault",
    transport: "websocket",
    class: ["F01"],
    title: "WebSockets are refused",
    advice: "A proxy does not pass the upgrade on. Messages go by event stream or long poll meanwhile. In your own proxy:",
    config: {
      nginx: 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
      HAProxy: "timeout tunnel 1h",
      Apache: "ProxyPass /holdfast http://127.0.0.1:8080/holdfast upgrade=websocket",
      Caddy: "reverse_proxy 127.0.0.1:8080  # passes WebSockets as it is"
    }
  },
  "ws-blackholed": {
    severity: "fault",
    transport: "websocket",
    class: ["F02"],
    title: "WebSockets vanish: nothing answers the handshake",
    advice: "A firewall swallows it. Messages go by event stream or long poll meanwhile. Ask whoever runs the network to let WebSockets to this host pass, or to refuse them at once."
  },
  "ws-swallowed": {
    severity: "fault",
    transport: "websocket",
    class: ["F03"],
    title: "WebSockets open, and carry nothing",
    advice: "Something accepts the upgrade and drops what follows: an inspecting proxy, or a load balancer without support for WebSockets. Exempt this host from inspection, or let it pass upgrades."
  },
  "ws-first-frame": {
    severity: "fault",
    transport: "websocket",
    class: ["F05", "F06"],
    title: "The first message of a WebSocket is lost",
    advice: "A proxy drops what arrives together with the upgrade. Update it, or exempt this path."
  },
  "ws-killed": {
    severity: "fault",
    transport: "websocket",
    class: ["F04"],
    title: "WebSockets are cut soon after they open",
    advice: "A security appliance or a firewall's rule ends them. Holdfast moves to another transport. Exempt this host from inspection, or raise the time limit for tunnels.",
    config: {
      nginx: "proxy_read_timeout 75s; proxy_send_timeout 75s;",
      HAProxy: "timeout tunnel 1h",
      Apache: "ProxyWebsocketIdleTimeout 75",
      Caddy: "reverse_proxy 127.0.0.1:8080 { stream_timeout 24h }"
    }
  },
  "ws-silent": {
    severity: "fault",
    transport: "websocket",
    class: ["F14"],
    title: "WebSockets fall silent while they look open",
    advice: "A device on the way forgot the connection. Look at the session tables and timeouts of firewalls and NAT."
  },
  "ws-one-behind": {
    severity: "fault",
    transport: "websocket",
    class: ["F10"],
    title: "Each WebSocket message arrives only with the next",
    advice: "A scanner or a proxy holds back the last piece. Exempt this host from inspection, or switch buffering of upgraded connections off."
  },
  "ws-altered": {
    severity: "fault",
    transport: "websocket",
    class: ["F16"],
    title: "WebSocket messages arrive altered",
    advice: "Something rewrites them, or what answers is not a Holdfast server."
  },
  "sse-refused": {
    severity: "fault",
    transport: "sse",
    class: ["F01"],
    title: "Event streams are refused",
    advice: "Requests pass, a stream does not. The status and the words below tell who refuses. Allow responses of type text/event-stream on this path."
  },
  "sse-held": {
    severity: "fault",
    transport: "sse",
    class: ["F08"],
    title: "Event streams are held back whole",
    advice: "A scanner or a buffering proxy waits for the end of the response, which does not come. Messages go by WebSocket or long poll. Exempt this host from scanning, or switch buffering off for this path.",
    config: {
      nginx: "proxy_buffering off; gzip off;",
      Apache: "ProxyPass /holdfast http://127.0.0.1:8080/holdfast flushpackets=on",
      Caddy: "reverse_proxy 127.0.0.1:8080 { flush_interval -1 }"
    }
  },
  "sse-threshold": {
    severity: "fault",
    transport: "sse",
    class: ["F09"],
    title: "Event streams come in lumps: a buffer must fill first",
    advice: "A proxy, or its compression, collects bytes before it passes them on. Switch both off for this path.",
    config: {
      nginx: "proxy_buffering off; gzip off;",
      Apache: "SetEnvIf Request_URI ^/holdfast no-gzip=1  # and flushpackets=on in ProxyPass",
      Caddy: "reverse_proxy 127.0.0.1:8080 { flush_interval -1 }  # and no encode on this path"
    }
  },
  "sse-one-behind": {
    severity: "fault",
    transport: "sse",
    class: ["F10"],
    title: "Each event of a stream arrives only with the next",
    advice: "A scanner, often on this device itself, holds back the last piece. Exempt this host from its web protection."
  },
  "sse-delayed": {
    severity: "fault",
    transport: "sse",
    class: ["F11"],
    title: "Event streams arrive late",
    advice: "A scanner or a proxy holds what passes for a while. Exempt this host from scanning, or switch buffering off for this path.",
    config: {
      nginx: "proxy_buffering off;",
      Apache: "ProxyPass /holdfast http://127.0.0.1:8080/holdfast flushpackets=on",
      Caddy: "reverse_proxy 127.0.0.1:8080 { flush_interval -1 }"
    }
  },
  "sse-cut": {
    severity: "fault",
    transport: "sse",
    class: ["F13"],
    title: "Event streams are cut soon after they begin",
    advice: "A proxy limits how long a response may take. Raise that limit for this path.",
    config: {
      nginx: "proxy_read_timeout 75s;",
      HAProxy: "timeout server 75s",
      Apache: "ProxyTimeout 75",
      Caddy: "reverse_proxy 127.0.0.1:8080 { transport http { response_header_timeout 75s } }"
    }
  },
  "sse-silent": {
    severity: "fault",
    transport: "sse",
    class: ["F14"],
    title: "Event streams fall silent while they look open",
    advice: "A device on the way forgot the connection or began to buffer. Look at the timeouts of firewalls and proxies."
  },
  "poll-cut": {
    severity: "warning",
    transport: "longpoll",
    class: ["F15"],
    title: "Waiting requests are cut before the server answers",
    advice: "A proxy gives a response less time than a poll waits. Holdfast asks again, which costs traffic. Raise the limit above the server's hold time, or lower that (Timers.Hold).",
    config: {
      nginx: "proxy_read_timeout 30s;",
      HAProxy: "timeout server 30s",
      Apache: "ProxyTimeout 30",
      Caddy: "reverse_proxy 127.0.0.1:8080 { transport http { response_header_timeout 30s } }"
    }
  },
  "poll-late": {
    severity: "warning",
    transport: "longpoll",
    class: ["F08"],
    title: "Answers to waiting requests arrive late",
    advice: "Something holds finished answers back: a scanner, or a queue in a proxy. Exempt this host from scanning."
  },
  "size-cap": {
    severity: "warning",
    class: ["F24"],
    title: "Large messages do not pass",
    advice: "Something limits the size of requests or frames. Holdfast sends smaller ones, which is slower. Raise the limit to 128 KiB.",
    config: {
      nginx: "client_max_body_size 1m; client_body_buffer_size 128k;",
      HAProxy: "tune.bufsize 131072  # where request bodies are inspected",
      Apache: "LimitRequestBody 1048576",
      Caddy: "request_body { max_size 1MB }"
    }
  },
  "idle-cut": {
    severity: "warning",
    class: ["F12"],
    title: "Quiet connections are cut",
    advice: "A device ends connections on which nothing moves. Let the server ping more often than that (Timers.Ping), or raise the device's idle timeout.",
    config: {
      nginx: "proxy_read_timeout 75s; proxy_send_timeout 75s;",
      HAProxy: "timeout client 75s; timeout server 75s; timeout tunnel 1h",
      Apache: "ProxyWebsocketIdleTimeout 75",
      Caddy: "reverse_proxy 127.0.0.1:8080 { stream_timeout 24h }"
    }
  },
  "age-limit": {
    severity: "warning",
    class: ["F13"],
    title: "Connections are cut at a certain age, busy or not",
    advice: "A load balancer limits how long a connection may last. Holdfast moves to a new one each time. Raise the limit for this path.",
    config: {
      HAProxy: "timeout tunnel 1h",
      Caddy: "reverse_proxy 127.0.0.1:8080 { stream_timeout 24h }"
    }
  },
  transformed: {
    severity: "note",
    class: ["F09"],
    title: "Answers are compressed on the way, though they say no-transform",
    advice: "Compression makes buffers, and buffers hold streams back. Switch it off for this path.",
    config: {
      nginx: "gzip off;",
      Apache: "SetEnvIf Request_URI ^/holdfast no-gzip=1"
    }
  },
  "headers-stripped": {
    severity: "note",
    class: ["F16"],
    title: "Response headers that the server sends do not arrive",
    advice: "Without Cache-Control a cache may keep answers. Let this path's response headers pass unchanged."
  },
  intermediary: {
    severity: "note",
    class: [],
    title: "A proxy, cache or CDN stands in between",
    advice: "That is common and no fault in itself. If a transport fails, its log is where to look."
  },
  "proxy-in-use": {
    severity: "note",
    class: [],
    title: "This program goes through a proxy",
    advice: "It is named by the environment (HTTP_PROXY, HTTPS_PROXY). NO_PROXY names hosts to reach directly."
  },
  http10: {
    severity: "note",
    class: ["F08"],
    title: "Answers come by HTTP/1.0",
    advice: "An old proxy: it cannot carry WebSockets, and streams only until they end. Let it speak HTTP/1.1.",
    config: {
      Apache: "UnsetEnv force-response-1.0"
    }
  },
  "clock-skew": {
    severity: "note",
    class: [],
    title: "The clocks of this device and the server differ",
    advice: "Tokens and certificates are judged by the clock. Set the clock of the one that is wrong."
  }
};

// src/doctor/report.ts
var entries = findings_default;
var order = { fault: 0, warning: 1, note: 2 };
var maxEvidence = 8;
var maxLine = 240;
function clean(text, most = maxLine) {
  const shown = text.replace(/[\t\n\r]/g, " ").replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, "").trim();
  const chars = [...shown];
  return chars.length > most ? chars.slice(0, most - 1).join("") + "…" : shown;
}
var Findings = class {
  findings = [];
  facts = [];
  notTested = [];
  /** The URL's query, which is not to be shown. */
  hidden = "";
  /** Books a finding, or more evidence for it; returns how grave it is. */
  find(id, evidence) {
    const { severity, title, advice, config = {}, class: classes } = entries[id];
    const words = clean(this.hidden ? evidence.replaceAll(this.hidden, "…") : evidence);
    const known = this.findings.find((f) => f.id === id);
    if (!known) this.findings.push({ id, severity, title, evidence: [words], advice, config, class: classes });
    else if (known.evidence.length < maxEvidence && !known.evidence.includes(words)) known.evidence.push(words);
    return severity;
  }
  /** Books a measurement; the first of a name stays. */
  fact(name, value) {
    if (!this.facts.some((f) => f.name === name)) this.facts.push({ name, value: clean(value) });
  }
  /** Books what could not be seen. */
  untested(what) {
    if (!this.notTested.includes(what)) this.notTested.push(what);
  }
  /** The findings, the gravest first. */
  sorted() {
    return [...this.findings].sort((a, b) => order[a.severity] - order[b.severity]);
  }
};
var took = (ms) => ms < 1e4 ? `${Math.round(ms)} ms` : `${(ms / 1e3).toFixed(1)} s`;
function wrapped(indent, text) {
  const lines = [indent];
  text.split(/\s+/).forEach((word, i) => {
    const line = lines[lines.length - 1];
    if (i && line.length + 1 + word.length > 100) lines.push(" ".repeat(indent.length) + word);
    else lines[lines.length - 1] = line + (i ? " " : "") + word;
  });
  return lines.join("\n") + "\n";
}
function reportText(report) {
  let text = `Holdfast doctor: ${report.url}
${report.began}, took ${took(report.tookMs)}

`;
  text += `${report.verdict.toUpperCase()}  ${report.summary}

`;
  for (const t of report.transports) {
    text += `  ${t.name.padEnd(10)} ${t.state.padEnd(9)}`;
    if (t.openedMs >= 0) text += ` opened in ${t.openedMs} ms`;
    if (t.rttMs >= 0) text += `, ping ${t.rttMs} ms`;
    if (t.watchedMs > 0) text += `, seen to live for ${took(t.watchedMs)}`;
    text += (t.session && `
${" ".repeat(22)} session ${t.session}`) + "\n";
  }
  if (!report.findings.length) text += "\nNothing was found.\n";
  report.findings.forEach((f, i) => {
    text += `
${i + 1}. ${f.title}
   [${[`${f.severity}: ${f.id}`, f.class.join(" ")].filter(Boolean).join(", ")}]
`;
    for (const line of f.evidence) text += wrapped("   seen: ", line);
    text += wrapped("   to do: ", f.advice);
    for (const [product, line] of Object.entries(f.config)) text += `     ${`${product}:`.padEnd(8)} ${line}
`;
  });
  if (report.facts.length) text += "\nMeasured:\n" + report.facts.map((f) => `  ${f.name}: ${f.value}
`).join("");
  if (report.notTested.length)
    text += "\nNot seen by this run:\n" + report.notTested.map((n) => wrapped("  - ", n)).join("");
  return text;
}

// src/doctor/answer.ts
var isTrouble = (trouble) => "id" in trouble;
var looksLikePage = (text) => /<html|<!doctype html/i.test(text.slice(0, 1024));
function quote(text) {
  const title = /<title[^>]*>([^]*?)<\/title>/i.exec(text)?.[1];
  return title != null ? `page with the title “${clean(title, 80)}”` : `“${clean(text.slice(0, 400), 80)}”`;
}
function decode(text, preamble) {
  const [first = "", ...rest] = text.replace(/^\ufeff/, "").replace(/\r\n/g, "\n").split("\n");
  const body = rest.join("\n");
  const end = body.search(/(^|\n)\.\n?$/);
  const shown = quote(text);
  if (!text) return { id: "reply-truncated", evidence: "an answer with status 200 and an empty body" };
  if (!first.startsWith("holdfast/1 ")) {
    if (looksLikePage(text))
      return { id: "captive-portal", evidence: `status 200, and a web page in place of the answer: ${shown}` };
    if (text.includes("holdfast/1 "))
      return { id: "reply-altered", evidence: `the answer does not begin as it should: ${shown}` };
    return { id: "not-holdfast", evidence: `status 200, and the answer begins: ${shown}` };
  }
  if (end < 0)
    return { id: "reply-truncated", evidence: `${text.length} bytes of an answer came, without its end line` };
  if (first + "\n" !== preamble) {
    const [, asked] = preamble.split(" ");
    const [, kind = ""] = first.split(" ");
    return {
      id: "reply-reused",
      evidence: `asked for ${asked}, got the answer to another request (of kind ${clean(kind, 10)})`
    };
  }
  return batchOf(body.slice(0, end + 1), "the answer");
}
function batchOf(text, what) {
  try {
    return parse(text, 1 << 21);
  } catch {
    return { id: "reply-altered", evidence: `${what} cannot be read: ${quote(text)}` };
  }
}
function describe({ status, statusText, headers }, body) {
  const parts = [`status ${status} ${clean(statusText, 40)}`.trim()];
  for (const name of ["Server", "Via", "X-Cache", "Retry-After"]) {
    const value = headers.get(name);
    if (value) parts.push(`${name}: ${clean(value, 60)}`);
  }
  const location2 = headers.get("Location");
  if (location2) parts.push(`Location: ${clean(location2.replace(/[?#].*/, ""), 80)}`);
  if (body.trim() && (status < 300 || status > 399)) parts.push(quote(body));
  return parts.join(", ");
}
var relays = [
  "Via",
  "Age",
  "X-Cache",
  "X-Cache-Hits",
  "X-Served-By",
  "X-Varnish",
  "X-Forwarded-For",
  "Cf-Ray",
  "X-Amz-Cf-Id",
  "X-Azure-Ref",
  "X-Squid-Error",
  "X-Bluecoat-Via",
  "X-Zscaler-Transaction-Id"
];
var maxSkew = 9e4;
function lookAtHeader(found, { status, headers }, sent) {
  for (const name of relays) {
    const value = headers.get(name);
    if (value) found.find("intermediary", `${name}: ${clean(value, 80)}`);
  }
  const server = headers.get("Server");
  if (server) found.fact("Server header", clean(server, 80));
  const coding = headers.get("Content-Encoding");
  if (status === 200 && coding && coding !== "identity")
    found.find("transformed", `Content-Encoding: ${clean(coding, 20)}`);
  const rtt = performance.now() - sent;
  const date = Date.parse(headers.get("Date") ?? "");
  const skew = date - (Date.now() - rtt / 2);
  if (Math.abs(skew) > maxSkew + rtt)
    found.find(
      "clock-skew",
      `the server's Date is ${Math.round(Math.abs(skew) / 1e3)} s ${skew < 0 ? "behind" : "ahead of"} this device's clock`
    );
}
function lookAtCaching(found, url, headers) {
  const cache = headers.get("Cache-Control") ?? "";
  for (const word of ["no-store", "no-transform"])
    if (!cache.includes(word))
      found.find("headers-stripped", `Cache-Control: ${word} is missing from an answer of the server's`);
  const same = !globalThis.location || location.origin === url.origin;
  if (same && headers.get("X-Content-Type-Options") !== "nosniff")
    found.find("headers-stripped", "X-Content-Type-Options: nosniff is missing from an answer of the server's");
}

// src/doctor/probe.ts
var waits = {
  open: 5e3,
  // a handshake, an answer's header
  header: 3e3,
  // a stream's, before it counts as held
  answer: 2500,
  // a control in answer to ours
  watch: 8e3,
  // how long a path is seen to live
  longWatch: 7e4,
  ping: 1500,
  hold: 6e3,
  // a poll's
  late: 1e3,
  // beyond two round trips (HF1-SSE-03)
  close: 1e3
};
var ping = (i) => `!ping {"i":${i}}
`;
var pong = (i) => `!pong {"i":${i}}
`;
var closeLine = '!close {"code":4100,"reason":"diagnosed"}\n';
var numbers = (packet, name) => packet._lines.filter((l) => l._name === name).map((l) => l._fields.i);
var Probe = class {
  result;
  d;
  key = randomName(32);
  began = performance.now();
  opened;
  att = 1;
  polls = 0;
  recv = 0;
  /** The finding when the server could not read what was sent. */
  unread = "reply-altered";
  judged = false;
  waiting = /* @__PURE__ */ new Set();
  constructor(d, name) {
    this.d = d;
    this.result = { name, state: "fits", session: "", openedMs: -1, rttMs: -1, watchedMs: 0 };
  }
  /** Books a finding of this transport, which then does not fit. */
  find(id, evidence) {
    const severity = this.d.found.find(id, `${this.result.name}: ${evidence}`);
    if (severity === "note") return;
    this.judged = true;
    if (severity === "fault") this.result.state = "fails";
    else if (this.result.state === "fits") this.result.state = "impaired";
  }
  get failed() {
    return this.result.state === "fails";
  }
  /** The whole time is used up: then what did not come proves nothing. */
  get spent() {
    return this.d.signal.aborted || this.d.left(1) === 0;
  }
  /** How long an answer may take before it is late. */
  get responseTimeout() {
    return waits.late + 2 * Math.max(0, this.result.rttMs);
  }
  get maxBatch() {
    const limit = this.opened?.lim.maxBatch ?? 0;
    return limit < 2048 ? 65536 : Math.min(limit, 1 << 20);
  }
  /** Something came or ended: whoever waits checks again. */
  notify() {
    for (const check of [...this.waiting]) check();
  }
  /** Waits until `done`, at most so many milliseconds. */
  until(ms, done) {
    return new Promise((resolve) => {
      const { signal } = this.d;
      const finish = (ok) => {
        clearTimeout(timer);
        this.waiting.delete(check);
        signal.removeEventListener("abort", stop);
        resolve(ok);
      };
      const check = () => void (done() && finish(true));
      const stop = () => finish(false);
      const timer = setTimeout(stop, Math.max(0, ms));
      this.waiting.add(check);
      signal.addEventListener("abort", stop);
      if (signal.aborted) stop();
      else check();
    });
  }
  /** A batch of controls, none of which has a number. */
  batch(...lines) {
    return `@1 ${this.recv}
${lines.join("")}`;
  }
  open(att = this.att, u = 1) {
    const { auth } = this.d;
    const fields = { v: [1], key: this.key, att, u, recv: 0, lim: { maxBatch: 65536 }, auth };
    return `!open ${JSON.stringify(fields)}
`;
  }
  up() {
    return `!up ${JSON.stringify({ key: this.key, run: this.opened.run, att: this.att })}
`;
  }
  poll(hold) {
    const { key, att, recv } = this;
    const fields = { key, run: this.opened.run, att, p: ++this.polls, recv, hold: Math.round(hold) };
    return `!poll ${JSON.stringify(fields)}
`;
  }
  /** Acts on what every batch may have. False: a refusal, which is booked. */
  take(packet) {
    const logs = packet._lines.filter((l) => l._log).length;
    if (logs) this.recv = Math.max(this.recv, packet._first + logs - 1);
    for (const { _name, _fields } of packet._lines) {
      if (_name === "!opened") {
        this.opened = _fields;
        this.result.session = clean(_fields.id, 64);
        if (this.result.openedMs < 0) this.result.openedMs = Math.round(performance.now() - this.began);
      }
      if (_name === "!refused") {
        const reason = clean(_fields.reason, 40);
        if (/^(malformed|position|unknown)$/.test(reason))
          this.find(this.unread, `the server could not read what was sent to it: refused ${reason}`);
        else {
          this.d.refused = true;
          this.find("server-refuses", `refused ${reason}, in answer to the first message`);
        }
        return false;
      }
    }
    return true;
  }
  /** Makes a POST and waits for the answer's header. */
  async send(kind, batch, wait, signal = this.d.signal) {
    const preamble = `holdfast/1 ${kind} ${randomName(12)}
`;
    const controller = new AbortController();
    const abort = () => {
      signal.removeEventListener("abort", abort);
      controller.abort();
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      abort();
    }, wait);
    const sent = performance.now();
    const { fetch: fetch2, url, credentials } = this.d;
    try {
      const response = await fetch2(url.href, {
        method: "POST",
        body: wrap(preamble, batch),
        headers: kind === "stream" ? { Accept: "text/event-stream" } : {},
        cache: "no-store",
        credentials,
        redirect: "manual",
        // not followed, and distinguished from a broken connection
        signal: controller.signal
      });
      const answer = { response, preamble, sent, abort };
      const strange = await this.strange(answer);
      if (!strange) return answer;
      abort();
      return strange;
    } catch (error) {
      const { aborted } = signal;
      abort();
      if (late)
        return { id: "post-blackholed", evidence: `no answer to a request of kind ${kind} within ${took(wait)}` };
      if (aborted) return { id: "", evidence: "" };
      return this.brokenOff(error, performance.now() - sent);
    } finally {
      clearTimeout(timer);
    }
  }
  /** A request that had no answer at all. A page does not learn why. */
  brokenOff(error, after) {
    const foreign = globalThis.location && location.origin !== this.d.url.origin;
    const evidence = `${clean(String(error), 100)} after ${took(after)}; a browser does not tell more`;
    if (this.opened) return { id: "post-cut", evidence };
    return {
      id: "unreachable",
      evidence: foreign ? `${evidence}. It may be that the server does not list this page's Origin` : evidence
    };
  }
  /** Judges an answer by its header: undefined is one that may be ours. */
  async strange({ response, sent }) {
    const { status, headers } = response;
    this.d.found.fact("first answer", `after ${took(performance.now() - sent)}`);
    lookAtHeader(this.d.found, response, sent);
    if (status === 200) return;
    if (response.type === "opaqueredirect")
      return { id: "captive-portal", evidence: "the answer is a redirect; a browser does not tell where to" };
    const body = await response.text().catch(() => "");
    const evidence = describe(response, body);
    const ours = body.startsWith("holdfast: ");
    if (status === 407) return { id: "proxy-auth", evidence };
    if (status === 511) return { id: "captive-portal", evidence };
    if (status >= 300 && status < 400) {
      const there = new URL(headers.get("Location") ?? "", this.d.url);
      return { id: there.hostname === this.d.url.hostname ? "redirected" : "captive-portal", evidence };
    }
    if (!ours && (status === 404 || status === 405) || status === 501) return { id: "not-holdfast", evidence };
    return { id: status === 413 ? "size-cap" : "post-refused", evidence };
  }
  /** Makes a POST, reads its answer and takes it. */
  async post(kind, batch, wait) {
    const packet = await this.exchange(kind, batch, wait);
    return !isTrouble(packet) && !this.take(packet) ? { id: "", evidence: "" } : packet;
  }
  /** Makes a POST and reads its answer whole. */
  async exchange(kind, batch, wait) {
    const { signal } = this.d;
    const began = performance.now();
    const answer = await this.send(kind, batch, wait);
    if ("id" in answer) return answer;
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        answer.abort();
      },
      Math.max(1, wait - (performance.now() - began))
    );
    let text = "";
    try {
      text = await answer.response.text();
    } catch (error) {
      if (!late && signal.aborted) return { id: "", evidence: "" };
      return {
        id: "reply-truncated",
        evidence: `the answer did not come whole: ${late ? `not within ${took(wait)}` : clean(String(error), 100)}`
      };
    } finally {
      clearTimeout(timer);
      answer.abort();
    }
    const packet = decode(text, answer.preamble);
    if (!isTrouble(packet)) lookAtCaching(this.d.found, this.d.url, answer.response.headers);
    return packet;
  }
  /** Books what went wrong. */
  trouble({ id, evidence }) {
    if (id) this.find(id, evidence);
  }
  /** Closes the session. If this fails the server forgets it by itself. */
  async bye() {
    if (!this.opened) return;
    const own = new AbortController();
    const answer = await this.send("up", this.batch(this.up(), closeLine), waits.close, own.signal);
    if (!("id" in answer)) answer.abort();
  }
};

// src/doctor/poll.ts
async function tryPolls(p) {
  let answer = await p.post("open", p.batch(p.open()), p.d.left(waits.open));
  if (!isTrouble(answer) && !p.opened) answer = { id: "reply-altered", evidence: "the answer to an open has no opened" };
  if (isTrouble(answer)) return p.trouble(answer);
  p.d.progress(p, "A request and its answer pass.");
  const sent = performance.now();
  answer = await p.post("up", p.batch(p.up(), ping(1)), p.d.left(waits.open));
  if (!isTrouble(answer) && !numbers(answer, "!pong").includes(1))
    answer = { id: "reply-altered", evidence: "the answer to a ping has no pong" };
  if (isTrouble(answer)) p.trouble(answer);
  else {
    p.result.rttMs = Math.round(performance.now() - sent);
    const mixed = await mixedUp(p);
    if (mixed) {
      p.trouble(mixed);
      return p.bye();
    }
    p.d.progress(p, "Trying large requests.");
    await largeBodies(p);
    p.d.progress(p, "Holding a request open.");
    await holdOne(p, p.d.long ? p.opened.hold : waits.hold);
    p.result.watchedMs = Math.round(performance.now() - p.began);
  }
  await p.bye();
}
async function mixedUp(p) {
  const wait = p.d.left(waits.answer);
  const answers = await Promise.all([900, 901].map((i) => p.exchange("poll", p.batch(p.poll(1e3), ping(i)), wait)));
  const poll = await p.post("poll", p.batch(p.poll(1e3), ping(902)), p.d.left(waits.answer));
  const mixed = [...answers, poll].filter(isTrouble).find(({ id }) => id === "reply-reused");
  if (mixed || !isTrouble(poll) || poll.id !== "post-blackholed") return mixed;
  return { id: "poll-cut", evidence: `a poll that the server was to answer at once: ${poll.evidence}` };
}
async function holdOne(p, hold) {
  const end = performance.now() + Math.min(hold, p.d.left(6e4) - p.responseTimeout);
  while (!p.spent) {
    const left = end - performance.now();
    if (left < 1e3) return p.d.found.untested("longpoll: how long a request may wait, as the application kept sending");
    const sent = performance.now();
    const before = p.recv;
    const answer = await p.post("poll", p.batch(p.poll(left)), left + p.responseTimeout + waits.answer);
    const age = performance.now() - sent;
    const should = `a poll that the server was to answer after ${took(left)}`;
    if (isTrouble(answer)) {
      if (answer.id === "post-blackholed") p.find("poll-cut", `${should} had no answer after ${took(age)}`);
      else if (answer.id === "reply-reused") p.trouble(answer);
      else if (answer.id) p.find("poll-cut", `${should} ended after ${took(age)}: ${answer.evidence}`);
      return;
    }
    if (age > left + p.responseTimeout) return p.find("poll-late", `${should} was answered after ${took(age)}`);
    if (p.recv === before) return p.d.found.fact("longest quiet request", took(age));
  }
}
var tries = (most) => [most, ...[32768, 16384, 8192, 4096, 2048].filter((n) => n < most)];
function padded(size, i, ...lines) {
  const head = ["@1 0\n", ...lines, ping(i)].join("");
  const pad = (n) => `?grease-size {"x":"${"x".repeat(n)}"}
`;
  const least = pad(0).length;
  const parts = [head];
  for (let room = size - head.length; room >= least; ) {
    let fill = Math.min(room, 8e3) - least;
    const rest = room - least - fill;
    if (rest > 0 && rest < least) fill -= least;
    parts.push(pad(fill));
    room -= least + fill;
  }
  return parts.join("");
}
async function largeBodies(p) {
  let i = 1;
  for (const size of tries(p.maxBatch)) {
    const wait = p.d.left(waits.answer + p.responseTimeout);
    if (wait < 1e3) return;
    const answer = await p.post("up", padded(size, ++i, p.up()), wait);
    if (!isTrouble(answer) && numbers(answer, "!pong").includes(i))
      return p.d.found.fact("largest request that passed", `${size} bytes`);
    const why = isTrouble(answer) ? answer : { id: "-", evidence: "answered without the pong it asked for" };
    if (!why.id) return;
    p.find("size-cap", `a request of ${size} bytes: ${why.evidence}`);
  }
}

// src/doctor/socket.ts
var Socket = class {
  p;
  ws;
  dialled = performance.now();
  born = 0;
  isOpen = false;
  dead = false;
  over = false;
  cut = false;
  why = "";
  pongs = /* @__PURE__ */ new Set();
  pings = 0;
  lastUsed = 0;
  constructor(p) {
    this.p = p;
    this.ws = new p.d.WebSocket("ws" + p.d.url.href.slice(4));
    this.ws.binaryType = "arraybuffer";
    this.ws.onopen = () => {
      this.isOpen = true;
      this.born = this.lastUsed = performance.now();
      p.notify();
    };
    this.ws.onmessage = ({ data }) => this.take(String(data));
    this.ws.onclose = ({ code, reason }) => this.end(`closed ${code}${reason ? ` “${clean(reason, 60)}”` : ""}`);
    this.ws.onerror = () => {
    };
  }
  end(why) {
    if (!this.dead) this.why = why;
    this.dead = true;
    this.p.notify();
  }
  take(data) {
    this.lastUsed = performance.now();
    const packet = batchOf(data, "a frame");
    if (isTrouble(packet)) this.p.find("ws-altered", packet.evidence);
    else if (this.p.take(packet)) {
      for (const i of numbers(packet, "!pong")) this.pongs.add(i);
      for (const i of numbers(packet, "!ping")) this.sendLines(pong(i));
      if (packet._lines.some((l) => l._name === "!closed")) this.over = true;
    }
    this.p.notify();
  }
  sendLines(...lines) {
    this.send(this.p.batch(...lines));
  }
  send(batch) {
    try {
      this.ws.send(batch);
      this.lastUsed = performance.now();
    } catch {
    }
  }
  /** Waits until `done`, the end of the socket, or a finding that decides it. */
  async until(ms, done) {
    await this.p.until(ms, () => done() || this.dead || this.p.failed);
    return done();
  }
  /** Waits for a pong. */
  sees(i, ms) {
    return this.until(ms, () => this.pongs.has(i));
  }
  get age() {
    return performance.now() - this.born;
  }
  /** Waits for the handshake. False: why not is booked. */
  async open() {
    const wait = this.p.d.left(waits.open);
    if (await this.until(wait, () => this.isOpen)) return true;
    const after = took(performance.now() - this.dialled);
    if (this.p.spent) return false;
    if (this.dead)
      this.p.find(
        "ws-refused",
        `${this.why} after ${after}, before it was open; a browser does not tell the answer's status`
      );
    else this.p.find("ws-blackholed", `no answer to the handshake within ${after}`);
    return false;
  }
  /** Opens the session on the socket and sees a ping there and back. */
  async openSession() {
    const { p } = this;
    this.sendLines(p.open());
    if (await this.until(p.d.left(waits.answer), () => !!p.opened)) return this.ping();
    if (p.spent || p.failed) return false;
    if (this.dead) return this.reportCut(", before the server's first word");
    this.sendLines(ping(1));
    p.unread = "ws-first-frame";
    const got = await this.until(p.d.left(waits.answer), () => this.pongs.has(1));
    if (p.opened && !got && await this.oneBehind())
      p.find(
        "ws-one-behind",
        "the answer to the first frame came when a second was sent, the answer to that when a third was"
      );
    else if (p.opened) p.find("ws-silent", `the answer to the first frame came later than ${took(waits.answer)}`);
    else if (got) p.find("ws-first-frame", "the answer to the second frame came, the answer to the first did not");
    else if (p.spent || p.failed) return false;
    else if (this.dead) return this.reportCut(", before the server's first word");
    else p.find("ws-swallowed", `it opened, then no frame came within ${took(this.age)}, though two were sent`);
    return false;
  }
  /**
   * Looks whether the answer to the second frame comes with the answer to a third, which does not
   * come.
   */
  async oneBehind() {
    this.sendLines(ping(2));
    await this.until(this.p.d.left(this.p.responseTimeout), () => this.pongs.has(2));
    return this.pongs.has(1) && !this.pongs.has(2);
  }
  async ping() {
    const { p } = this;
    const i = ++this.pings;
    const sent = performance.now();
    this.sendLines(ping(i));
    if (await this.until(waits.answer + p.responseTimeout, () => this.pongs.has(i))) {
      if (p.result.rttMs < 0) p.result.rttMs = Math.round(performance.now() - sent);
      return true;
    }
    const after = took(performance.now() - sent);
    if (p.spent || p.failed || this.over) return false;
    if (this.dead) return this.reportCut("");
    if (i === 1) p.find("ws-swallowed", `the answer to the first frame came, and none to a ping within ${after}`);
    else
      p.find("ws-silent", `no answer to a ping within ${after}, at an age of ${took(this.age)}; no end was seen either`);
    return false;
  }
  reportCut(when) {
    this.cut = true;
    this.p.find("ws-killed", `cut ${took(this.age)} after the handshake${when}: ${this.why}`);
    return false;
  }
  get how() {
    return this.why;
  }
  /** Pings the socket for a while. False: it did not live. */
  async watch(total) {
    for (const end = performance.now() + total; performance.now() < end; ) {
      await this.until(Math.min(waits.ping, end - performance.now()), () => false);
      if (this.p.spent || this.p.failed) return false;
      if (this.dead) return this.reportCut("");
      if (!await this.ping()) return false;
      this.p.result.watchedMs = Math.round(this.age);
    }
    return true;
  }
  /** Closes the session, if it lives, and the socket. */
  async close(alive) {
    if (alive && !this.dead) {
      this.sendLines(closeLine);
      await this.until(waits.close, () => this.over);
    }
    this.ws.onclose = this.ws.onmessage = this.ws.onopen = null;
    try {
      this.ws.close(1e3);
    } catch {
    }
    if (!alive && this.p.opened) await this.p.bye();
  }
};
async function trySocket(p) {
  if (!p.d.WebSocket) {
    p.find("ws-refused", "this browser has no WebSocket");
    return;
  }
  const s = dial(p);
  if (!s) return;
  if (!await s.open()) return s.close(false);
  p.d.progress(p, "The handshake passes.");
  let lives = await s.openSession();
  if (lives) {
    p.d.progress(p, "A session is open; watching it live.");
    lives = await s.watch(p.d.left(waits.watch));
  }
  await s.close(lives);
  if (!lives && s.cut && p.opened) await again(p);
  if (lives && !p.failed) {
    p.d.progress(p, "Trying large frames.");
    await largeFrames(p);
    if (p.d.long) {
      p.d.progress(p, "Watching a busy and a quiet one for a minute.");
      await longSockets(p);
    }
  }
}
function dial(p) {
  try {
    return new Socket(p);
  } catch (error) {
    p.find("ws-refused", `not even tried: ${clean(String(error), 100)}`);
    return;
  }
}
async function again(p) {
  if (p.d.left(6e4) < 2e3) return;
  const q = new Probe(p.d, p.result.name);
  const s = dial(q);
  if (!s) return;
  const lives = await s.open() && await s.openSession() && await s.watch(p.d.left(waits.watch / 2));
  if (lives) p.find("ws-killed", `a second one lived for ${took(s.age)}`);
  await s.close(lives);
}
async function largeFrames(p) {
  for (const size of tries(p.maxBatch)) {
    if (p.d.left(6e4) < 2e3) return;
    const q = new Probe(p.d, p.result.name);
    const s = dial(q);
    if (!s) return;
    if (!await s.open() || !await s.openSession()) return s.close(false);
    s.send(padded(size, 1e3));
    const passed = await s.sees(1e3, p.d.left(waits.answer + q.responseTimeout));
    const evidence = s.dead ? `ended the socket: ${s.how}` : `had no answer within ${took(waits.answer)}`;
    await s.close(passed);
    if (passed) return p.d.found.fact("largest frame that passed", `${size} bytes`);
    if (p.spent) return;
    p.find("size-cap", `a frame of ${size} bytes ${evidence}`);
  }
}
function compare(p, busy, quiet) {
  const both = busy.cut && quiet.cut && Math.abs(busy.age - quiet.age) < 2e3;
  if (busy.cut)
    p.find(
      "age-limit",
      `${both ? "a busy and a quiet connection were both" : "a busy connection was"} cut at an age of ${took(busy.age)}: ${busy.why}`
    );
  if (quiet.cut && !both)
    p.find(
      "idle-cut",
      `a connection was cut after ${took(quiet.quiet)} of silence, at an age of ${took(quiet.age)}: ${quiet.why}`
    );
  p.d.found.fact(`${p.result.name}: longest life seen`, took(Math.max(busy.age, quiet.age)));
  p.d.found.untested(
    `silences longer than the server's ping (${took(p.opened?.ping ?? 0)}) and ages above ${took(waits.longWatch)}`
  );
}
async function longSockets(p) {
  const [busy, quiet] = await Promise.all([lifeOf(p, true), lifeOf(p, false)]);
  compare(p, busy, quiet);
}
async function lifeOf(p, busy) {
  const q = new Probe(p.d, p.result.name);
  const s = dial(q);
  const life = { age: 0, quiet: 0, cut: false, why: "" };
  if (!s) return life;
  let lives = await s.open() && await s.openSession();
  for (const end = performance.now() + p.d.left(waits.longWatch); lives && performance.now() < end && !p.spent; ) {
    await s.until(Math.min(busy ? waits.ping : 1e9, end - performance.now()), () => false);
    lives = !s.dead && !q.failed;
    if (lives && busy) s.sendLines(ping(++s.pings));
  }
  if (s.isOpen) life.age = s.age;
  life.quiet = performance.now() - s.lastUsed;
  life.cut = s.dead && !s.over && !p.spent;
  life.why = s.how;
  await s.close(!life.cut && lives);
  return life;
}

// src/doctor/held.ts
var detach = '!detach {"code":4004}\n';
async function whatHolds(s) {
  const { p } = s;
  if (await s.until(p.d.left(waits.answer), () => s.has("beacon 2") && (!s.pinged || s.has("pong 1"))))
    return p.find(
      "sse-delayed",
      `${s.times("header", "opened", "beacon 1", "beacon 2")}; the server sends them at once and 300 ms later`
    );
  if (s.dead && !p.failed && !p.spent) return s.ended();
  if (s.finished) return;
  if (!await beside(p)) {
    if (!p.spent)
      p.find("sse-held", `${s.times("header", "opened", "beacon 2")}; and no request beside it has an answer`);
    return;
  }
  if (!await oneBehind(s) && !await threshold(s)) await whole(s);
}
async function beside(p) {
  if (!p.opened) await p.post("open", p.batch(p.open(2, void 0)), p.d.left(waits.answer));
  return !!p.opened;
}
async function oneBehind(s) {
  const { p } = s;
  for (let i = 100; i < 103; i++) {
    const pong2 = `pong ${i}`;
    const before = i > 100 ? `pong ${i - 1}` : "beacon 2";
    if (!await s.ping(i)) return false;
    await s.until(p.d.left(p.responseTimeout / 2), () => s.has(before) || s.has(pong2));
    await s.until(200, () => s.has(pong2));
    if (s.has(pong2) || !s.has(before)) return false;
  }
  p.find(
    "sse-one-behind",
    `of 3 words in a row each came when the next was sent, not before; ${s.times("opened", "beacon 2")}`
  );
  return true;
}
async function threshold(s) {
  const { p } = s;
  if (s.has("pong 100")) {
    p.find(
      "sse-threshold",
      `${s.times("header", "opened", "beacon 2")}; the rest came when the server had sent some 100 bytes more`
    );
    return true;
  }
  const before = s.bytes;
  const { sent, came } = await flood(p, () => s.until(flushWait, () => s.bytes > before));
  if (came)
    p.find(
      "sse-threshold",
      `${s.times("header", "opened", "beacon 2")}; more came when the server had sent about ${sent} KiB more`
    );
  return came || p.failed;
}
var flushWait = 20;
async function flood(p, came) {
  let sent = 0;
  for (let i = 200; i < 250 && p.d.left(6e4) > 5e3; i++) {
    const pings = Array.from({ length: 40 }, (_, n) => ping(i * 1e6 + n));
    if (isTrouble(await p.post("up", p.batch(p.up(), ...pings), p.d.left(waits.answer)))) break;
    sent += 40 * 'data:!pong {"i":200000000}\n'.length;
    if (await came()) return { sent: (sent >> 10) + 1, came: true };
  }
  return { sent: (sent >> 10) + 1, came: false };
}
async function whole(s) {
  const { p } = s;
  const before = s.times("header", "opened", "beacon 2");
  const early = ["header", "opened", "beacon 1"].filter((what) => s.has(what));
  const askedAt = performance.now();
  const answer = await p.post("up", p.batch(p.up(), detach), p.d.left(waits.answer));
  if (!isTrouble(answer)) await s.until(p.d.left(waits.answer), () => false);
  const at = s.seen.get("beacon 2");
  if (at)
    p.find(
      "sse-held",
      `${early.length ? `only ${early.join(", ")}` : "nothing"} before; all of it ${took(at - askedAt)} after the server was asked to end the stream`
    );
  else p.find("sse-held", `${before}; nor when the server had ended the stream`);
}
async function heldWhole(p, came) {
  p.d.progress(p, "No answer to the stream; finding out why.");
  if (!await beside(p)) {
    if (!p.spent)
      p.find(
        "post-blackholed",
        `no answer to the request for a stream within ${took(waits.header)}, nor to one beside it`
      );
    return;
  }
  let what = `no byte of the answer within ${took(waits.header)}, while a request beside it was answered`;
  const more = await flood(p, () => p.until(flushWait, came));
  if (more.came) {
    p.find("sse-threshold", `${what}; it came when the server had sent about ${more.sent} KiB more`);
    return p.bye();
  }
  const askedAt = performance.now();
  const answer = await p.post("up", p.batch(p.up(), detach), p.d.left(waits.answer));
  if (!isTrouble(answer) && await p.until(p.d.left(waits.answer), came))
    what += `; all of it ${took(performance.now() - askedAt)} after the server was asked to end the stream`;
  p.find("sse-held", what);
  await p.bye();
}

// src/doctor/stream.ts
var Stream = class {
  p;
  born;
  seen = /* @__PURE__ */ new Map();
  often = /* @__PURE__ */ new Map();
  answer;
  bytes = 0;
  lastReceived;
  dead = false;
  over = false;
  pinged = false;
  why = "as if it were complete";
  unanswered = [];
  done;
  constructor(p, answer) {
    this.p = p;
    this.answer = answer;
    this.born = answer.sent;
    this.lastReceived = performance.now();
    this.see("header");
    this.done = this.read().catch((error) => {
      this.why = clean(String(error), 100);
    });
    void this.done.then(() => {
      this.dead = true;
      p.notify();
    });
  }
  /** Takes the stream apart at its blank lines. A tail without one is no event (HF1-SSE-04). */
  async read() {
    const reader = this.answer.response.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (; ; ) {
      const { done, value } = await reader.read();
      text += decoder.decode(value, { stream: !done });
      this.bytes += value?.length ?? 0;
      const events = text.split(/\n\r?\n/);
      text = events.pop();
      for (const event of events) this.event(event);
      if (text.length > 1 << 20) throw Error("an event without end");
      this.p.notify();
      if (done) {
        if (text && !this.seen.has("first")) this.event(text);
        return;
      }
    }
  }
  event(text) {
    let data = [...text.matchAll(/^data: ?([^\r\n]*)/gm)].map((m) => m[1] + "\n").join("");
    this.lastReceived = performance.now();
    if (!data && this.seen.has("first")) return;
    if (!data && /^(:[^\n]*\n?)*$/.test(text)) return;
    data ||= text;
    const packet = this.seen.has("first") ? batchOf(data.replace(/\.\n?$/, ""), "an event") : decode(data, this.answer.preamble);
    if (isTrouble(packet)) {
      if (packet.id !== "reply-truncated") streamTrouble(this.p, packet);
      return;
    }
    if (!this.seen.has("first")) lookAtCaching(this.p.d.found, this.p.d.url, this.answer.response.headers);
    this.see("first");
    if (!this.p.take(packet)) return;
    if (packet._lines.some((l) => l._name === "!opened")) this.see("opened");
    if (packet._lines.some((l) => l._name === "!closed")) this.over = true;
    for (const i of numbers(packet, "?beacon")) this.see(`beacon ${i}`);
    for (const i of numbers(packet, "!pong")) this.see(`pong ${i}`);
    this.unanswered.push(...numbers(packet, "!ping"));
  }
  see(what) {
    if (!this.seen.has(what)) this.seen.set(what, performance.now());
    this.often.set(what, (this.often.get(what) ?? 0) + 1);
  }
  has(what) {
    return this.seen.has(what);
  }
  twice(what) {
    return this.often.get(what) > 1;
  }
  /** What came and when, in a line. */
  times(...what) {
    return what.map((w) => this.has(w) ? `${w} after ${took(this.seen.get(w) - this.born)}` : `${w} not at all`).join(", ");
  }
  /** Waits until `done`, the end of the stream, or a finding that decides it. */
  async until(ms, done) {
    await this.p.until(ms, () => done() || this.dead || this.p.failed);
    return done();
  }
  comes(what, ms) {
    return this.until(ms, () => this.has(what));
  }
  /** The stream is over, or looking on is of no use. */
  get finished() {
    return this.dead || this.p.failed || this.p.spent;
  }
  get owesPongs() {
    return this.unanswered.length > 0;
  }
  /** Has the server send a pong on the stream. False: the POST itself did not pass. */
  async ping(i) {
    const { p } = this;
    const answers = this.unanswered.map(pong);
    this.unanswered = [];
    this.pinged = true;
    const sent = performance.now();
    const answer = await p.post("up", p.batch(p.up(), ping(i), ...answers), p.d.left(waits.answer + p.responseTimeout));
    if (isTrouble(answer)) {
      p.trouble(answer);
      return false;
    }
    this.lastReceived = performance.now();
    if (p.result.rttMs < 0) p.result.rttMs = Math.round(performance.now() - sent);
    return true;
  }
  get age() {
    return performance.now() - this.born;
  }
  get how() {
    return this.why;
  }
  ended() {
    this.p.find("sse-cut", `the stream ended ${took(this.age)} after the request: ${this.why}`);
  }
  /** Closes the session and the stream. */
  async close() {
    if (!this.over) await this.p.bye();
    this.answer.abort();
    await this.done;
  }
};
function streamTrouble(p, { id, evidence }) {
  p.trouble({ id: id === "post-refused" ? "sse-refused" : id, evidence });
}

// src/doctor/tryStream.ts
async function tryStream(p) {
  const own = new AbortController();
  const stop = () => own.abort();
  p.d.signal.addEventListener("abort", stop);
  if (p.d.signal.aborted) stop();
  let answer;
  const sent = p.send("stream", p.batch(p.open()), p.d.left(1e9), own.signal).then((a) => {
    answer = a;
    p.notify();
  });
  await p.until(p.d.left(waits.header), () => !!answer);
  if (!answer) {
    if (!p.spent) await heldWhole(p, () => !!answer && !("id" in answer));
    stop();
    await sent;
    return;
  }
  if ("id" in answer) return streamTrouble(p, answer);
  const s = new Stream(p, answer);
  if (await answered(s) && await live(s)) {
    p.d.progress(p, "The stream is live; watching it.");
    if (await watch(s, p.d.left(waits.watch)) && p.d.long) {
      p.d.progress(p, "Watching a busy and a quiet one for a minute.");
      const [busy, quiet] = await Promise.all([lifeOf2(p, true), lifeOf2(p, false)]);
      compare(p, busy, quiet);
    }
  }
  await s.close();
}
async function answered(s) {
  if (await s.comes("opened", s.p.d.left(waits.answer))) return true;
  if (s.p.failed || s.p.spent) return false;
  if (s.dead) s.p.find("sse-cut", `the stream ended ${took(s.age)} after the request, before its first event`);
  else await whatHolds(s);
  return false;
}
async function live(s) {
  const { p } = s;
  const rtt = s.seen.get("opened") - s.born;
  const by = s.seen.get("opened") + 300 + waits.late + 2 * rtt - performance.now();
  const passes = await s.comes("beacon 2", by) && await s.ping(1) && await s.comes("pong 1", p.responseTimeout);
  if (!passes && !s.finished) {
    p.d.progress(p, "Something holds the stream back; finding out how.");
    await whatHolds(s);
    return false;
  }
  if (passes && await s.until(250, () => s.twice("pong 1")))
    p.find("request-repeated", "one ping was sent by POST, and the server answered it twice");
  return !p.failed;
}
async function watch(s, total) {
  const { p } = s;
  const end = performance.now() + total;
  for (let i = 2; ; i++) {
    await s.until(Math.min(waits.ping, end - performance.now()), () => false);
    if (p.failed || p.spent) return false;
    if (s.dead) {
      s.ended();
      return false;
    }
    if (performance.now() >= end) return true;
    if (!await s.ping(i)) return false;
    await s.comes(`pong ${i}`, waits.answer);
    if (s.finished) continue;
    if (!s.has(`pong ${i}`)) {
      p.find(
        "sse-silent",
        `${took(s.age)} after the request the stream fell silent: a ping was taken, its pong did not come within ${took(waits.answer)}`
      );
      return false;
    }
    p.result.watchedMs = Math.round(s.age);
  }
}
async function lifeOf2(p, busy) {
  const q = new Probe(p.d, p.result.name);
  const life = { age: 0, quiet: 0, cut: false, why: "" };
  const answer = await q.send("stream", q.batch(q.open()), p.d.left(waits.open));
  if ("id" in answer) return life;
  const s = new Stream(q, answer);
  await s.comes("opened", waits.answer);
  const end = performance.now() + p.d.left(waits.longWatch);
  for (let i = 1; q.opened && performance.now() < end && !s.finished; i++) {
    await s.until(Math.min(busy ? waits.ping : 1e9, end - performance.now()), () => s.owesPongs);
    if (s.finished) break;
    if ((busy || s.owesPongs) && !await s.ping(i)) break;
  }
  life.age = s.age;
  life.quiet = performance.now() - s.lastReceived;
  life.cut = s.dead && !s.over && !p.spent;
  life.why = s.how;
  await s.close();
  return life;
}

// src/url.ts
function endpointOf(url) {
  const { href } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
  const parts = /^(?:http|ws)(s?:\/\/)(?!.*\/\/$)(?:[^/]*@)?([^#]*)$/.exec(href);
  if (!parts) throw TypeError(href);
  return parts[1] + parts[2];
}

// src/doctor.ts
async function diagnose(endpoint, options = {}) {
  const began = performance.now();
  const date = (/* @__PURE__ */ new Date()).toISOString();
  const long = options.long ?? false;
  const timeout = options.timeout ?? (long ? 95e3 : 15e3);
  const over = new AbortController();
  const stop = () => over.abort();
  const timer = setTimeout(stop, timeout);
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  const found = new Findings();
  const d = {
    url: new URL("http" + endpointOf(endpoint)),
    found,
    long,
    fetch: options.fetch ?? ((...args) => fetch(...args)),
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    credentials: options.credentials ?? "same-origin",
    auth: options.auth,
    signal: over.signal,
    refused: false,
    left: (most) => Math.max(0, Math.min(most, began + timeout - performance.now() - waits.close)),
    progress: ({ result: { name } }, text) => show({ transport: name, text, state: void 0 })
  };
  found.hidden = d.url.search.slice(1);
  found.untested(
    "how large a batch from the server may be: a server says nothing large unasked, so only about 2 KiB were seen"
  );
  if (!long) found.untested("quiet times and ages above some seconds: the long run watches for more than a minute");
  if (globalThis.location)
    found.untested(
      "certificates, TLS interception, proxies in use, and the status of a refused WebSocket: a page is not told; `holdfast doctor` on the command line is"
    );
  if (globalThis.navigator?.onLine === false) found.find("offline", "the browser says: offline");
  const show = (progress) => void new Promise(() => options.onProgress?.(progress));
  const tries2 = [new Probe(d, "websocket"), new Probe(d, "sse"), new Probe(d, "longpoll")];
  const run = [trySocket, tryStream, tryPolls];
  await Promise.all(
    tries2.map(async (p, i) => {
      d.progress(p, "Connecting.");
      await run[i](p);
      judge(p);
      show({ transport: p.result.name, text: conclusions[p.result.state], state: p.result.state });
    })
  );
  clearTimeout(timer);
  options.signal?.removeEventListener("abort", stop);
  lookAtProtocol(d);
  const { verdict, summary } = conclude(tries2, d.refused);
  const { facts, notTested } = found;
  return {
    url: d.url.origin + d.url.pathname,
    began: date,
    tookMs: Math.round(performance.now() - began),
    long,
    verdict,
    summary,
    transports: tries2.map((p) => p.result),
    findings: found.sorted(),
    facts,
    notTested
  };
}
var conclusions = { fits: "It works.", impaired: "It works, at a cost.", fails: "It does not work." };
function judge(p) {
  if (p.judged || p.result.openedMs >= 0 && p.result.rttMs >= 0) return;
  p.result.state = "fails";
  p.d.found.untested(`${p.result.name}: the time was over before it was seen to work`);
}
function lookAtProtocol({ url, found }) {
  const entries2 = performance.getEntriesByName?.(url.href) ?? [];
  const protocol = entries2.map((e) => e.nextHopProtocol).find(Boolean);
  if (!protocol) return;
  found.fact("HTTP version", protocol);
  if (protocol === "http/1.0") found.find("http10", "the browser says: http/1.0");
}
function conclude(tries2, refused) {
  const states = tries2.map((p) => p.result.state);
  if (states.every((s) => s === "fits")) return { verdict: "good", summary: "Every transport carries a session here." };
  if (states.some((s) => s !== "fails"))
    return { verdict: "degraded", summary: "A session works here, though not over every transport as it should." };
  return {
    verdict: "blocked",
    summary: refused ? "The server can be reached and refuses a session: this is no matter of the network." : "No session works here: nothing gets through."
  };
}
export {
  diagnose,
  reportText
};
