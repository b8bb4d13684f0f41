# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The PortAudio callback: microphone to capture queue, playout queue to loudspeaker, without Python.

It takes no GIL and no lock, allocates nothing, makes no system call, and its work is bounded by the block. What it sees
of the device it counts, in words that the Python side reads with atomics; a histogram has eight buckets an octave.
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.number cimport PyNumber_Index
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from sfaudio._buffers cimport acquire, raw_float32
from sfaudio._capture cimport CaptureQueue, capture_queue, capture_write_float32, capture_write_int16
from sfaudio._kernels cimport int16_samples_to_float32
from sfaudio._pcm cimport JitterBuffer, playout_queue, playout_read_int16
from sfaudio._ring cimport sf_load_acquire, sf_load_relaxed, sf_store_relaxed, sf_store_release

from sfaudio._statistics import StreamStatistics


cdef extern from "_clock.h" nogil:
    uint64_t sf_now_ns()
    uint64_t sf_thread_cpu_ns()


cdef enum:
    STEP = 512  # frames worked on at a time
    BUCKETS = 320  # 8 for each of 40 octaves: up to 18 minutes in nanoseconds
    # PaStreamCallbackFlags (portaudio.h)
    INPUT_OVERFLOW = 2
    OUTPUT_UNDERFLOW = 4
    PRIMING_OUTPUT = 16


cdef struct histogram:
    uint64_t counts[BUCKETS]
    uint64_t longest


cdef struct stream_state:
    playout_queue *playout
    capture_queue *capture
    capture_queue *played
    Py_ssize_t input_channels
    Py_ssize_t output_channels
    bint measure_cpu
    # Written by the callback, read with atomics.
    uint64_t callbacks
    uint64_t input_frames
    uint64_t output_frames
    uint64_t input_overflows
    uint64_t output_underflows
    uint64_t priming_callbacks
    uint64_t last_began
    uint64_t detached  # written by the Python side
    histogram durations
    histogram gaps
    histogram cpu_times


cdef inline void _add(uint64_t *counter, uint64_t count) noexcept nogil:
    sf_store_relaxed(counter, counter[0] + count)


cdef Py_ssize_t _bucket(uint64_t nanoseconds) noexcept nogil:
    """Values below 8 have a bucket each, those above the three bits that follow their highest one."""
    cdef Py_ssize_t octave = 0
    while nanoseconds >= 16:
        nanoseconds >>= 1
        octave += 1
    if nanoseconds >= 8:
        octave += 1
        nanoseconds -= 8
    return min(octave * 8 + <Py_ssize_t> nanoseconds, BUCKETS - 1)


cdef inline void _record(histogram *into, uint64_t nanoseconds) noexcept nogil:
    _add(&into.counts[_bucket(nanoseconds)], 1)
    if nanoseconds > into.longest:
        sf_store_relaxed(&into.longest, nanoseconds)


cdef void _capture_block(stream_state *state, const float *input, Py_ssize_t frames) noexcept nogil:
    """Queue a block, several channels as their mean."""
    cdef float mono[STEP]
    cdef Py_ssize_t channels = state.input_channels
    cdef Py_ssize_t step, i, channel
    cdef float total
    if channels == 1:
        capture_write_float32(state.capture, input, frames)
        return
    while frames > 0:
        step = min(frames, <Py_ssize_t> STEP)
        for i in range(step):
            total = 0
            for channel in range(channels):
                total += (<const raw_float32 *> input)[i * channels + channel].value
            mono[i] = total / <float> channels
        capture_write_float32(state.capture, mono, step)
        input += step * channels
        frames -= step


cdef void _play_block(stream_state *state, float *output, Py_ssize_t frames) noexcept nogil:
    """Fill a block, every channel with the same."""
    cdef int16_t block[STEP]
    cdef float mono[STEP]
    cdef Py_ssize_t channels = state.output_channels
    cdef Py_ssize_t step, i, channel
    while frames > 0:
        step = min(frames, <Py_ssize_t> STEP)
        playout_read_int16(state.playout, block, step)
        if state.played != NULL:
            capture_write_int16(state.played, block, step)
        if channels == 1:
            int16_samples_to_float32(block, output, step)
        else:
            int16_samples_to_float32(block, mono, step)
            for i in range(step):
                for channel in range(channels):
                    (<raw_float32 *> output)[i * channels + channel].value = mono[i]
        output += step * channels
        frames -= step


