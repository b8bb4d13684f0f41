"""Who uses one side of a queue, or an object as a whole: a word, 0 or the address of a text that names the holder.

A call from Python takes the word by compare-and-exchange and gives it back; a stream holds it for as long as it is
open, so that its callback has nothing to check. For the modules of this package, not for others to cimport.
"""

from libc.stdint cimport uint64_t, uintptr_t


cdef extern from "_atomics.h" nogil:
    uint64_t sf_hold(uint64_t *at, uint64_t holder)
    void sf_store_release(uint64_t *at, uint64_t value)

cdef extern from * nogil:
    """
    #define SF_CALL "another call, which has not returned: let one thread at a time use it"
    #define SF_NEW "its constructor, which has not returned"
    """
    const char *CALL "SF_CALL"  # from Python, which must not be left without `give_back`
    const char *NEW "SF_NEW"  # while the code of an argument runs, which finds the object among those of the collector


cdef inline int hold(uint64_t *owner, const char *holder, str what) except -1:
    """Until `give_back`. `holder` is a literal, which others are told. RuntimeError if somebody has it."""
    cdef uint64_t found = sf_hold(owner, <uintptr_t> holder)
    if found:
        by = (<const char *> <uintptr_t> found).decode("utf-8", "replace")
        raise RuntimeError(f"{what} is held by {by}")
    return 0


cdef inline void give_back(uint64_t *owner) noexcept nogil:
    sf_store_release(owner, 0)
