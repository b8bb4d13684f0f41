# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The echo canceller block by block: what was played is lined up, and each block passed, silenced or cancelled.

One block is held back, so that it is decided about when it is known whether something is played right after it; a
change from one to another is a fade over that block.

Above 16 kHz the filter works on the band below 8 kHz: what it removed there is resampled up, and taken off what was
captured, which has waited as long as the resamplers take. So what lies above is untouched.
"""

from libc.stdint cimport int16_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from sfaudio._echo_constants cimport PARTITIONS
from sfaudio._echo_filter cimport MOST_HOP, echo_block, echo_filter_block, echo_filter_doubt, echo_filter_free
from sfaudio._echo_filter cimport echo_filter_last, echo_filter_new, echo_filter_pass, echo_filter_play
from sfaudio._kernels cimport float32_to_int16_symmetric, int16_samples_to_float32
from sfaudio._resample cimport resample_float32, resampler


cdef enum:
    ROOM_SECONDS = 4  # for what is kept, so that it is moved once a second
    # In blocks of 10 ms:
    HELD = 120  # after something was played it may still be heard: so long is the longest delay
    HELD_AFTER_DELAY = 40  # and so long at least rings the room
    REPLAYED = 30  # of what was kept, run through the filter when the delay is known: before, there may be no echo
    WHOLE = 2  # of what was kept without a gap: the filter's last block, and the one that comes out
    LOOK_SEARCHING = 5
    LOOK_NO_ECHO = 20  # a look takes 1 ms: this is 0.5 % of a core
    LOOK_CANCELLING = 1000  # devices drift from their delay in minutes
    LOOK_IN_DOUBT = 40
    LOOK_WHEN_LOST = 10
    LOST_AFTER_CHANGE = 80  # for so long after the path changed: a look sees 60
    LEAKING_AFTER = 100

cdef extern from *:
    """
    static const float AUDIBLE = 1e-6f;  /* mean square, -60 dBFS: the noise of a line is below, any voice is above */
    static const double EARLY_SECONDS = 0.010;  /* What was played is lined up so long before its echo: late is fatal */
    static const float SMOOTHED_KEPT = 0.95f;  /* of powers from block to block, 0.2 s: whether the filter is right */
    static const float DOUBT = 0.25f;  /* -6 dB: of what was captured is left by the filter */
    static const float EXPLAINED = 0.5f;  /* of an estimate's power must be gone from what was captured */
    static const float SMALL = 0.1f;  /* -10 dB: an estimate that is less explains nothing, nor need it */
    static const float ALONE_KEPT = 0.98f;  /* of powers from block to block, 0.5 s: how much is cancelled */
    static const float LEAKY = 0.0630957f;  /* -12 dB: of what was captured comes out */
    """
    const float AUDIBLE, SMOOTHED_KEPT, DOUBT, EXPLAINED, SMALL, ALONE_KEPT, LEAKY
    const double EARLY_SECONDS


# ---- what comes in

cdef float _read(const void *src, float *out, Py_ssize_t frames, bint is_float) noexcept nogil:
    """As samples in [-1, 1]; what is no number is 0. Gives their mean square."""
    cdef Py_ssize_t i
    if is_float:
        memcpy(out, src, frames * sizeof(float))  # from any address
        for i in range(frames):
            out[i] = min(max(out[i], <float> -1), <float> 1) if out[i] == out[i] else 0
    else:
        int16_samples_to_float32(<const int16_t *> src, out, frames)
    return _mean_square(out, frames)


cdef float _mean_square(const float *samples, Py_ssize_t frames) noexcept nogil:
    cdef float total = 0
    cdef Py_ssize_t i
    for i in range(frames):
        total += samples[i] * samples[i]
    return total / frames


cdef void _make_room(canceller *of) noexcept nogil:
    cdef Py_ssize_t kept = KEPT_SECONDS * 100 * of.hop
    cdef Py_ssize_t gone = of.filled - kept
    if of.filled + of.hop <= of.room:
        return
    memmove(of.captured, of.captured + gone, kept * sizeof(float))
    memmove(of.played, of.played + gone, kept * sizeof(float))
    of.filled = kept
    of.since = max(of.since - gone, 0)


cdef Py_ssize_t _keep(resampler *down, const float *samples, Py_ssize_t frames, float *out) noexcept nogil:
    if down != NULL:
        return resample_float32(down, samples, frames, out)
    memcpy(out, samples, frames * sizeof(float))
    return frames


cdef Py_ssize_t _hear_played(canceller *of, const void *played, Py_ssize_t frames, bint is_float) noexcept nogil:
    """A block of it, or less. Gives how many frames of the filter's rate it is."""
    cdef float samples[MOST_BLOCK]
    cdef bint is_audible = _read(played, samples, frames, is_float) > AUDIBLE
    of.quiet = 0 if is_audible else min(of.quiet + 1, 1 << 20)
    _make_room(of)
    return _keep(of.played_down, samples, frames, of.played + of.filled)


# ---- what becomes of a block

