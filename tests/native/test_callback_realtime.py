"""The callback under RealtimeSanitizer: no malloc, lock or system call, and a planted one is found."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Workshop, lacking

FLAGS = ("-g", "-O1", "-fsanitize=realtime")
FOUND = 43  # The sanitizer's exit status.

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, workshop: Workshop) -> Path:
    names = ["clang", *(f"clang-{version}" for version in range(20, 40))]
    for clang in filter(None, map(shutil.which, names)):
        ours = Workshop(tmp_path_factory.mktemp("realtime"), clang, workshop)
        probe = ours.folder / "probe.c"
        probe.write_text("int main(void) { return 0; }")
        command = [clang, "-fsanitize=realtime", probe, "-o", ours.folder / "probe"]
        if subprocess.run(command, capture_output=True).returncode == 0:
            break
    else:
        lacking("clang 20 or later with RealtimeSanitizer (packages clang-20, libclang-rt-20-dev)")
    objects = [*ours.modules(*FLAGS).values()]
    objects.append(ours.compile("realtime.c", "-std=c23", *FLAGS))
    return ours.link(*objects, flags=("-fsanitize=realtime",))


def test_the_callback_makes_no_malloc_lock_or_system_call(program: Path) -> None:
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout, end="")
    engine, callbacks = done.stdout.splitlines()
    assert re.fullmatch(r"\d+ callbacks without malloc, lock or system call", callbacks)
    assert not re.search(r"\b0 ", engine)  # Each thing that can happen to speech did.


@pytest.mark.parametrize(
    ("fault", "call"), [("malloc", "malloc"), ("lock", "pthread_mutex_lock"), ("write", "write")]
)
def test_a_planted_one_is_found(program: Path, fault: str, call: str) -> None:
    done = subprocess.run([program, fault], capture_output=True, text=True)
    assert done.returncode == FOUND
    assert f"real-time unsafe function `{call}`" in done.stderr
