#!/usr/bin/env python3
"""The commands of development: python3 dev.py COMMAND [ARGUMENT ...]

Needs Python 3.11 or later and nothing else. What is missing is installed: packages into .venv
beside this file, compiler and JACK, as root on Debian and its kin, with apt-get; elsewhere the line
to type is printed. Arguments go on to the program behind the command.
"""

import ctypes.util
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("dev.py: Python 3.11 or later is needed")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
DIST = ROOT / "dist"
WHEELHOUSE = ROOT / "wheelhouse"

# Each extra holds the one before it.
EXTRAS = ("simulator", "test", "lint", "bench")

VENV_MODULE, COMPILER, HEADERS = "the venv module", "a C compiler", "Python's C headers"
SOUND = "JACK and PortAudio"
PYTHON = f"python3.{sys.version_info.minor}"
# Where jackd2 does not bring jack_lsp and jack_connect itself, this package does.
JACK_TOOLS = "jack-example-tools"
# What only the system can give, by the line that installs it.
PACKAGES = {
    "apt-get install -y --no-install-recommends": {
        VENV_MODULE: [f"{PYTHON}-venv"],
        COMPILER: ["gcc", "libc6-dev"],
        HEADERS: [f"{PYTHON}-dev"],
        SOUND: ["jackd2", JACK_TOOLS, "jack-tools", "libportaudio2"],
    },
    "dnf install -y": {COMPILER: ["gcc"], HEADERS: [f"{PYTHON}-devel"]},
}

PROOFS = ("queues", "callback_realtime", "callback_object")
CLANGS = range(39, 19, -1)  # With RealtimeSanitizer.


def demo(arguments: list[str]) -> int:
    """hold a call with the simulator; needs no sound hardware"""
    install("simulator")
    return run("sfclient", "demo", *arguments)


def test(arguments: list[str]) -> int:
    """run the tests against the installed package"""
    install("test", sound=wants_sound(arguments))
    return run("python", "-m", "pytest", *arguments)


def lint(arguments: list[str]) -> int:
    """check style, types and the Cython sources"""
    install("lint")
    return max(
        run("ruff", "check"),
        run("ruff", "format", "--check"),
        run("mypy"),
        run("cython-lint", "src"),
        stubtest(),
    )


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


def sanitize(arguments: list[str]) -> int:
    """run the tests with AddressSanitizer and UndefinedBehaviorSanitizer in the extensions"""
    prepare()
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    look_up = [compiler, "-print-file-name=libasan.so"]
    libasan = Path(subprocess.run(look_up, capture_output=True, text=True).stdout.strip())
    if not libasan.is_absolute():
        sys.exit("dev.py: sanitize needs Linux, and a Python that was built with gcc")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SFAUDIO_SANITIZE"] = "address,undefined"  # For setup.py.
        build(VENV, folder)
        (built,) = folder.glob("*.whl")
        log = folder / "report"
        env = {
            "LD_PRELOAD": f"{libasan}",
            "PYTHONMALLOC": "malloc",  # Python's own allocator would hide small overruns.
            "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:log_path={log}",
            "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={log}",
        }
        options = ["-m", "not jack", "-p", "no:faulthandler"]
        options += ["--capture=sys"]  # So that a report is seen which ends the process.
        # Here resident memory says nothing, and nothing keeps to the seconds of a real clock.
        for unfit in ("sfaudio/test_leaks.py", "sfclient/cli", "sfclient/connect"):
            options.append(f"--ignore=tests/{unfit}")
        status = check_apart(built, folder, *options, *arguments, env=env)
        reports = sorted(folder.glob("report.*"))
        for report in reports:
            print(report.read_text(errors="replace"))
        failed = status != 0 or bool(reports)
        say(f"the sanitized tests {'FAILED' if failed else 'passed'}, {len(reports)} report files")
        return int(failed)


def prove(arguments: list[str]) -> int:
    """prove queues and callback: ThreadSanitizer, RealtimeSanitizer, object code (Linux)"""
    install("test")
    install_clang()
    os.environ["SFAUDIO_PROVE"] = "1"  # Now a tool that is missing is a failure.
    proofs = [f"tests/native/test_{name}.py" for name in PROOFS]
    return run("python", "-m", "pytest", "-v", "-rP", "--slow", *proofs, *arguments)


