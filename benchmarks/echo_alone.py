"""Only the agent talks: how soon the delay is known, how far down the echo is, and what a changed way does to it.

Comfort noise is off here: what is left is echo.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from echo_figures import Figure, Values, p95
from echo_rivals import RIVALS, Heard, ours
from echo_rooms import SAMPLERATE, Way
from echo_scenes import Scene, agent, in_turns, music, staged
from echo_score import erle, onset, time_to

KNOWN_WITHIN, CANCELLED = 0.35, 25.0  # seconds, dB
LONGEST_DELAY = 1.0
ROOMS = ("0.4", "0.2", "0.7")
LATE_RIVALS = ("webrtc", "arrival")
# In RT60 0.4 s. Of ours the seconds count since the delay is known, of others since the echo's onset.
LEAST_ERLE = {"in the first second": 30.0, "later": 35.0}
SECONDS_SHOWN = (1, 2, 3, 5, 8, 12)
SWITCHED = 8.0  # seconds after the beginning
GENTLER = 4.0  # dB by which the echo of the other way is louder

quiet = partial(ours, comfort_noise=False)


def known_after(heard: Heard, begin: float) -> float:
    """When it was known for good, not taken back at once."""
    return next((found.at for found in heard.found if found.at > begin), float("inf"))


def loudest_before_known(scene: Scene, heard: Heard, begin: float) -> float:
    """Of what came out between the echo's onset and when the delay was known, of full scale."""
    end = min(known_after(heard, begin), scene.seconds)
    part = heard.out[round(begin * scene.samplerate) : round((end - 0.02) * scene.samplerate)]
    return float(np.max(np.abs(part), initial=0.0))


def delay_and_erle(seeds: int) -> Iterator[Figure]:
    """Cold, at delays from 0 to 1 s that nobody tells."""
    known: list[float] = []
    loudest: list[float] = []
    off_by: list[float] = []
    cancelled = Values()
    spans = {(room, span): Values() for room in ROOMS for span in LEAST_ERLE}
    seconds = {second: Values() for second in SECONDS_SHOWN}
    for seed in range(seeds):
        delay = LONGEST_DELAY * seed / max(seeds - 1, 1)
        room = ROOMS[seed % len(ROOMS)]
        scene = staged(agent(14, seed), Way(room, seed, delay=delay), seed=seed)
        begin = onset(scene)
        heard = {"ours": quiet(scene)} | {who: RIVALS[who](scene) for who in LATE_RIVALS}
        at = known_after(heard["ours"], begin)
        known.append(at - begin)
        loudest.append(loudest_before_known(scene, heard["ours"], begin))
        found = heard["ours"].found
        off_by.append(1000 * abs(found[-1].delay - delay) if found else float("inf"))
        for who, one in heard.items():
            start = min(at if who == "ours" else begin, scene.seconds - 4)
            first, later = (start, start + 1), (start + 1, scene.seconds - 0.1)
            for span, ends in zip(LEAST_ERLE, (first, later), strict=True):
                spans[room, span].add(who, erle(scene, one.out, *ends))
            cancelled.add(who, time_to(CANCELLED, scene, one.out, begin))
            for second in SECONDS_SHOWN if room == ROOMS[0] else ():
                ends = begin + second - 1, begin + second
                seconds[second].add(who, erle(scene, one.out, *ends))
    name = f"delay known after the echo's onset, 95 of 100 of {seeds} runs"
    yield Figure(name, "s", "at most", {"ours": known}, KNOWN_WITHIN, p95)
    name = "what passes of the agent before"
    yield Figure(name, "of full scale", "at most", {"ours": loudest}, 0.0, max)
    yield Figure("delay found, off by", "ms", "at most", {"ours": off_by})
    yield Figure("25 dB after the echo's onset", "s", "at most", cancelled)
    for (room, span), values in spans.items():
        limit = LEAST_ERLE[span] if room == ROOMS[0] else None
        yield Figure(f"RT60 {room}: ERLE {span}", "dB", "at least", values, limit)
    for second, values in seconds.items():
        yield Figure(f"RT60 {ROOMS[0]}: ERLE in second {second} of echo", "dB", "at least", values)


