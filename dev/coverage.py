"""Which lines of `src/` the tests run, Python's and Cython's.

Not seen are the lines that PortAudio's own thread runs, which has no tracer: of `_callback.pyx`.
"""

import os
import shutil
import tempfile
from pathlib import Path

from dev.environment import BUILT, EXTRAS, make_venv, pip_install, prepare
from dev.processes import ROOT, run
from dev.system import wants_sound

UNFIT = (
    "--ignore=tests/native",  # The proofs in C have builds of their own.
    "--ignore=tests/sfaudio/test_leaks.py",  # The tracer keeps memory as well.
    # The tracer takes the GIL at every line: threads that do without would take hours, and a native
    # callback waits for busy Python. A process that may write no large file cannot leave its lines.
    *("-k", "not another_core and not busy_python and not grows_too_large"),
)


def coverage(arguments: list[str]) -> int:
    """tell which lines of src/, Python's and Cython's, the tests run"""
    prepare(sound=wants_sound(arguments))
    with tempfile.TemporaryDirectory() as name:
        tree, venv = Path(name, "checkout"), Path(name, "venv")
        # A copy, for Cython leaves its C beside the sources, where its plugin looks for it.
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", *BUILT))
        make_venv(venv)
        os.environ["SFAUDIO_COVERAGE"] = "1"  # For setup.py.
        pip_install(venv, "--editable", f"{tree}[{EXTRAS}]", groups=["coverage"])

        def measured(*command: str) -> int:
            return run("python", "-m", "coverage", *command, venv=venv, cwd=tree)

        status = measured("run", "-m", "pytest", *UNFIT, *arguments)
        measured("combine", "--quiet")
        for kind in ("py", "pyx"):
            # By name: Cython's plugin cannot report on a .pxd, and what no test imports is told too.
            measured("report", *map(str, sorted((tree / "src").rglob(f"*.{kind}"))))
        return status
