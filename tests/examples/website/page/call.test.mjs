import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";

import { Call } from "../../../../examples/website/page/call.js";
import { Problem } from "../../../../examples/website/page/problems.js";
import { NOTICES, PROBLEMS, STATES } from "../../../../examples/website/page/words.js";

const PAGE = new URL("../../../../examples/website/page/", import.meta.url);
const CHUNK = { level: 0.1, zero: false, at: 0 };

class FakeSocket {
  static OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  sent = [];
  constructor(url) {
    this.url = url;
    FakeSocket.last = this;
  }
  send(message) {
    this.sent.push(message);
  }
  close(code) {
    this.closedWith = code;
  }
}

class FakeSound {
  now = 0;
  played = [];
  opened = Promise.resolve();
  constructor(tell) {
    this.tell = tell;
  }
  open() {
    return this.opened;
  }
  start() {
    this.started = true;
  }
  play(pcm) {
    this.played.push(...pcm);
  }
  drain() {
    this.drains = true;
  }
  close() {
    this.closed = true;
  }
  mute() {}
}

let answers, told, asked, online;
let calls = [];

beforeEach(() => {
  answers = {
    session: [200, { dialect: "widget", url: "wss://service/a" }],
    start: [200, { sid: "s", url: "", call_id: "c" }],
  };
  [told, asked, online] = [[], [], true];
  globalThis.WebSocket = FakeSocket;
  FakeSocket.last = null;
  Object.defineProperty(globalThis, "navigator", { value: { get onLine() { return online; } }, configurable: true });
  globalThis.fetch = async (url, { body }) => {
    const path = `${url}`.split("/").at(-1);
    asked.push([path, JSON.parse(body)]);
    const [status, fields, headers = {}] = answers[path] ?? [];
    if (!status) throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify(fields), { status, headers });
  };
});

afterEach(() => {
  for (const call of calls.splice(0)) call.hangUpNow();
});

const settled = () => new Promise((resolve) => setImmediate(resolve));
const end = () => told.find(([name]) => name === "over")?.[1];
const states = () => told.filter(([name]) => name === "state").map(([, state]) => state);
const on = (wanted) => told.filter(([name, { name: notice }]) => name === "notice" && notice === wanted).at(-1)?.[1].on;

async function begun(sound) {
  const call = new Call((name, value) => told.push([name, value]), {
    makeSound: (tell) => Object.assign((sound ??= new FakeSound()), { tell }),
    base: "https://site/talk/",
  });
  calls.push(call);
  call.begin();
  await settled();
  return { call, sound, socket: FakeSocket.last, chunk: (fields) => sound.tell("chunk", { ...CHUNK, pcm: new Int16Array(960), ...fields }) };
}

async function talking() {
  const parts = await begun();
  parts.socket.onopen();
  parts.chunk();
  parts.socket.onmessage({ data: '{"type":"status_agent_ready"}' });
  return parts;
}

async function talkingWsMedia() {
  answers.session = [200, { dialect: "ws-media", url: "wss://service/a", codec: "l16", framing: "payload", handle: "h" }];
  const parts = await begun();
  parts.socket.onopen();
  parts.socket.onmessage({ data: '{"type":"server_info","server-name":"n"}' });
  await settled();
  parts.socket.onmessage({ data: '{"type":"call_info"}' });
  return { ...parts, chunk: (fields) => parts.chunk({ pcm: new Int16Array(320), ...fields }) };
}

test("a call goes its way, and sends only when the socket is open and something was recorded", async () => {
  const { call, socket, sound, chunk } = await begun();
  chunk();
  assert.deepEqual(socket.sent, []);
  socket.onopen();
  assert.deepEqual(socket.sent, ['{"type":"status_client_ready"}']);
  chunk({ pcm: Int16Array.of(1, 2) });
  assert.deepEqual([...socket.sent[1]], [1, 0, 2, 0]);
  socket.onmessage({ data: '{"type":"status_agent_ready"}' });
  socket.onmessage({ data: Uint8Array.of(5, 0).buffer });
  assert.deepEqual(sound.played, [5]);
  assert.deepEqual(states(), ["microphone", "asking", "connecting", "established", "connected"]);
  call.hangUpNow();
  assert.deepEqual([end(), call.by, socket.closedWith, sound.closed], [null, "caller", 1000, true]);
});

