"""The plots of the documentation, in `docs/_static/plots`. Run by `python3 dev.py pictures --plots`.

They show figures that are kept: those of `dev.py bench --save`, and what the laboratories say, in
`results/VERSION/laboratory`, of the newest version that has them. `--measure NAME ...` takes the latter anew, for the
version that is installed; those of playout are the same each time, on every machine. A picture names the digest of the
figures that it shows, so that a test knows when one is old.
"""

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kept
import numpy as np

import sfaudio

PLOTS = Path(__file__).parents[1] / "docs" / "_static" / "plots"
BEFORE, AFTER = 2.5, 6.0  # seconds around the end of a stall
WATCHED = "cellular-0"  # whose target is shown
WATCHED_SECONDS = 60
DONE = ("conceal", "silence", "remove")  # in a stall within speech
STEP = 10  # blocks, of which one is shown of it
TRADED = ("wifilike", "cellular")
SECONDS, CHANGES = 24, 12  # of a scene of echo; when the way changes

Data = dict[str, Any]


def plain(values: Any, digits: int = 1) -> list[float]:
    """As JSON has them."""
    return [round(float(value), digits) for value in values]


# ---- what the laboratories say


def stall() -> Data:
    """A stall of a second in speech without a pause, block by block: what was queued and wanted, and what was done."""
    from playout_players import done_in_blocks, watch_engine
    from playout_traces import bundled_speech, generated, runs

    (trace,) = (one for one in generated() if one.name == "stall-1000-continuous")
    laid = trace.lay(bundled_speech(), 0)
    watched = watch_engine(laid)
    now = watched.played.now
    end = float(laid.arrivals[1 + np.argmax(np.diff(laid.arrivals))])
    seconds = (now - end) / 1000
    inside = (seconds >= -BEFORE) & (seconds <= AFTER)
    late = now - watched.played.position[:-1] - laid.base
    return {
        "seconds": plain(seconds[inside], 2),
        "queued": plain(np.array([state.queued for state in watched.states])[inside]),
        "target": plain(np.array([state.target for state in watched.states])[inside]),
        "delay": plain(late[inside]),
        "done": {
            kind: [plain((seconds[a], seconds[b - 1] + 0.01), 2) for a, b in runs(flags & inside)]
            for kind, flags in done_in_blocks(watched.pieces, len(seconds), DONE).items()
        },
    }


def target() -> Data:
    """How late messages come over a network like cellular, and what the engine thinks of it."""
    from playout_players import watch_engine
    from playout_traces import bundled_speech, generated

    (trace,) = (one for one in generated() if one.name == WATCHED)
    laid = trace.lay(bundled_speech(), 0)
    watched = watch_engine(laid)
    now = (watched.played.now - watched.played.now[0]) / 1000
    shown = np.flatnonzero(now < WATCHED_SECONDS)[::STEP]
    messages = np.flatnonzero(laid.due < 1000 * WATCHED_SECONDS)
    late = (laid.arrivals - laid.due - laid.base)[messages].reshape(-1, STEP // 2)
    return {
        "late": plain(late.max(axis=1)),  # of each tenth of a second
        "seconds": plain(now[shown], 2),
        "target": plain(np.array([state.target for state in watched.states])[shown]),
        "delay": plain((watched.played.now - watched.played.position[:-1] - laid.base)[shown]),
    }


def trade() -> Data:
    """Delay and interruptions of each policy on generated networks."""
    from playout import PHASES, families_of, figures_of, measure
    from playout_players import POLICIES
    from playout_traces import bundled_speech, chosen, generated

    traces = chosen(generated(), list(TRADED))
    scores = measure(traces, bundled_speech(), list(POLICIES), PHASES)
    keys = ("delay_mean_ms", "delay_p95_ms", "interruptions_per_min", "minutes")
    return {
        family: {
            policy: {key: round(row[key], 3) for key in keys}
            for policy, row in figures_of(names, list(POLICIES), scores).items()
        }
        for family, names in families_of(traces).items()
    }


def echo() -> Data:
    """By how much an echo becomes weaker, second by second, of six agents; after half of them the way changes."""
    from dataclasses import replace

    from echo_alone import another_place, quiet
    from echo_rivals import RIVALS
    from echo_rooms import Way
    from echo_scenes import agent, staged
    from echo_score import erle_by_second

    players = {"sfaudio": quiet, "WebRTC's AEC3": RIVALS["webrtc"]}
    seen: dict[str, list[Any]] = {who: [] for who in players}
    for seed in range(6):
        way = Way(seed=seed, delay=0.2)
        then = replace(another_place(way), begins=float(CHANGES))
        scene = staged(agent(SECONDS, seed), (way, then), seed=seed)
        for who, play in players.items():
            seen[who].append(erle_by_second(scene, play(scene).out))
    return {
        who: {"median": plain(np.median(rows, axis=0)), "worst": plain(np.min(rows, axis=0))}
        for who, rows in seen.items()
    }


MEASURED: dict[str, Callable[[], Data]] = {
    "stall": stall,
    "target": target,
    "trade": trade,
    "echo": echo,
}


# ---- what is shown


def speeds() -> Data:
    """Seconds of a call, by group and by who was measured: the least of all turns."""
    path = kept.saved("", {"cpu": "", "vectors": "", "python": "any 0.0", "sfaudio": "none"})
    groups = kept.times(kept.read(path))
    return {
        group: {who: min(turns) for who, turns in whose.items()} for group, whose in groups.items()
    }


def laboratory(name: str) -> Data:
    """What was kept of the newest version that has it."""
    files = kept.RESULTS.glob(f"*/laboratory/{name}.json")
    newest = max(files, key=lambda path: kept.ordered(path.parents[1]))
    data: Data = json.loads(newest.read_text("utf-8"))
    return data


def shown(picture: str) -> Data:
    """The figures that a picture shows."""
    if picture in (*MEASURED, "realtime"):
        return laboratory(picture)
    return speeds()


def digest(data: Data) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--measure",
        nargs="+",
        default=[],
        choices=MEASURED,
        metavar="NAME",
        help=f"of {[*MEASURED]}",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="draw only these")
    args = parser.parse_args()
    for name in args.measure:
        folder = kept.RESULTS / sfaudio.__version__ / "laboratory"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(MEASURED[name]()) + "\n")
    from pictures_drawn import DRAWN, save

    PLOTS.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWN.items():
        if args.only and name not in args.only:
            continue
        data = shown(name)
        save(draw(data), PLOTS / f"{name}.svg", digest(data))
        print(f"made {name}.svg")


if __name__ == "__main__":
    main()
