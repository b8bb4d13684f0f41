# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
# (Binding functions, as methods, would take any object for self.)
"""The law of adaptive playout: how long speech waits in the queue, and what each block of 10 ms does about it.

Speech of an agent comes over TCP: in bursts and after stalls, often faster than it is played. Five ideas:

1. The schedule is the least transit (arrival less media position) of late; how late a sample is, is counted from it.
2. A stream whose least transit is the same for two seconds is paced. One that comes ahead of time, in a burst or with a
   lead, is not, and is never trimmed or stretched.
3. The target is how late audio comes: a high quantile of the lateness of half seconds, which are slowly forgotten.
4. Excess is what is queued beyond the target; a lack is only what would be missing if all were on time.
5. A stall is known by the stream coming back on its schedule, as no new utterance does. The delay that it left is then
   learnt as a lateness.

| in     | when                                                   | what                                       |
|--------|--------------------------------------------------------|--------------------------------------------|
| speech | stalled: paced, and nothing came for long              | slower                                     |
|        | the producer is slow and little is queued              | slower, by a little more than it is slow   |
|        | excess, or lack                                        | faster, or slower                          |
| pause  | excess, or lack                                        | a cut of the pause, or a hold              |
|        | stalled and little is queued                           | hold, for a limited time                   |

All times are in ms of the device, media positions in ms of audio. Arrivals are noticed at the start of a block.
"""

from libc.math cimport INFINITY, fabs, floor, fmax, fmin

from sfaudio._owners cimport CALL, give_back, hold


cdef double BLOCK = 10.0  # what is decided at a time

# Schedule. Two minima agree within the 10 ms grid on which arrivals are seen and half a message of 20 to 30 ms; on time
# allows for a message more. 8 s: after stalls of 2 to 4 s the stream must still be measured by what was before.
cdef double SECOND = 1000.0
cdef double AGREE = 25.0
cdef double ON_TIME = 45.0

# Target. A half second counts once, whatever number of messages it held, so that a stall counts as often as it is
# long. At 100 s of memory and one half second of 25, rarer stalls are not held out: they would cost more delay than
# they save. The steps are a message, from 120 ms on a quarter: finer ones leave no margin to a network that is often a
# little late, coarser ones cost delay. TARGET_MAX is the knob between delay and holes where stalls are long, on trains.
cdef double INTERVAL = 500.0
cdef double EXCEED = 0.04
cdef double FORGET = 0.995
cdef double COUNT_AT_FIRST = 5.0  # the first half second weighs 1/6, then 1/7, and so on
cdef double TARGET_MAX = 680.0
cdef double TOLERANCE = 1e-9  # of sums of shares
cdef double MESSAGE = 20.0  # what a message spans at least; with longer ones the target may be higher
cdef double[LAW_TARGETS] TARGETS = [
    40.0, 60.0, 80.0, 100.0, 120.0, 150.0, 187.5, 234.4, 293.0, 366.2, 457.8, 572.2, 715.3, 894.1, 1117.6, 1397.0,
]

# Start. Two messages; more if the target is known to be higher, but none waits long for a beginning. A hole is as short
# as can be, in a pause as in speech: where audio trickles in, to gather more makes many of one. Once dry for TURN, what
# comes is taken for a new turn.
cdef double START = 40.0
cdef double START_MAX = 160.0  # 80 make twice the holes on mobile networks where silence is not sent
cdef double RESUME = 20.0
cdef double TURN = 500.0

# Stretching. 25 % is hardly heard (0.15 PLCMOS below 10 %) and repays a stall four times as fast as it was long.
cdef double RATE = 0.25
cdef double EXCESS = 15.0  # what is less is in the grain of the grid
cdef double LACK = 10.0  # a block: 15 would let a clock that is slow by 300 ppm run it dry
cdef double QUIET = 20.0  # nothing for a message and this: a stall
cdef double OWED_MAX = 30.0  # twice the longest period, so that what a waveform refuses for a while is made up for
cdef double PERIODS_MAX = 15.0  # two periods at once, if they are no longer together
cdef double OPERATE_EVERY = 30.0  # so that each operation is heard apart from the one before
cdef double SHORTEST_PERIOD = 2.5  # none is worth asking for before as much is owed

