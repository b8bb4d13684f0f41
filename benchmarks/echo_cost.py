"""What cancelling takes of a core, at 48 kHz, in chunks of 20 ms; and by how much it delays."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pywebrtc_audio
from echo_figures import Figure
from echo_rivals import WEBRTC_LATENCY, dithered, int16
from echo_rooms import Way
from echo_scenes import Scene, agent, caller, in_turns, staged

import sfaudio

SAMPLERATE = 48_000
LIMIT = 1.0  # % of a core
SECONDS = 60.0


def percent(process: Callable[..., object], captured: np.ndarray, played: np.ndarray) -> float:
    chunk = SAMPLERATE // 50
    begin = time.process_time()
    for at in range(0, len(captured) - chunk + 1, chunk):
        process(captured[at : at + chunk], played[at : at + chunk])
    return 100 * (time.process_time() - begin) / (len(captured) / SAMPLERATE)


def cost(runs: int) -> Iterator[Figure]:
    said = agent(SECONDS, 0)
    scenes: dict[str, Scene] = {
        "agent 10 s on, 10 s off, caller talks": staged(
            in_turns(said, 10.0, 10.0), Way(), near=caller(SECONDS, 0)
        ),
        "both talk": staged(said, Way(), near=caller(SECONDS, 0)),
        "agent silent": staged(0 * said, Way(), near=caller(SECONDS, 0)),
        "exact zeros on both sides after 5 s": staged(
            in_turns(said, 5.0, SECONDS), Way(), noise_dbfs=-200.0
        ),
    }
    for name, scene in scenes.items():
        at_48k = scene.at(SAMPLERATE)
        captured, played = int16(at_48k.microphone), int16(at_48k.played)
        values = {
            "ours": [
                percent(sfaudio.EchoCanceller(SAMPLERATE).process, captured, played)
                for _ in range(runs)
            ],
            "gate": [percent(sfaudio.EchoGate(SAMPLERATE).process, captured, played)],
            "webrtc": [
                percent(
                    pywebrtc_audio.EchoCanceller(SAMPLERATE, 1).process,
                    captured,
                    dithered(at_48k.played),
                )
            ],
        }
        yield Figure(f"CPU at 48 kHz, {name}", "% of a core", "at most", values, LIMIT, min)
    for samplerate in (16_000, SAMPLERATE):
        latency = {
            "ours": [1000 * sfaudio.EchoCanceller(samplerate).latency],
            "gate": [1000 * sfaudio.EchoGate(samplerate).latency],
            "webrtc": [1000 * WEBRTC_LATENCY[samplerate]],
        }
        yield Figure(f"delay added at {samplerate} Hz", "ms", "at most", latency, None, max)
