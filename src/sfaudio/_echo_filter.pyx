# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The filter of the echo canceller: a Kalman filter of the path (`_echo_path`), then a Wiener gain (`_echo_left`).

The gain works on windows of two blocks that overlap by half, so that what comes out is one block late. What it takes
from the room's noise is filled with noise as loud (`_echo_noise`).
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport M_PI, sin
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._echo_constants cimport (
    COMPARED_KEPT, FIRST_DB, HIGHEST_BINS, LEAK, LOWEST_BIN, MUTED, NOTHING, TAIL_KEPT, WRONG, WRONG_BLOCKS
)
from sfaudio._echo_left cimport (
    echo_left, left_begin, left_hear, left_learn, left_look, left_surprise, left_weigh
)
from sfaudio._echo_noise cimport echo_noise, noise_begin, noise_fill, noise_hear
from sfaudio._echo_path cimport (
    echo_path, path_begin, path_beyond, path_doubt, path_forget, path_learn, path_play, path_predict, path_raise,
    power_of
)
from sfaudio._fourier cimport MOST_BINS, MOST_POINTS, fourier_begin, fourier_forward, fourier_inverse, spectrum
from sfaudio._owners cimport CALL, NEW, give_back, hold

import numpy


cdef struct echo_filter:
    int hop
    int bins
    bint comfort_noise
    echo_path path
    float captured_power  # smooth, to see whether the path makes it worse
    float error_power
    int wrong_blocks  # in a row
    float tail[MOST_BINS]  # power of the echo beyond the taps
    echo_left left
    echo_noise noise
    float window[MOST_POINTS]  # half a sine: twice, before and after, it adds up to one
    float last_captured[MOST_HOP]
    float last_error[MOST_HOP]
    float overlap[MOST_HOP]
    echo_block last


cdef inline float _mean_square(const float *samples, Py_ssize_t frames) noexcept nogil:
    cdef float total = 0
    cdef Py_ssize_t k
    for k in range(frames):
        total += samples[k] * samples[k]
    return total / frames


# ---- the path

cdef void echo_filter_play(echo_filter *of, const float *played) noexcept nogil:
    cdef float beyond[MOST_BINS]
    cdef Py_ssize_t k
    path_beyond(&of.path, beyond)
    for k in range(of.bins):
        of.tail[k] = TAIL_KEPT * of.tail[k] + beyond[k] + NOTHING
    path_play(&of.path, played)


cdef void _predict(echo_filter *of, const float *captured) noexcept nogil:
    """And forget a path that makes it much worse: a headset was plugged in, or the filter has run away."""
    path_predict(&of.path, captured)
    of.last.captured = _mean_square(captured, of.hop)
    of.last.error = _mean_square(of.path.error, of.hop)
    of.captured_power = COMPARED_KEPT * of.captured_power + of.last.captured + NOTHING
    of.error_power = COMPARED_KEPT * of.error_power + of.last.error + NOTHING
    of.wrong_blocks = 0 if of.error_power < WRONG * of.captured_power else of.wrong_blocks + 1
    if of.wrong_blocks > WRONG_BLOCKS:
        path_forget(&of.path)
        path_predict(&of.path, captured)
        of.last.error = of.last.captured
        of.error_power = of.captured_power


cdef void _follow_changes(echo_filter *of) noexcept nogil:
    """When more is left than ever, the path is as unsure as that tells."""
    cdef float more = left_surprise(&of.left)
    if more > 1:
        path_raise(&of.path, more)
        of.last.changes += 1


# ---- the gain

cdef void _window(const echo_filter *of, float *last, const float *samples, spectrum *out) noexcept nogil:
    """The spectrum of this block and the last one, which it then is."""
    cdef float windowed[MOST_POINTS]
    cdef Py_ssize_t k
    for k in range(of.hop):
        windowed[k] = of.window[k] * last[k]
        windowed[of.hop + k] = of.window[of.hop + k] * samples[k]
    memcpy(last, samples, of.hop * sizeof(float))
    fourier_forward(&of.path.transform, windowed, out)


cdef void _overlap(echo_filter *of, const spectrum *src, float *out) noexcept nogil:
    cdef float samples[MOST_POINTS]
    cdef Py_ssize_t k
    fourier_inverse(&of.path.transform, src, samples)
    for k in range(of.hop):
        out[k] = of.overlap[k] + of.window[k] * samples[k]
        of.overlap[k] = of.window[of.hop + k] * samples[of.hop + k]


