# cython: cdivision=True
# (What a .pyx says of itself does not count here.)
"""Between mono and the frames of a device, which are interleaved float32 at any address. For `_callback` alone."""

from sfaudio._buffers cimport raw_float32


cdef inline void pick_channel(
    const float *frames, float *mono, Py_ssize_t count, Py_ssize_t channels, Py_ssize_t channel
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        mono[i] = (<const raw_float32 *> frames)[i * channels + channel].value


cdef inline void mix_channels(const float *frames, float *mono, Py_ssize_t count, Py_ssize_t channels) noexcept nogil:
    """Their mean."""
    cdef Py_ssize_t i, channel
    cdef float total
    for i in range(count):
        total = 0
        for channel in range(channels):
            total += (<const raw_float32 *> frames)[i * channels + channel].value
        mono[i] = total / <float> channels


cdef inline void spread_channels(
    const float *mono, float *frames, Py_ssize_t count, Py_ssize_t channels
) noexcept nogil:
    """The same to each of them."""
    cdef Py_ssize_t i, channel
    for i in range(count):
        for channel in range(channels):
            (<raw_float32 *> frames)[i * channels + channel].value = mono[i]


cdef inline float scale_mono(float *samples, Py_ssize_t count, float gain, float slope) noexcept nogil:
    """By a gain that changes from frame to frame; what is beyond full scale is cut off. Returns what it came to."""
    cdef raw_float32 *sample = <raw_float32 *> samples
    cdef Py_ssize_t i
    for i in range(count):
        gain += slope
        sample[i].value = min(max(sample[i].value * gain, <float> -1.0), <float> 1.0)
    return gain
