"""The sdist and the wheels, and their tests where the checkout is out of sight."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dev.environment import EXTRAS, make_venv, pip_install, prepare
from dev.processes import ROOT, VENV, in_venv, quietly, run
from dev.system import wants_sound

DIST = ROOT / "dist"
WHEELHOUSE = ROOT / "wheelhouse"


def wheel(arguments: list[str]) -> int:
    """build sdist and wheel into dist/"""
    prepare()
    shutil.rmtree(DIST, ignore_errors=True)
    build(VENV, DIST)
    return 0


def check_wheel(arguments: list[str]) -> int:
    """test the wheel of dist/ where the checkout is out of sight"""
    prepare(sound=wants_sound(arguments))
    wheels = list(DIST.glob("*.whl"))
    if len(wheels) != 1:
        sys.exit("dev.py: first type: python3 dev.py wheel")
    with tempfile.TemporaryDirectory() as folder:
        return check_apart(wheels[0], Path(folder), *arguments)


def wheels(arguments: list[str]) -> int:
    """build and test a wheel for every CPython on this machine, in wheelhouse/"""
    prepare()
    shutil.rmtree(WHEELHOUSE, ignore_errors=True)
    verdicts = {}
    for name, python in pythons().items():
        start = time.monotonic()
        try:
            passed = wheel_by(python, arguments) == 0
        except SystemExit:  # A step has failed, and has said how: on to the next Python.
            passed = False
        seconds = round(time.monotonic() - start)
        verdicts[name] = f"{'passed' if passed else 'FAILED'} in {seconds} s ({python})"
    for name, verdict in verdicts.items():
        print(f"{name:20} {verdict}")
    return int(any(verdict.startswith("FAILED") for verdict in verdicts.values()))


def build(venv: Path, folder: Path) -> None:
    """Build the sdist, and from it a wheel for the Python of this venv, into the folder."""
    pip_install(venv, "build")
    python = in_venv("python", venv)
    quietly(f"building {folder}", python, "-m", "build", "--outdir", folder, ROOT)


def check_apart(
    wheel: Path,
    folder: Path,
    *arguments: str,
    python: str = sys.executable,
    env: dict[str, str] | None = None,
) -> int:
    """Test a wheel in new venvs in this folder, outside the checkout."""
    bare, full = folder / "bare", folder / "full"
    for venv in (bare, full):
        make_venv(venv, python)
    pip_install(bare, "--only-binary=:all:", f"{wheel}")
    pip_install(full, "--only-binary=:all:", f"{wheel}[{EXTRAS}]", groups=["test"])
    # These are about the sources, which a wheel does not hold.
    sources = shutil.ignore_patterns("native", "examples", "test_rooms.py", "*readme.py")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=sources)
    conversations = Path("examples", "conversations")
    shutil.copytree(ROOT / conversations, folder / conversations)
    shutil.copy(ROOT / "pyproject.toml", folder)  # The settings of pytest.

    def isolated(venv: Path, *command: str) -> int:
        return run("python", "-I", *command, venv=venv, cwd=folder, env=env)

    return (
        isolated(bare, "-c", "import sfaudio, sfclient")
        or isolated(bare, "-m", "sfclient", "--help")
        or isolated(full, "-m", "pytest", *arguments)
    )


def wheel_by(python: str, arguments: list[str]) -> int:
    """Build and test a wheel with this Python."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_venv(folder / "build", python)
        build(folder / "build", folder)
        (built,) = folder.glob("*.whl")
        WHEELHOUSE.mkdir(exist_ok=True)
        shutil.copy(built, WHEELHOUSE)
        return check_apart(built, folder, "-m", "not jack", *arguments, python=python)


def pythons() -> dict[str, str]:
    """The CPythons on PATH and in pyenv that can build wheels: the first of each ABI, by name."""
    question = """if True:
        import ensurepip, os, sys, sysconfig
        assert sys.implementation.name == "cpython" and sys.version_info >= (3, 11)
        assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
        free = " free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
        abi, version = sysconfig.get_config_var("EXT_SUFFIX"), sys.version.split()[0]
        print(abi, f"{sys.version_info.minor:02}", sys.executable, version + free, sep="\\n")
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    folders = [Path(sys.executable).parent, *map(Path, os.get_exec_path()), *pyenv.glob("*/bin")]
    name = re.compile(r"python3\.\d+t?" if os.name != "nt" else r"python\.exe")
    found: dict[str, tuple[str, str, str]] = {}
    for folder in filter(Path.is_dir, folders):
        for program in filter(lambda path: name.fullmatch(path.name), sorted(folder.iterdir())):
            asked = subprocess.run([program, "-c", question], capture_output=True, text=True)
            if asked.returncode == 0:
                abi, minor, python, version = asked.stdout.splitlines()
                found.setdefault(abi, (minor, version, python))
    return {f"CPython {version}": python for _, version, python in sorted(found.values())}
