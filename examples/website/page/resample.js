// One sample rate to another, as sound streams through: a polyphase filter, which is a sinc under a Kaiser window.

/** Of the lower rate's samples, under the window. Half of them is the delay: 2.5 ms at 16 kHz. */
const TAPS = 80;
/** Kaiser's beta for 90 dB, and the width of the slope that 80 taps then have, as a share of the lower rate (his formulas). */
const BETA = 0.1102 * (90 - 8.7);
const SLOPE = (90 - 8) / (2.285 * 2 * Math.PI * TAPS);

export class Resampler {
  /** From and to so many Hz, both whole. Where they are the same, samples pass as they are. */
  constructor(from, to) {
    const divisor = gcd(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    this.taps = this.up === this.down ? 1 : 2 * Math.ceil((TAPS / 2) * Math.max(1, from / to));
    this.phases = filters(this.up, this.taps, Math.min(1, to / from));
    this.past = new Float32Array(this.taps - 1); // samples that the next ones are filtered with
    this.work = this.past.slice();
    this.phase = 0; // of the next sample, in steps of 1/up
    this.skip = 0; // samples from the first of `past` to where the filter of the next one begins
  }

  /** How many samples `process` gives at most for so many. */
  most(samples) {
    return Math.ceil((samples * this.up) / this.down) + 1;
  }

  /** Filters `input` into `output`, from `at` on; how many samples that gave. */
  process(input, output, at = 0) {
    const { up, down, taps } = this;
    const length = this.past.length + input.length;
    if (this.work.length < length) this.work = new Float32Array(length);
    this.work.set(this.past);
    this.work.set(input, this.past.length);
    let made = 0;
    while (this.skip + taps <= length) {
      const filter = this.phases[this.phase];
      let sum = 0;
      for (let i = 0; i < taps; i++) sum += filter[i] * this.work[this.skip + i];
      output[at + made++] = sum;
      this.phase += down;
      this.skip += Math.floor(this.phase / up);
      this.phase %= up;
    }
    this.past.set(this.work.subarray(length - this.past.length, length));
    this.skip -= input.length;
    return made;
  }
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

/** A filter for each phase, which lets pass this share of the input's band. Each has gain 1 for a constant. */
function filters(up, taps, share) {
  if (taps === 1) return [Float64Array.of(1)];
  const cutoff = share * (1 - SLOPE); // the slope ends at half of the lower rate
  return Array.from({ length: up }, (_, phase) => {
    const filter = Float64Array.from({ length: taps }, (_, i) => {
      const at = i - taps / 2 + 1 - phase / up; // samples of the input from the filter's middle
      return sinc(cutoff * at) * kaiser((2 * at) / taps);
    });
    const sum = filter.reduce((a, b) => a + b);
    return filter.map((tap) => tap / sum);
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return Math.abs(x) > 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of order 0, by its series. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
