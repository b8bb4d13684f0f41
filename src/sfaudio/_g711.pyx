# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""G.711, the 8-bit codes of telephony: mu-law (PCMU) and A-law (PCMA), by table.

The tables follow ITU-T Recommendation G.711, tables 1 and 2. What those leave open, how a 16-bit sample becomes one of
14 or 13 bits, is done as in the g711.c of Sun Microsystems, which SoX and Python's audioop share.
Any thread may call any of these functions, at any rate of samples; long blocks are worked on without the GIL.
"""

from libc.stdint cimport int16_t, uint8_t, uint16_t
from libc.string cimport memcpy

from sfaudio._buffers cimport block, convert


# ---- the tables: an encoder's by the linear value in two's complement, as unsigned; a decoder's by the code

cdef uint8_t _ulaw_codes[1 << 14]
cdef uint8_t _alaw_codes[1 << 13]
cdef int16_t _ulaw_values[256]
cdef int16_t _alaw_values[256]


cdef int _bits(int value) noexcept:
    cdef int bits = 0
    while value >> bits:
        bits += 1
    return bits


cdef uint8_t _ulaw_code(int linear) noexcept:
    """Of 14 bits. The bias of 33 makes each segment begin at a power of two; all bits are sent inverted."""
    cdef int magnitude = min(abs(linear), 8158) + 33
    cdef int segment = _bits(magnitude) - 6
    return (segment << 4 | magnitude >> segment + 1 & 15) ^ (0xFF if linear >= 0 else 0x7F)


cdef int16_t _ulaw_value(int code) noexcept:
    cdef int magnitude = (2 * (~code & 15) + 33 << (~code >> 4 & 7)) - 33
    return 4 * magnitude if code & 0x80 else -4 * magnitude


cdef uint8_t _alaw_code(int linear) noexcept:
    """Of 13 bits. The lowest two segments have steps of the same size; the even bits are sent inverted."""
    cdef int magnitude = linear if linear >= 0 else ~linear
    cdef int segment = max(_bits(magnitude) - 5, 0)
    return (segment << 4 | magnitude >> max(segment, 1) & 15) ^ (0xD5 if linear >= 0 else 0x55)


cdef int16_t _alaw_value(int code) noexcept:
    cdef int segment = (code ^ 0x55) >> 4 & 7
    cdef int magnitude = 2 * ((code ^ 0x55) & 15) + 1
    if segment:
        magnitude = magnitude + 32 << segment - 1
    return 8 * magnitude if code & 0x80 else -8 * magnitude


cdef void _fill_tables() noexcept:
    cdef int linear, code
    for linear in range(-(1 << 13), 1 << 13):
        _ulaw_codes[linear & (1 << 14) - 1] = _ulaw_code(linear)
    for linear in range(-(1 << 12), 1 << 12):
        _alaw_codes[linear & (1 << 13) - 1] = _alaw_code(linear)
    for code in range(256):
        _ulaw_values[code] = _ulaw_value(code)
        _alaw_values[code] = _alaw_value(code)


_fill_tables()


# ---- for native code

cdef enum:
    AT_ONCE = 8  # Compilers unroll a loop of so few: a code takes about half the time.


cdef inline void _encode(
    const int16_t *src, uint8_t *dst, Py_ssize_t samples, const uint8_t *codes, int shift
) noexcept nogil:
    # Raw bytes may begin at an odd address.
    cdef const char *raw = <const char *> src
    cdef Py_ssize_t done = 0
    cdef Py_ssize_t i
    cdef uint16_t sample
    while samples - done >= AT_ONCE:
        for i in range(AT_ONCE):
            memcpy(&sample, raw + 2 * (done + i), sizeof(sample))
            dst[done + i] = codes[sample >> shift]
        done += AT_ONCE
    for i in range(done, samples):
        memcpy(&sample, raw + 2 * i, sizeof(sample))
        dst[i] = codes[sample >> shift]


cdef inline void _decode(const uint8_t *src, int16_t *dst, Py_ssize_t samples, const int16_t *values) noexcept nogil:
    cdef char *raw = <char *> dst
    cdef Py_ssize_t done = 0
    cdef Py_ssize_t i
    while samples - done >= AT_ONCE:
        for i in range(AT_ONCE):
            memcpy(raw + 2 * (done + i), &values[src[done + i]], sizeof(int16_t))
        done += AT_ONCE
    for i in range(done, samples):
        memcpy(raw + 2 * i, &values[src[i]], sizeof(int16_t))


cdef void ulaw_encode_samples(const int16_t *src, uint8_t *dst, Py_ssize_t samples) noexcept nogil:
    _encode(src, dst, samples, _ulaw_codes, 2)


cdef void ulaw_decode_samples(const uint8_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil:
    _decode(src, dst, samples, _ulaw_values)


cdef void alaw_encode_samples(const int16_t *src, uint8_t *dst, Py_ssize_t samples) noexcept nogil:
    _encode(src, dst, samples, _alaw_codes, 3)


cdef void alaw_decode_samples(const uint8_t *src, int16_t *dst, Py_ssize_t samples) noexcept nogil:
    _decode(src, dst, samples, _alaw_values)


# ---- one pass over a block

cdef void _to_ulaw(block *io) noexcept nogil:
    ulaw_encode_samples(<const int16_t *> io.src.buf, <uint8_t *> io.out.buf, io.frames)


cdef void _from_ulaw(block *io) noexcept nogil:
    ulaw_decode_samples(<const uint8_t *> io.src.buf, <int16_t *> io.out.buf, io.frames)


cdef void _to_alaw(block *io) noexcept nogil:
    alaw_encode_samples(<const int16_t *> io.src.buf, <uint8_t *> io.out.buf, io.frames)


cdef void _from_alaw(block *io) noexcept nogil:
    alaw_decode_samples(<const uint8_t *> io.src.buf, <int16_t *> io.out.buf, io.frames)


def int16_to_ulaw(src, out=None):
    """Encode int16 samples as G.711 mu-law (PCMU), a byte to a sample: the codes of ``audioop.lin2ulaw(src, 2)``.

    The lower two bits of a sample are cut off first, toward negative infinity. The reference code of ITU-T G.191, and
    WebRTC, take a negative sample's one's complement before: of the 65,536 samples, they give 508 the next code toward
    zero, the four that reach each of the 127 decision values below zero (-4 to -1, -12 to -9, ...). All decode alike.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them.
    out
        A writable buffer of bytes (uint8) with room for as many as `src` has samples, or more, sharing no memory with
        it. The bytes beyond are left alone. With an `out`, nothing is allocated.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of uint8 with the shape of `src`.

    Raises
    ------
    TypeError
        The items are not native int16 (`src`) or uint8 (`out`), or an argument is no buffer.
    ValueError
        Not contiguous; read-only, overlapping or too small `out`; not a whole number of samples.
    """
    return convert(_to_ulaw, src, c"h", out, c"B")


def ulaw_to_int16(src, out=None):
    """Decode G.711 mu-law (PCMU) to int16 samples, -32124 to 32124: those of ``audioop.ulaw2lin(src, 2)``.

    `int16_to_ulaw` gives the codes back, but 0xFF (zero) for 0x7F (negative zero).

    Parameters
    ----------
    src
        Any C-contiguous buffer of bytes (uint8).
    out
        A writable buffer of int16 samples with room for as many as `src` has bytes, or more, sharing no memory with
        it. The samples beyond are left alone. With an `out`, nothing is allocated.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of int16 with the shape of `src`.

    Raises
    ------
    TypeError
        The items are not uint8 (`src`) or native int16 (`out`), or an argument is no buffer.
    ValueError
        Not contiguous; read-only, overlapping or too small `out`.
    """
    return convert(_from_ulaw, src, c"B", out, c"h")


def int16_to_alaw(src, out=None):
    """Encode int16 samples as G.711 A-law (PCMA), a byte to a sample: the codes of ``audioop.lin2alaw(src, 2)``.

    The reference code of ITU-T G.191, and WebRTC, give the same.

    Parameters
    ----------
    src, out
        As `int16_to_ulaw`.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of uint8 with the shape of `src`.

    Raises
    ------
    TypeError, ValueError
        As `int16_to_ulaw`.
    """
    return convert(_to_alaw, src, c"h", out, c"B")


def alaw_to_int16(src, out=None):
    """Decode G.711 A-law (PCMA) to int16 samples, -32256 to 32256: those of ``audioop.alaw2lin(src, 2)``.

    `int16_to_alaw` gives the codes back. No code is zero: silence is 8 or -8.

    Parameters
    ----------
    src, out
        As `ulaw_to_int16`.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of int16 with the shape of `src`.

    Raises
    ------
    TypeError, ValueError
        As `ulaw_to_int16`.
    """
    return convert(_from_alaw, src, c"B", out, c"h")
