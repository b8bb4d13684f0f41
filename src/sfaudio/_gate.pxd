"""When somebody speaks: blocks of 10 ms that are louder than the room. For `_meter`, not for others to cimport.

Speech begins with the first of four loud blocks in a row: no click is so long. It ends with its last loud block, once
nothing was speech for half a second, which is longer than the pauses between words. In it a loud block counts alone,
but not 100 ms after the last: there it takes four again, or noise would draw the end out. Both are told late, with
their true time. What is loud, `_speech` says; until it knows the room, only what is speech in every room.

Of prompts of five speakers in silence (benchmarks/recorded_speech.py), nine in ten are found to begin within 6 ms of
where they do, and eight in ten to end within 8 ms.
"""

from libc.math cimport NAN

from sfaudio._speech cimport LOUDEST_SILENCE, SMOOTHED_BLOCKS, floor_begin, floor_hear, speech_floor


cdef enum:
    LOUD_BLOCKS = 4  # in a row, that are speech
    NEAR_BLOCKS = 10  # after the last one of speech, in which one is enough
    QUIET_END_BLOCKS = 50  # without speech, that end it, but for those that may be its next word
    LONGEST_BLOCKS = QUIET_END_BLOCKS + LOUD_BLOCKS

cdef enum gate_news:
    NOTHING_NEW
    SPEECH_BEGAN  # at `began`
    SPEECH_ENDED  # at `until`

cdef struct speech_gate:
    speech_floor floor
    bint is_open
    int loud  # blocks in a row, up to LOUD_BLOCKS
    int quiet  # blocks since the last one of speech, up to LONGEST_BLOCKS
    int spoken  # blocks that this one has added to speech
    double began  # seconds: the first of those loud in a row
    double until  # the end of the last one of speech; NAN before


cdef inline void gate_begin(speech_gate *of) noexcept nogil:
    floor_begin(&of.floor)
    of.is_open = False
    of.loud = of.quiet = of.spoken = 0
    of.began = of.until = NAN


cdef inline bint gate_is_loud(const speech_gate *of, double power) noexcept nogil:
    return power > (of.floor.threshold if of.floor.heard == SMOOTHED_BLOCKS else LOUDEST_SILENCE)


cdef inline gate_news gate_hear(speech_gate *of, double power, double seconds, double end_seconds) noexcept nogil:
    """A block of this mean power sounded from `seconds` to `end_seconds`."""
    floor_hear(&of.floor, power)
    if not gate_is_loud(of, power):
        of.loud = 0
    else:
        if of.loud == 0:
            of.began = seconds
        of.loud = min(of.loud + 1, <int> LOUD_BLOCKS)
    of.spoken = 0
    of.quiet = min(of.quiet + 1, <int> LONGEST_BLOCKS)
    if of.loud == LOUD_BLOCKS or of.is_open and of.loud and of.quiet <= NEAR_BLOCKS:
        of.spoken = of.quiet if of.is_open else <int> LOUD_BLOCKS
        of.quiet = 0
        of.until = end_seconds
        if not of.is_open:
            of.is_open = True
            return SPEECH_BEGAN
    elif of.is_open and of.loud == 0 and of.quiet >= QUIET_END_BLOCKS:
        of.is_open = False
        return SPEECH_ENDED
    return NOTHING_NEW
