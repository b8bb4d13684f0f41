import assert from "node:assert/strict";
import { test } from "node:test";

import { dialectOf, webSocketUrl } from "../../../../examples/website/page/dialects.js";

const widget = () => dialectOf({ dialect: "widget", codec: null, framing: null });
const wsMedia = () => dialectOf({ dialect: "ws-media", codec: "l16", framing: "payload" });
const text = (fields) => JSON.stringify(fields);
const names = (actions) => actions.map(([name]) => name);

function bound() {
  const dialect = wsMedia();
  dialect.take("opened");
  dialect.received(text({ type: "server_info", "server-name": "a" }));
  dialect.take("started", { sid: "s", url: "" });
  dialect.received(text({ type: "call_info" }));
  return dialect;
}

test("a widget call is greeted when something is recorded", () => {
  const dialect = widget();
  assert.deepEqual(dialect.take("opened"), [["established"]]);
  assert.deepEqual(dialect.take("recording"), [["send", '{"type":"status_client_ready"}']]);
  assert.deepEqual(dialect.received(text({ type: "status_agent_ready" })), [["ready"]]);
});

test("what the service says is no event of ours", () => {
  const dialect = widget();
  dialect.take("opened");
  for (const type of ["recording", "audio", "opened", "constructor"]) {
    assert.deepEqual(dialect.received(text({ type, length: 1e12 })), []);
  }
  const other = wsMedia();
  other.take("opened");
  for (const type of ["timed out", "started"]) assert.deepEqual(other.received(text({ type, sid: "s" })), []);
  assert.equal(other.state, "server");
});

test("the widget's samples are little-endian, those of ws-media big-endian", () => {
  const pcm = Int16Array.of(1, -2, 32767);
  assert.deepEqual([...widget().encode(pcm)], [1, 0, 0xfe, 0xff, 0xff, 0x7f]);
  assert.deepEqual([...wsMedia().encode(pcm)], [0, 1, 0xff, 0xfe, 0x7f, 0xff]);
});

test("samples that messages split are rejoined", () => {
  const dialect = widget();
  dialect.take("opened");
  assert.deepEqual(dialect.received(Uint8Array.of(1)), []);
  assert.deepEqual(dialect.received(Uint8Array.of(0, 2, 0, 3)), [["play", Int16Array.of(1, 2)]]);
  assert.deepEqual(dialect.received(Uint8Array.of(0)), [["play", Int16Array.of(3)]]);
});

test("a ws-media call is started by the server, bound, and then talks", () => {
  const dialect = wsMedia();
  assert.deepEqual(dialect.take("opened"), [["wait", 8]]);
  assert.deepEqual(dialect.received(text({ type: "server_info", "server-name": "a" })), [["start", "a"]]);
  assert.deepEqual(dialect.take("started", { sid: "s" }), [["send", '{"type":"bind","sid":"s"}'], ["wait", 2]]);
  assert.deepEqual(names(dialect.received(text({ type: "call_info" }))), ["established", "ready"]);
  assert.deepEqual(dialect.received(text({ type: "call_info" })), []);
  assert.deepEqual(dialect.received(Uint8Array.of(0, 1)), [["play", Int16Array.of(1)]]);
});

test("speech binds a ws-media call as well, and so does time", () => {
  for (const [tell, last] of [
    [(dialect) => dialect.received(Uint8Array.of(0, 1)), ["established", "ready", "play"]],
    [(dialect) => dialect.take("timed out"), ["established", "ready"]],
  ]) {
    const dialect = wsMedia();
    dialect.take("opened");
    dialect.received(text({ type: "server_info", server_name: "a" }));
    dialect.take("started", { sid: "s" });
    assert.deepEqual(names(tell(dialect)), last);
  }
});

test("an older flow moves to another place", () => {
  const dialect = wsMedia();
  dialect.take("opened");
  dialect.received(text({ type: "server_info", "server-name": "a" }));
  assert.deepEqual(dialect.take("started", { sid: "", url: "wss://b" }), [["reconnect", "wss://b"]]);
  assert.deepEqual(names(dialect.take("opened")), ["established", "ready"]);
});

test("RTP that nobody asked for is heard without its header", () => {
  const packet = new Uint8Array(652);
  packet.set([0x80, 96, 0, 1]);
  packet[12] = 1;
  const [[name, pcm]] = bound().received(packet);
  assert.deepEqual([name, pcm.length, pcm[0]], ["play", 320, 256]);
});

test("a service that says nothing, or no name, is at fault", () => {
  const silent = wsMedia();
  silent.take("opened");
  assert.throws(() => silent.take("timed out"), { code: "service" });
  assert.throws(() => silent.received(text({ type: "server_info" })), { code: "service" });
});

test("texts that mean nothing are let pass", () => {
  for (const dialect of [widget(), bound()]) {
    dialect.take("opened");
    for (const message of ["", "null", "[1]", "{", '{"type":"constructor"}', '{"type":{}}']) {
      assert.deepEqual(dialect.received(message), []);
    }
  }
});

test("what the page does not speak is refused, and so is what is no websocket's URL", () => {
  for (const session of [{}, { dialect: "ws-media", codec: "pcmu", framing: "payload" }]) {
    assert.throws(() => dialectOf(session), { code: "server" });
  }
  for (const url of [undefined, "https://a", "javascript:a"]) {
    assert.throws(() => webSocketUrl(url), { code: "server" });
  }
});
