"""Figures that are kept: those of a version in `results/VERSION/MACHINE.json`, and another run beside them.

A file is pytest-benchmark's JSON without single samples, which `pytest-benchmark compare` reads too: of each benchmark
the statistics of its fastest turn, and in `extra_info` what a call took in the fastest round of each turn, in seconds.
Machines differ and are shared, so no time is compared with a time: what is compared is a *ratio*, our time over that of
a yardstick, which was measured in the same turn, a moment before or after. Its spread over the turns is the noise.
"""

import json
import os
import platform
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

import sfaudio
from sfaudio import _kernels

RESULTS = Path(__file__).parent / "results"
OURS = "sfaudio"  # what begins so is ours; all else is a rival
YARDSTICKS = ("memcpy", "numpy", "numpy exact", "empty Python function")  # the first that is there
MARGIN = 1.25  # of the medians: from process to process memory lies otherwise
RIVALS = ("audioop-lts", "av", "miniaudio", "numpy", "rtmixer", "samplerate", "scipy", "soxr")
FACTS = ("cpu", "cores", "system", "kernel", "python", "compiler", "vectors")
STATISTICS = (
    *("min", "max", "mean", "stddev", "median", "iqr", "q1", "q3", "ops", "outliers"),
    *("rounds", "iterations"),
)

Figures = dict[tuple[str, str], "Figure"]


class FiguresError(Exception):
    """No figures, and why."""


@dataclass(frozen=True)
class Figure:
    """What a benchmark took, as multiples of its yardstick, in each turn."""

    yardstick: str
    turns: Sequence[float]

    @property
    def ratio(self) -> float:
        return median(self.turns)

    def __str__(self) -> str:
        return f"{self.ratio:#.3g} ({min(self.turns):#.3g} to {max(self.turns):#.3g})"


def machine(info: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a figure depends on, of what pytest-benchmark found; none tells whose machine it is."""
    return {
        "cpu": info.get("cpu", {}).get("brand_raw") or platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.system(),
        "kernel": re.match(r"[\d.]*", platform.release())[0],  # type: ignore[index]
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": compiler(),
        "vectors": _kernels.kernel_level(),
        "packages": dict(installed(RIVALS)),
        "sfaudio": sfaudio.__version__,
    }


def compiler() -> str:
    """That of the installed kernels, as it has written itself into them."""
    told = re.search(
        rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", Path(_kernels.__file__).read_bytes()
    )
    return told[0].decode() if told else f"unknown; that of Python is {platform.python_compiler()}"


def installed(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in packages:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def file_of(facts: Mapping[str, Any]) -> Path:
    """Where the figures of this version and machine belong."""
    implementation, version = facts["python"].split()
    cpu = re.sub(r"\((r|tm)\)|processor|@.*", "", facts["cpu"].lower())
    name = " ".join((cpu, facts["vectors"], implementation.lower() + version.rpartition(".")[0]))
    return RESULTS / facts["sfaudio"] / (re.sub(r"[^a-z0-9.]+", "-", name).strip("-") + ".json")


# ---- what is written


def merged(benchmarks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry a benchmark, of those of its turns."""
    turns: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in benchmarks:
        turns.setdefault((one["group"], one["name"]), []).append(one)
    return [
        {
            "group": group,
            "name": name,
            "fullname": f"{group}: {name}",
            "stats": {key: rounded(best["stats"][key]) for key in STATISTICS},
            "extra_info": {"calls": best["extra_info"]["calls"], "turns": [*map(seconds, each)]},
        }
        for (group, name), each in turns.items()
        for best in [min(each, key=seconds)]
    ]


def seconds(benchmark: Mapping[str, Any]) -> float:
    """Of a call, in the fastest round."""
    return rounded(benchmark["stats"]["min"] / benchmark["extra_info"]["calls"])


def rounded(value: float) -> float:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def check_folder() -> None:
    """That figures can be written into it."""
    try:
        RESULTS.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=RESULTS).close()
    except OSError as error:
        raise FiguresError(f"{RESULTS} cannot be written: {error.strerror}") from None


