"""Each step, decided on sound that is given by hand: what passes, what fails, at which moment, in which words."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient._devices._wav import read_wav
from sfclient.testing import End, Hear, Hold, Interrupt, Limits, Say, Script, Silence
from sfclient.testing.script._caller import Caller

from ...conftest import counted_at_once
from .talk import Spans, Talk, frames, write_voice


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speaks from 0.1 to 0.7 s, and is silent until 1.0 s."""
    return write_voice(tmp_path_factory.mktemp("said") / "hello.wav", 0.6, before=0.1, behind=0.3)


def failed(talk: Talk) -> tuple[str, int | None]:
    assert talk.failure is not None
    return talk.failure.kind, talk.failure.step


@pytest.mark.parametrize(("begins", "is_heard"), [(1.01, True), (1.02, True), (1.03, False)])
def test_the_agent_is_heard_in_time_to_ten_milliseconds(begins: float, is_heard: bool) -> None:
    talk = Talk([Hear(1.0)], [(begins, begins + 2)])
    assert (talk.failure is None) == is_heard
    if not is_heard:
        assert str(talk.failure).endswith(
            "step 1: not heard: expected it to be heard within 1 s, that is by 1.02 s,"
            " but it began at 1.03 s"
        )


def test_what_is_just_in_time_is_in_time_wherever_in_the_call() -> None:
    for begins in range(20, 180, 10):
        step_begins = -(-begins // 2) * 0.02 + 0.02  # steps begin with a block
        heard = step_begins + 0.68
        talk = Talk([Hold(begins / 100), Hear(0.68)], [(heard, heard + 0.2)])
        assert talk.failure is None
        talk = Talk([Hold(begins / 100), Hear(0.68)], [(heard + 0.01, heard + 0.2)])
        assert failed(talk) == ("not heard", 2)


def test_a_gap_that_is_just_within_its_limit_is_within_it() -> None:
    spans = [(begins, begins + 0.8) for begins in (0.1, 1.3, 2.5, 3.7, 4.9)]
    for limit, beyond in ((0.4, 0), (0.39, 4)):
        talk = Talk([Hold(6)], spans, limits=Limits(gap=limit))
        assert talk.caller.ear.gaps.beyond == beyond


def test_an_agent_who_never_speaks_ends_it_within_its_limits() -> None:
    talk = Talk([Hear(2.0), Hear(50)], [])
    assert failed(talk) == ("not heard", 1)
    assert talk.failure is not None
    assert talk.failure.instead == "it was silent; nothing was ever heard of it"
    assert talk.seconds == pytest.approx(2.06, abs=0.021)
    assert talk.call.hung_up == 1


def test_the_caller_says_a_file_bit_for_bit_when_nobody_has_spoken_for_so_long(hello: Path) -> None:
    talk = Talk([Hear(1), Say(hello, after_silence=0.6), Hold(1)], [(0.2, 1.5)])
    assert talk.failure is None
    assert talk.said_spans == [
        (pytest.approx(1.5 + 0.6 + 0.1, abs=0.021), pytest.approx(2.8, abs=0.021))
    ]
    begins = round(talk.said_spans[0][0], 2) - 0.1
    file = read_wav(hello)[1]
    assert np.array_equal(talk.said[frames(begins) : frames(begins) + len(file)], file)


def test_what_is_said_next_waits_for_the_callers_own_silence_too(hello: Path) -> None:
    talk = Talk([Say(hello), Say(hello, after_silence=0.5), Hold(1)], [])
    (_, first), (second, _) = talk.said_spans
    assert second - first == pytest.approx(0.5 + 0.1, abs=0.021)


def test_without_a_condition_files_are_said_one_behind_the_other(hello: Path) -> None:
    talk = Talk([Say(hello), Say(hello), Hold(1)], [])
    assert talk.said_spans == [(0.12, 0.72), (1.12, 1.72)]


def test_the_silent_end_of_a_file_delays_nothing(tmp_path: Path) -> None:
    long = write_voice(tmp_path / "long.wav", 0.6, behind=9.0)
    steps = [Say(long), Hear(1), Say(long, after_silence=0.5), Interrupt(long, after_speech=0.5)]
    spans = Talk(steps, [(1.0, 2.0), (4, 4.8)]).said_spans
    assert [round(begins, 1) for begins, _ in spans] == [0.0, 2.5, 4.5]


@settings(max_examples=12, derandomize=True, database=None, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(Hear, st.sampled_from([0.1, 1.0])),
            st.builds(Silence, st.sampled_from([0.0, 1.0]), st.sampled_from([0.1, 0.6])),
            st.builds(Hold, st.sampled_from([0.01, 0.5])),
            st.builds(End, st.sampled_from([0.1, 1.0])),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([[], [(0.0, 60.0)], [(0.3 * n, 0.3 * n + 0.2) for n in range(30)]]),
)
def test_every_script_ends_within_its_limits(steps: list[Any], spans: Spans) -> None:
    """Whatever the agent does: never speaks, never ceases to, or stutters."""
    ends = [at for at, step in enumerate(steps) if isinstance(step, End)]
    steps = steps[: ends[0] + 1] if ends else steps
    # A step, the blocks at both ends of it, and what it takes to be sure.
    most = sum(getattr(step, step.verb) + getattr(step, "lasting", 0) + 0.11 for step in steps)
    assert Talk(steps, spans).seconds <= most + 0.02


@pytest.mark.parametrize(
    ("spans", "is_answer"),
    [
        ([(0.2, 1.5)], False),
        ([(0.2, 1.5), (1.6, 2.0)], False),  # a breath
        ([(0.2, 1.5), (1.7, 2.0)], True),
        ([(0.2, 0.5), (1.1, 1.5)], True),
    ],
)
def test_what_the_agent_went_on_with_is_no_answer(
    hello: Path, spans: Spans, is_answer: bool
) -> None:
    talk = Talk([Hear(1), Say(hello), Hear(1)], spans)
    assert (talk.failure is None) == is_answer
    if not is_answer:
        assert failed(talk) == ("not heard", 3)
        assert talk.failure is not None
        assert talk.failure.instead.startswith("it went on with what it had said before; it ")


def test_an_answer_is_to_the_last_of_several_files(hello: Path) -> None:
    assert Talk([Say(hello), Say(hello), Hear(1)], [(2.7, 3)]).failure is None
    assert failed(Talk([Say(hello), Say(hello), Hear(1)], [(2.74, 3)])) == ("not heard", 3)


def test_what_was_heard_before_a_step_is_not_waited_for_in_it(hello: Path) -> None:
    assert failed(Talk([Say(hello), Hold(2), Hear(1)], [(1.2, 2)])) == ("not heard", 3)


def test_an_agent_who_never_falls_silent_leaves_no_turn(hello: Path) -> None:
    talk = Talk([Say(hello, after_silence=0.6, within=3)], [(0.2, 9)])
    assert failed(talk) == ("no turn", 1)
    assert talk.failure is not None
    assert talk.failure.expected == "0.6 s of silence within 3 s, to say hello.wav"
    assert talk.failure.instead == "there was none until 3.04 s; it has been speaking since 0.20 s"


# The caller's last sound is at 0.72 s; the file ends at 1.02 s.
@pytest.mark.parametrize(
    ("spans", "is_heard"),
    [
        ([(1.6, 3)], True),
        ([(1.74, 3)], False),
        ([(0.76, 0.9)], True),  # while the rest of the file is silent
        ([(0.2, 0.6)], False),  # over the caller, and then not at all
    ],
)
def test_an_answer_is_waited_for_from_the_callers_last_sound(
    hello: Path, spans: Spans, is_heard: bool
) -> None:
    talk = Talk([Say(hello), Hear(1.0)], spans)
    assert (talk.failure is None) == is_heard
    if talk.failure:
        assert (
            talk.failure.expected
            == "an answer to be heard within 1 s of the end of what was said at 0.72 s"
        )


@pytest.mark.parametrize(
    ("spans", "is_silent"),
    [
        ([], True),
        ([(0.1, 1.9)], True),
        ([(0.1, 2.1)], False),
        ([(0.1, 1.9), (2.2, 3)], False),  # a breath
        ([(0.1, 1.9), (2.6, 3)], True),
    ],
)
def test_the_agent_falls_silent_in_time_and_stays_so(spans: Spans, is_silent: bool) -> None:
    talk = Talk([Silence(2.0)], spans)
    assert (talk.failure is None) == is_silent
    if talk.failure:
        assert talk.failure.kind == "not silent"
        assert talk.failure.expected == "it to be silent from 2.02 s on, for 0.5 s"


def test_an_agent_who_is_to_say_nothing_for_a_while_is_caught_at_once() -> None:
    talk = Talk([Silence(0, lasting=3)], [(2.5, 2.7)])
    assert failed(talk) == ("not silent", 1)
    assert talk.failure is not None
    assert talk.failure.at == pytest.approx(2.54, abs=0.021)


# With 1.2 s of speech from 0.5 s on the file is said at 1.68 s, and the first speech in it at 1.78 s.
@pytest.mark.parametrize(
    ("spans", "kind"),
    [
        ([(0.5, 2.2)], None),
        ([(0.5, 2.28)], None),
        ([(0.5, 2.3)], "not interrupted"),
        ([(0.5, 2.1), (2.4, 4)], "not interrupted"),  # a breath
        ([(0.5, 2.2), (2.9, 4)], None),  # an answer, while the caller still spoke at 2.4
        ([(0.5, 1.6)], "not heard"),
        ([], "not heard"),
        ([(0.5, 1.4), (2.0, 3.0)], "not heard"),  # twice, but never for so long
    ],
)
def test_an_agent_who_is_interrupted_falls_silent_in_time(
    hello: Path, spans: Spans, kind: str | None
) -> None:
    steps = [Interrupt(hello, after_speech=1.2, within=5, silence_within=0.5), Hold(0.5)]
    talk = Talk(steps, spans)
    assert (talk.failure and talk.failure.kind) == kind
    if kind != "not heard":
        assert talk.said_spans[0][0] == pytest.approx(1.78)


def test_the_longest_speech_is_told_where_it_was_too_short_to_be_interrupted(hello: Path) -> None:
    talk = Talk([Interrupt(hello, after_speech=1.2, within=3)], [(0.5, 1.4)])
    assert talk.failure is not None
    assert (
        talk.failure.instead == "it spoke for 0.90 s at most; it was last heard from 0.50 to 1.40 s"
    )


def test_what_waits_is_thrown_away_at_an_interruption_only_if_it_is_asked_for(hello: Path) -> None:
    spans = [(0.5, 2.0)]
    assert Talk([Interrupt(hello, flush=True)], spans).call.flushed == 1
    assert Talk([Interrupt(hello)], spans).call.flushed == 0


def test_speech_that_began_before_the_step_is_interrupted_only_if_it_goes_on(hello: Path) -> None:
    over = Talk([Hold(3), Interrupt(hello, after_speech=1, within=1.5)], [(0.5, 2.9)])
    goes_on = Talk([Hold(3), Interrupt(hello, after_speech=1, within=1.5)], [(0.5, 3.3)])
    assert (failed(over), goes_on.failure) == (("not heard", 2), None)


def test_an_answer_to_an_interruption_is_not_what_was_interrupted(hello: Path) -> None:
    steps = [Interrupt(hello, after_speech=1, silence_within=2), Hear(1)]
    assert failed(Talk(steps, [(0.5, 3.4)])) == ("not heard", 2)
    assert Talk(steps, [(0.5, 3.4), (4.0, 5)]).failure is None


def test_a_call_that_goes_on_is_told_where_its_end_was_expected() -> None:
    talk = Talk([End(2.0)], [(0.5, 1.0)])
    assert failed(talk) == ("not ended", 1)


def test_no_step_begins_before_the_agent_is_ready(hello: Path) -> None:
    talk = Talk([Say(hello), Hold(1)], [], ready_at=2.0)
    assert talk.said_spans[0][0] == pytest.approx(2.1, abs=0.041)


def test_an_agent_who_is_never_ready_ends_it() -> None:
    talk = Talk([Hear()], [(1, 2)], limits=Limits(ready=3), ready_at=99)
    assert talk.failure is not None
    assert (talk.failure.kind, talk.failure.step) == ("never ready", None)
    assert talk.failure.instead == "it has not; it was last heard from 1.00 to 2.00 s"


def test_the_whole_is_over_when_its_time_is(hello: Path) -> None:
    talk = Talk([Hear(9), Silence(9)], [(0.5, 99)], limits=Limits(seconds=4))
    assert failed(talk) == ("too long", 2)
    assert talk.seconds == pytest.approx(4.0, abs=0.03)


# Of half a second within speech; what follows an answer of the caller, or is less than a breath, is none.
@pytest.mark.parametrize(
    ("spans", "gaps"),
    [
        ([(1.2, 2.0), (2.3, 3.0)], [0.3]),
        ([(1.2, 2.0), (4.0, 5.0)], [2.0]),
        ([(1.2, 2.0), (2.13, 3.0)], []),
        ([(0.0, 0.05), (1.2, 3.0)], []),
        ([(1.2, 3.0)], []),
    ],
)
@pytest.mark.parametrize("block_seconds", [0.01, 0.02, 0.05])
def test_gaps_in_what_the_agent_says_are_found_to_ten_milliseconds(
    hello: Path, spans: Spans, gaps: list[float], block_seconds: float
) -> None:
    talk = Talk([Say(hello), Hold(5)], spans, block_seconds=block_seconds)
    found = [gap.seconds for gap in talk.caller.ear.gaps.latest]
    assert found == [pytest.approx(gap, abs=0.0101) for gap in gaps]


def test_speech_that_the_caller_spoke_over_is_a_turn_of_its_own(hello: Path) -> None:
    talk = Talk([Hold(1), Say(hello), Hold(3)], [(0.5, 2.5), (3.3, 4.0)])
    assert not talk.caller.ear.gaps.latest


def test_the_same_talk_has_the_same_hashes_and_another_has_others(hello: Path) -> None:
    def hashes(until: float) -> tuple[str, str]:
        caller = Talk([Say(hello), Hold(1)], [(0.5, until)]).caller
        return caller.mouth.hash, caller.ear.hash

    once, again, other = hashes(0.8), hashes(0.8), hashes(0.9)
    assert once == again
    assert (once[0] == other[0], once[1] == other[1]) == (True, False)


def test_what_follows_the_end_is_no_part_of_it(hello: Path) -> None:
    caller = Talk([Say(hello), Hold(1)], [(0.5, 0.8)]).caller
    before = caller.now, caller.mouth.hash, caller.ear.hash
    caller.mouth.read(320)
    caller.ear.write(np.ones(320, np.int16))
    assert (caller.now, caller.mouth.hash, caller.ear.hash) == before


@counted_at_once
def test_a_caller_who_was_never_called_is_gone_at_once() -> None:
    caller = Caller(Script("talk", [Hold(1)]), 16_000)
    gone = weakref.ref(caller)
    caller.close()
    del caller
    assert gone() is None
