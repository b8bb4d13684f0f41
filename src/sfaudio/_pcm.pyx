# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The heart: float32 <-> int16, and the queue from a network task to an audio callback, which pads its underruns.

Positions in the queue are 64-bit frame counts since the start, which never wrap; `_segments` tells where they are.
The writer publishes `head` with release order after the samples are in place; the reader acquires it before it looks.
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sfaudio._buffers cimport acquire_mono, acquire_pcm, block, convert, in_range, raw_float32, raw_int16
from sfaudio._kernels cimport float32_to_int16_symmetric, float32_to_int16_wire, int16_samples_to_float32
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._ring cimport LARGEST_FRAMES, LOOKS, LOOKS_AT_ONCE
from sfaudio._ring cimport sf_fence_acquire, sf_fence_release, sf_load_acquire, sf_load_relaxed
from sfaudio._ring cimport sf_store_relaxed, sf_store_release
from sfaudio._segments cimport enter, fill, frame_at, free_segments, make_segments, run_at, take_back

from time import sleep

from sfaudio._statistics import JitterBufferStatistics


# ---- conversion

cdef void _to_int16_wire(block *io) noexcept nogil:
    float32_to_int16_wire(<const float *> io.src.buf, <int16_t *> io.out.buf, io.frames)


cdef void _to_int16_symmetric(block *io) noexcept nogil:
    float32_to_int16_symmetric(<const float *> io.src.buf, <int16_t *> io.out.buf, io.frames)


cdef void _to_float32(block *io) noexcept nogil:
    int16_samples_to_float32(<const int16_t *> io.src.buf, <float *> io.out.buf, io.frames)


def float32_to_int16(src, out=None, *, rule="wire"):
    """Convert float32 samples, full scale [-1, 1], to int16.

    The rule ``"wire"`` is what a browser client sends: clamp to [-1, 1], multiply a negative value by 32768 and any
    other by 32767 in double precision, truncate toward zero; NaN gives 0. ``"symmetric"`` is the inverse of
    `int16_to_float32`: multiply by 32768, round to nearest even, saturate; NaN gives 0. Under ``"wire"`` a round trip
    int16 -> float32 -> int16 lowers each positive sample by one; under ``"symmetric"`` it is exact.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native float32 samples, or of raw bytes that hold them.
    out
        A writable buffer of int16 samples with room for as many as `src` has, or more, sharing no memory with it.
        The samples beyond those of `src` are left alone. With an `out`, nothing is allocated.
    rule
        ``"wire"`` or ``"symmetric"``.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of int16 with the shape of `src`.

    Raises
    ------
    TypeError
        The items are not native float32 (`src`) or int16 (`out`), or an argument is no buffer.
    ValueError
        Unknown rule; not contiguous; read-only, overlapping or too small `out`; not a whole number of samples.
    """
    cdef bint wire = rule == "wire"
    if not wire and rule != "symmetric":
        raise ValueError(f'rule must be "wire" or "symmetric", not {rule!r}')
    return convert(_to_int16_wire if wire else _to_int16_symmetric, src, c"f", out, c"h")


def int16_to_float32(src, out=None):
    """Convert int16 samples to float32 in [-1, 1): divide by 32768, which is exact.

    Parameters
    ----------
    src
        Any C-contiguous buffer of native int16 samples, or of raw bytes that hold them.
    out
        A writable buffer of float32 samples with room for as many as `src` has, or more, sharing no memory with it.
        The samples beyond those of `src` are left alone. With an `out`, nothing is allocated.

    Returns
    -------
    `out`, or without one a new `numpy.ndarray` of float32 with the shape of `src`.

    Raises
    ------
    TypeError
        The items are not native int16 (`src`) or float32 (`out`), or an argument is no buffer.
    ValueError
        Not contiguous; read-only, overlapping or too small `out`; not a whole number of samples.
    """
    return convert(_to_float32, src, c"h", out, c"f")


# ---- the queue

cdef inline void _change(playout_queue *queue) noexcept nogil:
    """Until `_changed`, the counters do not belong together."""
    sf_store_relaxed(&queue.sequence, queue.sequence + 1)
    sf_fence_release()


cdef inline void _changed(playout_queue *queue) noexcept nogil:
    sf_store_release(&queue.sequence, queue.sequence + 1)


cdef inline void _drop(playout_queue *queue, uint64_t end) noexcept nogil:
    """Throw away queued frames."""
    sf_store_relaxed(&queue.dropped, queue.dropped + (end - queue.tail))
    sf_store_release(&queue.tail, end)


