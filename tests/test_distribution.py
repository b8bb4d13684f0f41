"""What is installed is told of rightly: the version, and what users can ask for."""

import re
from importlib.metadata import metadata, version
from pathlib import Path

import sfaudio

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def test_the_version_is_told_the_same_everywhere() -> None:
    """By the metadata, which the command and the reports read, by the package, and by the changelog."""
    headings = re.findall(r"^## \[(.+)\] - ", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    assert version("sfaudio") == sfaudio.__version__ == headings[0]


def test_the_project_lives_in_one_place() -> None:
    urls = metadata("sfaudio").get_all("Project-URL")
    assert urls is not None
    homepage, *others = (url.partition(", ")[2] for url in urls)
    assert len(others) == 4
    assert all(url.startswith(homepage) for url in others)


def test_users_see_no_extra_of_development() -> None:
    extras = metadata("sfaudio").get_all("Provides-Extra")
    assert extras is not None
    assert sorted(extras) == ["files", "load", "screen", "simulator", "vad"]
