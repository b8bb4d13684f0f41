"""The report of a call that was held: a stall of the network is where it was, and every figure has its sentence."""

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import trio

from sfclient import Audio, Event, MemoryInput, MemoryOutput, Session, open_call
from sfclient._stats import write_stats
from sfclient.report import make_record, read_record, write_report
from sfclient.report._figures import GROUPS, TIMES
from sfclient.report._scale import COLUMNS
from sfclient.simulator import SpeakAgent, open_simulator
from sfclient.testing import open_proxy

from ..conftest import UnhurriedClock, noise, session_of
from .pages import Element, parse

GUTTER = 62
MESSAGE_SECONDS = 0.02
BLOCK_SECONDS = 0.01


def heights(wave: Element) -> tuple[int, list[float]]:
    """The column in which it begins, and the upper edge of each."""
    left, _, way = wave.attributes["d"].partition(" ")
    steps = [float(step.split("h")[0]) for step in way.split("V")[1:]]
    return round(float(left[1:])) - GUTTER, steps[: len(steps) // 2]


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
async def test_a_stall_is_shown_where_it_was_to_within_a_block(
    tmp_path: Path, fast_clock: UnhurriedClock, dialect: str
) -> None:
    recording, record, report = (tmp_path / f"call.{end}" for end in ("wav", "json", "html"))
    events: list[Event] = []
    async with (
        open_simulator(SpeakAgent(noise(5, 16_000), then="close")) as simulator,
        open_proxy(simulator.base_url) as proxy,
    ):
        if dialect == "widget":
            session = Session(proxy.through(simulator.new_session_url()))
        else:
            session = await session_of(simulator, base_url=proxy.through(simulator.base_url))
        audio = Audio(MemoryInput(), MemoryOutput())
        async with open_call(session, audio, record=recording, timeline=True) as call:
            await trio.sleep(1.5)
            proxy.stall(1.0, "down")
            stalled = call._clock.now
            async for event in call:
                events.append(event)
    write_stats(record, make_record(call, events))
    write_report(report, read_record(record), recording)
    page = parse(report.read_text(encoding="utf-8"))

    (seconds,) = {call.statistics().times.ended}
    assert seconds is not None
    column_seconds = seconds / COLUMNS
    rect = page.one("g", "trouble", "late").one("rect", "band")
    began = (rect.number("x") - GUTTER) * column_seconds
    ended = began + rect.number("width") * column_seconds
    # From the last message before it, which may be as old as one lasts.
    assert stalled - MESSAGE_SECONDS - BLOCK_SECONDS <= began <= stalled + BLOCK_SECONDS
    assert ended == pytest.approx(stalled + 1.0, abs=MESSAGE_SECONDS + BLOCK_SECONDS)

    # What was gathered before it is heard; then nothing is, until it is over.
    first, edges = heights(page.all("path", "wave")[1])
    quiet = np.array(edges) == max(edges)
    times = (first + np.arange(len(quiet))) * column_seconds
    assert quiet[(times > stalled + 0.12) & (times < stalled + 0.97)].all()
    assert not quiet[(times > stalled - 0.5) & (times < stalled)].any()
    assert not quiet[(times > stalled + 1.12) & (times < stalled + 2.0)].any()


async def test_every_figure_is_in_the_record_of_a_call_and_every_number_of_it_on_the_page(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    agent = SpeakAgent(noise(0.2, 16_000), then="close")
    async with open_simulator(agent) as simulator:
        audio = Audio(MemoryInput(), MemoryOutput(), echo="cancel")
        url = simulator.new_session_url()
        async with open_call(url, audio, record=tmp_path / "call.wav") as call:
            events = [event async for event in call]
    record = make_record(call, events)
    for name, (_, figures) in {**GROUPS, "times": ("", TIMES)}.items():
        fields = reduce(lambda value, key: value[key], name.split("."), record)
        told = {
            key
            for key, value in fields.items()
            if isinstance(value, float | int | None) and key != "crc32"
        }
        assert {figure.name for figure in figures} == told, name
