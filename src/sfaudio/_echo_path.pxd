"""The path from loudspeaker to microphone: a partitioned Kalman filter. For `_echo_filter`, not for others.

200 ms of taps in partitions of one block (J.-S. Soo, K. K. Pang, "Multidelay block frequency domain adaptive filter",
1990), estimated with its uncertainty for each bin (G. Enzner, P. Vary, "Frequency-domain adaptive Kalman filter for
acoustic echo control in hands-free telephones", 2006; partitions and bins apart, as F. Kuech, E. Mabande, G. Enzner,
"State-space architecture of the partitioned-block-based acoustic echo controller", 2014).
"""

from libc.math cimport expf
from libc.string cimport memcpy, memset

from sfaudio._echo_constants cimport (
    HEED, LEAST_PATH, LEAST_UNSURE, NEAR_KEPT, NOTHING, PARTITIONS, PATH_DECAY, PATH_KEPT, SURE, TAIL_PARTITIONS, TURN
)
from sfaudio._fourier cimport MOST_BINS, MOST_POINTS, fourier, fourier_forward, fourier_inverse, spectrum


cdef enum:
    MOST_HOP = MOST_POINTS // 2


cdef struct echo_path:
    fourier transform
    int hop
    int bins
    spectrum played[PARTITIONS]  # each block with the one before it; the newest is at `newest`, older ones after it
    int newest
    float last_played[MOST_HOP]
    spectrum taps[PARTITIONS]  # what a block played so many blocks ago is multiplied by
    float unsure[PARTITIONS][MOST_BINS]  # the variance of that
    float prior[PARTITIONS]  # the same when nothing is known
    float near[MOST_BINS]  # the power of all that is no echo
    # Of this block.
    spectrum estimate  # of the echo, with the block before
    float error[MOST_HOP]  # captured without that
    float error_unsure[MOST_BINS]  # the power that it has as the taps are unsure


cdef inline float power_of(const spectrum *x, Py_ssize_t k) noexcept nogil:
    return x.re[k] * x.re[k] + x.im[k] * x.im[k]


cdef inline spectrum *path_played(echo_path *of, int blocks_ago) noexcept nogil:
    return &of.played[(of.newest + blocks_ago) % PARTITIONS]


cdef inline void path_doubt(echo_path *of) noexcept nogil:
    """As unsure as when nothing is known; the taps stay, the best that there is."""
    cdef Py_ssize_t k
    cdef int p
    for p in range(PARTITIONS):
        for k in range(of.bins):
            of.unsure[p][k] = of.prior[p]


cdef inline void path_forget(echo_path *of) noexcept nogil:
    """No echo, and as sure of it as of the path before: with more doubt, a faint echo would be forgotten for ever."""
    memset(of.taps, 0, sizeof(of.taps))


cdef inline void path_begin(echo_path *of) noexcept nogil:
    """Of zeros but for `transform`, `hop`, `bins`."""
    cdef Py_ssize_t k
    cdef int p
    for p in range(PARTITIONS):
        of.prior[p] = LEAST_PATH + expf(-PATH_DECAY * p)
    for k in range(of.bins):
        of.near[k] = 1e-6
    path_doubt(of)


cdef inline void path_raise(echo_path *of, float times) noexcept nogil:
    """More unsure, but not more than when nothing is known."""
    cdef Py_ssize_t k
    cdef int p
    for p in range(PARTITIONS):
        for k in range(of.bins):
            of.unsure[p][k] = max(of.unsure[p][k], min(times * of.unsure[p][k], of.prior[p]))


cdef inline void path_play(echo_path *of, const float *played) noexcept nogil:
    cdef float both[MOST_POINTS]
    memcpy(both, of.last_played, of.hop * sizeof(float))
    memcpy(both + of.hop, played, of.hop * sizeof(float))
    memcpy(of.last_played, played, of.hop * sizeof(float))
    of.newest = (of.newest + PARTITIONS - 1) % PARTITIONS
    fourier_forward(&of.transform, both, path_played(of, 0))


