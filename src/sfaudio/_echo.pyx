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
from sfaudio._echo_blocks cimport CANCELLING, NO_ECHO, SEARCHING, canceller, canceller_align, canceller_begin
from sfaudio._echo_blocks cimport canceller_free, canceller_give, canceller_run, canceller_seek, canceller_skip
from sfaudio._echo_blocks cimport echo_books, finding
from sfaudio._echo_filter cimport echo_filter_last
from sfaudio._owners cimport CALL, NEW, give_back, hold
from sfaudio._resample cimport Resampler, resampler_hold, resampler_release

import numpy

from sfaudio._echo_delay import AVERAGED, HEARD_SECONDS, LONGEST_SECONDS, look
from sfaudio._statistics import EchoCancellerStatistics


cdef extern from *:
    """
    #define SF_SPLIT "an EchoCanceller"
    """
    const char *SPLIT "SF_SPLIT"

cdef enum:
    FILTER_RATE = 16_000  # Hz: the agent's voice has nothing above 8 kHz
    LARGEST_RATE = 96_000
    SPLIT_TAPS = 160  # passes 7.6 kHz, as an agent's s has it, and takes 10 ms there and back: another block
    LONG_BLOCKS = 10  # From here on the work takes longer than giving up the GIL and fighting to get it back.
    NO_ECHO_AFTER = 130  # blocks of audible sound in which no look was likely: a headset,
    ALL_HEARD_AFTER = 155  # and so many since the first: its echo would have been there for 0.35 s, however late

cdef double MOVED_SECONDS = 0.010  # From here on a delay is another one: less the filter's taps bear, and learn.

STATES = {SEARCHING: "searching", CANCELLING: "cancelling", NO_ECHO: "no echo"}