cdef treatment _treat(const canceller *of) noexcept nogil:
    """The block before this one."""
    if of.quiet >= of.held:
        return PASS
    if of.state == CANCELLING:
        return CANCEL
    return SILENCE if of.state == SEARCHING else PASS


cdef void _filter(canceller *of, Py_ssize_t at) noexcept nogil:
    """The block of what was kept that begins there."""
    cdef const float *played = of.played + at - of.shift
    cdef int ago
    if not of.is_primed:
        for ago in range(PARTITIONS, 0, -1):
            echo_filter_play(of.filter, played - ago * of.hop)
        of.is_primed = True
    echo_filter_block(of.filter, of.captured + at, played, of.last_cancelled)


cdef void _measure(canceller *of) noexcept nogil:
    """How well the filter works."""
    cdef const echo_block *last = echo_filter_last(of.filter)
    of.lost = LOST_AFTER_CHANGE if last.changes != of.changes else max(of.lost - 1, 0)
    of.changes = last.changes
    if of.quiet == 0:
        of.smooth_captured += (1 - SMOOTHED_KEPT) * (last.captured - of.smooth_captured)
        of.smooth_estimate += (1 - SMOOTHED_KEPT) * (last.estimate - of.smooth_estimate)
        of.smooth_error += (1 - SMOOTHED_KEPT) * (last.error - of.smooth_error)
    if last.agent_alone:
        of.alone_captured += (1 - ALONE_KEPT) * (last.heard - of.alone_captured)
        of.alone_output += (1 - ALONE_KEPT) * (last.output - of.alone_output)
        of.leaking = of.leaking + 1 if of.alone_output > max(LEAKY * of.alone_captured, AUDIBLE) else 0
        of.is_leaking = of.leaking >= LEAKING_AFTER


cdef int _look_period(const canceller *of) noexcept nogil:
    """After how many blocks."""
    cdef float gone = of.smooth_captured - of.smooth_error
    if of.state == SEARCHING or of.candidate >= 0:
        return LOOK_SEARCHING
    if of.state == NO_ECHO:
        return LOOK_NO_ECHO
    if of.lost > 0:
        return LOOK_WHEN_LOST
    if of.smooth_error <= DOUBT * of.smooth_captured:
        return LOOK_CANCELLING
    # A caller is heard, or the echo has another delay: then what is taken off makes it no less.
    if echo_filter_last(of.filter).agent_alone:
        return LOOK_WHEN_LOST
    if of.smooth_estimate > SMALL * of.smooth_captured and gone < EXPLAINED * of.smooth_estimate:
        return LOOK_WHEN_LOST
    return LOOK_IN_DOUBT


cdef bint _is_look_due(const canceller *of) noexcept nogil:
    if of.quiet >= HELD or of.still or of.whole < WHOLE:  # Nothing is heard, or not enough of it.
        return False
    return of.unlooked >= _look_period(of)


cdef bint _take(canceller *of, const void *captured, const void *played, bint is_float) noexcept nogil:
    """A block of both. Whether a look is due, before its output."""
    cdef float *fresh = of.line + of.latency
    cdef Py_ssize_t at
    memmove(of.line, of.line + of.block, of.latency * sizeof(float))
    of.was_still, of.still = of.still, _read(captured, fresh, of.block, is_float) == 0
    _hear_played(of, played, of.block, is_float)
    at = of.filled
    memcpy(of.last_captured, of.fresh_captured, of.hop * sizeof(float))
    _keep(of.captured_down, fresh, of.block, of.captured + at)
    memcpy(of.fresh_captured, of.captured + at, of.hop * sizeof(float))
    of.filled += of.hop
    of.whole += 1
    of.unlooked += 1
    # A microphone that gives zeros hears no echo, and tells of no headset.
    of.heard += of.quiet == 0 and not of.still
    of.sought += of.heard > 0 and not of.still
    of.before = of.now
    of.now = _treat(of)
    if of.now == CANCEL or of.before == CANCEL:
        _filter(of, at)
        _measure(of)
    else:
        of.is_primed = False
        if not of.still:  # The room's noise is not zero.
            echo_filter_pass(of.filter, of.captured + at)
    return _is_look_due(of)


cdef void canceller_align(canceller *of, double delay) noexcept nogil:
    # Run what was kept through the filter.
    cdef float before[MOST_HOP]
    cdef Py_ssize_t rate = of.hop * 100
    cdef Py_ssize_t i
    cdef Py_ssize_t at = max(of.since, of.filled - REPLAYED * of.hop)
    cdef Py_ssize_t last = of.filled - 2 * of.hop
    memcpy(before, of.last_cancelled, of.hop * sizeof(float))
    of.state, of.delay, of.candidate = CANCELLING, delay, -1
    of.shift = max(<Py_ssize_t> ((delay - EARLY_SECONDS) * rate), 0)
    of.held = max(<int> HELD, <int> (delay * 100) + HELD_AFTER_DELAY)
    of.smooth_captured = of.smooth_estimate = of.smooth_error = 0
    of.lost = of.leaking = 0
    echo_filter_doubt(of.filter)
    of.is_primed = False
    at = last - (last - at) // of.hop * of.hop
    while at < last and _mean_square(of.played + at - of.shift, of.hop) <= AUDIBLE:
        at += of.hop
    while at < of.filled:
        _filter(of, at)
        at += of.hop
    of.now = _treat(of)
    if of.before == CANCEL:
        for i in range(of.hop):
            of.last_cancelled[i] = before[i] + (of.last_cancelled[i] - before[i]) * (i + 1) / of.hop