def told_switch(seeds: int) -> Iterator[Figure]:
    """Another device: another room, 4 dB louder, another delay; the client says so."""
    late, after = Values(), Values()
    for seed in range(seeds):
        delays = np.random.default_rng(seed).uniform(0.0, LONGEST_DELAY, 2)
        before = Way(ROOMS[seed % 3], seed, delay=delays[0])
        then = Way(
            ROOMS[(seed + 1) % 3],
            seed + 30,
            below=before.below - GENTLER,
            delay=delays[1],
            begins=SWITCHED,
            is_fresh=True,
        )
        scene = staged(agent(20, seed), (before, then), told=(SWITCHED,), seed=seed)
        for who, one in {"ours": quiet(scene), "webrtc": RIVALS["webrtc"](scene)}.items():
            took = time_to(CANCELLED, scene, one.out, SWITCHED)
            late.add(who, max(took - then.delay, 0.0))
            begin = SWITCHED + then.delay + 1
            after.add(who, erle(scene, one.out, begin, 19.9))
    yield Figure("told of another device: 25 dB after the new delay", "s", "at most", late, 1.0)
    yield Figure("told of another device: ERLE 1 s later", "dB", "at least", after)


def changed(
    name: str, seeds: int, other: Callable[[Way], Way], limit: float | None
) -> Iterator[Figure]:
    """A way that changes, and nobody tells."""
    took = Values()
    for seed in range(seeds):
        before = Way("0.4", seed, delay=0.1)
        then = replace(other(before), begins=SWITCHED)
        scene = staged(agent(21, seed), (before, then), seed=seed)
        players = {"ours": quiet} | {who: RIVALS[who] for who in LATE_RIVALS}
        for who, play in players.items():
            late = time_to(CANCELLED, scene, play(scene).out, SWITCHED)
            took.add(who, late)
    yield Figure(f"{name}, nobody told: 25 dB after", "s", "at most", took, limit)


def another_place(way: Way) -> Way:
    return replace(way, seed=way.seed + 30, below=way.below - GENTLER)


def later(seconds: float) -> Callable[[Way], Way]:
    return lambda way: replace(way, delay=way.delay + seconds)


def changes(seeds: int) -> Iterator[Figure]:
    yield from told_switch(seeds)
    yield from changed("another way", seeds, another_place, 2.5)
    for seconds in (0.04, 0.15, -0.06):
        yield from changed(f"{1000 * seconds:+.0f} ms of delay", seeds, later(seconds), None)


# ---- ways that are hard


def hard(
    name: str,
    seeds: int,
    scene_of: Callable[[int], Scene],
    limit: float | None = None,
    rivals: Sequence[str] = LATE_RIVALS,
) -> Iterator[Figure]:
    values = Values()
    for seed in range(seeds):
        scene = scene_of(seed)
        begin = min(onset(scene) + 1, scene.seconds - 2)
        for who, play in ({"ours": quiet} | {one: RIVALS[one] for one in rivals}).items():
            value = erle(scene, play(scene).out, begin, scene.seconds - 0.1)
            values.add(who, value)
    yield Figure(f"ERLE from 1 s on, {name}", "dB", "at least", values, limit)


def by(way: Way, seconds: float = 13.0) -> Callable[[int], Scene]:
    return lambda seed: staged(agent(seconds, seed), replace(way, seed=seed), seed=seed)


def on_and_off(seed: int) -> Scene:
    return staged(in_turns(agent(30, seed), 4.0, 3.0), Way(seed=seed), seed=seed)


def with_music(seed: int) -> Scene:
    return staged(music(13, seed), Way(seed=seed), seed=seed)


def at_44100(seed: int) -> Scene:
    """Through the resampler that a device of this rate has, both ways."""
    from echo_rivals import floats, int16

    from sfaudio import Resampler

    scene = staged(agent(13, seed), Way(seed=seed), seed=seed).at(44_100)

    def back(sound: np.ndarray) -> np.ndarray:
        return floats(Resampler(44_100, SAMPLERATE).process(int16(sound)))

    parts = [back(part) for part in (scene.played, scene.near, scene.echo, scene.noise)]
    return Scene(*parts, ways=scene.ways)


def ways(seeds: int) -> Iterator[Figure]:
    yield from hard("loudspeaker clips at 0.1", seeds, by(Way(clip=0.1)), 20.0)
    yield from hard("loudspeaker clips at 0.3", seeds, by(Way(clip=0.3)))
    yield from hard("loudspeaker has a resonance", seeds, by(Way(rings=True)))
    yield from hard("echo as loud as the agent", seeds, by(Way(below=0.0)))
    yield from hard("mobile", seeds, by(Way("mobile", below=0.0)))
    yield from hard("hall", seeds, by(Way("hall")))
    yield from hard("somebody walks about", seeds, by(Way(wanders=10.0)))
    for ppm in (10.0, 30.0, 100.0):
        yield from hard(f"clocks apart by {ppm:.0f} ppm", seeds, by(Way(ppm=ppm)))
    yield from hard("device at 44.1 kHz", seeds, at_44100)
    yield from hard("agent 4 s on, 3 s off", seeds, on_and_off)
    yield from hard("agent plays music", seeds, with_music)
