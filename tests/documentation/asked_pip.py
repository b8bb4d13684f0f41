"""Whether what a page asks of pip is there: this package's extras, and other packages that are installed."""

import sys
from importlib.metadata import distribution

from packaging.requirements import Requirement

_, verb, *words = sys.argv
assert verb in ("install", "uninstall"), verb
for word in words:
    if not word.startswith("-"):
        wanted = Requirement(f"sfaudio{word.removeprefix('.')}" if word.startswith(".") else word)
        there = distribution(wanted.name)
        assert wanted.specifier.contains(there.version, prereleases=True), word
        assert wanted.extras <= set(there.metadata.get_all("Provides-Extra") or ()), word
