"""The log of a playout engine: what its output is made of, piece by piece. For `_engine` and `_playout` alone.

One thread notes, another may take: a ring with two counters, as those of the queues.
"""

from libc.stdint cimport int64_t, uint64_t

from sfaudio._ring cimport sf_load_acquire, sf_store_relaxed, sf_store_release


# See `PlayoutEngine.read_log` for what `a` and `n` are.
cdef enum piece_kind:
    SAID
    REMOVED
    INSERTED
    LEFT_OUT
    HELD
    CONCEALED
    SILENCE
    RESUMED
    FLUSHED_OUT

cdef struct piece:
    int64_t kind
    int64_t a
    int64_t n

cdef struct piece_log:
    piece *pieces  # `mask` + 1 of them; NULL for no log
    uint64_t mask
    uint64_t noted  # the engine's
    uint64_t lost
    uint64_t taken  # the reader's of the log


cdef inline void note_piece(piece_log *log, piece_kind kind, int64_t a, int64_t n) noexcept nogil:
    cdef uint64_t noted = log.noted
    cdef piece *entry
    if log.pieces == NULL:
        return
    if noted - sf_load_acquire(&log.taken) > log.mask:
        sf_store_relaxed(&log.lost, log.lost + 1)
        return
    entry = &log.pieces[noted & log.mask]
    entry.kind, entry.a, entry.n = kind, a, n
    sf_store_release(&log.noted, noted + 1)


cdef inline bint piece_at(const piece_log *log, uint64_t at, piece *entry) noexcept nogil:
    """Look at a piece, from `taken` on. False if it was not noted yet."""
    if at >= sf_load_acquire(&log.noted):
        return False
    entry[0] = log.pieces[at & log.mask]
    return True


cdef inline void pieces_taken(piece_log *log, uint64_t before) noexcept nogil:
    """What was noted before this one is not looked at any more."""
    sf_store_release(&log.taken, before)
