# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The echo canceller: takes what was played out of what was captured, however late it comes back.

Blocks are for `_echo_blocks`; here is what is looked for: where the echo is (`_echo_delay`), and whether there is one.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from libc.math cimport fabs, log10
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._echo_blocks cimport CANCELLING, KEPT_SECONDS, NO_ECHO, SEARCHING, canceller, canceller_align
from sfaudio._echo_blocks cimport canceller_begin, canceller_free, canceller_give, canceller_run, canceller_seek
from sfaudio._echo_blocks cimport canceller_skip
from sfaudio._echo_filter cimport echo_filter_last
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._resample cimport Resampler, resampler_hold, resampler_release

import numpy

from sfaudio._echo_delay import HEARD_SECONDS, LONGEST_SECONDS, look
from sfaudio._statistics import EchoCancellerStatistics


cdef extern from *:
    """
    #define SF_SPLIT "an EchoCanceller"
    """
    const char *SPLIT "SF_SPLIT"

cdef enum:
    FILTER_RATE = 16_000  # Hz: the agent's voice has nothing above 8 kHz
    LARGEST_RATE = 96_000
    LONG_BLOCKS = 10  # From here on the work takes longer than giving up the GIL and fighting to get it back.
    NO_ECHO_AFTER = 130  # blocks of audible sound in which no look was likely: a headset

cdef double MOVED_SECONDS = 0.010  # From here on a delay is another one: less the filter's taps bear, and learn.

STATES = {SEARCHING: "searching", CANCELLING: "cancelling", NO_ECHO: "no echo"}


