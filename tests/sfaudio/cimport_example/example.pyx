# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""What an audio callback written in Cython does with sfaudio, all of it without the GIL."""

from libc.stdint cimport int16_t, uint8_t

from sfaudio cimport (
    CaptureQueue,
    JitterBuffer,
    Meter,
    PlayoutEngine,
    Resampler,
    alaw_decode_samples,
    alaw_encode_samples,
    byteswap_samples,
    capture_hold_reader,
    capture_hold_writer,
    capture_queue,
    capture_read,
    capture_release_reader,
    capture_release_writer,
    capture_write_float32,
    capture_write_int16,
    engine_hold_reader,
    engine_read_int16,
    engine_release_reader,
    float32_to_int16_symmetric,
    float32_to_int16_wire,
    int16_samples_to_float32,
    measure_level,
    meter_hear_float32,
    meter_hear_int16,
    meter_hold_writer,
    meter_release_writer,
    mix_to_mono,
    playout_abort,
    playout_drain,
    playout_drop,
    playout_engine,
    playout_flush,
    playout_hold_reader,
    playout_hold_writer,
    playout_look,
    playout_marks,
    playout_peek,
    playout_queue,
    playout_read_float32,
    playout_read_int16,
    playout_release_reader,
    playout_release_writer,
    playout_take,
    playout_write,
    resample_float32,
    resample_int16,
    resampler,
    resampler_hold,
    resampler_input_frames,
    resampler_output_frames,
    resampler_release,
    sample_level,
    scale_samples,
    sound_meter,
    spread_mono,
    ulaw_decode_samples,
    ulaw_encode_samples,
)

cdef enum:
    BLOCK = 480


def to_int16(const float[::1] src, int16_t[::1] out, bint wire):
    with nogil:
        if wire:
            float32_to_int16_wire(&src[0], &out[0], src.shape[0])
        else:
            float32_to_int16_symmetric(&src[0], &out[0], src.shape[0])


def to_float32(const int16_t[::1] src, float[::1] out):
    with nogil:
        int16_samples_to_float32(&src[0], &out[0], src.shape[0])


def encode(const int16_t[::1] src, uint8_t[::1] out, bint alaw):
    with nogil:
        if alaw:
            alaw_encode_samples(&src[0], &out[0], src.shape[0])
        else:
            ulaw_encode_samples(&src[0], &out[0], src.shape[0])


def decode(const uint8_t[::1] src, int16_t[::1] out, bint alaw):
    with nogil:
        if alaw:
            alaw_decode_samples(&src[0], &out[0], src.shape[0])
        else:
            ulaw_decode_samples(&src[0], &out[0], src.shape[0])


def byteswap(const int16_t[::1] src, int16_t[::1] out):
    with nogil:
        byteswap_samples(&src[0], &out[0], src.shape[0])


def mix(const int16_t[::1] src, int16_t[::1] mono, int channels):
    with nogil:
        mix_to_mono(&src[0], &mono[0], mono.shape[0], channels)


def spread(const int16_t[::1] mono, int16_t[::1] out, int channels):
    with nogil:
        spread_mono(&mono[0], &out[0], mono.shape[0], channels)


def scale(const int16_t[::1] src, int16_t[::1] out, float gain):
    cdef Py_ssize_t clipped
    with nogil:
        clipped = scale_samples(&src[0], &out[0], src.shape[0], gain)
    return clipped


def measure(const int16_t[::1] src):
    cdef sample_level found
    with nogil:
        found = measure_level(&src[0], src.shape[0])
    return found


def play_int16(JitterBuffer buffer not None, int16_t[::1] out):
    cdef Py_ssize_t taken
    with nogil:
        taken = playout_read_int16(buffer.queue, &out[0], out.shape[0])
    return taken


def play_float32(JitterBuffer buffer not None, float[::1] out):
    cdef Py_ssize_t taken
    with nogil:
        taken = playout_read_float32(buffer.queue, &out[0], out.shape[0])
    return taken


def feed(JitterBuffer buffer not None, const unsigned char[::1] data):
    cdef Py_ssize_t taken
    with nogil:
        taken = playout_write(buffer.queue, &data[0], data.shape[0])
    return taken


def flush(JitterBuffer buffer not None):
    with nogil:
        playout_flush(buffer.queue)


def drain(JitterBuffer buffer not None):
    with nogil:
        playout_drain(buffer.queue)


def abort(JitterBuffer buffer not None):
    with nogil:
        playout_abort(buffer.queue)


def play_before_speech(JitterBuffer buffer not None, int16_t[::1] out):
    """A reader that decides itself: what is queued up to the first silent frame, which is dropped.

    Returns how many frames, or -1 if nothing may be played: for a flush, or before `drain`.
    """
    cdef playout_queue *queue = buffer.queue
    cdef playout_marks marks
    cdef int16_t frame = 1
    cdef Py_ssize_t frames = 0
    with nogil:
        marks = playout_look(queue)
        if marks.flush_to > marks.tail or marks.drain_to < marks.head:
            frames = -1
        else:
            while marks.tail + frames < marks.head and frames < out.shape[0] and frame:
                playout_peek(queue, marks.tail + frames, &frame, 1)
                frames += frame != 0
            playout_take(queue, &out[0], frames)
            if not frame:
                playout_drop(queue, 1)
    return frames


def capture_int16(CaptureQueue queue not None, const int16_t[::1] block):
    capture_hold_writer(queue.queue, b"capture_int16")
    with nogil:
        capture_write_int16(queue.queue, &block[0], block.shape[0])
    capture_release_writer(queue.queue)


