# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The gate: what a microphone hears passes only while the loudspeaker is silent. Two aligned streams in, one out.

::

            the agent sounds              he sounds no more
    OPEN -------------------> CLOSED <-----------------------> TAIL
     ^                                    he sounds again       |
     +----- 200 ms are over, or it is louder than any tail -----+

Each captured block gets a fate when it comes, and meets it 100 ms later. Who speaks before the tail is over is known
by being louder than any tail could be, a little late: then those of his blocks that still wait are given back to him,
but none that the agent sounded in.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport fabs
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._kernels cimport float32_to_int16_symmetric, int16_samples_to_float32
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._ring cimport sf_load_relaxed, sf_store_relaxed

import numpy

from sfaudio._statistics import EchoGateStatistics


cdef enum:
    WAITING_BLOCKS = 10  # of 10 ms: 19 in 20 callers have been found by then, where an echo is 10 dB below the agent
    SLOTS = WAITING_BLOCKS + 1
    TAIL_BLOCKS = 20  # after which a room of RT60 0.4 s has 30 dB less, one of 0.7 s 17
    CALLER_BLOCKS = 2  # in a row, that are louder than any tail: one may be a click
    MOST_DELAY_BLOCKS = 120
    PLAYED_BLOCKS = MOST_DELAY_BLOCKS + 1  # those that are known

cdef double MOST_DELAY_SECONDS = MOST_DELAY_BLOCKS / 100.0

cdef extern from * nogil:
    """
    #define SF_SOUNDS 0.001f  /* -60 dBFS: its echo is below a quiet room's noise */
    #define SF_LEAST_CALLER 1e-5  /* -50 dBFS as a power, the meter's quietest speech */
    #define SF_OVER_TAIL 3.981  /* 6 dB */
    #define SF_SLOWEST_TAIL 0.82089  /* what 10 ms leave of the power of a tail of RT60 0.7 s: 60 dB in 70 blocks */
    """
    const float SOUNDS "SF_SOUNDS"
    const double LEAST_CALLER "SF_LEAST_CALLER"
    const double OVER_TAIL "SF_OVER_TAIL"
    const double SLOWEST_TAIL "SF_SLOWEST_TAIL"

# Of the gate; and the fates of blocks that wait.
cdef enum gate_state:
    OPEN  # as captured
    CLOSED  # zeros: the agent sounds in it
    TAIL  # zeros, unless a caller is found before it leaves

cdef struct echo_gate:
    uint64_t user  # the owner word
    Py_ssize_t block  # 10 ms
    # What was played.
    uint64_t delay  # frames, after which it is heard; readable from anywhere
    uint64_t played_blocks
    bint sounded[PLAYED_BLOCKS]
    gate_state state
    int quiet  # blocks in TAIL
    int callers  # of these: in a row that are louder than any tail
    double tail  # the most power that one could have now
    # What was captured.
    uint64_t captured_blocks
    float *waiting  # [SLOTS][block]
    gate_state fates[SLOTS]
    bint was_passed  # the last block that left
    # Books, in frames.
    uint64_t passed
    uint64_t silenced
    uint64_t early_openings


cdef bint _agent_sounds(const echo_gate *gate) noexcept nogil:
    """In what is captured while the newest block is played: it may lie across two that were."""
    cdef uint64_t newest = gate.played_blocks - 1 + PLAYED_BLOCKS
    cdef uint64_t block = <uint64_t> gate.block
    cdef uint64_t heard = newest - gate.delay // block
    return gate.sounded[heard % PLAYED_BLOCKS] or (
        gate.delay % block != 0 and gate.sounded[(heard - 1) % PLAYED_BLOCKS]
    )


