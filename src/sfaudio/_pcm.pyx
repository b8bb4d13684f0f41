# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Sample conversion between float32 and int16, exact for every input."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from libc.stdint cimport int16_t

import sys

import numpy


cdef extern from "_kernels.h" nogil:
    ctypedef struct sf_kernels_t:
        void (*f32_to_i16_wire)(const void *src, void *dst, size_t n) noexcept nogil
        void (*f32_to_i16_symmetric)(const void *src, void *dst, size_t n) noexcept nogil
        void (*i16_to_f32)(const void *src, void *dst, size_t n) noexcept nogil
    sf_kernels_t sf_kernels
    void sf_kernels_init()


sf_kernels_init()

# Below this many samples the conversion takes less time than giving up the GIL and fighting to get it back.
cdef Py_ssize_t RELEASE_GIL_FROM = 16384

cdef bytes _NATIVE_ORDERS = b"@=<" if sys.byteorder == "little" else b"@=>!"


cdef void float32_to_int16_wire(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels.f32_to_i16_wire(src, dst, <size_t> frames)


cdef void float32_to_int16_symmetric(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels.f32_to_i16_symmetric(src, dst, <size_t> frames)


cdef void int16_samples_to_float32(const int16_t *src, float *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels.i16_to_f32(src, dst, <size_t> frames)


cdef char _native_code(const char *format) noexcept:
    """The type code of a struct-style format with one native item, 0 for anything else."""
    if format == NULL:
        return c"B"
    if format[0] != 0 and format[1] == 0:
        return format[0]
    if format[0] in _NATIVE_ORDERS and format[1] != 0 and format[2] == 0:
        return format[1]
    return 0


cdef Py_ssize_t acquire_samples(
    object obj, Py_buffer *view, char code, bint writable, str name
) except -1:
    cdef int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0)
    cdef str wanted = {c"f": "float32", c"h": "int16"}.get(code, "int16 or float32")
    cdef Py_ssize_t itemsize
    cdef char came
    if not PyObject_CheckBuffer(obj):
        raise TypeError(
            f"{name} must be a buffer of {wanted} samples (a numpy array, array, bytes, memoryview, ...), "
            f"not {type(obj).__name__}"
        )
    try:
        PyObject_GetBuffer(obj, view, flags)
    except (BufferError, ValueError) as error:
        need = "writable and C-contiguous" if writable else "C-contiguous"
        raise ValueError(f"{name} must be {need}: {error}") from None
    try:
        came = _native_code(view.format)
        if code == c"*":
            code = c"f" if came == c"f" else c"h"
        if came != code and came not in b"Bbc":
            raise TypeError(
                f"{name} must hold native {wanted} samples (or raw bytes of them), "
                f"not items of format {view.format.decode()!r}"
            )
        if view.ndim == 0:
            raise ValueError(f"{name} is zero-dimensional: give it at least one dimension")
        itemsize = 4 if code == c"f" else 2
        if view.len % itemsize:
            raise ValueError(
                f"{name} has {view.len} bytes, which is not a whole number of {itemsize}-byte {wanted} samples"
            )
    except BaseException:
        PyBuffer_Release(view)
        raise
    return view.len // itemsize


cdef object _like(Py_buffer *src, Py_ssize_t samples, object dtype):
    """A new array with the shape of `src`, flat if that is raw bytes."""
    if src.itemsize == 1 or src.shape == NULL:
        return numpy.empty(samples, dtype)
    return numpy.empty([src.shape[axis] for axis in range(src.ndim)], dtype)


cdef int _check_room(Py_buffer *src, Py_ssize_t samples, Py_buffer *dst, Py_ssize_t room) except -1:
    if room < samples:
        raise ValueError(f"out has room for {room} samples, but src has {samples}")
    cdef const char *src_at = <const char *> src.buf
    cdef const char *dst_at = <const char *> dst.buf
    if samples and src_at < dst_at + dst.len and dst_at < src_at + src.len:
        raise ValueError("out must not share memory with src: give it a buffer of its own")
    return 0


def float32_to_int16(src, out=None, *, rule="wire"):
    """Convert float32 samples, full scale [-1, 1], to int16.

    The rule ``"wire"`` is what a browser client sends: clamp to [-1, 1], multiply a negative value by 32768 and any
    other by 32767 in double precision, truncate toward zero; NaN gives 0. ``"symmetric"`` is the inverse of
    `int16_to_float32`: multiply by 32768, round to nearest even, saturate; NaN gives 0. Under ``"wire"`` a round trip
    int16 -> float32 -> int16 lowers each positive sample by one; under ``"symmetric"`` it is exact.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native float32 samples, or of raw bytes that hold them.
    out
        A writable buffer of int16 samples with room for as many as `src` has, or more, sharing no memory with it.
        The samples beyond those of `src` are left alone. With an `out`, nothing is allocated.
    rule
        ``"wire"`` or ``"symmetric"``.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of int16 with the shape of `src`.

    Raises
    ------
    TypeError
        The items are not native float32 (`src`) or int16 (`out`), or an argument is no buffer.
    ValueError
        Unknown rule; not contiguous; read-only, overlapping or too small `out`; not a whole number of samples.
    """
    cdef Py_buffer src_view, out_view
    cdef Py_ssize_t samples, room
    cdef bint wire = rule == "wire"
    if not wire and rule != "symmetric":
        raise ValueError(f'rule must be "wire" or "symmetric", not {rule!r}')
    samples = acquire_samples(src, &src_view, c"f", False, "src")
    try:
        if out is None:
            out = _like(&src_view, samples, numpy.int16)
        room = acquire_samples(out, &out_view, c"h", True, "out")
        try:
            _check_room(&src_view, samples, &out_view, room)
            if samples >= RELEASE_GIL_FROM:
                with nogil:
                    _convert_to_int16(wire, &src_view, &out_view, samples)
            else:
                _convert_to_int16(wire, &src_view, &out_view, samples)
        finally:
            PyBuffer_Release(&out_view)
    finally:
        PyBuffer_Release(&src_view)
    return out


cdef void _convert_to_int16(bint wire, Py_buffer *src, Py_buffer *out, Py_ssize_t samples) noexcept nogil:
    if wire:
        sf_kernels.f32_to_i16_wire(src.buf, out.buf, <size_t> samples)
    else:
        sf_kernels.f32_to_i16_symmetric(src.buf, out.buf, <size_t> samples)


def int16_to_float32(src, out=None):
    """Convert int16 samples to float32 in [-1, 1): divide by 32768, which is exact.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them.
    out
        A writable buffer of float32 samples with room for as many as `src` has, or more, sharing no memory with it.
        The samples beyond those of `src` are left alone. With an `out`, nothing is allocated.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of float32 with the shape of `src`.

    Raises
    ------
    TypeError
        The items are not native int16 (`src`) or float32 (`out`), or an argument is no buffer.
    ValueError
        Not contiguous; read-only, overlapping or too small `out`; not a whole number of samples.
    """
    cdef Py_buffer src_view, out_view
    cdef Py_ssize_t samples, room
    samples = acquire_samples(src, &src_view, c"h", False, "src")
    try:
        if out is None:
            out = _like(&src_view, samples, numpy.float32)
        room = acquire_samples(out, &out_view, c"f", True, "out")
        try:
            _check_room(&src_view, samples, &out_view, room)
            if samples >= RELEASE_GIL_FROM:
                with nogil:
                    sf_kernels.i16_to_f32(src_view.buf, out_view.buf, <size_t> samples)
            else:
                sf_kernels.i16_to_f32(src_view.buf, out_view.buf, <size_t> samples)
        finally:
            PyBuffer_Release(&out_view)
    finally:
        PyBuffer_Release(&src_view)
    return out
