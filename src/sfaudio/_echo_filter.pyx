# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The filter of the echo canceller: a partitioned Kalman filter in the frequency domain, and a Wiener gain after it.

The echo path is 200 ms of taps in partitions of one block (J.-S. Soo, K. K. Pang, "Multidelay block frequency domain
adaptive filter", 1990), estimated with its uncertainty for each bin (G. Enzner, P. Vary, "Frequency-domain adaptive
Kalman filter for acoustic echo control in hands-free telephones", 2006; the diagonal approximation of F. Kuech,
E. Mabande, G. Enzner, "State-space architecture of the partitioned-block-based acoustic echo controller", 2014). What
the uncertainty says is left of the echo is taken from the error by a Wiener gain.

A second such filter, the shadow, begins anew again and again, and is taken over when it is clearly better: then the
path has changed (K. Ochiai, T. Araseki, T. Ogihara, "Echo canceler with two echo path models", 1977).
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport M_PI, exp, sqrt
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._fourier cimport MOST_BINS, MOST_POINTS, fourier, fourier_begin, fourier_forward, fourier_inverse, spectrum
from sfaudio._owners cimport CALL, NEW, give_back, hold

import numpy


cdef enum:
    PARTITIONS = 20  # 200 ms: with 100 a room of RT60 0.4 s is cancelled 10 dB less, with 300 no better
    TURN = 4  # in each block every fourth partition is held to its taps: no worse than all, a quarter of the cost
    TAIL_PARTITIONS = 4  # the last ones, which tell how loud the room is beyond them
    SHADOW_BLOCKS = 50  # of sound, after which the shadow begins anew
    SHADOW_WINS = 3  # blocks in a row that it must be better, to be taken over
    MINIMA = 5  # of the noise, over MINIMUM_BLOCKS each: 2 s, longer than most words
    MINIMUM_BLOCKS = 40

cdef extern from *:
    """
    static const float KEPT = 0.996004f;  /* of the path's power from block to block: it may be another in 2.5 s */
    static const float SURE = 0.25f;  /* of what a step could tell is believed: the bins of a partition are not apart */
    static const float NEAR_KEPT = 0.8f;  /* of the error's power from block to block: speech lasts 50 ms */
    static const float HEED = 2.0f;  /* times that power is heeded as noise, so that a caller disturbs nothing */
    static const float LEAST_UNSURE = 1e-12f;  /* of a tap's power: it can be learnt again */
    static const float ROOM_DECAY_SECONDS = 0.25f;  /* RT60 of the path expected */
    static const float LEAST_PATH = 1e-3f;  /* of its power is expected anywhere */
    static const float OVER = 2.0f;  /* times the echo left is taken off: that is an expectation */
    static const float FLOOR = 0.0316228f;  /* -30 dB: the least gain */
    static const float LEAK = 1e-3f;  /* -30 dB: of the estimate is left at least, by what is not linear */
    static const float TAIL_KEPT = 0.76f;  /* of the room's power from block to block beyond the taps: RT60 0.5 s */
    static const float BETTER = 0.5f;  /* of the filter's error power is the shadow's, to be better */
    static const float LOOKED_KEPT = 0.9f;  /* of these powers from block to block */
    static const float QUIET = 1e-4f;  /* mean power of a bin below which the reference teaches nothing */
    static const float SMOOTH_KEPT = 0.9f;  /* of the power whose minimum is the noise's */
    static const float MINIMUM_BIAS = 1.6f;  /* by which the noise is above the minimum of that over 2 s */
    static const float NOTHING = 1e-20f;  /* what is below becomes zero: far from denormals, which are slow */
    """
    const float KEPT, SURE, NEAR_KEPT, HEED, LEAST_UNSURE, ROOM_DECAY_SECONDS, LEAST_PATH
    const float OVER, FLOOR, LEAK, TAIL_KEPT, BETTER, LOOKED_KEPT, QUIET, SMOOTH_KEPT, MINIMUM_BIAS, NOTHING


# A Kalman filter: its state is the path, a partition of it for each block of the past.
cdef struct kalman:
    spectrum path[PARTITIONS]
    float unsure[PARTITIONS][MOST_BINS]  # the variance of that
    float near[MOST_BINS]  # the power of all that is no echo
    # Of this block.
    spectrum estimate
    float error[MOST_HOP]
    float error_unsure[MOST_BINS]  # the power that is expected of the error, as the path is unsure