# A slow producer: its schedule rises twice running by more than the grid, and by less than a stall.
cdef double SLOW_LEAST = 20.0
cdef double SLOW_MOST = 250.0
cdef double SLOW_QUEUED = 100.0  # above this there is time
cdef double SLOW_FACTOR = 1.2  # faster than it is slow, to gain what it lost before it was seen

# Pauses. What a speaker's pause says is kept: 80 ms before a cut, 40 ms of silence before the speech that follows.
cdef double PAUSE_BEGIN = 80.0
cdef double PAUSE_EDGE = 40.0
cdef double HOLD_MAX = 1000.0  # 0.4 s leave a third of the holes on mobile networks that this fills

cdef double NEVER = -INFINITY


cdef void law_begin(playout_law *law) noexcept nogil:
    cdef int k
    law.head = law.last_transit = 0.0
    law.last_arrival = law.last_operation = NEVER
    law.length = law.message = MESSAGE
    for k in range(LAW_SECONDS):
        law.minima[k] = INFINITY
    law.schedule = INFINITY
    law.second_end = law.interval_start = 0.0
    law.paced = law.doubt = False
    law.stalls = 0
    for k in range(LAW_TARGETS):
        law.counts[k] = k == 0
    law.count = COUNT_AT_FIRST
    law.latest = 0.0
    law.target = TARGETS[0]
    law_flushed(law)


cdef void law_flushed(playout_law *law) noexcept nogil:
    law.playing = False
    law.need = START
    law.waiting_since = INFINITY
    law.dry_since = NEVER
    law.owed = law.in_pause = law.held = 0.0


cdef void law_operated(playout_law *law, double assumed, double really) noexcept nogil:
    law.owed += assumed - really


# ---- arrivals: schedule and pace

cdef void _arrived(playout_law *law, double now, double head, double position) noexcept nogil:
    cdef double transit = now - law.head, least = now - head  # of the first and of the last sample that came
    cdef double length = head - law.head, before, late
    if law.schedule == INFINITY:
        law.schedule, law.interval_start, law.second_end = least, now, now + SECOND
    _seconds_over(law, now)
    if least < law.schedule - AGREE:
        law.paced = False  # ahead of time: a burst, or a route that became shorter
    law.minima[LAW_SECONDS - 1] = fmin(law.minima[LAW_SECONDS - 1], least)
    before, law.schedule = law.schedule, _least(law.minima)
    late = transit - law.schedule
    if law.schedule > before + AGREE:
        law.doubt = False  # a new utterance, or a longer route: nothing to learn
    if not law.playing and position > 0 and late > ON_TIME and transit - law.last_transit > ON_TIME:
        law.doubt = True
    if law.doubt and late <= ON_TIME:
        law.doubt = False
        law.stalls += 1  # it was a stall: the delay that it left is what would have held it out
        late = fmax(late, now - position - law.schedule)
    if law.paced and not law.doubt:
        _learn(law, now, late)
    law.message = fmin(length, law.length)
    law.head, law.length, law.last_arrival, law.last_transit = head, length, now, transit


cdef void _seconds_over(playout_law *law, double now) noexcept nogil:
    cdef double *minima = law.minima
    cdef double newest
    cdef int k, _second
    for _second in range(LAW_SECONDS):
        if now < law.second_end:
            return
        law.second_end += SECOND
        newest = fmax(minima[LAW_SECONDS - 1], minima[LAW_SECONDS - 2])
        if newest < INFINITY and fabs(minima[LAW_SECONDS - 1] - minima[LAW_SECONDS - 2]) <= AGREE:
            law.paced = True
            if law.doubt:  # These two are the schedule of a new utterance.
                for k in range(LAW_SECONDS - 2):
                    minima[k] = INFINITY
        for k in range(LAW_SECONDS - 1):
            minima[k] = minima[k + 1]
        minima[LAW_SECONDS - 1] = INFINITY
    if now >= law.second_end:  # All are forgotten; so would be those in between.
        law.second_end += SECOND * floor((now - law.second_end) / SECOND + 1)


cdef double _least(const double *minima) noexcept nogil:
    cdef double least = minima[0]
    cdef int k
    for k in range(1, LAW_SECONDS):
        least = fmin(least, minima[k])
    return least


