// What is said on the wire, without I/O: a dialect is told what happened, and answers with what to do, in order:
//
//   ["send", message]        ["wait", seconds]: tell "timed out" then, unless it is established before
//   ["start", serverName]    have the server start the call, and tell "started" with its answer
//   ["reconnect", url]       close this socket, open one to there instead, and tell "opened" again
//   ["established"]          sound may flow        ["ready"]     the agent can hear the caller
//   ["play", int16]          the agent's speech
//
// A dialect is a table of states: state -> event -> [next state, steps]. A step is such a pair, or a method's name. What
// has no line in it means nothing there, and is let pass. A text of the type "x" is the event "said x": it can be no other.

import { fromBytes, toBytes } from "./pcm.js";
import { Problem } from "./problems.js";

class Dialect {
  chunkSeconds = 0.02;
  littleEndian = true;
  /** Whether messages go by a steady clock: what is late is left out, not sent in a burst. */
  paced = false;
  state = "new";
  rest = new Uint8Array(0); // half a sample

  /** Tells of an event: what to do. */
  take(event, value) {
    const lines = this.table[this.state];
    if (!lines[event]) return [];
    const [next, ...steps] = lines[event];
    this.state = next;
    return steps.flatMap((step) => (typeof step === "string" ? this[step](value) : [step]));
  }

  /** A message came: a string, or the bytes of one. */
  received(message) {
    if (typeof message !== "string") return this.take("audio", message);
    const { type, ...fields } = jsonObject(message);
    return this.take(`said ${type}`, fields);
  }

  /** The message that carries these int16 samples. */
  encode(pcm) {
    return toBytes(pcm, this.littleEndian);
  }

  /** Messages may split a sample anywhere. */
  hear(bytes) {
    const joined = new Uint8Array(this.rest.length + bytes.length);
    joined.set(this.rest);
    joined.set(bytes, this.rest.length);
    const whole = joined.length - (joined.length % 2);
    this.rest = joined.slice(whole);
    return whole ? [["play", fromBytes(joined.subarray(0, whole), this.littleEndian)]] : [];
  }
}

export class Widget extends Dialect {
  captureRate = 48000;
  playoutRate = 16000;

  table = {
    new: { opened: ["talking", ["established"]] },
    talking: {
      recording: ["talking", ["send", JSON.stringify({ type: "status_client_ready" })]],
      "said status_agent_ready": ["talking", ["ready"]],
      audio: ["talking", "hear"],
    },
  };

  /** Whether this code of a close is an end in order: normal, going away, none given, an application's own. */
  isOrderly(code) {
    return [1000, 1001, 1005].includes(code) || code >= 3000;
  }
}

export class WsMedia extends Dialect {
  captureRate = 16000;
  playoutRate = 16000;
  littleEndian = false;
  paced = true;

  table = {
    new: { opened: ["server", ["wait", 8]] },
    server: { "said server_info": ["starting", "start"], "timed out": ["server", "missServer"] },
    starting: { started: ["binding", "bind"] }, // or "moving", if the answer says so
    moving: { opened: ["talking", ["established"], ["ready"]] },
    binding: {
      "said call_info": ["talking", ["established"], ["ready"]],
      "timed out": ["talking", ["established"], ["ready"]],
      audio: ["talking", ["established"], ["ready"], "hear"], // who speaks has bound us
    },
    talking: { audio: ["talking", "hear"] },
  };

  /** Any code but those of a lost connection, and of what our side may have broken. */
  isOrderly(code) {
    return ![1002, 1006, 1007, 1009].includes(code);
  }

  missServer() {
    throw new Problem("service", { detail: "no server_info came" });
  }

  start(info) {
    const name = info["server-name"] || info["server_name"];
    if (typeof name !== "string") throw new Problem("service", { detail: "server_info without a name" });
    return [["start", name]];
  }

  bind({ sid, url }) {
    if (sid) return [["send", JSON.stringify({ type: "bind", sid })], ["wait", 2]];
    this.state = "moving"; // an older flow
    return [["reconnect", webSocketUrl(url)]];
  }

  /** RTP may come although it was not asked for: 20 ms behind a plain header (RFC 3550, 5.1), which is taken off. */
  hear(bytes) {
    const isRtp = bytes.length === 652 && bytes[0] === 0x80 && (bytes[1] & 0x7f) >= 96;
    return super.hear(isRtp ? bytes.subarray(12) : bytes);
  }
}

/** The dialect of a session, as the server gave it out. */
export function dialectOf({ dialect, codec, framing }) {
  if (dialect === "widget") return new Widget();
  if (dialect === "ws-media" && codec === "l16" && framing === "payload") return new WsMedia();
  throw new Problem("server", { detail: `this page does not speak ${dialect} with ${codec} and ${framing}` });
}

/** Where to connect to. */
export function webSocketUrl(url) {
  if (typeof url === "string" && /^wss?:\/\//.test(url)) return url;
  throw new Problem("server", { detail: "the session has no place to connect to" });
}

/** The object that a text is in JSON; an empty one if it is something else. */
function jsonObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" ? value : {};
  } catch {
    return {};
  }
}
