"""Figures of benchmarks that are kept (`benchmarks/kept.py`): what is written, and another run beside it."""

import importlib.util
import json
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
CONFTEST = BENCHMARKS / "conftest.py"
SAVED = sorted((BENCHMARKS / "results").glob("*/*.json"))
MACHINE = {
    "cpu": "Abacus(R) Processor @ 1 Hz",
    "cores": 2,
    "system": "Linux",
    "kernel": "6.1",
    "python": "CPython 3.11.7",
    "compiler": "GCC 12",
    "vectors": "avx2",
    "sfaudio": "0.1.0",
}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, with a folder of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("kept")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


def told(ours: list[float], yardstick: str = "memcpy", **machine: object) -> dict[str, Any]:
    """A run of one group, whose yardstick takes a second."""
    names = {"sfaudio": ours, yardstick: [1.0] * len(ours), "PyAV": [9.0] * len(ours)}
    benchmarks = [
        {"group": "copy, 1", "name": name, "extra_info": {"turns": turns}}
        for name, turns in names.items()
    ]
    return {"machine_info": MACHINE | machine, "benchmarks": benchmarks}


def words(kept: Any, now: dict[str, Any], then: dict[str, Any], is_whole: bool = True) -> str:
    return "\n".join(kept.compared(now, then, Path("abacus.json"), is_whole))


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([1.0, 1.1, 1.2], "same within noise"),
        ([1.2, 3.0, 4.0], "same within noise"),  # noisy, but once as fast as ever
        (
            [1.25, 1.3, 1.35],
            "same within noise",
        ),  # beyond the spread, but no more than processes differ
        ([1.3, 1.43, 1.56], "slower"),  # all 1.3 times as long
        ([0.75, 0.85, 0.95], "faster"),
        ([0.5, 0.6, 1.1], "same within noise"),
    ],
)
def test_noise_is_not_taken_for_a_change(kept: Any, ours: list[float], verdict: str) -> None:
    assert words(kept, told(ours), told([1.0, 1.1, 1.2])).endswith(f"\n1 {verdict}")


def test_a_machine_that_is_slower_as_a_whole_changes_nothing(kept: Any) -> None:
    slow = told([1.0, 1.1, 1.2])
    for one in slow["benchmarks"]:
        one["extra_info"]["turns"] = [5 * turn for turn in one["extra_info"]["turns"]]
    text = words(kept, slow, told([1.0, 1.1, 1.2]))
    assert "1.00  same within noise" in text
    assert "ANOTHER MACHINE" not in text


def test_another_machine_and_version_are_told(kept: Any) -> None:
    text = words(kept, told([1.0], cpu="Quipu", sfaudio="0.2.0"), told([1.0]))
    assert "of version 0.1.0; this is 0.2.0" in text
    assert "ANOTHER MACHINE" in text
    assert "cpu: Quipu; saved: Abacus" in text
    assert "kernel" not in text


def test_what_is_new_gone_or_measured_by_another_yardstick_is_told(kept: Any) -> None:
    now, then = told([1.0]), told([1.0])
    then["benchmarks"] += [{**one, "group": "move, 1"} for one in then["benchmarks"]]
    assert "move, 1: sfaudio: gone: it was saved" in words(kept, now, then)
    assert "gone" not in words(kept, now, then, is_whole=False)
    assert re.search(
        r"move, 1: sfaudio / memcpy +1.00 .* new: nothing was saved", words(kept, then, now)
    )
    assert "it was measured by numpy" in words(kept, now, told([1.0], "numpy"))
    now["benchmarks"] = now["benchmarks"][:1]
    assert "nothing of ours was measured beside a yardstick" in words(kept, now, then)


