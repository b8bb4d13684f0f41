# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The playout engine: the reader of a jitter buffer that plays without gaps at the least delay.

Each 10 ms it asks the law (`_playout_law`) what to play, and does it to the waveform (`_engine`, with `_stretch`). Its
only clock is the device's: the frames that it handed out. What it makes is a block at the wire's rate, which is handed
out as the device asks, through a resampler if that has another rate.

A frame counts as read when it is handed out. So at every moment, each term counted where it happens,

    written == read + queued + dropped + removed - inserted

where what an operation has prepared, and what is left of a block, is still queued.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cimport cython

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._engine cimport WORKED_ON, engine_abort, engine_begin, engine_core, engine_flush, engine_make_block
from sfaudio._kernels cimport int16_samples_to_float32
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._pcm cimport JitterBuffer, playout_abort, playout_hold_reader, playout_hold_writer, playout_read_int16
from sfaudio._pcm cimport playout_release_reader, playout_release_writer
from sfaudio._pieces cimport piece, piece_at, pieces_taken
from sfaudio._playout_law cimport law_begin
from sfaudio._reader cimport playout_count, playout_counts, playout_look, playout_marks
from sfaudio._resample cimport Resampler, resample_some_int16, resampler, resampler_forget, resampler_hold
from sfaudio._resample cimport resampler_input_frames, resampler_release
from sfaudio._ring cimport LOOKS, LOOKS_AT_ONCE
from sfaudio._ring cimport sf_fence_acquire, sf_fence_release, sf_load_acquire, sf_load_relaxed
from sfaudio._ring cimport sf_store_relaxed, sf_store_release
from sfaudio._speech cimport QUIET_BLOCKS, floor_begin
from sfaudio._stretch cimport stretcher_begin

from time import sleep

from sfaudio._statistics import PlayoutEngineStatistics

POLICIES = ("adaptive", "lossless")
# In the order of `state_kind` and of `piece_kind`.
STATES = ("idle", "prefilling", "playing", "concealing", "stalled")
PIECES = ("play", "remove", "insert", "cut", "hold", "conceal", "silence", "resume", "flush")

cdef const char *ENGINE = b"a PlayoutEngine, which reads it"

cdef enum:
    STEP = 480  # frames worked on at a time, where the rate or the format changes


cdef struct playout_engine:
    engine_core core
    resampler *after  # NULL where the device has the wire's rate
    bint adaptive
    uint64_t reader  # the owner word
    uint64_t log_reader
    uint64_t sequence  # odd while the counters change
    uint64_t read


cdef inline void _change(playout_engine *engine) noexcept nogil:
    sf_store_relaxed(&engine.sequence, engine.sequence + 1)
    sf_fence_release()


cdef inline void _changed(playout_engine *engine) noexcept nogil:
    sf_store_release(&engine.sequence, engine.sequence + 1)


cdef void _hand_out(playout_engine *engine, int16_t *out, Py_ssize_t frames) noexcept nogil:
    cdef engine_core *core = &engine.core
    cdef playout_marks marks
    cdef Py_ssize_t count
    cdef uint64_t queued
    while frames > 0:
        marks = playout_look(core.queue)
        if marks.flush_to != core.flushed_to:
            engine_flush(core, &marks)
        if core.block_at == core.block_end:
            engine_make_block(core)
        count = min(frames, core.block_end - core.block_at)
        memcpy(out, core.block + core.block_at, count * sizeof(int16_t))
        queued = min(<uint64_t> count, core.block_queued)
        sf_store_relaxed(&engine.read, engine.read + queued)
        sf_store_relaxed(&core.block_queued, core.block_queued - queued)
        sf_store_relaxed(&core.output, core.output + <uint64_t> count)
        core.block_at += count
        out += count
        frames -= count


cdef void _read(playout_engine *engine, int16_t *out, Py_ssize_t frames) noexcept nogil:
    """At the wire's rate."""
    if engine.adaptive:
        _hand_out(engine, out, frames)
    else:
        playout_read_int16(engine.core.queue, out, frames)


cdef void engine_read_int16(playout_engine *engine, int16_t *out, Py_ssize_t frames) noexcept nogil:
    cdef int16_t step[STEP]
    cdef Py_ssize_t given = 0, needed
    _change(engine)
    if engine.after == NULL:
        _read(engine, out, frames)
    else:
        while given < frames:
            needed = min(<Py_ssize_t> STEP, resampler_input_frames(engine.after, frames - given))
            _read(engine, step, needed)
            given += resample_some_int16(engine.after, step, needed, out + given, frames - given)
    _changed(engine)


