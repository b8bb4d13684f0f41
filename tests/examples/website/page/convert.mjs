// float32 on standard input, int16 on standard output: by the page's rule, in the machine's byte order.
import { readFileSync, writeSync } from "node:fs";

import { toInt16 } from "../../../../examples/website/page/pcm.js";

const bytes = readFileSync(0);
const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const ints = new Uint8Array(toInt16(floats).buffer);
for (let at = 0; at < ints.length; ) at += writeSync(1, ints, at);
