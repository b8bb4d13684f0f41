# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The PortAudio callback: microphone to capture queue, playout queue to loudspeaker, without Python.

It takes no GIL and no lock, allocates nothing, makes no system call, and its work is bounded by the block. What it sees
of the device it counts, in words that the Python side reads with atomics.

It checks nothing about its queues: it has their sides from when it is made until it is detached. Then two words
decide: the callback raises `busy` and looks whether it is `detached`, who detaches does it the other way round. So each
callback leaves the queues alone, or is seen and waited for (Dekker's way, in E. W. Dijkstra, "Cooperating sequential
processes", 1965).
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cimport cython

from sfaudio._buffers cimport acquire, in_range
from sfaudio._capture cimport CaptureQueue, capture_hold_writer, capture_release_writer
from sfaudio._histogram cimport histogram, longest_seconds, percentile, record
from sfaudio._meter cimport Meter, meter_hold_writer, meter_release_writer
from sfaudio._owners cimport CALL, NEW, give_back, hold, sf_hold
from sfaudio._pcm cimport JitterBuffer, playout_hold_reader, playout_release_reader
from sfaudio._playout cimport PlayoutEngine, engine_hold_reader, engine_release_reader
from sfaudio._position cimport look_at_position, stream_position, tell_position
from sfaudio._ring cimport LOOKS, LOOKS_AT_ONCE
from sfaudio._ring cimport sf_exchange, sf_load_acquire, sf_load_ordered, sf_load_relaxed
from sfaudio._ring cimport sf_store_relaxed, sf_store_release
from sfaudio._sound cimport block_sound, play_block, record_block, want_gain, wanted_gain

from os import getpid
from time import sleep

from sfaudio._statistics import StreamPosition, StreamStatistics


cdef extern from "_clock.h" nogil:
    uint64_t sf_now_ns()
    uint64_t sf_thread_cpu_ns()


cdef enum:
    # PaStreamCallbackFlags (portaudio.h)
    INPUT_OVERFLOW = 2
    OUTPUT_UNDERFLOW = 4
    PRIMING_OUTPUT = 16

cdef const char *STREAM = b"a stream that is open: close it first"
cdef const char *NATIVE = b"native code that got its userdata: close it when that calls back no more"
# How long a callback may take to leave the queues: it needs microseconds, unless it is kept from running.
cdef double LEAVING_STEP = 0.0005
cdef int LEAVING_STEPS = 1000
cdef float MOST_GAIN = 16.0  # 24 dB: speech that is softer is lost in the 16 bits of the wire already


cdef struct stream_state:
    block_sound sound
    bint measure_cpu
    uint64_t caller  # the owner word: whoever may run the callback
    uint64_t holding  # whether the sides of the queues are held
    uint64_t kept  # whether native code may call, so that nothing must be freed
    # Written by the callback, read with atomics.
    uint64_t callbacks
    uint64_t input_frames
    uint64_t output_frames
    uint64_t input_overflows
    uint64_t output_underflows
    uint64_t priming_callbacks
    uint64_t last_began
    stream_position position
    uint64_t busy
    uint64_t detached  # written by the Python side
    histogram durations
    histogram gaps
    histogram cpu_times


cdef inline void _add(uint64_t *counter, uint64_t count) noexcept nogil:
    sf_store_relaxed(counter, counter[0] + count)


cdef int _callback(
    const void *input, void *output, unsigned long frames, const void *time_info, unsigned long flags, void *user_data
) noexcept nogil:
    """A PaStreamCallback."""
    cdef stream_state *state = <stream_state *> user_data
    cdef uint64_t began = sf_now_ns()
    cdef uint64_t cpu_began = sf_thread_cpu_ns() if state.measure_cpu else 0
    cdef uint64_t played = state.output_frames
    sf_exchange(&state.busy, 1)
    if sf_load_ordered(&state.detached):
        if output != NULL:
            memset(output, 0, <size_t> frames * <size_t> state.sound.output_channels * sizeof(float))
        sf_store_relaxed(&state.last_began, began)
        _add(&state.callbacks, 1)  # so that the device is known to live
        sf_store_release(&state.busy, 0)
        return 0
    if state.callbacks:
        record(&state.gaps, began - state.last_began)
    # First, so that what was played is there when what was recorded with it is.
    if output != NULL and (state.sound.playout != NULL or state.sound.engine != NULL):
        play_block(&state.sound, <float *> output, <Py_ssize_t> frames, <double> began / 1e9)
        _add(&state.output_frames, frames)
    if input != NULL and state.sound.capture != NULL:
        record_block(&state.sound, <const float *> input, <Py_ssize_t> frames, <double> began / 1e9)
        _add(&state.input_frames, frames)
    tell_position(&state.position, began, state.input_frames, played)
    if flags & INPUT_OVERFLOW:
        _add(&state.input_overflows, 1)
    if flags & OUTPUT_UNDERFLOW:
        _add(&state.output_underflows, 1)
    if flags & PRIMING_OUTPUT:
        _add(&state.priming_callbacks, 1)
    if state.measure_cpu:
        record(&state.cpu_times, sf_thread_cpu_ns() - cpu_began)
    record(&state.durations, sf_now_ns() - began)
    sf_store_relaxed(&state.last_began, began)
    sf_store_release(&state.callbacks, state.callbacks + 1)
    sf_store_release(&state.busy, 0)
    return 0  # paContinue


cdef double _seconds(uint64_t nanoseconds):
    return <double> nanoseconds / 1e9


cdef int _set_gain(stream_state *state, object gain) except -1:
    cdef float wanted
    try:
        wanted = gain
    except (TypeError, OverflowError):
        raise TypeError(f"output_gain must be a number, not {gain!r}") from None
    if not 0 <= wanted <= MOST_GAIN:
        raise ValueError(f"output_gain must be between 0 and {MOST_GAIN:g}, not {gain!r}")
    want_gain(&state.sound, wanted)
    return 0


cdef Py_ssize_t _frames(Py_ssize_t samples, Py_ssize_t channels, Py_ssize_t due) except -1:
    """How many frames they are, which should be as many as are due, unless that is -1."""
    if samples % channels or due not in (-1, samples // channels):
        wanted = f"{due} frames" if due >= 0 else "whole frames"
        raise ValueError(f"a block has {samples} samples of {channels} channels: that is not {wanted}")
    return samples // channels


@cython.no_gc_clear  # the queues must be there when it is deallocated
cdef class StreamCallback:
    """StreamCallback(capture=None, playout=None, played=None, *, reference=None, capture_meter=None, \
    playout_meter=None, input_channels=1, input_channel=None, output_channels=1, output_gain=1.0, \
    measure_cpu=False)\n--\n
    What a native PortAudio stream calls back, and what it has seen.

    It is the writer of `capture`, `played`, `reference` and the meters and the reader of `playout` from when it is made
    until `detach`, `close`, or until it is dropped. From when `userdata` is asked for until `close`, nothing is freed
    even if it is dropped: the callback may run. So without `close` its memory and its queues are kept for ever, and
    their sides held.

    Threads: PortAudio's thread runs the callback; all but `run` may be asked from anywhere. The stream must be float32,
    interleaved.

    Parameters
    ----------
    capture
        Gets what is recorded; None if nothing is.
    playout
        A JitterBuffer or a PlayoutEngine: is read for what is played, on every channel; None if nothing is.
    played
        Gets what was played as well, before `output_gain`, for a recording.
    reference
        Gets what the loudspeaker gets, after `output_gain`, for an echo canceller. With both directions, each callback
        writes as many frames to it as to `capture`: the frames of a callback belong together.
    capture_meter, playout_meter
        Hears what is recorded, or played before `output_gain`. The first frame of a block that is recorded sounds as
        long before the callback as the block lasts, that of one that is played when the callback begins; the device's
        latencies are left to whoever knows them. The clock is that of `time.perf_counter()`.
    input_channels, output_channels
        How many channels the stream has, 1 to 64.
    input_channel
        The one that is recorded alone, counted from 1 as in a mapping of sounddevice; None for the mean of all.
    output_gain
        See the property.
    measure_cpu
        Measure the CPU time of each callback too. This makes two system calls in each, so it is for benchmarks.

    Raises
    ------
    TypeError, ValueError
        A number of channels is no whole number, or out of range; a gain is; a meter has nothing to hear, or `reference`
        nothing to get.
    RuntimeError, MemoryError
        A side that it needs is held, or it is to write one queue twice; there is no memory for what it writes.
    """

    cdef stream_state *state
    cdef object queues
    cdef object pid

    def __cinit__(
        self,
        CaptureQueue capture=None,
        playout=None,
        CaptureQueue played=None,
        *,
        CaptureQueue reference=None,
        Meter capture_meter=None,
        Meter playout_meter=None,
        input_channels=1,
        input_channel=None,
        output_channels=1,
        output_gain=1.0,
        measure_cpu=False,
    ):
        self.state = <stream_state *> calloc(1, sizeof(stream_state))
        if self.state == NULL:
            raise MemoryError
        self.state.caller = <uintptr_t> NEW
        self.queues = (capture, playout, played, reference, capture_meter, playout_meter)
        self.pid = getpid()
        # Until they are known: the code of an argument finds the object among those of the collector.
        self.state.sound.input_channels = self.state.sound.output_channels = 1
        self.state.sound.input_channels = <Py_ssize_t> in_range(input_channels, "input_channels", "channels", 1, 64)
        self.state.sound.output_channels = <Py_ssize_t> in_range(output_channels, "output_channels", "channels", 1, 64)
        self.state.sound.input_channel = -1
        if input_channel is not None:
            self.state.sound.input_channel = <Py_ssize_t> in_range(
                input_channel, "input_channel", "(counted from 1)", 1, <uint64_t> self.state.sound.input_channels
            ) - 1
        _set_gain(self.state, output_gain)
        self.state.sound.gain = wanted_gain(&self.state.sound)
        for side, meter, of in (("capture", capture_meter, capture), ("playout", playout_meter, playout)):
            if meter is not None and of is None:
                raise ValueError(f"{side}_meter has nothing to hear: there is no {side}")
        if reference is not None and playout is None:
            raise ValueError("reference has nothing to get: there is no playout")
        self.state.measure_cpu = measure_cpu
        self.state.holding = True
        # Each is in the state when it is held, so that an error on the way leaves nothing half-held.
        if capture is not None:
            capture_hold_writer(capture.queue, STREAM)
            self.state.sound.capture = capture.queue
        if isinstance(playout, PlayoutEngine):
            engine_hold_reader((<PlayoutEngine> playout).engine, STREAM)
            self.state.sound.engine = (<PlayoutEngine> playout).engine
        elif isinstance(playout, JitterBuffer):
            playout_hold_reader((<JitterBuffer> playout).queue, STREAM)
            self.state.sound.playout = (<JitterBuffer> playout).queue
        elif playout is not None:
            raise TypeError(f"playout must be a JitterBuffer or a PlayoutEngine, not {type(playout).__name__}")
        if played is not None:
            capture_hold_writer(played.queue, STREAM)
            self.state.sound.played = played.queue
        if reference is not None:
            capture_hold_writer(reference.queue, STREAM)
            self.state.sound.reference = reference.queue
        if capture_meter is not None:
            meter_hold_writer(capture_meter.meter, STREAM)
            self.state.sound.capture_meter = capture_meter.meter
            self.state.sound.capture_samplerate = capture_meter.samplerate
        if playout_meter is not None:
            meter_hold_writer(playout_meter.meter, STREAM)
            self.state.sound.playout_meter = playout_meter.meter
            self.state.sound.playout_samplerate = playout_meter.samplerate
        give_back(&self.state.caller)

    def __dealloc__(self):
        if self.state != NULL and not sf_load_acquire(&self.state.kept):
            self._release()
            free(self.state)

    cdef void _release(self) noexcept:
        """The sides of the queues, once."""
        if sf_exchange(&self.state.holding, False):
            if self.state.sound.capture != NULL:
                capture_release_writer(self.state.sound.capture)
            if self.state.sound.playout != NULL:
                playout_release_reader(self.state.sound.playout)
            if self.state.sound.engine != NULL:
                engine_release_reader(self.state.sound.engine)
            if self.state.sound.played != NULL:
                capture_release_writer(self.state.sound.played)
            if self.state.sound.reference != NULL:
                capture_release_writer(self.state.sound.reference)
            if self.state.sound.capture_meter != NULL:
                meter_release_writer(self.state.sound.capture_meter)
            if self.state.sound.playout_meter != NULL:
                meter_release_writer(self.state.sound.playout_meter)

    def __repr__(self):
        cdef const block_sound *sound = &self.state.sound
        channels = f"{sound.input_channels} input and {sound.output_channels} output channels"
        return f"<sfaudio._callback.StreamCallback: {channels}, {sf_load_acquire(&self.state.callbacks)} callbacks>"

    @property
    def address(self):
        """Of the PaStreamCallback, as an integer."""
        return <uintptr_t> &_callback

    @property
    def userdata(self):
        """What the callback wants as its user data, as an integer. Whoever asks must `close` when nothing calls back.

        RuntimeError while `run` is under way in another thread.
        """
        cdef uint64_t found = sf_hold(&self.state.caller, <uintptr_t> NATIVE)
        if found == 0:
            Py_INCREF(self.queues)
            sf_store_release(&self.state.kept, True)
        elif found != <uintptr_t> NATIVE:
            raise RuntimeError("this StreamCallback is run by Python: native code cannot have it too")
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
        RuntimeError
            Another thread runs it, or native code may, which has its `userdata`.
        """
        cdef const block_sound *sound = &self.state.sound
        cdef Py_buffer recorded, played
        cdef Py_ssize_t frames = -1
        cdef unsigned long bits = <unsigned long> in_range(flags, "flags", "(PaStreamCallbackFlags)", 0, 0xFFFFFFFF)
        memset(&recorded, 0, sizeof(Py_buffer))
        memset(&played, 0, sizeof(Py_buffer))
        try:
            if indata is not None:
                frames = _frames(acquire(indata, &recorded, c"f", False, "indata"), sound.input_channels, -1)
            if outdata is not None:
                frames = _frames(acquire(outdata, &played, c"f", True, "outdata"), sound.output_channels, frames)
            hold(&self.state.caller, CALL, "this StreamCallback")
            if frames > 0:
                _callback(recorded.buf, played.buf, <unsigned long> frames, NULL, bits, self.state)
            give_back(&self.state.caller)
        finally:
            PyBuffer_Release(&recorded)
            PyBuffer_Release(&played)

    def detach(self):
        """Let the queues alone: each callback from now on plays silence and records nothing, and others may use them.

        For a stream that cannot be closed, because its sound server has died and might come back. Waits for a callback
        under way, which is done within microseconds; for half a second at most, if its thread is kept from running.

        Returns
        -------
        Whether it has left the queues. If not, their sides are still held: call this again.
        """
        sf_exchange(&self.state.detached, True)
        for _ in range(LEAVING_STEPS):
            # A forked child has no thread that could be in it.
            if not sf_load_ordered(&self.state.busy) or getpid() != self.pid:
                self._release()
                return True
            sleep(LEAVING_STEP)
        return False

    def close(self):
        """The stream is closed, and nothing calls back any more: what was kept for it can be freed.

        RuntimeError if a callback is under way; then nothing is given back.
        """
        if not self.detach():
            raise RuntimeError("a callback of this StreamCallback is under way: close the stream first")
        if sf_exchange(&self.state.kept, False):
            give_back(&self.state.caller)
            Py_DECREF(self.queues)

    @property
    def output_gain(self):
        """The factor on what is played, from 0 to 16: 1.0 as it comes. What is beyond full scale is cut off.

        Set from anywhere: the next block goes from one to the other in a straight line, so nothing clicks. TypeError,
        ValueError for what is no such number.
        """
        return wanted_gain(&self.state.sound)

    @output_gain.setter
    def output_gain(self, gain):
        _set_gain(self.state, gain)

    @property
    def idle_seconds(self):
        """Seconds since the last callback began; None before the first."""
        if not sf_load_acquire(&self.state.callbacks):
            return None
        cdef uint64_t last = sf_load_relaxed(&self.state.last_began)
        cdef uint64_t now = sf_now_ns()
        return _seconds(now - last) if now > last else 0.0

    def position(self):
        """How far it is, as a `StreamPosition`, which is consistent; None before the first callback.

        RuntimeError in a forked child, if a callback was in the middle of it.
        """
        cdef stream_position seen
        cdef int look
        for look in range(LOOKS):
            if look >= LOOKS_AT_ONCE:
                sleep(0.0001)
            if look_at_position(&self.state.position, &seen):
                if not seen.sequence:
                    return None
                return StreamPosition(_seconds(seen.began), seen.input_frames, seen.output_frames)
        raise RuntimeError("a callback of this StreamCallback does not go on: was the process forked? Ask its parent")

    def statistics(self):
        """A snapshot of the counters, as `StreamStatistics`; counters may differ by a callback under way."""
        return StreamStatistics(
            callbacks=sf_load_acquire(&self.state.callbacks),
            input_frames=sf_load_relaxed(&self.state.input_frames),
            output_frames=sf_load_relaxed(&self.state.output_frames),
            input_overflows=sf_load_relaxed(&self.state.input_overflows),
            output_underflows=sf_load_relaxed(&self.state.output_underflows),
            priming_callbacks=sf_load_relaxed(&self.state.priming_callbacks),
            longest_callback=longest_seconds(&self.state.durations),
            p999_callback=percentile(&self.state.durations, 0.999),
            longest_gap=longest_seconds(&self.state.gaps),
            p999_gap=percentile(&self.state.gaps, 0.999),
        )

    def cpu_percentile(self, fraction):
        """CPU seconds of the callback's thread that this fraction of the callbacks stayed below, if measured."""
        return percentile(&self.state.cpu_times, fraction)

    def duration_percentile(self, fraction):
        """Seconds that this fraction of the callbacks took at most, preemption included."""
        return percentile(&self.state.durations, fraction)
