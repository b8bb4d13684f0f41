"""The echo canceller's filter, on streams that are aligned: no GIL, no allocation. For `_echo`, not for others.

One thread at a time may use one. A block has `hop` frames, 10 ms, of samples in [-1, 1].
"""

from libc.stdint cimport uint64_t

from sfaudio._fourier cimport MOST_POINTS


cdef enum:
    MOST_HOP = MOST_POINTS // 2


# What is known of the last block. Powers are mean squares, full scale is 1.
cdef struct echo_block:
    float captured
    float estimate  # of the echo
    float error  # captured without that
    # Where speech is and neither hum nor a constant, which are no echo; with half of the block before:
    float heard  # captured
    float output  # what the gain leaves, without comfort noise
    bint agent_alone  # he is heard, and nobody else is, by what is left of him: also while that is much
    int changes  # of the path that were found, so far

cdef struct echo_filter

# `hop` is 80 at 8 kHz, 160 at 16 kHz. NULL: no memory.
cdef echo_filter *echo_filter_new(Py_ssize_t hop, bint comfort_noise) noexcept
cdef void echo_filter_free(echo_filter *of) noexcept

# A block, and what was played in it, or up to 10 ms later; `out` is the block before this one, and may be `captured`.
cdef void echo_filter_block(
    echo_filter *of, const float *captured, const float *played, float *out
) noexcept nogil
# A block was played whose captured frames are lost, or are history: nothing is learnt, nothing comes out.
cdef void echo_filter_play(echo_filter *of, const float *played) noexcept nogil
# Nothing was played for long: the block comes out elsewhere, as it is; this keeps what the next one needs.
cdef void echo_filter_pass(echo_filter *of, const float *captured) noexcept nogil
# The path is another one: learn it anew, from what is known.
cdef void echo_filter_doubt(echo_filter *of) noexcept nogil

cdef const echo_block *echo_filter_last(const echo_filter *of) noexcept nogil


cdef class EchoFilter:
    cdef echo_filter *filter
    cdef uint64_t user  # the owner word
    cdef readonly int samplerate
    cdef void _process(self, const void *captured, const void *played, Py_ssize_t frames, void *out) noexcept
