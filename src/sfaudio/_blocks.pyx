# cython: language_level=3
"""What else is done to a block of int16 samples, each in one pass: byte order, channels, gain, level."""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport isfinite, sqrt
from libc.stdint cimport int16_t

from sfaudio._buffers cimport RELEASE_GIL_FROM, acquire, block, convert, in_range, process
from sfaudio._kernels cimport byteswap_samples, measure_level, mix_to_mono, sample_level, scale_samples, spread_mono

from sfaudio._statistics import Level

cdef enum:
    MOST_CHANNELS = 1024


cdef void _byteswap(block *io) noexcept nogil:
    byteswap_samples(<const int16_t *> io.src.buf, <int16_t *> io.out.buf, io.frames)


def byteswap_int16(src, out=None):
    """Exchange the two bytes of each sample: int16 for a big-endian wire, or from one.

    Parameters
    ----------
    src
        Any C-contiguous buffer of int16 samples, or of raw bytes that hold them.
    out
        A writable buffer of int16 samples with room for as many as `src` has, or more: `src` itself, or one that
        shares no memory with it.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of int16 with the shape of `src`.

    Raises
    ------
    TypeError, ValueError
        As `int16_to_float32`.
    """
    return convert(_byteswap, src, c"h", out, c"h")


cdef void _mix(block *io) noexcept nogil:
    mix_to_mono(<const int16_t *> io.src.buf, <int16_t *> io.out.buf, io.frames, io.src_channels)


def to_mono(src, channels, out=None):
    """Mix interleaved int16 frames to mono: the mean of each, ``floor((2 * sum + channels) / (2 * channels))``.

    That rounds halves up, toward positive infinity, and cannot overflow.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them. If it has more than one
        dimension, the last is the channels.
    channels
        Samples to a frame, from 1 to 1024.
    out
        A writable buffer of int16 samples with room for as many as `src` has frames, or more, sharing no memory with
        it.

    Returns
    -------
    `out`, or without one a new flat `numpy.ndarray` of int16.

    Raises
    ------
    TypeError, ValueError
        As `int16_to_float32`; `channels` is out of range, or not the last dimension of `src`; not a whole number of
        frames.
    """
    cdef block io
    io.interleaved = True
    io.src_channels = _channels(channels)
    io.out_channels = 1
    return process(&io, _mix, src, c"h", out, c"h")


cdef void _spread(block *io) noexcept nogil:
    spread_mono(<const int16_t *> io.src.buf, <int16_t *> io.out.buf, io.frames, io.out_channels)


def from_mono(src, channels, out=None):
    """Repeat each mono int16 sample for every channel: frame i holds `channels` times ``src[i]``.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them.
    channels
        Samples to a frame, from 1 to 1024.
    out
        A writable buffer of int16 samples with room for `channels` times as many as `src` has, or more, sharing no
        memory with it.

    Returns
    -------
    `out`, or without one a new flat `numpy.ndarray` of int16: interleaved frames.

    Raises
    ------
    TypeError, ValueError
        As `int16_to_float32`; `channels` is out of range; `src` has more than one dimension, the last not of one.
    """
    cdef block io
    io.interleaved = True
    io.src_channels = 1
    io.out_channels = _channels(channels)
    return process(&io, _spread, src, c"h", out, c"h")


cdef int _channels(object channels) except -1:
    return <int> in_range(channels, "channels", "samples to a frame", 1, MOST_CHANNELS)


cdef void _scale(block *io) noexcept nogil:
    io.clipped = scale_samples(<const int16_t *> io.src.buf, <int16_t *> io.out.buf, io.frames, io.gain)


def apply_gain(src, gain, out):
    """Multiply int16 samples by `gain`: the float32 product, rounded to nearest even, saturated.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them.
    gain
        The factor, rounded to float32.
    out
        A writable buffer of int16 samples with room for as many as `src` has, or more: `src` itself, or one that
        shares no memory with it.

    Returns
    -------
    How many samples were saturated: the rounded product was above 32767 or below -32768.

    Raises
    ------
    TypeError, ValueError
        As `int16_to_float32`; `gain` is no number, or not finite as a float32.
    """
    cdef block io
    try:
        io.gain = <float> gain
    except TypeError:
        raise TypeError(f"gain must be a number, not {type(gain).__name__}") from None
    except OverflowError:
        io.gain = float("inf")
    if not isfinite(io.gain):
        raise ValueError(f"gain must be finite as a float32, not {gain!r}")
    if out is None:
        raise TypeError("out must be a buffer of int16 samples: src itself, to work in place")
    io.interleaved = False
    io.src_channels = io.out_channels = 1
    process(&io, _scale, src, c"h", out, c"h")
    return io.clipped


def level(src):
    """Measure how loud int16 samples are.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them.

    Returns
    -------
    A `Level`: `peak` is ``max(abs(x)) / 32768``, `rms` is ``sqrt(sum(x * x) / n) / 32768``, and `clipped` counts the
    samples that are -32768 or 32767. Each is zero for an empty `src`.

    Raises
    ------
    TypeError, ValueError
        As `int16_to_float32` for its `src`.
    """
    cdef Py_buffer view
    cdef Py_ssize_t samples = acquire(src, &view, c"h", False, "src")
    cdef sample_level found
    cdef double mean
    if samples >= RELEASE_GIL_FROM:
        with nogil:
            found = measure_level(<const int16_t *> view.buf, samples)
    else:
        found = measure_level(<const int16_t *> view.buf, samples)
    PyBuffer_Release(&view)
    mean = <double> found.sum_squares / <double> max(samples, 1)
    return Level(found.peak / 32768.0, sqrt(mean) / 32768.0, found.clipped)