cdef inline void _pad(playout_queue *queue, Py_ssize_t frames) noexcept nogil:
    """Fill the block up with silence."""
    memset(queue.out, 0, frames * queue.itemsize)
    sf_store_relaxed(&queue.padded, queue.padded + <uint64_t> frames)


cdef inline void _take(playout_queue *queue, Py_ssize_t frames) noexcept nogil:
    """Play queued frames as they are."""
    cdef uint64_t tail = queue.tail
    cdef uint64_t end = tail + <uint64_t> frames
    while tail < end:
        frames = run_at(&queue.ring, tail, end)
        if queue.itemsize == sizeof(float):
            int16_samples_to_float32(frame_at(&queue.ring, tail), <float *> queue.out, frames)
        else:
            memcpy(queue.out, frame_at(&queue.ring, tail), frames * sizeof(int16_t))
        queue.out += frames * queue.itemsize
        tail += <uint64_t> frames
    sf_store_relaxed(&queue.read, queue.read + (end - queue.tail))
    sf_store_release(&queue.tail, end)


cdef inline void _take_faded(playout_queue *queue, Py_ssize_t frames) noexcept nogil:
    """Play queued frames down a straight line that reaches zero with the last of `fade_total`."""
    cdef char *out = queue.out
    cdef Py_ssize_t i
    cdef float gain
    _take(queue, frames)
    for i in range(frames):
        queue.fade_left -= 1
        gain = <float> queue.fade_left / <float> queue.fade_total
        if queue.itemsize == sizeof(float):
            (<raw_float32 *> out)[i].value *= gain
        else:
            (<raw_int16 *> out)[i].value = <int16_t> ((<raw_int16 *> out)[i].value * gain)


cdef Py_ssize_t _flushed(playout_queue *queue, uint64_t flush_to, Py_ssize_t frames) noexcept nogil:
    """Fade out, then drop what a flush asked for. Returns how many frames of the block the fade has filled."""
    cdef Py_ssize_t faded = 0
    if queue.playing:
        if queue.fade_left == 0:
            queue.fade_total = queue.fade_left = min(queue.fade, flush_to - queue.tail)
        faded = min(frames, <Py_ssize_t> queue.fade_left)
        _take_faded(queue, faded)
        if queue.fade_left:
            return faded
        queue.playing = False
    queue.waited = 0
    _drop(queue, flush_to)
    return faded


cdef Py_ssize_t _read(playout_queue *queue, void *out, size_t itemsize, Py_ssize_t frames) noexcept nogil:
    cdef uint64_t drain_to = sf_load_acquire(&queue.drain_to)
    cdef uint64_t flush_to = sf_load_acquire(&queue.flush_to)
    cdef uint64_t head = sf_load_acquire(&queue.head)
    cdef uint64_t queued
    cdef Py_ssize_t faded = 0, taken

    queue.out, queue.itemsize = <char *> out, itemsize
    _change(queue)
    if flush_to > queue.tail:
        faded = _flushed(queue, flush_to, frames)
        frames -= faded
    queued = head - queue.tail
    if not queue.playing and queued:
        # A start is due when enough has gathered, when nothing more is to come, or when the wait has been as long as
        # gathering would take: the end of a sentence may be shorter than the prefill.
        queue.playing = queued >= queue.prefill or drain_to > queue.tail or queue.waited >= queue.prefill
        queue.waited = 0 if queue.playing else queue.waited + <uint64_t> frames
    taken = min(frames, <Py_ssize_t> queued) if queue.playing else 0
    _take(queue, taken)
    if taken < frames:
        if queue.playing and queue.tail > drain_to:
            sf_store_relaxed(&queue.underruns, queue.underruns + 1)
        queue.playing = False
        _pad(queue, frames - taken)
    _changed(queue)
    return faded + taken


cdef Py_ssize_t playout_read_int16(playout_queue *queue, int16_t *out, Py_ssize_t frames) noexcept nogil:
    return _read(queue, out, sizeof(int16_t), frames)


cdef Py_ssize_t playout_read_float32(playout_queue *queue, float *out, Py_ssize_t frames) noexcept nogil:
    return _read(queue, out, sizeof(float), frames)


