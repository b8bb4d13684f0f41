"""What is typed all day: the demo, the tests, the linters."""

from dev.environment import install, install_browser
from dev.processes import ROOT, VENV, run
from dev.system import install_units, wants_sound


def demo(arguments: list[str]) -> int:
    """hold a call with the simulator; needs no sound hardware"""
    install()
    return run("sfclient", "demo", *arguments)


def test(arguments: list[str]) -> int:
    """run the tests against the installed package"""
    install("test", sound=wants_sound(arguments))
    install_units()
    if "--browser" in arguments:
        install_browser()
    return run("python", "-m", "pytest", *arguments)


def faults(arguments: list[str]) -> int:
    """hold calls that fail in all the ways of the fault bench, and print what came of them"""
    install("test")
    bench = ("tests/faults/test_scenarios.py", "--slow", "--table", "--tb=no", "-q")
    return run("python", "-m", "pytest", *bench, *arguments)


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


def stubtest() -> int:
    """Compare the stubs with the extensions as they are installed."""
    stubs = sorted(path.stem for path in (ROOT / "src" / "sfaudio").glob("*.pyi"))
    allowed = ROOT / "tests" / "stubtest-allowlist.txt"
    # At home elsewhere: here the stubs of src/ would hide the installed ones.
    modules = [f"sfaudio.{name}" for name in stubs]
    options = ("--allowlist", f"{allowed}", "--ignore-unused-allowlist", "--ignore-disjoint-bases")
    return run("python", "-m", "mypy.stubtest", *options, *modules, cwd=VENV)