@cython.no_gc_clear  # the resamplers must be there when it is deallocated
cdef class EchoCanceller:
    """EchoCanceller(samplerate=16000, *, comfort_noise=True)\n--\n
    Takes out of what was captured the echo of what was played: loudspeaker to room to microphone.

    Both are streams of the same clock: frame by frame, what was played while it was captured. How much later the echo
    comes is found by itself, from 0 to 1.2 s, in 0.1 to 0.3 s of speech that comes back, or 1 to 5 s where hardly any
    sound comes straight (GCC-PHAT, Knapp & Carter 1976; see `_echo_delay`); then a Kalman filter of 200 ms and a gain
    cancel it (Enzner & Vary 2006; see `_echo_filter`). What becomes of a block:

    - nothing audible was played in the last 1.2 s (or in the delay and 0.4 s, where that is longer): it comes out bit
      for bit. Audible is what is above -60 dBFS for 10 ms;
    - something was, and the delay is not known: silence, so that nobody hears himself;
    - something was, and the delay is known: it comes out without the echo;
    - 1.3 s of it were played, the first of it 1.55 s ago, and no echo was found: a headset. All comes out bit for bit,
      until one is found.

    A delay that becomes another one, as with a Bluetooth loudspeaker, is noticed, and found in 0.3 to 0.6 s of speech.
    Fades of 10 ms are between these. Samples are as in [-1, 1]: beyond, they count as full scale, and what is no number
    as 0. At 32 kHz and more, the echo is cancelled where speech is, up to 7.6 kHz, and all above 8.4 kHz is untouched.

    Threads: one at a time; a second one gets a RuntimeError, which names who has it. Calls of 0.1 s or more give up the
    GIL. Ten milliseconds take some 50 us; a look for the delay 1 ms, every 50 ms while it is sought, seldom after that.

    Parameters
    ----------
    samplerate
        Of both, in Hz: 8000, or a multiple of 16000 up to 96000.
    comfort_noise
        Whether noise as loud as the room's fills what is taken out, so that the far side does not hear the room come
        and go.

    Raises
    ------
    TypeError, ValueError
        `samplerate` is none of these: bring both streams to one of them by a `Resampler`.
    """

    cdef canceller *state
    cdef object _resamplers
    cdef object _average  # of looks at this path, before it is known
    cdef readonly int samplerate

    def __cinit__(self, samplerate=16000, *, comfort_noise=True):
        self.state = <canceller *> calloc(1, sizeof(canceller))
        if self.state == NULL:
            raise MemoryError
        self.state.user = <uintptr_t> NEW
        self._resamplers = ()
        self._average = numpy.zeros(AVERAGED)
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
        cdef Resampler captured = Resampler(rate, FILTER_RATE, taps=SPLIT_TAPS)
        cdef Resampler played = Resampler(rate, FILTER_RATE, taps=SPLIT_TAPS)
        cdef Resampler removed = Resampler(FILTER_RATE, rate, taps=SPLIT_TAPS)
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
        """By how much what comes out is behind what goes in, in seconds, always: 10 ms; 20 above 16 kHz."""
        return <double> self.state.latency / self.samplerate

    def process(self, captured, played):
        """Take the echo out of the next blocks.

        Parameters
        ----------
        captured, played
            Buffers of int16 or float32 samples, both of one type, or raw bytes of int16; as many of both, in whole
            blocks of 10 ms. Any number of blocks in a call gives the same.

        Returns
        -------
        A new `numpy.ndarray` of the same type and length: what comes out is `latency` behind what goes in.

        Raises
        ------
        TypeError, ValueError
            As `int16_to_float32` for its `src`; the two differ in type or length; they are no whole blocks. Nothing was
            taken.
        """
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
                hold(&self.state.user, CALL, "this EchoCanceller")
                try:
                    if frames % self.state.block:
                        raise ValueError(
                            f"captured and played have {frames} frames: give whole blocks of {self.state.block}, 10 ms"
                        )
                    out = numpy.empty(frames, numpy.float32 if is_float else numpy.int16)
                    acquire_mono(out, &view, code, True, "out")
                    self._process(<char *> heard.buf, <char *> said.buf, <char *> view.buf, frames, is_float)
                    PyBuffer_Release(&view)
                finally:
                    give_back(&self.state.user)
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
        """Where is the echo, and what follows from that?"""
        cdef canceller *state = self.state
        cdef double candidate = state.candidate
        cdef double delay
        state.candidate = -1
        state.unlooked = 0
        found = self._see()
        if found is None or not found.is_likely:
            if state.state == SEARCHING and state.heard >= NO_ECHO_AFTER and state.sought >= ALL_HEARD_AFTER:
                state.state = NO_ECHO
            return 0
        delay = found.seconds
        if state.state == CANCELLING and fabs(delay - state.delay) <= MOVED_SECONDS:
            return 0
        if candidate >= 0 and found.is_near(candidate):
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
        cdef Py_ssize_t i
        cdef float[::1] captured = numpy.zeros(heard, numpy.float32)
        cdef float[::1] played = numpy.empty(frames, numpy.float32)
        memcpy(&captured[heard - known], self.state.captured + self.state.filled - known, known * sizeof(float))
        if known < heard:  # Where both begin at once, the edge is what they have in common.
            for i in range(min(known, self.state.hop)):
                captured[heard - known + i] *= <float> i / self.state.hop
        memcpy(&played[0], self.state.played + self.state.filled - frames, frames * sizeof(float))
        average = None if self.state.state == CANCELLING else self._average
        return look(numpy.asarray(played), numpy.asarray(captured), rate, average)

    def skip(self, played):
        """Captured frames were lost while this was played: it may yet be heard. Nothing comes out.

        `played` is as that of `process`, of any length; above 16 kHz, what is less than a frame at that rate is left
        out. TypeError, ValueError: it is no such buffer.
        """
        cdef Py_buffer said
        cdef Py_ssize_t frames = acquire_mono(played, &said, c"*", False, "played")
        try:
            hold(&self.state.user, CALL, "this EchoCanceller")
            canceller_skip(self.state, <const char *> said.buf, frames, said.itemsize == 4)
            give_back(&self.state.user)
        finally:
            PyBuffer_Release(&said)

    def path_changed(self):
        """The echo comes from or into another device: its delay is sought anew, with silence until it is known."""
        hold(&self.state.user, CALL, "this EchoCanceller")
        try:
            self._average[:] = 0
            self.state.books.path_changes += 1
            canceller_seek(self.state)
        finally:
            give_back(&self.state.user)

    def __repr__(self):
        try:
            state = self.statistics().state
        except RuntimeError:
            state = "in use"
        return f"<sfaudio.EchoCanceller: {self.samplerate} Hz, {state}>"

    def statistics(self):
        """A snapshot, as `EchoCancellerStatistics`."""
        cdef canceller *state = self.state
        hold(&state.user, CALL, "this EchoCanceller")
        cdef finding found = state.state
        cdef double delay = state.delay, alone_captured = state.alone_captured, alone_output = state.alone_output
        cdef bint is_leaking = state.is_leaking
        cdef echo_books books = state.books
        cdef int changes = echo_filter_last(state.filter).changes
        give_back(&state.user)
        return EchoCancellerStatistics(
            state=STATES[found],
            delay_seconds=delay if found == CANCELLING else None,
            frames=books.passed + books.silenced + books.cancelled,
            passed_frames=books.passed,
            silenced_frames=books.silenced,
            cancelled_frames=books.cancelled,
            skipped_frames=books.skipped,
            erle_db=_decibels(alone_captured, alone_output),
            is_leaking=is_leaking,
            path_changes=books.path_changes + changes,
            realignments=books.realignments,
        )


cdef object _decibels(double before, double after):
    """None if nothing was there before."""
    return None if before <= 0 else 10 * log10(before / max(after, 1e-12))
