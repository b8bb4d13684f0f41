"""A minute both ways, in each dialect: what the agent hears is the speech, what the visitor hears has no hole."""

from collections.abc import Callable

import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from sfaudio import Resampler, float32_to_int16
from sfclient.simulator import SimulatedCall

from .conftest import KEY, Visit, open_site, speech

pytestmark = pytest.mark.browser

SECONDS = 60
AGENT_RATE = 16_000
MESSAGE = 640  # bytes: 20 ms of the agent's speech
SEEN_RATE = 8000  # at which sounds are compared
WINDOW = SEEN_RATE // 10
FIRST_REACH = 5 * SEEN_RATE // 2  # where the first window may be; it comes again after 6 s
REACH = SEEN_RATE // 10  # and the next ones, from where the one before them was
LOUD = 800  # RMS: somebody speaks
ALIKE = 0.85  # a normalized correlation; half a sample of delay costs that much in an s

Sound = NDArray[np.float64]


async def agent(call: SimulatedCall) -> None:
    """Speaks for a minute, as it is spoken, and hangs up."""
    said = speech(SECONDS, AGENT_RATE)
    await call.client_ready()
    began = trio.current_time()
    for at in range(0, len(said), MESSAGE):
        await trio.sleep_until(began + at / (2 * AGENT_RATE))
        await call.send_audio(said[at : at + MESSAGE])
    await call.close(1000, "that was all")


def seen(pcm: bytes, rate: int) -> Sound:
    return Resampler(rate, SEEN_RATE).process(pcm).astype(float)


def follow(said: Sound, heard: Sound) -> tuple[float, list[float]]:
    """How much of what was said was heard, window by window, and by how many seconds it shifts on the way."""
    found, shifts, at = [], [], 0
    reach = FIRST_REACH
    for begin in range(0, len(said) - WINDOW, WINDOW):
        window = said[begin : begin + WINDOW]
        low = max(0, begin + at - reach)
        near = heard[low : begin + at + reach + WINDOW]
        if np.sqrt(np.mean(window**2)) < LOUD or len(near) < WINDOW:
            continue
        energies = np.convolve(near**2, np.ones(WINDOW), "valid") * (window @ window)
        likeness = np.correlate(near, window, "valid") / np.sqrt(energies + 1e-9)
        best = int(np.argmax(likeness))
        found.append(likeness[best] > ALIKE)
        if likeness[best] > ALIKE:
            shift, at = low + best - begin - at, low + best - begin
            if shift and reach == REACH:
                shifts.append(shift / SEEN_RATE)
            reach = REACH
    return float(np.mean(found)), shifts


def holes(played: NDArray[np.float32], rate: int) -> int:
    """Silences of more than 2 ms between the first sound and the last."""
    sounding = np.flatnonzero(np.abs(played) > 1e-4)
    return int(np.sum(np.diff(sounding) > 0.002 * rate))


@pytest.mark.parametrize("dialect", ["widget", "ws-media"])
def test_a_minute_both_ways(visit: Callable[..., Visit], dialect: str) -> None:
    wire_rate = 48_000 if dialect == "widget" else 16_000
    with open_site(agent, dialect) as site:
        visitor = visit(tap=True)
        visitor.begin(site.url)
        visitor.sees("Connected to call")
        visitor.page.click("summary")
        visitor.sees("The agent hung up.", SECONDS + 30)
        figures = visitor.figures()
        sent = visitor.bytes("sent")
        played = np.frombuffer(visitor.bytes("played"), "<f4")
        rate = visitor.page.evaluate("told.rate")
        kept = visitor.page.evaluate(
            "JSON.stringify([localStorage, sessionStorage, document.cookie, document.documentElement.outerHTML])"
        )
        call = site.call()

    # The agent heard what the page sent, to the byte, as much as there was time for; and it is the speech.
    heard = call.received_audio
    in_wire_order = np.frombuffer(sent, "<i2" if dialect == "widget" else ">i2").astype("<i2")
    assert heard == in_wire_order.tobytes()
    assert len(heard) == int(figures["Messages sent"]) * 2 * wire_rate // 50
    arrived = [message.arrived for message in call.messages if message.kind == "binary"]
    assert len(heard) / (2 * wire_rate) == pytest.approx(arrived[-1] - arrived[0], abs=0.5)
    share_heard, shifts_heard = follow(seen(speech(70, 48_000), 48_000), seen(heard, wire_rate))

    # The visitor heard what the agent said, and no hole that was not a gap of the network.
    said = speech(SECONDS, AGENT_RATE)
    share_played, shifts_played = follow(
        seen(said, AGENT_RATE), seen(float32_to_int16(played).tobytes(), rate)
    )
    gaps, found = int(figures["Gaps of the network"]), holes(played, rate)
    print(
        f"\n{dialect}: {len(heard) // 2} frames heard, {share_heard:.1%} of the speech in them, shifted {shifts_heard}"
        f"\nat {rate} Hz {share_played:.1%} of the agent's speech played, shifted {shifts_played}, {found} holes"
        f"\n{figures}"
    )
    assert share_heard > 0.95
    assert share_played > 0.95
    assert figures["Agent's speech that came"] == f"{SECONDS:.2f} s"
    assert figures["Dropped"] == "0.00 s"
    assert found <= gaps

    # No key, whatever the browser was told, and no complaint of the browser's.
    for sign in ("/session", "ws://", "status_agent_ready" if dialect == "widget" else "bind"):
        assert [told for told in visitor.told if sign in told] != []  # it was listened to
    assert [told for told in [*visitor.told, kept] if KEY in told] == []
    assert visitor.faults == []
