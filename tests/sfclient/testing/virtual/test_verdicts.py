"""A script has the same verdicts, for the same reasons, in memory and over a socket."""

import wave
from pathlib import Path

import pytest
import trio

from sfclient import Session
from sfclient.simulator import ReplyAgent, open_simulator
from sfclient.testing import open_memory_agent, run_virtually
from sfclient.testing.script import Hear, Limits, Outcome, Say, Script, Silence, hold_conversation

from ...conftest import UnhurriedClock, session_of
from .conversation import voice

ANSWER = voice(0.8, 16_000, 200).tobytes()
FINE = {"greeting": ANSWER, "delay": 0.3}

# What the agent does, how it is served, and the verdict with the kinds of what is wrong.
AGENTS = {
    "fine": (FINE, {}, ("passed", [])),
    "slow": (FINE | {"delay": 0.6}, {}, ("failed", ["slow"])),
    "talks over": (FINE | {"talks_over_after": 0.5}, {}, ("failed", ["talks over"])),
    "a gap": (FINE | {"gap": 0.35}, {}, ("failed", ["gap"])),
    "ends early": (FINE | {"hangs_up_after": 0}, {}, ("failed", ["ended early"])),
    "never ready": (FINE, {"announce_ready": False}, ("failed", ["never ready"])),
    "no word": ({"answers": []}, {}, ("failed", ["not heard"])),
}


@pytest.fixture
def script(tmp_path: Path) -> Script:
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(voice(1.2, 16_000, 300).tobytes())
    steps = [Hear(0.5), Silence(2), Say(path, after_silence=0.4), Hear(1), Silence(2)]
    return Script("asks once", steps, Limits(ready=1, response=0.5, gap=0.3, interruptions=0))


async def in_memory(script: Script, agent: ReplyAgent, dialect: str, **serve: bool) -> Outcome:
    async with open_memory_agent(agent, dialect=dialect, **serve) as there:
        return await hold_conversation(script, there.session())


async def by_socket(script: Script, agent: ReplyAgent, dialect: str, **serve: bool) -> Outcome:
    async with open_simulator(agent, **serve) as simulator:
        session = Session(simulator.new_session_url())
        if dialect == "ws-media":
            session = await session_of(simulator)
        return await hold_conversation(script, session)


async def verdicts(way, script: Script, dialect: str) -> dict[str, tuple[str, list[str]]]:
    """Of all agents, who are called at the same time."""
    told = {}

    async def hold(name: str) -> None:
        options, serve, _ = AGENTS[name]
        outcome = await way(
            script, ReplyAgent(**{"answers": [ANSWER], **options}), dialect, **serve
        )
        told[name] = outcome.verdict, [failure.kind for failure in outcome.failures]

    async with trio.open_nursery() as nursery:
        for name in AGENTS:
            if dialect == "widget" or "announce_ready" not in AGENTS[name][1]:
                nursery.start_soon(hold, name)
    return told


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_a_script_has_the_same_verdicts_in_memory_and_over_a_socket(script, dialect):
    memory = run_virtually(verdicts, in_memory, script, dialect)
    assert memory == {name: AGENTS[name][2] for name in memory}
    assert trio.run(verdicts, by_socket, script, dialect, clock=UnhurriedClock(20)) == memory
