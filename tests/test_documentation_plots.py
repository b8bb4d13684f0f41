"""The plots in `docs/_static/plots` show the figures that are kept; those of playout are what the engine does."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PLOTS = ROOT / "docs" / "_static" / "plots"
DRAWN = "path"  # by hand
MADE = sorted(path.stem for path in PLOTS.glob("*.svg") if path.stem != DRAWN)
REMEDY = "python3 dev.py pictures --plots"


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("pictures")


@pytest.mark.parametrize("name", MADE)
def test_a_plot_shows_the_figures_that_are_kept(pictures: Any, name: str) -> None:
    text = (PLOTS / f"{name}.svg").read_text(encoding="utf-8")
    [digest] = re.findall(r"<dc:description>(\w{64})</dc:description>", text)
    assert digest == pictures.digest(pictures.shown(name)), REMEDY


def test_each_plot_is_on_a_page_and_each_on_a_page_is_there() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    assert sorted([*MADE, DRAWN]) == sorted(set(re.findall(r"_static/plots/(\w+)\.svg", pages)))


def test_what_is_shown_is_of_the_newest_version_and_the_page_says_of_which(
    pictures: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newest = max(pictures.kept.RESULTS.iterdir(), key=pictures.kept.ordered).name
    page = (ROOT / "docs" / "explanation" / "benchmarks.md").read_text(encoding="utf-8")
    assert f"of version {newest}, kept in\n`benchmarks/results/{newest}`" in page
    monkeypatch.setattr(pictures.kept, "RESULTS", tmp_path)
    for version in ("0.9.0", "0.10.0"):
        (tmp_path / version / "laboratory").mkdir(parents=True)
        (tmp_path / version / "laboratory" / "stall.json").write_text(f'"{version}"')
    assert pictures.laboratory("stall") == "0.10.0"


@pytest.mark.parametrize("name", ["stall", "target"])
def test_a_laboratory_says_what_is_kept(pictures: Any, name: str) -> None:
    assert pictures.MEASURED[name]() == pictures.laboratory(name), f"{REMEDY} --measure {name}"


@pytest.mark.slow
def test_policies_score_what_is_kept(pictures: Any) -> None:
    kept = pictures.laboratory("trade")
    for family, policies in pictures.trade().items():
        for policy, figures in policies.items():
            assert figures == pytest.approx(kept[family][policy], rel=1e-6), (
                f"{REMEDY} --measure trade"
            )
