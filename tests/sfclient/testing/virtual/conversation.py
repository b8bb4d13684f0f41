"""A conversation of a few minutes, and what it was to both sides as one hash; by itself it prints that."""

import hashlib
import sys
from typing import Any

import numpy as np
import trio
from numpy.typing import NDArray

from sfclient import Audio, open_call
from sfclient.simulator import ReplyAgent
from sfclient.testing import Link, Network, open_memory_agent, run_virtually

TURN_SECONDS = 4
NETWORK = Network(up=Link(delay=0.03, jitter=0.02), down=Link(delay=0.03, jitter=0.02, rate=90_000))


def voice(seconds: float, samplerate: int, hertz: float) -> NDArray[np.int16]:
    """Loud enough for a gate, and no two moments of it alike."""
    time = np.arange(round(seconds * samplerate)) / samplerate
    return (9000 * np.sin(2 * np.pi * (hertz + 20 * time) * time)).astype(np.int16)


class Talker:
    """A source that speaks for a second, again and again."""

    def __init__(self, samplerate: int) -> None:
        self._samplerate = samplerate
        self._turn = np.zeros(TURN_SECONDS * samplerate, np.int16)
        self._turn[:samplerate] = voice(1, samplerate, 300)
        self._position = 0

    def open(self) -> int:
        return self._samplerate

    def read(self, frames: int) -> NDArray[np.int16]:
        self._position += frames
        return np.take(self._turn, range(self._position - frames, self._position), mode="wrap")


class Ear:
    """A sink that keeps a hash of all that it hears."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def open(self, samplerate: int) -> int:
        return samplerate

    def write(self, block: NDArray[np.int16]) -> None:
        self.hash.update(block)

    def close(self) -> None:
        pass


async def converse(
    dialect: str, seconds: float, network: Network | None = None, **options: Any
) -> str:
    """Hold it; its hash, of the sound and of each event and figure."""
    ear = Ear()
    answers = [voice(1.2, 16_000, 200).tobytes(), voice(0.8, 16_000, 150).tobytes()]
    events = []
    async with (
        open_memory_agent(
            ReplyAgent(answers, greeting=answers[0]), dialect=dialect, network=network, keep=False
        ) as there,
        open_call(
            there.session(),
            Audio(Talker(48_000 if dialect == "widget" else 16_000), ear),
            max_seconds=seconds,
            **options,
        ) as call,
    ):
        async for event in call:
            events.append(repr(event))
        figures = call.statistics()
        told = figures.conversation, figures.network, figures.playout, figures.capture
    assert figures.conversation.turns >= seconds // TURN_SECONDS
    ear.hash.update(f"{events} {told} {trio.current_time()}".encode())
    return ear.hash.hexdigest()


if __name__ == "__main__":
    dialect, minutes = sys.argv[1:]
    print(run_virtually(converse, dialect, 60 * float(minutes), NETWORK))
