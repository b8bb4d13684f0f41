import assert from "node:assert/strict";
import { test } from "node:test";

import { Sound } from "../../../../examples/website/page/sound.js";

const DIALECT = { captureRate: 48000, playoutRate: 16000, chunkSeconds: 0.02 };

/** A sound whose context, nodes and microphone are nobody's, and what it tells. */
function opened(context) {
  globalThis.AudioWorkletNode = class {
    port = { postMessage() {} };
    connect() {}
  };
  const told = [];
  const sound = new Sound((name, value) => told.push([name, value]));
  Object.assign(sound, { context, source: { connect() {}, disconnect() {} } });
  sound.start(DIALECT);
  return { sound, told };
}

test("the last word is heard before the loudspeaker is closed, however far it is", () => {
  const { setTimeout } = globalThis;
  const timers = [];
  globalThis.setTimeout = (then, milliseconds) => timers.push([then, milliseconds]);
  const { sound, told } = opened({ baseLatency: 0.01, outputLatency: 0.2 });
  sound.playout.port.onmessage({ data: { drained: true } });
  globalThis.setTimeout = setTimeout;
  assert.deepEqual(told.map(([name]) => name), ["playing"]);
  const [[then, milliseconds]] = timers;
  assert.equal(Math.round(milliseconds), 210);
  then();
  assert.deepEqual(told.map(([name]) => name), ["playing", "drained"]);
});

test("a microphone that takes the place of a muted one is told as it is", async () => {
  const { sound, told } = opened({ createMediaStreamSource: () => ({ connect() {} }) });
  const streams = [true, false].map((muted) => ({ getAudioTracks: () => [{ muted, stop() {} }] }));
  const mediaDevices = { getUserMedia: async () => streams.shift() };
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices }, configurable: true });
  await sound.openMicrophone();
  await sound.replaceMicrophone();
  const muted = told.filter(([, { name }]) => name === "microphone-muted").map(([, { on }]) => on);
  assert.deepEqual(muted, [true, false]);
});
