import assert from "node:assert/strict";
import { test } from "node:test";

import { Playout } from "../../../../examples/website/page/playout.js";

const RATE = 16000;
const MESSAGE = 320; // 20 ms
const QUANTUM = 128; // what a browser asks for at once

/** A voice of this many seconds: a pitch of 125 Hz that sways, with overtones, and no pause. */
function voice(seconds) {
  let phase = 0;
  return Int16Array.from({ length: seconds * RATE }, (_, i) => {
    phase += (2 * Math.PI * (125 + 10 * Math.sin(i / 4000))) / RATE;
    return 6000 * (Math.sin(phase) + 0.5 * Math.sin(2 * phase) + 0.3 * Math.sin(5 * phase));
  });
}

function books({ received, played, queued, removed, dropped }) {
  assert.equal(received, played + queued + removed + dropped);
}

/** Plays for so many seconds; `arrive(now)` gives the frames that there are of `speech` at that moment. */
function play(speech, seconds, arrive, { deviceRate = RATE, playout = new Playout(RATE, deviceRate) } = {}) {
  const heard = [];
  const block = new Float32Array(QUANTUM);
  const waiting = [];
  let written = 0;
  for (let now = 0; now < seconds; now += QUANTUM / deviceRate) {
    const there = Math.min(speech.length, arrive(now));
    for (; written + MESSAGE <= there; written += MESSAGE) playout.write(speech.slice(written, written + MESSAGE));
    if (there === speech.length && written < there) playout.write(speech.slice(written)), (written = there);
    playout.read(block);
    heard.push(...block);
    waiting.push(playout.statistics.queued / RATE);
    books(playout.statistics);
  }
  return { heard: Float32Array.from(heard), playout, waiting, statistics: playout.statistics };
}

const asSpoken = (now) => Math.floor(now * RATE);

/** Where `part` is in `sound`, sample by sample; -1 if nowhere. */
function find(part, sound) {
  for (let at = 0; at + part.length <= sound.length; at++) {
    let same = 0;
    while (same < part.length && sound[at + same] === part[same]) same++;
    if (same === part.length) return at;
  }
  return -1;
}

const asFloats = (ints) => Float32Array.from(ints, (sample) => sample / 32768);
/** The greatest change of slope, in which a click stands out. */
const sharpest = (sound) =>
  sound.reduce((most, x, i) => Math.max(most, i > 1 ? Math.abs(x - 2 * sound[i - 1] + sound[i - 2]) : 0), 0);
const steepest = (sound) => sound.reduce((most, x, i) => Math.max(most, i ? Math.abs(x - sound[i - 1]) : 0), 0);

test("speech that comes as it is spoken is played as it is, less than 0.1 s later", () => {
  const speech = voice(3);
  const { heard, statistics } = play(speech, 3.5, asSpoken);
  const at = find(asFloats(speech), heard);
  assert.ok(at >= 0 && at < 0.1 * RATE, `${at}`);
  assert.equal(statistics.played, speech.length);
  assert.equal(statistics.gaps, 1); // where it ends, in mid sound
  assert.ok(statistics.concealed <= 0.1 * RATE);
});

test("speech is the same in however many pieces it comes, and however much of it waits", () => {
  const speech = voice(20); // more than a queue holds at first
  const playout = new Playout(RATE, RATE);
  const block = new Float32Array(QUANTUM);
  const heard = [];
  let written = 0;
  for (let piece = 1; written < speech.length; piece = (piece % 7) + 1) {
    playout.write(speech.slice(written, (written += piece)));
    if (written % 3 || heard.length > 2 * RATE) continue; // it is read meanwhile
    playout.read(block);
    heard.push(...block);
  }
  playout.end();
  while (!playout.drained) playout.read(block), heard.push(...block);
  const at = find(asFloats(speech.slice(RATE * 2.2)), Float32Array.from(heard));
  assert.ok(at > 0);
  books(playout.statistics);
  assert.equal(playout.statistics.received, speech.length);
});

test("wherever in a block speech stops, what goes on with it does not click", () => {
  for (let more = 0; more < 160; more += 13) {
    const speech = voice(1).slice(0, 3200 + more);
    const playout = new Playout(RATE, RATE);
    playout.write(speech.slice());
    const { heard, statistics } = play(new Int16Array(0), 0.3, () => 0, { playout });
    assert.equal(statistics.gaps, 1);
    const around = heard.subarray(3000, 3600);
    assert.ok(sharpest(around) < 3 * sharpest(asFloats(speech).subarray(100)), `${more}: ${sharpest(around)}`);
  }
});

test("speech that comes back in a burst, gap after gap, does not click", () => {
  const speech = voice(12);
  const lastBefore = (now) => (now % 3 > 2 && now % 3 < 2.3 ? now - (now % 3) + 2 : now);
  const { heard, statistics } = play(speech, 12, (now) => asSpoken(lastBefore(now)));
  assert.ok(statistics.gaps >= 4 && statistics.removed > 0);
  assert.ok(sharpest(heard.subarray(2000)) < 3 * sharpest(asFloats(speech).subarray(100)), `${sharpest(heard)}`);
});

test("speech that comes all at once is played as it is, to the last sample", () => {
  const speech = voice(5);
  const playout = new Playout(RATE, RATE);
  playout.write(speech.slice());
  playout.end();
  const { heard } = play(new Int16Array(0), 5.1, () => 0, { playout });
  assert.equal(find(asFloats(speech), heard), 0);
  assert.ok(playout.drained);
  assert.equal(playout.statistics.gaps, 0);
});

