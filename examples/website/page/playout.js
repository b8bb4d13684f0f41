// The agent's speech: a queue, and what of it is played. No Web Audio in here; `read` is called for each block of the
// device, and its calls are the only clock.
//
// What a gap of the network leaves out is not silence but the last pitch period again, fading. What came late is made
// up for by leaving out pitch periods, but only of speech that comes as it is spoken: an agent may also send a minute
// at once, and that is played as it is.

import { rms } from "./pcm.js";
import { Resampler } from "./resample.js";

const BLOCK_SECONDS = 0.01;
/** To gather before playing; more where gaps come, and less again after so long without one. */
const WAIT_SECONDS = 0.06;
const LONGEST_WAIT_SECONDS = 0.24;
const WAIT_GROWS = 1.5;
const CALM_SECONDS = 20;
/** Concealment: one pitch period again and again, as it was, then fading to nothing. */
const HOLD_SECONDS = 0.02;
const CONCEAL_SECONDS = 0.1;
const FADE_SECONDS = 0.005; // from one sound to another, so that nothing clicks
/** Pitch periods of voices: 66 to 400 Hz. */
const SHORTEST_PERIOD_SECONDS = 0.0025;
const LONGEST_PERIOD_SECONDS = 0.015;
/** A period is left out every so many blocks at most (so about a tenth faster), where it is so like the next. */
const REMOVE_BLOCKS = 6;
const LIKENESS = 0.7;
const QUIET = 0.003; // of full scale: nobody speaks, so that nothing is to conceal
/** Speech comes as it is spoken if its least transit is the same in two seconds; and this is how much the same. */
const PACED_SECONDS = 0.025;
/** So much more than is to be gathered may wait: less is not worth a cut. */
const SPARE_SECONDS = 0.02;
/** More than any call wants: a queue that is full drops what comes, and counts it. A browser cannot push back. */
const CAPACITY_SECONDS = 1800;

export class Playout {
  /** Between the wire's rate and that of the device, in Hz. */
  constructor(wireRate, deviceRate) {
    const frames = (seconds) => Math.round(seconds * wireRate);
    this.rate = wireRate;
    this.fadeFrames = frames(FADE_SECONDS);
    this.periods = [frames(SHORTEST_PERIOD_SECONDS), frames(LONGEST_PERIOD_SECONDS)];
    this.hold = frames(HOLD_SECONDS);
    this.concealed = frames(CONCEAL_SECONDS);
    this.capacity = frames(CAPACITY_SECONDS);
    this.leastWait = this.wait = frames(WAIT_SECONDS);
    this.mostWait = frames(LONGEST_WAIT_SECONDS);

    this.block = new Float32Array(frames(BLOCK_SECONDS));
    this.past = new Float32Array(this.block.length + this.periods[1]); // what was played last
    this.ahead = new Float32Array(2 * this.block.length + this.periods[1]); // to look for a period in
    this.queue = new Queue();

    this.mode = "gathering";
    this.waited = 0; // frames since there was something to play
    this.tail = null; // what sounds when the queue has run dry: a period, and how far it is
    this.interrupted = false; // speech was, and has not come back
    this.ended = false;
    this.calm = 0; // frames since the last gap
    this.sinceRemoved = 0; // blocks
    this.clock = new Pace(wireRate);

    for (let i = 0; i < 3; i++) this.period(this.ahead, 0, 1); // until it is compiled it is slow, too slow for a gap

    this.resampler = new Resampler(wireRate, deviceRate);
    this.made = new Float32Array(1 << 12); // resampled, not yet read
    this.ready = 0;

    /** In frames of the wire; at every moment received == played + queued + removed + dropped. */
    this.statistics = { received: 0, played: 0, queued: 0, removed: 0, dropped: 0, concealed: 0, silent: 0, gaps: 0 };
  }

  /** Takes int16 samples, of which there may be any number. */
  write(samples) {
    const { statistics } = this;
    const taken = Math.min(samples.length, this.capacity - statistics.queued);
    statistics.received += samples.length;
    statistics.dropped += samples.length - taken;
    statistics.queued += taken;
    this.queue.write(samples.subarray(0, taken));
    this.clock.arrived(taken);
  }

  /** Nothing more is to come: what is queued is played. */
  end() {
    this.ended = true;
  }

