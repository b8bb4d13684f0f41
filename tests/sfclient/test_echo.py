"""The way past the echo canceller and the gate: each frame leaves once, beside what was played when it was recorded."""

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio import EchoCancellerStatistics
from sfclient import Connected, EchoCancelled, EchoGated, UsageError, _echo
from sfclient._captured import Captured
from sfclient._devices import NullOutput, Reference
from sfclient._devices._virtual import VirtualLine
from sfclient._echo import Echo, EchoFree, check_echo, open_captured

from .books import capture_errors
from .conftest import Hold, listen

RATE = 16_000
BLOCK = 160  # 10 ms of it


class Canceller:
    """Cancels nothing, and notes what it is given; leaks when it is told to."""

    def __init__(self, samplerate: int) -> None:
        self.latency = 0.01
        self._line = np.zeros(samplerate // 100, np.int16)
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self.skipped: list[np.ndarray] = []
        self.changes = 0
        self.is_leaking = False
        self.delay_seconds: float | None = 0.05

    def process(self, captured: np.ndarray, played: np.ndarray) -> np.ndarray:
        assert len(captured) == len(played)
        assert len(captured) % len(self._line) == 0
        self.pairs.append((captured, played))
        line = np.concatenate((self._line, captured))
        self._line = line[len(captured) :]
        return line[: len(captured)]

    def skip(self, played: np.ndarray) -> None:
        assert len(played) % len(self._line) == 0
        self.skipped.append(played)

    def path_changed(self) -> None:
        self.changes += 1

    def statistics(self) -> EchoCancellerStatistics:
        return EchoCancellerStatistics(
            "cancelling", self.delay_seconds, 0, 0, 0, 0, 0, 30.0, self.is_leaking, self.changes, 0
        )


@pytest.fixture
def canceller(monkeypatch: pytest.MonkeyPatch) -> list[Canceller]:
    """Those that are made, in order."""
    made: list[Canceller] = []

    def make(samplerate: int) -> Canceller:
        made.append(Canceller(samplerate))
        return made[-1]

    monkeypatch.setattr(_echo, "EchoCanceller", make)
    return made


def stage(mode: str = "auto", device: int = RATE, wire: int = RATE) -> EchoFree:
    """With the reference begun, as by a line."""
    captured = EchoFree(device, Echo(mode, wire, lambda: 0.0), Reference(device, device))
    captured.reference.begin(0)
    return captured


def record(captured: EchoFree, frames: int, first: int = 1, silent: bool = False) -> np.ndarray:
    """Counted, and so is what is played meanwhile: negative."""
    samples = np.arange(first, first + frames).astype(np.int16)
    captured.queue.write(samples)
    captured.reference.queue.write(np.zeros(frames, np.int16) if silent else -samples)
    return samples


def taken(captured: Captured, frames: int) -> np.ndarray:
    return np.frombuffer(captured.take(frames), np.int16)


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, frames, np.int16)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    wire=st.sampled_from([8000, 16_000, 48_000]),
    device=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    mode=st.sampled_from(["cancel", "gate", "auto"]),
    steps=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 1500)), max_size=12),
)
def test_while_nothing_is_played_all_is_sent_as_without_it_and_only_later(
    wire, device, mode, steps
):
    captured, plain = stage(mode, device, wire), Captured(device, wire)
    sent, sent_plain = bytearray(), bytearray()
    for seed, (recorded, chunk) in enumerate(steps):
        block = noise(recorded, seed)
        captured.reference.queue.write(np.zeros(recorded, np.int16))
        for each, out in ((captured, sent), (plain, sent_plain)):
            each.queue.write(block)
            while each.available >= chunk:
                assert each.queue.queued_frames >= each.queued_for(chunk)
                out += each.take(chunk)
                assert capture_errors(each.statistics()) == []
    plain_rest = plain.take(plain.available)
    assert bytes(sent_plain + plain_rest).startswith(bytes(sent))
    held = len(sent_plain + plain_rest) // 2 - len(sent) // 2
    assert held <= (0.11 + 0.04) * wire + 1500
    assert captured.padded_frames == 0
    captured.close()
    assert capture_errors(captured.statistics()) == []
    assert captured.statistics().queued_frames == 0


