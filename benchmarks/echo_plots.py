"""Pictures of the laboratory of echo: ERLE by second, double talk, and barge-in."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from echo_alone import another_place, quiet
from echo_figures import Figure, median, p95
from echo_rivals import RIVALS
from echo_rooms import Way
from echo_scenes import agent, staged
from echo_score import erle_by_second

COLOURS = {
    "ours": "#c0392b",
    "webrtc": "#2e86c1",
    "arrival": "#8e44ad",
    "gate": "#e67e22",
    "off": "#4a5a6a",
}
SEEDS, SECONDS, CHANGES = 6, 24, 12


def plot(folder: Path, figures: Sequence[Figure]) -> None:
    """What was measured; and ERLE by second, which is measured now."""
    folder.mkdir(parents=True, exist_ok=True)
    by_second(folder / "erle-by-second.png")
    bars(figures, "AECMOS other", folder / "double-talk-other.png")
    bars(figures, "AECMOS echo", folder / "double-talk-echo.png")
    bars(figures, "ERLE from 1 s on", folder / "ways.png")
    curve(figures, folder / "interruptions.png")


def by_second(path: Path) -> None:
    """Cold; and half way the way becomes another, which nobody tells."""
    players = {"ours": quiet} | {who: RIVALS[who] for who in ("webrtc", "arrival", "off")}
    seen: dict[str, list[list[float]]] = {who: [] for who in players}
    for seed in range(SEEDS):
        way = Way(seed=seed, delay=0.2)
        then = replace(another_place(way), begins=float(CHANGES))
        scene = staged(agent(SECONDS, seed), (way, then), seed=seed)
        for who, play in players.items():
            seen[who].append(erle_by_second(scene, play(scene).out))
    _, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    seconds = np.arange(SECONDS) + 0.5
    for who, rows in seen.items():
        axes.plot(seconds, np.median(rows, axis=0), "o-", color=COLOURS[who], label=who)
        axes.fill_between(
            seconds, np.min(rows, axis=0), np.median(rows, axis=0), color=COLOURS[who], alpha=0.12
        )
    axes.axvline(CHANGES, color="#999", linestyle="--")
    axes.set(
        title="Only the agent talks; at the line the way changes. Median, down to the worst",
        xlabel="seconds",
        ylabel="ERLE in dB",
        ylim=(-5, 70),
    )
    finish(axes, path)


def bars(figures: Sequence[Figure], what: str, path: Path) -> None:
    """Medians of all figures with these words, and lines down to the worst; black is the limit."""
    rows = [one for one in figures if what in one.name]
    if not rows:
        return
    who = list(dict.fromkeys(name for one in rows for name in one.values))
    _, axes = plt.subplots(figsize=(10, 1 + 0.7 * len(rows)), layout="constrained")
    height = 0.8 / len(who)
    for k, name in enumerate(who):
        values = [one.values.get(name, [0.0]) for one in rows]
        at = [-row - height * k for row in range(len(rows))]
        middle = [median(list(some)) for some in values]
        axes.barh(at, middle, height, color=COLOURS[name], label=name)
        axes.hlines(at, [min(some) for some in values], middle, color="#222", linewidth=1)
    for row, one in enumerate(rows):
        if one.limit is not None:
            axes.vlines(one.limit, -row - 0.8, -row + 0.2, color="black", linewidth=2)
    axes.set_yticks([-row - 0.3 for row in range(len(rows))], [one.name for one in rows])
    axes.set_xlabel(rows[0].unit)
    finish(axes, path)


def curve(figures: Sequence[Figure], path: Path) -> None:
    """From voice to silence, p50 to p95, over false interruptions, of each setting."""
    took = {
        one.name.removesuffix(": voice to silence, p95"): one
        for one in figures
        if one.name.startswith("interrupt_after") and one.name.endswith("voice to silence, p95")
    }
    if not took:
        return
    _, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for setting, one in took.items():
        (rates,) = (
            it for it in figures if it.name == f"{setting}: false at 240 cough groups an hour"
        )
        for who, values in one.values.items():
            ends = [median(values), p95(values)]
            rate = float(np.mean(rates.values[who]))
            axes.plot(ends, [rate, rate], "o-", color=COLOURS[who])
            told = f"{who}, {setting.removeprefix('interrupt_after ')}"
            axes.annotate(told, (ends[0], rate), xytext=(0, 5), textcoords="offset points")
    axes.set(
        title="Barge-in: from the caller's voice to silence, p50 to p95",
        xlabel="ms",
        ylabel="false interruptions an hour, at 240 cough groups",
    )
    finish(axes, path, has_legend=False)


def finish(axes: plt.Axes, path: Path, has_legend: bool = True) -> None:
    axes.grid(alpha=0.3)
    if has_legend:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    axes.figure.savefig(path, dpi=110)  # type: ignore[union-attr]
    plt.close(axes.figure)  # type: ignore[arg-type]
