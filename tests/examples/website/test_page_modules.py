"""The page's modules, outside of a browser: their own tests, and the rule of the wire against the core's."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sfaudio

TESTS = Path(__file__).parent / "page"
PAGE = Path(__file__).parents[3] / "examples" / "website" / "page"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js is here")


@needs_node
def test_the_modules_pass_their_own_tests() -> None:
    files = sorted(TESTS.glob("*.test.mjs"))
    assert len(files) == 5
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@needs_node
def test_the_page_converts_as_the_core_does() -> None:
    patterns = np.random.default_rng(0).integers(0, 1 << 32, 200_000, np.uint32)
    near_one = np.arange(-2000, 2000) + np.float32(1).view(np.int32)
    specials = np.float32(
        [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, 0.5, -0.5, 32766 / 32767]
    )
    in_range = np.random.default_rng(1).uniform(-1, 1, 200_000)
    floats = np.concatenate(
        [
            patterns.view(np.float32),
            near_one.astype(np.uint32).view(np.float32),
            specials,
            in_range.astype(np.float32),
        ]
    )
    command = ["node", TESTS / "convert.mjs"]
    done = subprocess.run(command, input=floats.tobytes(), capture_output=True, check=True)
    assert done.stdout == sfaudio.float32_to_int16(floats).tobytes()


def test_the_page_is_from_one_place_and_has_nothing_written_into_it() -> None:
    """As its Content-Security-Policy wants it."""
    page = (PAGE / "index.html").read_text()
    for sign in ("<style", "style=", "onclick", "http:", "https:", "//"):
        assert sign not in page
    assert page.count("<script") == page.count('<script type="module" src=')
    for module in PAGE.glob("*.js"):
        for line in module.read_text().splitlines():
            assert not (line.startswith("import") and ' from "./' not in line), line
