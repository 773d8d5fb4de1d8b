/*! Holdfast, MIT licence */

// src/websocket.ts
import { connect } from "./holdfast.mjs";

// src/wire/codec.ts
var utf8 = new TextEncoder();
function bytesOf(data) {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(data) ? data : new DataView(data);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

// src/websocket.ts
var platform = globalThis.WebSocket ?? Math;
var task = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(port1.close());
  port2.postMessage(0);
});
var refuse = (name) => {
  throw new DOMException("", name + "Error");
};
var want = ({ length }) => {
  if (!length) throw TypeError();
};
var scalars = (text) => String(text).replace(/\p{Cs}/gu, "�");
var tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
var bytes = (text) => new TextEncoder().encode(text).length;
var Socket = class extends EventTarget {
  static options = {};
  static get name() {
    return "WebSocket";
  }
  get [Symbol.toStringTag]() {
    return "WebSocket";
  }
  #session;
  #values;
  /** Once a Blob was sent: what follows waits until it is read. */
  #queue;
  constructor(url, protocols = []) {
    want(arguments);
    super();
    const list = [].concat(protocols).map(String);
    let href = "";
    try {
      href = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href.replace(/^http/, "ws");
    } catch {
    }
    const parts = /^(wss?:\/\/[^/]+(?:[^?#]*?\/holdfast(?![^/?])|[^?#]*))\/?([^#]*)$/.exec(href);
    if (!parts || new Set(list).size < list.length || !list.every((name) => /^[!#-'*+.\w^`|~-]+$/.test(name)))
      refuse("Syntax");
    const values = this.#values = {
      url: href,
      readyState: 0,
      bufferedAmount: 0,
      extensions: "",
      protocol: "",
      binaryType: "blob",
      handleEvent: (event) => values[`on${event.type}`]?.call?.(this, event)
    };
    const session = this.#session = connect(parts[1], {
      buffer: Infinity,
      // as the platform's; `bufferedAmount` is for whoever wants to wait
      WebSocket: platform,
      ...new.target.options,
      meta: { websocket: { protocols: list, url: parts[2] } },
      renew: false
    });
    const open = (protocol) => {
      values.protocol = protocol;
      this.#turn(1, new Event("open"));
    };
    const run = async () => {
      let end;
      await new Promise((resolve) => {
        session.on("open", resolve);
        session.on("close", (given) => resolve(end = given));
      });
      await task();
      if (!list[0] && session.id) open("");
      for await (const { data } of session) {
        await task();
        if (values.readyState === 1)
          this.dispatchEvent(
            new MessageEvent("message", {
              data: typeof data === "string" ? data : values.binaryType === "blob" ? new Blob([data]) : data.buffer,
              origin: new URL(href).origin
            })
          );
        else if (list.includes(data)) open(data);
        else this.#fail();
      }
      await task();
      const [, code, reason] = /^(?:(\d{4}) ?)?([^]*)$/.exec(end.reason);
      const said = end.remote && end.code < 4200;
      const failed = !said || !values.readyState;
      this.#finish(failed, failed ? 1006 : +(code ?? 1e3), said ? reason : end.code + " " + end.reason);
    };
    void run();
  }
  /** Events come with a change of state, and states only rise. */
  #turn(state, ...events) {
    if (this.#values.readyState >= state) return;
    this.#values.readyState = state;
    for (const event of events) this.dispatchEvent(event);
  }
  /** Fails it unless it is open. */
  #fail() {
    if (this.#values.readyState) return;
    this.#turn(2);
    this.#session.close(4100, "1006");
    void task().then(() => this.#finish(true, 1006, ""));
  }
  #finish(failed, code, reason) {
    const fields = { code, reason, wasClean: code !== 1006 };
    const event = globalThis.CloseEvent ? new CloseEvent("close", fields) : Object.assign(new Event("close"), fields);
    this.#turn(3, ...failed ? [new Event("error"), event] : [event]);
  }
  #then(act) {
    const fail = () => this.#session.close(4100, "1009");
    if (this.#queue) this.#queue = this.#queue.then(act).catch(fail);
    else
      try {
        act();
      } catch {
        fail();
      }
  }
  send(data) {
    want(arguments);
    const values = this.#values;
    if (!values.readyState) refuse("InvalidState");
    let size = data?.size;
    let payload;
    if (/^(Blob|File)$/.test(tagOf(data))) {
      payload = data.arrayBuffer();
      this.#queue ??= payload;
    } else if (ArrayBuffer.isView(data) || tagOf(data) === "ArrayBuffer") {
      payload = bytesOf(data).slice();
      size = payload.length;
    } else size = bytes(payload = scalars(data));
    values.bufferedAmount += size;
    const give = (given) => {
      this.#session.send(given);
      this.#session.drained().then(
        () => values.bufferedAmount -= size,
        () => {
        }
      );
    };
    if (values.readyState < 2)
      this.#then(() => payload.then ? payload.then((read) => give(new Uint8Array(read))) : give(payload));
  }
  /** `close(code?, reason?)`. Its length is 0, as the platform's. */
  close() {
    const [code, given = ""] = arguments;
    const reason = scalars(given);
    const round = code === void 0 ? 1005 : Math.round(code);
    if (code !== void 0 && round !== 1e3 && !(round > 2999 && round < 5e3)) refuse("InvalidAccess");
    if (bytes(reason) > 123) refuse("Syntax");
    this.#fail();
    if (this.#values.readyState < 2) this.#then(() => this.#session.close(4100, round + " " + reason));
    this.#turn(2);
  }
  static {
    const { prototype } = this;
    const define = (target, name, descriptor) => Object.defineProperty(target, name, { enumerable: true, ...descriptor });
    for (const target of [this, prototype])
      ["CONNECTING", "OPEN", "CLOSING", "CLOSED"].forEach((name, value) => define(target, name, { value }));
    const names = "url readyState bufferedAmount onopen onerror onclose extensions protocol close onmessage binaryType send";
    for (const name of names.split(" "))
      define(
        prototype,
        name,
        name in prototype ? {} : {
          configurable: true,
          get() {
            return this.#values[name] ?? null;
          },
          .../^on|T/.test(name) && {
            set(value) {
              const values = this.#values;
              if (name > "o") {
                values[name] = value = Object(value) === value ? value : null;
                this[value ? "addEventListener" : "removeEventListener"](name.slice(2), values);
              } else if (value === "blob" || value === "arraybuffer") values[name] = value;
            }
          }
        }
      );
  }
};
var WebSocket = Socket;
export {
  WebSocket
};
