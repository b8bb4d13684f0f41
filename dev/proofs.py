"""Proofs of the native code: what sanitizers and the object code say."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from dev.environment import install, prepare
from dev.packaging import build, check_apart
from dev.processes import VENV, run, say
from dev.system import install_clang

PROOFS = ("queues", "callback_realtime", "callback_object")


def sanitize(arguments: list[str]) -> int:
    """run the tests with AddressSanitizer and UndefinedBehaviorSanitizer in the extensions"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, env = sanitized(folder)
        options = ["-m", "not jack", "-p", "no:faulthandler"]
        options += ["--capture=sys"]  # So that a report is seen which ends the process.
        # Here resident memory says nothing, and nothing keeps to the seconds of a real clock.
        for unfit in ("sfaudio/test_leaks.py", "sfclient/cli", "sfclient/connect"):
            options.append(f"--ignore=tests/{unfit}")
        for unfit in ("documentation", "examples", "native"):  # Not about these extensions.
            options.append(f"--ignore=tests/{unfit}")
        status = check_apart(wheel, folder, *options, *arguments, env=env)
        reports = print_reports(folder)
        failed = status != 0 or reports > 0
        say(f"the sanitized tests {'FAILED' if failed else 'passed'}, {reports} reports")
        return int(failed)


def sanitized(folder: Path) -> tuple[Path, dict[str, str]]:
    """Build a wheel with the sanitizers in this folder. Returns it, and the environment it needs."""
    prepare()
    env = sanitized_by("address,undefined", folder)
    build(VENV, folder)
    (built,) = folder.glob("*.whl")
    return built, env


def sanitized_by(sanitizers: str, folder: Path) -> dict[str, str]:
    """Have these in what is built from here on. Returns the environment it needs, for reports in this folder."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    look_up = [compiler, "-print-file-name=libasan.so"]
    libasan = Path(subprocess.run(look_up, capture_output=True, text=True).stdout.strip())
    if not libasan.is_absolute():
        sys.exit("dev.py: sanitizers need Linux, and a Python that was built with gcc")
    os.environ["SFAUDIO_SANITIZE"] = sanitizers  # For setup.py.
    log = folder / "report"
    return {
        "LD_PRELOAD": f"{libasan}",
        "PYTHONMALLOC": "malloc",  # Python's own allocator would hide small overruns.
        # What is freed is kept back for a while, but not for so long that memory seems to grow.
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=64:log_path={log}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={log}",
    }


def print_reports(folder: Path) -> int:
    """What the sanitizers found, which a refused allocation is not. Returns how many reports."""
    texts = [path.read_text(errors="replace") for path in sorted(folder.glob("report.*"))]
    marks = ("ERROR: ", "WARNING: ThreadSanitizer: ", "runtime error: ")
    found = [text for text in texts if any(mark in text for mark in marks)]
    print(*found, sep="\n", end="")
    return len(found)


def prove(arguments: list[str]) -> int:
    """prove queues and callback: ThreadSanitizer, RealtimeSanitizer, object code (Linux)"""
    install("test")
    install_clang()
    os.environ["SFAUDIO_PROVE"] = "1"  # Now a tool that is missing is a failure.
    proofs = [f"tests/native/test_{name}.py" for name in PROOFS]
    return run("python", "-m", "pytest", "-v", "-rP", "--slow", *proofs, *arguments)
