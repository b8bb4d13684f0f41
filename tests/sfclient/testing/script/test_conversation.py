"""A whole conversation, in one call: on the virtual clock, but for those that say otherwise."""

import dataclasses
import gc
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import trio

from sfclient import (
    InsecureURLError,
    NetworkError,
    Session,
    TimeLimits,
    UsageError,
)
from sfclient.report import read_record
from sfclient.simulator import Agent, ReplyAgent, SimulatedCall
from sfclient.testing import (
    End,
    Hear,
    Hold,
    Interrupt,
    Limits,
    Outcome,
    Say,
    Script,
    ScriptError,
    hold_conversation,
    open_memory_agent,
    run_virtually,
)

from .talk import voice, write_voice

ANSWERS = [voice(1.5).tobytes(), voice(3.0).tobytes()]
GREETING = voice(0.8).tobytes()


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("said")
    return write_voice(folder / "hello.wav", 0.6, before=0.1, behind=0.1, rate=48_000)


def agent(**options: Any) -> ReplyAgent:
    return ReplyAgent(ANSWERS, **{"greeting": GREETING, "delay": 0.5} | options)


def script(hello: Path, **limits: Any) -> Script:
    """Greeted, answered, interrupting."""
    return Script(
        "talks",
        [
            Hear(2),
            Say(hello, after_silence=0.6),
            Hear(1),
            Say(hello, after_silence=0.6),
            Interrupt(hello, after_speech=0.8, silence_within=0.6),
            Hear(1.2),
            Hold(0.3),
        ],
        Limits(**limits),
    )


def hold(
    script: Script,
    agent: Agent,
    dialect: str = "widget",
    announce_ready: bool = True,
    **options: Any,
) -> Outcome:
    async def held() -> Outcome:
        async with open_memory_agent(
            agent, dialect=dialect, announce_ready=announce_ready, keep=False
        ) as there:
            return await hold_conversation(script, there.session(), **options)

    return run_virtually(held)


def kinds(outcome: Outcome) -> list[str]:
    return [failure.kind for failure in outcome.failures]


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_a_good_agent_passes_and_what_was_measured_is_told(hello: Path, dialect: str) -> None:
    limits = {
        "response": 0.6,
        "response_p95": 0.59,
        "interruptions": 0,
        "late": 0.15,
        "seconds": 20,
    }
    outcome = hold(script(hello, gap=0.3, **limits), agent(), dialect)
    assert str(outcome) == "talks: passed"
    figures = outcome.figures
    assert figures.response_seconds == pytest.approx((0.56,) * 3, abs=0.03)
    assert figures.response_seconds == pytest.approx(
        outcome.statistics.conversation.response_seconds, abs=0.0001
    )
    assert figures.seconds == pytest.approx(8.4, abs=0.2)
    assert (figures.gap_seconds, figures.late_seconds) == ((), ())
    assert outcome.statistics.ended is not None
    assert (outcome.statistics.ended.by, outcome.statistics.ended.code) == ("caller", 1000)


def test_the_same_conversation_has_the_same_outcome(hello: Path) -> None:
    once, again = (hold(script(hello, gap=0.1, response=0.1), agent()) for _ in range(2))
    assert (once.heard_hash, once.said_hash) == (again.heard_hash, again.said_hash)
    assert (once.figures, once.failures) == (again.figures, again.failures)
    began = once.statistics.times.began
    times = dataclasses.replace(again.statistics.times, began=began)
    assert once.statistics == dataclasses.replace(again.statistics, times=times)


@pytest.mark.parametrize(
    ("planted", "kind"),
    [
        ({"delay": 1.2}, "not heard"),
        ({"greeting": None}, "not heard"),
        ({"stops_after": None}, "not interrupted"),
        ({"hangs_up_after": 1}, "ended early"),
    ],
)
def test_what_an_agent_does_not_do_is_a_failure(
    hello: Path, planted: dict[str, Any], kind: str
) -> None:
    outcome = hold(script(hello), agent(**planted))
    assert outcome.verdict == "failed"
    assert kinds(outcome) == [kind]
    assert outcome.failures[0].place == outcome.script.steps[outcome.failures[0].step - 1].place  # type: ignore[operator]