cdef void _play(echo_gate *gate, const float *played) noexcept nogil:
    """Another block was played."""
    cdef bint sounds = False
    cdef Py_ssize_t i
    for i in range(gate.block):
        sounds |= not fabs(played[i]) <= SOUNDS  # what is no number is no silence
    gate.sounded[gate.played_blocks % PLAYED_BLOCKS] = sounds
    gate.played_blocks += 1
    gate.tail *= SLOWEST_TAIL
    if _agent_sounds(gate):
        gate.state = CLOSED
    elif gate.state == CLOSED:
        gate.state, gate.quiet, gate.callers = TAIL, 1, 0
    elif gate.state == TAIL:
        gate.quiet += 1
        if gate.quiet > TAIL_BLOCKS:
            gate.state = OPEN


cdef void _look_back(echo_gate *gate) noexcept nogil:
    """What waits, and came after the agent, is the caller's."""
    cdef uint64_t at = gate.captured_blocks
    cdef uint64_t oldest = at - min(at, <uint64_t> WAITING_BLOCKS)
    while at > oldest and gate.fates[(at - 1) % SLOTS] == TAIL:
        at -= 1
        gate.fates[at % SLOTS] = OPEN


cdef void _hear(echo_gate *gate, const float *captured) noexcept nogil:
    """Of the agent, how loud his tail may be; in the tail, whether it is louder."""
    cdef double power = 0
    cdef Py_ssize_t i
    for i in range(gate.block):
        power += <double> captured[i] * captured[i] / gate.block
    if gate.state == CLOSED:
        if power > gate.tail:
            gate.tail = min(power, 1.0)
    elif gate.state == TAIL:
        gate.callers = gate.callers + 1 if power > max(OVER_TAIL * gate.tail, LEAST_CALLER) else 0
        if gate.callers == CALLER_BLOCKS:
            gate.state = OPEN
            gate.early_openings += 1
            _look_back(gate)


cdef inline bint _crosses(const float *block, Py_ssize_t i) noexcept nogil:
    """Whether the wave is zero between frame `i` and the one before it."""
    return (block[i] >= 0) != (block[i - 1] >= 0)


cdef void _leave(echo_gate *gate, uint64_t at, float *out) noexcept nogil:
    """The block of this number meets its fate.

    Where sound and zeros meet, it is cut at the nearest zero of its wave: a step as high as the wave would click. (A
    fade would give what neither was captured nor is silence.)
    """
    cdef const float *block = gate.waiting + at % SLOTS * gate.block
    cdef bint is_passed = gate.fates[at % SLOTS] == OPEN
    cdef bint will_pass = gate.fates[(at + 1) % SLOTS] == OPEN
    cdef Py_ssize_t begin = 0, end = gate.block if is_passed else 0, i
    if is_passed and not gate.was_passed:
        for i in range(1, gate.block):
            if _crosses(block, i):
                begin = i
                break
    if is_passed and not will_pass:
        for i in range(gate.block - 1, begin, -1):
            if _crosses(block, i):
                end = i
                break
    memset(out, 0, gate.block * sizeof(float))
    memcpy(out + begin, block + begin, (end - begin) * sizeof(float))
    gate.passed += <uint64_t> (end - begin)
    gate.silenced += <uint64_t> (gate.block - (end - begin))
    gate.was_passed = is_passed


cdef void _process(echo_gate *gate, const float *captured, const float *played, float *out) noexcept nogil:
    """A block of each."""
    cdef uint64_t at = gate.captured_blocks
    _play(gate, played)
    _hear(gate, captured)
    memcpy(gate.waiting + at % SLOTS * gate.block, captured, gate.block * sizeof(float))
    gate.fates[at % SLOTS] = gate.state
    if at >= WAITING_BLOCKS:
        _leave(gate, at - WAITING_BLOCKS, out)
    else:
        memset(out, 0, gate.block * sizeof(float))
    gate.captured_blocks += 1


cdef inline void _to_float32(const Py_buffer *of, Py_ssize_t at, float *out, Py_ssize_t frames) noexcept:
    """So many frames from this one on."""
    if of.itemsize == 4:
        memcpy(out, <const float *> of.buf + at, frames * sizeof(float))
    else:
        int16_samples_to_float32(<const int16_t *> of.buf + at, out, frames)


