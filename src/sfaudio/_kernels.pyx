# cython: language_level=3
"""The vector kernels as functions without the GIL; which level of the processor they use is chosen at import."""

from libc.stdint cimport int16_t, uint32_t, uint64_t


cdef extern from "_kernels.h" nogil:
    ctypedef struct sf_level:
        uint64_t sum_squares
        uint64_t clipped
        uint32_t peak
    ctypedef struct sf_kernels_t:
        void (*f32_to_i16_wire)(const void *src, void *dst, size_t n) noexcept nogil
        void (*f32_to_i16_symmetric)(const void *src, void *dst, size_t n) noexcept nogil
        void (*i16_to_f32)(const void *src, void *dst, size_t n) noexcept nogil
        void (*swap_i16)(const void *src, void *dst, size_t n) noexcept nogil
        size_t (*gain_i16)(const void *src, void *dst, size_t n, float gain) noexcept nogil
        void (*level_i16)(const void *src, size_t n, sf_level *out) noexcept nogil
    enum:
        SF_LEVELS
    const char *sf_level_names[]
    const sf_kernels_t *sf_kernels()
    void sf_kernels_init()
    int sf_kernels_force(int level)
    int sf_kernels_level()
    unsigned int sf_kernels_available()
    void sf_mono_i16(const void *src, void *dst, size_t frames, int channels)
    void sf_spread_i16(const void *src, void *dst, size_t frames, int channels)


sf_kernels_init()


cdef void float32_to_int16_wire(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels().f32_to_i16_wire(src, dst, <size_t> frames)


cdef void float32_to_int16_symmetric(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels().f32_to_i16_symmetric(src, dst, <size_t> frames)


cdef void int16_samples_to_float32(const int16_t *src, float *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels().i16_to_f32(src, dst, <size_t> frames)


cdef void byteswap_samples(const int16_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil:
    sf_kernels().swap_i16(src, dst, <size_t> samples)


cdef void mix_to_mono(const int16_t *src, int16_t *dst, Py_ssize_t frames, int channels) noexcept nogil:
    sf_mono_i16(src, dst, <size_t> frames, channels)


cdef void spread_mono(const int16_t *src, int16_t *dst, Py_ssize_t frames, int channels) noexcept nogil:
    sf_spread_i16(src, dst, <size_t> frames, channels)


cdef Py_ssize_t scale_samples(const int16_t *src, int16_t *dst, Py_ssize_t samples, float gain) noexcept nogil:
    return <Py_ssize_t> sf_kernels().gain_i16(src, dst, <size_t> samples, gain)


cdef sample_level measure_level(const int16_t *src, Py_ssize_t samples) noexcept nogil:
    cdef sf_level found
    sf_kernels().level_i16(src, <size_t> samples, &found)
    return sample_level(found.sum_squares, found.clipped, found.peak)


# ---- for the tests: the kernels of another level, exact alike

def kernel_levels():
    """The levels that this machine can run, the plainest first."""
    return tuple([sf_level_names[i].decode() for i in range(SF_LEVELS) if sf_kernels_available() >> i & 1])


def kernel_level():
    """The level in use."""
    return sf_level_names[sf_kernels_level()].decode()


def force_kernel_level(name):
    """Use a level, in the whole process, from the next call of each thread on."""
    for i in range(SF_LEVELS):
        if sf_level_names[i].decode() == name and sf_kernels_force(i) == 0:
            return
    raise ValueError(f"the level must be one of {', '.join(kernel_levels())}, not {name!r}")