cdef inline void path_beyond(echo_path *of, float *power) noexcept nogil:
    """The echo's power that comes right after the taps, of the oldest block."""
    cdef const spectrum *oldest = path_played(of, PARTITIONS - 1)
    cdef Py_ssize_t k
    cdef int p
    memset(power, 0, of.bins * sizeof(float))
    for p in range(PARTITIONS - TAIL_PARTITIONS, PARTITIONS):
        for k in range(of.bins):
            power[k] += power_of(&of.taps[p], k)
    for k in range(of.bins):
        power[k] *= power_of(oldest, k) / TAIL_PARTITIONS


cdef inline void _predict_by(
    const spectrum *x, const spectrum *taps, const float *unsure, Py_ssize_t bins, spectrum *y, float *y_unsure
) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(bins):
        y.re[k] += x.re[k] * taps.re[k] - x.im[k] * taps.im[k]
        y.im[k] += x.re[k] * taps.im[k] + x.im[k] * taps.re[k]
        y_unsure[k] += (x.re[k] * x.re[k] + x.im[k] * x.im[k]) * unsure[k]


cdef inline void path_predict(echo_path *of, const float *captured) noexcept nogil:
    """The estimate of the echo in this block, the error, and how unsure it is."""
    cdef float samples[MOST_POINTS]
    cdef Py_ssize_t k
    cdef int p
    memset(&of.estimate, 0, sizeof(of.estimate))
    memset(of.error_unsure, 0, sizeof(of.error_unsure))
    for p in range(PARTITIONS):
        _predict_by(path_played(of, p), &of.taps[p], of.unsure[p], of.bins, &of.estimate, of.error_unsure)
    fourier_inverse(&of.transform, &of.estimate, samples)
    for k in range(of.hop):
        of.error[k] = captured[k] - samples[of.hop + k]


cdef inline void _correct(
    const spectrum *x, const spectrum *error, const float *gain, Py_ssize_t bins, spectrum *taps, float *unsure
) noexcept nogil:
    """A partition's step by the error; `gain` is the Kalman gain but for what is the partition's own."""
    cdef Py_ssize_t k
    cdef float step, left
    for k in range(bins):
        step = gain[k] * unsure[k]
        left = 1 - SURE * step * (x.re[k] * x.re[k] + x.im[k] * x.im[k])
        taps.re[k] += step * (x.re[k] * error.re[k] + x.im[k] * error.im[k])
        taps.im[k] += step * (x.re[k] * error.im[k] - x.im[k] * error.re[k])
        unsure[k] = (
            LEAST_UNSURE
            + PATH_KEPT * left * unsure[k]
            + (1 - PATH_KEPT) * (taps.re[k] * taps.re[k] + taps.im[k] * taps.im[k])
        )


cdef inline void _hold_to_taps(const echo_path *of, spectrum *taps) noexcept nogil:
    """The second half of a partition's impulse response is the next one's."""
    cdef float samples[MOST_POINTS]
    fourier_inverse(&of.transform, taps, samples)
    memset(samples + of.hop, 0, of.hop * sizeof(float))
    fourier_forward(&of.transform, samples, taps)


cdef inline void path_learn(echo_path *of) noexcept nogil:
    """From the error of the prediction."""
    cdef float samples[MOST_POINTS]
    cdef float gain[MOST_BINS]
    cdef spectrum error
    cdef Py_ssize_t k
    cdef int p
    memset(samples, 0, of.hop * sizeof(float))
    memcpy(samples + of.hop, of.error, of.hop * sizeof(float))
    fourier_forward(&of.transform, samples, &error)
    for k in range(of.bins):
        of.near[k] = NEAR_KEPT * of.near[k] + (1 - NEAR_KEPT) * power_of(&error, k) + NOTHING
        gain[k] = 1 / (of.error_unsure[k] + HEED * of.near[k] + <float> 1e-10)
    for p in range(PARTITIONS):
        _correct(path_played(of, p), &error, gain, of.bins, &of.taps[p], of.unsure[p])
        if p % TURN == of.newest % TURN:  # `newest` goes down by one in each block.
            _hold_to_taps(of, &of.taps[p])
