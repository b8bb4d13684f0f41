"""What is left of the echo in the error, and the gain that takes it. For `_echo_filter`, not for others.

How unsure the path is gives the power that is left, in each bin, up to a scale: it is mostly too much, and by far too
little when the path has changed or a loudspeaker clips. The scale is learnt while the agent talks alone. Who talks is
told by how much the ratio of both powers, in dB, differs over bins and time: what is left of the agent has the agent's
own pattern, whatever its scale; a caller has another one. So the filter is held to what it says of its errors, as in
R. K. Mehra, "On the identification of variances and adaptive Kalman filtering", 1970.
"""

from libc.math cimport expf, logf, sqrtf

from sfaudio._echo_constants cimport (
    ABOVE_NOISE, ALONE_DB, ALONE_MARGIN_DB, FAINTEST, FIRST_DB, FLOOR, HIGHEST_BINS, LEAST_BINS, LEAST_LOOKED,
    LEAST_DB, LEFT_KEPT, LOOKED_KEPT, LOUD_DB, LOWEST_BIN, MARGIN_DB, NOTHING, PATIENCE, SCALE_KEPT, SHAPE_KEPT
)
from sfaudio._fourier cimport MOST_BINS


cdef extern from *:
    """
    static const float DB = 4.3429448f;  /* ten times the logarithm of e, to base ten */
    """
    const float DB


cdef struct echo_left:
    float error[MOST_BINS]  # smooth powers: of the error,
    float expected[MOST_BINS]  # and of what is expected to be left in it
    float ratio_db[MOST_BINS]  # of them, where echo may be
    bint looked[MOST_BINS]
    int bins_looked
    float count  # of the ratios, and sums: fading
    float total
    float squares
    float mean_db
    float spread_db
    int alone_blocks  # of the agent alone, in a row
    float scale_db  # learnt: of what is left to what is expected,
    float shape_db[MOST_BINS]  # and how bins differ from that


cdef inline void left_begin(echo_left *of) noexcept nogil:
    """Of zeros."""
    of.scale_db = FIRST_DB


cdef inline void left_hear(
    echo_left *of, const float *error, const float *expected, Py_ssize_t bins
) noexcept nogil:
    """A block's powers."""
    cdef Py_ssize_t k
    for k in range(bins):
        of.error[k] = LEFT_KEPT * of.error[k] + (1 - LEFT_KEPT) * error[k] + NOTHING
        of.expected[k] = LEFT_KEPT * of.expected[k] + (1 - LEFT_KEPT) * expected[k] + NOTHING


cdef inline void left_look(echo_left *of, const float *noise, Py_ssize_t bins) noexcept nogil:
    """Whether the agent talks alone."""
    cdef float total = 0, squares = 0
    cdef float scale = expf(of.scale_db / DB)
    cdef Py_ssize_t k
    of.bins_looked = 0
    for k in range(LOWEST_BIN, bins - HIGHEST_BINS):
        of.looked[k] = of.expected[k] > ABOVE_NOISE * noise[k] + FAINTEST
        if of.looked[k]:
            of.ratio_db[k] = DB * logf((of.error[k] + <float> 0.01 * FAINTEST) / (of.expected[k] + noise[k] / scale))
            of.bins_looked += 1
            total += of.ratio_db[k]
            squares += of.ratio_db[k] * of.ratio_db[k]
    of.count = LOOKED_KEPT * of.count + of.bins_looked + NOTHING
    of.total = LOOKED_KEPT * of.total + total
    of.squares = LOOKED_KEPT * of.squares + squares
    of.mean_db = of.total / of.count
    of.spread_db = sqrtf(max(of.squares / of.count - of.mean_db * of.mean_db, 0))
    if of.bins_looked > LEAST_BINS and of.count > LEAST_LOOKED and of.spread_db < ALONE_DB:
        of.alone_blocks += 1
    else:
        of.alone_blocks = 0


cdef inline float left_surprise(echo_left *of) noexcept nogil:
    """1, or how much more is left than ever when the agent talks alone: his path is another one. Looks anew then."""
    cdef float more_db = of.mean_db - of.scale_db
    if of.alone_blocks <= PATIENCE or more_db < LOUD_DB:
        return 1
    of.count = of.total = of.squares = 0
    of.mean_db = of.scale_db
    of.alone_blocks = 1
    return expf(more_db / DB)


cdef inline void left_learn(echo_left *of, Py_ssize_t bins) noexcept nogil:
    """The scale; a louder one with patience, as a caller's first vowel may be much like the agent."""
    cdef Py_ssize_t k
    cdef bint sure = of.alone_blocks > PATIENCE
    if sure or of.alone_blocks and of.mean_db < of.scale_db:
        of.scale_db += (1 - SCALE_KEPT) * (of.mean_db - of.scale_db)
        of.scale_db = max(of.scale_db, LEAST_DB)
    if sure:
        for k in range(LOWEST_BIN, bins - HIGHEST_BINS):
            if of.looked[k]:
                of.shape_db[k] += (1 - SHAPE_KEPT) * (of.ratio_db[k] - of.mean_db - of.shape_db[k])


cdef inline void left_weigh(const echo_left *of, Py_ssize_t bins, float *gain) noexcept nogil:
    """The Wiener gain."""
    cdef float margin_db = of.scale_db + (ALONE_MARGIN_DB if of.alone_blocks else MARGIN_DB)
    cdef float left
    cdef Py_ssize_t k
    for k in range(bins):
        left = of.expected[k] * expf((margin_db + of.shape_db[k]) / DB)
        gain[k] = max(1 - left / (of.error[k] + <float> 1e-12), FLOOR)
