"""What the functions of this package do to their arguments. For its modules, not for others to cimport.

A format is a letter, as in struct: 'f' float32, 'h' int16, 'B' uint8 codes, '*' float32 or int16.
"""

from libc.stdint cimport int16_t, uint64_t


# A sample at any address: raw bytes may begin at an odd one.
cdef packed struct raw_float32:
    float value
cdef packed struct raw_int16:
    int16_t value

cdef enum:
    # Below this many samples the work takes less time than giving up the GIL and fighting to get it back.
    RELEASE_GIL_FROM = 16384

# A whole number of any type, in a range. TypeError, ValueError that names the argument.
cdef uint64_t in_range(object value, str name, str unit, uint64_t least, uint64_t most) except? 0

# Fill `view` with the items of `obj`, of this format ('*': `view.itemsize` tells which); raw bytes count as what is
# wanted, under '*' as int16. Returns how many there are; `view` must be released.
cdef Py_ssize_t acquire(object obj, Py_buffer *view, char format, bint writable, str name) except -1

# Likewise, of one channel: ValueError for what has more than one dimension, but for those of one item.
cdef Py_ssize_t acquire_mono(object obj, Py_buffer *view, char format, bint writable, str name) except -1

# Likewise with PCM16 bytes, raw or native int16, that need not end with a whole sample. Returns how many bytes.
cdef Py_ssize_t acquire_pcm(object obj, Py_buffer *view, str name) except -1
# ValueError if the two share memory, but for being the same where that may be.
cdef int check_apart(const Py_buffer *src, const Py_buffer *out, bint in_place) except -1


# One pass over a block. An operation reads `frames` frames of `src`, of `src_channels` items each, and writes as many
# of `out_channels` items to `out`.
cdef struct block:
    Py_buffer src
    Py_buffer out
    Py_ssize_t frames
    int src_channels
    int out_channels
    bint interleaved  # src or out is frames of so many channels, even if that is one; else items, of any shape
    float gain
    Py_ssize_t clipped

ctypedef void (*operation)(block *io) noexcept nogil

# Acquire both buffers, check that they go together, run, release. Only the channels, `interleaved`, and what the
# operation itself reads, must be set in `io`. Returns `out`, or a new array in place of None.
cdef object process(block *io, operation run, object src, char src_format, object out, char out_format)
# Likewise, of as many items as `src` has.
cdef object convert(operation run, object src, char src_format, object out, char out_format)
