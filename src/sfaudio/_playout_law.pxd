"""The law of adaptive playout for Cython: what the next 10 ms play. No GIL, no allocation, bounded work.

It knows times and media positions, all in ms; no samples and no queue: an engine tells it in each block how far the
stream and the playing are, and does what it decides. A law belongs to one thread at a time.
"""

from libc.stdint cimport uint64_t


cdef enum:
    LAW_SECONDS = 8
    LAW_TARGETS = 16

# Why it decides which, and by how much, is in _playout_law.pyx.
cdef enum decision_kind:
    PAD  # nothing of the queue is played
    PLAY  # 10 ms as they are; what is left, where less is while draining
    REMOVE  # 10 ms, less one or two pitch periods that come first
    INSERT  # one pitch period is repeated before the queue goes on
    CUT  # in a pause: what is beyond 10 ms is left out
    HOLD  # in a pause: it is lengthened by 10 ms

cdef struct playout_decision:
    int kind  # a decision_kind
    double advance  # ms of media that leave the queue

cdef struct playout_moment:
    double now  # ms of the device's time: 10 for each block before this one
    double head  # ms of media written
    double position  # ms of media that left the queue, so that `head - position` is queued
    bint speech  # the next 10 ms are speech
    bint draining  # no more will be written
    void *engine  # what the two questions are put to, each once at most, and only when the answer is needed
    # ms of silence queued from here on, looked for as far as `limit` or somewhat less
    double (*pause_left)(void *engine, double limit) noexcept nogil
    # Whether waveform and queue allow to play faster, or slower, here; if so, the pitch period in ms, 2.5 to 15.
    bint (*may_operate)(void *engine, bint faster, double *period) noexcept nogil

cdef struct playout_law:
    # Arrivals. The transit of a sample is when it came less its media position, both from the start of the stream.
    double head  # ms of media seen written
    double last_arrival  # when `head` last moved
    double last_transit  # of the first sample that came then
    double length  # ms of media that came then
    double message  # the smaller of the last two lengths: what one message of the sender spans
    double minima[LAW_SECONDS]  # least transit in each of the last seconds, this one last; INFINITY where nothing came
    double second_end  # when this second is over
    double schedule  # the least of `minima`: how a sample that is on time travels; INFINITY before any came
    bint paced  # the stream keeps to a schedule, so that its delay tells something
    bint doubt  # it ran dry and is not back on its schedule: was that a stall, or is this a new utterance?
    uint64_t stalls  # times that it ran dry and came back on its schedule
    # Target.
    double counts[LAW_TARGETS]  # share of the half seconds that needed each target
    double count  # half seconds counted, and those to begin with
    double latest  # greatest lateness in this half second
    double interval_start  # when this half second began
    double target  # ms wanted in the queue
    # Playing.
    bint playing
    double need  # ms to be queued, or waited, before it plays again
    double waiting_since  # when something was queued again after it ran dry; INFINITY if nothing is
    double dry_since  # when it last ran dry
    double owed  # ms to be removed (above 0) or inserted by stretching
    double last_operation  # when it was last stretched
    double in_pause  # ms of this pause played
    double held  # ms by which this pause was lengthened under a stall

# A new call: all that was learnt is forgotten.
cdef void law_begin(playout_law *law) noexcept nogil
# What the next 10 ms play. Once for each block, in the order of time.
cdef playout_decision law_decide(playout_law *law, const playout_moment *moment) noexcept nogil
# What was queued was thrown away: what comes next starts as a new turn. What is known of the network stays.
cdef void law_flushed(playout_law *law) noexcept nogil
# The last decision removed (above 0) or inserted (below 0) `really` ms; it assumed `advance - 10`.
cdef void law_operated(playout_law *law, double assumed, double really) noexcept nogil


cdef class PlayoutLaw:
    cdef playout_law law
    cdef uint64_t user  # the owner word
    cdef double period
    cdef bint can_stretch
    cdef object pause_left
    cdef object raised
    cdef int _hold(self) except -1
