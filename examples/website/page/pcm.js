// Samples as the wire has them: int16, mono.

/**
 * float32 to int16 by the wire's rule: clamp to [-1, 1]; times 32768 if negative, else times 32767; truncate toward
 * zero; NaN gives 0. (A typed array's store truncates, and makes 0 of NaN: that is where the rule comes from.)
 */
export function toInt16(floats, ints = new Int16Array(floats.length)) {
  for (let i = 0; i < floats.length; i++) {
    const sample = Math.max(-1, Math.min(1, floats[i]));
    ints[i] = sample < 0 ? sample * 32768 : sample * 32767;
  }
  return ints;
}

/** The int16 samples that these bytes are, in this byte order. */
export function fromBytes(bytes, littleEndian) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ints = new Int16Array(bytes.byteLength >> 1);
  for (let i = 0; i < ints.length; i++) ints[i] = view.getInt16(2 * i, littleEndian);
  return ints;
}

/** The bytes of these int16 samples, in this byte order. */
export function toBytes(ints, littleEndian) {
  const bytes = new Uint8Array(2 * ints.length);
  const view = new DataView(bytes.buffer);
  ints.forEach((sample, i) => view.setInt16(2 * i, sample, littleEndian));
  return bytes;
}

/** Root of the mean square. */
export function rms(floats, begin = 0, end = floats.length) {
  let sum = 0;
  for (let i = begin; i < end; i++) sum += floats[i] * floats[i];
  return Math.sqrt(sum / Math.max(1, end - begin));
}
