"""The constants of the echo filter, each with its reason. Blocks are 10 ms, powers those of bins, full scale is 1.

"Measured" is on recorded speech in simulated rooms (`benchmarks/echo.py`).
"""


cdef enum:
    # The path.
    PARTITIONS = 20  # blocks of taps, 200 ms: with 100 a room of RT60 0.4 s lost 10 dB, 300 won nothing
    TURN = 4  # every fourth partition is held to its taps in each block: no worse than all, a quarter of the cost
    TAIL_PARTITIONS = 4  # the last ones, which tell how loud the room is beyond them
    # What is left of the echo.
    LOWEST_BIN = 6  # 300 Hz; from there to 500 Hz below the highest the agent is looked for, and not in hum
    HIGHEST_BINS = 11
    LEAST_BINS = 10  # that may have echo, to look for it
    LEAST_LOOKED = 100  # bins in all, of the last blocks, to tell who talks
    WRONG_BLOCKS = 10  # in a row that a path makes it worse: one or two are a word after a pause, whose begin it smears
    PATIENCE = 25  # blocks of the agent alone, before a louder error is believed to be echo: what a vowel lasts
    # Noise.
    MINIMA = 8  # of the noise, over so many blocks each: 4 s, longer than what is said in one breath
    MINIMUM_BLOCKS = 50

cdef extern from *:
    """
    /* The path. */
    static const float PATH_KEPT = 0.996004f;  /* of its power from block to block: it may be another in 2.5 s */
    static const float SURE = 0.5f;  /* of what a step could tell is known then: the error is half of the two blocks */
    static const float NEAR_KEPT = 0.8f;  /* of the error's power from block to block: what speech keeps for 50 ms */
    static const float HEED = 2.0f;  /* that power is heeded as noise: twice, as an error is half of the two blocks */
    static const float LEAST_UNSURE = 1e-12f;  /* of a tap's power, so that it can be learnt again */
    static const float PATH_DECAY = 0.276f;  /* of its power from block to block: RT60 0.5 s */
    static const float LEAST_PATH = 1e-3f;  /* of its power is expected anywhere */
    static const float WRONG = 4.0f;  /* an error so many times louder than what was captured is a wrong path's */
    static const float MUTED = 1e-12f;  /* the mean square of a microphone that gives nothing, which teaches nothing */
    static const float COMPARED_KEPT = 0.5f;  /* of both powers from block to block */
    /* What is left of the echo. */
    static const float LEFT_KEPT = 0.5f;  /* of its power and the error's from block to block */
    static const float LEAK = 1e-3f;  /* of the estimate is left at least: -30 dB, by what is not linear */
    static const float TAIL_KEPT = 0.76f;  /* of the room's power beyond the taps from block to block: RT60 0.5 s */
    static const float ABOVE_NOISE = 2.0f;  /* times the noise is what is expected, where the agent is looked for */
    static const float FAINTEST = 1e-7f;  /* power that is looked at: that of the last bit of int16 */
    static const float LOOKED_KEPT = 0.95f;  /* of what was looked at from block to block: 0.2 s, a syllable */
    static const float ALONE_DB = 7.0f;  /* spread, the agent alone: 3 to 6 measured; with a caller 7 to 14 */
    static const float SCALE_KEPT = 0.9f;  /* of the scale from block to block */
    static const float SHAPE_KEPT = 0.98f;  /* of its shape over bins, which takes more blocks to be known */
    static const float FIRST_DB = -5.0f;  /* what the scale is before it was seen */
    static const float LEAST_DB = -10.0f;  /* warm it was -12 to -19, but a sound that was not heard yet leaves more */
    static const float MARGIN_DB = 8.0f;  /* above the mean is what nine of ten bins have left */
    static const float ALONE_MARGIN_DB = 17.0f;  /* when nobody else talks, who could be lost */
    static const float LOUD_DB = 8.0f;  /* more is left than ever by another path: 10 to 20 measured */
    static const float FLOOR = 0.0316228f;  /* the least gain, -30 dB: with less, music was heard in the noise */
    /* Noise. */
    static const float NOISE_KEPT = 0.7f;  /* of the power whose minima are taken: 0.3 s after speech it is noise's */
    static const float MINIMUM_BIAS = 3.0f;  /* times as loud as those minima is the noise: measured */
    static const float UNKNOWN = 1e30f;
    /* What is below becomes this: far from denormals, which are slow, and below the least that int16 has. */
    static const float NOTHING = 1e-20f;
    """
    const float PATH_KEPT, SURE, NEAR_KEPT, HEED, LEAST_UNSURE, PATH_DECAY, LEAST_PATH, WRONG, MUTED
    const float COMPARED_KEPT
    const float LEFT_KEPT, LEAK, TAIL_KEPT, ABOVE_NOISE, FAINTEST, LOOKED_KEPT, ALONE_DB, SCALE_KEPT, SHAPE_KEPT
    const float FIRST_DB, LEAST_DB, MARGIN_DB, ALONE_MARGIN_DB, LOUD_DB, FLOOR
    const float NOISE_KEPT, MINIMUM_BIAS, UNKNOWN, NOTHING