# The least of a power within the last 2 s.
cdef struct noise_floor:
    float smooth[MOST_BINS]
    float least[MINIMA][MOST_BINS]
    int at
    int blocks
    float power[MOST_BINS]


cdef struct echo_filter:
    fourier transform
    int hop
    int bins
    bint comfort_noise
    float window[MOST_POINTS]  # the root of a Hann window
    float prior[PARTITIONS]  # the path's power that is expected
    spectrum played[PARTITIONS]  # each block with the one before it; the newest is at `newest`, older ones after it
    int newest
    float last_played[MOST_HOP]
    int turn
    kalman main
    kalman shadow
    int sound_blocks  # since the shadow began
    int wins
    float main_power
    float shadow_power
    float tail[MOST_BINS]  # power of the echo beyond the taps
    float error_power[MOST_BINS]
    float echo_power[MOST_BINS]  # that is left in the error
    float last_error[MOST_HOP]
    float overlap[MOST_HOP]
    noise_floor noise
    uint32_t random
    echo_block last


# ---- what was played

cdef inline spectrum *_played(echo_filter *of, int blocks_ago) noexcept nogil:
    return &of.played[(of.newest + blocks_ago) % PARTITIONS]


cdef void _let_ring(echo_filter *of) noexcept nogil:
    """The oldest block leaves the taps: from here on the room's tail has it."""
    cdef const spectrum *oldest = _played(of, PARTITIONS - 1)
    cdef const spectrum *path
    cdef float power[MOST_BINS]
    cdef Py_ssize_t k
    cdef int p
    memset(power, 0, sizeof(power))
    for p in range(PARTITIONS - TAIL_PARTITIONS, PARTITIONS):
        path = &of.main.path[p]
        for k in range(of.bins):
            power[k] += path.re[k] * path.re[k] + path.im[k] * path.im[k]
    for k in range(of.bins):
        of.tail[k] = TAIL_KEPT * of.tail[k] + NOTHING + (
            oldest.re[k] * oldest.re[k] + oldest.im[k] * oldest.im[k]
        ) * power[k] / TAIL_PARTITIONS


cdef void echo_filter_play(echo_filter *of, const float *played) noexcept nogil:
    cdef float both[MOST_POINTS]
    _let_ring(of)
    memcpy(both, of.last_played, of.hop * sizeof(float))
    memcpy(both + of.hop, played, of.hop * sizeof(float))
    memcpy(of.last_played, played, of.hop * sizeof(float))
    of.newest = (of.newest + PARTITIONS - 1) % PARTITIONS
    fourier_forward(&of.transform, both, _played(of, 0))


# ---- the Kalman filter

cdef void _begin_anew(echo_filter *of, kalman *filter) noexcept nogil:
    """Nothing is known of the path but what it is."""
    cdef Py_ssize_t k
    cdef int p
    for p in range(PARTITIONS):
        for k in range(of.bins):
            filter.unsure[p][k] = of.prior[p]


cdef void _predict(echo_filter *of, kalman *filter, const float *captured) noexcept nogil:
    """The estimate of the echo in this block, the error, and the power expected of that."""
    cdef float samples[MOST_POINTS]
    cdef const spectrum *x
    cdef const spectrum *w
    cdef spectrum *y = &filter.estimate
    cdef const float *unsure
    cdef Py_ssize_t k
    cdef int p
    memset(y, 0, sizeof(spectrum))
    memset(filter.error_unsure, 0, sizeof(filter.error_unsure))
    for p in range(PARTITIONS):
        x, w, unsure = _played(of, p), &filter.path[p], filter.unsure[p]
        for k in range(of.bins):
            y.re[k] += x.re[k] * w.re[k] - x.im[k] * w.im[k]
            y.im[k] += x.re[k] * w.im[k] + x.im[k] * w.re[k]
            filter.error_unsure[k] += (x.re[k] * x.re[k] + x.im[k] * x.im[k]) * unsure[k]
    fourier_inverse(&of.transform, y, samples)
    for k in range(of.hop):
        filter.error[k] = captured[k] - samples[of.hop + k]


cdef void _hold_to_taps(const echo_filter *of, spectrum *path) noexcept nogil:
    """The second half of a partition's impulse response belongs to the next one."""
    cdef float taps[MOST_POINTS]
    fourier_inverse(&of.transform, path, taps)
    memset(taps + of.hop, 0, of.hop * sizeof(float))
    fourier_forward(&of.transform, taps, path)


