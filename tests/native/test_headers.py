"""Every header can be compiled alone: it includes all that it uses, so no circle hides behind an order."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

SFAUDIO = Path(__file__).resolve().parents[2] / "src" / "sfaudio"
MACHINES = {"_kernels_neon.h": ("aarch64", "arm64"), "_kernels_x86.h": ("x86_64", "i686")}


@pytest.mark.parametrize("header", sorted(path.name for path in SFAUDIO.glob("*.h")))
def test_a_header_needs_no_other_before_it(header: str) -> None:
    machine = platform.machine()
    if machine not in MACHINES.get(header, [machine]):
        pytest.skip(f"not for {machine}")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler named cc")
    strictly = ["-x", "c", "-fsyntax-only", "-Werror=implicit-function-declaration"]
    command = [compiler, *strictly, SFAUDIO / header]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
