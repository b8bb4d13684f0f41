# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What every function does to its arguments: numbers, formats, shapes, room, overlap, and a new array if wanted."""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE
from cpython.buffer cimport PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from libc.stdint cimport uint64_t
from libc.string cimport memset
from numpy cimport NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_WRITEABLE, NPY_FLOAT, NPY_SHORT, NPY_UBYTE
from numpy cimport PyArray_CheckExact, PyArray_CHKFLAGS, PyArray_DATA, PyArray_DIMS, PyArray_ISNOTSWAPPED
from numpy cimport PyArray_ITEMSIZE, PyArray_NBYTES, PyArray_NDIM, PyArray_SimpleNew, PyArray_TYPE
from numpy cimport import_array, ndarray, npy_intp

import sys

import_array()

cdef bytes _NATIVE_ORDERS = b"@=<" if sys.byteorder == "little" else b"@=>!"


def whole_number(value, str name, str unit):
    """A whole number of any type that has one, such as numpy's and 48000.0, as an int; TypeError for anything else."""
    try:
        number = int(value)
        if number == value:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise TypeError(f"{name} must be a whole number of {unit}, not {value!r}")


cdef uint64_t in_range(object value, str name, str unit, uint64_t least, uint64_t most) except? 0:
    cdef int overflow = 0
    cdef long long number
    if not PyLong_CheckExact(value):
        value = whole_number(value, name, unit)
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow or number < 0 or not least <= <uint64_t> number <= most:
        raise ValueError(f"{name} must be between {least} and {most} {unit}, not {value}")
    return <uint64_t> number


cdef inline int _array_type(char format) noexcept:
    return NPY_FLOAT if format == c"f" else NPY_SHORT if format == c"h" else NPY_UBYTE


cdef inline char _native_format(const char *format) noexcept:
    """The letter of a struct-style format with one native item, 0 for anything else."""
    if format == NULL:
        return c"B"
    if format[0] != 0 and format[1] == 0:
        return format[0]
    if format[0] != 0 and format[1] != 0 and format[2] == 0:
        # Of a single byte, any order is the native one.
        if format[0] in _NATIVE_ORDERS or format[0] in b"<>!" and format[1] in b"Bbc":
            return format[1]
    return 0


cdef inline bint _borrow_array(ndarray array, Py_buffer *view, char format, bint writable) noexcept:
    """Fill `view` from an array that is just what is wanted; leave any other, and its error, to the buffer protocol.

    The protocol takes numpy several times as long as the conversion of a block. What is borrowed lives as long as the
    caller's reference, and PyBuffer_Release finds nothing to release.
    """
    cdef int kind = PyArray_TYPE(array)
    if format == c"*":
        format = c"f" if kind == NPY_FLOAT else c"h"
    if kind != _array_type(format):
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


cdef Py_ssize_t acquire(object obj, Py_buffer *view, char format, bint writable, str name) except -1:
    if PyArray_CheckExact(obj) and _borrow_array(obj, view, format, writable):
        return view.len // view.itemsize
    return _acquire(obj, view, format, writable, name)


cdef Py_ssize_t acquire_mono(object obj, Py_buffer *view, char format, bint writable, str name) except -1:
    cdef Py_ssize_t samples = acquire(obj, view, format, writable, name)
    _check_mono(view, name)
    return samples


cdef int _check_mono(Py_buffer *view, str name) except -1:
    """Frames of several channels would pass for more of one; raw bytes tell of none. What is refused is released."""
    cdef int i
    if view.ndim < 2 or view.itemsize == 1:
        return 0
    for i in range(view.ndim):
        if view.shape[i] * view.itemsize == view.len:
            return 0
    shape = tuple([view.shape[i] for i in range(view.ndim)])
    PyBuffer_Release(view)
    raise ValueError(
        f"{name} must be mono, not of shape {shape}: give one channel, a copy of {name}[:, 0], or of int16 the mean of"
        " all, by to_mono; for stereo, have one of these for each channel"
    )


cdef Py_ssize_t acquire_pcm(object obj, Py_buffer *view, str name) except -1:
    if PyBytes_CheckExact(obj):  # as arrays above: what comes from the network is mostly this
        memset(view, 0, sizeof(Py_buffer))
        view.buf = PyBytes_AS_STRING(obj)
        view.len = PyBytes_GET_SIZE(obj)
    elif not (PyArray_CheckExact(obj) and _borrow_array(obj, view, c"h", False)):
        _acquire(obj, view, c"b", False, name)
    _check_mono(view, name)
    return view.len