cdef void _expect(const echo_filter *of, float *left) noexcept nogil:
    """The power of the echo that is left in the error: of taps unsure, beyond the taps, and not linear."""
    cdef Py_ssize_t k
    for k in range(of.bins):
        # The window halves it.
        left[k] = <float> 0.5 * (of.path.error_unsure[k] + of.tail[k] + LEAK * power_of(&of.path.estimate, k))


cdef void _apply(const echo_filter *of, const float *gain, spectrum *error) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(of.bins):
        error.re[k] *= gain[k]
        error.im[k] *= gain[k]


cdef float _power_of_speech(const echo_filter *of, const spectrum *windowed) noexcept nogil:
    """The mean square where speech is, and neither hum nor a constant."""
    cdef float total = 0
    cdef Py_ssize_t k
    for k in range(LOWEST_BIN, of.bins - HIGHEST_BINS):
        total += power_of(windowed, k)
    return total / (of.hop * of.hop)  # By Parseval's theorem; the window halves it.


cdef void _suppress(echo_filter *of, float *out) noexcept nogil:
    cdef spectrum error
    cdef float power[MOST_BINS]
    cdef float expected[MOST_BINS]
    cdef float gain[MOST_BINS]
    cdef Py_ssize_t k
    _window(of, of.last_error, of.path.error, &error)
    for k in range(of.bins):
        power[k] = power_of(&error, k)
    _expect(of, expected)
    left_hear(&of.left, power, expected, of.bins)
    left_look(&of.left, of.noise.power, of.bins)
    _follow_changes(of)
    left_learn(&of.left, of.bins)
    left_weigh(&of.left, of.bins, gain)
    noise_hear(&of.noise, power, of.bins, of.left.bins_looked == 0)
    _apply(of, gain, &error)
    of.last.output = _power_of_speech(of, &error)
    if of.comfort_noise:
        noise_fill(&of.noise, gain, of.bins, &error)
    _overlap(of, &error, out)


# ---- blocks

cdef void _tell(echo_filter *of, const float *captured) noexcept nogil:
    cdef float estimate[MOST_HOP]
    cdef spectrum heard
    cdef Py_ssize_t k
    for k in range(of.hop):
        estimate[k] = captured[k] - of.path.error[k]
    of.last.estimate = _mean_square(estimate, of.hop)
    of.last.agent_alone = of.left.alone_blocks > 0
    _window(of, of.last_captured, captured, &heard)
    of.last.heard = _power_of_speech(of, &heard)


cdef void _pass(echo_filter *of, const float *captured, spectrum *heard, float *out) noexcept nogil:
    """As it is, for what follows."""
    _window(of, of.last_error, captured, heard)
    memcpy(of.last_captured, captured, of.hop * sizeof(float))
    _overlap(of, heard, out)
    of.last.estimate = of.last.heard = of.last.output = 0
    of.last.captured = of.last.error = _mean_square(captured, of.hop)
    of.last.agent_alone = False


cdef void echo_filter_block(
    echo_filter *of, const float *captured, const float *played, float *out
) noexcept nogil:
    cdef spectrum heard
    echo_filter_play(of, played)
    if _mean_square(captured, of.hop) < MUTED:
        _pass(of, captured, &heard, out)
        return
    _predict(of, captured)
    _tell(of, captured)
    path_learn(&of.path)
    _suppress(of, out)


cdef void echo_filter_pass(echo_filter *of, const float *captured) noexcept nogil:
    cdef float power[MOST_BINS]
    cdef float out[MOST_HOP]
    cdef spectrum heard
    cdef Py_ssize_t k
    _pass(of, captured, &heard, out)
    for k in range(of.bins):
        power[k] = power_of(&heard, k)
    noise_hear(&of.noise, power, of.bins, True)


cdef void echo_filter_doubt(echo_filter *of) noexcept nogil:
    path_doubt(&of.path)
    of.left.scale_db = max(of.left.scale_db, FIRST_DB)


cdef const echo_block *echo_filter_last(const echo_filter *of) noexcept nogil:
    return &of.last


# ---- life