cdef Py_ssize_t playout_write(playout_queue *queue, const unsigned char *data, Py_ssize_t length) noexcept nogil:
    cdef uint64_t tail = sf_load_acquire(&queue.tail)
    cdef uint64_t head = queue.head
    cdef Py_ssize_t room = <Py_ssize_t> (queue.capacity - (head - tail))
    cdef Py_ssize_t used = 0, frames
    take_back(&queue.ring, tail, head)
    if queue.split:
        if length == 0 or room == 0 or not enter(&queue.ring, head):
            return 0
        frame_at(&queue.ring, head)[0] = <int16_t> ((queue.split & 255) | (data[0] << 8))
        sf_store_relaxed(&queue.split, 0)
        head += 1
        room -= 1
        used = 1
    frames = fill(&queue.ring, head, data + used, min(room, (length - used) // 2))
    used += frames * <Py_ssize_t> sizeof(int16_t)
    if length - used == 1:
        sf_store_relaxed(&queue.split, 256 + data[used])
        used += 1
    sf_store_release(&queue.head, head + <uint64_t> frames)
    return used


cdef void playout_flush(playout_queue *queue) noexcept nogil:
    sf_store_release(&queue.flush_to, queue.head)
    take_back(&queue.ring, sf_load_acquire(&queue.tail), queue.head)


cdef void playout_drain(playout_queue *queue) noexcept nogil:
    sf_store_release(&queue.drain_to, queue.head)
    take_back(&queue.ring, sf_load_acquire(&queue.tail), queue.head)


cdef void playout_abort(playout_queue *queue) noexcept nogil:
    _change(queue)
    _drop(queue, queue.head)
    queue.playing = False
    queue.waited = 0
    queue.fade_left = 0
    _changed(queue)
    take_back(&queue.ring, queue.tail, queue.head)


cdef inline uint64_t _queued(const playout_queue *queue) noexcept nogil:
    """From anywhere."""
    cdef uint64_t tail = sf_load_acquire(&queue.tail)  # first: it never passes a later head
    return min(sf_load_acquire(&queue.head) - tail, queue.capacity)


cdef int playout_hold_writer(playout_queue *queue, const char *holder) except -1:
    return hold(&queue.writer, holder, "the writing side of this JitterBuffer")


cdef int playout_hold_reader(playout_queue *queue, const char *holder) except -1:
    return hold(&queue.reader, holder, "the reading side of this JitterBuffer")


cdef void playout_release_writer(playout_queue *queue) noexcept nogil:
    give_back(&queue.writer)


cdef void playout_release_reader(playout_queue *queue) noexcept nogil:
    give_back(&queue.reader)


cdef class JitterBuffer:
    """JitterBuffer(capacity, *, prefill=0, fade=0)\n--\n
    A queue of mono int16 samples between one network task and one audio callback.

    Threads: one thread at a time may *write* (`write`, `flush`, `drain`) and one, the same or another, may *read*
    (`read`, `read_into`); `abort` does both. All else may be asked from anywhere. Neither side ever waits for the
    other, and `read_into` allocates nothing and makes no system call. A stream is the reader from when it is opened
    until it is closed. Whoever comes to a side that somebody else has gets a RuntimeError, which names the holder.

    Playing starts when `prefill` frames are queued, or when some have waited for as long as `prefill` frames take to
    play, or at once after `drain`. When the queue runs empty, the rest of the block is silence, and playing starts
    anew. Samples are played exactly as written, but for the fade of a flush.

    Parameters
    ----------
    capacity
        Most frames it will hold. Memory is there for what is queued, in segments of 16 KiB, or a quarter of it all:
        `write` allocates it, and any next call of the writer, `write` of nothing too, frees that of what was played.
    prefill
        Frames to gather before playing (re)starts, at most `capacity`; 0 plays whatever there is.
    fade
        Frames over which a flush fades out what is playing, in a straight line to zero.

    Raises
    ------
    TypeError, ValueError
        A parameter is no whole number, or out of range.
    MemoryError
        There is no memory for `capacity`.
    """

    def __cinit__(self, capacity, *, prefill=0, fade=0):
        cdef uint64_t frames
        self.queue = <playout_queue *> calloc(1, sizeof(playout_queue))
        if self.queue == NULL:
            raise MemoryError
        self.queue.writer = self.queue.reader = <uintptr_t> NEW
        self.queue.capacity = frames = in_range(capacity, "capacity", "frames", 1, LARGEST_FRAMES)
        self.queue.prefill = in_range(prefill, "prefill", "frames", 0, frames)
        self.queue.fade = in_range(fade, "fade", "frames", 0, frames)
        if not make_segments(&self.queue.ring, frames):
            raise MemoryError(f"no memory for a jitter buffer of {frames} frames")
        playout_release_writer(self.queue)
        playout_release_reader(self.queue)

    def __dealloc__(self):
        if self.queue != NULL:
            free_segments(&self.queue.ring)
            free(self.queue)

    def write(self, data):
        """Queue PCM16 bytes, split anywhere: half a sample waits for its other half.

        `data` is any C-contiguous buffer of raw bytes or of native int16; raw bytes are little-endian, as on every
        supported platform. Returns how many of its bytes were taken, which is fewer than all when the queue is full:
        write the rest once there is room. TypeError for items of any other format, ValueError for what is not
        contiguous, MemoryError if there is room, but no memory for the first of them.
        """
        cdef Py_buffer view
        cdef uint64_t room
        cdef Py_ssize_t used
        acquire_pcm(data, &view, "data")
        try:
            playout_hold_writer(self.queue, CALL)
            room = self.queue.capacity - (self.queue.head - sf_load_acquire(&self.queue.tail))
            used = playout_write(self.queue, <const unsigned char *> view.buf, view.len)
            playout_release_writer(self.queue)
            if room > 0 and used == 0 < view.len:
                raise MemoryError(f"no memory to queue {view.len} bytes of playout: none was taken, write them later")
            return used
        finally:
            PyBuffer_Release(&view)

    def read_into(self, out):
        """Fill `out`, a buffer of int16 or float32 samples; what the queue cannot give is silence.

        Returns how many frames came from the queue. float32 samples are int16 / 32768.
        """
        cdef Py_buffer view
        cdef Py_ssize_t frames = acquire_mono(out, &view, c"*", True, "out")
        cdef Py_ssize_t taken
        try:
            playout_hold_reader(self.queue, CALL)
            taken = _read(self.queue, view.buf, sizeof(float) if view.itemsize == 4 else sizeof(int16_t), frames)
            playout_release_reader(self.queue)
            return taken
        finally:
            PyBuffer_Release(&view)

    def read(self, frames):
        """Just so many frames, as bytes of native int16; what the queue cannot give is silence, as in `read_into`."""
        cdef Py_ssize_t wanted = <Py_ssize_t> in_range(frames, "frames", "frames", 0, LARGEST_FRAMES)
        cdef bytes out = PyBytes_FromStringAndSize(NULL, wanted * <Py_ssize_t> sizeof(int16_t))
        playout_hold_reader(self.queue, CALL)
        _read(self.queue, PyBytes_AS_STRING(out), sizeof(int16_t), wanted)
        playout_release_reader(self.queue)
        return out

    def flush(self):
        """Throw away what is queued now; what sounds is faded out first. What is written afterwards is played."""
        playout_hold_writer(self.queue, CALL)
        playout_flush(self.queue)
        playout_release_writer(self.queue)

    def drain(self):
        """Play out what is queued now without waiting for more; running empty is then no underrun."""
        playout_hold_writer(self.queue, CALL)
        playout_drain(self.queue)
        playout_release_writer(self.queue)

    def abort(self):
        """Throw away what is queued at once, without a fade. Only when nobody reads any more."""
        playout_hold_writer(self.queue, CALL)
        try:
            playout_hold_reader(self.queue, CALL)
            playout_abort(self.queue)
            playout_release_reader(self.queue)
        finally:
            playout_release_writer(self.queue)

    def statistics(self):
        """A snapshot of the counters, as `JitterBufferStatistics`.

        It is consistent, unless a reader is stopped for a tenth of a second in the middle of a block, as it is for
        ever in a forked child: then the counters are told as they are, apart from each other by a block.
        """
        cdef playout_queue *queue = self.queue
        cdef uint64_t sequence, head, tail, read, dropped, padded, underruns
        cdef int look
        for look in range(LOOKS):
            if look >= LOOKS_AT_ONCE:
                sleep(0.0001)
            sequence = sf_load_acquire(&queue.sequence)
            tail = sf_load_relaxed(&queue.tail)
            read = sf_load_relaxed(&queue.read)
            dropped = sf_load_relaxed(&queue.dropped)
            padded = sf_load_relaxed(&queue.padded)
            underruns = sf_load_relaxed(&queue.underruns)
            sf_fence_acquire()
            if sequence % 2 == 0 and sf_load_relaxed(&queue.sequence) == sequence:
                break
        head = sf_load_acquire(&queue.head)  # last: the tail never passes it
        return JitterBufferStatistics(
            written_frames=head,
            read_frames=read,
            queued_frames=head - tail,
            dropped_frames=dropped,
            padded_frames=padded,
            underruns=underruns,
            partial_bytes=int(sf_load_relaxed(&queue.split) > 0),
        )

    def __repr__(self):
        return f"<sfaudio.JitterBuffer: {_queued(self.queue)} of {self.queue.capacity} frames queued>"

    @property
    def capacity(self):
        """Most frames it will hold."""
        return self.queue.capacity

    @property
    def prefill(self):
        """Frames to gather before playing (re)starts."""
        return self.queue.prefill

    @property
    def queued_frames(self):
        """Frames waiting, at this moment."""
        return _queued(self.queue)

    @property
    def writable_frames(self):
        """Frames there is room for; for the writer, it can only grow until the next `write`."""
        return self.queue.capacity - _queued(self.queue)