def test_an_agent_who_is_never_ready_fails_in_the_time_of_the_script(hello: Path) -> None:
    outcome = hold(script(hello, ready=3), agent(), announce_ready=False)
    assert kinds(outcome) == ["never ready"]
    assert outcome.figures.seconds == pytest.approx(3, abs=0.1)


def test_a_ready_limit_beyond_the_clients_own_is_the_one_that_counts(hello: Path) -> None:
    limits = TimeLimits(first_message=2)
    outcome = hold(script(hello, ready=4), ReplyAgent([]), announce_ready=False, limits=limits)
    assert kinds(outcome) == ["never ready"]


@pytest.mark.parametrize(
    ("end", "verdict"),
    [(End(5), "passed"), (End(5, code=4000), "passed"), (End(5, code=1000), "failed")],
)
def test_the_agent_ends_the_call_with_its_code(hello: Path, end: End, verdict: str) -> None:
    steps = [Hear(2), Say(hello, after_silence=0.6), Hear(1), end]
    outcome = hold(Script("ends", steps), agent(hangs_up_after=1, code=4000))
    assert outcome.verdict == verdict


async def fails(call: SimulatedCall) -> None:
    await trio.sleep(1)
    await call.close(1011, "out of order")


async def breaks(call: SimulatedCall) -> None:
    await trio.sleep(1)
    await call.abort()


def test_an_agent_who_breaks_down_has_ended_it_early() -> None:
    outcome = hold(Script("talks", [Hold(5)]), fails)
    assert (kinds(outcome), outcome.error) == (["ended early"], None)
    assert "with 1011" in str(outcome.failures[0])
    assert hold(Script("talks", [End(5, code=1011)]), fails).passed


def test_what_the_network_does_is_an_error_unless_it_is_expected() -> None:
    outcome = hold(Script("talks", [Hold(5)]), breaks)
    assert (outcome.verdict, kinds(outcome)) == ("error", [])
    assert isinstance(outcome.error, NetworkError)
    assert outcome.error.__traceback__ is None
    assert hold(Script("talks", [End(5, by="network")]), breaks).passed


async def test_a_service_that_is_not_there_is_an_error() -> None:
    outcome = await hold_conversation(Script("talks", [Hold(5)]), "ws://127.0.0.1:9/")
    assert (outcome.verdict, type(outcome.error)) == ("error", NetworkError)
    assert outcome.figures.seconds == 0
    assert pickle.loads(pickle.dumps(outcome)).verdict == "error"


@pytest.mark.parametrize("option", ["audio", "record", "redial", "tap"])
async def test_what_the_script_says_is_no_option(option: str) -> None:
    with pytest.raises(UsageError, match=f"^{option} is not for a scripted conversation"):
        await hold_conversation(Script("talks", [Hold(5)]), "ws://127.0.0.1:9/", **{option: None})


async def test_wrong_use_is_raised_before_any_call(tmp_path: Path) -> None:
    here = Script("talks", [Hold(5)])
    told: list[Outcome] = []
    with pytest.raises(InsecureURLError):
        await hold_conversation(here, "ws://example.com/", on_outcome=told.append)
    assert told == []
    with pytest.raises(ScriptError, match=r"test_conversation\.py:\d+: cannot read"):
        await hold_conversation(Script("talks", [Say("no.wav")]), "ws://127.0.0.1:9/")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the folder"):
        await hold_conversation(here, "ws://127.0.0.1:9/", folder=tmp_path / "file" / "a")


