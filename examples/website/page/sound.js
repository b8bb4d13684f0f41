// Microphone and loudspeaker, by Web Audio.
//
// The context has the rate that the browser likes: a microphone may not be connected to one of another rate (Firefox,
// Safari), and a device at 44.1 kHz makes it 44.1 kHz. The worklets resample between that and the wire.

import { Problem } from "./problems.js";

/** For a voice in a room: the browser takes out what its own loudspeaker plays. */
const MICROPHONE = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const ZERO_SECONDS = 3; // exact zeros for so long: a switch, or a system that mutes, and no quiet room
const SILENT_SECONDS = 1; // a context that has not begun to run by then waits for a click
const STOOD_SECONDS = 1; // a pause worth telling of, such as that of a phone with the page in the background

/** What getUserMedia refuses, by the name of its error. */
const REFUSALS = {
  NotAllowedError: "microphone-refused",
  SecurityError: "microphone-refused",
  NotFoundError: "microphone-missing",
  OverconstrainedError: "microphone-missing",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
};

export class Sound {
  /** `tell` is called as tell(name, value) with "chunk", "playing", "drained", "notice" and "failed". */
  constructor(tell) {
    this.tell = tell;
    this.closed = false;
    this.zeroSeconds = 0;
    this.stood = null; // the two clocks when they were last compared
    this.muted = false;
  }

  /** Asks for the microphone and begins to run. Raises a `Problem`. */
  async open() {
    if (!globalThis.isSecureContext) throw new Problem("insecure");
    if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) throw new Problem("unsupported");
    await this.openMicrophone();
    this.openContext();
    this.context.onstatechange = () => this.stateChanged();
    this.resume(); // not awaited: it may take a click
    setTimeout(() => this.stateChanged(), SILENT_SECONDS * 1000);
    try {
      await this.context.audioWorklet.addModule(new URL("worklets.js", import.meta.url));
    } catch (error) {
      throw new Problem("unsupported", { detail: `${error}` });
    }
    this.checkOpen();
  }

  /** Begins to record and to play at a dialect's rates. */
  start({ captureRate, playoutRate, chunkSeconds }) {
    this.capture = new AudioWorkletNode(this.context, "capture", {
      outputChannelCount: [1], // silent: some browsers run only what leads to a loudspeaker
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { wireRate: captureRate, chunkSeconds },
    });
    this.capture.port.onmessage = ({ data }) => this.chunk(data, chunkSeconds);
    this.playout = new AudioWorkletNode(this.context, "playout", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { wireRate: playoutRate },
    });
    this.playout.port.onmessage = ({ data }) => this.playing(data);
    for (const node of [this.capture, this.playout]) {
      node.onprocessorerror = () => this.tell("failed", new Problem("page", { detail: "the audio thread failed" }));
    }
    this.source.connect(this.capture);
    for (const node of [this.capture, this.playout]) node.connect(this.context.destination);
  }

  /** In seconds, of the clock that chunks are stamped by. */
  get now() {
    return this.context.currentTime;
  }

  play(pcm) {
    this.playout.port.postMessage({ pcm }, [pcm.buffer]);
  }

  /** Nothing more is to come: what is queued is played, then "drained" told; and nothing is recorded any more. */
  drain() {
    this.stopMicrophone();
    this.playout.port.postMessage({ end: true });
  }

  /** While muted, silence is recorded. */
  mute(muted) {
    this.muted = muted;
    this.stream?.getAudioTracks().forEach((track) => (track.enabled = !muted));
  }

  /** Has a context run that waits for a click; to be called from one. */
  resume() {
    this.context?.resume().catch(() => {}); // of one that was closed meanwhile
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.stopMicrophone();
    for (const node of [this.capture, this.playout]) node?.port.postMessage({ stop: true });
    this.context?.close().catch(() => {});
  }

  // The microphone.

  async openMicrophone() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
    } catch (error) {
      throw new Problem(REFUSALS[error.name] ?? "microphone-failed", { detail: `${error}` });
    }
    this.stream = stream;
    this.checkOpen();
    this.mute(this.muted);
    const [track] = stream.getAudioTracks();
    track.onended = () => this.replaceMicrophone();
    const tellMuted = () => this.tell("notice", { name: "microphone-muted", on: track.muted });
    track.onmute = track.onunmute = tellMuted;
    tellMuted(); // the one before it may have been, and this one may be
    this.zeroSeconds = 0;
  }

  stopMicrophone() {
    this.capture?.port.postMessage({ stop: true });
    for (const track of this.stream?.getAudioTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
  }

  /** The device is gone: goes on with the one that the system then prefers. */
  async replaceMicrophone() {
    try {
      this.source.disconnect();
      await this.openMicrophone();
      this.source = this.sourceOf(this.stream);
      this.source.connect(this.capture);
      this.tell("notice", { name: "microphone-changed", on: true });
    } catch (error) {
      if (!this.closed) this.tell("failed", error);
    }
  }

  openContext() {
    this.context = new AudioContext({ latencyHint: "interactive" });
    try {
      this.source = this.sourceOf(this.stream);
    } catch (error) {
      const { sampleRate } = this.stream.getAudioTracks()[0].getSettings();
      if (!sampleRate) throw error;
      this.context.close();
      this.context = new AudioContext({ latencyHint: "interactive", sampleRate });
      this.source = this.sourceOf(this.stream);
    }
  }

  sourceOf(stream) {
    try {
      return this.context.createMediaStreamSource(stream);
    } catch (error) {
      throw new Problem("microphone-rate", { detail: `${error}` });
    }
  }

  /** What was awaited is of no use if the call is over meanwhile: the microphone must not stay on. */
  checkOpen() {
    if (!this.closed) return;
    this.stopMicrophone();
    throw new Problem("over");
  }

  // What is noticed.

  chunk(chunk, seconds) {
    this.zeroSeconds = chunk.zero && !this.muted ? this.zeroSeconds + seconds : 0;
    this.tell("notice", { name: "microphone-zero", on: this.zeroSeconds >= ZERO_SECONDS });
    this.compareClocks();
    this.tell("chunk", chunk);
  }

  /** What has been drained is heard when it has gone its way to the loudspeaker, which may be a wireless one. */
  playing(told) {
    this.tell("playing", told);
    const { baseLatency = 0, outputLatency = 0 } = this.context;
    if (told.drained) setTimeout(() => this.tell("drained", told), (baseLatency + outputLatency) * 1000);
  }

  stateChanged() {
    if (!this.closed) this.tell("notice", { name: "suspended", on: this.context.state !== "running" });
  }

  /** A context that stood still while the clock on the wall went on: nothing was heard or recorded. */
  compareClocks() {
    const wall = performance.now() / 1000;
    const before = this.stood ?? { wall, sound: this.now };
    if (this.stood && wall - before.wall < STOOD_SECONDS) return;
    const stood = wall - before.wall - (this.now - before.sound);
    if (stood > STOOD_SECONDS) this.tell("notice", { name: "stood-still", on: true });
    this.stood = { wall, sound: this.now };
  }
}
