# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Conversion between float32 and int16, exact for every input; the kernels and buffers for all work on blocks."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from libc.stdint cimport int16_t, uint32_t, uint64_t
from libc.string cimport memset
from numpy cimport (
    NPY_ARRAY_C_CONTIGUOUS,
    NPY_ARRAY_WRITEABLE,
    NPY_FLOAT,
    NPY_SHORT,
    PyArray_CheckExact,
    PyArray_CHKFLAGS,
    PyArray_DATA,
    PyArray_DIMS,
    PyArray_ISNOTSWAPPED,
    PyArray_ITEMSIZE,
    PyArray_NBYTES,
    PyArray_NDIM,
    PyArray_SimpleNew,
    PyArray_TYPE,
    import_array,
    ndarray,
    npy_intp,
)

import sys


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
    sf_kernels_t sf_kernels
    void sf_kernels_init()
    int sf_kernels_force(int level)
    int sf_kernels_level()
    unsigned int sf_kernels_available()
    void sf_mono_i16(const void *src, void *dst, size_t frames, int channels)
    void sf_spread_i16(const void *src, void *dst, size_t frames, int channels)


import_array()
sf_kernels_init()

cdef bytes _NATIVE_ORDERS = b"@=<" if sys.byteorder == "little" else b"@=>!"


# ---- for native code

