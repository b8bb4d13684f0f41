"""The echo canceller block by block: no GIL, no allocation. For `_echo`, not for others. One thread at a time."""

from libc.stdint cimport uint64_t

from sfaudio._echo_filter cimport MOST_HOP, echo_filter
from sfaudio._resample cimport resampler


cdef enum:
    KEPT_SECONDS = 3  # of both streams: the longest delay, the filter's taps, and what is replayed
    MOST_BLOCK = 960  # 10 ms at 96 kHz

cdef enum finding:
    SEARCHING  # the delay is not known: silence while something that was played may be heard
    CANCELLING  # it is known
    NO_ECHO  # none was found: all passes, until one is

cdef enum treatment:
    PASS
    SILENCE
    CANCEL

# In frames; but the last two, which are times.
cdef struct echo_books:
    uint64_t passed
    uint64_t silenced
    uint64_t cancelled
    uint64_t skipped
    uint64_t path_changes
    uint64_t realignments

cdef struct canceller:
    uint64_t user  # the owner word
    Py_ssize_t block  # 10 ms, in frames
    Py_ssize_t hop  # the same at the filter's rate
    Py_ssize_t latency  # in frames
    float *line  # [latency + block], what was captured, oldest first
    # The split; all NULL where there is none.
    resampler *captured_down
    resampler *played_down
    resampler *removed_up
    bint is_ringing  # the last of these
    # What was kept, at the filter's rate, until now.
    float *captured  # [room]
    float *played
    Py_ssize_t room
    Py_ssize_t filled  # frames in each, KEPT_SECONDS at least
    Py_ssize_t since  # where this path began
    int whole  # blocks since the last gap
    # The filter.
    echo_filter *filter
    bint is_primed  # with what was played
    Py_ssize_t shift  # what was played is lined up by so many frames
    float fresh_captured[MOST_HOP]  # this block
    float last_captured[MOST_HOP]  # the one before
    float last_cancelled[MOST_HOP]
    # The decisions.
    finding state
    double delay
    double candidate  # the delay that a second look may make sure; -1 for none
    int held  # blocks that pass after something was played, until all is passed
    treatment now  # of the block before this one
    treatment before  # of the one before that
    bint still  # exact zeros were captured
    bint was_still  # in the block before
    # In blocks:
    int quiet  # since something audible was played
    int heard  # audible ones played since the search began
    int sought  # since the first of these
    int unlooked  # since the last look
    int lost  # to come, in which the delay may be another, as the filter found another path
    int changes  # of it
    # How well it works: mean squares.
    float smooth_captured
    float smooth_estimate
    float smooth_error
    float alone_captured  # while only the agent talks
    float alone_output
    int leaking  # blocks
    bint is_leaking
    echo_books books

# With the GIL. -1: no memory. What was made is freed by canceller_free, also then.
cdef int canceller_begin(canceller *of, int samplerate, int filter_rate, bint comfort_noise)
cdef void canceller_free(canceller *of) noexcept

# Blocks of both, of float32 or int16, from frame `at` on. Gives where a look at the delay is due: after that look,
# canceller_give takes the block's output; or `frames`, at the end.
cdef Py_ssize_t canceller_run(
    canceller *of, const char *captured, const char *played, char *out, Py_ssize_t at, Py_ssize_t frames, bint is_float
) noexcept nogil
cdef void canceller_give(canceller *of, char *out, bint is_float) noexcept nogil
# The delay is known, or another one.
cdef void canceller_align(canceller *of, double delay) noexcept nogil
# What was captured while these frames were played is lost.
cdef void canceller_skip(canceller *of, const char *played, Py_ssize_t frames, bint is_float) noexcept nogil
# The path is another one.
cdef void canceller_seek(canceller *of) noexcept nogil