  /** Whether all has been played after `end`. */
  get drained() {
    return this.ended && this.statistics.queued === 0 && this.tail === null;
  }

  /** Fills `output` at the device's rate. */
  read(output) {
    while (this.ready < output.length) {
      this.next();
      const room = this.ready + this.resampler.most(this.block.length);
      if (this.made.length < room) {
        const more = new Float32Array(room + output.length);
        more.set(this.made);
        this.made = more;
      }
      this.ready += this.resampler.process(this.block, this.made, this.ready);
    }
    output.set(this.made.subarray(0, output.length));
    this.made.copyWithin(0, output.length, this.ready);
    this.ready -= output.length;
  }

  /** Makes the next block at the wire's rate. */
  next() {
    const { block } = this;
    let filled = 0;
    while (filled < block.length) {
      const frames = this[this.mode](filled);
      this.remember(block.subarray(filled, filled + frames));
      filled += frames;
    }
    this.clock.passed(block.length, this.statistics.queued, this.wait);
    this.sinceRemoved++;
    this.calm += block.length;
    if (this.calm >= CALM_SECONDS * this.rate) {
      this.calm = 0;
      this.wait = Math.max(this.leastWait, Math.round(this.wait / WAIT_GROWS));
    }
  }

  /** To go on from, where speech stops: which may be anywhere in a block. */
  remember(played) {
    const { past } = this;
    past.copyWithin(0, played.length);
    past.set(played, past.length - played.length);
  }

  // The modes: each fills the block from here on, and gives how much it has filled. 0: another mode does.

  /** Too little is there to begin. A short answer begins when it has waited as long as more would have taken. */
  gathering(filled) {
    const { block, statistics } = this;
    const { queued } = statistics;
    if (queued && (queued >= this.wait || this.waited >= this.wait || this.ended)) {
      this.waited = 0;
      return this.change("playing");
    }
    if (queued) this.waited += block.length - filled;
    return this.fillUp(filled);
  }

  playing(filled) {
    const { block, statistics } = this;
    const { queued } = statistics;
    if (queued === 0) return this.change(this.runDry());
    if (filled === 0 && !this.interrupted && this.removePeriod()) return block.length;
    const frames = Math.min(block.length - filled, queued);
    const piece = block.subarray(filled, filled + frames);
    this.queue.peek(piece);
    this.skip(frames);
    statistics.played += frames;
    this.fadeInto(piece);
    return frames;
  }

  /** The queue ran dry in mid speech: goes on with what was heard, until there is enough again, or it has faded. */
  concealing(filled) {
    if (this.statistics.queued >= this.leastWait || this.tail === null) return this.change("gathering");
    return this.fillUp(filled);
  }

  change(mode) {
    this.mode = mode;
    return 0;
  }

  /** Fills the block with what still sounds, and silence; counts both. */
  fillUp(filled) {
    const { block, statistics } = this;
    for (let i = filled; i < block.length; i++) {
      statistics[this.tail === null ? "silent" : "concealed"]++;
      block[i] = this.tailSample();
    }
    return block.length - filled;
  }

  /** What is played when nothing is left. */
  runDry() {
    const { block, past } = this;
    if (this.ended || rms(past, past.length - 2 * block.length) < QUIET) return "gathering";
    this.statistics.gaps++;
    this.interrupted = true;
    this.calm = 0;
    this.wait = Math.min(this.mostWait, Math.round(this.wait * WAIT_GROWS));
    const { lag } = this.period(past, past.length - block.length, -1);
    this.tail = { period: past.slice(past.length - lag), at: 0 };
    return "concealing";
  }

  /** The next sample of what sounds although the queue is dry. */
  tailSample() {
    if (this.tail === null) return 0;
    const { period, at } = this.tail;
    const gain = Math.min(1, (this.concealed - at) / (this.concealed - this.hold));
    this.tail = at + 1 < this.concealed ? { period, at: at + 1 } : null;
    return gain * period[at % period.length];
  }

  /** What sounded before this piece of speech gives way to it. */
  fadeInto(piece) {
    if (!this.interrupted) return;
    const frames = Math.min(this.fadeFrames, piece.length);
    for (let i = 0; i < frames; i++) {
      const share = (i + 1) / frames;
      piece[i] = share * piece[i] + (1 - share) * this.tailSample();
    }
    this.interrupted = false;
    this.tail = null;
  }

