// A call, from a click to its end. `STATES` is what it may do when; a dialect (dialects.js) says what is spoken.

import { dialectOf, webSocketUrl } from "./dialects.js";
import { asProblem, Problem } from "./problems.js";
import { Sound } from "./sound.js";

const ANSWER_SECONDS = 30; // for the server, which asks the service, which joins a room
const OPEN_SECONDS = 15; // for a websocket
/** Speech that has waited for so long is not worth sending: the agent would answer to what was said before. */
const STALE_SECONDS = 1;
/** On a steady clock, speech that is so much too late is left out. */
const LATE_SECONDS = 0.2;
/** A page can send no pings: a connection is lost when no byte has come or left for so long. */
const LOST_SECONDS = 10;

/**
 * state -> event -> [next state, method]. What has no line is let pass: an answer that comes when the call is over, say.
 * "failed", "hung up" and "broken" lead from each state that is live to "over".
 */
const LIVE = { failed: ["over", "finish"], "hung up": ["over", "hangUp"], broken: ["over", "finish"] };
const STATES = {
  new: { begin: ["microphone", "openSound"] },
  microphone: { sound: ["asking", "askForSession"], ...LIVE },
  asking: { session: ["connecting", "connect"], ...LIVE },
  connecting: { established: ["established", "speak"], ...LIVE },
  established: { ready: ["connected", "greet"], closed: ["draining", "drain"], ...LIVE },
  connected: { closed: ["draining", "drain"], ...LIVE },
  draining: { drained: ["over", "finish"], ...LIVE, broken: ["draining", "ignore"] },
  over: {},
};

/** What an HTTP status of our own server means. */
const REFUSALS = { 403: "wrong-origin", 410: "too-late", 429: "busy", 502: "service", 503: "service", 504: "service" };

export class Call {
  /**
   * `tell` is called as tell(name, value): "state" with its name, "level" with {caller} or {agent}, "notice" with
   * {name, on}, and at last "over" with a `Problem`, or null if it ended in order; "state" "over" comes before.
   */
  constructor(tell, { makeSound = (tell) => new Sound(tell), base = document.baseURI } = {}) {
    this.tell = tell;
    this.base = base;
    this.sound = makeSound((name, value) => this.heard(name, value));
    this.state = "new";
    this.aborter = new AbortController();
    this.timer = null;
    this.recording = false;
    this.by = null; // who ended it: "caller", "agent", or null
    this.progress = null; // when a byte came or left last
    this.figures = { sent: 0, late: 0, stale: 0 }; // chunks
    this.bytes = 0; // given to the socket
    this.left = 0; // of them that the browser has sent
    this.played = {}; // what the playout counts
  }

  begin() {
    this.take("begin");
  }

  hangUpNow() {
    this.take("hung up");
  }

  mute(muted) {
    this.sound.mute(muted);
  }

  resume() {
    this.sound.resume();
  }

  take(event, value) {
    const line = STATES[this.state][event];
    if (!line) return;
    const [state, method] = line;
    if (state !== this.state) {
      this.state = state;
      this.tell("state", state);
    }
    try {
      this[method](value);
    } catch (error) {
      this.take("failed", asProblem(error));
    }
  }

  /** Tells of what a promise has come to: as this event, or as "failed". */
  async follow(promise, event) {
    try {
      this.take(event, await promise);
    } catch (error) {
      this.take("failed", asProblem(error));
    }
  }

  // The steps to a call.

  openSound() {
    this.follow(this.sound.open(), "sound");
  }

  askForSession() {
    this.follow(this.post("session", {}), "session");
  }

  connect(session) {
    this.handle = session.handle;
    this.dialect = dialectOf(session);
    this.sound.start(this.dialect);
    this.openSocket(webSocketUrl(session.url));
  }

  openSocket(url) {
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    const mine = (handle) => (event) => this.socket === socket && handle(event);
    this.wait(OPEN_SECONDS, () => this.take("failed", new Problem("service", { detail: "the websocket did not open" })));
    socket.onopen = mine(() => {
      clearTimeout(this.timer);
      this.act(() => this.dialect.take("opened"));
    });
    socket.onmessage = mine(({ data }) => {
      this.progress = null;
      this.act(() => this.dialect.received(typeof data === "string" ? data : new Uint8Array(data)));
    });
    socket.onclose = mine(({ code, reason, wasClean }) => this.socketClosed(code, reason, wasClean));
  }

  /** Does what the dialect wants. */
  act(ask) {
    try {
      for (const [action, value] of ask()) this.actions[action](value);
    } catch (error) {
      this.take("failed", asProblem(error));
    }
  }

