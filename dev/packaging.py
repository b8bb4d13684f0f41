"""The sdist and the wheels, and their tests where the checkout is out of sight."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from dev.environment import BUILD, EXTRAS, PROJECT, make_venv, pip_install, prepare
from dev.processes import ROOT, VENV, in_venv, quietly, run
from dev.system import wants_sound

DIST = ROOT / "dist"
WHEELHOUSE = ROOT / "wheelhouse"
FREE = " free-threaded"


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
    """build a wheel for every CPython on this machine, and test each; --floors: for the oldest, by the oldest"""
    floors = "--floors" in arguments
    arguments = [argument for argument in arguments if argument != "--floors"]
    prepare()
    shutil.rmtree(WHEELHOUSE, ignore_errors=True)
    build(VENV, WHEELHOUSE, "--sdist")
    found, verdicts = pythons(), {}
    if floors:  # For later ones, what is oldest has no wheels.
        found = dict(itertools.islice(found.items(), 1))
    for name, python in found.items():
        start = time.monotonic()
        try:
            passed = wheel_by(name, python, arguments, floors=floors) == 0
        except SystemExit:  # A step has failed, and has said how: on to the next Python.
            passed = False
        seconds = round(time.monotonic() - start)
        verdicts[name] = f"{'passed' if passed else 'FAILED'} in {seconds} s ({python})"
    for name, verdict in verdicts.items():
        print(f"{name:29} {verdict}")
    missing = () if floors else itertools.product(minors(), ("", FREE))
    for minor, kind in missing:
        if not any(re.fullmatch(rf"CPython {minor}\.\S+{kind}", name) for name in found):
            print(f"CPython {minor + kind:21} not on this machine")
    return int(any(verdict.startswith("FAILED") for verdict in verdicts.values()))


def build(venv: Path, folder: Path, *what: str) -> None:
    """Build the sdist, and from it a wheel for the Python of this venv, into the folder."""
    pip_install(venv, "build")
    python = in_venv("python", venv)
    quietly(f"building {folder}", python, "-m", "build", *what, "--outdir", folder, ROOT)


def wheel_by(name: str, python: str, arguments: list[str], *, floors: bool) -> int:
    """Build a wheel of the sdist with this Python, and test it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sdist = shutil.copy(next(WHEELHOUSE.glob("*.tar.gz")), folder)
        make_venv(folder / "build", python)
        pip = (in_venv("python", folder / "build"), "-m", "pip")
        isolation = []
        if floors:
            pip_install(folder / "build", "--only-binary=:all:", *map(oldest, BUILD["requires"]))
            isolation = ["--no-build-isolation"]
        # Not a numpy that has no wheel for this Python: to build it would take minutes.
        options = ("--no-deps", "--prefer-binary", *isolation, f"--wheel-dir={folder}")
        quietly(f"building a wheel by {name}", *pip, "wheel", *options, sdist)
        (built,) = folder.glob("*.whl")
        shutil.copy(built, WHEELHOUSE)
        if name.startswith("CPython 3.13") and name.endswith(FREE):  # Which cffi refuses.
            return check_core(built, folder, python=python)
        options = ("-m", "not jack", *arguments)
        return check_apart(built, folder, *options, python=python, floors=floors)


def check_apart(
    wheel: Path,
    folder: Path,
    *arguments: str,
    python: str = sys.executable,
    env: dict[str, str] | None = None,
    floors: bool = False,
) -> int:
    """Test a wheel in new venvs in this folder, with the tests of the sdist beside it: the checkout is out of sight."""
    bare, full = folder / "bare", folder / "full"
    for venv in (bare, full):
        make_venv(venv, python)
    pip_install(bare, "--only-binary=:all:", f"{wheel}")
    options = ["--prefer-binary"]  # Not all extras have a wheel for the newest Python.
    if floors:
        options.append(f"--constraint={write_floors(folder)}")
    pip_install(full, *options, f"{wheel}[{EXTRAS}]", groups=["test"])
    tree = unpacked(wheel.parent, folder)

    def isolated(venv: Path, *command: str) -> int:
        return run("python", "-I", *command, venv=venv, cwd=tree, env=env)

    return (
        isolated(bare, "-c", "import sfaudio, sfclient")
        or isolated(bare, "-m", "sfclient", "--help")
        or isolated(full, "-m", "pytest", *arguments)
    )


def check_core(wheel: Path, folder: Path, *, python: str) -> int:
    """The same for the core, whole, where sounddevice cannot be installed."""
    core = folder / "core"
    make_venv(core, python)
    others = [each for each in PROJECT["dependencies"] if not each.startswith("sounddevice")]
    pip_install(core, "--only-binary=:all:", *others, groups=["test-core"])
    pip_install(core, "--no-deps", f"{wheel}")
    tests = ("-m", "pytest", "tests/sfaudio")
    return run("python", "-I", *tests, venv=core, cwd=unpacked(wheel.parent, folder))


def unpacked(packed: Path, folder: Path) -> Path:
    """The tree of the sdist, in this folder."""
    (sdist,) = packed.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


def write_floors(folder: Path) -> Path:
    """Constraints for pip: the oldest version that pyproject.toml allows of all that it asks for."""
    asked = itertools.chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    constraints = folder / "floors.txt"
    constraints.write_text("\n".join(sorted({oldest(requirement) for requirement in asked})))
    return constraints


def oldest(requirement: str) -> str:
    """``name>=1.2,<4`` as ``name==1.2``."""
    return re.sub(r"^([\w.-]+)>=([\d.]+).*", r"\1==\2", requirement)


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


def minors() -> list[str]:
    """The versions that wheels are for, as ``3.11``."""
    stated = "\n".join(PROJECT["classifiers"])
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", stated, re.MULTILINE)