test("a microphone that is slower than the socket is waited for", async () => {
  const { socket, chunk } = await begun();
  socket.onopen();
  assert.deepEqual(socket.sent, []);
  chunk({ pcm: Int16Array.of(1) });
  assert.deepEqual(socket.sent, ['{"type":"status_client_ready"}', Uint8Array.of(1, 0)]);
});

test("a ws-media call is started once, with the handle that came with the session", async () => {
  const { socket, chunk } = await talkingWsMedia();
  assert.deepEqual(asked, [["session", {}], ["start", { handle: "h", server_name: "n" }]]);
  chunk();
  assert.equal(socket.sent.at(-1).length, 640);
  assert.equal(states().at(-1), "connected");
});

test("where the start fails the call ends, and nothing is asked again", async () => {
  answers.start = [502, { message: "no" }];
  await talkingWsMedia();
  assert.equal(end().code, "service");
  assert.equal(asked.length, 2);
});

test("when the agent hangs up, the rest of its words is played first", async () => {
  const { call, socket, sound } = await talking();
  socket.onclose({ code: 1000, reason: "", wasClean: true });
  assert.deepEqual([sound.drains, states().at(-1), end()], [true, "draining", undefined]);
  sound.tell("drained");
  assert.deepEqual([call.by, end(), sound.closed], ["agent", null, true]);
});

test("while the agent's last words are played, nothing of the microphone is shown", async () => {
  const { socket, chunk } = await talking();
  socket.onclose({ code: 1000, reason: "", wasClean: true });
  told = [];
  chunk();
  assert.deepEqual(told, []);
});

test("what the audio thread still tells when a call is over is not shown", async () => {
  const { call, sound, chunk } = await talking();
  call.hangUpNow();
  told = [];
  chunk();
  sound.tell("playing", { level: 0.5, statistics: {} });
  sound.tell("notice", { name: "stood-still", on: true });
  assert.deepEqual(told, []);
});

test("another server than the website's, as in a hotel, is no website", async () => {
  globalThis.fetch = async () => new Response("<html>Log in</html>");
  await begun();
  assert.equal(end().code, "offline");
});

test("who hangs up while the rest is played hears no more of it; the agent has ended the call", async () => {
  const { call, socket, sound } = await talking();
  socket.onclose({ code: 1000, reason: "", wasClean: true });
  call.hangUpNow();
  assert.deepEqual([call.by, end(), sound.closed], ["agent", null, true]);
});

for (const [status, fields, code] of [
  [429, { retry_after: 30 }, "busy"],
  [403, {}, "wrong-origin"],
  [410, {}, "too-late"],
  [502, {}, "service"],
  [503, { message: "later" }, "service"],
  [500, { message: "owner" }, "server"],
  [200, { dialect: "other" }, "server"],
  [200, { dialect: "widget", url: "https://a" }, "server"],
  [0, {}, "offline"],
]) {
  test(`an answer of ${status} with ${JSON.stringify(fields)} is told as ${code}`, async () => {
    answers.session = [status, fields];
    const { sound } = await begun();
    assert.deepEqual([end().code, sound.closed], [code, true]);
    assert.equal(end().retryAfter ?? null, fields.retry_after ?? null);
    if (fields.message) assert.equal(end().detail, fields.message);
  });
}

test("a microphone that is refused costs no session", async () => {
  const sound = new FakeSound();
  sound.opened = Promise.reject(new Problem("microphone-refused"));
  await begun(sound);
  assert.deepEqual([end().code, asked], ["microphone-refused", []]);
});

test("who hangs up before the microphone is there gets no call", async () => {
  const sound = new FakeSound();
  let give;
  sound.opened = new Promise((resolve) => (give = resolve));
  const { call } = await begun(sound);
  call.hangUpNow();
  give();
  await settled();
  assert.deepEqual([end(), sound.closed, asked, states().at(-1)], [null, true, [], "over"]);
});

