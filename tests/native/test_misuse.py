"""What Python is refused of queues that a native callback uses; and that misuse is seen where nothing is refused."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import sfaudio

from .conftest import MODULES, SFAUDIO, Workshop, at_once, lacking

SECONDS = 3.0
# The planted fault: whoever asks for a side gets it, though somebody else has it.
NO_CHECK = """
#include <_atomics.h>
#define sf_hold(owner, holder) ((void)(owner), (void)(holder), (uint64_t)0)
"""

pytestmark = pytest.mark.slow


def misuse(
    workshop: Workshop, folder: Path, what: str, prefix: str
) -> subprocess.CompletedProcess[str]:
    """With AddressSanitizer, and these lines before each module but the kernels."""
    look_up = [workshop.compiler, "-print-file-name=libasan.so"]
    libasan = subprocess.run(look_up, capture_output=True, text=True).stdout.strip()
    if not Path(libasan).is_absolute():
        lacking("AddressSanitizer")
    header, library = folder / "prefix.h", folder / "callback_thread.so"
    header.write_text(prefix)
    shutil.copytree(Path(sfaudio.__file__).parent, folder / "sfaudio")

    def build(name: str) -> None:
        extension = folder / "sfaudio" / f"_{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        extension.unlink()
        flags = ("-include", header, "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address")
        workshop.shared(workshop.folder / f"_{name}.c", extension, *flags)

    at_once(build, [name for name in MODULES if name != "kernels"])
    workshop.shared(Path(__file__).with_name("callback_thread.c"), library, "-O2", "-pthread")
    env = {"PYTHONPATH": f"{folder}", "LD_PRELOAD": libasan, "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-m", "tests.native.misuse_beside_callback"]
    command += [f"{library}", what, f"{SECONDS}"]
    done = subprocess.run(
        command, cwd=SFAUDIO.parents[1], env=os.environ | env, capture_output=True, text=True
    )
    print(done.stdout, done.stderr[:2000])
    return done


@pytest.mark.parametrize("what", ["queue", "engine"])
def test_python_is_refused_what_a_native_callback_has(
    workshop: Workshop, tmp_path: Path, what: str
) -> None:
    done = misuse(workshop, tmp_path, what, "")
    assert done.returncode == 0
    figures = json.loads(done.stdout)
    assert figures["callbacks"] > 10_000
    assert figures["RuntimeError"] > 1000
    assert figures.keys() <= {"callbacks", "returned", "RuntimeError", "ValueError", "TypeError"}


@pytest.mark.parametrize("what", ["queue", "engine"])
def test_a_missing_check_is_found(workshop: Workshop, tmp_path: Path, what: str) -> None:
    done = misuse(workshop, tmp_path, what, NO_CHECK)
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stderr
