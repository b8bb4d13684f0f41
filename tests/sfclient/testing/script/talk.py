"""A scripted caller in a talk that is driven by hand: no call, no clock, and nothing to wait for."""

import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfclient.testing import Failure, Limits, Script
from sfclient.testing.script._caller import Caller

SAMPLERATE = 16_000
BLOCK_SECONDS = 0.02
MOST_SECONDS = 600

Spans = list[tuple[float, float]]


def voice(seconds: float, samplerate: int = SAMPLERATE) -> NDArray[np.int16]:
    """Loud enough for a gate."""
    time = np.arange(round(seconds * samplerate)) / samplerate
    return (9000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16)


def write_voice(
    path: Path, seconds: float, before: float = 0.0, behind: float = 0.0, rate: int = SAMPLERATE
) -> Path:
    """A WAV file that speaks for so long, with silence before and behind."""
    silence = [np.zeros(round(each * rate), np.int16) for each in (before, behind)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.concatenate([silence[0], voice(seconds, rate), silence[1]]).tobytes())
    return path


class Call(SimpleNamespace):
    """What a caller asks of a call."""

    connected = True
    seconds = 0.0
    flushed = 0
    hung_up = 0

    def hang_up(self) -> None:
        self.hung_up += 1

    def flush(self) -> None:
        self.flushed += 1


class Talk:
    """Of a caller by the steps, with an agent who speaks in these spans of seconds, from when sound flows."""

    def __init__(
        self,
        steps: list[Any],
        spans: Spans,
        *,
        limits: Limits | None = None,
        ready_at: float = 0.0,
        ends_at: float = MOST_SECONDS,
        block_seconds: float = BLOCK_SECONDS,
    ) -> None:
        self.caller = Caller(Script("talk", steps, limits or Limits()), SAMPLERATE)
        self.call = Call(connected=ready_at == 0)
        self.caller.call = self.call  # type: ignore[assignment]
        self.caller.ear.open(SAMPLERATE)
        agent = np.zeros(0, np.int16)
        for begins, ends in spans:
            agent = np.concatenate([agent, np.zeros(frames(begins) - len(agent), np.int16)])
            agent = np.concatenate([agent, voice(ends - begins)])
        said = []
        frames_a_block = frames(block_seconds)
        while not self.call.hung_up and self.caller.now < ends_at:
            assert self.caller.now < MOST_SECONDS, "it never ends"
            self.call.seconds = self.caller.now
            self.call.connected = self.caller.now >= ready_at
            said.append(self.caller.mouth.read(frames_a_block).copy())
            at = frames(self.caller.now)
            block = agent[at : at + frames_a_block]
            silence = np.zeros(frames_a_block - len(block), np.int16)
            self.caller.ear.write(np.concatenate([block, silence]))
        self.said = np.concatenate(said)
        self.seconds = self.caller.now
        self.caller.close()

    @property
    def failure(self) -> Failure | None:
        return self.caller.failure

    @property
    def said_spans(self) -> Spans:
        """When the caller spoke, to 10 ms; pauses of less than a tenth of a second are none."""
        step = frames(0.01)
        levels = np.abs(self.said[: len(self.said) // step * step]).reshape(-1, step).max(axis=1)
        spans: Spans = []
        for at in np.flatnonzero(levels):
            if spans and at / 100 - spans[-1][1] < 0.1:
                spans[-1] = spans[-1][0], (at + 1) / 100
            else:
                spans.append((at / 100, (at + 1) / 100))
        return spans


def frames(seconds: float) -> int:
    return round(seconds * SAMPLERATE)