cdef double _delay(object seconds) except -1.0:
    cdef double number
    try:
        number = seconds
    except (TypeError, OverflowError):
        raise TypeError(f"delay_seconds must be a number, not {type(seconds).__name__}") from None
    if not 0 <= number <= MOST_DELAY_SECONDS:
        raise ValueError(f"delay_seconds must be between 0 and {MOST_DELAY_SECONDS:g}, not {number:g}")
    return number


cdef class EchoGate:
    """EchoGate(samplerate, *, delay_seconds=0.0)\n--\n
    Silences a microphone while the agent is heard from the loudspeaker: half duplex, for where no canceller helps.

    While what was played is above -60 dBFS, `delay_seconds` later, and for 200 ms after, what is captured becomes exact
    zeros. A caller who speaks up in these 200 ms opens it: two blocks of 10 ms in a row that are 6 dB louder than the
    tail of a room of RT60 0.7 s could be, from the loudest that was captured of the agent, and above -50 dBFS. What he
    said before then, and since the agent's last sound, is given back to him, as far as it has not left yet: all that is
    captured waits for `latency`.

    Each captured frame leaves once, as itself or as zero. It is not faded: where the two meet, the cut is moved to the
    next zero of the wave, if there is one within 10 ms, so that it does not click.

    Threads: one at a time; a second one gets a RuntimeError, which names who has it. Streaming allocates nothing but
    the arrays that `process` returns.

    Parameters
    ----------
    samplerate
        In Hz, from 8,000 to 768,000, a multiple of 100.
    delay_seconds
        From when something is played until it is captured, 0 to 1.2: of the devices and the air between.

    Raises
    ------
    TypeError, ValueError
        A parameter is no number, or out of range.
    """

    cdef echo_gate *gate
    cdef float *scratch  # [3][block]
    cdef readonly int samplerate

    def __cinit__(self, samplerate, *, delay_seconds=0.0):
        self.gate = <echo_gate *> calloc(1, sizeof(echo_gate))
        if self.gate == NULL:
            raise MemoryError
        self.gate.user = <uintptr_t> NEW
        self.samplerate = <int> in_range(samplerate, "samplerate", "Hz", 8000, 768_000)
        if self.samplerate % 100:
            raise ValueError(
                f"samplerate must be a multiple of 100 Hz, not {self.samplerate}: use a Resampler, to 16000 Hz perhaps"
            )
        self.gate.delay = self._frames(delay_seconds)
        self.gate.block = self.samplerate // 100
        self.gate.was_passed = True
        self.gate.waiting = <float *> calloc((SLOTS + 3) * self.gate.block, sizeof(float))
        if self.gate.waiting == NULL:
            raise MemoryError
        self.scratch = self.gate.waiting + SLOTS * self.gate.block
        give_back(&self.gate.user)

    def __dealloc__(self):
        if self.gate != NULL:
            free(self.gate.waiting)
            free(self.gate)

    def __repr__(self):
        try:
            state = "open" if self.statistics().is_open else "closed"
        except RuntimeError:
            state = "in use"
        return f"<sfaudio.EchoGate: {self.samplerate} Hz, {state}>"

    @property
    def latency(self):
        """By how much the output is behind the input, in seconds; as long, zeros come first."""
        return WAITING_BLOCKS / 100.0

    @property
    def delay_seconds(self):
        """From when something is played until it is captured. It may be set while sound flows, as what was played in
        the last 1.2 s is known; what was captured before keeps its fate."""
        return <double> sf_load_relaxed(&self.gate.delay) / self.samplerate

    @delay_seconds.setter
    def delay_seconds(self, seconds):
        cdef uint64_t delay = self._frames(seconds)
        hold(&self.gate.user, CALL, "this EchoGate")
        sf_store_relaxed(&self.gate.delay, delay)
        give_back(&self.gate.user)

    cdef uint64_t _frames(self, object seconds) except? 0:
        return <uint64_t> (_delay(seconds) * self.samplerate + 0.5)

    def process(self, captured, played):
        """What may pass of the next frames of both streams.

        Parameters
        ----------
        captured, played
            Mono buffers of int16 or float32 samples, or of raw bytes of int16: as long as each other, in whole blocks
            of 10 ms.

        Returns
        -------
        A new `numpy.ndarray`, of the type and the length of `captured`: what was captured `latency` before.

        Raises
        ------
        TypeError, ValueError
            As `int16_to_float32` for its `src`; or their lengths do not fit. Nothing was taken.
        """
        cdef Py_buffer view, beside
        cdef Py_ssize_t frames = acquire_mono(captured, &view, c"*", False, "captured")
        cdef Py_ssize_t others
        try:
            others = acquire_mono(played, &beside, c"*", False, "played")
            try:
                if frames != others:
                    raise ValueError(f"captured has {frames} frames, but played {others}: give as many of both")
                hold(&self.gate.user, CALL, "this EchoGate")
                try:
                    self._check(frames, "captured")
                    return self._process(&view, &beside, frames)
                finally:
                    give_back(&self.gate.user)
            finally:
                PyBuffer_Release(&beside)
        finally:
            PyBuffer_Release(&view)

    cdef object _process(self, const Py_buffer *captured, const Py_buffer *played, Py_ssize_t frames):
        cdef Py_buffer view
        cdef Py_ssize_t block = self.gate.block, at
        cdef float *out = self.scratch + 2 * block
        cdef bint is_float = captured.itemsize == 4
        passed = numpy.empty(frames, numpy.float32 if is_float else numpy.int16)
        acquire_mono(passed, &view, c"f" if is_float else c"h", True, "passed")
        for at in range(0, frames, block):
            _to_float32(captured, at, self.scratch, block)
            _to_float32(played, at, self.scratch + block, block)
            _process(self.gate, self.scratch, self.scratch + block, out)
            if is_float:
                memcpy(<float *> view.buf + at, out, block * sizeof(float))
            else:
                float32_to_int16_symmetric(out, <int16_t *> view.buf + at, block)
        PyBuffer_Release(&view)
        return passed

    def skip(self, played):
        """This was played while captured frames were lost: nothing comes out, but what was played is known.

        In whole blocks of 10 ms. Raises as `process`.
        """
        cdef Py_buffer view
        cdef Py_ssize_t frames = acquire_mono(played, &view, c"*", False, "played")
        cdef Py_ssize_t at
        try:
            hold(&self.gate.user, CALL, "this EchoGate")
            try:
                self._check(frames, "played")
                for at in range(0, frames, self.gate.block):
                    _to_float32(&view, at, self.scratch, self.gate.block)
                    _play(self.gate, self.scratch)
            finally:
                give_back(&self.gate.user)
        finally:
            PyBuffer_Release(&view)

    cdef int _check(self, Py_ssize_t frames, str name) except -1:
        if frames % self.gate.block:
            raise ValueError(f"{name} has {frames} frames: give whole blocks of {self.gate.block}, 10 ms")
        return 0

    def statistics(self):
        """What became of all that was captured, as `EchoGateStatistics`. RuntimeError if another thread is at it."""
        cdef echo_gate *gate = self.gate
        cdef uint64_t block = <uint64_t> gate.block
        hold(&gate.user, CALL, "this EchoGate")
        cdef gate_state state = gate.state
        cdef uint64_t blocks = gate.captured_blocks, passed = gate.passed, silenced = gate.silenced
        cdef uint64_t early_openings = gate.early_openings
        give_back(&gate.user)
        return EchoGateStatistics(
            is_open=state == OPEN,
            frames=blocks * block,
            passed_frames=passed,
            silenced_frames=silenced,
            waiting_frames=min(blocks, <uint64_t> WAITING_BLOCKS) * block,
            early_openings=early_openings,
        )