cdef void _read_float32(playout_engine *engine, float *out, Py_ssize_t frames) noexcept nogil:
    cdef int16_t block[STEP]
    cdef Py_ssize_t step
    while frames > 0:
        step = min(frames, <Py_ssize_t> STEP)
        engine_read_int16(engine, block, step)
        int16_samples_to_float32(block, out, step)
        out += step
        frames -= step


# What the books are made of.
cdef struct engine_counts:
    playout_counts queue
    uint64_t head
    uint64_t made  # taken from the queue, not handed out
    uint64_t read
    uint64_t dropped  # besides those that the queue counts
    uint64_t removed
    uint64_t inserted
    uint64_t output


cdef bint _look(playout_engine *engine, engine_counts *counts) noexcept nogil:
    """From anywhere. Whether they belong together: no block was under way."""
    cdef engine_core *core = &engine.core
    cdef uint64_t sequence = sf_load_acquire(&engine.sequence)
    counts.queue = playout_count(core.queue)
    counts.made = sf_load_relaxed(&core.block_queued) + sf_load_relaxed(&core.ahead_queued)
    counts.read = sf_load_relaxed(&engine.read)
    counts.dropped = sf_load_relaxed(&core.dropped)
    counts.removed = sf_load_relaxed(&core.removed)
    counts.inserted = sf_load_relaxed(&core.inserted)
    counts.output = sf_load_relaxed(&core.output)
    sf_fence_acquire()
    # Last: the tail never passes it.
    counts.head = sf_load_acquire(&core.queue.head)
    return sequence % 2 == 0 and sf_load_relaxed(&engine.sequence) == sequence


cdef int _count(playout_engine *engine, engine_counts *counts) except -1:
    """As those that a `JitterBuffer` tells."""
    cdef int look
    for look in range(LOOKS):
        if look >= LOOKS_AT_ONCE:
            sleep(0.0001)
        if _look(engine, counts):
            break
    return 0


cdef int engine_hold_reader(playout_engine *engine, const char *holder) except -1:
    return hold(&engine.reader, holder, "the reading side of this PlayoutEngine")


cdef void engine_release_reader(playout_engine *engine) noexcept nogil:
    give_back(&engine.reader)