cdef Py_ssize_t _acquire(object obj, Py_buffer *view, char format, bint writable, str name) except -1:
    """By the buffer protocol. The format 'b' is for bytes that may split a sample."""
    cdef Py_ssize_t itemsize
    cdef bint fits
    cdef char came
    if not PyObject_CheckBuffer(obj):
        raise TypeError(
            f"{name} must be a buffer of {_wanted(format)} (a numpy array, array, bytes, memoryview, ...), "
            f"not {type(obj).__name__}"
        )
    try:
        PyObject_GetBuffer(obj, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    except (BufferError, ValueError) as error:
        need = "writable and C-contiguous" if writable else "C-contiguous"
        raise ValueError(f"{name} must be {need}: {error}") from None
    came = _native_format(view.format)
    fits = (
        came == format
        or format == c"*" and came in b"fh"
        or format == c"b" and came == c"h"
        or format != c"B" and came in b"Bbc"
    )
    itemsize = 1 if format in b"Bb" else 4 if format == c"f" or came == c"f" else 2
    if fits and view.ndim > 0 and view.len % itemsize == 0:
        view.itemsize = 1 if came in b"Bbc" else 4 if came == c"f" else 2  # whatever a broken exporter says
        return view.len // itemsize
    try:
        _refuse(view, format, itemsize, fits, name)
    finally:
        PyBuffer_Release(view)


cdef int _refuse(Py_buffer *view, char format, Py_ssize_t itemsize, bint fits, str name) except -1:
    if not fits:
        codes = format == c"B"
        what = "uint8 codes" if codes else f"native {_wanted(format)} (or raw bytes of them)"
        hint = ": give it bytes, or an array of numpy.uint8" if codes else ""
        if format == c"b":
            hint = ": convert floats with float32_to_int16, and integers with numpy.astype(numpy.int16)"
        came = (<bytes> view.format).decode("ascii", "replace")
        raise TypeError(f"{name} must hold {what}, not items of format {came!r}{hint}")
    if view.ndim == 0:
        raise ValueError(f"{name} is zero-dimensional: give it at least one dimension")
    raise ValueError(
        f"{name} has {view.len} bytes, which is not a whole number of {itemsize}-byte {_wanted(format)}"
    )


cdef str _wanted(char format):
    if format == c"B":
        return "uint8 codes"
    return f"{'float32' if format == c'f' else 'int16 or float32' if format == c'*' else 'int16'} samples"


cdef str _noun(char format):
    return "codes" if format == c"B" else "samples"


cdef object process(block *io, operation run, object src, char src_format, object out, char out_format):
    cdef Py_ssize_t items = acquire(src, &io.src, src_format, False, "src")
    cdef Py_ssize_t room
    try:
        io.frames = items // io.src_channels
        if io.frames * io.src_channels != items:
            raise ValueError(f"src has {items} samples, which is no whole number of frames of {io.src_channels}")
        if io.interleaved:
            _check_dimensions(io)
        if out is None:
            out = _new_out(io, src_format, out_format)
        room = acquire(out, &io.out, out_format, True, "out")
        try:
            _check_room(io, room, src_format, out_format)
            if items >= RELEASE_GIL_FROM:
                with nogil:
                    run(io)
            else:
                run(io)
        finally:
            PyBuffer_Release(&io.out)
    finally:
        PyBuffer_Release(&io.src)
    return out


cdef object convert(operation run, object src, char src_format, object out, char out_format):
    cdef block io
    io.interleaved = False
    io.src_channels = io.out_channels = 1
    return process(&io, run, src, src_format, out, out_format)


cdef int _check_dimensions(block *io) except -1:
    """Planar samples, a row to a channel, would pass for frames otherwise."""
    if io.src.ndim > 1 and io.src.itemsize > 1 and io.src.shape[io.src.ndim - 1] != io.src_channels:
        raise ValueError(
            f"src must have {io.src_channels} channels in its last dimension, not {io.src.shape[io.src.ndim - 1]}"
        )


cdef object _new_out(block *io, char src_format, char out_format):
    """With the shape of src, but flat if that is raw bytes of samples or the channels change."""
    cdef npy_intp items = io.frames * io.out_channels
    cdef bint is_raw = io.src.itemsize == 1 and src_format != c"B"
    if is_raw or io.src.shape == NULL or io.interleaved:
        return PyArray_SimpleNew(1, &items, _array_type(out_format))
    return PyArray_SimpleNew(io.src.ndim, <npy_intp *> io.src.shape, _array_type(out_format))


cdef int _check_room(block *io, Py_ssize_t room, char src_format, char out_format) except -1:
    if room < io.frames * io.out_channels:
        due = f"{io.frames * io.out_channels} are due" if io.interleaved else f"src has {io.frames} {_noun(src_format)}"
        raise ValueError(f"out has room for {room} {_noun(out_format)}, but {due}")
    check_apart(&io.src, &io.out, src_format == out_format and not io.interleaved)


cdef int check_apart(const Py_buffer *src, const Py_buffer *out, bint in_place) except -1:
    cdef const char *read = <const char *> src.buf
    cdef const char *written = <const char *> out.buf
    if src.len and read < written + out.len and written < read + src.len and not (in_place and read == written):
        raise ValueError(
            "out must not share memory with src: give it a buffer of its own" + (", or src itself" if in_place else "")
        )
