"""The words of the playout queue, for the modules of this package: `_pcm` writes and plays it, `_reader` reads it."""

from libc.stdint cimport uint64_t

from sfaudio._segments cimport segments


cdef struct playout_queue:
    segments ring
    uint64_t capacity
    uint64_t prefill
    uint64_t fade
    # The writer's. A request is the position up to which it holds, so it never has to be taken back.
    uint64_t writer  # its owner word
    uint64_t head
    uint64_t flush_to
    uint64_t drain_to
    uint64_t split  # the first byte of a split sample, plus 256; 0 for none
    char writer_ends_here[64]  # the two sides share no cache line
    # The reader's, readable from anywhere through `sequence`, which is odd while they change.
    uint64_t reader  # its owner word
    uint64_t sequence
    uint64_t tail
    uint64_t read
    uint64_t dropped
    uint64_t padded
    uint64_t underruns
    # The reader's alone.
    bint playing
    uint64_t waited  # frames of silence since there was something to play
    uint64_t fade_left
    uint64_t fade_total
    char *out  # where the next frames of the block under way go
    size_t itemsize  # of its samples: 2 for int16, 4 for float32