def test_recording_record_and_report_are_kept_with_the_failures_on_them(
    hello: Path, tmp_path: Path
) -> None:
    events: list[object] = []
    folder = tmp_path / "a" / "b"

    async def held() -> Outcome:
        async with open_memory_agent(agent()) as there:

            async def fetch() -> Session:
                await trio.sleep(1)  # so that sound flows later than the call begins
                return there.session()

            return await hold_conversation(
                script(hello, response=0.2), fetch, folder=folder, on_event=events.append
            )

    outcome = run_virtually(held)
    assert (outcome.verdict, outcome.figures.connect_seconds) == ("failed", 1)
    assert sorted(path.name for path in folder.iterdir()) == [
        "both.wav",
        "call.json",
        "report.html",
    ]
    record = read_record(folder / "call.json")
    assert record == json.loads(json.dumps(outcome.record))
    assert record["script"]["failures"][0]["kind"] == "slow"
    assert record["script"]["heard_hash"] == outcome.heard_hash
    # All events, and one for each failure, where it is in the recording.
    assert len(record["events"]) == len(events) + 1
    assert record["events"][-1]["at"] == pytest.approx(
        outcome.failures[0].at + record["times"]["ready"]
    )
    page = (folder / "report.html").read_text()
    assert page.count("slow: expected the agent to answer within 0.2 s each time") >= 2


def test_what_cannot_be_kept_is_an_error(hello: Path, tmp_path: Path) -> None:
    def spoil(_event: object) -> None:
        (tmp_path / "report.html").mkdir(exist_ok=True)

    outcome = hold(script(hello), agent(), folder=tmp_path, on_event=spoil)
    assert outcome.verdict == "error"
    assert "report.html" in str(outcome.error)


def test_what_goes_wrong_on_this_side_while_it_is_held_is_an_error(hello: Path) -> None:
    def fail(_event: object) -> None:
        raise UsageError("the disk is full")

    outcome = hold(script(hello), agent(), on_event=fail)
    assert (outcome.verdict, str(outcome.error)) == ("error", "the disk is full")


def test_a_conversation_that_is_cancelled_is_told_as_far_as_it_came(
    hello: Path, tmp_path: Path
) -> None:
    told: list[Outcome] = []

    async def held() -> None:
        async with open_memory_agent(agent()) as there:
            with trio.move_on_after(3):
                await hold_conversation(
                    script(hello), there.session(), folder=tmp_path, on_outcome=told.append
                )
            assert (await there.calls[0].wait_ended()).by == "client"

    run_virtually(held)
    (outcome,) = told
    assert (outcome.verdict, outcome.failures) == ("cancelled", ())
    assert outcome.figures.seconds == pytest.approx(3, abs=0.1)
    assert len(outcome.figures.response_seconds) == 1
    record = read_record(tmp_path / "call.json")
    assert record["script"]["verdict"] == "cancelled"
    assert record["events"][-1]["kind"] == "Disconnected"


def test_ctrl_c_is_told_the_same_way_and_goes_on(hello: Path) -> None:
    told: list[Outcome] = []

    def interrupt(_event: object) -> None:
        raise KeyboardInterrupt

    async def held() -> None:
        async with open_memory_agent(agent()) as there:
            with pytest.raises(KeyboardInterrupt):
                await hold_conversation(
                    script(hello), there.session(), on_event=interrupt, on_outcome=told.append
                )

    run_virtually(held)
    assert [outcome.verdict for outcome in told] == ["cancelled"]


def test_nothing_of_a_conversation_waits_for_a_garbage_collection() -> None:
    of = Script("talks", [Hear(2), Hold(2)])

    async def held() -> list[str]:
        gc.collect()
        gc.disable()
        try:
            verdicts = []
            for who in (agent(), fails, breaks):
                async with open_memory_agent(who, keep=False) as there:
                    verdicts.append((await hold_conversation(of, there.session())).verdict)
            assert verdicts == ["passed", "failed", "error"]
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return [type(each).__name__ for each in gc.garbage if is_ours(each)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert run_virtually(held) == []


def is_ours(thing: object) -> bool:
    return type(thing).__module__.startswith(("sfclient", "sfaudio"))