cdef int _callback(
    const void *input, void *output, unsigned long frames, const void *time_info, unsigned long flags, void *user_data
) noexcept nogil:
    """A PaStreamCallback."""
    cdef stream_state *state = <stream_state *> user_data
    cdef uint64_t began = sf_now_ns()
    cdef uint64_t cpu_began = sf_thread_cpu_ns() if state.measure_cpu else 0
    if sf_load_acquire(&state.detached):
        if output != NULL:
            memset(output, 0, <size_t> frames * <size_t> state.output_channels * sizeof(float))
        return 0
    if state.callbacks:
        _record(&state.gaps, began - state.last_began)
    if input != NULL and state.capture != NULL:
        _capture_block(state, <const float *> input, <Py_ssize_t> frames)
        _add(&state.input_frames, frames)
    if output != NULL and state.playout != NULL:
        _play_block(state, <float *> output, <Py_ssize_t> frames)
        _add(&state.output_frames, frames)
    if flags & INPUT_OVERFLOW:
        _add(&state.input_overflows, 1)
    if flags & OUTPUT_UNDERFLOW:
        _add(&state.output_underflows, 1)
    if flags & PRIMING_OUTPUT:
        _add(&state.priming_callbacks, 1)
    if state.measure_cpu:
        _record(&state.cpu_times, sf_thread_cpu_ns() - cpu_began)
    _record(&state.durations, sf_now_ns() - began)
    sf_store_relaxed(&state.last_began, began)
    sf_store_release(&state.callbacks, state.callbacks + 1)
    return 0  # paContinue


cdef double _seconds(uint64_t nanoseconds):
    return <double> nanoseconds / 1e9


cdef double _percentile(histogram *of, double fraction):
    """The upper edge of the bucket that holds this fraction of the values, in seconds; at most an eighth too much."""
    cdef uint64_t total = 0, seen = 0
    cdef Py_ssize_t bucket
    for bucket in range(BUCKETS):
        total += sf_load_relaxed(&of.counts[bucket])
    for bucket in range(BUCKETS):
        seen += sf_load_relaxed(&of.counts[bucket])
        if total and <double> seen >= fraction * <double> total:
            return min(_upper_edge(bucket), _seconds(sf_load_relaxed(&of.longest)))
    return 0.0