@cython.no_gc_clear  # the queue must be there when it is deallocated
cdef class PlayoutEngine:
    """PlayoutEngine(queue, *, samplerate=16000, output_samplerate=None, policy='adaptive', log_pieces=0)\n--\n
    What plays a `JitterBuffer`: speech without gaps, at the least delay that the network allows.

    Under the policy ``"adaptive"`` it learns how late audio comes and keeps so much queued. In speech it plays up to
    25 % faster or slower, a pitch period at a time; pauses are cut or lengthened; a gap is concealed for 60 ms, then
    silent. What comes ahead of time, as a minute of speech in a second, is played as it is, bit for bit. `prefill` and
    `fade` of the queue have no part in it. Under ``"lossless"`` it plays what `JitterBuffer.read_into` gives.

    The engine is the reader of the queue until it is dropped. Flushing, draining and writing are the queue's.

    Threads: one at a time may read (`read_into`); a stream does from when it is opened until it is closed. All else may
    be asked from anywhere. Reading allocates nothing, waits for nobody, makes no system call, and its work is bounded.

    Parameters
    ----------
    queue
        The jitter buffer, at the wire's rate; for ``"adaptive"`` with a capacity of 10 ms at least.
    samplerate
        In Hz, of the wire; for ``"adaptive"`` a multiple of 100 from 8,000 to 48,000.
    output_samplerate
        In Hz, of what `read_into` gives; None for the wire's. See `Resampler` for what is possible.
    policy
        ``"adaptive"`` or ``"lossless"``.
    log_pieces
        How many pieces of the output to keep for `read_log`, up to 2**24; 0 for none. For tests and laboratories.

    Raises
    ------
    TypeError, ValueError
        A rate is out of range, there is no such policy, or `queue` is no JitterBuffer, or too small.
    RuntimeError
        Somebody reads the queue already.
    MemoryError
        There is none for the log.
    """

    def __cinit__(
        self, JitterBuffer queue not None, *, samplerate=16_000, output_samplerate=None, policy="adaptive", log_pieces=0
    ):
        cdef engine_core *core
        cdef playout_marks marks
        cdef uint64_t pieces = 1
        self.engine = <playout_engine *> calloc(1, sizeof(playout_engine))
        if self.engine == NULL:
            raise MemoryError
        self.engine.reader = self.engine.log_reader = <uintptr_t> NEW
        core = &self.engine.core
        # First the queue: the code of an argument finds the object among those of the collector, and may ask it.
        self.queue = queue
        playout_hold_reader(queue.queue, ENGINE)
        core.queue = queue.queue
        marks = playout_look(core.queue)
        core.flushed_to = min(marks.flush_to, marks.tail)  # what was asked of whoever had it before is still to be done
        self.engine.read = playout_count(core.queue).read  # by whoever had it before
        if policy not in POLICIES:
            raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy!r}")
        self.policy = POLICIES[POLICIES.index(policy)]
        self.engine.adaptive = self.policy == "adaptive"
        if self.engine.adaptive:
            stretcher_begin(&core.shape, samplerate)
            if queue.queue.capacity < <uint64_t> core.shape.block:
                raise ValueError(
                    f"queue holds {queue.capacity} frames at most, but {core.shape.block} are played at a time:"
                    f" make it with a capacity of {core.shape.block} or more"
                )
            samples = <int16_t *> calloc(WORKED_ON * core.shape.block, sizeof(int16_t))
            if samples == NULL:
                raise MemoryError
            engine_begin(core, samples)
        self.samplerate = core.samplerate = in_range(samplerate, "samplerate", "Hz", 1000, 768_000)
        core.gaps.samplerate = core.samplerate
        law_begin(&core.law)
        floor_begin(&core.floor)
        core.quiet = QUIET_BLOCKS
        wanted = <uint64_t> in_range(log_pieces, "log_pieces", "pieces", 0, 1 << 24)
        if wanted:
            while pieces < wanted:
                pieces *= 2
            core.log.mask = pieces - 1
            core.log.pieces = <piece *> calloc(pieces, sizeof(piece))
            if core.log.pieces == NULL:
                raise MemoryError(f"no memory for a log of {pieces} pieces")
        self.output_samplerate = self.samplerate
        if output_samplerate is not None and output_samplerate != self.samplerate:
            self.resampler = Resampler(self.samplerate, output_samplerate)
            self.output_samplerate = (<Resampler> self.resampler).samplerate_out
            resampler_hold((<Resampler> self.resampler).state, ENGINE)
            self.engine.after = (<Resampler> self.resampler).state
        give_back(&self.engine.log_reader)
        engine_release_reader(self.engine)

    def __dealloc__(self):
        if self.engine != NULL:
            if self.engine.after != NULL:
                resampler_release(self.engine.after)
            if self.engine.core.queue != NULL:
                playout_release_reader(self.engine.core.queue)
            free(self.engine.core.log.pieces)
            free(self.engine.core.samples)
            free(self.engine)

    def read_into(self, out):
        """Fill `out`, a buffer of int16 or float32 samples, at `output_samplerate`; float32 is int16 / 32768."""
        cdef Py_buffer view
        cdef Py_ssize_t frames = acquire_mono(out, &view, c"*", True, "out")
        try:
            engine_hold_reader(self.engine, CALL)
            if view.itemsize == 4:
                _read_float32(self.engine, <float *> view.buf, frames)
            else:
                engine_read_int16(self.engine, <int16_t *> view.buf, frames)
            engine_release_reader(self.engine)
        finally:
            PyBuffer_Release(&view)

    def abort(self):
        """Throw away what is queued at once, without a fade. Only when nobody reads or writes any more."""
        cdef JitterBuffer queue = self.queue
        playout_hold_writer(queue.queue, CALL)
        try:
            engine_hold_reader(self.engine, CALL)
            _change(self.engine)
            if self.engine.adaptive:
                engine_abort(&self.engine.core)
            playout_abort(queue.queue)
            if self.engine.after != NULL:
                resampler_forget(self.engine.after)  # or the next device would begin with the end of a word
            _changed(self.engine)
            engine_release_reader(self.engine)
        finally:
            playout_release_writer(queue.queue)

    def __repr__(self):
        rates = f"{self.samplerate} to {self.output_samplerate} Hz"
        return f"<sfaudio.PlayoutEngine: {self.policy}, {rates}, {self.queued_frames} frames queued>"

    @property
    def queued_frames(self):
        """Frames of the wire that are still to be played, at this moment."""
        cdef engine_counts counts
        _count(self.engine, &counts)
        return counts.head - counts.queue.tail + counts.made

    def read_log(self):
        """What the output since the last call is made of, as a list of ``(kind, a, n)``, in frames of the wire.

        - ``("play", a, n)``: n frames, from position a of all that was written, as they are
        - ``("remove", a, n)``: n frames in place of the 2 n from a on; ``("insert", a, n)``: 2 n in place of n
        - ``("cut", a, n)``: n frames from a on are left out; a fade of 5 ms across is in place of the next 5 ms
        - ``("hold", n, k)``: n frames of the 60 ms before, back and forth, from step k on
        - ``("conceal", n, k)``: n frames of the concealment, from its frame k on; k == 0 begins it
        - ``("silence", n, 0)``
        - ``("resume", k, 0)``: the next 5 ms are faded in, from the concealment at k, silence (-1) or the hold (-2)
        - ``("flush", a, n)``: of the pieces before, the last a frames were not played, and the n before these faded out

        A piece is noted when its block is made, 10 ms before the last of it is handed out. RuntimeError if there is no
        log, or if it was full, so that pieces are missing. One thread at a time.
        """
        cdef playout_engine *engine = self.engine
        cdef uint64_t at
        cdef piece entry
        if engine.core.log.pieces == NULL:
            raise RuntimeError("this engine keeps no log: give log_pieces to the constructor")
        hold(&engine.log_reader, CALL, "the log of this PlayoutEngine")
        try:
            pieces = []
            at = engine.core.log.taken
            while piece_at(&engine.core.log, at, &entry):
                pieces.append((PIECES[entry.kind], entry.a, entry.n))
                at += 1
            pieces_taken(&engine.core.log, at)
            lost = sf_load_relaxed(&engine.core.log.lost)
        finally:
            give_back(&engine.log_reader)
        if lost:
            raise RuntimeError(f"the log was full, {lost} pieces are missing: read it more often, or make it longer")
        return pieces

    def statistics(self):
        """A snapshot of the counters, as `PlayoutEngineStatistics`; consistent as that of a `JitterBuffer`."""
        cdef playout_engine *engine = self.engine
        cdef engine_core *core = &engine.core
        cdef double second = self.samplerate
        cdef engine_counts counts
        _count(engine, &counts)
        silent = sf_load_relaxed(&core.gaps.silent_concealed_frames)
        return PlayoutEngineStatistics(
            written_frames=counts.head,
            read_frames=counts.read if engine.adaptive else counts.queue.read,
            queued_frames=counts.head - counts.queue.tail + counts.made,
            dropped_frames=counts.queue.dropped + counts.dropped,
            removed_frames=counts.removed,
            inserted_frames=counts.inserted,
            cut_frames=sf_load_relaxed(&core.cut),
            held_frames=sf_load_relaxed(&core.held_frames),
            padded_frames=sf_load_relaxed(&core.padded) if engine.adaptive else counts.queue.padded,
            concealed_frames=sf_load_relaxed(&core.concealed) + silent,
            silent_concealed_frames=silent,
            concealment_events=sf_load_relaxed(&core.concealments),
            output_frames=counts.output if engine.adaptive else counts.queue.read + counts.queue.padded,
            underruns=sf_load_relaxed(&core.underruns) if engine.adaptive else counts.queue.underruns,
            underruns_in_speech=sf_load_relaxed(&core.gaps.underruns_in_speech),
            interruptions=sf_load_relaxed(&core.gaps.interruptions),
            interrupted_seconds=sf_load_relaxed(&core.gaps.interrupted_frames) / second,
            jitter_buffer_delay=sf_load_relaxed(&core.waited) / second,
            jitter_buffer_target_delay=sf_load_relaxed(&core.targeted) / second,
            target_seconds=sf_load_relaxed(&core.target) / second,
            first_sound_seconds=sf_load_relaxed(&core.prefilled) / second,
            flush_seconds=sf_load_relaxed(&core.flushed) / second,
            state=STATES[sf_load_relaxed(&core.told_state)],
        )