for (const [close, code] of [
  [{ code: 1006, reason: "", wasClean: false }, "network"],
  [{ code: 1011, reason: "oops", wasClean: true }, "broken"],
]) {
  test(`a close with ${close.code} is told as ${code}`, async () => {
    const { socket, sound } = await talking();
    socket.onclose(close);
    assert.deepEqual([end().code, sound.closed], [code, true]);
  });
}

test("a socket that does not open is the service's fault", async () => {
  const { socket } = await begun();
  socket.onclose({ code: 1006, reason: "", wasClean: false });
  assert.equal(end().code, "service");
});

test("a network that takes nothing is told, and lost after ten seconds; what is stale is not sent", async () => {
  const { call, socket, chunk } = await talking();
  socket.bufferedAmount = 200_000;
  const { sent } = call.figures;
  for (let at = 0; at <= 9; at++) chunk({ at });
  assert.deepEqual([on("stalled"), end(), call.figures], [true, undefined, { sent, late: 0, stale: 10 }]);
  chunk({ at: 11 });
  assert.equal(end().code, "network");
});

test("a network that takes a little is not lost, and any byte is a sign of life", async () => {
  const { socket, chunk } = await talking();
  socket.bufferedAmount = 200_000;
  for (let at = 0; at < 30; at++) {
    chunk({ at });
    if (at % 8 === 0 && at < 16) socket.bufferedAmount -= 1000;
    if (at % 8 === 0 && at >= 16) socket.onmessage({ data: "{}" });
  }
  assert.equal(end(), undefined);
  socket.bufferedAmount = 0;
  chunk({ at: 30 });
  assert.equal(on("stalled"), false);
});

test("a browser that is offline says so, and the call is lost if it stays so", async () => {
  const { chunk } = await talking();
  online = false;
  chunk({ at: 1 });
  assert.equal(on("stalled"), true);
  for (let at = 2; at < 13; at++) chunk({ at });
  assert.equal(end().code, "network");
});

test("on a steady clock what is late is left out; the widget sends it all the same", async () => {
  for (const [make, late] of [[talking, 0], [talkingWsMedia, 1]]) {
    told = [];
    const { call, sound, chunk } = await make();
    sound.now = 5.3;
    chunk({ at: 5 });
    assert.equal(call.figures.late, late);
  }
});

test("a service that never says its name is given up", async () => {
  const { setTimeout } = globalThis;
  const timers = [];
  globalThis.setTimeout = (then, milliseconds) => timers.push([then, milliseconds]);
  answers.session = [200, { dialect: "ws-media", url: "wss://a", codec: "l16", framing: "payload", handle: "h" }];
  const { socket } = await begun();
  socket.onopen();
  globalThis.setTimeout = setTimeout;
  const [then, milliseconds] = timers.at(-1);
  assert.equal(milliseconds, 8000);
  then();
  assert.equal(end().code, "service");
});

test("a message that breaks the page ends the call in words", async () => {
  const { socket, sound } = await talking();
  sound.play = () => {
    throw new RangeError("no memory");
  };
  socket.onmessage({ data: Uint8Array.of(5, 0).buffer });
  assert.deepEqual([end().code, end().detail], ["page", "RangeError: no memory"]);
});

test("there are words for every problem, notice and state", async () => {
  const sources = readdirSync(PAGE).filter((name) => name.endsWith(".js")).map((name) => readFileSync(new URL(name, PAGE), "utf8")).join("");
  const used = [...sources.matchAll(/new Problem\("([a-z-]+)"/g)].map(([, code]) => code);
  const refusals = [...sources.matchAll(/(?:Error|\d{3}): "([a-z-]+)"/g)].map(([, code]) => code);
  assert.ok(used.length > 10 && refusals.length > 10);
  for (const code of new Set([...used, ...refusals])) assert.ok(code in PROBLEMS || code === "over", code);
  for (const code in PROBLEMS) assert.ok(sources.split(`"${code}"`).length > 1 || code === "insecure", code);
  for (const [, name] of sources.matchAll(/name: "([a-z-]+)", on/g)) assert.ok(name in NOTICES, name);
  await talking();
  for (const state of states()) assert.ok(state in STATES, state);
});
