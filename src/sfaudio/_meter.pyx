# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The meter: how loud it is, whether anything is heard at all, and when somebody speaks.

It hears what a callback records or plays, and makes of it blocks of 10 ms, whatever the callback's are. What it knows
it keeps in its own books; after each step all of them are published, word by word, under a sequence (as with a seqlock,
see `_capture`), so that readers on any thread see books that belong together. When speech begins and ends goes through
a ring of its own, as the log of a playout engine does.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport isfinite, isnan, sqrt
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sfaudio._buffers cimport acquire_mono, in_range, raw_float32, raw_int16
from sfaudio._gate cimport NOTHING_NEW, SPEECH_BEGAN, gate_begin, gate_hear, gate_news, speech_gate
from sfaudio._kernels cimport float32_to_int16_symmetric, measure_level, sample_level
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._ring cimport LOOKS, LOOKS_AT_ONCE
from sfaudio._ring cimport sf_fence_acquire, sf_fence_release, sf_load_acquire, sf_load_relaxed
from sfaudio._ring cimport sf_store_relaxed, sf_store_release

from time import sleep

from sfaudio._statistics import Level, MeterStatistics, Segment


cdef enum:
    STEP = 512  # frames worked on at a time
    LEVEL_BLOCKS = 10  # of 10 ms, in a level
    SEGMENTS = 64  # kept for `read_segments`: of half a minute, however often somebody begins to speak
    SQUARES_BITS = 8  # of a sum of squares, that the books leave out: it overflows in years, not in days

cdef double FULL_SCALE_SQUARE = 32768.0 * 32768.0

# All in words, to be published.
cdef struct meter_books:
    uint64_t frames
    uint64_t squares  # the sum of them, without its last SQUARES_BITS
    uint64_t peak
    uint64_t clipped
    uint64_t zeros  # exact zeros in a row, up to now
    uint64_t longest_zeros
    uint64_t speech_frames
    uint64_t speech_until  # the bits of a double
    uint64_t heard_until  # the same
    uint64_t level_frames  # the last LEVEL_BLOCKS, or as many as there are
    uint64_t level_squares
    uint64_t level_peak
    uint64_t level_clipped

cdef struct segment:
    uint64_t is_beginning
    double seconds

cdef struct sound_meter:
    uint64_t writer  # the owner words
    uint64_t reader  # of the segments
    int samplerate
    Py_ssize_t block  # 10 ms
    # The writer's.
    Py_ssize_t filled  # frames of the block under way
    double began  # when it began
    sample_level heard  # in it
    sample_level blocks[LEVEL_BLOCKS]  # those before
    uint64_t blocks_heard
    uint64_t squares_rest
    speech_gate gate
    meter_books books
    # Readable from anywhere.
    uint64_t sequence  # odd while what follows changes
    meter_books told
    segment segments[SEGMENTS]
    uint64_t found
    uint64_t lost
    uint64_t taken  # by the reader


cdef inline void _join(sample_level *of, const sample_level *more) noexcept nogil:
    of.sum_squares += more.sum_squares
    of.clipped += more.clipped
    of.peak = max(of.peak, more.peak)