cdef void _correct(
    const spectrum *x, const spectrum *error, const float *gain, Py_ssize_t bins, spectrum *path, float *unsure
) noexcept nogil:
    """One partition's step by the error; `gain` is the Kalman gain without the uncertainty and the reference."""
    cdef Py_ssize_t k
    cdef float step, left
    for k in range(bins):
        step = gain[k] * unsure[k]
        left = 1 - SURE * step * (x.re[k] * x.re[k] + x.im[k] * x.im[k])
        path.re[k] += step * (x.re[k] * error.re[k] + x.im[k] * error.im[k])
        path.im[k] += step * (x.re[k] * error.im[k] - x.im[k] * error.re[k])
        unsure[k] = (
            LEAST_UNSURE
            + KEPT * left * unsure[k]
            + (1 - KEPT) * (path.re[k] * path.re[k] + path.im[k] * path.im[k])
        )


cdef void _learn(echo_filter *of, kalman *filter) noexcept nogil:
    """From the error of the prediction."""
    cdef float samples[MOST_POINTS]
    cdef float gain[MOST_BINS]
    cdef spectrum error
    cdef Py_ssize_t k
    cdef int p
    memset(samples, 0, of.hop * sizeof(float))
    memcpy(samples + of.hop, filter.error, of.hop * sizeof(float))
    fourier_forward(&of.transform, samples, &error)
    for k in range(of.bins):
        filter.near[k] = NEAR_KEPT * filter.near[k] + (1 - NEAR_KEPT) * (
            error.re[k] * error.re[k] + error.im[k] * error.im[k]
        )
        gain[k] = 1 / (filter.error_unsure[k] + HEED * filter.near[k] + <float> 1e-10)
    for p in range(PARTITIONS):
        _correct(_played(of, p), &error, gain, of.bins, &filter.path[p], filter.unsure[p])
        if p % TURN == of.turn:
            _hold_to_taps(of, &filter.path[p])


# ---- the shadow

cdef float _rough(const float *error, Py_ssize_t hop) noexcept nogil:
    """The energy of its differences: all bins of speech weigh about the same."""
    cdef float total = 0
    cdef Py_ssize_t k
    for k in range(1, hop):
        total += (error[k] - error[k - 1]) * (error[k] - error[k - 1])
    return total


cdef void _compare(echo_filter *of) noexcept nogil:
    """Take the shadow over if it is better; let it begin anew, from what is known, if it is not after a while."""
    of.main_power = LOOKED_KEPT * of.main_power + (1 - LOOKED_KEPT) * _rough(of.main.error, of.hop) + NOTHING
    of.shadow_power = LOOKED_KEPT * of.shadow_power + (1 - LOOKED_KEPT) * _rough(of.shadow.error, of.hop) + NOTHING
    of.sound_blocks += _mean_power(of, _played(of, 0)) > QUIET
    of.wins = of.wins + 1 if of.shadow_power < BETTER * of.main_power and of.shadow_power > <float> 1e-9 else 0
    if of.wins == SHADOW_WINS:
        of.main = of.shadow
        of.main_power = of.shadow_power
        of.wins = of.sound_blocks = 0
        of.last.changes += 1
    elif of.sound_blocks >= SHADOW_BLOCKS:
        memcpy(&of.shadow.path, &of.main.path, sizeof(of.main.path))
        memcpy(&of.shadow.near, &of.main.near, sizeof(of.main.near))
        _begin_anew(of, &of.shadow)
        of.shadow_power = of.main_power
        of.sound_blocks = 0


cdef float _mean_power(const echo_filter *of, const spectrum *x) noexcept nogil:
    cdef float total = 0
    cdef Py_ssize_t k
    for k in range(of.bins):
        total += x.re[k] * x.re[k] + x.im[k] * x.im[k]
    return total / of.bins


# ---- noise

