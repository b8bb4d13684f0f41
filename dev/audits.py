"""What others' tools find in what is published, and in the workflows that publish it.

What is refused of their findings stands with its reason in `pyproject.toml`, or in `.github/zizmor.yml`.
"""

import re
import subprocess
import sys
from collections.abc import Callable

from dev.environment import pip_install
from dev.packaging import DIST, minors, wheel
from dev.processes import ROOT, VENV, in_venv, run, say

WORKFLOWS = ROOT / ".github" / "workflows"
FREE_THREADED = ("3.14t", "3.15t")  # cffi, and with it sounddevice, refuses 3.13t.
# As cibuildwheel names them, by how it is asked for them.
TARGETS = {
    ("linux", "x86_64"): ("manylinux_x86_64", "musllinux_x86_64"),
    ("linux", "aarch64"): ("manylinux_aarch64", "musllinux_aarch64"),
    ("macos", "x86_64"): ("macosx_x86_64",),
    ("macos", "arm64"): ("macosx_arm64",),
    ("windows", "AMD64"): ("win_amd64",),
    ("windows", "ARM64"): ("win_arm64",),
}


def audit(arguments: list[str]) -> int:
    """look at sdist, wheel, metadata and workflows with the tools that others look with"""
    wheel([])
    pip_install(VENV, groups=["audit"])
    built = [f"{path}" for path in sorted(DIST.iterdir())]
    wheels = [path for path in built if path.endswith(".whl")]
    workflows = [f"{path}" for path in sorted(WORKFLOWS.glob("*.yml"))]
    audits: dict[str, Callable[[], int]] = {
        "twine": lambda: run("twine", "check", "--strict", *built),
        "check-wheel-contents": lambda: run("check-wheel-contents", *wheels),
        "check-manifest": lambda: run("check-manifest"),
        "validate-pyproject": lambda: run("validate-pyproject", "pyproject.toml"),
        "repo-review": lambda: run("repo-review", "."),
        "zizmor": lambda: run("zizmor", "--offline", "--persona=pedantic", ".github"),
        "workflows": lambda: valid("vendor.github-workflows", *workflows),
        "dependabot": lambda: valid("vendor.dependabot", ".github/dependabot.yml"),
        "cibuildwheel": cibuildwheel,
    }
    failed = []
    for name, look in audits.items():
        say(name)
        if look() != 0:
            failed.append(name)
    say(f"{', '.join(failed)} found something" if failed else "nothing is found")
    return int(bool(failed))


def valid(schema: str, *files: str) -> int:
    return run("check-jsonschema", "--builtin-schema", schema, *files)


def cibuildwheel() -> int:
    """Whether it would build a wheel of each version for each platform; it takes no compiler and no container."""
    tags = [f"cp{version.replace('.', '')}" for version in (*minors(), *FREE_THREADED)]
    status = 0
    for (platform, archs), targets in TARGETS.items():
        command = ("--print-build-identifiers", "--platform", platform, "--archs", archs)
        asked = subprocess.run(
            [in_venv("cibuildwheel"), *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        wanted = {f"{tag}-{target}" for tag in tags for target in targets}
        if differences := wanted ^ set(asked.stdout.split()):
            print(f"{platform} {archs}: not as promised: {', '.join(sorted(differences))}")
            status = 1
        else:
            print(f"{platform} {archs}: {len(wanted)} wheels")
    return status


def release_check(arguments: list[str]) -> int:
    """whether a tag is `v` and the version, the changelog has a day for it, and its figures are kept"""
    (tag,) = arguments or [""]
    text = (ROOT / "src" / "sfaudio" / "_version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(line for line in changelog.splitlines() if line.startswith("## "))
    if tag != f"v{version}":
        sys.exit(f"dev.py: the tag is {tag}, the version {version}")
    if not re.fullmatch(rf"## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", newest):
        sys.exit(f"dev.py: the newest heading of CHANGELOG.md is no day of {version}: {newest}")
    results = ROOT / "benchmarks" / "results" / version
    if not any(results.glob("*.json")):
        sys.exit(f"dev.py: there are no figures in {results}: python3 dev.py bench --save")
    return 0
