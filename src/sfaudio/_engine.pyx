# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""A block of playout: ask the law what it plays, and do that to the waveform.

What it decides by is media time, the device's time, and whether the next 10 ms are speech. Each thing that can happen
to the sound is a function that fills the block, keeps the books, and notes the piece.
"""

from libc.math cimport fabs, lrint, rint
from libc.stdint cimport int16_t, int64_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from sfaudio._gaps cimport gap_begins, gap_drained, gap_ends, gap_forgotten, gap_lasts, gap_reconsidered
from sfaudio._pieces cimport CONCEALED, FLUSHED_OUT, HELD, INSERTED, LEFT_OUT, REMOVED, RESUMED, SAID, SILENCE
from sfaudio._pieces cimport note_piece
from sfaudio._playout_law cimport CUT, HOLD, INSERT, PAD, PLAY, REMOVE
from sfaudio._playout_law cimport law_decide, law_flushed, law_operated, playout_decision, playout_moment
from sfaudio._reader cimport playout_drop, playout_look, playout_marks, playout_peek, playout_take
from sfaudio._ring cimport sf_store_relaxed
from sfaudio._speech cimport QUIET_BLOCKS, floor_hear
from sfaudio._stretch cimport LARGEST_BLOCK, LARGEST_LAG, stretcher
from sfaudio._stretch cimport best_lag, conceal_gap, cross_fade, fade_out, insert_period, mean_square, mirror
from sfaudio._stretch cimport may_operate, remove_period


cdef enum:
    LOOK_AHEAD = 100  # blocks of a pause that are looked at: 1 s

cdef enum event_kind:
    WAITS  # something is queued, not enough
    PLAYS
    RUNS_DRY  # in speech
    ENDS  # runs dry in a pause
    DRAINED  # runs dry when no more was to come
    FADED  # the concealment is over
    FLUSHED

cdef enum:
    STATES = 5
    EVENTS = 7

# Of each state, where each event leads; one that it cannot meet leaves it as it is.
cdef state_kind[STATES][EVENTS] NEXT = [
    # WAITS      PLAYS    RUNS_DRY    ENDS        DRAINED     FADED       FLUSHED
    [PREFILLING, PLAYING, IDLE,       IDLE,       IDLE,       IDLE,       IDLE],  # IDLE
    [PREFILLING, PLAYING, PREFILLING, PREFILLING, PREFILLING, PREFILLING, IDLE],  # PREFILLING
    [PLAYING,    PLAYING, CONCEALING, STALLED,    IDLE,       PLAYING,    IDLE],  # PLAYING
    [CONCEALING, PLAYING, CONCEALING, CONCEALING, CONCEALING, STALLED,    IDLE],  # CONCEALING
    [STALLED,    PLAYING, STALLED,    STALLED,    STALLED,    STALLED,    IDLE],  # STALLED
]


cdef inline void _meet(engine_core *engine, event_kind event) noexcept nogil:
    engine.state = NEXT[<int> engine.state][<int> event]
    sf_store_relaxed(&engine.told_state, <uint64_t> engine.state)


cdef inline void _add(uint64_t *counter, Py_ssize_t frames) noexcept nogil:
    sf_store_relaxed(counter, counter[0] + <uint64_t> frames)


cdef void engine_begin(engine_core *engine, int16_t *samples) noexcept nogil:
    cdef stretcher *shape = &engine.shape
    engine.samples = engine.block = samples
    engine.ahead = engine.block + shape.block
    engine.history = engine.ahead + 2 * shape.lag_max
    engine.held = engine.history + shape.history
    engine.tail = engine.held + shape.history


# ---- what lies before it

cdef inline Py_ssize_t _ahead(const engine_core *engine) noexcept nogil:
    return engine.ahead_end - engine.ahead_at


cdef Py_ssize_t _upcoming(
    engine_core *engine, const playout_marks *marks, Py_ssize_t skipped, int16_t *out, Py_ssize_t frames
) noexcept nogil:
    """Look at frames that are to be played, from `skipped` on. Returns how many there were."""
    cdef Py_ssize_t ahead = min(max(_ahead(engine) - skipped, 0), frames)
    cdef Py_ssize_t behind = max(skipped - _ahead(engine), 0)
    cdef Py_ssize_t queued = min(<Py_ssize_t> (marks.head - marks.tail) - behind, frames - ahead)
    memcpy(out, engine.ahead + engine.ahead_at + skipped, ahead * sizeof(int16_t))
    if queued > 0:
        playout_peek(engine.queue, marks.tail + <uint64_t> behind, out + ahead, queued)
        ahead += queued
    return ahead


cdef struct question:
    engine_core *engine
    const playout_marks *marks


cdef double _pause_left(void *asked, double limit) noexcept nogil:
    """ms of silence from here on, `limit` or a second at most."""
    cdef question *of = <question *> asked
    cdef Py_ssize_t block = of.engine.shape.block
    cdef int16_t samples[LARGEST_BLOCK]
    cdef int blocks = 0
    while blocks < LOOK_AHEAD and blocks * 10.0 < limit:
        if _upcoming(of.engine, of.marks, blocks * block, samples, block) < block:
            break
        if mean_square(samples, block) > of.engine.floor.threshold:
            break
        blocks += 1
    return blocks * 10.0


cdef bint _may_operate(void *asked, bint faster, double *period) noexcept nogil:
    """Whether a period can be removed or inserted here, and how long it is."""
    cdef question *of = <question *> asked
    cdef engine_core *engine = of.engine
    cdef stretcher *shape = &engine.shape
    cdef int16_t samples[LARGEST_BLOCK + LARGEST_LAG]
    cdef Py_ssize_t queued = <Py_ssize_t> (of.marks.head - of.marks.tail)
    cdef Py_ssize_t room = queued - (shape.block if faster else 0)
    # No lag is looked for that there is no room for: with 20 ms queued, voices above 100 Hz can be played slower.
    cdef Py_ssize_t looked_at = min(queued, shape.block + min(shape.lag_max, room // 2))
    cdef double likeness
    if _ahead(engine) or looked_at < shape.block + shape.lag_min:
        return False
    playout_peek(engine.queue, of.marks.tail, samples, looked_at)
    engine.lag = best_lag(shape, samples, looked_at, &likeness)
    engine.room = room
    period[0] = engine.lag * 1000.0 / engine.samplerate
    # In the noise of a room no joint is heard, however loud it is.
    return mean_square(samples, shape.block) <= engine.floor.threshold or may_operate(shape, samples, likeness)


# ---- a block

cdef void _append(engine_core *engine, Py_ssize_t frames) noexcept nogil:
    """Put frames of an operation, then of the queue, into the block. They must be there."""
    cdef int16_t *out = engine.block + engine.block_end
    cdef Py_ssize_t ahead = min(_ahead(engine), frames)
    cdef Py_ssize_t queued = frames - ahead
    memcpy(out, engine.ahead + engine.ahead_at, ahead * sizeof(int16_t))
    engine.ahead_at += ahead
    sf_store_relaxed(&engine.ahead_queued, <uint64_t> _ahead(engine))
    if queued:
        note_piece(&engine.log, SAID, <int64_t> playout_look(engine.queue).tail, queued)
        playout_take(engine.queue, out + ahead, queued)
    engine.block_end += frames
    _add(&engine.block_queued, frames)


cdef void _append_concealment(engine_core *engine) noexcept nogil:
    """Fill the block up with what the concealment has left."""
    cdef Py_ssize_t frames = min(engine.shape.block - engine.block_end, engine.shape.conceal - engine.spent)
    if frames:
        note_piece(&engine.log, CONCEALED, frames, engine.spent)
        memcpy(engine.block + engine.block_end, engine.tail + engine.spent, frames * sizeof(int16_t))
    engine.block_end += frames
    engine.spent += frames
    _add(&engine.concealed, frames)


cdef void _append_silence(engine_core *engine) noexcept nogil:
    cdef Py_ssize_t frames = engine.shape.block - engine.block_end
    if frames:
        note_piece(&engine.log, SILENCE, frames, 0)
        memset(engine.block + engine.block_end, 0, frames * sizeof(int16_t))
    engine.block_end += frames
    _add(&engine.padded, frames)


cdef void _append_hold(engine_core *engine) noexcept nogil:
    """A block of what was played last, back and forth: a pause is lengthened."""
    cdef Py_ssize_t frames = engine.shape.block
    if not engine.holding:
        engine.holding, engine.held_steps = True, 0
        memcpy(engine.held, engine.history, engine.shape.history * sizeof(int16_t))
    note_piece(&engine.log, HELD, frames, engine.held_steps)
    mirror(&engine.shape, engine.held, engine.held_steps, frames, engine.block)
    engine.held_steps += frames
    engine.block_end = frames
    _add(&engine.block_queued, frames)
    _add(&engine.inserted, frames)
    _add(&engine.held_frames, frames)


cdef void _operate(engine_core *engine, playout_decision decision) noexcept nogil:
    """Remove or insert a pitch period, or two if the law has counted on them and they fit."""
    cdef int16_t samples[2 * LARGEST_LAG]
    cdef double ms = 1000.0 / engine.samplerate
    cdef double assumed = fabs(decision.advance - 10.0)
    cdef uint64_t tail = playout_look(engine.queue).tail
    cdef Py_ssize_t lag = engine.lag
    if assumed > 1.5 * lag * ms and engine.room >= 4 * lag and 2 * lag <= engine.shape.lag_max:
        lag = 2 * lag
    if decision.kind == REMOVE:
        note_piece(&engine.log, REMOVED, <int64_t> tail, lag)
        playout_take(engine.queue, samples, 2 * lag)
        remove_period(samples, lag, engine.ahead)
        _prepared(engine, lag)
        _add(&engine.removed, lag)
        law_operated(&engine.law, assumed, lag * ms)
    else:
        note_piece(&engine.log, INSERTED, <int64_t> tail, lag)
        playout_take(engine.queue, samples, lag)
        playout_peek(engine.queue, tail + <uint64_t> lag, samples + lag, lag)
        insert_period(samples, lag, engine.ahead)
        _prepared(engine, 2 * lag)
        _add(&engine.inserted, lag)
        law_operated(&engine.law, -assumed, -lag * ms)


cdef void _leave_out(engine_core *engine, Py_ssize_t frames) noexcept nogil:
    """Cut a pause short."""
    cdef playout_marks marks = playout_look(engine.queue)
    cdef int16_t before[LARGEST_BLOCK]
    cdef int16_t after[LARGEST_BLOCK]
    cdef Py_ssize_t fade = engine.shape.fade
    if frames <= 0 or _ahead(engine) or <Py_ssize_t> (marks.head - marks.tail) < frames + engine.shape.block:
        return
    note_piece(&engine.log, LEFT_OUT, <int64_t> marks.tail, frames)
    playout_peek(engine.queue, marks.tail, before, fade)
    playout_drop(engine.queue, frames)
    playout_take(engine.queue, after, fade)
    cross_fade(before, after, engine.ahead, fade)
    _prepared(engine, fade)
    _add(&engine.cut, frames)


cdef void _prepared(engine_core *engine, Py_ssize_t frames) noexcept nogil:
    """An operation has put frames ahead of the queue."""
    engine.ahead_at, engine.ahead_end = 0, frames
    sf_store_relaxed(&engine.ahead_queued, <uint64_t> frames)


cdef void _run_dry(engine_core *engine, bint in_speech, bint is_drained) noexcept nogil:
    """What is left of a block is played first; then it is concealed, in speech."""
    cdef int16_t context[LARGEST_BLOCK + LARGEST_LAG]
    cdef Py_ssize_t looked_at = engine.shape.block + engine.shape.lag_max
    cdef Py_ssize_t from_history = looked_at - engine.block_end
    engine.holding = False
    if is_drained:
        _meet(engine, DRAINED)
        return
    _add(&engine.underruns, 1)
    if not in_speech:
        _meet(engine, ENDS)
    else:
        _meet(engine, RUNS_DRY)
        memcpy(context, engine.history + engine.shape.history - from_history, from_history * sizeof(int16_t))
        memcpy(context + from_history, engine.block, engine.block_end * sizeof(int16_t))
        conceal_gap(&engine.shape, context + looked_at, engine.tail)
        engine.spent = 0
        _add(&engine.concealments, 1)
        gap_begins(&engine.gaps, &engine.law)


cdef void _make_gap(engine_core *engine, const playout_marks *marks, Py_ssize_t left, bint in_speech) noexcept nogil:
    """A block for which the law plays nothing."""
    cdef Py_ssize_t gap
    if engine.state == PLAYING:
        _append(engine, left)
        _run_dry(engine, in_speech, marks.drain_to == marks.head)
    elif left:
        _meet(engine, WAITS)
    elif marks.drain_to == marks.head:
        gap_drained(&engine.gaps)
    gap = engine.shape.block - engine.block_end
    if engine.state == CONCEALING:
        _append_concealment(engine)
        if engine.spent == engine.shape.conceal:
            _meet(engine, FADED)
    gap_lasts(&engine.gaps, gap, engine.shape.block - engine.block_end)
    _append_silence(engine)


cdef void _make_sound(engine_core *engine, playout_decision decision) noexcept nogil:
    """A block from the queue."""
    cdef int16_t before[LARGEST_BLOCK]
    cdef playout_marks marks
    cdef Py_ssize_t fade = engine.shape.fade
    cdef Py_ssize_t left
    cdef bint resumes = True
    if engine.state == CONCEALING:
        note_piece(&engine.log, RESUMED, engine.spent, 0)
        left = min(fade, engine.shape.conceal - engine.spent)
        memcpy(before, engine.tail + engine.spent, left * sizeof(int16_t))
        memset(before + left, 0, (fade - left) * sizeof(int16_t))
    elif engine.state == STALLED:
        note_piece(&engine.log, RESUMED, -1, 0)
        memset(before, 0, fade * sizeof(int16_t))
    elif engine.holding and decision.kind != HOLD:
        note_piece(&engine.log, RESUMED, -2, 0)
        mirror(&engine.shape, engine.held, engine.held_steps, fade, before)
    else:
        resumes = False
    _meet(engine, PLAYS)
    gap_ends(&engine.gaps)
    if decision.kind == HOLD:
        _append_hold(engine)
    else:
        engine.holding = False
        if decision.kind == CUT:
            _leave_out(engine, <Py_ssize_t> lrint((decision.advance - 10.0) * engine.samplerate / 1000.0))
        elif decision.kind in (REMOVE, INSERT):
            _operate(engine, decision)
        marks = playout_look(engine.queue)
        _append(engine, min(engine.shape.block, _ahead(engine) + <Py_ssize_t> (marks.head - marks.tail)))
        _append_silence(engine)
    if resumes:
        cross_fade(before, engine.block, engine.block, fade)


cdef void _remember(engine_core *engine) noexcept nogil:
    """What was handed out of the block is history."""
    cdef Py_ssize_t kept = engine.shape.history - engine.block_at
    memmove(engine.history, engine.history + engine.block_at, kept * sizeof(int16_t))
    memcpy(engine.history + kept, engine.block, engine.block_at * sizeof(int16_t))


cdef inline double _ms(const engine_core *engine, int64_t frames) noexcept nogil:
    """In steps of 2**-10 ms, less than a frame, so that what differs by whole blocks does so by exactly 10 ms each."""
    return rint(frames * 1024000.0 / engine.samplerate) / 1024.0


cdef void engine_make_block(engine_core *engine) noexcept nogil:
    cdef playout_marks marks = playout_look(engine.queue)
    cdef Py_ssize_t block = engine.shape.block
    cdef Py_ssize_t left = _ahead(engine) + <Py_ssize_t> (marks.head - marks.tail)
    cdef int64_t position = <int64_t> marks.head - left
    cdef double ms = 1000.0 / engine.samplerate
    cdef bint in_speech = engine.quiet < QUIET_BLOCKS
    cdef double power = 0
    cdef int16_t samples[LARGEST_BLOCK]
    cdef playout_moment moment
    cdef playout_decision decision
    cdef question asked
    if left >= block:
        _upcoming(engine, &marks, 0, samples, block)
        power = mean_square(samples, block)
    moment.now = _ms(engine, <int64_t> engine.output)
    moment.head = _ms(engine, <int64_t> marks.head)
    moment.position = _ms(engine, position)
    moment.speech = power > engine.floor.threshold if left >= block else in_speech
    moment.draining = <int64_t> marks.drain_to > position
    asked.engine, asked.marks = engine, &marks
    moment.engine, moment.pause_left, moment.may_operate = &asked, _pause_left, _may_operate
    _remember(engine)
    engine.block_at = engine.block_end = 0
    decision = law_decide(&engine.law, &moment)
    if decision.kind == HOLD and _ahead(engine):
        decision.kind = PLAY  # first what an operation has prepared
    _add(&engine.waited, left * block)
    if decision.kind == PAD:
        _make_gap(engine, &marks, left, in_speech)
        if engine.state == PREFILLING and not engine.played:
            _add(&engine.prefilled, block)
    else:
        _make_sound(engine, decision)
        engine.played = True
        engine.quiet = 0 if moment.speech else min(engine.quiet + 1, <int> QUIET_BLOCKS)
        if decision.kind != HOLD:
            floor_hear(&engine.floor, power)
        _add(&engine.targeted, <Py_ssize_t> (engine.law.target * block / ms))
    gap_reconsidered(&engine.gaps, &engine.law)
    sf_store_relaxed(&engine.target, <uint64_t> (engine.law.target / ms))


cdef void _append_what_sounds(engine_core *engine, uint64_t flush_to, Py_ssize_t frames) noexcept nogil:
    """For a flush to fade: what would have been played next, but for what was written after the flush."""
    cdef Py_ssize_t left
    if engine.holding:
        note_piece(&engine.log, HELD, frames, engine.held_steps)
        mirror(&engine.shape, engine.held, engine.held_steps, frames, engine.block + engine.block_end)
        engine.block_end += frames
        _add(&engine.block_queued, frames)
        _add(&engine.inserted, frames)
        _add(&engine.held_frames, frames)
    elif engine.state == PLAYING:
        left = _ahead(engine) + <Py_ssize_t> (flush_to - playout_look(engine.queue).tail)
        _append(engine, min(frames, left))
    elif engine.state == CONCEALING:
        left = min(frames, engine.shape.conceal - engine.spent)
        note_piece(&engine.log, CONCEALED, left, engine.spent)
        memcpy(engine.block + engine.block_end, engine.tail + engine.spent, left * sizeof(int16_t))
        engine.block_end += left
        _add(&engine.concealed, left)


cdef void _throw_away(engine_core *engine, Py_ssize_t kept) noexcept nogil:
    """Of what was made and not handed out yet, all but `kept` frames of the block, which fade to silence."""
    cdef uint64_t queued = engine.block_queued
    note_piece(&engine.log, FLUSHED_OUT, engine.block_end - kept + _ahead(engine), kept)
    fade_out(engine.block, kept)
    engine.block_end = kept
    sf_store_relaxed(&engine.block_queued, min(queued, <uint64_t> kept))
    _add(&engine.dropped, <Py_ssize_t> (queued - engine.block_queued) + _ahead(engine))
    engine.ahead_at = engine.ahead_end = 0
    sf_store_relaxed(&engine.ahead_queued, 0)
    engine.holding = False
    gap_forgotten(&engine.gaps)
    engine.quiet = QUIET_BLOCKS
    _meet(engine, FLUSHED)
    law_flushed(&engine.law)
    sf_store_relaxed(&engine.flushed, <uint64_t> kept)


cdef void _keep_rest(engine_core *engine) noexcept nogil:
    """The block begins with what was not handed out."""
    _remember(engine)
    engine.block_end -= engine.block_at
    memmove(engine.block, engine.block + engine.block_at, engine.block_end * sizeof(int16_t))
    engine.block_at = 0


cdef void engine_flush(engine_core *engine, const playout_marks *marks) noexcept nogil:
    """Fade out what sounds, throw away what was queued before the flush."""
    engine.flushed_to = marks.flush_to
    _keep_rest(engine)
    if engine.block_end < engine.shape.fade:
        _append_what_sounds(engine, max(marks.flush_to, marks.tail), engine.shape.fade - engine.block_end)
    _throw_away(engine, min(engine.block_end, engine.shape.fade))
    playout_drop(engine.queue, <Py_ssize_t> (max(marks.flush_to, marks.tail) - playout_look(engine.queue).tail))


cdef void engine_abort(engine_core *engine) noexcept nogil:
    _keep_rest(engine)
    _throw_away(engine, 0)