cdef double _slower_by(const double *minima) noexcept nogil:
    """How slow the producer is, in ms per ms: the rise of its schedule over the last three whole seconds; 0 if none."""
    cdef double first = minima[LAW_SECONDS - 4], second = minima[LAW_SECONDS - 3], third = minima[LAW_SECONDS - 2]
    if fmax(fmax(first, second), third) == INFINITY:
        return 0.0
    cdef double rise = fmin(third - second, second - first)
    return rise / SECOND if SLOW_LEAST < rise < SLOW_MOST else 0.0


# ---- target

cdef void _learn(playout_law *law, double now, double late) noexcept nogil:
    cdef double keep
    cdef int k, needed = 0
    law.latest = fmax(law.latest, late)
    if now - law.interval_start < INTERVAL:
        return
    while needed < LAW_TARGETS - 1 and TARGETS[needed] <= law.latest:
        needed += 1
    keep = fmin(FORGET, law.count / (law.count + 1))
    for k in range(LAW_TARGETS):
        law.counts[k] *= keep
    law.counts[needed] += 1 - keep
    law.count += 1
    law.latest, law.interval_start = 0.0, now
    law.target = fmin(TARGETS[_exceeded(law.counts)], TARGET_MAX + fmax(0.0, law.message - MESSAGE))


cdef int _exceeded(const double *counts) noexcept nogil:
    """The highest target that more than EXCEED of the half seconds needed, or more than it."""
    cdef int k = LAW_TARGETS - 1
    cdef double needed = counts[k]
    while needed <= EXCEED + TOLERANCE and k > 0:
        k -= 1
        needed += counts[k]
    return k


# ---- decisions

cdef playout_decision law_decide(playout_law *law, const playout_moment *moment) noexcept nogil:
    cdef double now = moment.now, queued = moment.head - moment.position, excess, rate, slow
    cdef bint more = not moment.draining  # Will come: otherwise nothing is gained by making what is left last longer.
    cdef bint stalled
    if moment.head > law.head:
        _arrived(law, now, moment.head, moment.position)
    if not _plays(law, moment, queued):
        return _decision(PAD, 0.0)
    stalled = law.paced and more and now - law.last_arrival >= law.message + QUIET
    excess = _excess(law, moment, queued, stalled)
    if not more:
        excess = fmax(0.0, excess)
    if moment.speech:
        law.in_pause = law.held = 0.0
    else:
        law.in_pause += BLOCK
        if law.in_pause >= PAUSE_BEGIN:
            return _in_pause(law, moment, queued, excess, stalled)
    slow = _slower_by(law.minima) if more and queued < SLOW_QUEUED else 0.0
    if stalled:
        rate = -RATE
    elif slow > 0:
        rate = -fmin(RATE, SLOW_FACTOR * slow)
    else:
        rate = RATE if excess > EXCESS else -RATE if excess < -LACK else 0.0
    return _stretch(law, moment, queued, rate)


cdef playout_decision _decision(decision_kind kind, double advance) noexcept nogil:
    cdef playout_decision decision
    decision.kind, decision.advance = kind, advance
    return decision


cdef bint _plays(playout_law *law, const playout_moment *moment, double queued) noexcept nogil:
    cdef bint some = queued >= BLOCK or moment.draining and queued > 0
    if law.playing and not some:
        law.playing, law.waiting_since, law.dry_since = False, INFINITY, moment.now
        law.need = RESUME
    elif not law.playing and some:
        if law.waiting_since == INFINITY:
            law.waiting_since = moment.now
            if moment.now - law.dry_since >= TURN:
                law.need = _prefill(law)
        law.playing = queued >= law.need or moment.now - law.waiting_since >= law.need or moment.draining
    return law.playing


cdef double _prefill(const playout_law *law) noexcept nogil:
    return fmin(law.target, START_MAX)


cdef double _excess(const playout_law *law, const playout_moment *moment, double queued, bint stalled) noexcept nogil:
    """What is queued beyond the target; below 0 what would be missing if all were on time."""
    if not law.paced or law.doubt:
        return 0.0
    if queued > law.target:
        return 0.0 if stalled else queued - law.target
    return fmin(0.0, moment.now - moment.position - law.schedule - law.target)