def bench(arguments: list[str]) -> int:
    """measure us beside the rivals and print the ratios"""
    install("bench")
    return run("python", "-m", "pytest", "benchmarks", "--benchmark-columns=min,median", *arguments)


def realtime(arguments: list[str]) -> int:
    """measure native callbacks beside Python's on a real PortAudio, for about half an hour"""
    install("bench", sound=True)
    return run("python", "benchmarks/realtime.py", *arguments)


def pacing(arguments: list[str]) -> int:
    """measure how evenly the messages of a ws-media call arrive, for two minutes"""
    install("bench")
    return run("python", "benchmarks/pacing.py", *arguments)


def clean(arguments: list[str]) -> int:
    """remove .venv and all that was built"""
    caches = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".benchmarks")
    built = (".venv", "build", "dist", "wheelhouse", "src/sfaudio.egg-info")
    for folder in (*built, *caches):
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    return 0


COMMANDS = {
    "demo": demo,
    "test": test,
    "lint": lint,
    "wheel": wheel,
    "check-wheel": check_wheel,
    "wheels": wheels,
    "sanitize": sanitize,
    "prove": prove,
    "bench": bench,
    "realtime": realtime,
    "pacing": pacing,
    "clean": clean,
}


def in_venv(program: str, venv: Path = VENV) -> Path:
    return venv / ("Scripts" if os.name == "nt" else "bin") / program


def say(text: str) -> None:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


def run(
    program: str,
    *arguments: str,
    venv: Path = VENV,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
) -> int:
    """Run a program as in the activated venv, and return its exit status, as a shell gives it."""
    command = in_venv(program, venv)
    path = f"{command.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    whole_env = os.environ | {"PATH": path} | (env or {})
    with subprocess.Popen([command, *arguments], cwd=cwd, env=whole_env) as process:
        while True:
            try:
                status = process.wait()
                return status if status >= 0 else 128 - status
            except KeyboardInterrupt:
                continue  # The program got the Ctrl-C as well, and ends in its own way.


def quietly(step: str, *command: str | Path) -> None:
    """Say what is done; show what the program prints, and exit, only when it fails."""
    say(step)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout)
        sys.exit(done.returncode)


def make_venv(folder: Path, python: str = sys.executable) -> None:
    quietly(f"making {folder}", python, "-m", "venv", folder)


def pip_install(venv: Path, *arguments: str) -> None:
    pip = (in_venv("python", venv), "-m", "pip", "install")
    quietly(f"installing {arguments[-1]}", *pip, *arguments)


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
    for venv, requirement in ((bare, f"{wheel}"), (full, f"{wheel}[test]")):
        make_venv(venv, python)
        pip_install(venv, "--only-binary=:all:", requirement)
    # The native tests are about the C sources, which a wheel does not hold.
    without_native = shutil.ignore_patterns("native")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=without_native)
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
    found = {}
    for folder in filter(Path.is_dir, folders):
        for program in filter(lambda path: name.fullmatch(path.name), sorted(folder.iterdir())):
            asked = subprocess.run([program, "-c", question], capture_output=True, text=True)
            if asked.returncode == 0:
                abi, minor, python, version = asked.stdout.splitlines()
                found.setdefault(abi, (minor, version, python))
    return {f"CPython {version}": python for _, version, python in sorted(found.values())}


def stubtest() -> int:
    """Compare the stubs with the extensions as they are installed."""
    stubs = sorted(path.stem for path in (ROOT / "src" / "sfaudio").glob("*.pyi"))
    allowed = ROOT / "tests" / "stubtest-allowlist.txt"
    # At home elsewhere: here the stubs of src/ would hide the installed ones.
    modules = [f"sfaudio.{name}" for name in stubs]
    options = ("--allowlist", f"{allowed}", "--ignore-unused-allowlist", "--ignore-disjoint-bases")
    return run("python", "-m", "mypy.stubtest", *options, *modules, cwd=VENV)