def write(path: Path, told: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    unfinished.replace(path)


# ---- what is read


def read(path: Path) -> dict[str, Any]:
    """A file of figures, all of whose entries are as they should be."""
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        told["machine_info"] = dict(told["machine_info"])
        missing = {*FACTS, "sfaudio"} - told["machine_info"].keys()
        if missing:
            raise FiguresError(f"{path}: the machine has no {', '.join(sorted(missing))}")
        times(told)
    except OSError as error:
        raise FiguresError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise FiguresError(f"{path} holds no JSON of figures: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise FiguresError(f"{path} is not what `dev.py bench --save` writes: {error!r}") from None
    return told


def times(told: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Seconds of a call in each turn, by group and by who was measured."""
    groups: dict[str, dict[str, list[float]]] = {}
    for one in told["benchmarks"]:
        turns = [float(value) for value in one["extra_info"]["turns"]]
        if not turns or not all(0 < turn < inf for turn in turns):
            raise ValueError(f"{one['group']}: {one['name']} took no time that can be")
        groups.setdefault(one["group"], {})[one["name"]] = turns
    return groups


def figures(told: Mapping[str, Any]) -> Figures:
    """Ours, of all groups that have a yardstick."""
    found: Figures = {}
    for group, whose in times(told).items():
        yardstick = next((name for name in YARDSTICKS if name in whose), None)
        for name, turns in whose.items():
            if yardstick and name.startswith(OURS):
                pairs = zip(turns, whose[yardstick], strict=False)
                found[group, name] = Figure(yardstick, [ours / other for ours, other in pairs])
    return found


def saved(wanted: str, facts: Mapping[str, Any]) -> Path:
    """The file to compare with: a path, or that of a version, of this machine if there is one."""
    if wanted.endswith(".json"):
        return Path(wanted)
    versions = sorted((path for path in RESULTS.glob("*") if any(path.glob("*.json"))), key=ordered)
    if not versions:
        raise FiguresError(f"no figures are saved in {RESULTS}: save some by `dev.py bench --save`")
    there = {folder.name: folder for folder in versions}
    if wanted and wanted not in there:
        raise FiguresError(
            f"no figures of version {wanted} are saved; there are {', '.join(there)}"
        )
    folder = there[wanted] if wanted else versions[-1]
    files = sorted(folder.glob("*.json"))
    return next((path for path in files if path.name == file_of(facts).name), files[0])


def ordered(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.name)]


# ---- beside one another


def verdict(now: Figure, then: Figure) -> str:
    """Whether it changed by more than the margin, and by more than the noise: no turn is like one of the other run."""
    if now.yardstick != then.yardstick:
        return f"not to be told: it was measured by {then.yardstick}"
    if min(now.turns) > max(then.turns) and now.ratio > MARGIN * then.ratio:
        return "slower"
    if max(now.turns) < min(then.turns) and MARGIN * now.ratio < then.ratio:
        return "faster"
    return "same within noise"


def compared(
    now: Mapping[str, Any], then: Mapping[str, Any], path: Path, is_whole: bool
) -> list[str]:
    """Lines that say how the run of now is beside what was saved."""
    facts, then_facts = now["machine_info"], then["machine_info"]
    lines = [f"beside {path.name} of version {then_facts['sfaudio']}; this is {facts['sfaudio']}"]
    if others := [fact for fact in FACTS if facts[fact] != then_facts[fact]]:
        lines.append("ANOTHER MACHINE: what differs may be its doing")
        lines += [f"    {fact}: {facts[fact]}; saved: {then_facts[fact]}" for fact in others]
    ours, theirs = figures(now), figures(then)
    if not ours:
        return [*lines, "nothing of ours was measured beside a yardstick"]
    heads = ("in yardsticks: the median (least to most)", "now", "saved", "ratio")
    lines.append("{:66}{:30}{:30}{:>6}".format(*heads))
    verdicts = Counter[str]()
    for (group, who), figure in ours.items():
        name = f"{group}: {who} / {figure.yardstick}"
        if (group, who) not in theirs:
            lines.append(f"{name:66}{figure!s:30}new: nothing was saved")
            continue
        other = theirs[group, who]
        told = verdict(figure, other)
        verdicts[told] += 1
        change = figure.ratio / other.ratio
        lines.append(f"{name:66}{figure!s:30}{other!s:30}{change:6.2f}  {told}")
    gone = theirs.keys() - ours.keys() if is_whole else set()
    lines += [f"{group}: {who}: gone: it was saved" for group, who in sorted(gone)]
    return [*lines, ", ".join(f"{count} {told}" for told, count in verdicts.items())]
