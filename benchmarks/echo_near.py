"""The caller talks: what is left of them, while the agent talks and while it does not, and what the gate takes.

Comfort noise is on, as in a call.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from echo_figures import Figure, Values
from echo_rivals import RIVALS, Heard, gate, ours
from echo_rooms import SAMPLERATE, Floats, Way
from echo_scenes import Scene, agent, caller, in_turns, over_echo, staged
from echo_score import aecmos, pesq

Play = Callable[[Scene], Heard]

WARM, ENDS = 6.0, 18.0  # seconds of a scene: what is scored
SECONDS = ENDS + 0.5  # of which what comes last, by a canceller's delay, is no part
DELAY = 0.1


def everybody() -> dict[str, Play]:
    return {"ours": ours} | RIVALS


def scored(
    scenes: Sequence[Scene], players: Mapping[str, Play], begin: float = WARM, talk: str = "dt"
) -> tuple[Values, Values, Values]:
    """AECMOS of echo, of the rest, and PESQ of the caller, by who plays."""
    echo, other, quality = Values(), Values(), Values()
    for scene in scenes:
        for who, play in players.items():
            out = play(scene).out
            marks = aecmos(scene, out, begin, ENDS, talk)
            echo.add(who, marks[0])
            other.add(who, marks[1])
            quality.add(who, pesq(scene, out, begin, ENDS))
    return echo, other, quality


# ---- both talk


def both(seed: int, ser: float, room: str = "0.4", begins: float = WARM) -> Scene:
    way = Way(room, seed, below=over_echo(ser), delay=DELAY)
    return staged(agent(SECONDS, seed), way, near=caller(SECONDS, seed, begins), seed=seed)


DOUBLE_TALK = (  # SER in dB, room, least AECMOS of the rest
    (20.0, "0.4", 4.5),
    (10.0, "0.4", 4.4),
    (0.0, "0.4", 4.0),
    (0.0, "0.7", 3.9),
)
LEAST_ECHO_MOS = 4.5


def double_talk(seeds: int) -> Iterator[Figure]:
    for ser, room, least in DOUBLE_TALK:
        scenes = [both(seed, ser, room) for seed in range(seeds)]
        name = f"SER {ser:.0f}, RT60 {room}"
        echo, other, quality = scored(scenes, everybody())
        yield Figure(f"{name}: AECMOS echo", "of 5", "at least", echo, LEAST_ECHO_MOS)
        yield Figure(f"{name}: AECMOS other", "of 5", "at least", other, least)
        yield Figure(f"{name}: PESQ", "of 4.6", "at least", quality)
    scenes = [both(seed, 0.0, begins=0.0) for seed in range(seeds)]
    echo, other, quality = scored(scenes, everybody(), begin=1.5)
    name = "SER 0, the caller from the first moment"
    yield Figure(f"{name}: AECMOS echo", "of 5", "at least", echo)
    yield Figure(f"{name}: AECMOS other", "of 5", "at least", other)
    yield Figure(f"{name}: PESQ", "of 4.6", "at least", quality)


# ---- nobody else talks, or nothing comes back


def harm(
    name: str,
    scenes: Sequence[Scene],
    limit: float | None,
    begin: float = WARM,
    untouched: Play = RIVALS["off"],
) -> Figure:
    """PESQ of the caller that is lost to what would be heard without a canceller."""
    lost = Values()
    for scene in scenes:
        whole = pesq(scene, untouched(scene).out, begin, ENDS)
        for who in ("ours", "gate", "webrtc"):
            got = pesq(scene, everybody()[who](scene).out, begin, ENDS)
            lost.add(who, whole - got)
    return Figure(f"{name}: PESQ lost", "of 4.6", "at most", lost, limit)


def agent_is_silent(seed: int) -> Scene:
    return staged(
        np.zeros(round(SECONDS * SAMPLERATE), np.float32), Way(), near=caller(SECONDS, seed)
    )


def one_after_another(seed: int) -> Scene:
    """The agent for 3 s, the caller for 3 s, and so on: each begins 100 ms after the other has ended."""
    said = in_turns(agent(SECONDS, seed), 3.0, 3.0)
    answered = np.roll(in_turns(caller(SECONDS, seed), 2.8, 3.2), round(3.1 * SAMPLERATE))
    return staged(said, Way(seed=seed, delay=DELAY), near=answered, seed=seed)


def without_echo(scene: Scene) -> Heard:
    return RIVALS["off"](replace(scene, echo=np.zeros_like(scene.echo)))


def headset(seed: int) -> Scene:
    """Nothing of what is played comes back."""
    scene = both(seed, 10.0)
    return replace(scene, echo=np.zeros_like(scene.echo))


def already_cancelled(seed: int) -> Scene:
    """A microphone whose own canceller has left a little, and more of it for half a second now and then."""
    scene = both(seed, 10.0)
    seconds = np.arange(len(scene.echo)) / SAMPLERATE
    left = np.where(seconds % 5 < 0.5, 10 ** (-25 / 20), 10 ** (-40 / 20))
    return replace(scene, echo=(scene.echo * left).astype(np.float32))


def near_alone(seeds: int) -> Iterator[Figure]:
    runs = range(seeds)
    yield harm("agent silent", [agent_is_silent(seed) for seed in runs], 0.15)
    turns = [one_after_another(seed) for seed in runs]
    yield harm("one after the other", turns, 0.15, untouched=without_echo)
    yield harm("headset, both talk", [headset(seed) for seed in runs], 0.1)
    yield harm("cancelled by the microphone, both talk", [already_cancelled(s) for s in runs], 0.1)


# ---- the gate


TAIL_DBFS = -60.0  # what was played over that closes it


def frames_of(sound: Floats) -> np.ndarray:
    return sound[: len(sound) // 160 * 160].reshape(-1, 160)


def as_the_agent_ends(seed: int) -> tuple[Scene, slice]:
    """The agent ends, and the caller begins in that moment; where the caller's first second is."""
    said = agent(6.0, seed)
    loud = np.flatnonzero(np.abs(said) > 10 ** (-40 / 20))
    ends = int(loud[-1]) + 1
    said[ends:] = 0
    answer = caller(3.0, seed)
    voiced = np.flatnonzero(np.mean(frames_of(answer) ** 2, axis=1) > 10 ** (-46 / 10))
    answer = answer[160 * voiced[0] :][: 2 * SAMPLERATE]
    begin = -(-(ends + round(DELAY * SAMPLERATE)) // 160) * 160
    near = np.zeros(len(said) + 3 * SAMPLERATE, np.float32)
    near[begin : begin + len(answer)] = answer
    said = np.pad(said, (0, len(near) - len(said)))
    scene = staged(said, Way(seed=seed, delay=DELAY), near=near, seed=seed)
    return scene, slice(begin, begin + SAMPLERATE)


def gated(seeds: int) -> Iterator[Figure]:
    passed, lost = [], []
    for seed in range(seeds):
        scene, first = as_the_agent_ends(seed)
        out = gate(scene).out
        loud = np.mean(frames_of(scene.played) ** 2, axis=1) > 10 ** (TAIL_DBFS / 10)
        heard = np.roll(loud, round(100 * DELAY))
        passed.append(float(np.abs(frames_of(out)[heard]).max()))
        voiced = frames_of(scene.near[first])
        voiced = np.mean(voiced**2, axis=1) > 10 ** (-46 / 10)
        silent = ~np.abs(frames_of(out[first])).any(axis=1)
        lost.append(10.0 * int((voiced & silent).sum()))
    name = "gate: what passes while the agent plays"
    yield Figure(name, "of full scale", "at most", {"ours": passed}, 0.0, max)
    name = "gate: of a caller who begins as the agent ends, lost"
    yield Figure(name, "ms", "at most", {"ours": lost}, 0.0)