def install(extra: str, *, sound: bool = False) -> None:
    """Have the project as it is now installed in .venv, with this extra at least."""
    prepare(sound=sound)
    mark, digest = VENV / "installed", digest_of_sources()
    old_digest, old_extra = mark.read_text().split() if mark.exists() else ("", extra)
    extra = max(extra, old_extra, key=EXTRAS.index)
    if (digest, extra) != (old_digest, old_extra):
        for leftover in (ROOT / "build").glob("lib*"):
            shutil.rmtree(leftover)  # It would bring back modules that are gone.
        pip_install(VENV, f"{ROOT}[{extra}]")
        mark.write_text(f"{digest} {extra}")


def digest_of_sources() -> str:
    digest = hashlib.sha256()
    in_src = (path for path in (ROOT / "src").rglob("*.*") if path.is_file())
    for path in sorted([ROOT / "pyproject.toml", ROOT / "setup.py", *in_src]):
        if path.suffix != ".pyc" and path.parent.suffix != ".egg-info":
            digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare(*, sound: bool = False) -> None:
    """Have what the system must give, and a .venv made here by this Python."""
    if missing := lacking(sound=sound):
        system_install(missing)
    mark, here = VENV / "made-by-dev.py", f"{sys.base_prefix} {sys.version} {ROOT}"
    if VENV.exists() and not mark.exists():
        sys.exit("dev.py: there is a .venv that dev.py did not make; remove it first")
    if not mark.exists() or mark.read_text() != here:
        shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir()
        mark.write_text("unfinished")
        make_venv(VENV)
        mark.write_text(here)


def wants_sound(arguments: list[str]) -> bool:
    return not any("not jack" in argument for argument in arguments)


def lacking(*, sound: bool) -> list[str]:
    """What the system does not have yet."""
    missing = []
    if importlib.util.find_spec("ensurepip") is None:
        missing.append(VENV_MODULE)
    # Windows has no such setting; there setuptools finds the compiler, or says what to install.
    compiler = sysconfig.get_config_var("CC")
    if compiler and not shutil.which(compiler.split()[0]):
        missing.append(COMPILER)
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append(HEADERS)
    tools = ("jackd", "jack_lsp", "jack_connect", "jack-play", "jack-record")
    if sound and not (all(map(shutil.which, tools)) and ctypes.util.find_library("portaudio")):
        missing.append(SOUND)
    return missing


def system_install(missing: list[str]) -> None:
    """Install it, or exit with the line to type."""
    line = next((line for line in PACKAGES if shutil.which(line.split()[0])), "")
    packages = [name for thing in missing for name in PACKAGES.get(line, {}).get(thing, [])]
    root_on_debian = line.startswith("apt-get") and os.geteuid() == 0
    if root_on_debian:
        quietly("updating the list of system packages", "apt-get", "update")
    if JACK_TOOLS in packages:
        look_up = subprocess.run(["apt-cache", "show", JACK_TOOLS], capture_output=True)
        if look_up.returncode != 0:
            packages.remove(JACK_TOOLS)
    command = [*line.split(), *packages]

    if root_on_debian:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        quietly(f"installing {' '.join(packages)}", *command)
        return
    say(f"this system lacks {', '.join(missing)}")
    if packages:
        say(f"type: sudo {' '.join(command)}")
    if SOUND in missing:
        say("or leave out the tests that need JACK: python3 dev.py test -m 'not jack'")
    sys.exit(1)


def install_clang() -> None:
    """Have the newest clang that Debian offers; elsewhere the proof says what it lacks."""
    if any(shutil.which(f"clang-{version}") for version in CLANGS):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return
    quietly("updating the list of system packages", "apt-get", "update")
    for version in CLANGS:
        runtime = f"libclang-rt-{version}-dev"
        look_up = subprocess.run(["apt-cache", "show", runtime], capture_output=True)
        if look_up.returncode == 0:
            os.environ["DEBIAN_FRONTEND"] = "noninteractive"
            line = "apt-get install -y --no-install-recommends"
            packages = (f"clang-{version}", runtime)
            quietly(f"installing {' '.join(packages)}", *line.split(), *packages)
            return


def main() -> int:
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        return COMMANDS[name](arguments)
    print(__doc__)
    for command, function in COMMANDS.items():
        print(f"  {command:12} {function.__doc__}")
    return 0 if name in ("-h", "--help") else 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