cdef playout_decision _stretch(
    playout_law *law, const playout_moment *moment, double queued, double rate
) noexcept nogil:
    cdef double period, step
    law.owed = 0.0 if rate == 0 else fmin(OWED_MAX, fmax(-OWED_MAX, law.owed + rate * BLOCK))
    if (
        fabs(law.owed) < SHORTEST_PERIOD
        or law.owed * rate < 0  # Owed from before it turned round.
        or moment.now - law.last_operation < OPERATE_EVERY
        or not moment.may_operate(moment.engine, rate > 0, &period)
        or fabs(law.owed) < period
    ):
        return _decision(PLAY, fmin(BLOCK, queued))
    step = period if fabs(law.owed) < 2 * period or 2 * period > PERIODS_MAX else 2 * period
    law.last_operation = moment.now
    if rate > 0:
        law.owed -= step
        return _decision(REMOVE, fmin(queued, BLOCK + step))
    step = fmin(step, BLOCK)
    law.owed += step
    return _decision(INSERT, BLOCK - step)


cdef playout_decision _in_pause(
    playout_law *law, const playout_moment *moment, double queued, double excess, bint stalled
) noexcept nogil:
    cdef double cut
    law.owed = 0.0
    if excess > EXCESS:
        cut = moment.pause_left(moment.engine, excess + (BLOCK + PAUSE_EDGE)) - BLOCK - PAUSE_EDGE
        cut = fmin(excess, cut)
        if cut > 0:
            return _decision(CUT, BLOCK + cut)
    if excess < -LACK:
        return _decision(HOLD, 0.0)
    if stalled and queued < law.target and law.held < HOLD_MAX:
        law.held += BLOCK
        return _decision(HOLD, 0.0)
    return _decision(PLAY, fmin(BLOCK, queued))


# ---- for Python: tests and laboratories

NAMES = ("pad", "play", "remove", "insert", "cut", "hold")  # in the order of decision_kind


cdef double _pause_left(void *law, double limit) noexcept with gil:
    try:
        return (<PlayoutLaw> law).pause_left(limit)[0]
    except BaseException as error:
        (<PlayoutLaw> law).raised = error
        return 0.0


cdef bint _may_operate(void *law, bint faster, double *period) noexcept nogil:
    period[0] = (<PlayoutLaw> law).period
    return (<PlayoutLaw> law).can_stretch


cdef class PlayoutLaw:
    """PlayoutLaw()\n--\n
    The law alone, driven by hand: for tests and laboratories. All times in ms.

    Threads: one at a time, and not from `pause_left`; a second one gets a RuntimeError.
    """

    def __cinit__(self):
        law_begin(&self.law)

    def block(
        self,
        double now,
        double head,
        double position,
        bint speech,
        pause_left,
        double period,
        bint can_stretch,
        bint draining=False,
    ):
        """What the next 10 ms play, and how many ms of media leave the queue: once for each block.

        `now` grows by 10; `head` is how much was written, `position` how much has left the queue; `speech`: the next
        10 ms are; `pause_left(limit)`: a tuple that begins with the silence queued from here on; `period`: the pitch
        period; `can_stretch`: whether it may be removed or inserted.

        Answers "wait" (nothing was played yet), "pad", "play", "remove", "insert", "cut" or "hold". What `pause_left`
        raises is raised.
        """
        cdef playout_moment moment
        cdef playout_decision decision
        moment.now, moment.head, moment.position = now, head, position
        moment.speech, moment.draining = speech, draining
        moment.engine, moment.pause_left, moment.may_operate = <void *> self, _pause_left, _may_operate
        self._hold()
        try:
            self.pause_left, self.period, self.can_stretch = pause_left, period, can_stretch
            decision = law_decide(&self.law, &moment)
            raised, self.raised, self.pause_left = self.raised, None, None
        finally:
            give_back(&self.user)
        if raised is not None:
            raise raised
        what = NAMES[decision.kind] if decision.kind != PAD or position > 0 else "wait"
        return what, decision.advance

    def flushed(self):
        """What was queued was thrown away."""
        self._hold()
        law_flushed(&self.law)
        give_back(&self.user)

    def operated(self, double assumed, double really):
        """The last block removed (above 0) or inserted `really` ms, where `assumed` were decided."""
        self._hold()
        law_operated(&self.law, assumed, really)
        give_back(&self.user)

    @property
    def target(self):
        """ms wanted in the queue."""
        self._hold()
        cdef double target = self.law.target
        give_back(&self.user)
        return target

    def state(self):
        """All that it knows, by the names of `_playout_law.pxd`."""
        self._hold()
        cdef playout_law law = self.law
        give_back(&self.user)
        return law

    cdef int _hold(self) except -1:
        return hold(&self.user, CALL, "this PlayoutLaw")