  actions = {
    send: (message) => this.socket.send(message),
    wait: (seconds) => this.wait(seconds, () => this.act(() => this.dialect.take("timed out"))),
    start: (name) => this.start(name),
    reconnect: (url) => {
      this.socket.close();
      this.openSocket(url);
    },
    established: () => {
      clearTimeout(this.timer);
      this.take("established");
    },
    ready: () => this.take("ready"),
    play: (pcm) => this.sound.play(pcm),
  };

  /** Has the server start the call: once, whatever becomes of it. */
  async start(name) {
    try {
      const started = await this.post("start", { handle: this.handle, server_name: name });
      this.act(() => this.dialect.take("started", started));
    } catch (error) {
      this.take("failed", asProblem(error));
    }
  }

  async post(path, body) {
    const timer = setTimeout(() => this.aborter.abort(), ANSWER_SECONDS * 1000);
    try {
      const answer = await fetch(new URL(path, this.base), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        cache: "no-store",
        signal: this.aborter.signal,
      });
      const fields = await answer.json().catch(() => null);
      if (answer.ok && fields === null) throw new Problem("offline", { detail: "another server answered" }); // a hotel's, say
      if (answer.ok) return fields;
      const retryAfter = fields?.retry_after ?? answer.headers.get("retry-after");
      throw new Problem(REFUSALS[answer.status] ?? "server", {
        detail: fields?.message ?? `HTTP ${answer.status}`,
        retryAfter: retryAfter === null ? null : Number(retryAfter),
      });
    } catch (error) {
      throw error instanceof Problem ? error : new Problem("offline", { detail: `${error}` });
    } finally {
      clearTimeout(timer);
    }
  }

  wait(seconds, then) {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, seconds * 1000);
  }

  // While it lasts.

  /** Sound flows from here on. */
  speak() {
    if (this.recording) this.act(() => this.dialect.take("recording"));
  }

  greet() {} // the page does

  ignore() {}

  /** What the sound tells: nothing any more when the call is over, although messages of the audio thread are on their way. */
  heard(name, value) {
    if (this.state === "over") return;
    if (name === "chunk") this.chunk(value);
    else if (name === "playing") {
      this.played = value.statistics;
      this.tell("level", { agent: value.level });
    } else if (name === "drained") this.take("drained");
    else if (name === "failed") this.take("failed", asProblem(value));
    else this.tell("notice", value);
  }

  /** A chunk was recorded: it is sent, or too late. The audio thread's clock is the one that nothing throttles. */
  chunk({ pcm, level, at }) {
    if (this.state === "draining") return; // one that was on its way when the microphone was closed
    this.tell("level", { caller: level });
    const live = this.state === "established" || this.state === "connected";
    if (!this.recording) {
      this.recording = true;
      if (live) this.act(() => this.dialect.take("recording"));
    }
    if (!live || this.socket.readyState !== WebSocket.OPEN) return;
    const message = this.dialect.encode(pcm);
    const stale = (STALE_SECONDS / this.dialect.chunkSeconds) * message.length;
    if (this.dialect.paced && this.sound.now - at > LATE_SECONDS) this.figures.late++;
    else if (this.socket.bufferedAmount > stale) this.figures.stale++;
    else {
      this.socket.send(message);
      this.bytes += message.length;
      this.figures.sent++;
    }
    this.watchNetwork(at, this.socket.bufferedAmount > stale);
  }

  /** Tells when speech does not leave, and that the network is lost when nothing has moved for long. */
  watchNetwork(at, stalls) {
    this.tell("notice", { name: "stalled", on: stalls || navigator.onLine === false });
    const left = this.bytes - this.socket.bufferedAmount;
    const waits = this.socket.bufferedAmount > 0 || navigator.onLine === false;
    if (left > this.left && navigator.onLine !== false) this.progress = null;
    this.left = left;
    this.progress = waits ? (this.progress ?? at) : null;
    if (waits && at - this.progress > LOST_SECONDS) this.take("broken", new Problem("network"));
  }

  // The end.

  socketClosed(code, reason, wasClean) {
    const detail = `closed with ${code}${reason ? `: ${reason}` : ""}`;
    if (this.state === "connecting") this.take("failed", new Problem("service", { detail }));
    else if (wasClean && this.dialect.isOrderly(code)) this.take("closed");
    else this.take("broken", new Problem(code === 1006 ? "network" : "broken", { detail }));
  }

  /** The agent has hung up: what it said last is still played. */
  drain() {
    this.by = "agent";
    this.sound.drain();
  }

  hangUp() {
    this.by ??= "caller";
    this.finish();
  }

  /** Stops all. */
  finish(problem = null) {
    clearTimeout(this.timer);
    this.aborter.abort();
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
    this.sound.close();
    this.tell("over", problem);
  }
}
