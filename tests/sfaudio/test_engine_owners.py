"""A playout engine is the only reader of its queue, and has one user at a time; and leaves nothing half-held."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine, PlayoutEngineStatistics
from sfaudio._callback import StreamCallback
from sfaudio.stream import Stream

from .test_owners import STREAM, native

ENGINE = "the reading side of this JitterBuffer is held by a PlayoutEngine, which reads it"
SPEECH = (9000 * np.sin(np.arange(16_000) / 12)).astype(np.int16)


def balanced(of: PlayoutEngineStatistics) -> bool:
    kept = of.read_frames + of.queued_frames + of.dropped_frames
    return of.written_frames == kept + of.removed_frames - of.inserted_frames


def test_an_engine_is_the_only_reader_of_its_queue() -> None:
    queue = JitterBuffer(9000)
    engine = PlayoutEngine(queue)
    others: list[Callable[[], object]] = [
        lambda: queue.read_into(bytearray(2)),
        queue.abort,
        lambda: PlayoutEngine(queue),
        lambda: StreamCallback(playout=queue),
    ]
    for other in others:
        with pytest.raises(RuntimeError, match=ENGINE):
            other()
    queue.write(bytes(20))
    queue.flush()
    queue.drain()
    engine.read_into(bytearray(20))
    engine.abort()
    del engine
    for other in others:
        other()


@pytest.mark.parametrize("policy", ["adaptive", "lossless"])
def test_an_engine_has_one_user_at_a_time(policy: str) -> None:
    queue = JitterBuffer(9000)
    engine = PlayoutEngine(queue, policy=policy, output_samplerate=48_000, log_pieces=9)
    callback = StreamCallback(None, engine)
    users: list[Callable[[], object]] = [
        lambda: engine.read_into(bytearray(2)),
        engine.abort,
        lambda: StreamCallback(playout=engine),
    ]
    for user in users:
        with pytest.raises(RuntimeError, match=f"the reading side of this PlayoutEngine {STREAM}"):
            user()
    queue.write(SPEECH)
    engine.read_log()
    assert engine.queued_frames == engine.statistics().queued_frames == 9000
    callback.close()
    for user in users:
        user()


def test_a_stream_that_is_refused_leaves_the_engine() -> None:
    engine, played = PlayoutEngine(JitterBuffer(900)), CaptureQueue(9)
    other = StreamCallback(played)
    with pytest.raises(RuntimeError, match=STREAM):
        StreamCallback(None, engine, played)
    engine.read_into(bytearray(2))
    other.close()


def test_what_is_neither_queue_nor_engine_is_not_played() -> None:
    capture = CaptureQueue(9)
    with pytest.raises(TypeError, match="a JitterBuffer or a PlayoutEngine, not CaptureQueue"):
        StreamCallback(None, capture)
    StreamCallback(capture)


def test_an_engine_of_another_rate_is_not_played() -> None:
    engine = PlayoutEngine(JitterBuffer(900), output_samplerate=44_100)
    with pytest.raises(ValueError, match="48000 Hz, but the engine plays at 44100 Hz: make it"):
        Stream(None, engine, samplerate=48_000)
    engine.read_into(bytearray(2))


def test_an_engine_that_a_stream_plays_outlives_its_object_and_its_queue_too() -> None:
    class Kept(JitterBuffer):
        pass

    queue = Kept(9000)
    reference = weakref.ref(queue)
    queue.write(SPEECH[:4000])
    callback = StreamCallback(None, PlayoutEngine(queue))
    del queue
    call = native(callback, 480)
    gc.collect()
    assert reference() is not None
    assert call().any()
    callback.close()
    del callback, call
    gc.collect()
    assert reference() is None


def test_engine_and_queue_that_know_each_other_are_collected_in_any_order() -> None:
    class Knows(JitterBuffer):
        engine: Any

    references = []
    for _ in range(20):
        queue = Knows(900)
        queue.engine = PlayoutEngine(queue, output_samplerate=44_100, log_pieces=9)
        queue.callback = StreamCallback(None, queue.engine)  # type: ignore[attr-defined]
        queue.itself = [queue]  # type: ignore[attr-defined]
        references.append(weakref.ref(queue))
    del queue
    gc.collect()
    assert [reference() for reference in references] == [None] * 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"samplerate": 16_001},
        {"samplerate": "16000"},
        {"policy": "browser"},
        {"policy": []},
        {"log_pieces": -1},
        {"log_pieces": 9, "output_samplerate": 1},
    ],
)
def test_an_engine_that_is_refused_leaves_the_queue(wrong: dict[str, Any]) -> None:
    queue = JitterBuffer(900)
    with pytest.raises((ValueError, TypeError)):
        PlayoutEngine(queue, **wrong)
    queue.read_into(bytearray(2))


def test_a_constructor_may_be_watched_by_each_of_its_arguments() -> None:
    """Which finds the object among those of the collector, and uses it, before it is made."""
    refused: list[str] = []

    class Kept(PlayoutEngine):
        pass

    def meddle() -> None:
        for engine in [thing for thing in gc.get_objects() if type(thing) is Kept]:
            assert engine.queued_frames == 4
            assert engine.statistics().state == "idle"
            uses: list[Callable[[], object]] = [
                engine.abort,
                engine.read_log,
                lambda engine=engine: engine.read_into(bytearray(2)),  # type: ignore[misc]
                lambda engine=engine: StreamCallback(None, engine),  # type: ignore[misc]
                lambda engine=engine: PlayoutEngine(engine.queue),  # type: ignore[misc]
            ]
            for use in uses:
                with pytest.raises(RuntimeError) as error:
                    use()
                refused.append(str(error.value))

    class Number(float):
        def __int__(self) -> int:
            meddle()
            return super().__int__()

        def __eq__(self, other: object) -> bool:
            meddle()
            return super().__eq__(other)

        __hash__ = None  # type: ignore[assignment]

    class Name(str):
        def __eq__(self, other: object) -> bool:
            meddle()
            return super().__eq__(other)

        __hash__ = None  # type: ignore[assignment]

    queue = JitterBuffer(900)
    queue.write(bytes(8))
    Kept(
        queue,
        samplerate=Number(16_000),
        output_samplerate=Number(48_000),
        policy=Name("adaptive"),
        log_pieces=Number(100),
    )
    assert len(refused) > 20
    assert {message.partition(" is held by ")[2] for message in refused} <= {
        "its constructor, which has not returned",
        "a PlayoutEngine, which reads it",
        "",  # There is no log yet.
    }


# ---- books


@pytest.mark.parametrize("policy", ["adaptive", "lossless"])
def test_the_books_of_a_queue_that_somebody_else_had_before_balance(policy: str) -> None:
    queue = JitterBuffer(9000)
    queue.write(SPEECH[:900])
    queue.read_into(bytearray(200))
    for written in (1500, 2500):  # The second engine finds what the first has left.
        engine = PlayoutEngine(queue, policy=policy)
        queue.write(SPEECH[:800])
        assert balanced(engine.statistics())
        engine.read_into(np.zeros(1000, np.int16))
        assert balanced(engine.statistics())
        queue.flush()
        queue.write(SPEECH[: written - 1300])
        engine.read_into(np.zeros(1000, np.int16))
        assert balanced(engine.statistics())
        del engine


def test_a_flush_that_nobody_has_seen_yet_is_the_first_that_an_engine_does() -> None:
    queue = JitterBuffer(16_000)
    queue.write(SPEECH[:8000])
    queue.flush()
    engine, out = PlayoutEngine(queue), np.zeros(8000, np.int16)
    engine.read_into(out)
    assert not out.any()
    assert (engine.queued_frames, engine.statistics().dropped_frames) == (0, 8000)


def test_a_queue_that_can_hold_no_block_is_refused() -> None:
    """It would be full, and silent, for ever."""
    with pytest.raises(
        ValueError,
        match="159 frames at most, but 160 are played at a time: make it with a capacity",
    ):
        PlayoutEngine(JitterBuffer(159))
    PlayoutEngine(JitterBuffer(159), policy="lossless")
    queue, written = JitterBuffer(160), 0
    engine = PlayoutEngine(queue)
    for _ in range(100):
        written += queue.write(SPEECH[written // 2 :])
        engine.read_into(np.zeros(160, np.int16))
    assert engine.statistics().read_frames > 80 * 160