def test_the_file_is_of_this_machine_or_else_of_another(kept: Any) -> None:
    with pytest.raises(kept.FiguresError, match=r"no figures are saved in .*--save"):
        kept.saved("", MACHINE)
    path = kept.file_of(MACHINE)
    assert path == kept.RESULTS / "0.1.0" / "abacus-avx2-cpython3.11.json"
    for version in ("0.1.0", "0.9.0", "0.10.0"):
        kept.write(kept.file_of(MACHINE | {"sfaudio": version, "cpu": "A"}), told([1.0]))
    kept.write(path, told([1.0]))
    assert kept.saved("", MACHINE).parent.name == "0.10.0"
    assert kept.saved("0.1.0", MACHINE) == path
    assert kept.saved("0.9.0", MACHINE).name == "a-avx2-cpython3.11.json"
    with pytest.raises(kept.FiguresError, match=r"version 1.0 .*there are 0\.1\.0, 0\.9\.0, 0\.10"):
        kept.saved("1.0", MACHINE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[]", "not what"),
        ('{"machine_info": {}, "benchmarks": []}', "no compiler, cores, cpu"),
        (json.dumps(told([0.0])), "took no time"),
        (json.dumps(told([])), "took no time"),
        (json.dumps(told([1.0, float("nan")])), "took no time"),
        (json.dumps({"machine_info": MACHINE, "benchmarks": [{"group": "copy"}]}), "not what"),
        (json.dumps(told([1.0])).replace("[1.0]", '["soon"]'), "soon"),
    ],
)
def test_a_broken_file_is_named(kept: Any, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "broken.json"
    with pytest.raises(kept.FiguresError, match=r"broken\.json cannot be read"):
        kept.read(path)
    path.write_text(text)
    with pytest.raises(kept.FiguresError, match=rf"broken\.json.*{words}"):
        kept.read(path)


def test_turns_become_one_entry_with_the_statistics_of_the_fastest(kept: Any) -> None:
    def turn(least: float) -> dict[str, Any]:
        stats = dict.fromkeys(kept.STATISTICS, 2 * least) | {"min": least, "rounds": 7, "data": [1]}
        return {"group": "copy, 1", "name": "sfaudio", "stats": stats, "extra_info": {"calls": 10}}

    (entry,) = kept.merged([turn(3.0), turn(2.0), turn(2.00004)])
    assert entry["extra_info"]["turns"] == [0.3, 0.2, 0.2]
    assert entry["stats"]["min"] == 2.0
    assert entry["stats"]["rounds"] == 7
    assert "data" not in entry["stats"]


def test_nothing_tells_whose_machine_it_is(kept: Any) -> None:
    found = kept.machine({"node": socket.gethostname(), "cpu": {"brand_raw": "Abacus"}})
    assert found["cpu"] == "Abacus"
    assert set(MACHINE) <= set(found)
    assert found["python"].endswith(platform.python_version())
    for path in SAVED:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|tmp|Users)\b|\bnode\b|branch|author", text)
        assert kept.figures(kept.read(path))


def test_figures_of_the_released_version_are_kept(kept: Any) -> None:
    newest = kept.read(SAVED[-1])
    assert newest["machine_info"]["sfaudio"] == SAVED[-1].parent.name


@pytest.fixture
def asked(kept: Any) -> Callable[..., ModuleType]:
    """What `dev.py bench` does when it is asked for this, before it measures anything."""
    spec = importlib.util.spec_from_file_location("conftest_of_benchmarks", CONFTEST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def ask(**options: object) -> ModuleType:
        told = {"turns": 5, "save": False, "compare": None, "benchmark_disable": False} | options
        hook = SimpleNamespace(pytest_benchmark_generate_machine_info=lambda config: {})
        config = SimpleNamespace(
            getoption=lambda name: told[name.strip("-")], hook=hook, stash=pytest.Stash()
        )
        module.pytest_configure(config)
        return module

    return ask


def test_what_cannot_be_compared_or_kept_is_told_before_anything_is_measured(
    kept: Any, asked: Callable[..., ModuleType]
) -> None:
    with pytest.raises(pytest.UsageError, match="no figures are saved"):
        asked(compare="")
    with pytest.raises(pytest.UsageError, match="one at least"):
        asked(turns=0)
    with pytest.raises(pytest.UsageError, match="benchmark-disable leaves out"):
        asked(save=True, benchmark_disable=True)
    asked(save=True)
    assert list(kept.RESULTS.iterdir()) == []
    kept.RESULTS.rmdir()
    kept.RESULTS.touch()
    with pytest.raises(pytest.UsageError, match=r"results cannot be written: \w"):
        asked(save=True)


def test_half_a_run_is_no_whole_one(asked: Callable[..., ModuleType]) -> None:
    """Else a run that was broken off would tell of all that it did not come to as gone."""
    is_whole = asked().is_whole
    assert is_whole([str(BENCHMARKS)], pytest.ExitCode.OK)
    assert not is_whole([str(BENCHMARKS)], pytest.ExitCode.INTERRUPTED)
    assert not is_whole([str(BENCHMARKS)], pytest.ExitCode.TESTS_FAILED)
    assert not is_whole([str(BENCHMARKS / "test_blocks.py")], pytest.ExitCode.OK)


def test_a_run_is_told_beside_the_saved_one_and_only_a_whole_one_is_saved() -> None:
    """As `dev.py bench` runs it, but of one operation."""
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "--benchmark-quiet", "--turns=1"]
    some = ["-k", "test_block and byteswap and 320", "--compare", str(SAVED[-1]), "--save"]
    done = subprocess.run([*command, *some], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"byteswap, 320: sfaudio / numpy +\d", done.stdout)
    assert "gone" not in done.stdout
    assert "NOT SAVED: only what was measured as a whole" in done.stdout
