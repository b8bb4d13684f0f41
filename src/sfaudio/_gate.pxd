"""When somebody speaks: blocks of 10 ms that are louder than the room. For `_meter`, not for others to cimport.

Speech begins with the first of three loud blocks in a row, so that no click is speech, and ends with the last loud one,
once half a second was not loud: a pause between words is shorter. Both are told late, with their true time. What is
loud, `_speech` says; until it knows the room, only what is speech in every room.
"""

from libc.math cimport NAN

from sfaudio._speech cimport LOUDEST_SILENCE, SMOOTHED_BLOCKS, floor_begin, floor_hear, speech_floor


cdef enum:
    LOUD_BLOCKS = 3  # in a row, that are speech
    QUIET_END_BLOCKS = 50  # in a row, that end it

cdef enum gate_news:
    NOTHING_NEW
    SPEECH_BEGAN  # at `began`
    SPEECH_ENDED  # at `until`

cdef struct speech_gate:
    speech_floor floor
    bint is_open
    int loud  # blocks in a row, up to LOUD_BLOCKS
    int quiet  # blocks since the last loud one, up to QUIET_END_BLOCKS
    int spoken  # blocks of speech that this one has added
    double began  # seconds: the first of those loud in a row
    double until  # the end of the last loud block of speech; NAN before


cdef inline void gate_begin(speech_gate *of) noexcept nogil:
    floor_begin(&of.floor)
    of.is_open = False
    of.loud = of.quiet = of.spoken = 0
    of.began = of.until = NAN


cdef inline bint gate_is_loud(const speech_gate *of, double power) noexcept nogil:
    return power > (of.floor.threshold if of.floor.heard == SMOOTHED_BLOCKS else LOUDEST_SILENCE)


cdef inline gate_news gate_hear(speech_gate *of, double power, double seconds, double end_seconds) noexcept nogil:
    """A block of this mean power sounded from `seconds` to `end_seconds`."""
    of.spoken = 0
    floor_hear(&of.floor, power)
    if not gate_is_loud(of, power):
        of.loud = 0
        of.quiet = min(of.quiet + 1, <int> QUIET_END_BLOCKS)
        if of.is_open and of.quiet == QUIET_END_BLOCKS:
            of.is_open = False
            return SPEECH_ENDED
        return NOTHING_NEW
    if of.loud == 0:
        of.began = seconds
    of.loud = min(of.loud + 1, <int> LOUD_BLOCKS)
    if of.is_open:
        of.spoken = of.quiet + 1  # with the pause before
    elif of.loud == LOUD_BLOCKS:
        of.spoken = LOUD_BLOCKS
    of.quiet = 0
    if of.spoken == 0:
        return NOTHING_NEW
    of.until = end_seconds
    if of.is_open:
        return NOTHING_NEW
    of.is_open = True
    return SPEECH_BEGAN