@cython.no_gc_clear  # the resamplers must be there when it is deallocated
cdef class EchoCanceller:
    """EchoCanceller(samplerate=16000, *, comfort_noise=True)\n--\n
    Takes the echo of what was played out of what was captured.
    """

    cdef canceller *state
    cdef object _resamplers
    cdef readonly int samplerate

    def __cinit__(self, samplerate=16000, *, comfort_noise=True):
        self.state = <canceller *> calloc(1, sizeof(canceller))
        if self.state == NULL:
            raise MemoryError
        self.state.user = <uintptr_t> NEW
        self._resamplers = ()
        cdef bint is_noisy = bool(comfort_noise)
        cdef int rate = <int> in_range(samplerate, "samplerate", "Hz", 8000, LARGEST_RATE)
        if rate != 8000 and rate % FILTER_RATE:
            raise ValueError(
                f"samplerate must be 8000 or a multiple of 16000 Hz, not {rate}: bring both streams to one of these by"
                " a Resampler"
            )
        self.samplerate = rate
        self.state.latency = rate // 100
        if rate > FILTER_RATE:
            self._split(rate)
        if canceller_begin(self.state, rate, min(rate, <int> FILTER_RATE), is_noisy) < 0:
            raise MemoryError
        give_back(&self.state.user)

    cdef int _split(self, int rate) except -1:
        """The band below 8 kHz, there and back."""
        cdef Resampler captured = Resampler(rate, FILTER_RATE)
        cdef Resampler played = Resampler(rate, FILTER_RATE)
        cdef Resampler removed = Resampler(FILTER_RATE, rate)
        for resampler in (captured, played, removed):
            resampler_hold((<Resampler> resampler).state, SPLIT)
        self._resamplers = (captured, played, removed)
        self.state.captured_down, self.state.played_down = captured.state, played.state
        self.state.removed_up = removed.state
        self.state.latency += round((captured.delay + removed.delay) * rate)
        return 0

    def __dealloc__(self):
        if self.state == NULL:
            return
        for resampler in self._resamplers:
            resampler_release((<Resampler> resampler).state)
        canceller_free(self.state)
        free(self.state)

    @property
    def latency(self):
        """By how much the output is behind `captured`, in seconds: always the same."""
        return <double> self.state.latency / self.samplerate

    def process(self, captured, played):
        """Give what was captured without the echo of what was played."""
        cdef Py_buffer heard, said, view
        cdef Py_ssize_t frames = acquire_mono(captured, &heard, c"*", False, "captured")
        cdef bint is_float = heard.itemsize == 4
        cdef char code = c"f" if is_float else c"h"
        cdef Py_ssize_t others
        try:
            others = acquire_mono(played, &said, code, False, "played")
            try:
                if others != frames:
                    raise ValueError(f"captured has {frames} frames, but played {others}: give as many of both")
                if frames % self.state.block:
                    raise ValueError(
                        f"captured and played have {frames} frames: give whole blocks of 10 ms, {self.state.block} each"
                    )
                out = numpy.empty(frames, numpy.float32 if is_float else numpy.int16)
                acquire_mono(out, &view, code, True, "out")
                hold(&self.state.user, CALL, "this EchoCanceller")
                try:
                    self._process(<const char *> heard.buf, <const char *> said.buf, <char *> view.buf, frames, is_float)
                finally:
                    give_back(&self.state.user)
                    PyBuffer_Release(&view)
            finally:
                PyBuffer_Release(&said)
        finally:
            PyBuffer_Release(&heard)
        return out

    cdef int _process(
        self, const char *captured, const char *played, char *out, Py_ssize_t frames, bint is_float
    ) except -1:
        cdef Py_ssize_t size = 4 if is_float else 2
        cdef Py_ssize_t at = 0
        while True:
            if frames - at >= LONG_BLOCKS * self.state.block:
                with nogil:
                    at = canceller_run(self.state, captured, played, out, at, frames, is_float)
            else:
                at = canceller_run(self.state, captured, played, out, at, frames, is_float)
            if at >= frames:
                return 0
            self._look()
            canceller_give(self.state, out + at * size, is_float)
            at += self.state.block

    cdef int _look(self) except -1:
        """Where is the echo?"""
        cdef canceller *state = self.state
        cdef double candidate = state.candidate
        cdef double delay
        state.candidate = -1
        state.unlooked = 0
        found = self._see()
        if found is None or not found.is_likely:
            if state.state == SEARCHING and state.heard >= NO_ECHO_AFTER:
                state.state = NO_ECHO
            return 0
        delay = found.seconds
        if state.state == CANCELLING and fabs(delay - state.delay) <= MOVED_SECONDS:
            return 0
        if candidate >= 0 and found.is_near(candidate) or state.state != CANCELLING and found.is_sure:
            state.books.realignments += state.state == CANCELLING
            canceller_align(state, delay)
        else:
            state.candidate = delay
        return 0

    cdef object _see(self):
        """A look at what was kept."""
        cdef Py_ssize_t rate = self.state.hop * 100
        cdef Py_ssize_t heard = round(HEARD_SECONDS * rate)
        cdef Py_ssize_t frames = heard + round(LONGEST_SECONDS * rate)
        # Of this path.
        cdef Py_ssize_t known = min(heard, self.state.filled - self.state.since)
        cdef float[::1] captured = numpy.zeros(heard, numpy.float32)
        cdef float[::1] played = numpy.empty(frames, numpy.float32)
        memcpy(&captured[heard - known], self.state.captured + self.state.filled - known, known * sizeof(float))
        memcpy(&played[0], self.state.played + self.state.filled - frames, frames * sizeof(float))
        return look(numpy.asarray(played), numpy.asarray(captured), rate)

    def skip(self, played):
        """Captured frames were lost while this was played."""
        cdef Py_buffer said
        cdef Py_ssize_t frames = acquire_mono(played, &said, c"*", False, "played")
        try:
            hold(&self.state.user, CALL, "this EchoCanceller")
            canceller_skip(self.state, <const char *> said.buf, frames, said.itemsize == 4)
            give_back(&self.state.user)
        finally:
            PyBuffer_Release(&said)

    def path_changed(self):
        """Another device, or another room: the delay is sought anew."""
        hold(&self.state.user, CALL, "this EchoCanceller")
        self.state.books.path_changes += 1
        canceller_seek(self.state)
        give_back(&self.state.user)

    def __repr__(self):
        return f"<sfaudio.EchoCanceller: {self.samplerate} Hz, {self.statistics().state}>"

    def statistics(self):
        """A snapshot, as `EchoCancellerStatistics`."""
        hold(&self.state.user, CALL, "this EchoCanceller")
        cdef canceller state = self.state[0]
        cdef int changes = echo_filter_last(self.state.filter).changes
        give_back(&self.state.user)
        return EchoCancellerStatistics(
            state=STATES[state.state],
            delay_seconds=state.delay if state.state == CANCELLING else None,
            frames=state.books.passed + state.books.silenced + state.books.cancelled,
            passed_frames=state.books.passed,
            silenced_frames=state.books.silenced,
            cancelled_frames=state.books.cancelled,
            skipped_frames=state.books.skipped,
            erle_db=_decibels(state.alone_captured, state.alone_output),
            is_leaking=state.is_leaking,
            path_changes=state.books.path_changes + changes,
            realignments=state.books.realignments,
        )


cdef object _decibels(double before, double after):
    """None if nothing was there before."""
    return None if before <= 0 else 10 * log10(before / max(after, 1e-12))
