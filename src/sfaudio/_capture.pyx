# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The queue from an audio callback to a network task, in which the oldest frames give way.

The writer goes round its ring without a look at the reader. The reader copies first and looks afterwards whether the
writer came round meanwhile, as with a seqlock (H.-J. Boehm, "Can seqlocks get along with programming language memory
models?", 2012): so the samples are copied with relaxed atomics.

A native writer has the memory of the whole ring from when it holds its side. A write from Python has just what it needs
(`_segments`), and looks at the reader's tail for what can be given back: no reader looks before that.
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._kernels cimport float32_to_int16_wire, int16_samples_to_float32
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._ring cimport LARGEST_FRAMES, LOOKS, LOOKS_AT_ONCE
from sfaudio._ring cimport sf_fence_acquire, sf_fence_release, sf_load_acquire, sf_load_relaxed, sf_load_samples
from sfaudio._ring cimport sf_store_relaxed, sf_store_release, sf_store_samples
from sfaudio._segments cimport enter_all, frame_at, free_segments, make_segments, ring_frames, run_at, segments
from sfaudio._segments cimport take_back

from time import sleep

from sfaudio._statistics import CaptureQueueStatistics


cdef struct capture_queue:
    segments ring
    uint64_t capacity
    uint64_t writer  # the owner word
    # The writer's. It writes over the oldest frames, which the reader finds out.
    uint64_t claim  # where the write under way will end
    uint64_t head
    char writer_ends_here[64]  # the two sides share no cache line
    # The reader's, readable from anywhere through `sequence`, which is odd while they change.
    uint64_t reader  # its owner word
    uint64_t sequence
    uint64_t tail
    uint64_t read
    uint64_t dropped
    uint64_t overruns
    uint64_t padded


cdef void capture_write_int16(capture_queue *queue, const int16_t *block, Py_ssize_t frames) noexcept nogil:
    cdef uint64_t head = queue.head
    cdef Py_ssize_t step
    while frames > 0:
        # No step takes more than `capacity`, so a reader always finds as much that is not being written over.
        step = run_at(&queue.ring, head, head + min(<uint64_t> frames, queue.capacity))
        sf_store_relaxed(&queue.claim, head + <uint64_t> step)
        sf_fence_release()  # whoever sees a sample stored below sees the claim too
        sf_store_samples(frame_at(&queue.ring, head), block, <size_t> step)
        head += <uint64_t> step
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


cdef inline uint64_t _oldest(const capture_queue *queue, uint64_t head) noexcept nogil:
    """Where the frames begin that the writer has not written over, and does not write over now."""
    return head - queue.capacity if head - queue.tail > queue.capacity else queue.tail


cdef inline bint _overtaken(const capture_queue *queue, uint64_t tail) noexcept nogil:
    return sf_load_relaxed(&queue.claim) - tail > ring_frames(&queue.ring)


cdef inline void _move_on(capture_queue *queue, uint64_t oldest, uint64_t read, uint64_t dropped) noexcept nogil:
    """Count the frames before the oldest as lost, and those that follow as read or dropped."""
    cdef uint64_t lost = oldest - queue.tail
    sf_store_relaxed(&queue.sequence, queue.sequence + 1)
    sf_fence_release()
    if lost:
        sf_store_relaxed(&queue.overruns, queue.overruns + 1)
    sf_store_relaxed(&queue.dropped, queue.dropped + lost + dropped)
    sf_store_relaxed(&queue.read, queue.read + read)
    sf_store_release(&queue.tail, oldest + read + dropped)  # whoever sees it sees a head as far
    sf_store_release(&queue.sequence, queue.sequence + 1)


cdef Py_ssize_t capture_read(capture_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil:
    cdef uint64_t head, tail, at
    cdef Py_ssize_t taken, step
    while True:
        head = sf_load_acquire(&queue.head)
        tail = _oldest(queue, head)
        taken = min(frames, <Py_ssize_t> (head - tail))
        at = tail
        while at < tail + <uint64_t> taken:
            step = run_at(&queue.ring, at, tail + <uint64_t> taken)
            sf_load_samples(out + (at - tail), frame_at(&queue.ring, at), <size_t> step)
            at += <uint64_t> step
        sf_fence_acquire()
        if not _overtaken(queue, tail):
            break  # else the writer came round and overtook the copy
    _move_on(queue, tail, <uint64_t> taken, 0)
    return taken


cdef Py_ssize_t _read_float32(capture_queue *queue, float *out, Py_ssize_t frames) noexcept nogil:
    cdef int16_t block[256]
    cdef Py_ssize_t taken = 0, step, came
    while taken < frames:
        step = min(frames - taken, 256)
        came = capture_read(queue, block, step)
        int16_samples_to_float32(block, out + taken, came)
        taken += came
        if came < step:
            break
    return taken


cdef uint64_t _drop(capture_queue *queue, uint64_t frames) noexcept nogil:
    cdef uint64_t head = sf_load_acquire(&queue.head)
    cdef uint64_t tail = _oldest(queue, head)
    frames = min(frames, head - tail)
    _move_on(queue, tail, 0, frames)
    return frames


cdef inline uint64_t _queued(const capture_queue *queue) noexcept nogil:
    cdef uint64_t tail = sf_load_acquire(&queue.tail)  # first: it never passes a later head
    return min(sf_load_acquire(&queue.head) - tail, queue.capacity)


cdef bint _make_way(capture_queue *queue, uint64_t frames) noexcept nogil:
    """Give back the memory of what was read, and have it for so many more frames. False if there is none."""
    take_back(&queue.ring, sf_load_acquire(&queue.tail), queue.head)
    return enter_all(&queue.ring, queue.head, frames)


cdef int _hold_writer(capture_queue *queue, const char *holder) except -1:
    return hold(&queue.writer, holder, "the writing side of this CaptureQueue")


cdef int capture_hold_writer(capture_queue *queue, const char *holder) except -1:
    _hold_writer(queue, holder)
    if not _make_way(queue, ring_frames(&queue.ring)):
        capture_release_writer(queue)
        raise MemoryError(f"no memory for a capture queue of {queue.capacity} frames, all of which a stream needs")
    return 0


cdef int capture_hold_reader(capture_queue *queue, const char *holder) except -1:
    return hold(&queue.reader, holder, "the reading side of this CaptureQueue")


cdef void capture_release_writer(capture_queue *queue) noexcept nogil:
    give_back(&queue.writer)


cdef void capture_release_reader(capture_queue *queue) noexcept nogil:
    give_back(&queue.reader)


cdef class CaptureQueue:
    """CaptureQueue(capacity)\n--\n
    A queue of mono int16 samples between one audio callback and one network task; the oldest give way.

    Threads: one thread at a time may *write* (`write`) and one, the same or another, may *read* (`read`, `read_into`,
    `drop`, `flush`). All else may be asked from anywhere. Neither side ever waits for the other. A full queue takes all
    that is written: stale speech is worthless, so a reader who comes too late finds the newest `capacity` frames, and
    the loss counted. A stream is the writer from when it is opened until it is closed; it allocates nothing and makes
    no system call. Whoever comes to a side that somebody else has gets a RuntimeError, which names the holder.

    Parameters
    ----------
    capacity
        Most frames it will hold. The ring has twice as many, or the next power of two, of 2 bytes: a reader can be
        overtaken only by `capacity` frames recorded while it copies. For a stream all of it is allocated and touched
        when that is opened. Else memory is there for what is queued, in segments of 16 KiB, or a quarter of it all:
        `write` allocates it, and the next one, of nothing too, frees that of what was read.

    Raises
    ------
    TypeError, ValueError
        `capacity` is no whole number, or out of range.
    MemoryError
        There is no memory for `capacity`.
    """

    def __cinit__(self, capacity):
        cdef uint64_t frames
        self.queue = <capture_queue *> calloc(1, sizeof(capture_queue))
        if self.queue == NULL:
            raise MemoryError
        self.queue.writer = self.queue.reader = <uintptr_t> NEW
        self.queue.capacity = frames = in_range(capacity, "capacity", "frames", 1, LARGEST_FRAMES)
        if not make_segments(&self.queue.ring, 2 * frames):
            raise MemoryError(f"no memory for a capture queue of {frames} frames")
        capture_release_writer(self.queue)
        capture_release_reader(self.queue)

    def __dealloc__(self):
        if self.queue != NULL:
            free_segments(&self.queue.ring)
            free(self.queue)

    def write(self, block):
        """Queue a block of int16 or float32 samples; float32 is converted by the wire rule.

        MemoryError if there is no memory for it: then none of it is queued.
        """
        cdef Py_buffer view
        cdef Py_ssize_t frames = acquire_mono(block, &view, c"*", False, "block")
        cdef bint there
        try:
            _hold_writer(self.queue, CALL)
            there = _make_way(self.queue, <uint64_t> frames)
            if there and view.itemsize == 4:
                capture_write_float32(self.queue, <const float *> view.buf, frames)
            elif there:
                capture_write_int16(self.queue, <const int16_t *> view.buf, frames)
            capture_release_writer(self.queue)
            if not there:
                raise MemoryError(f"no memory to queue {frames} frames of a capture: none was queued, write them later")
        finally:
            PyBuffer_Release(&view)

    def read(self, frames, *, bint pad=False):
        """Take up to `frames` of the oldest frames, as bytes of native int16 samples.

        With `pad`, just as many: silence follows where the queue has no more, and is counted as `padded_frames`.
        """
        cdef uint64_t wanted = in_range(frames, "frames", "frames", 0, LARGEST_FRAMES)
        if not pad:
            wanted = min(wanted, _queued(self.queue))
        cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> (wanted * sizeof(int16_t)))
        cdef int16_t *samples = <int16_t *> <void *> PyBytes_AS_STRING(out)
        cdef uint64_t taken
        capture_hold_reader(self.queue, CALL)
        taken = <uint64_t> capture_read(self.queue, samples, <Py_ssize_t> wanted)
        if pad:
            sf_store_relaxed(&self.queue.padded, self.queue.padded + wanted - taken)
        capture_release_reader(self.queue)
        if taken < wanted:
            if not pad:  # another reader was here since we looked
                return out[:taken * sizeof(int16_t)]
            memset(samples + taken, 0, (wanted - taken) * sizeof(int16_t))
        return out

    def read_into(self, out):
        """Move up to as many of the oldest frames as `out`, a buffer of int16 or float32, has room for.

        float32 samples are int16 / 32768. Returns how many frames there were.
        """
        cdef Py_buffer view
        cdef Py_ssize_t room = acquire_mono(out, &view, c"*", True, "out")
        cdef Py_ssize_t taken
        try:
            capture_hold_reader(self.queue, CALL)
            if view.itemsize == 4:
                taken = _read_float32(self.queue, <float *> view.buf, room)
            else:
                taken = capture_read(self.queue, <int16_t *> view.buf, room)
            capture_release_reader(self.queue)
            return taken
        finally:
            PyBuffer_Release(&view)

    def drop(self, frames):
        """Throw away up to `frames` of the oldest frames, which are too late to be read: an overrun, if there are any.

        Returns how many there were.
        """
        cdef uint64_t wanted = in_range(frames, "frames", "frames", 0, LARGEST_FRAMES)
        cdef uint64_t dropped
        capture_hold_reader(self.queue, CALL)
        dropped = _drop(self.queue, wanted)
        if dropped:
            sf_store_relaxed(&self.queue.overruns, self.queue.overruns + 1)
        capture_release_reader(self.queue)
        return dropped

    def flush(self):
        """Throw away what is queued now, counted as dropped."""
        capture_hold_reader(self.queue, CALL)
        _drop(self.queue, self.queue.capacity)
        capture_release_reader(self.queue)

    def statistics(self):
        """A snapshot of the counters, as `CaptureQueueStatistics`.

        It is consistent, unless a reader is stopped for a tenth of a second in the middle of its books, as it is for
        ever in a forked child: then the counters are told as they are.
        """
        cdef capture_queue *queue = self.queue
        cdef uint64_t sequence, head, tail, read, dropped, overruns, padded, queued, lost
        cdef int look
        for look in range(LOOKS):
            if look >= LOOKS_AT_ONCE:
                sleep(0.0001)
            sequence = sf_load_acquire(&queue.sequence)
            tail = sf_load_relaxed(&queue.tail)
            read = sf_load_relaxed(&queue.read)
            dropped = sf_load_relaxed(&queue.dropped)
            overruns = sf_load_relaxed(&queue.overruns)
            padded = sf_load_relaxed(&queue.padded)
            sf_fence_acquire()
            if sequence % 2 == 0 and sf_load_relaxed(&queue.sequence) == sequence:
                break
        head = sf_load_acquire(&queue.head)  # last: the tail never passes it
        queued = min(head - tail, queue.capacity)
        lost = head - tail - queued  # already written over, not yet found out
        return CaptureQueueStatistics(
            written_frames=head,
            read_frames=read,
            queued_frames=queued,
            dropped_frames=dropped + lost,
            overruns=overruns + (lost > 0),
            padded_frames=padded,
        )

    def __repr__(self):
        return f"<sfaudio.CaptureQueue: {_queued(self.queue)} of {self.queue.capacity} frames queued>"

    @property
    def capacity(self):
        """Most frames it will hold."""
        return self.queue.capacity

    @property
    def queued_frames(self):
        """Frames waiting, at this moment."""
        return _queued(self.queue)

    @property
    def dropped_frames(self):
        """Frames given up until now, as the reader has found out."""
        return sf_load_acquire(&self.queue.dropped)

    @property
    def padded_frames(self):
        """Frames of silence handed to the reader until now."""
        return sf_load_acquire(&self.queue.padded)
