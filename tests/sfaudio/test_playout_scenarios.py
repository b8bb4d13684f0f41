"""Random calls through the playout engine: the log tells the output bit for bit, the books balance at every block."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfaudio import Resampler

from .engine_player import Player, balanced, talk
from .playout_reference import Samples, reconstruct

KINDS = {"play", "remove", "insert", "cut", "hold", "conceal", "silence", "resume", "flush"}
NORMAL, SLOW = 40, 10_000

# What a stretch of a call is like, and how many blocks of it there may be.
STRETCHES = {
    "paced": (20, 500),  # each message when it has been said, a few late
    "stalled": (1, 150),  # nothing comes; then all of it at once
    "trickling": (5, 60),  # after a stall, little by little
    "burst": (1, 300),  # ahead of time, at once
    "fast": (10, 200),  # three times as fast as it is said
    "slow": (50, 400),  # at 0.9 of the speed
    "nothing": (1, 120),  # nobody says anything
    "flush": (1, 1),
    "drain": (1, 1),
    "abort": (1, 1),
}
RATES = (8000, 16000, 24000, 44100, 48000)


@dataclass(frozen=True)
class Scenario:
    samplerate: int
    message_ms: int
    seed: int
    stretches: tuple[tuple[str, int], ...]


def stretch(kind: str) -> st.SearchStrategy[tuple[str, int]]:
    return st.tuples(st.just(kind), st.integers(*STRETCHES[kind]))


# Only what is paced for some seconds is stretched, so that a third of them is.
SCENARIOS = st.builds(
    Scenario,
    st.sampled_from(RATES),
    st.sampled_from((10, 20, 30, 60)),
    st.integers(0, 2**32),
    st.lists(
        st.one_of(
            stretch("paced"),
            st.sampled_from(["flush", "drain", "abort"]).flatmap(stretch),
            st.sampled_from(list(STRETCHES)).flatmap(stretch),
        ),
        min_size=1,
        max_size=9,
    ).map(tuple),
)


class Call:
    """A scenario under way: media that have been said and not come yet, and a device that asks in chunks of its own."""

    def __init__(self, scenario: Scenario, player: Player) -> None:
        self.scenario, self.player = scenario, player
        self.rng = np.random.default_rng(scenario.seed)
        self.said = talk(scenario.samplerate)
        self.at = int(self.rng.integers(len(self.said) // 2))
        self.pending = 0.0  # frames said, not come
        self.unbalanced: list[object] = []
        self.aborts: list[tuple[int, int]] = []  # pieces and frames of the output before each

    def come(self, frames: int) -> None:
        """In pieces that may split a sample."""
        taken = self.said[np.arange(self.at, self.at + frames) % len(self.said)].tobytes()
        split = int(self.rng.integers(len(taken) + 1)) if self.rng.random() < 0.3 else 0
        for part in (taken[:split], taken[split:]):
            self.player.write(part)
        self.at += frames

    def come_whole_messages(self) -> None:
        message = self.player.block * self.scenario.message_ms // 10
        self.come(int(self.pending) // message * message)
        self.pending %= message

    def block(self) -> None:
        """In one or more chunks, which need not end with it."""
        wanted = self.player.block
        if self.rng.random() < 0.2:
            wanted = int(self.rng.integers(1, 3 * wanted))
        self.player.read(wanted)
        said = self.player.statistics
        if not balanced(said) or self.player.engine.queued_frames != said.queued_frames:
            self.unbalanced.append(said)

    def run(self) -> None:
        for kind, blocks in self.scenario.stretches:
            self.stretch(kind, blocks)
        self.player.queue.drain()
        for _ in range(20):
            self.block()

    def stretch(self, kind: str, blocks: int) -> None:
        block = self.player.block
        if kind in ("flush", "drain"):
            getattr(self.player.queue, kind)()
        elif kind == "abort":
            self.player.engine.abort()
            self.player.log += self.player.engine.read_log()
            self.aborts.append((len(self.player.log), len(self.player.output)))
        elif kind == "burst":
            self.come(blocks * block)
        else:
            speed = {"fast": 3.0, "slow": 0.9, "nothing": 0.0}.get(kind, 1.0)
            late = 0
            for now in range(blocks):
                self.pending += speed * block
                late = int(self.rng.integers(12)) if self.rng.random() < 0.04 else late - 1
                if kind == "trickling":
                    self.come(int(min(self.pending, self.rng.integers(block))))
                    self.pending = max(0.0, self.pending - block)
                elif (kind != "stalled" and late <= 0) or now == blocks - 1:
                    self.come_whole_messages()
                self.block()


def played(scenario: Scenario, output_samplerate: int | None = None) -> Call:
    player = Player(scenario.samplerate, output_samplerate=output_samplerate)
    call = Call(scenario, player)
    call.run()
    return call


def check(scenario: Scenario) -> Counter[str]:
    call = played(scenario)
    player = call.player
    assert not call.unbalanced
    assert np.array_equal(player.reconstructed(), player.output)
    said = player.statistics
    assert said.written_frames == len(player.media)
    return player.pieces


# Whatever is drawn besides, in this one is every kind of piece.
EVERYTHING = Scenario(
    samplerate=16000,
    message_ms=20,
    seed=0,
    stretches=(
        ("paced", 500),
        ("stalled", 100),
        ("paced", 500),
        ("stalled", 30),
        ("paced", 400),
        ("flush", 1),
        ("paced", 60),
    ),
)


def check_many(examples: int) -> Counter[str]:
    seen = check(EVERYTHING)

    @settings(max_examples=examples)
    @given(SCENARIOS)
    def whatever_happens(scenario: Scenario) -> None:
        seen.update(check(scenario))

    whatever_happens()
    return seen


def test_the_log_reconstructs_the_output_and_the_books_balance() -> None:
    """Every kind of piece is among them."""
    assert check_many(NORMAL).keys() == KINDS


@pytest.mark.slow
def test_the_log_reconstructs_the_output_of_ten_thousand_calls() -> None:
    assert check_many(SLOW).keys() == KINDS


@settings(max_examples=30)
@given(scenario=SCENARIOS, output_samplerate=st.sampled_from((16000, 44100, 48000)))
def test_at_the_rate_of_the_device_it_is_the_output_resampled(
    scenario: Scenario, output_samplerate: int
) -> None:
    """After an abort it begins anew."""
    call = played(scenario, output_samplerate)
    output, log, media = call.player.output, call.player.log, call.player.media
    assert not call.unbalanced
    before = begins = 0
    for pieces, ends in [*call.aborts, (len(log), len(output))]:
        wire = reconstruct(log[:pieces], media, scenario.samplerate)
        expected: Samples = wire[before:]
        if output_samplerate != scenario.samplerate:
            expected = Resampler(scenario.samplerate, output_samplerate).process(expected)
        assert ends - begins <= len(expected)
        assert np.array_equal(output[begins:ends], expected[: ends - begins])
        before, begins = len(wire), ends


def in_other_chunks(scenario: Scenario, write: int, read: int) -> Samples:
    """The same arrivals at each block, written `write` bytes and read `read` frames at a time."""
    rng = np.random.default_rng(scenario.seed)
    player = Player(scenario.samplerate)
    said, at = talk(scenario.samplerate), 0
    for _, blocks in scenario.stretches:
        gap = int(rng.integers(1, 40)) if rng.random() < 0.4 else 0
        for now in range(blocks):
            due = (gap + 1 if now == gap else now > gap) * player.block
            data = said[at : at + due].tobytes()
            at += due
            for begin in range(0, len(data), write):
                player.write(data[begin : begin + write])
            for begin in range(0, player.block, read):
                player.read(min(read, player.block - begin))
    return player.output


@settings(max_examples=20)
@given(scenario=SCENARIOS, write=st.sampled_from((33, 501, 10**6)), read=st.sampled_from((31, 100)))
def test_the_chunks_of_writing_and_reading_change_nothing(
    scenario: Scenario, write: int, read: int
) -> None:
    whole = in_other_chunks(scenario, 10**6, 10**6)
    assert np.array_equal(in_other_chunks(scenario, write, read), whole)
