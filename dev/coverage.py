"""Which lines of `src/` the tests run, Python's and Cython's."""

import os
import shutil
import tempfile
from pathlib import Path

from dev.environment import BUILT, make_venv, pip_install, prepare
from dev.processes import ROOT, run

UNFIT = (
    "--ignore=tests/native",  # The proofs in C have builds of their own.
    "--ignore=tests/sfaudio/test_leaks.py",  # The tracer keeps memory as well.
    # Without the GIL until a line is traced: hours. And a process that may write no large file,
    # with its lines neither.
    *("-k", "not another_core and not grows_too_large"),
    *("-m", "not jack"),  # PortAudio's thread has no tracer, but would wait for the GIL.
)


def coverage(arguments: list[str]) -> int:
    """tell which lines of src/, Python's and Cython's, the tests run"""
    prepare()
    with tempfile.TemporaryDirectory() as name:
        tree, venv = Path(name, "checkout"), Path(name, "venv")
        # A copy, for Cython leaves its C beside the sources, where its plugin looks for it.
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", *BUILT))
        make_venv(venv)
        os.environ["SFAUDIO_COVERAGE"] = "1"  # For setup.py.
        pip_install(venv, "--editable", f"{tree}[coverage]")

        def measured(*command: str) -> int:
            return run("python", "-m", "coverage", *command, venv=venv, cwd=tree)

        status = measured("run", "-m", "pytest", *UNFIT, *arguments)
        measured("combine", "--quiet")
        for kind in ("py", "pyx"):
            measured("report", f"--include=*.{kind}")
        return status
