"""A CPython without the GIL: one that is here, or one that is built from Debian's sources."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.packaging import pythons
from dev.processes import ROOT, quietly
from dev.system import lacking_for_cpython, system_install

CACHE = ROOT / ".freethreaded"
MIRROR, SUITE, SOURCE = "http://deb.debian.org/debian", "trixie", "python3.13"
# Of Debian's archive. With it apt checks what it fetches, and nothing else is trusted here.
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LEAN = ("--disable-gil", "--disable-test-modules", "--without-ensurepip")
SETTINGS = {"plain": LEAN, "thread": (*LEAN, "--with-thread-sanitizer")}
# Its help, in place of what compiles the whole library three times: of that, imports compile what they need.
NOTHING_COMPILED = "COMPILEALL_OPTS=--help"
NONE = "dev.py: there is no free-threaded CPython here: CONTRIBUTING.md says how to get one"


def free_cpython(kind: str) -> str:
    """The newest that is here, else one that is built, which takes some minutes; `kind` is of `SETTINGS`.

    One with ThreadSanitizer is never looked for, but built.
    """
    found = [python for name, python in pythons().items() if "free-threaded" in name]
    return found[-1] if found and kind == "plain" else _built(kind)


def check(python: str) -> None:
    """Exit unless it is a CPython without the GIL."""
    question = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED'))"
    asked = subprocess.run([python, "-c", question], capture_output=True, text=True)
    if asked.stdout.strip() != "1":
        sys.exit(f"dev.py: {python} is no free-threaded CPython")


def _built(kind: str) -> str:
    prefix = CACHE / kind
    mark, python = prefix / "complete", prefix / "bin" / "python3"
    if not mark.exists():
        if shutil.which("apt-get") is None or not KEYS.exists():
            sys.exit(NONE)
        if missing := lacking_for_cpython():
            system_install(missing)
        with tempfile.TemporaryDirectory() as folder:
            quietly("unpacking", "tar", "xf", _sources(), "-C", folder, "--strip-components=1")
            settings = (f"--prefix={prefix}", *SETTINGS[kind])
            quietly(
                f"configuring CPython {' '.join(settings)}", "./configure", *settings, cwd=folder
            )
            jobs = f"-j{os.cpu_count() or 1}"
            quietly("building CPython, for some minutes", "nice", "make", jobs, cwd=folder)
            shutil.rmtree(prefix, ignore_errors=True)
            install = ("make", "install", NOTHING_COMPILED)
            quietly(f"installing CPython into {prefix}", *install, cwd=folder)
        mark.touch()
    return f"{python}"


def _sources() -> Path:
    """Debian's archive of them, as apt has checked it; in an apt of its own, which leaves that of the system alone."""
    apt, download = CACHE / "apt", CACHE / "sources"
    for folder in (apt / "lists", apt / "cache" / "archives" / "partial", download):
        folder.mkdir(parents=True, exist_ok=True)
    line = f"deb-src [signed-by={KEYS}] {MIRROR} {SUITE} main\n"
    (apt / "sources.list").write_text(line)
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
    }
    command = ("apt-get", *(f"-o{name}={value}" for name, value in settings.items()))
    quietly(f"updating the list of {SUITE}'s sources", *command, "update")
    fetch = ("source", "--download-only", SOURCE)
    quietly(f"fetching the sources of {SOURCE}", *command, *fetch, cwd=download)
    return max(download.glob("*.orig.tar.*z"), key=lambda path: path.stat().st_mtime)
