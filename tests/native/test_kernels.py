"""The kernels against their definitions, in C: every level, size and alignment."""

import shutil
import subprocess
from pathlib import Path

import pytest

FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno"]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler named cc")
    program = tmp_path_factory.mktemp("native") / "check_kernels"
    source = Path(__file__).with_name("check_kernels.c")
    subprocess.run([compiler, *FLAGS, source, "-o", program, "-lm"], check=True)
    return program


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checked c\n" in done.stdout


def test_every_size_and_the_values_that_matter(check: Path) -> None:
    run(check)


@pytest.mark.slow
def test_every_float(check: Path) -> None:
    run(check, "--all")
