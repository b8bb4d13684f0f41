"""What a playout engine is, and how it makes the next block. For `_playout` alone, which hands it out."""

from libc.stdint cimport int16_t, uint64_t

from sfaudio._gaps cimport speech_gaps
from sfaudio._pieces cimport piece_log
from sfaudio._playout_law cimport playout_law
from sfaudio._queue cimport playout_queue
from sfaudio._reader cimport playout_marks
from sfaudio._speech cimport speech_floor
from sfaudio._stretch cimport stretcher


cdef enum state_kind:
    IDLE  # nothing to play; what comes is a new turn
    PREFILLING  # silence, while something gathers
    PLAYING
    CONCEALING  # ran dry in speech: the last pitch period, fading
    STALLED  # silence after that, or after a pause

cdef enum:
    WORKED_ON = 22  # blocks of samples: one, an operation of two lags, history and what is held, a concealment

cdef struct engine_core:
    playout_queue *queue
    int samplerate
    playout_law law
    speech_floor floor
    stretcher shape
    speech_gaps gaps
    piece_log log
    state_kind state
    bint played  # something of the queue
    int quiet  # blocks from the queue since one that was speech, up to QUIET_BLOCKS
    uint64_t flushed_to  # the request that was seen last
    int16_t *samples  # that it works on, in one piece: these five. NULL if it is not adaptive
    int16_t *block  # what is handed out; frames that came from the queue first
    Py_ssize_t block_at
    Py_ssize_t block_end
    int16_t *ahead  # what an operation has prepared: plays before the queue
    Py_ssize_t ahead_at
    Py_ssize_t ahead_end
    int16_t *history  # what was handed out last
    int16_t *tail  # the concealment under way
    Py_ssize_t spent  # of it
    bint holding  # a pause is lengthened
    int16_t *held  # by this
    Py_ssize_t held_steps
    Py_ssize_t lag  # of the search in this block
    Py_ssize_t room  # queued frames that an operation may use
    # Readable from anywhere.
    uint64_t block_queued  # frames of the block, not handed out yet, that came from the queue
    uint64_t ahead_queued
    uint64_t dropped  # besides those that the queue counts
    uint64_t removed
    uint64_t inserted
    uint64_t cut
    uint64_t held_frames
    uint64_t padded
    uint64_t concealed
    uint64_t concealments
    uint64_t underruns
    uint64_t waited  # frames queued, summed over all frames of time: by Little's law what those read have waited
    uint64_t targeted  # the target in frames, summed over those read
    uint64_t output  # frames handed out
    uint64_t prefilled  # frames of silence between the first frame queued and the first played
    uint64_t flushed  # frames from when the last flush was seen until silence
    uint64_t target  # in frames
    uint64_t told_state


# Before anything else, when `shape` is known: where its samples are, zeros, WORKED_ON times `shape.block` of them.
cdef void engine_begin(engine_core *engine, int16_t *samples) noexcept nogil
# When all of the block was handed out: make the next one.
cdef void engine_make_block(engine_core *engine) noexcept nogil
# A flush was asked for: fade out what sounds, throw away what was queued before.
cdef void engine_flush(engine_core *engine, const playout_marks *marks) noexcept nogil
# The device has stopped: throw away what was made and not handed out.
cdef void engine_abort(engine_core *engine) noexcept nogil
