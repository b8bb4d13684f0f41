"""The Fourier transform of real samples, single precision: no GIL, no allocation. For `_echo_filter` alone."""


cdef enum:
    MOST_POINTS = 320  # 20 ms at 16 kHz
    MOST_BINS = MOST_POINTS // 2 + 1
    MOST_STAGES = 8


# What depends on how many points there are. Read only when it was begun, so that any threads may share it.
cdef struct fourier:
    int points
    int radices[MOST_STAGES]
    int stages
    float cosines[MOST_POINTS]  # of k / points of a turn
    float sines[MOST_POINTS]


# Bins 0 to points / 2; those of the two ends are real.
cdef struct spectrum:
    float re[MOST_BINS]
    float im[MOST_BINS]


# `points` is an even number up to MOST_POINTS whose half has no factors but 2 and 5. False if it is not.
cdef bint fourier_begin(fourier *of, int points) noexcept nogil
# Unscaled: sums of samples[n] * exp(-2 pi i k n / points).
cdef void fourier_forward(const fourier *of, const float *samples, spectrum *out) noexcept nogil
# Its inverse, scaled by 1 / points.
cdef void fourier_inverse(const fourier *of, const spectrum *src, float *samples) noexcept nogil
