// What runs in the browser's audio thread. Sound goes to the page, and comes from it, by messages.

import { Capture } from "./capture.js";
import { rms } from "./pcm.js";
import { Playout } from "./playout.js";

const TELL_SECONDS = 0.1;

registerProcessor(
  "capture",
  class extends AudioWorkletProcessor {
    constructor({ processorOptions: { wireRate, chunkSeconds } }) {
      super();
      this.capture = new Capture(sampleRate, wireRate, chunkSeconds);
      this.silence = new Float32Array(128);
      this.port.onmessage = () => (this.stopped = true);
    }

    /** Where no microphone is connected silence is recorded: chunks come at a steady pace whatever it does. */
    process([[microphone = this.silence]]) {
      this.capture.take(microphone, (chunk) => {
        this.port.postMessage({ ...chunk, at: currentTime }, [chunk.pcm.buffer]);
      });
      return !this.stopped;
    }
  },
);

registerProcessor(
  "playout",
  class extends AudioWorkletProcessor {
    constructor({ processorOptions: { wireRate } }) {
      super();
      this.playout = new Playout(wireRate, sampleRate);
      this.told = 0;
      this.level = 0;
      this.port.onmessage = ({ data: { pcm, end, stop } }) => {
        if (pcm) this.playout.write(pcm);
        if (end) this.playout.end();
        if (stop) this.stopped = true;
      };
    }

    process(_, [[output]]) {
      this.playout.read(output);
      this.level = Math.max(this.level, rms(output));
      if (currentTime >= this.told + TELL_SECONDS) {
        const { statistics, drained } = this.playout;
        this.port.postMessage({ level: this.level, statistics, drained });
        this.told = currentTime;
        this.level = 0;
      }
      return !this.stopped;
    }
  },
);
