"""The README's programs with a stream run as they stand."""

import subprocess
import sys

import pytest

from ..readme import program
from .conftest import Jack

pytestmark = pytest.mark.jack

GIVEN = """
from sfaudio import CaptureQueue, JitterBuffer, PlayoutEngine
from sfaudio.stream import Stream
capture, pcm = CaptureQueue(48_000), bytes(1920)
playout = JitterBuffer(48_000)
"""


@pytest.mark.parametrize("name", ["stream", "engine", "meter"])
def test_a_stream_runs(jack: Jack, name: str) -> None:
    command = [sys.executable, "-c", GIVEN + program(name)]
    done = subprocess.run(command, env=jack.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("Level(" if name == "meter" else "Statistics(") in done.stdout
