"""What only the system can give: as root on Debian it is installed, elsewhere the line to type is told."""

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from dev.processes import quietly, say

VENV_MODULE, COMPILER, HEADERS = "the venv module", "a C compiler", "Python's C headers"
SOUND = "JACK and PortAudio"
BROWSER, BROWSERS = "Chromium", ("chromium", "chromium-browser", "google-chrome")
NODE = "Node.js"
UNITS = "systemd-analyze"
CPYTHON = "what CPython is built with"
PYTHON = f"python3.{sys.version_info.minor}"
# Where jackd2 does not bring jack_lsp and jack_connect itself, this package does.
JACK_TOOLS = "jack-example-tools"
# By the line that installs it.
PACKAGES = {
    "apt-get install -y --no-install-recommends": {
        VENV_MODULE: [f"{PYTHON}-venv"],
        COMPILER: ["gcc", "libc6-dev"],
        HEADERS: [f"{PYTHON}-dev"],
        SOUND: ["jackd2", JACK_TOOLS, "jack-tools", "libportaudio2"],
        BROWSER: ["chromium"],
        NODE: ["nodejs"],
        UNITS: ["systemd"],
        CPYTHON: ["gcc", "libc6-dev", "libffi-dev", "libssl-dev", "make", "xz-utils", "zlib1g-dev"],
    },
    "dnf install -y": {COMPILER: ["gcc"], HEADERS: [f"{PYTHON}-devel"]},
}
CLANGS = range(39, 19, -1)  # With RealtimeSanitizer.


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


def lacking_for_cpython() -> list[str]:
    """What the system does not have yet to build a CPython that can use pip, and ctypes."""
    programs = all(map(shutil.which, ("gcc", "make", "xz")))
    headers = ("ffi.h", "openssl/ssl.h", "zlib.h")
    included = [f"-include{header}" for header in headers]
    look = ["gcc", "-fsyntax-only", *included, "-xc", os.devnull]
    if programs and subprocess.run(look, capture_output=True).returncode == 0:
        return []
    return [CPYTHON]


def browser() -> str | None:
    """The program, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


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


def install_units() -> None:
    """Have what looks at the units on the pages; where it is not Debian's, their tests say that it is missing."""
    if not shutil.which(UNITS) and shutil.which("apt-get") and os.geteuid() == 0:
        system_install([UNITS])


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