cdef void canceller_seek(canceller *of) noexcept nogil:
    of.state, of.candidate, of.held = SEARCHING, -1, HELD
    of.since = of.filled
    of.heard = of.sought = of.unlooked = of.leaking = 0
    of.is_leaking = False
    of.alone_captured = of.alone_output = 0


cdef void canceller_skip(canceller *of, const char *played, Py_ssize_t frames, bint is_float) noexcept nogil:
    cdef Py_ssize_t size = sizeof(float) if is_float else sizeof(int16_t)
    # Whole ones at the filter's rate, so that its blocks go on being blocks of what is captured.
    cdef Py_ssize_t left = frames - frames % (of.block // of.hop)
    cdef Py_ssize_t step
    of.books.skipped += <uint64_t> frames
    while left > 0:
        step = min(left, of.block)
        step = _hear_played(of, played, step, is_float)
        memset(of.captured + of.filled, 0, step * sizeof(float))
        of.filled += step
        played += of.block * size
        left -= of.block
    of.is_primed = False
    of.whole = 0


# ---- what goes out

cdef void _remove(canceller *of, float *out) noexcept nogil:
    """What was removed from the block before this one, as it goes with the begin of the line."""
    cdef float removed[MOST_HOP]
    cdef bint any = (of.now == CANCEL or of.before == CANCEL) and not of.was_still  # Nothing is taken from zeros.
    cdef Py_ssize_t i
    if not any and not of.is_ringing:
        memset(out, 0, of.block * sizeof(float))
        return
    for i in range(of.hop):
        removed[i] = of.last_captured[i] - of.last_cancelled[i] if any else 0
    if of.removed_up == NULL:
        memcpy(out, removed, of.block * sizeof(float))
    else:
        resample_float32(of.removed_up, removed, of.hop, out)
        of.is_ringing = any


cdef void _write(const float *samples, void *out, Py_ssize_t frames, bint is_float) noexcept nogil:
    if is_float:
        memcpy(out, samples, frames * sizeof(float))
    else:
        float32_to_int16_symmetric(samples, <int16_t *> out, frames)


cdef void canceller_give(canceller *of, char *out, bint is_float) noexcept nogil:
    cdef float removed[MOST_BLOCK]
    cdef float mixed[MOST_BLOCK]
    # How loud it is, and how much is removed, at its begin and its end.
    cdef float loud_from = of.before != SILENCE, loud_to = of.now != SILENCE
    cdef float less_from = of.before == CANCEL, less_to = of.now == CANCEL
    cdef float rise
    cdef Py_ssize_t i
    _remove(of, removed)
    if of.before == PASS and of.now == PASS:
        of.books.passed += <uint64_t> of.block
        _write(of.line, out, of.block, is_float)
        return
    if of.before == SILENCE:
        less_from = less_to
    elif of.now == SILENCE:
        less_to = less_from
    for i in range(of.block):
        rise = <float> (i + 1) / of.block
        mixed[i] = of.line[i] - (less_from + (less_to - less_from) * rise) * removed[i]
        mixed[i] = min(max(mixed[i], <float> -1), <float> 1) * (loud_from + (loud_to - loud_from) * rise)
    _write(mixed, out, of.block, is_float)
    if of.now == SILENCE or of.before == SILENCE and of.now == PASS:
        of.books.silenced += <uint64_t> of.block
    else:
        of.books.cancelled += <uint64_t> of.block


cdef Py_ssize_t canceller_run(
    canceller *of, const char *captured, const char *played, char *out, Py_ssize_t at, Py_ssize_t frames, bint is_float
) noexcept nogil:
    cdef Py_ssize_t size = sizeof(float) if is_float else sizeof(int16_t)
    while at < frames:
        if _take(of, captured + at * size, played + at * size, is_float):
            break
        canceller_give(of, out + at * size, is_float)
        at += of.block
    return at


# ---- life

cdef int canceller_begin(canceller *of, int samplerate, int filter_rate, bint comfort_noise):
    of.block, of.hop = samplerate // 100, filter_rate // 100
    of.room = ROOM_SECONDS * filter_rate
    of.filled = of.since = KEPT_SECONDS * filter_rate
    of.candidate = -1
    of.held = HELD
    of.quiet = HELD
    of.line = <float *> calloc(of.latency + of.block, sizeof(float))
    of.captured = <float *> calloc(of.room, sizeof(float))
    of.played = <float *> calloc(of.room, sizeof(float))
    of.filter = echo_filter_new(of.hop, comfort_noise)
    return -(of.line == NULL or of.captured == NULL or of.played == NULL or of.filter == NULL)


cdef void canceller_free(canceller *of) noexcept:
    free(of.line)
    free(of.captured)
    free(of.played)
    echo_filter_free(of.filter)