cdef void float32_to_int16_wire(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels.f32_to_i16_wire(src, dst, <size_t> frames)


cdef void float32_to_int16_symmetric(const float *src, int16_t *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels.f32_to_i16_symmetric(src, dst, <size_t> frames)


cdef void int16_samples_to_float32(const int16_t *src, float *dst, Py_ssize_t frames) noexcept nogil:
    sf_kernels.i16_to_f32(src, dst, <size_t> frames)


cdef void byteswap_samples(const int16_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil:
    sf_kernels.swap_i16(src, dst, <size_t> samples)


cdef void mix_to_mono(const int16_t *src, int16_t *dst, Py_ssize_t frames, int channels) noexcept nogil:
    sf_mono_i16(src, dst, <size_t> frames, channels)


cdef void spread_mono(const int16_t *src, int16_t *dst, Py_ssize_t frames, int channels) noexcept nogil:
    sf_spread_i16(src, dst, <size_t> frames, channels)


cdef Py_ssize_t scale_samples(const int16_t *src, int16_t *dst, Py_ssize_t samples, float gain) noexcept nogil:
    return <Py_ssize_t> sf_kernels.gain_i16(src, dst, <size_t> samples, gain)


cdef sample_level measure_level(const int16_t *src, Py_ssize_t samples) noexcept nogil:
    cdef sf_level found
    sf_kernels.level_i16(src, <size_t> samples, &found)
    return sample_level(found.sum_squares, found.clipped, found.peak)


# ---- buffers

cdef char _native_code(const char *format) noexcept:
    """The type code of a struct-style format with one native item, 0 for anything else."""
    if format == NULL:
        return c"B"
    if format[0] != 0 and format[1] == 0:
        return format[0]
    if format[0] in _NATIVE_ORDERS and format[1] != 0 and format[2] == 0:
        return format[1]
    return 0


cdef bint _borrow_array(ndarray array, Py_buffer *view, char code, bint writable) noexcept:
    """Fill `view` from an array that is just what is wanted; leave any other, and its error, to the buffer protocol.

    The protocol takes numpy several times as long as the conversion of a block. What is borrowed lives as long as the
    caller's reference, and PyBuffer_Release finds nothing to release.
    """
    cdef int kind = PyArray_TYPE(array)
    if not (kind == NPY_FLOAT and code != c"h" or kind == NPY_SHORT and code != c"f"):
        return False
    if not PyArray_CHKFLAGS(array, NPY_ARRAY_C_CONTIGUOUS | (NPY_ARRAY_WRITEABLE if writable else 0)):
        return False
    if not PyArray_ISNOTSWAPPED(array) or PyArray_NDIM(array) == 0:
        return False
    memset(view, 0, sizeof(Py_buffer))
    view.buf = PyArray_DATA(array)
    view.len = PyArray_NBYTES(array)
    view.itemsize = PyArray_ITEMSIZE(array)
    view.ndim = PyArray_NDIM(array)
    view.shape = <Py_ssize_t *> PyArray_DIMS(array)
    return True


cdef Py_ssize_t acquire_samples(
    object obj, Py_buffer *view, char code, bint writable, str name
) except -1:
    cdef Py_ssize_t itemsize
    cdef bint fits
    cdef char came
    if PyArray_CheckExact(obj) and _borrow_array(obj, view, code, writable):
        return view.len // view.itemsize
    if not PyObject_CheckBuffer(obj):
        raise TypeError(
            f"{name} must be a buffer of {_wanted(code)} samples (a numpy array, array, bytes, memoryview, ...), "
            f"not {type(obj).__name__}"
        )
    try:
        PyObject_GetBuffer(obj, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    except (BufferError, ValueError) as error:
        need = "writable and C-contiguous" if writable else "C-contiguous"
        raise ValueError(f"{name} must be {need}: {error}") from None
    came = _native_code(view.format)
    fits = came == code or code == c"*" and came in b"fh" or came in b"Bbc"
    itemsize = 4 if code == c"f" or came == c"f" else 2
    if fits and view.ndim > 0 and view.len % itemsize == 0:
        return view.len // itemsize
    try:
        if not fits:
            raise TypeError(
                f"{name} must hold native {_wanted(code)} samples (or raw bytes of them), "
                f"not items of format {view.format.decode()!r}"
            )
        if view.ndim == 0:
            raise ValueError(f"{name} is zero-dimensional: give it at least one dimension")
        raise ValueError(
            f"{name} has {view.len} bytes, which is not a whole number of {itemsize}-byte {_wanted(code)} samples"
        )
    finally:
        PyBuffer_Release(view)


cdef str _wanted(char code):
    return "float32" if code == c"f" else "int16" if code == c"h" else "int16 or float32"


# ---- one pass from src to out

cdef object process(block *io, operation run, object src, char src_code, object out, char out_code):
    cdef Py_ssize_t samples = acquire_samples(src, &io.src, src_code, False, "src")
    try:
        io.frames = samples // io.src_channels
        if io.frames * io.src_channels != samples:
            raise ValueError(f"src has {samples} samples, which is no whole number of frames of {io.src_channels}")
        if io.src_channels != io.out_channels:
            _check_dimensions(io)
        if out is None:
            out = _new_out(io, NPY_FLOAT if out_code == c"f" else NPY_SHORT)
        room = acquire_samples(out, &io.out, out_code, True, "out")
        try:
            _check_room(io, samples, room, src_code == out_code and io.src_channels == io.out_channels)
            if samples >= RELEASE_GIL_FROM:
                with nogil:
                    run(io)
            else:
                run(io)
        finally:
            PyBuffer_Release(&io.out)
    finally:
        PyBuffer_Release(&io.src)
    return out


cdef int _check_dimensions(block *io) except -1:
    """Planar samples, a row to a channel, would pass for frames otherwise."""
    if io.src.ndim > 1 and io.src.itemsize > 1 and io.src.shape[io.src.ndim - 1] != io.src_channels:
        raise ValueError(
            f"src must have {io.src_channels} channels in its last dimension, not {io.src.shape[io.src.ndim - 1]}"
        )
    return 0


cdef object _new_out(block *io, int kind):
    """With the shape of src, but flat if that is raw bytes or the channels change."""
    cdef npy_intp samples = io.frames * io.out_channels
    if io.src.itemsize == 1 or io.src.shape == NULL or io.src_channels != io.out_channels:
        return PyArray_SimpleNew(1, &samples, kind)
    return PyArray_SimpleNew(io.src.ndim, <npy_intp *> io.src.shape, kind)


cdef int _check_room(block *io, Py_ssize_t samples, Py_ssize_t room, bint in_place) except -1:
    cdef const char *src = <const char *> io.src.buf
    cdef const char *out = <const char *> io.out.buf
    if room < io.frames * io.out_channels:
        due = f"src has {samples}"
        if io.src_channels != io.out_channels:
            due = f"{io.frames * io.out_channels} are due"
        raise ValueError(f"out has room for {room} samples, but {due}")
    if samples and src < out + io.out.len and out < src + io.src.len and not (in_place and src == out):
        raise ValueError(
            "out must not share memory with src: give it a buffer of its own" + (", or src itself" if in_place else "")
        )
    return 0


cdef void _to_int16_wire(block *io) noexcept nogil:
    sf_kernels.f32_to_i16_wire(io.src.buf, io.out.buf, <size_t> io.frames)


cdef void _to_int16_symmetric(block *io) noexcept nogil:
    sf_kernels.f32_to_i16_symmetric(io.src.buf, io.out.buf, <size_t> io.frames)


cdef void _to_float32(block *io) noexcept nogil:
    sf_kernels.i16_to_f32(io.src.buf, io.out.buf, <size_t> io.frames)


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
    cdef block io
    cdef bint wire = rule == "wire"
    if not wire and rule != "symmetric":
        raise ValueError(f'rule must be "wire" or "symmetric", not {rule!r}')
    io.src_channels = io.out_channels = 1
    return process(&io, _to_int16_wire if wire else _to_int16_symmetric, src, c"f", out, c"h")


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
    cdef block io
    io.src_channels = io.out_channels = 1
    return process(&io, _to_float32, src, c"h", out, c"f")


# ---- for the tests: the kernels of another level of the processor, exact alike

def _kernel_levels():
    """The levels that this machine can run, the plainest first."""
    return tuple([sf_level_names[i].decode() for i in range(SF_LEVELS) if sf_kernels_available() >> i & 1])


def _kernel_level():
    """The level in use."""
    return sf_level_names[sf_kernels_level()].decode()


def _force_kernel_level(name):
    """Use a level, in the whole process. Not while another thread converts."""
    for i in range(SF_LEVELS):
        if sf_level_names[i].decode() == name and sf_kernels_force(i) == 0:
            return
    raise ValueError(f"the level must be one of {', '.join(_kernel_levels())}, not {name!r}")
