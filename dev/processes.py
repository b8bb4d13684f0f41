"""Programs: run in the foreground, or quietly as a step on the way."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"


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


def quietly(step: str, *command: str | Path, cwd: str | Path = ROOT) -> None:
    """Say what is done; show what the program prints, and exit, only when it fails."""
    say(step)
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout)
        sys.exit(done.returncode)
