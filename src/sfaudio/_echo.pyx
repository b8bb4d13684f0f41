# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The echo canceller: takes what was played out of what was captured."""

from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove

from sfaudio._buffers cimport acquire_mono, in_range
from sfaudio._kernels cimport float32_to_int16_symmetric, int16_samples_to_float32
from sfaudio._owners cimport CALL, NEW, give_back, hold

import numpy

from sfaudio._statistics import EchoCancellerStatistics


cdef enum:
    CORE_RATE = 16_000
    LARGEST_RATE = 96_000
    SPLIT_TAPS = 48  # of the resamplers on either side of the core, in frames of its rate

cdef struct echo_books:
    uint64_t passed
    uint64_t silenced
    uint64_t cancelled
    uint64_t skipped

cdef struct canceller:
    uint64_t user  # the owner word
    Py_ssize_t block  # 10 ms, in frames of the samplerate
    Py_ssize_t latency
    float *line  # [latency + block], what was captured, oldest first
    echo_books books


cdef class EchoCanceller:
    """EchoCanceller(samplerate=16000, *, comfort_noise=True)\n--\n
    Takes the echo of what was played out of what was captured.
    """

    cdef canceller *state
    cdef readonly int samplerate

    def __cinit__(self, samplerate=16000, *, comfort_noise=True):
        self.state = <canceller *> calloc(1, sizeof(canceller))
        if self.state == NULL:
            raise MemoryError
        self.state.user = <uintptr_t> NEW
        cdef int rate = <int> in_range(samplerate, "samplerate", "Hz", 8000, LARGEST_RATE)
        if rate != 8000 and rate % CORE_RATE:
            raise ValueError(
                f"samplerate must be 8000 or a multiple of 16000 Hz, up to 96000, not {rate}: resample both to one of"
                " these by a Resampler"
            )
        self.samplerate = rate
        self.state.block = rate // 100
        self.state.latency = self.state.block
        if rate > CORE_RATE:
            self.state.latency += SPLIT_TAPS * (rate // CORE_RATE) - 1
        self.state.line = <float *> calloc(self.state.latency + self.state.block, sizeof(float))
        if self.state.line == NULL:
            raise MemoryError
        give_back(&self.state.user)

    def __dealloc__(self):
        if self.state != NULL:
            free(self.state.line)
            free(self.state)

    @property
    def latency(self):
        """By how much the output is behind `captured`, in seconds: always the same."""
        return <double> self.state.latency / self.samplerate

    def process(self, captured, played):
        """Give what was captured without the echo of what was played."""
        cdef Py_buffer heard, said, view
        cdef Py_ssize_t frames = acquire_mono(captured, &heard, c"*", False, "captured")
        cdef Py_ssize_t others
        cdef bint is_float = heard.itemsize == 4
        try:
            others = acquire_mono(played, &said, c"f" if is_float else c"h", False, "played")
            try:
                if others != frames:
                    raise ValueError(f"captured has {frames} frames, but played {others}: give equal lengths")
                if frames % self.state.block:
                    raise ValueError(f"captured has {frames} frames: give whole blocks of {self.state.block}, 10 ms")
                out = numpy.empty(frames, numpy.float32 if is_float else numpy.int16)
                acquire_mono(out, &view, c"f" if is_float else c"h", True, "out")
                hold(&self.state.user, CALL, "this EchoCanceller")
                _process(self.state, heard.buf, view.buf, frames, is_float)
                give_back(&self.state.user)
                PyBuffer_Release(&view)
            finally:
                PyBuffer_Release(&said)
        finally:
            PyBuffer_Release(&heard)
        return out

    def skip(self, played):
        """Captured frames were lost while this was played."""
        cdef Py_buffer said
        cdef Py_ssize_t frames = acquire_mono(played, &said, c"*", False, "played")
        PyBuffer_Release(&said)
        hold(&self.state.user, CALL, "this EchoCanceller")
        self.state.books.skipped += <uint64_t> frames
        give_back(&self.state.user)

    def path_changed(self):
        """Another device, or another room: the delay is sought anew."""
        hold(&self.state.user, CALL, "this EchoCanceller")
        give_back(&self.state.user)

    def __repr__(self):
        return f"<sfaudio.EchoCanceller: {self.samplerate} Hz, {self.statistics().state}>"

    def statistics(self):
        """A snapshot, as `EchoCancellerStatistics`."""
        hold(&self.state.user, CALL, "this EchoCanceller")
        cdef echo_books books = self.state.books
        give_back(&self.state.user)
        return EchoCancellerStatistics(
            state="searching",
            delay_seconds=None,
            frames=books.passed + books.silenced + books.cancelled,
            passed_frames=books.passed,
            silenced_frames=books.silenced,
            cancelled_frames=books.cancelled,
            skipped_frames=books.skipped,
            erle_db=None,
            is_leaking=False,
            path_changes=0,
            realignments=0,
        )


cdef void _process(canceller *state, const void *src, void *out, Py_ssize_t frames, bint is_float) noexcept nogil:
    cdef float *fresh = state.line + state.latency
    cdef Py_ssize_t at = 0
    while at < frames:
        if is_float:
            memcpy(fresh, <const float *> src + at, state.block * sizeof(float))
            memcpy(<float *> out + at, state.line, state.block * sizeof(float))
        else:
            int16_samples_to_float32(<const int16_t *> src + at, fresh, state.block)
            float32_to_int16_symmetric(state.line, <int16_t *> out + at, state.block)
        state.books.passed += <uint64_t> state.block
        memmove(state.line, state.line + state.block, state.latency * sizeof(float))
        at += state.block