cdef echo_filter *echo_filter_new(Py_ssize_t hop, bint comfort_noise) noexcept:
    cdef echo_filter *of = <echo_filter *> calloc(1, sizeof(echo_filter))
    cdef Py_ssize_t k
    if of == NULL:
        return NULL
    of.hop = of.path.hop = <int> hop
    of.bins = of.path.bins = <int> hop + 1
    of.comfort_noise = comfort_noise
    fourier_begin(&of.path.transform, <int> (2 * hop))
    for k in range(2 * hop):
        of.window[k] = <float> sin(M_PI * k / (2 * hop))
    path_begin(&of.path)
    left_begin(&of.left)
    noise_begin(&of.noise)
    return of


cdef void echo_filter_free(echo_filter *of) noexcept:
    free(of)


cdef class EchoFilter:
    """EchoFilter(samplerate, comfort_noise=True)\n--\n
    The filter as it is, for tests: on streams that are aligned, 10 ms late, of 8000 or 16000 Hz.

    One thread at a time; a second one gets a RuntimeError.
    """

    def __cinit__(self, samplerate, comfort_noise=True):
        self.user = <uintptr_t> NEW
        self.samplerate = <int> in_range(samplerate, "samplerate", "Hz", 8000, 16000)
        if self.samplerate % 8000:
            raise ValueError(f"samplerate must be 8000 or 16000 Hz, not {self.samplerate}")
        self.filter = echo_filter_new(self.samplerate // 100, bool(comfort_noise))
        if self.filter == NULL:
            raise MemoryError
        give_back(&self.user)

    def __dealloc__(self):
        echo_filter_free(self.filter)

    def process(self, captured, played):
        """The output for blocks of 10 ms of float32, as many frames of one as of the other.

        TypeError, ValueError for other arguments.
        """
        cdef Py_buffer src
        cdef Py_buffer reference
        cdef Py_buffer target
        cdef Py_ssize_t frames = acquire_mono(captured, &src, c"f", False, "captured")
        try:
            if acquire_mono(played, &reference, c"f", False, "played") != frames:
                PyBuffer_Release(&reference)
                raise ValueError("captured and played must have as many frames as each other")
            try:
                hold(&self.user, CALL, "this EchoFilter")
                try:
                    if frames % (self.samplerate // 100):
                        raise ValueError(
                            f"captured must be whole blocks of {self.samplerate // 100} frames, not {frames}"
                        )
                    out = numpy.empty(frames, numpy.float32)
                    acquire_mono(out, &target, c"f", True, "out")
                    self._process(src.buf, reference.buf, frames, target.buf)
                    PyBuffer_Release(&target)
                finally:
                    give_back(&self.user)
            finally:
                PyBuffer_Release(&reference)
        finally:
            PyBuffer_Release(&src)
        return out

    cdef void _process(self, const void *captured, const void *played, Py_ssize_t frames, void *out) noexcept:
        cdef float heard[MOST_HOP]
        cdef float said[MOST_HOP]
        cdef int hop = self.samplerate // 100
        cdef Py_ssize_t at = 0
        with nogil:
            while at < frames:
                memcpy(heard, <const float *> captured + at, hop * sizeof(float))  # from any address
                memcpy(said, <const float *> played + at, hop * sizeof(float))
                echo_filter_block(self.filter, heard, said, <float *> out + at)
                at += hop

    def skip(self, played):
        """Blocks were played whose captured frames are lost."""
        cdef Py_buffer reference
        cdef float said[MOST_HOP]
        cdef int hop = self.samplerate // 100
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t frames = acquire_mono(played, &reference, c"f", False, "played")
        try:
            hold(&self.user, CALL, "this EchoFilter")
            while at + hop <= frames:
                memcpy(said, <const float *> reference.buf + at, hop * sizeof(float))
                echo_filter_play(self.filter, said)
                at += hop
            give_back(&self.user)
        finally:
            PyBuffer_Release(&reference)

    def path_changed(self):
        """It is told of another path."""
        hold(&self.user, CALL, "this EchoFilter")
        echo_filter_doubt(self.filter)
        give_back(&self.user)

    def last(self):
        """What is known of the last block: see `echo_block`."""
        hold(&self.user, CALL, "this EchoFilter")
        cdef echo_block block = echo_filter_last(self.filter)[0]
        give_back(&self.user)
        return {
            "captured": block.captured,
            "estimate": block.estimate,
            "error": block.error,
            "heard": block.heard,
            "output": block.output,
            "agent_alone": bool(block.agent_alone),
            "changes": block.changes,
        }

    def __repr__(self):
        return f"<sfaudio._echo_filter.EchoFilter: {self.samplerate} Hz>"
