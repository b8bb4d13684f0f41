# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The queue from an audio callback to a network task, in which the oldest frames give way.

The writer never looks at the reader, it goes round its ring. The reader copies first and looks afterwards whether the
writer came round meanwhile, as with a seqlock (H.-J. Boehm, "Can seqlocks get along with programming language memory
models?", 2012): so the samples are copied with relaxed atomics.
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from sfaudio._buffers cimport acquire
from sfaudio._kernels cimport float32_to_int16_wire
from sfaudio._ring cimport LARGEST_FRAMES, frames_in_range, ring_frames
from sfaudio._ring cimport sf_fence_acquire, sf_fence_release, sf_load_acquire, sf_load_relaxed, sf_load_samples
from sfaudio._ring cimport sf_store_relaxed, sf_store_release, sf_store_samples

from sfaudio._statistics import CaptureQueueStatistics


cdef struct capture_queue:
    int16_t *ring
    uint64_t mask
    uint64_t capacity
    # The writer's. It never looks at the reader: it writes over the oldest frames, which the reader finds out.
    uint64_t claim  # where the write under way will end
    uint64_t head
    char writer_ends_here[64]  # the two sides share no cache line
    # The reader's.
    uint64_t tail
    uint64_t read
    uint64_t dropped
    uint64_t overruns
    uint64_t padded


cdef void capture_write_int16(capture_queue *queue, const int16_t *block, Py_ssize_t frames) noexcept nogil:
    cdef uint64_t head = queue.head
    cdef Py_ssize_t at, step
    while frames > 0:
        at = <Py_ssize_t> (head & queue.mask)
        # No step takes more than `capacity`, so a reader always finds as much that is not being written over.
        step = min(frames, <Py_ssize_t> min(queue.mask + 1 - at, queue.capacity))
        head += <uint64_t> step
        sf_store_relaxed(&queue.claim, head)
        sf_fence_release()  # whoever sees a sample stored below sees the claim too
        sf_store_samples(queue.ring + at, block, <size_t> step)
        sf_store_release(&queue.head, head)
        block += step
        frames -= step


cdef void capture_write_float32(capture_queue *queue, const float *block, Py_ssize_t frames) noexcept nogil:
    cdef int16_t converted[256]
    cdef Py_ssize_t step
    while frames > 0:
        step = min(frames, 256)
        float32_to_int16_wire(block, converted, step)
        capture_write_int16(queue, converted, step)
        block += step
        frames -= step


cdef inline void _give_up_lost(capture_queue *queue, uint64_t head) noexcept nogil:
    """Step over the frames that the writer has written over, or may write over now."""
    if head - queue.tail > queue.capacity:
        queue.dropped += head - queue.tail - queue.capacity
        queue.overruns += 1
        queue.tail = head - queue.capacity


cdef Py_ssize_t capture_read(capture_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil:
    cdef uint64_t head
    cdef Py_ssize_t at, first, taken
    while True:
        head = sf_load_acquire(&queue.head)
        _give_up_lost(queue, head)
        taken = min(frames, <Py_ssize_t> (head - queue.tail))
        at = <Py_ssize_t> (queue.tail & queue.mask)
        first = min(taken, <Py_ssize_t> queue.mask + 1 - at)
        sf_load_samples(out, queue.ring + at, <size_t> first)
        sf_load_samples(out + first, queue.ring, <size_t> (taken - first))
        sf_fence_acquire()
        if sf_load_relaxed(&queue.claim) - queue.tail <= queue.mask + 1:
            break  # else the writer came round and overtook the copy
    queue.tail += <uint64_t> taken
    queue.read += <uint64_t> taken
    return taken


cdef uint64_t _drop(capture_queue *queue, uint64_t frames) noexcept nogil:
    cdef uint64_t head = sf_load_acquire(&queue.head)
    _give_up_lost(queue, head)
    frames = min(frames, head - queue.tail)
    queue.dropped += frames
    queue.tail += frames
    return frames


cdef class CaptureQueue:
    """A queue of mono int16 samples between one audio callback and one network task; the oldest give way.

    Threads: one thread at a time may *write* (`write`) and one, the same or another, may *read* (all else). Neither
    side ever waits for the other. The writer always succeeds, allocates nothing and makes no system call: stale speech
    is worthless, so a reader who comes too late finds the newest `capacity` frames, and the loss counted.

    Parameters
    ----------
    capacity
        Most frames it will hold. The memory, the next power of two of twice as many 2-byte samples, is allocated and
        touched here, once: a reader can then be overtaken only by `capacity` frames recorded while it copies.

    Raises
    ------
    TypeError, ValueError
        `capacity` is no whole number, or out of range.
    MemoryError
        There is no memory for `capacity`.
    """

    def __cinit__(self, capacity):
        cdef uint64_t frames = frames_in_range(capacity, "capacity", 1, LARGEST_FRAMES)
        self.queue = <capture_queue *> calloc(1, sizeof(capture_queue))
        if self.queue == NULL:
            raise MemoryError
        self.queue.capacity = frames
        self.queue.mask = ring_frames(2 * frames) - 1
        self.queue.ring = <int16_t *> malloc((self.queue.mask + 1) * sizeof(int16_t))
        if self.queue.ring == NULL:
            raise MemoryError(f"no memory for a capture queue of {frames} frames")
        # Or the callback would be the first to touch each page, and wait for the kernel to find one. Not with zeros,
        # which compilers turn into a calloc of untouched pages.
        memset(self.queue.ring, 1, (self.queue.mask + 1) * sizeof(int16_t))

    def __dealloc__(self):
        if self.queue != NULL:
            free(self.queue.ring)
            free(self.queue)

    def write(self, block):
        """Queue a block of int16 or float32 samples; float32 is converted by the wire rule."""
        cdef Py_buffer view
        cdef Py_ssize_t frames = acquire(block, &view, c"*", False, "block")
        try:
            if view.itemsize == 4:
                capture_write_float32(self.queue, <const float *> view.buf, frames)
            else:
                capture_write_int16(self.queue, <const int16_t *> view.buf, frames)
        finally:
            PyBuffer_Release(&view)

    def read(self, frames, *, bint pad=False):
        """Take up to `frames` of the oldest frames, as bytes of native int16 samples.

        With `pad`, just as many: silence follows where the queue has no more, and is counted as `padded_frames`.
        """
        cdef uint64_t wanted = frames_in_range(frames, "frames", 0, LARGEST_FRAMES)
        if not pad:
            wanted = min(wanted, self.queued_frames)
        cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> (wanted * sizeof(int16_t)))
        cdef int16_t *samples = <int16_t *> <void *> PyBytes_AS_STRING(out)
        cdef uint64_t taken = <uint64_t> capture_read(self.queue, samples, <Py_ssize_t> wanted)
        memset(samples + taken, 0, (wanted - taken) * sizeof(int16_t))
        self.queue.padded += wanted - taken
        return out

    def read_into(self, out):
        """Move up to as many of the oldest frames as `out`, a buffer of int16, has room for. Returns how many."""
        cdef Py_buffer view
        cdef Py_ssize_t room = acquire(out, &view, c"h", True, "out")
        try:
            return capture_read(self.queue, <int16_t *> view.buf, room)
        finally:
            PyBuffer_Release(&view)

    def drop(self, frames):
        """Throw away up to `frames` of the oldest frames, which are too late to be read: an overrun, if there are any.

        Returns how many there were.
        """
        cdef uint64_t dropped = _drop(self.queue, frames_in_range(frames, "frames", 0, LARGEST_FRAMES))
        self.queue.overruns += dropped > 0
        return dropped

    def flush(self):
        """Throw away what is queued now, counted as dropped."""
        _drop(self.queue, self.queue.capacity)

    def statistics(self):
        """A consistent snapshot of the counters, as `CaptureQueueStatistics`."""
        cdef uint64_t head = sf_load_acquire(&self.queue.head)
        cdef uint64_t queued = min(head - self.queue.tail, self.queue.capacity)
        cdef uint64_t lost = head - self.queue.tail - queued  # already written over, not yet found out
        return CaptureQueueStatistics(
            written_frames=head,
            read_frames=self.queue.read,
            queued_frames=queued,
            dropped_frames=self.queue.dropped + lost,
            overruns=self.queue.overruns + (lost > 0),
            padded_frames=self.queue.padded,
        )

    @property
    def capacity(self):
        """Most frames it will hold."""
        return self.queue.capacity

    @property
    def queued_frames(self):
        """Frames waiting, at this moment."""
        return min(sf_load_acquire(&self.queue.head) - self.queue.tail, self.queue.capacity)