cdef void _hear_noise(echo_filter *of, const spectrum *heard) noexcept nogil:
    """Minimum statistics (R. Martin, "Noise power spectral density estimation", 2001), of fixed smoothing and bias."""
    cdef noise_floor *noise = &of.noise
    cdef float *least = noise.least[noise.at]
    cdef float power, lowest
    cdef Py_ssize_t k
    cdef int m
    for k in range(of.bins):
        power = heard.re[k] * heard.re[k] + heard.im[k] * heard.im[k] + NOTHING
        noise.smooth[k] = power if noise.blocks < 0 else SMOOTH_KEPT * noise.smooth[k] + (1 - SMOOTH_KEPT) * power
        least[k] = min(least[k], noise.smooth[k])
        lowest = least[k]
        for m in range(MINIMA):
            lowest = min(lowest, noise.least[m][k])
        noise.power[k] = MINIMUM_BIAS * lowest
    noise.blocks += 1
    if noise.blocks >= MINIMUM_BLOCKS:
        noise.blocks = 0
        noise.at = (noise.at + 1) % MINIMA
        memcpy(noise.least[noise.at], noise.smooth, sizeof(noise.smooth))


cdef inline float _random(echo_filter *of) noexcept nogil:
    """Even in -1 to 1 (W. H. Press et al., "Numerical Recipes": the quick generator)."""
    of.random = of.random * 1664525 + 1013904223
    return <float> (<int> (of.random >> 8) - (1 << 23)) / (1 << 23)


# ---- the gain



cdef void _spectrum_of_error(echo_filter *of, const float *error, spectrum *out) noexcept nogil:
    """Of this block and the one before, windowed."""
    cdef float windowed[MOST_POINTS]
    cdef Py_ssize_t k
    for k in range(of.hop):
        windowed[k] = of.window[k] * of.last_error[k]
        windowed[of.hop + k] = of.window[of.hop + k] * error[k]
    memcpy(of.last_error, error, of.hop * sizeof(float))
    fourier_forward(&of.transform, windowed, out)


cdef void _weigh(echo_filter *of, const spectrum *error, float *gain) noexcept nogil:
    """The Wiener gain: what is expected to be left of the echo, from what is there."""
    cdef const spectrum *y = &of.main.estimate
    cdef float power, left
    cdef Py_ssize_t k
    for k in range(of.bins):
        power = error.re[k] * error.re[k] + error.im[k] * error.im[k]
        left = of.main.error_unsure[k] + of.tail[k] + LEAK * (y.re[k] * y.re[k] + y.im[k] * y.im[k])
        # The window's power is half of the block's two.
        of.error_power[k] = <float> 0.5 * (of.error_power[k] + power) + NOTHING
        of.echo_power[k] = <float> 0.5 * (of.echo_power[k] + <float> 0.5 * left) + NOTHING
        gain[k] = max(1 - OVER * of.echo_power[k] / (of.error_power[k] + <float> 1e-12), FLOOR)


cdef void _fill(echo_filter *of, const float *gain, spectrum *out) noexcept nogil:
    """Noise like the room's where a gain takes it."""
    cdef float size
    cdef Py_ssize_t k
    for k in range(of.bins):
        # A number that is even in -1 to 1 has a third of its power.
        size = sqrt(<float> 1.5 * of.noise.power[k] * (1 - gain[k] * gain[k]))
        out.re[k] += size * _random(of)
        out.im[k] += size * _random(of)


cdef void _overlap(echo_filter *of, const spectrum *src, float *out) noexcept nogil:
    cdef float samples[MOST_POINTS]
    cdef Py_ssize_t k
    fourier_inverse(&of.transform, src, samples)
    for k in range(of.hop):
        out[k] = of.overlap[k] + of.window[k] * samples[k]
        of.overlap[k] = of.window[of.hop + k] * samples[of.hop + k]


# ---- blocks

cdef float _power(const float *samples, Py_ssize_t frames) noexcept nogil:
    cdef float total = 0
    cdef Py_ssize_t k
    for k in range(frames):
        total += samples[k] * samples[k]
    return total / frames


cdef void _tell(echo_filter *of, const float *captured) noexcept nogil:
    cdef float estimate[MOST_HOP]
    cdef Py_ssize_t k
    for k in range(of.hop):
        estimate[k] = captured[k] - of.main.error[k]
    of.last.captured = _power(captured, of.hop)
    of.last.estimate = _power(estimate, of.hop)
    of.last.error = _power(of.main.error, of.hop)
    of.last.agent_alone = of.last.estimate > <float> 0.5 * of.last.captured