@pytest.mark.parametrize("chunk", [80, 241, 320, 960])
@pytest.mark.parametrize(("device", "wire"), [(RATE, RATE), (44_100, 48_000), (48_000, 8000)])
def test_each_frame_is_beside_what_was_played_when_it_was_recorded(canceller, device, wire, chunk):
    captured = stage("cancel", device, wire)
    for turn in range(20):
        record(captured, device // 50, 1 + turn * device // 50)
        while captured.available >= chunk:
            captured.take(chunk)
    played = np.concatenate([pair[1] for pair in canceller[0].pairs])
    recorded = np.concatenate([pair[0] for pair in canceller[0].pairs])
    assert len(played) > 0.3 * wire
    np.testing.assert_array_equal(played, -recorded)


def test_a_chunk_can_be_taken_with_the_frame_that_makes_it_whole(canceller):
    captured = stage("cancel")
    record(captured, 2 * BLOCK - 1)
    assert captured.available == 0
    record(captured, 1, 2 * BLOCK)
    assert captured.queued_for(100) == 2 * BLOCK  # the first leaves when the second has come
    assert captured.available == BLOCK
    np.testing.assert_array_equal(taken(captured, 100), np.arange(1, 101))
    assert captured.available == 60
    assert captured.queued_for(60) == 0


def test_what_is_held_for_it_makes_what_is_taken_later(canceller):
    captured = stage("cancel")
    record(captured, 1000)
    captured.take(300)
    behind = captured.behind_seconds
    assert behind == pytest.approx(700 / RATE)
    assert captured.statistics().queued_frames == 700


@pytest.mark.parametrize("lost", [BLOCK, 7 * BLOCK, 7 * BLOCK + 33])
def test_what_was_played_while_frames_were_dropped_is_told_all_the_same(canceller, lost):
    captured = stage("cancel")
    record(captured, 1000)
    taken(captured, 250)
    assert capture_errors(captured.statistics()) == []
    captured.drop(captured.queue.queued_frames)  # whole blocks
    left = captured.queue.queued_frames
    record(captured, lost, 1001)
    captured.drop(left + lost)
    assert capture_errors(captured.statistics()) == []
    record(captured, 2000, 1001 + lost)
    left = captured.queue.queued_frames - 2000
    assert left < BLOCK
    before = captured.lost_frames
    after = taken(captured, 500)
    assert after[0] == 1001 + lost - left
    np.testing.assert_array_equal(np.diff(after), 1)
    assert captured.lost_frames == before == 1000 + lost - left - 250
    (skipped,) = canceller[0].skipped
    assert skipped[-1] == -(after[0] - 1)
    assert len(skipped) == captured.queue.dropped_frames
    for recorded, played in canceller[0].pairs:
        np.testing.assert_array_equal(played, -recorded)
    assert capture_errors(captured.statistics()) == []


def test_after_seconds_that_nobody_took_the_newest_are_beside_what_was_played(canceller):
    captured = stage("cancel")
    record(captured, 1000)
    captured.take(250)
    for turn in range(25):  # of 20 s, that are kept
        record(captured, RATE - 7, 1001 + turn * (RATE - 7))
    before = captured.available
    data = taken(captured, 320)
    np.testing.assert_array_equal(np.diff(data), 1)
    assert captured.available <= before
    assert captured.padded_frames == 0
    assert len(np.concatenate(canceller[0].skipped)) == 2 * RATE
    for recorded, played in canceller[0].pairs:
        np.testing.assert_array_equal(played, -recorded)
    assert capture_errors(captured.statistics()) == []


def test_zeros_for_which_a_microphone_was_late_are_not_heard_by_the_canceller(canceller):
    captured = stage("cancel")
    samples = record(captured, 500)
    data = taken(captured, 400)
    whole = 2 * BLOCK  # of 500, and the one that is held
    np.testing.assert_array_equal(data[:whole], samples[:whole])
    assert not data[whole:].any()
    assert captured.padded_frames == 400 - whole
    assert sum(len(recorded) for recorded, _ in canceller[0].pairs) == 3 * BLOCK
    assert capture_errors(captured.statistics()) == []


def test_other_devices_are_another_path(canceller):
    captured = stage("cancel")
    captured.reference.begin_devices(0)
    record(captured, 4 * BLOCK)
    captured.take(BLOCK)
    assert canceller[0].changes == 0
    captured.reference.begin_devices(4 * BLOCK)
    record(captured, 4 * BLOCK, 1 + 4 * BLOCK)
    captured.take(5 * BLOCK)
    captured.take(BLOCK)
    assert canceller[0].changes == 1


def test_a_canceller_that_leaks_is_followed_by_a_gate_until_it_does_not(canceller):
    told = []
    captured = stage("auto")
    captured.echo.tell = told.append
    heard = []

    def call(blocks: int, silent: bool = True) -> None:
        for _ in range(blocks):
            record(captured, BLOCK, 1 + call.recorded, silent)
            call.recorded += BLOCK
            while captured.available >= BLOCK:
                heard.append(taken(captured, BLOCK))
            assert capture_errors(captured.statistics()) == []

    call.recorded = 0
    call(20)
    assert captured.echo_statistics().added_seconds == 0.01
    canceller[0].is_leaking = True
    call(40)
    assert told == [EchoGated()]
    figures = captured.echo_statistics()
    assert (figures.state, figures.leaks) == ("gating", 1)
    assert figures.added_seconds == pytest.approx(0.11)
    canceller[0].is_leaking = False
    call(20)
    assert told == [EchoGated(), EchoCancelled()]
    assert captured.echo_statistics().state == "cancelling"
    out = np.concatenate(heard)
    # Nothing was played: each frame has left once, as itself, and the last 10 ms are held.
    np.testing.assert_array_equal(out, np.arange(1, call.recorded + 1 - BLOCK))
    canceller[0].is_leaking = True
    heard.clear()
    call(100, silent=False)
    assert not np.concatenate(heard)[40 * BLOCK :].any()
    figures = captured.echo_statistics()
    assert figures.leaks == 2
    assert figures.gated_seconds > 0.4


def test_a_canceller_that_was_asked_for_is_not_replaced(canceller):
    captured = stage("cancel")
    captured.echo.tell = pytest.fail
    canceller[0].is_leaking = True
    samples = record(captured, 100 * BLOCK)
    np.testing.assert_array_equal(taken(captured, 90 * BLOCK), samples[: 90 * BLOCK])


@pytest.mark.parametrize(
    ("mode", "known", "delay"), [("gate", None, 0.3), ("gate", 0.4, 0.4), ("auto", 0.4, 0.4)]
)
def test_what_a_gate_silences_is_where_the_echo_is(canceller, mode, known, delay):
    """As the canceller has found, or else as the device tells; also in what comes later, out of the canceller."""
    captured = EchoFree(RATE, Echo(mode, RATE, lambda: 0.3), Reference(RATE, RATE))
    captured.reference.begin(0)
    canceller[0].delay_seconds = known
    canceller[0].is_leaking = True
    played = np.zeros(RATE, np.int16)
    played[RATE // 10 : RATE // 5] = 9000
    out = []
    for block in np.split(played, 100):
        captured.queue.write(np.full(BLOCK, 5, np.int16))  # a caller would open it before its time
        captured.reference.queue.write(block)
        while captured.available >= BLOCK:
            out.append(taken(captured, BLOCK))
    zeros = np.flatnonzero(np.concatenate(out) == 0)
    first = round((0.1 + delay) * RATE)
    np.testing.assert_array_equal(zeros, np.arange(first, first + round(0.3 * RATE)))
    figures = captured.echo_statistics()
    assert (figures.mode, figures.state, figures.delay_seconds) == (mode, "gating", known)
    assert figures.gated_seconds == pytest.approx(0.3)


def test_a_gate_that_begins_to_stand_in_knows_what_was_played_before(canceller):
    captured = stage("auto")
    record(captured, 41 * BLOCK, 1000)
    canceller[0].is_leaking = True
    assert taken(captured, 40 * BLOCK).all()
    captured.queue.write(np.full(30 * BLOCK, 5, np.int16))
    captured.reference.queue.write(np.zeros(30 * BLOCK, np.int16))
    assert captured.available == 20 * BLOCK
    assert not taken(captured, 20 * BLOCK).any()


def line(is_real: bool) -> VirtualLine:
    line = VirtualLine(None, NullOutput(), RATE, RATE)
    line.is_real = is_real
    return line


@pytest.mark.parametrize(
    ("choice", "is_real", "is_one", "expected"),
    [
        ("auto", True, True, "auto"),
        ("auto", True, False, None),
        ("auto", False, True, None),
        ("off", True, True, None),
        ("cancel", False, True, "cancel"),
        ("gate", True, True, "gate"),
    ],
)
def test_an_echo_is_looked_for_between_sound_devices(choice, is_real, is_one, expected):
    recording = line(is_real)
    captured = open_captured(choice, recording, recording if is_one else line(False), RATE)
    if expected is None:
        assert type(captured) is Captured
    else:
        assert isinstance(captured, EchoFree)
        assert captured.echo.mode == expected


@pytest.mark.parametrize("choice", ["cancel", "gate"])
def test_an_echo_that_nobody_can_hear_is_wrong_use(choice):
    with pytest.raises(UsageError, match=rf"echo='{choice}' .* name a device as input and output"):
        open_captured(choice, line(True), line(False), RATE)


def test_a_rate_that_cannot_be_cancelled_is_wrong_use():
    with pytest.raises(UsageError, match=r"choose echo='off': .*24000"):
        open_captured("cancel", *[line(True)] * 2, 24_000)


def test_an_unknown_choice_is_wrong_use():
    with pytest.raises(UsageError, match=r"auto, cancel, gate, off, not 'on'"):
        check_echo("on")


@pytest.mark.parametrize("wire", [8000, 16_000, 48_000])
@pytest.mark.parametrize(("mode", "seconds"), [("cancel", 0.01), ("auto", 0.01), ("gate", 0.1)])
def test_the_delay_that_it_adds_is_the_one_that_it_tells(wire, mode, seconds):
    captured = stage(mode, wire, wire)
    added = captured.echo_statistics().added_seconds
    assert added in (seconds, 0.02 if wire == 48_000 else None)  # with the filters of a split band
    block = wire // 100
    for recorded in range(1, 20 * block):
        record(captured, 1, recorded, silent=True)
        if captured.available >= block:
            break
    assert recorded == block + added * wire
    np.testing.assert_array_equal(taken(captured, block), np.arange(1, block + 1))


async def test_a_call_tells_when_a_gate_stands_in_for_the_canceller(
    canceller, fast_clock, monkeypatch
):
    monkeypatch.setattr(VirtualLine, "is_real", True)
    async with Hold("ws-media", None)(listen) as held:
        with trio.fail_after(3):
            async for event in held.call:
                if isinstance(event, Connected):
                    canceller[0].is_leaking = True
                elif isinstance(event, EchoGated):
                    break
        assert event.at == pytest.approx(held.call.seconds, abs=0.05)
        assert held.call.statistics().echo.state == "gating"
        held.call.hang_up()