  /** Plays the next block so that a period is left out, if too much is queued, and it cannot be heard. */
  removePeriod() {
    const { ahead, block, clock, statistics } = this;
    if (clock.excess < this.periods[0] || this.sinceRemoved < REMOVE_BLOCKS || statistics.queued < ahead.length) {
      return false;
    }
    this.queue.peek(ahead);
    const { lag, likeness } = this.period(ahead, 0, 1);
    if (likeness < LIKENESS && rms(ahead) > QUIET) return false;
    for (let i = 0; i < block.length; i++) {
      const share = (i + 1) / block.length;
      block[i] = (1 - share) * ahead[i] + share * ahead[lag + i];
    }
    this.skip(block.length + lag);
    statistics.played += block.length;
    statistics.removed += lag;
    clock.excess -= lag;
    this.sinceRemoved = 0;
    return true;
  }

  /** By how much a block at `begin` is most like another, before it (-1) or behind (1); and how like, -1 to 1. */
  period(sound, begin, direction) {
    const [shortest, longest] = this.periods;
    const best = { lag: shortest, likeness: -1 };
    // Every other sample will do, and it must be quick.
    let here = 1e-9;
    for (let i = 0; i < this.block.length; i += 2) here += sound[begin + i] ** 2;
    for (let lag = shortest; lag <= longest; lag++) {
      const other = begin + direction * lag;
      let product = 0;
      let there = 1e-9;
      for (let i = 0; i < this.block.length; i += 2) {
        product += sound[begin + i] * sound[other + i];
        there += sound[other + i] ** 2;
      }
      const likeness = product / Math.sqrt(here * there);
      if (likeness > best.likeness) {
        best.lag = lag;
        best.likeness = likeness;
      }
    }
    return best;
  }

  /** Takes samples off the queue. */
  skip(frames) {
    this.statistics.queued -= frames;
    this.queue.skip(frames);
  }
}

/** Int16 samples that wait: a ring that grows, so that it costs the same in however many pieces they came. */
class Queue {
  ring = new Int16Array(1 << 15);
  first = 0;
  length = 0;

  write(samples) {
    this.hold(this.length + samples.length);
    const at = (this.first + this.length) % this.ring.length;
    const straight = Math.min(samples.length, this.ring.length - at);
    this.ring.set(samples.subarray(0, straight), at);
    this.ring.set(samples.subarray(straight), 0);
    this.length += samples.length;
  }

  /** Has room for so many. */
  hold(frames) {
    const { ring, first } = this;
    if (frames <= ring.length) return;
    this.ring = new Int16Array(2 ** Math.ceil(Math.log2(frames)));
    this.ring.set(ring.subarray(first));
    this.ring.set(ring.subarray(0, first), ring.length - first);
    this.first = 0;
  }

  /** Copies the next samples, as floats. */
  peek(floats) {
    for (let i = 0; i < floats.length; i++) floats[i] = this.ring[(this.first + i) % this.ring.length] / 32768;
  }

  skip(frames) {
    this.first = (this.first + frames) % this.ring.length;
    this.length -= frames;
  }
}

/** How speech comes: as it is spoken, or ahead of time. In frames of the wire. */
class Pace {
  constructor(rate) {
    this.rate = rate;
    /** More than has to wait, if speech comes as it is spoken; else 0. */
    this.excess = 0;
    this.now = 0;
    this.head = 0;
    this.begin();
    this.lastLeast = Infinity;
  }

  begin() {
    this.second = 0;
    this.least = Infinity; // transit: how long after its place in the stream something came
    this.fewest = Infinity; // that were queued
  }

  arrived(frames) {
    if (frames === 0) return;
    this.head += frames;
    this.least = Math.min(this.least, this.now - this.head);
  }

  passed(frames, queued, wait) {
    this.now += frames;
    this.second += frames;
    this.fewest = Math.min(this.fewest, queued);
    if (this.second < this.rate) return;
    const paced = Math.abs(this.least - this.lastLeast) <= PACED_SECONDS * this.rate;
    const excess = paced ? this.fewest - wait : 0;
    this.excess = excess > SPARE_SECONDS * this.rate ? excess : 0;
    this.lastLeast = this.least;
    this.begin();
  }
}