cdef void echo_filter_block(
    echo_filter *of, const float *captured, const float *played, float *out
) noexcept nogil:
    cdef spectrum error
    cdef float gain[MOST_BINS]
    cdef Py_ssize_t k
    echo_filter_play(of, played)
    _predict(of, &of.main, captured)
    _predict(of, &of.shadow, captured)
    _compare(of)
    _tell(of, captured)
    _spectrum_of_error(of, of.main.error, &error)
    of.turn = (of.turn + 1) % TURN
    _learn(of, &of.shadow)
    _learn(of, &of.main)
    _hear_noise(of, &error)
    _weigh(of, &error, gain)
    for k in range(of.bins):
        error.re[k] *= gain[k]
        error.im[k] *= gain[k]
    if of.comfort_noise:
        _fill(of, gain, &error)
    _overlap(of, &error, out)
    of.last.output = _power(out, of.hop)


cdef void echo_filter_pass(echo_filter *of, const float *captured) noexcept nogil:
    cdef spectrum heard
    cdef float none[MOST_HOP]
    _spectrum_of_error(of, captured, &heard)
    _hear_noise(of, &heard)
    _overlap(of, &heard, none)


cdef void echo_filter_doubt(echo_filter *of) noexcept nogil:
    _begin_anew(of, &of.main)
    _begin_anew(of, &of.shadow)


cdef const echo_block *echo_filter_last(const echo_filter *of) noexcept nogil:
    return &of.last


# ---- life

cdef echo_filter *echo_filter_new(Py_ssize_t hop, bint comfort_noise):
    cdef echo_filter *of = <echo_filter *> calloc(1, sizeof(echo_filter))
    cdef Py_ssize_t k
    cdef int m
    if of == NULL:
        return NULL
    of.hop, of.bins = <int> hop, <int> hop + 1
    of.comfort_noise = comfort_noise
    fourier_begin(&of.transform, 2 * <int> hop)
    for k in range(2 * hop):
        of.window[k] = <float> sqrt(0.5 - 0.5 * numpy.cos(M_PI * k / hop))
    for k in range(PARTITIONS):
        of.prior[k] = LEAST_PATH + <float> exp(-k * 0.01 * 6.9 / ROOM_DECAY_SECONDS)
    for k in range(of.bins):
        of.main.near[k] = of.shadow.near[k] = 1e-6
        of.error_power[k] = 1e-6
        of.echo_power[k] = 1e-9
        for m in range(MINIMA):
            of.noise.least[m][k] = 1e30
    of.noise.blocks = -1
    of.main_power = of.shadow_power = 1e-9
    echo_filter_doubt(of)
    return of


cdef void echo_filter_free(echo_filter *of) noexcept:
    free(of)


cdef class EchoFilter:
    """EchoFilter(samplerate, comfort_noise=True)\n--\n
    The filter for streams that are aligned, for tests and experiments: 8000 or 16000 Hz, blocks of 10 ms.

    One thread at a time; a second one gets a RuntimeError.
    """

    def __cinit__(self, samplerate, comfort_noise=True):
        self._user = <uintptr_t> NEW
        self.samplerate = <int> in_range(samplerate, "samplerate", "Hz", 8000, 16000)
        if self.samplerate % 8000:
            raise ValueError(f"samplerate must be 8000 or 16000, not {self.samplerate}")
        self.of = echo_filter_new(self.samplerate // 100, bool(comfort_noise))
        if self.of == NULL:
            raise MemoryError
        give_back(<uint64_t *> &self._user)

    def __dealloc__(self):
        echo_filter_free(self.of)

    def process(self, captured, played):
        """The output, one block late, for whole blocks of float32; both of one length."""
        cdef Py_buffer view, other, target
        cdef Py_ssize_t at = 0, frames
        cdef int hop = self.samplerate // 100
        frames = acquire_mono(captured, &view, c"f", False, "captured")
        try:
            if acquire_mono(played, &other, c"f", False, "played") != frames or frames % hop:
                PyBuffer_Release(&other)
                raise ValueError("captured and played must be whole blocks, as many of one as of the other")
            out = numpy.empty(frames, numpy.float32)
            acquire_mono(out, &target, c"f", True, "out")
            hold(<uint64_t *> &self._user, CALL, "this EchoFilter")
            with nogil:
                while at < frames:
                    echo_filter_block(
                        self.of, <const float *> view.buf + at, <const float *> other.buf + at, <float *> target.buf + at
                    )
                    at += hop
            give_back(<uint64_t *> &self._user)
            PyBuffer_Release(&target)
            PyBuffer_Release(&other)
        finally:
            PyBuffer_Release(&view)
        return out
