"""What is speech: louder than the room that it is said in. For `_engine` and `_gate`, not for others.

The floor is the least mean power of 50 ms within the last 5 s of what was played, of ten minima of half seconds (as R.
Martin's minimum statistics, "Noise power spectral density estimation based on optimal smoothing and minimum
statistics", 2001, without its bias). With a fixed threshold, a room at -45 dBFS would leave no pause to be found.
"""


cdef enum:
    PARTS = 10
    PART_BLOCKS = 50  # of 10 ms
    SMOOTHED_BLOCKS = 5
    QUIET_BLOCKS = 2  # without speech, after which to run dry is no gap in it

# Powers, full scale is 1: speech is 8 dB above the floor, -50 dBFS at least; what is above -30 dBFS always is.
cdef extern from * nogil:
    """
    #define SF_QUIETEST_SPEECH (0.003 * 0.003)
    #define SF_LOUDEST_SILENCE (0.03 * 0.03)
    #define SF_ABOVE_FLOOR (2.5 * 2.5)
    """
    double QUIETEST_SPEECH "SF_QUIETEST_SPEECH"
    double LOUDEST_SILENCE "SF_LOUDEST_SILENCE"
    double ABOVE_FLOOR "SF_ABOVE_FLOOR"


cdef struct speech_floor:
    double least[PARTS]  # of each half second, newest at `part`; 2.0 while there is none
    int part
    double recent[SMOOTHED_BLOCKS]
    int blocks  # of this half second
    int heard  # up to SMOOTHED_BLOCKS
    double threshold


cdef inline void floor_begin(speech_floor *of) noexcept nogil:
    cdef int i
    for i in range(PARTS):
        of.least[i] = 2.0
    of.part = of.blocks = of.heard = 0
    of.threshold = QUIETEST_SPEECH


cdef inline void floor_hear(speech_floor *of, double power) noexcept nogil:
    """A block of 10 ms was played, of this mean power."""
    cdef double mean = 0, least = 2.0
    cdef int i
    for i in range(SMOOTHED_BLOCKS - 1):
        of.recent[i] = of.recent[i + 1]
    of.recent[SMOOTHED_BLOCKS - 1] = power
    of.heard = min(of.heard + 1, <int> SMOOTHED_BLOCKS)
    if of.heard == SMOOTHED_BLOCKS:
        for i in range(SMOOTHED_BLOCKS):
            mean += of.recent[i] / SMOOTHED_BLOCKS
        of.least[of.part] = min(of.least[of.part], mean)
    of.blocks += 1
    if of.blocks == PART_BLOCKS:
        of.blocks = 0
        of.part = (of.part + 1) % PARTS
        of.least[of.part] = 2.0
    for i in range(PARTS):
        least = min(least, of.least[i])
    of.threshold = QUIETEST_SPEECH if least > 1.0 else min(max(QUIETEST_SPEECH, ABOVE_FLOOR * least), LOUDEST_SILENCE)
