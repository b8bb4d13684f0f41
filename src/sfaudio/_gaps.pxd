"""Gaps in speech, told from the ends of sentences. For `_engine` alone.

Most sentences of an agent end in speech, so that running dry there says nothing. A short gap was a stall. A long one
was a stall if the stream comes back on its schedule, which is known only some time after it plays again.
"""

from libc.stdint cimport uint64_t

from sfaudio._playout_law cimport playout_law
from sfaudio._ring cimport sf_store_relaxed


cdef enum:
    INTERRUPTION_MS = 150  # or more: W3C's webrtc-stats, interruptionCount
    TURN_MS = 500  # as the law has it

cdef struct speech_gaps:
    uint64_t samplerate
    bint open  # it ran dry in speech, and does not play yet
    uint64_t frames
    uint64_t silent_frames  # of these
    # Long ones, after which it plays again, and the law does not know yet what they were.
    uint64_t doubted
    uint64_t doubted_frames
    uint64_t doubted_silent_frames
    uint64_t stalls  # the law's count before these
    # Counters, readable from anywhere.
    uint64_t underruns_in_speech
    uint64_t interruptions
    uint64_t interrupted_frames
    uint64_t silent_concealed_frames


cdef inline void _count(uint64_t *counter, uint64_t more) noexcept nogil:
    sf_store_relaxed(counter, counter[0] + more)


cdef inline void gap_begins(speech_gaps *of, const playout_law *law) noexcept nogil:
    of.open, of.frames, of.silent_frames = True, 0, 0
    if not of.doubted:
        of.stalls = law.stalls


cdef inline void gap_lasts(speech_gaps *of, Py_ssize_t frames, Py_ssize_t silent_frames) noexcept nogil:
    of.frames += <uint64_t> frames
    of.silent_frames += <uint64_t> silent_frames


cdef inline void gap_ends(speech_gaps *of) noexcept nogil:
    """It plays again."""
    if not of.open:
        return
    of.open = False
    if of.frames * 1000 >= <uint64_t> TURN_MS * of.samplerate:
        of.doubted += 1
        of.doubted_frames += of.frames
        of.doubted_silent_frames += of.silent_frames
        return
    _count(&of.underruns_in_speech, 1)
    _count(&of.silent_concealed_frames, of.silent_frames)
    if of.frames * 1000 >= <uint64_t> INTERRUPTION_MS * of.samplerate:
        _count(&of.interruptions, 1)
        _count(&of.interrupted_frames, of.frames)


cdef inline void gap_reconsidered(speech_gaps *of, const playout_law *law) noexcept nogil:
    """The law has looked at what came; all that it doubted until then was the same."""
    if of.open or not of.doubted or law.doubt:
        return
    if law.stalls > of.stalls:
        _count(&of.underruns_in_speech, of.doubted)
        _count(&of.silent_concealed_frames, of.doubted_silent_frames)
        _count(&of.interruptions, of.doubted)
        _count(&of.interrupted_frames, of.doubted_frames)
    of.doubted = of.doubted_frames = of.doubted_silent_frames = 0
    of.stalls = law.stalls


cdef inline void gap_drained(speech_gaps *of) noexcept nogil:
    """That was the end, as is told only now."""
    of.open = False


cdef inline void gap_forgotten(speech_gaps *of) noexcept nogil:
    """What was queued was thrown away."""
    of.open = False
    of.doubted = of.doubted_frames = of.doubted_silent_frames = 0