cdef double _upper_edge(Py_ssize_t bucket):
    if bucket < 8:
        return (bucket + 1) / 1e9
    return <double> (<uint64_t> (bucket % 8 + 9) << (bucket // 8 - 1)) / 1e9


cdef Py_ssize_t _frames(Py_ssize_t samples, Py_ssize_t channels, Py_ssize_t due) except -1:
    """How many frames they are, which should be as many as are due, unless that is -1."""
    if samples % channels or due not in (-1, samples // channels):
        wanted = f"{due} frames" if due >= 0 else "whole frames"
        raise ValueError(f"a block has {samples} samples of {channels} channels: that is not {wanted}")
    return samples // channels


cdef class StreamCallback:
    """What a native PortAudio stream calls back, and what it has seen.

    Threads: PortAudio's thread runs the callback; `statistics` and `idle_seconds` may be asked from anywhere. Keep it
    alive until the stream is closed; it keeps its queues alive. The stream must be float32, interleaved.

    Parameters
    ----------
    capture
        Gets what is recorded, several channels as their mean; None if nothing is.
    playout
        Is read for what is played, on every channel; None if nothing is.
    played
        Gets what was played as well, for a recording.
    input_channels, output_channels
        How many channels the stream has, 1 to 64.
    measure_cpu
        Measure the CPU time of each callback too. This makes two system calls in each, so it is for benchmarks.
    """

    cdef stream_state *state
    cdef object queues

    def __cinit__(
        self,
        CaptureQueue capture=None,
        JitterBuffer playout=None,
        CaptureQueue played=None,
        *,
        input_channels=1,
        output_channels=1,
        measure_cpu=False,
    ):
        for name, channels in (("input_channels", input_channels), ("output_channels", output_channels)):
            if not 1 <= PyNumber_Index(channels) <= 64:
                raise ValueError(f"{name} must be between 1 and 64, not {channels!r}")
        self.state = <stream_state *> calloc(1, sizeof(stream_state))
        if self.state == NULL:
            raise MemoryError
        self.queues = (capture, playout, played)
        if capture is not None:
            self.state.capture = capture.queue
        if playout is not None:
            self.state.playout = playout.queue
        if played is not None:
            self.state.played = played.queue
        self.state.input_channels = input_channels
        self.state.output_channels = output_channels
        self.state.measure_cpu = measure_cpu

    def __dealloc__(self):
        free(self.state)

    @property
    def address(self):
        """Of the PaStreamCallback, as an integer."""
        return <uintptr_t> &_callback

    @property
    def userdata(self):
        """What the callback wants as its user data, as an integer."""
        return <uintptr_t> self.state

    def run(self, indata, outdata, flags=0):
        """Do with a block what the native callback does: for where only Python can be called back.

        Parameters
        ----------
        indata, outdata
            Buffers of float32 samples, interleaved, of as many frames; None for a direction that the stream lacks.
        flags
            PaStreamCallbackFlags, as an integer.

        Raises
        ------
        TypeError, ValueError
            A buffer is not of float32 samples, not whole frames, or the two are not equally long.
        """
        cdef Py_buffer recorded, played
        cdef Py_ssize_t frames = -1
        memset(&recorded, 0, sizeof(Py_buffer))
        memset(&played, 0, sizeof(Py_buffer))
        try:
            if indata is not None:
                frames = _frames(acquire(indata, &recorded, c"f", False, "indata"), self.state.input_channels, -1)
            if outdata is not None:
                frames = _frames(acquire(outdata, &played, c"f", True, "outdata"), self.state.output_channels, frames)
            if frames > 0:
                _callback(recorded.buf, played.buf, <unsigned long> frames, NULL, flags, self.state)
        finally:
            PyBuffer_Release(&recorded)
            PyBuffer_Release(&played)

    def detach(self):
        """Let the queues alone from the next callback on: it plays silence and records nothing.

        For a stream that cannot be closed, because its sound server has died and might come back. A callback under way
        is done within a block.
        """
        sf_store_release(&self.state.detached, 1)

    @property
    def idle_seconds(self):
        """Seconds since the last callback began; None before the first."""
        if not sf_load_acquire(&self.state.callbacks):
            return None
        cdef uint64_t last = sf_load_relaxed(&self.state.last_began)
        cdef uint64_t now = sf_now_ns()
        return _seconds(now - last) if now > last else 0.0

    def statistics(self):
        """A snapshot of the counters, as `StreamStatistics`; counters may differ by a callback under way."""
        return StreamStatistics(
            callbacks=sf_load_acquire(&self.state.callbacks),
            input_frames=sf_load_relaxed(&self.state.input_frames),
            output_frames=sf_load_relaxed(&self.state.output_frames),
            input_overflows=sf_load_relaxed(&self.state.input_overflows),
            output_underflows=sf_load_relaxed(&self.state.output_underflows),
            priming_callbacks=sf_load_relaxed(&self.state.priming_callbacks),
            longest_callback=_seconds(sf_load_relaxed(&self.state.durations.longest)),
            p999_callback=_percentile(&self.state.durations, 0.999),
            longest_gap=_seconds(sf_load_relaxed(&self.state.gaps.longest)),
            p999_gap=_percentile(&self.state.gaps, 0.999),
        )

    def cpu_percentile(self, fraction):
        """CPU seconds of the callback's thread that this fraction of the callbacks stayed below, if measured."""
        return _percentile(&self.state.cpu_times, fraction)

    def duration_percentile(self, fraction):
        """Seconds that this fraction of the callbacks took at most, preemption included."""
        return _percentile(&self.state.durations, fraction)
