// The caller's speech: from the device's blocks to the chunks of int16 that messages carry. No Web Audio in here.

import { rms, toInt16 } from "./pcm.js";
import { Resampler } from "./resample.js";

export class Capture {
  /** From the rate of the device to that of the wire, in Hz; so many seconds to a chunk. */
  constructor(deviceRate, wireRate, chunkSeconds) {
    this.resampler = new Resampler(deviceRate, wireRate);
    this.chunk = new Float32Array(Math.round(chunkSeconds * wireRate));
    this.made = new Float32Array(0);
    this.filled = 0;
  }

  /** Takes a block of float32 samples, and hands each chunk that is full to `give`. */
  take(block, give) {
    const most = this.resampler.most(block.length);
    if (this.made.length < most) this.made = new Float32Array(most);
    const made = this.made.subarray(0, this.resampler.process(block, this.made));
    for (let at = 0; at < made.length; ) {
      const piece = made.subarray(at, at + this.chunk.length - this.filled);
      this.chunk.set(piece, this.filled);
      this.filled += piece.length;
      at += piece.length;
      if (this.filled === this.chunk.length) {
        this.filled = 0;
        give({
          pcm: toInt16(this.chunk),
          level: rms(this.chunk),
          zero: this.chunk.every((sample) => sample === 0),
        });
      }
    }
  }
}