cdef void _publish(sound_meter *meter) noexcept nogil:
    cdef const uint64_t *books = <const uint64_t *> &meter.books
    cdef uint64_t *told = <uint64_t *> &meter.told
    cdef size_t word
    sf_store_relaxed(&meter.sequence, meter.sequence + 1)
    sf_fence_release()
    for word in range(sizeof(meter_books) // sizeof(uint64_t)):
        sf_store_relaxed(&told[word], books[word])
    sf_store_release(&meter.sequence, meter.sequence + 1)


cdef bint _look(const sound_meter *meter, meter_books *books) noexcept nogil:
    """From anywhere. Whether they belong together."""
    cdef const uint64_t *told = <const uint64_t *> &meter.told
    cdef uint64_t sequence = sf_load_acquire(&meter.sequence)
    cdef size_t word
    for word in range(sizeof(meter_books) // sizeof(uint64_t)):
        (<uint64_t *> books)[word] = sf_load_relaxed(&told[word])
    sf_fence_acquire()
    return sequence % 2 == 0 and sf_load_relaxed(&meter.sequence) == sequence


cdef void _note(sound_meter *meter, bint is_beginning, double seconds) noexcept nogil:
    """For `read_segments`."""
    cdef segment *entry = &meter.segments[meter.found % SEGMENTS]
    if meter.found - sf_load_acquire(&meter.taken) >= SEGMENTS:
        sf_store_relaxed(&meter.lost, meter.lost + 1)
        return
    entry.is_beginning, entry.seconds = is_beginning, seconds
    sf_store_release(&meter.found, meter.found + 1)


cdef void _measure_level(sound_meter *meter) noexcept nogil:
    """A block has ended: of it and those before."""
    cdef sample_level sum = sample_level(0, 0, 0)
    cdef int i
    meter.blocks[meter.blocks_heard % LEVEL_BLOCKS] = meter.heard
    meter.blocks_heard += 1
    for i in range(LEVEL_BLOCKS):
        _join(&sum, &meter.blocks[i])
    meter.books.level_frames = min(meter.blocks_heard, <uint64_t> LEVEL_BLOCKS) * <uint64_t> meter.block
    meter.books.level_squares = sum.sum_squares
    meter.books.level_peak = sum.peak
    meter.books.level_clipped = sum.clipped


cdef void _end_block(sound_meter *meter) noexcept nogil:
    cdef double block_seconds = <double> meter.block / meter.samplerate
    cdef double power = meter.heard.sum_squares / (FULL_SCALE_SQUARE * meter.block)
    cdef gate_news news = gate_hear(&meter.gate, power, meter.began, meter.began + block_seconds)
    _measure_level(meter)
    meter.filled = 0
    meter.heard = sample_level(0, 0, 0)
    meter.books.speech_frames += <uint64_t> (meter.gate.spoken * meter.block)
    memcpy(&meter.books.speech_until, &meter.gate.until, sizeof(double))
    if news == SPEECH_BEGAN:
        _note(meter, True, meter.gate.began)
    elif news != NOTHING_NEW:
        _note(meter, False, meter.gate.until)


cdef void _hear_step(
    sound_meter *meter, const int16_t *samples, Py_ssize_t frames, Py_ssize_t zeros, double seconds
) noexcept nogil:
    """No more than the block under way has room for, of which the last `zeros` were exactly zero."""
    cdef meter_books *books = &meter.books
    cdef sample_level found = measure_level(samples, frames)
    if meter.filled == 0:
        meter.began = seconds
    _join(&meter.heard, &found)
    meter.filled += frames
    books.frames += <uint64_t> frames
    cdef double until = seconds + <double> frames / meter.samplerate
    memcpy(&books.heard_until, &until, sizeof(double))
    meter.squares_rest += found.sum_squares
    books.squares += meter.squares_rest >> SQUARES_BITS
    meter.squares_rest &= (1 << SQUARES_BITS) - 1
    books.peak = max(books.peak, <uint64_t> found.peak)
    books.clipped += found.clipped
    books.zeros = <uint64_t> zeros + (books.zeros if zeros == frames else 0)
    books.longest_zeros = max(books.longest_zeros, books.zeros)
    if meter.filled == meter.block:
        _end_block(meter)
    _publish(meter)


cdef void meter_hear_int16(sound_meter *meter, const int16_t *block, Py_ssize_t frames, double seconds) noexcept nogil:
    cdef Py_ssize_t step, zeros
    while frames > 0:
        step = min(frames, meter.block - meter.filled)
        zeros = 0
        while zeros < step and (<const raw_int16 *> block)[step - 1 - zeros].value == 0:
            zeros += 1
        _hear_step(meter, block, step, zeros, seconds)
        block += step
        frames -= step
        seconds += <double> step / meter.samplerate


cdef void meter_hear_float32(sound_meter *meter, const float *block, Py_ssize_t frames, double seconds) noexcept nogil:
    cdef int16_t samples[STEP]
    cdef Py_ssize_t step, zeros
    while frames > 0:
        step = min(frames, meter.block - meter.filled, <Py_ssize_t> STEP)
        zeros = 0
        while zeros < step and (<const raw_float32 *> block)[step - 1 - zeros].value == 0:
            zeros += 1
        float32_to_int16_symmetric(block, samples, step)
        _hear_step(meter, samples, step, zeros, seconds)
        block += step
        frames -= step
        seconds += <double> step / meter.samplerate


cdef int meter_hold_writer(sound_meter *meter, const char *holder) except -1:
    return hold(&meter.writer, holder, "the writing side of this Meter")


cdef void meter_release_writer(sound_meter *meter) noexcept nogil:
    give_back(&meter.writer)


cdef int _books(const sound_meter *meter, meter_books *books) except -1:
    """As the counters of a `JitterBuffer`: consistent, unless the writer stopped in the middle of a step."""
    cdef int look
    for look in range(LOOKS):
        if look >= LOOKS_AT_ONCE:
            sleep(0.0001)
        if _look(meter, books):
            break
    return 0


cdef double _rms(double squares, uint64_t frames) noexcept:
    return sqrt(squares / (FULL_SCALE_SQUARE * max(frames, <uint64_t> 1)))


cdef class Meter:
    """Meter(samplerate)\n--\n
    Hears mono samples: how loud they are, whether they are all zero, and when somebody speaks.

    Speech is told by a gate on blocks of 10 ms: it begins with the first of four in a row that are loud, and ends with
    the last loud one once half a second was not loud. Loud is 8 dB above the room (the least power of the last 5 s),
    above -50 dBFS at least, and above -30 dBFS in any room. So music is speech, and so is a slammed door.

    Threads: one thread at a time may write (`hear`); a stream does from when it is opened until it is closed. One may
    read segments (`read_segments`). All else may be asked from anywhere. Hearing allocates nothing, waits for nobody,
    makes no system call, and its work is bounded by the block.

    Parameters
    ----------
    samplerate
        In Hz, from 1,000 to 768,000, of what is heard.

    Raises
    ------
    TypeError, ValueError
        `samplerate` is no whole number, or out of range.
    """

    def __cinit__(self, samplerate):
        self.meter = <sound_meter *> calloc(1, sizeof(sound_meter))
        if self.meter == NULL:
            raise MemoryError
        self.meter.writer = self.meter.reader = <uintptr_t> NEW
        gate_begin(&self.meter.gate)
        memcpy(&self.meter.books.speech_until, &self.meter.gate.until, sizeof(double))
        memcpy(&self.meter.books.heard_until, &self.meter.gate.until, sizeof(double))
        _publish(self.meter)
        self.samplerate = self.meter.samplerate = <int> in_range(samplerate, "samplerate", "Hz", 1000, 768_000)
        self.meter.block = self.samplerate // 100
        meter_release_writer(self.meter)
        give_back(&self.meter.reader)

    def __dealloc__(self):
        free(self.meter)

    def hear(self, block, seconds):
        """Hear a block of mono samples, a buffer of int16 or float32.

        `seconds` is when its first frame sounds, on any clock: times of speech are told on the same. TypeError,
        ValueError: `block` is no such buffer, or `seconds` no finite number.
        """
        cdef Py_buffer view
        cdef double began = _finite(seconds)
        cdef Py_ssize_t frames = acquire_mono(block, &view, c"*", False, "block")
        try:
            meter_hold_writer(self.meter, CALL)
            if view.itemsize == 4:
                meter_hear_float32(self.meter, <const float *> view.buf, frames, began)
            else:
                meter_hear_int16(self.meter, <const int16_t *> view.buf, frames, began)
            meter_release_writer(self.meter)
        finally:
            PyBuffer_Release(&view)

    def level(self):
        """How loud the last 0.1 s were, as a `Level`, in steps of 10 ms; all zero before the first.

        float32 beyond full scale is as loud as full scale, and clipped. When nothing is heard any more, it stays.
        """
        cdef meter_books books
        _books(self.meter, &books)
        return Level(
            books.level_peak / 32768.0, _rms(<double> books.level_squares, books.level_frames), books.level_clipped
        )

    def __repr__(self):
        found = self.level()
        return f"<sfaudio.Meter: {self.samplerate} Hz, peak {found.peak:.4f}, rms {found.rms:.4f}>"

    @property
    def zero_frames(self):
        """Exact digital zeros in a row, up to now: what a microphone gives that may not be heard, or is muted."""
        return sf_load_acquire(&self.meter.told.zeros)

    @property
    def speech_until(self):
        """Where speech has come to: when the last loud 10 ms of it ended, in the seconds of `hear`; None before."""
        return _known(&self.meter.told.speech_until)

    @property
    def heard_until(self):
        """When the last frame that was heard ended, in the seconds of `hear`; None before."""
        return _known(&self.meter.told.heard_until)

    def read_segments(self):
        """Take what was found since the last call: a list of `Segment`, where speech begins and where it ends, in turn.

        A beginning is known after 40 ms, an end after half a second. 64 are kept; those that found no room are lost
        and counted, and then two of a kind may follow each other. RuntimeError if another thread is at it.
        """
        cdef uint64_t at, found
        cdef segment *entry
        hold(&self.meter.reader, CALL, "the reading side of this Meter")
        try:
            at, found = self.meter.taken, sf_load_acquire(&self.meter.found)
            segments = []
            while at < found:
                entry = &self.meter.segments[at % SEGMENTS]
                segments.append(Segment(bool(entry.is_beginning), entry.seconds))
                at += 1
            sf_store_release(&self.meter.taken, at)
        finally:
            give_back(&self.meter.reader)
        return segments

    def statistics(self):
        """A snapshot of all that was heard, as `MeterStatistics`; consistent as that of a `JitterBuffer`."""
        cdef meter_books books
        _books(self.meter, &books)
        return MeterStatistics(
            frames=books.frames,
            peak=books.peak / 32768.0,
            rms=_rms(<double> books.squares * (1 << SQUARES_BITS), books.frames),
            clipped=books.clipped,
            zero_frames=books.zeros,
            longest_zero_frames=books.longest_zeros,
            speech_seconds=<double> books.speech_frames / self.samplerate,
            lost_segments=sf_load_relaxed(&self.meter.lost),
        )


cdef object _known(const uint64_t *bits):
    """A number that is published, None if it is NAN."""
    cdef uint64_t told = sf_load_acquire(bits)
    cdef double seconds
    memcpy(&seconds, &told, sizeof(double))
    return None if isnan(seconds) else seconds


cdef double _finite(object seconds) except? -1.0:
    cdef double number
    try:
        number = seconds
    except (TypeError, OverflowError):
        raise TypeError(f"seconds must be a number, not {type(seconds).__name__}") from None
    if not isfinite(number):
        raise ValueError(f"seconds must be finite, not {number}")
    return number