test("a short answer begins although less comes than is gathered", () => {
  const speech = voice(0.03);
  const { heard } = play(speech, 0.5, () => speech.length);
  assert.ok(find(asFloats(speech), heard) > 0);
});

test("what is there begins at once if nothing more is to come", () => {
  const playout = new Playout(RATE, RATE);
  playout.write(voice(0.03));
  playout.end();
  const { heard } = play(new Int16Array(0), 0.5, () => 0, { playout });
  assert.equal(find(asFloats(voice(0.03)), heard), 0);
  assert.ok(playout.drained);
});

test("more is gathered after gaps, and less again after a while without one", () => {
  const speech = voice(30);
  const stalls = [1, 5]; // seconds; by the second one, some of what the first has left is made up for
  const arrive = (now) => (stalls.includes(Math.floor(now)) ? Math.floor(now) * RATE : asSpoken(now));
  const { playout } = play(speech, 10, arrive);
  assert.equal(playout.statistics.gaps, 2);
  assert.equal(playout.wait, 0.135 * RATE);
  play(new Int16Array(0), 1, () => 0, { playout }); // a third one
  assert.equal(playout.wait, 0.2025 * RATE);
  play(new Int16Array(0), 20, () => 0, { playout });
  assert.equal(playout.wait, 0.135 * RATE);
});

test("a gap of the network is not silence, and does not click", () => {
  const speech = voice(2);
  const arrive = (now) => (now < 1 ? asSpoken(now) : now < 1.12 ? RATE : asSpoken(now));
  const { heard, statistics } = play(speech, 2, arrive);
  assert.equal(statistics.gaps, 1);
  assert.ok(statistics.concealed > 0);
  const quietest = (from, to) => {
    let least = Infinity;
    for (let at = from * RATE; at < to * RATE; at += 160) least = Math.min(least, Math.max(...heard.slice(at, at + 160)));
    return least;
  };
  assert.ok(quietest(0.9, 1.3) > 0.02, `${quietest(0.9, 1.3)}`);
  const usual = steepest(asFloats(speech));
  assert.ok(steepest(heard.subarray(0.5 * RATE)) < 1.5 * usual);
});

test("a long gap fades to silence, and what comes then fades in", () => {
  const speech = voice(3);
  const arrive = (now) => (now < 1 ? asSpoken(now) : now < 1.8 ? RATE : asSpoken(now));
  const { heard, statistics } = play(speech, 3, arrive);
  assert.deepEqual([...new Set(heard.slice(1.3 * RATE, 1.7 * RATE))], [0]);
  assert.ok(steepest(heard.subarray(0.5 * RATE)) < 1.5 * steepest(asFloats(speech)));
  assert.equal(statistics.gaps, 1);
});

test("delay that a stall has left is made up for, by leaving out whole periods", () => {
  const speech = voice(20);
  const arrive = (now) => (now < 2 ? asSpoken(now) : now < 2.5 ? 2 * RATE : asSpoken(now));
  const { waiting, statistics, heard } = play(speech, 19.9, arrive);
  assert.ok(waiting[Math.floor((3.2 * RATE) / QUANTUM)] > 0.4);
  assert.ok(waiting.at(-1) < 0.16, `${waiting.at(-1)}`);
  assert.ok(statistics.removed > 0.3 * RATE);
  assert.ok(sharpest(heard.subarray(3 * RATE)) < 1.5 * sharpest(asFloats(speech)));
});

test("delay does not grow where the agent's clock is a little faster", () => {
  const speech = voice(60);
  const { waiting } = play(speech, 58, (now) => Math.floor(now * RATE * 1.002));
  assert.ok(waiting.at(-1) < 0.12, `${waiting.at(-1)}`);
});

test("of speech that comes ahead of time nothing is left out, also behind a gap", () => {
  const speech = voice(12);
  const arrive = (now) => (now < 0.5 ? 0.5 * RATE : now < 1 ? 0.5 * RATE : Math.min(12, 3 * Math.ceil(now)) * RATE);
  const { statistics } = play(speech, 14, arrive);
  assert.equal(statistics.removed, 0);
  assert.equal(statistics.played, speech.length);
});

test("pauses of the agent are no gaps", () => {
  const speech = voice(1);
  for (let i = 0; i < 1600; i++) speech[speech.length - 1600 + i] *= Math.max(0, 1 - i / 800);
  const { statistics } = play(speech, 2, asSpoken);
  assert.equal(statistics.gaps, 0);
  assert.equal(statistics.concealed, 0);
});

test("a device of another rate gets as much sound, without holes", () => {
  const speech = voice(2);
  for (const deviceRate of [44100, 48000]) {
    const { heard } = play(speech, 1.9, () => speech.length, { deviceRate });
    const usual = steepest(asFloats(speech));
    assert.ok(steepest(heard) < usual);
    assert.ok(Math.min(...[0.5, 1, 1.5].map((at) => Math.max(...heard.slice(at * deviceRate, (at + 0.02) * deviceRate)))) > 0.1);
  }
});

test("more than any call wants is dropped, and counted", () => {
  const playout = new Playout(RATE, RATE);
  playout.capacity = 1000;
  playout.write(new Int16Array(1500));
  assert.equal(playout.statistics.dropped, 500);
  books(playout.statistics);
});
