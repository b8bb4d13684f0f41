"""Plays a trace on a virtual clock: by the compiled engine, by the jitter buffer alone, by a law.

Each 10 ms of the device, what has arrived is written, then a block is read. What was done is told afterwards: by the
engine's log, by what the buffer gave, by the law's answers.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from playout_laws import LAWS, Law
from playout_score import BLOCK, Played
from playout_traces import MESSAGE, MESSAGE_FRAMES, Bools, Laid, Samples

from sfaudio import JitterBuffer, PlayoutEngine

BLOCK_FRAMES = 160
LONGEST_TAIL = 120_000  # ms to play what is queued when all has arrived
LOG_PIECES = 1 << 22
FADE_FRAMES = 80

Piece = tuple[str, int, int]


def output_frames(piece: Piece) -> int:
    kind, a, n = piece
    if kind in ("play", "remove"):
        return n
    return {"insert": 2 * n, "cut": FADE_FRAMES, "resume": 0}.get(kind, a)


def first_block(laid: Laid) -> float:
    return math.floor(laid.arrivals[0] / BLOCK) * BLOCK + BLOCK


def arriving(laid: Laid) -> Iterator[bytes | memoryview]:
    """What to write before each block, until a block after the last message."""
    messages = memoryview(laid.samples.astype("<i2", copy=False)).cast("B")
    blocks = math.ceil((laid.arrivals[-1] + BLOCK - first_block(laid)) / BLOCK)
    nows = first_block(laid) + BLOCK * np.arange(blocks)
    ends = np.searchsorted(laid.arrivals, nows, "right") * (2 * MESSAGE_FRAMES)
    at = 0
    for end in ends.tolist():
        yield messages[at:end] if end > at else b""
        at = end


def new_queue(laid: Laid, prefill_ms: int = 0) -> JitterBuffer:
    return JitterBuffer(len(laid.samples) + 1, prefill=16 * prefill_ms)


# ---- the compiled engine


class State(NamedTuple):
    """After a block, in ms."""

    queued: float
    target: float


@dataclass
class Watched:
    """All that can be seen of an engine that plays."""

    played: Played
    pieces: list[Piece]
    output: Samples
    states: list[State]


def run_engine(
    laid: Laid, each: Callable[[PlayoutEngine, Samples], None] | None = None
) -> tuple[Played, list[Piece]]:
    """Drive the compiled engine through a trace; `each` is called after every block."""
    queue = new_queue(laid)
    engine = PlayoutEngine(queue, log_pieces=LOG_PIECES)
    out = np.empty(BLOCK_FRAMES, np.int16)
    for data in arriving(laid):
        if data:
            queue.write(data)
        engine.read_into(out)
        if each:
            each(engine, out)
    queue.drain()
    while engine.queued_frames >= BLOCK_FRAMES:
        engine.read_into(out)
        if each:
            each(engine, out)
    pieces, seen = engine.read_log(), engine.statistics()
    played, books = from_log(first_block(laid), pieces)
    if books != (seen.removed_frames, seen.inserted_frames, seen.cut_frames):
        raise AssertionError(
            f"removed, inserted, cut: the log tells {books}, and it was counted {seen}"
        )
    return played, pieces


def play_engine(laid: Laid) -> Played:
    return run_engine(laid)[0]


def watch_engine(laid: Laid) -> Watched:
    states: list[State] = []
    outputs: list[Samples] = []

    def watch(engine: PlayoutEngine, out: Samples) -> None:
        states.append(State(engine.queued_frames / 16, 1000 * engine.statistics().target_seconds))
        outputs.append(out.copy())

    played, pieces = run_engine(laid, watch)
    return Watched(played, pieces, np.concatenate(outputs), states)


def from_log(first: float, pieces: list[Piece]) -> tuple[Played, tuple[int, int, int]]:
    """Block by block, and what was removed, inserted and cut in all."""
    kinds = np.array([piece[0] for piece in pieces])
    a = np.array([piece[1] for piece in pieces], np.int64)
    n = np.array([piece[2] for piece in pieces], np.int64)
    plays, removes, inserts, cuts = (kinds == kind for kind in ("play", "remove", "insert", "cut"))
    pads = (kinds == "conceal") | (kinds == "silence")
    media = plays * n + removes * n + inserts * (2 * n) + cuts * FADE_FRAMES
    length = media + (pads | (kinds == "hold")) * a
    jump = removes * n - inserts * n + cuts * n
    begin = np.cumsum(length) - length
    position = np.cumsum(media + jump) - media  # where the piece begins, after its jump
    blocks = int(begin[-1] + length[-1]) // BLOCK_FRAMES
    at = BLOCK_FRAMES * np.arange(blocks + 1)
    inside = np.maximum(
        np.searchsorted(begin, at, "left") - 1, 0
    )  # a jump at `at` is of the block to come
    since = np.minimum(at - begin[inside], length[inside])
    before = position[inside] + np.minimum(since, media[inside])
    before[0] = 0
    padded = (np.cumsum(pads * length) - pads * length)[inside] + pads[inside] * since
    stretched = np.zeros(blocks, bool)
    stretched[begin[removes | inserts] // BLOCK_FRAMES] = True
    played = Played(first, before / 16, np.diff(padded) == 0, stretched)
    inserted = (inserts * n).sum() + a[kinds == "hold"].sum()
    return played, (int((removes * n).sum()), int(inserted), int((cuts * n).sum()))


def done_in_blocks(pieces: list[Piece], blocks: int, kinds: Iterable[str]) -> dict[str, Bools]:
    """Per kind of piece of these, in which blocks of the output there is some of it."""
    found = {kind: np.zeros(blocks, bool) for kind in kinds}
    at = 0
    for piece in pieces:
        kind, length = piece[0], output_frames(piece)
        if kind in found:
            found[kind][at // BLOCK_FRAMES : -(-(at + length) // BLOCK_FRAMES)] = True
        at += length
    return found


# ---- the jitter buffer


def play_buffer(
    laid: Laid, prefill_ms: int, each: Callable[[Samples], None] | None = None
) -> Played:
    """By a jitter buffer alone; `each` is called after every block."""
    queue = new_queue(laid, prefill_ms)
    out = np.empty(BLOCK_FRAMES, np.int16)
    given = []
    for data in arriving(laid):
        if data:
            queue.write(data)
        given.append(queue.read_into(out))
        if each:
            each(out)
    queue.drain()
    while queue.queued_frames >= BLOCK_FRAMES:
        given.append(queue.read_into(out))
        if each:
            each(out)
    position = np.cumsum([0, *given]) / 16
    sounded = np.array(given) == BLOCK_FRAMES
    return Played(first_block(laid), position, sounded, np.zeros(len(sounded), bool))


# ---- a law


def play_law(laid: Laid, law: Law) -> Played:
    first = now = first_block(laid)
    positions, sounded, stretched = [0.0], [], []
    position = head = 0.0
    messages = 0
    arrivals = laid.arrivals.tolist()
    last, count, ever = arrivals[-1] + BLOCK, len(arrivals), False
    while now < last or (head - position >= BLOCK and now < last + LONGEST_TAIL):
        while messages < count and arrivals[messages] <= now:
            messages += 1
        head = float(MESSAGE * messages)
        step = law.block(now, head, position)
        if step is not None:
            position, ever = min(head, position + step), True
        elif ever and head - position < BLOCK:
            position = head  # what is left of a block is played
        positions.append(position)
        sounded.append(step is not None)
        stretched.append(step not in (None, BLOCK))
        now += BLOCK
    return Played(first, np.array(positions), np.array(sounded), np.array(stretched))


# ---- by name


def _law(name: str) -> Callable[[Laid], Played]:
    return lambda laid: play_law(laid, LAWS[name](laid))


def _fifo(prefill_ms: int) -> Callable[[Laid], Played]:
    return lambda laid: play_buffer(laid, prefill_ms)


POLICIES: dict[str, Callable[[Laid], Played]] = {
    "adaptive": play_engine,
    "lossless": _fifo(60),
    "browser": _fifo(0),
    "neteq": _law("neteq"),
    "fifo-60": _fifo(60),
    "fifo-200": _fifo(200),
    "fifo-300": _fifo(300),
    **{name: _law(name) for name in LAWS if name != "neteq"},
}
