"""ReplyAgent on a clock of the test: when it speaks, when it stops, and its faults."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import trio
import trio.abc

from sfclient.simulator import ReplyAgent, UnreadableWavError
from sfclient.simulator._codecs import chunks

MESSAGE = 0.02
LOUD = np.tile(np.int16([9000, -9000]), 480).tobytes()  # 20 ms at 48 kHz
ANSWER, OTHER = b"\1\0" * 16_000, b"\2\0" * 16_000  # a second each


class Caller:
    """A widget call of `seconds`, in which the caller speaks in the spans `speaks`; what the agent does, it notes."""

    caller_samplerate = 48_000
    agent_samplerate = 16_000
    agent_byterate = 32_000
    wire_messages = staticmethod(chunks)

    def __init__(self, seconds: float, *speaks: tuple[float, float]) -> None:
        self.seconds, self.speaks = seconds, speaks
        self.sent: list[tuple[float, bytes]] = []
        self.closed: tuple[float, int] | None = None
        self.began = 0.0

    async def client_ready(self) -> None:
        self.began = trio.current_time()

    async def audio(self) -> AsyncIterator[bytes]:
        for n in range(round(self.seconds / MESSAGE)):
            at = n * MESSAGE
            await trio.sleep_until(self.began + at + MESSAGE)
            loud = any(begin <= at + 1e-6 < end for begin, end in self.speaks)
            yield LOUD if loud else bytes(len(LOUD))

    async def send(self, message: bytes) -> None:
        self.sent.append((trio.current_time() - self.began, message))

    async def close(self, code: int) -> None:
        self.closed = (trio.current_time() - self.began, code)

    @property
    def turns(self) -> list[tuple[float, float, bytes]]:
        """What came without a break: from when to when, and its first sample."""
        turns: list[tuple[float, float, bytes]] = []
        for at, message in self.sent:
            goes_on = turns and at - turns[-1][1] < 0.001 and turns[-1][2] == message[:2]
            begin = turns.pop()[0] if goes_on else at
            turns.append((begin, at + len(message) / 32_000, message[:2]))
        return turns


async def converse(call: Caller, answers: Any = (ANSWER,), **options: Any) -> Caller:
    await ReplyAgent(answers, **options)(call)  # type: ignore[arg-type]
    return call


def close_to(seconds: float) -> Any:
    """A message more or less."""
    return pytest.approx(seconds, abs=MESSAGE + 1e-6)


async def test_it_answers_so_long_after_the_caller_has_ended(
    autojump_clock: trio.abc.Clock,
) -> None:
    call = await converse(Caller(5, (0.5, 1.5)), delay=0.7)
    assert call.turns == [(close_to(2.2), close_to(3.2), ANSWER[:2])]
    assert b"".join(message for _, message in call.sent) == ANSWER


async def test_it_says_its_answers_in_turn_and_again(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(12, (0, 1), (4, 5), (8, 9)), [ANSWER, OTHER], delay=0.5)
    assert [(begin, words) for begin, _, words in call.turns] == [
        (close_to(1.5), ANSWER[:2]),
        (close_to(5.5), OTHER[:2]),
        (close_to(9.5), ANSWER[:2]),
    ]


async def test_it_greets_first_and_says_nothing_to_nobody(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(5), greeting=OTHER)
    assert call.turns == [(0.0, close_to(1.0), OTHER[:2])]


async def test_a_pause_between_words_is_no_end_of_a_turn(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(6, (0, 1), (1.5, 2.5)), delay=0.6)
    assert [begin for begin, _, _ in call.turns] == [close_to(3.1)]


async def test_interrupted_it_stops_and_answers_that(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(6, (0, 1), (2, 3)), [ANSWER, OTHER], delay=0.6, stops_after=0.2)
    assert call.turns == [
        (close_to(1.6), close_to(2.2), ANSWER[:2]),
        (close_to(3.6), close_to(4.6), OTHER[:2]),
    ]


async def test_a_sound_shorter_than_that_neither_stops_it_nor_is_answered(
    autojump_clock: trio.abc.Clock,
) -> None:
    call = await converse(Caller(6, (0, 1), (1.8, 1.9)), delay=0.6, stops_after=0.2)
    assert call.turns == [(close_to(1.6), close_to(2.6), ANSWER[:2])]


async def test_one_who_goes_on_in_the_midst_of_a_sentence_is_another_turn(
    autojump_clock: trio.abc.Clock,
) -> None:
    """The gate takes it for the same speech: it lets half a second pass."""
    call = await converse(Caller(6, (0, 1), (1.4, 1.5)), delay=0.3, stops_after=0.3)
    assert call.turns == [(close_to(1.3), close_to(2.3), ANSWER[:2])]


async def test_interrupted_in_the_gap_it_still_answers(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(8, (0, 1), (2.2, 2.8)), [ANSWER, OTHER], gap=3)
    assert [begin for begin, _, _ in call.turns][:2] == [close_to(1.6), close_to(5.1)]
    assert call.turns[1][2] == OTHER[:2]


async def test_who_speaks_when_it_has_ended_is_answered(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(6, (0, 1), (2, 3)), delay=0.6, stops_after=None)
    assert call.turns == [
        (close_to(1.6), close_to(2.6), ANSWER[:2]),
        (close_to(3.6), close_to(4.6), ANSWER[:2]),
    ]


async def test_it_hangs_up_after_so_many_answers(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(8, (0, 1), (4, 5)), hangs_up_after=2, code=4001)
    assert call.closed == (close_to(6.6), 4001)
    assert call.closed[0] >= call.sent[-1][0] + MESSAGE - 1e-6


async def test_it_may_hang_up_behind_its_greeting(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(8), greeting=OTHER, hangs_up_after=0)
    assert call.closed == (close_to(1.0), 1000)


async def test_without_answers_it_never_says_a_word(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(5, (0, 1)), [])
    assert call.sent == []


async def test_the_fault_of_talking_over_the_caller(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(6, (0.5, 1.8), (3, 3.5)), talks_over_after=0.8)
    assert call.turns == [
        (close_to(1.3), close_to(2.3), ANSWER[:2]),
        (close_to(4.1), close_to(5.1), ANSWER[:2]),
    ]


async def test_the_fault_of_a_gap_in_the_answer(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(6, (0, 1)), gap=0.9)
    assert call.turns == [
        (close_to(1.6), close_to(2.1), ANSWER[:2]),
        (close_to(3.0), close_to(3.5), ANSWER[:2]),
    ]
    assert b"".join(message for _, message in call.sent) == ANSWER


async def test_its_messages_come_when_they_are_due(autojump_clock: trio.abc.Clock) -> None:
    call = await converse(Caller(4), greeting=OTHER)
    times = [at for at, _ in call.sent]
    assert [b - a for a, b in pairwise(times)] == [pytest.approx(MESSAGE)] * 49


@pytest.mark.parametrize(
    ("answers", "options"),
    [
        (ANSWER, {}),
        ([b"odd"], {}),
        ([], {"greeting": b"odd"}),
        ([], {"delay": -1.0}),
        ([], {"delay": float("nan")}),
        ([], {"stops_after": float("inf")}),
        ([], {"talks_over_after": -0.1}),
        ([], {"gap": -0.1}),
        ([], {"hangs_up_after": -1}),
        ([], {"code": 200}),
    ],
)
def test_impossible_arguments_are_named(answers: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options), "answers|said")):
        ReplyAgent(answers, **options)


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(UnreadableWavError, match=r"nowhere\.wav"):
        ReplyAgent(["nowhere.wav"])
