import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../../../../examples/website/page/resample.js";

const PAIRS = [
  [48000, 16000],
  [44100, 16000],
  [44100, 48000],
  [16000, 48000],
  [16000, 44100],
  [8000, 48000],
  [192000, 16000],
];

function resampled(input, from, to, piece = 128) {
  const resampler = new Resampler(from, to);
  const output = new Float32Array(Math.ceil((input.length * to) / from) + 2);
  let made = 0;
  for (let at = 0; at < input.length; at += piece) {
    const block = input.subarray(at, at + piece);
    const before = made;
    made += resampler.process(block, output, made);
    assert.ok(made - before <= resampler.most(block.length));
  }
  return output.subarray(0, made);
}

function sine(rate, hertz, seconds = 0.5) {
  return Float32Array.from({ length: rate * seconds }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / rate));
}

/** The ratio of a sine of this frequency, whatever its amplitude and phase, to all else, in dB. */
function signalToNoise(sound, rate, hertz) {
  const middle = sound.subarray(sound.length >> 2, 3 * (sound.length >> 2));
  const basis = [Math.sin, Math.cos].map((f) => middle.map((_, i) => f((2 * Math.PI * hertz * i) / rate)));
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const [[ss, sc], [, cc]] = basis.map((a) => basis.map((b) => dot(a, b)));
  const [s, c] = basis.map((b) => dot(middle, b));
  const det = ss * cc - sc * sc;
  const [a, b] = [(s * cc - c * sc) / det, (c * ss - s * sc) / det];
  const fitted = middle.map((_, i) => a * basis[0][i] + b * basis[1][i]);
  const noise = middle.map((x, i) => x - fitted[i]);
  return { db: 10 * Math.log10(dot(fitted, fitted) / dot(noise, noise)), amplitude: Math.hypot(a, b) };
}

for (const [from, to] of PAIRS) {
  test(`a voice keeps 85 dB from ${from} to ${to} Hz`, () => {
    for (const hertz of [210, 1000, 0.42 * Math.min(from, to)]) {
      const { db, amplitude } = signalToNoise(resampled(sine(from, hertz), from, to), to, hertz);
      assert.ok(db > 85, `${hertz} Hz: ${db.toFixed(1)} dB`);
      assert.ok(Math.abs(amplitude / 0.5 - 1) < 0.001, `${hertz} Hz: ${amplitude}`);
    }
  });
}

test("what the lower rate cannot hold is taken out", () => {
  const sound = resampled(sine(48000, 8100), 48000, 16000).subarray(200);
  assert.ok(Math.max(...sound.map(Math.abs)) < 0.5 * 10 ** (-85 / 20));
});

test("how sound is cut does not change it", () => {
  const input = sine(44100, 440);
  const whole = resampled(input, 44100, 16000, input.length);
  for (const piece of [1, 7, 128]) assert.deepEqual(resampled(input, 44100, 16000, piece), whole);
});

test("no sample is lost or made up", () => {
  for (const [from, to] of PAIRS) {
    const made = resampled(new Float32Array(from), from, to).length;
    assert.ok(Math.abs(made - to) <= to * 0.006, `${made} of ${to}`); // it holds back half a filter
  }
});

test("samples pass as they are where the rates are the same", () => {
  const input = sine(48000, 440);
  assert.deepEqual(resampled(input, 48000, 48000), input);
});
