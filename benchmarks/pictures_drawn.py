"""How the plots of the documentation look: on a page that is light or dark, and on a phone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Data = dict[str, Any]

# None is too light for white, nor too dark for black.
TEXT, OURS, BLUE, AMBER, GREEN, VIOLET = (
    *("#808080", "#d9483b", "#4a90d9", "#c98a1b", "#2fa36b", "#a06bd6"),
)
OTHERS = (BLUE, AMBER, GREEN, VIOLET, TEXT)
DONE = {
    "conceal": ("concealed", VIOLET),
    "silence": ("silence", TEXT),
    "remove": ("played faster", BLUE),
}
TRADED = {
    "adaptive": ("adaptive", OURS),
    "neteq": ("NetEq (model)", BLUE),
    "lossless": ("lossless", GREEN),
    "segment-300": ("300 ms ahead", TEXT),
    "growing-600": ("growing", TEXT),
    "fixed-1200": ("1.2 s gathered", TEXT),
}
WIDTH = 5.6  # inches: 10 points are still read on a phone
matplotlib.rcParams.update(
    {
        "svg.hashsalt": "sfaudio",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "savefig.transparent": True,
        "lines.linewidth": 1.8,
    }
    | {
        f"{part}color": TEXT
        for part in ("axes.edge", "axes.label", "axes.title", "xtick.", "ytick.", "text.", "grid.")
    }
)


def save(figure: Figure, path: Path, digest: str) -> None:
    """The same bytes each time, by one version of matplotlib."""
    figure.savefig(path, metadata={"Date": None, "Creator": None, "Description": digest})
    plt.close(figure)
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", "utf-8")


def canvas(height: float, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    return plt.subplots(rows, 1, figsize=(WIDTH, height), layout="constrained", **options)


def log_ticks(axis: Any) -> None:
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


# ---- speeds


def conversion(data: Data) -> Figure:
    """float32 to int16: how often one goes into the other at the speed of a copy."""
    figure, axes = canvas(3.8)
    groups = {
        int(group.split(", ")[1]): whose
        for group, whose in data.items()
        if group.startswith("float32 to int16")
    }
    for who, color in zip(
        ("sfaudio", "numpy exact", "numpy inexact", "PyAV", "miniaudio"),
        (OURS, *OTHERS),
        strict=False,
    ):
        points = [(n, groups[n][who] / groups[n]["memcpy"]) for n in groups if who in groups[n]]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=color, label=who, markersize=4)
    axes.axhline(1, color=TEXT, linestyle=":", linewidth=1.2)
    axes.annotate("memcpy", (170, 1), xytext=(0, -11), textcoords="offset points")
    axes.set(
        title="float32 to int16: time, times a memcpy of the same bytes",
        xlabel="samples of a call",
        xscale="log",
        yscale="log",
        ylim=(0.6, None),
    )
    axes.set_xticks([*groups], [f"{n:,}" for n in groups], rotation=20)
    axes.minorticks_off()
    log_ticks(axes.yaxis)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.25), ncols=3)
    return figure


def bars(axes: Axes, rows: Sequence[tuple[str, dict[str, float]]], colors: dict[str, str]) -> None:
    """Of each row some values, on a logarithmic scale, each with its number."""
    height = 0.8 / len(colors)
    for k, (who, color) in enumerate(colors.items()):
        at = [-row - height * (k - (len(colors) - 1) / 2) for row in range(len(rows))]
        values = [row[1].get(who) for row in rows]
        there = [(y, value) for y, value in zip(at, values, strict=True) if value]
        if not there:
            continue
        axes.barh([y for y, _ in there], [v for _, v in there], height, color=color, label=who)
        for y, value in there:
            axes.annotate(
                f"{value:.3g}",
                (value, y),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks([-row for row in range(len(rows))], [name for name, _ in rows])
    axes.margins(x=0.12)
    axes.grid(alpha=0.25, axis="x")


def blocks(data: Data) -> Figure:
    """Operations on blocks of int16, as multiples of ours."""
    figure, axes = canvas(4.8)
    names = [group for group in data if group.endswith(", 320") and "audioop" in data[group]]
    rows = [
        (
            group.removesuffix(", 320"),
            {who: t / data[group]["sfaudio"] for who, t in data[group].items()},
        )
        for group in names
    ]
    bars(axes, rows, {"audioop": BLUE, "numpy": AMBER})
    axes.axvline(1, color=OURS, linewidth=1.5, zorder=0.5)
    figure.suptitle(
        "320 samples of int16: time, times that of sfaudio (red)", fontsize=10.5, color=TEXT
    )
    axes.set(
        xscale="log",
        xlim=(0.8, 400),
    )
    log_ticks(axes.xaxis)
    axes.legend(loc="lower right")
    return figure


def small(data: Data) -> Figure:
    """What passes a block on: calls, queues, meters."""
    figure, axes = canvas(4.4)
    call = data["a call, 320 samples"]
    empty = call["empty Python function"]
    rows = [
        (f"convert, from {who.removeprefix('sfaudio, ')}", {"all": t / empty})
        for who, t in call.items()
        if who.startswith("sfaudio")
    ]
    queue = data["through a queue, 320"]
    titles = {
        "sfaudio": "JitterBuffer, in and out",
        "sfaudio CaptureQueue": "CaptureQueue, in and out",
        "sfaudio PlayoutEngine": "PlayoutEngine, in and out",
        "rtmixer": "python-rtmixer's ring",
    }
    rows += [(title, {"all": queue[who] / empty}) for who, title in titles.items() if who in queue]
    rows += [
        (
            f"Meter, 10 ms of {rate} kHz float32",
            {"all": data[f"meter, 10 ms of {n} float32"]["sfaudio"] / empty},
        )
        for n, rate in ((160, 16), (480, 48))
    ]
    bars(axes, rows, {"all": OURS})
    for bar, (name, _) in zip(axes.patches, rows, strict=True):
        if "rtmixer" in name:
            bar.set_color(BLUE)
    axes.axvline(1, color=TEXT, linestyle=":", linewidth=1.2)
    figure.suptitle(
        "Time, times that of an empty Python function (dotted)", fontsize=10.5, color=TEXT
    )
    axes.set(
        xscale="log",
        xlim=(0.8, 60),
    )
    log_ticks(axes.xaxis)
    return figure


def resampling(data: Data) -> Figure:
    figure, axes = canvas(4.2)
    names = [group for group in data if group.startswith("resample")]
    who = ("sinc_fastest", "PyAV", "soxr HQ", "soxr LQ")
    rows = [
        (
            group.removeprefix("resample 20 ms, ").replace("000", "").replace("100", ".1") + " kHz",
            {one: t / data[group]["sfaudio"] for one, t in data[group].items() if one in who},
        )
        for group in names
    ]
    bars(axes, rows, dict(zip(who, OTHERS, strict=False)))
    axes.axvline(1, color=OURS, linewidth=1.5, zorder=0.5)
    figure.suptitle(
        "20 ms through a resampler: time, times that of sfaudio (red)", fontsize=10.5, color=TEXT
    )
    axes.set(
        xscale="log",
        xlim=(0.3, 25),
    )
    log_ticks(axes.xaxis)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4)
    return figure


# ---- the laboratories


def stall(data: Data) -> Figure:
    figure, (upper, lower) = canvas(4.8, 2, sharex=True, height_ratios=[3, 1.3])
    upper.axvspan(-1, 0, color=TEXT, alpha=0.15, linewidth=0)
    upper.plot(data["seconds"], data["delay"], color=OURS, label="delay of what is heard")
    upper.plot(data["seconds"], data["queued"], color=BLUE, label="queued")
    upper.plot(data["seconds"], data["target"], color=GREEN, linestyle="--", label="target")
    upper.set(title="Nothing comes for a second (grey), then all at once", ylabel="ms")
    upper.legend(loc="upper right")
    upper.grid(alpha=0.25)
    for row, (kind, (_, color)) in enumerate(DONE.items()):
        spans = [(a, b - a) for a, b in data["done"][kind]]
        lower.broken_barh(spans, (-row - 0.35, 0.7), color=color)
    lower.set_yticks([-row for row in range(len(DONE))], [name for name, _ in DONE.values()])
    lower.set_xlabel("seconds after the end of the stall")
    lower.grid(alpha=0.25, axis="x")
    return figure


def target(data: Data) -> Figure:
    figure, axes = canvas(3.6)
    seconds = [k / 10 for k in range(len(data["late"]))]
    axes.fill_between(
        seconds, data["late"], color=TEXT, alpha=0.4, linewidth=0, label="messages, so late"
    )
    axes.plot(
        data["seconds"], data["delay"], color=OURS, linewidth=1.4, label="delay of what is heard"
    )
    axes.plot(data["seconds"], data["target"], color=GREEN, label="target")
    axes.set(title="A network like cellular: 60 s of it", xlabel="seconds", ylabel="ms")
    axes.grid(alpha=0.25)
    axes.legend()
    return figure


def trade(data: Data) -> Figure:
    figure, both = canvas(6.8, 2)
    titles = {"wifilike": "Like Wi-Fi", "cellular": "Like cellular"}
    for axes, (family, rows) in zip(both, data.items(), strict=True):
        for policy, (title, color) in TRADED.items():
            row = rows[policy]
            mean, rate = row["delay_mean_ms"], row["interruptions_per_min"]
            axes.plot(
                [mean, row["delay_p95_ms"]], [rate, rate], color=color, alpha=0.45, linewidth=2
            )
            axes.plot(mean, rate, "o", color=color)
            is_left = policy == "adaptive" or (family == "cellular" and policy != "neteq")
            place: dict[str, Any] = {"xytext": (-7, 0), "ha": "right", "va": "center"}
            if not is_left:
                place = {"xytext": (0, 6), "rotation": 0 if policy == "neteq" else 35}
            elif policy == "segment-300":
                place["va"] = "bottom"  # beside `growing`
            axes.annotate(title, (mean, rate), textcoords="offset points", color=color, **place)
        top = max(rows[policy]["interruptions_per_min"] for policy in TRADED)
        axes.set(title=titles[family], ylabel="interruptions a minute", xscale="log")
        axes.set(xlim=(20, 2500), ylim=(-0.05 * top, 1.25 * top))
        log_ticks(axes.xaxis)
        axes.set_xticks([20, 50, 100, 200, 500, 1000, 2000])
        axes.grid(alpha=0.25)
    both[-1].set_xlabel("delay of speech in ms: mean (dot) to 95th percentile (line)")
    return figure


def echo(data: Data) -> Figure:
    figure, axes = canvas(3.6)
    for (who, rows), color in zip(data.items(), (OURS, BLUE), strict=True):
        seconds = [k + 0.5 for k in range(len(rows["median"]))]
        axes.plot(seconds, rows["median"], "o-", color=color, label=who, markersize=3)
        axes.fill_between(
            seconds, rows["worst"], rows["median"], color=color, alpha=0.15, linewidth=0
        )
    axes.axvline(len(seconds) / 2, color=TEXT, linestyle=":")
    axes.set(
        title="Echo of an agent who talks; after 12 s the room changes",
        xlabel="seconds",
        ylabel="weaker by, dB",
        ylim=(-5, 75),
    )
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right")
    return figure


def realtime(data: Data) -> Figure:
    """Callbacks that ran, of those that were due, while Python held the GIL."""
    figure, axes = canvas(2.8)
    loads = [part for part in data if "under load" in part]
    names = (
        "native call, adaptive",
        "native call, lossless",
        "Python call, adaptive",
        "python-rtmixer",
    )
    rows = []
    for name in names:
        shares = {}
        for part in loads:
            row = part["under load"].get(name)
            if row:
                due = row["seconds"] * 48_000 / part["blocksize"]
                shares[f"blocks of {part['blocksize'] / 48:g} ms"] = 100 * min(
                    1.0, row["callbacks"] / due
                )
        rows.append((name, shares))
    bars(
        axes,
        rows,
        {
            f"blocks of {part['blocksize'] / 48:g} ms": c
            for part, c in zip(loads, (OURS, AMBER), strict=False)
        },
    )
    figure.suptitle("Callbacks that ran while four threads held the GIL", fontsize=10.5, color=TEXT)
    axes.set(
        xlabel="% of those due",
        xlim=(0, 115),
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.22), ncols=2)
    return figure


DRAWN: dict[str, Callable[[Any], Figure]] = {
    "conversion": conversion,
    "blocks": blocks,
    "small": small,
    "resampling": resampling,
    "stall": stall,
    "target": target,
    "trade": trade,
    "echo": echo,
    "realtime": realtime,
}
