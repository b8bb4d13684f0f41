"""The ring of a queue, whose memory is there only where something is queued: segments, and a directory of them.

A position is a frame count since the start. Its segment has the number `position >> shift`; that number, masked, is a
slot of the directory, in which the segment is, or NULL.

The writer's side alone puts segments into slots and takes them out, and of those between the reader's tail and the
head it takes out none. What it did to a slot comes to the reader with `head`, what the reader did comes back with
`tail`: so slots need no atomics, and the reader neither allocates nor frees. In a full ring a segment stays where it
is, and the next round is written over it.

The memory needs no GIL, and tracemalloc tells of it: Python's raw one for small segments, and for those of full size
the pages that Python's own arenas are made of, which go back to the system when they are freed. (Of a malloc's heap,
what a burst took would stay with the process.) For the modules of this package, not for others to cimport.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset


cdef extern from "Python.h" nogil:
    ctypedef struct PyObjectArenaAllocator:
        void *ctx
        void *(*alloc)(void *ctx, size_t size) noexcept nogil
        void (*free)(void *ctx, void *at, size_t size) noexcept nogil
    void PyObject_GetArenaAllocator(PyObjectArenaAllocator *allocator)
    int PyTraceMalloc_Track(unsigned int domain, uintptr_t at, size_t size)
    int PyTraceMalloc_Untrack(unsigned int domain, uintptr_t at)


cdef enum:
    LARGEST_SHIFT = 13  # 8,192 frames, 16 KiB: half a second at 16 kHz
    TRACED = 0x5FA0  # our domain of tracemalloc


cdef struct segments:
    int16_t **slots
    uint64_t slot_mask
    uint64_t frame_mask  # within a segment
    int shift
    # The writer's.
    uint64_t behind  # the segments before this number have been taken out
    int16_t *spare  # one of them, or NULL: a steady flow goes round without the allocator


cdef inline bint make_segments(segments *of, uint64_t capacity) noexcept nogil:
    """Of a ring of the least power of two that holds `capacity` frames, four or more. False if there is no memory."""
    cdef int bits = 0
    while <uint64_t> 1 << bits < capacity:
        bits += 1
    of.shift = min(max(bits - 2, 0), LARGEST_SHIFT)
    of.frame_mask = (<uint64_t> 1 << of.shift) - 1
    of.slot_mask = (<uint64_t> 1 << (bits - of.shift)) - 1
    of.slots = <int16_t **> PyMem_RawCalloc(of.slot_mask + 1, sizeof(int16_t *))
    return of.slots != NULL


cdef inline int16_t *new_segment(const segments *of) noexcept nogil:
    """Or NULL."""
    cdef size_t size = (of.frame_mask + 1) * sizeof(int16_t)
    cdef PyObjectArenaAllocator pages
    cdef void *segment
    if of.shift < LARGEST_SHIFT:
        return <int16_t *> PyMem_RawMalloc(size)
    PyObject_GetArenaAllocator(&pages)
    segment = pages.alloc(pages.ctx, size)
    if segment != NULL:
        PyTraceMalloc_Track(TRACED, <uintptr_t> segment, size)
    return <int16_t *> segment


cdef inline void free_segment(const segments *of, int16_t *segment) noexcept nogil:
    """Or NULL."""
    cdef PyObjectArenaAllocator pages
    if of.shift < LARGEST_SHIFT:
        PyMem_RawFree(segment)
    elif segment != NULL:
        PyTraceMalloc_Untrack(TRACED, <uintptr_t> segment)
        PyObject_GetArenaAllocator(&pages)
        pages.free(pages.ctx, segment, (of.frame_mask + 1) * sizeof(int16_t))


cdef inline void free_segments(segments *of) noexcept nogil:
    cdef uint64_t slot
    if of.slots != NULL:
        for slot in range(of.slot_mask + 1):
            free_segment(of, of.slots[slot])
    PyMem_RawFree(of.slots)
    free_segment(of, of.spare)


cdef inline uint64_t ring_frames(const segments *of) noexcept nogil:
    """How many frames the whole ring has."""
    return (of.slot_mask + 1) << of.shift


cdef inline int16_t *frame_at(const segments *of, uint64_t position) noexcept nogil:
    """Where a frame is. Its segment must be there."""
    return of.slots[position >> of.shift & of.slot_mask] + (position & of.frame_mask)


cdef inline Py_ssize_t run_at(const segments *of, uint64_t position, uint64_t end) noexcept nogil:
    """How many of the frames from `position` to `end` lie in one run, in the segment of the first."""
    return <Py_ssize_t> (min(end, (position | of.frame_mask) + 1) - position)


cdef inline bint enter(segments *of, uint64_t position) noexcept nogil:
    """Writer's side: have the segment of a position. False if there is no memory for it."""
    cdef int16_t **slot = &of.slots[position >> of.shift & of.slot_mask]
    if slot[0] == NULL:
        slot[0], of.spare = of.spare, NULL
    if slot[0] == NULL:
        slot[0] = new_segment(of)
        if slot[0] == NULL:
            return False
        # Or a callback would be the first to touch its pages, and wait for the kernel to find them. Not with zeros,
        # which compilers turn into a calloc of untouched pages.
        memset(slot[0], 1, (of.frame_mask + 1) * sizeof(int16_t))
    return True


cdef inline Py_ssize_t fill(segments *of, uint64_t position, const void *samples, Py_ssize_t frames) noexcept nogil:
    """Writer's side: copy samples, at any address, to a position. Returns how many there was memory for."""
    cdef uint64_t at = position
    cdef uint64_t end = position + <uint64_t> frames
    cdef Py_ssize_t run
    while at < end and enter(of, at):
        run = run_at(of, at, end)
        memcpy(frame_at(of, at), <const char *> samples + (at - position) * sizeof(int16_t), run * sizeof(int16_t))
        at += <uint64_t> run
    return <Py_ssize_t> (at - position)


cdef inline bint enter_all(segments *of, uint64_t position, uint64_t frames) noexcept nogil:
    """Writer's side: have the segments of all these frames, which may be more than the ring has."""
    cdef uint64_t end = position + min(frames, ring_frames(of))
    while position < end:
        if not enter(of, position):
            return False
        position = (position | of.frame_mask) + 1
    return True


cdef inline void take_back(segments *of, uint64_t tail, uint64_t head) noexcept nogil:
    """Writer's side: free the segments that lie wholly behind the reader's tail, but for a spare one."""
    cdef int16_t **slot
    if (head >> of.shift) - of.behind > of.slot_mask:  # their slots are those of later segments by now
        of.behind = (head >> of.shift) - of.slot_mask
    while of.behind < tail >> of.shift:
        slot = &of.slots[of.behind & of.slot_mask]
        if of.spare == NULL:
            of.spare = slot[0]
        else:
            free_segment(of, slot[0])
        slot[0] = NULL
        of.behind += 1
