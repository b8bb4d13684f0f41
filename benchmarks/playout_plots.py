"""Pictures of the laboratory of playout: delay against interruptions, and what was done about a stall."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from playout_players import Watched, done_in_blocks, watch_engine
from playout_score import BLOCK
from playout_traces import MESSAGE, Laid, Speech, Trace, runs

OURS, REST = "#c0392b", "#4a5a6a"
DONE = {
    "remove": ("played faster", "#2e86c1"),
    "insert": ("played slower", "#e67e22"),
    "cut": ("pause cut", "#1abc9c"),
    "hold": ("pause lengthened", "#f1c40f"),
    "conceal": ("concealed", "#8e44ad"),
    "silence": ("silence", "#c0392b"),
}
BEFORE, AFTER = 1500.0, 8000.0  # ms around the end of a stall


def trade(family: str, rows: dict[str, dict[str, float]], path: Path) -> None:
    """Mean delay, and to the 95th percentile a line, against interruptions of each policy."""
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    taken: list[tuple[float, float]] = []
    for policy, row in sorted(rows.items(), key=lambda item: item[1]["delay_mean_ms"]):
        mean, p95, rate = row["delay_mean_ms"], row["delay_p95_ms"], row["interruptions_per_min"]
        color = OURS if policy == "adaptive" else REST
        axes.plot([mean, p95], [rate, rate], color=color, alpha=0.35, linewidth=2)
        axes.plot(mean, rate, "o", color=color, markersize=8)
        above = 7 + 12 * sum(abs(mean / x - 1) < 0.12 and abs(rate - y) < 0.1 for x, y in taken)
        axes.annotate(
            policy, (mean, rate), xytext=(4, above), textcoords="offset points", color=color
        )
        taken.append((mean, rate))
    axes.set(
        title=f"{family}: delay against interruptions ({rows[next(iter(rows))]['minutes']:.0f} minutes of speech)",
        xlabel="delay of speech in ms: mean (dot) to 95th percentile (line)",
        ylabel="interruptions of 60 ms or more, per minute of speech",
        xscale="log",
    )
    most = max(row["interruptions_per_min"] for row in rows.values())
    axes.set_ylim(-0.04 * max(most, 0.1), 1.2 * max(most, 0.1))
    axes.margins(x=0.12)
    axes.tick_params(axis="x", which="both", pad=4, length=4)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.xaxis.set_minor_formatter("{x:.0f}")
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def timeline(trace: Trace, speech: Speech, path: Path) -> None:
    """Around the longest stall of a trace: what was queued and wanted, how late it was, and what was done."""
    laid = trace.lay(speech, 0)
    watched = watch_engine(laid)
    end = float(laid.arrivals[1 + np.argmax(np.diff(laid.arrivals))])
    begin = end - float(np.max(np.diff(laid.arrivals))) - BEFORE
    now = watched.played.now
    inside = (now >= begin) & (now <= end + AFTER)
    seconds = (now - end) / 1000
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(11, 6), sharex=True, layout="constrained", height_ratios=[3, 1.3]
    )
    queued = np.array([state.queued for state in watched.states])
    target = np.array([state.target for state in watched.states])
    upper.plot(seconds[inside], queued[inside], color=REST, label="queued")
    upper.plot(seconds[inside], target[inside], color=OURS, linestyle="--", label="target")
    late = now - watched.played.position[:-1] - laid.base
    upper.plot(seconds[inside], late[inside], color="#999", linewidth=1, label="delay")
    upper.set(title=f"{trace.name}: the longest stall, and what was done", ylabel="ms")
    upper.legend(loc="upper right")
    upper.grid(alpha=0.3)
    _draw_done(lower, watched, laid, inside, seconds)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_done(
    axes: Axes, watched: Watched, laid: Laid, inside: np.ndarray, seconds: np.ndarray
) -> None:
    message = np.minimum((watched.played.position[:-1] / MESSAGE).astype(int), len(laid.spoken) - 1)
    rows = [("speech", REST, laid.spoken[message])]
    blocks = done_in_blocks(watched.pieces, len(seconds), DONE)
    rows += [(name, color, blocks[kind]) for kind, (name, color) in DONE.items()]
    for row, (_, color, flags) in enumerate(rows):
        spans = [(seconds[a], (b - a) * BLOCK / 1000) for a, b in runs(flags & inside)]
        axes.broken_barh(spans, (-row - 0.4, 0.8), color=color)
    axes.set_yticks([-row for row in range(len(rows))], [name for name, _, _ in rows])
    axes.set_xlabel("seconds after the end of the stall")
    axes.grid(alpha=0.3, axis="x")