def capture_float32(CaptureQueue queue not None, const float[::1] block):
    capture_hold_writer(queue.queue, b"capture_float32")
    with nogil:
        capture_write_float32(queue.queue, &block[0], block.shape[0])
    capture_release_writer(queue.queue)


def take(CaptureQueue queue not None, int16_t[::1] out):
    cdef Py_ssize_t taken
    with nogil:
        taken = capture_read(queue.queue, &out[0], out.shape[0])
    return taken


def hear(Meter meter not None, const int16_t[::1] block, const float[::1] more, double seconds):
    """One block at these seconds, and one after it."""
    cdef sound_meter *borrowed = meter.meter
    meter_hold_writer(borrowed, b"hear")
    with nogil:
        meter_hear_int16(borrowed, &block[0], block.shape[0], seconds)
        seconds += <double> block.shape[0] / meter.samplerate
        meter_hear_float32(borrowed, &more[0], more.shape[0], seconds)
    meter_release_writer(borrowed)


def resample(Resampler resampling not None, src, out):
    """int16 or float32, into `out`, which has room."""
    cdef const int16_t[::1] int16_src
    cdef int16_t[::1] int16_out
    cdef const float[::1] float_src
    cdef float[::1] float_out
    cdef resampler *state = resampling.state
    cdef Py_ssize_t due, given
    if src.dtype == "int16":
        int16_src, int16_out = src, out
        with nogil:
            due = resampler_output_frames(state, int16_src.shape[0])
            given = resample_int16(state, &int16_src[0], int16_src.shape[0], &int16_out[0])
    else:
        float_src, float_out = src, out
        with nogil:
            due = resampler_output_frames(state, float_src.shape[0])
            given = resample_float32(state, &float_src[0], float_src.shape[0], &float_out[0])
    return due, given


def input_frames_of(Resampler resampler not None, Py_ssize_t frames):
    return resampler_input_frames(resampler.state, frames)


# ---- a side, or an object, is held while native code uses it

def hold(
    JitterBuffer buffer not None,
    CaptureQueue queue not None,
    Resampler resampler not None,
    PlayoutEngine engine not None,
    Meter meter not None,
):
    """Every side, and the resampler."""
    playout_hold_writer(buffer.queue, b"the example")
    playout_hold_reader(buffer.queue, b"the example")
    capture_hold_writer(queue.queue, b"the example")
    capture_hold_reader(queue.queue, b"the example")
    resampler_hold(resampler.state, b"the example")
    engine_hold_reader(engine.engine, b"the example")
    meter_hold_writer(meter.meter, b"the example")


def release(
    JitterBuffer buffer not None,
    CaptureQueue queue not None,
    Resampler resampler not None,
    PlayoutEngine engine not None,
    Meter meter not None,
):
    """What `hold` holds."""
    playout_release_writer(buffer.queue)
    playout_release_reader(buffer.queue)
    capture_release_writer(queue.queue)
    capture_release_reader(queue.queue)
    resampler_release(resampler.state)
    engine_release_reader(engine.engine)
    meter_release_writer(meter.meter)


# ---- both sides of a queue at once, each on its core: sample number n is n, in 16 bits


def play_ramp(
    JitterBuffer buffer not None,
    Py_ssize_t frames,
    Py_ssize_t largest,
    const unsigned char[::1] stop,
):
    """Read, in blocks of 1 to `largest` (at most 480), until `frames` frames came or `stop[0]`.

    Returns the number of the first wrong one, or -1.
    """
    cdef playout_queue *borrowed = buffer.queue
    cdef int16_t block[BLOCK]
    cdef Py_ssize_t wrong = -1
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t taken, i
    cdef Py_ssize_t size = 1
    playout_hold_reader(borrowed, b"play_ramp")
    with nogil:
        while at < frames and wrong < 0 and not stop[0]:
            size = size % largest + 1
            taken = playout_read_int16(borrowed, block, size)
            for i in range(size):
                if block[i] != (<int16_t> (at + i) if i < taken else 0):
                    wrong = at + i
                    break
            at += taken
    playout_release_reader(borrowed)
    return wrong


def play_engine(
    PlayoutEngine engine not None, Py_ssize_t largest, const unsigned char[::1] stop
):
    """Read, in blocks of 1 to `largest` (at most 480), until `stop[0]`. Returns how many frames."""
    cdef playout_engine *borrowed = engine.engine
    cdef int16_t block[BLOCK]
    cdef Py_ssize_t size = 1
    cdef Py_ssize_t frames = 0
    engine_hold_reader(borrowed, b"play_engine")
    with nogil:
        while not stop[0]:
            size = size % largest + 1
            engine_read_int16(borrowed, block, size)
            frames += size
    engine_release_reader(borrowed)
    return frames


def capture_ramp(CaptureQueue queue not None, Py_ssize_t start, Py_ssize_t frames):
    """Record the frames numbered `start` and on, in blocks of 1 to 480."""
    cdef capture_queue *borrowed = queue.queue
    cdef int16_t block[BLOCK]
    cdef Py_ssize_t at = start
    cdef Py_ssize_t size = 1
    cdef Py_ssize_t i
    capture_hold_writer(borrowed, b"capture_ramp")
    with nogil:
        while at < start + frames:
            size = size % (BLOCK - 6) + 7
            size = min(size, start + frames - at)
            for i in range(size):
                block[i] = <int16_t> (at + i)
            capture_write_int16(borrowed, block, size)
            at += size
    capture_release_writer(borrowed)
