"""What is installed is told of rightly: the version, and what users can ask for."""

from importlib.metadata import metadata, version

import sfaudio


def test_the_version_is_told_the_same_everywhere() -> None:
    assert version("sfaudio") == sfaudio.__version__


def test_users_see_no_extra_of_development() -> None:
    extras = metadata("sfaudio").get_all("Provides-Extra")
    assert extras is not None
    assert sorted(extras) == ["files", "load", "screen", "simulator", "vad"]
