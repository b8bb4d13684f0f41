"""The reader of a page: a shell in a folder, who does what the blocks say, one after the other."""

import itertools
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from contextlib import ExitStack
from pathlib import Path

from .pages import ROOT, SHELLS, Block
from .service import KEY, serving

HERE = Path(__file__).parent
SECONDS = 60  # that a command may take
RATE = 10  # How many seconds of a call pass in one, where no device keeps time.
MODULES = {
    **{name: name for name in ("sfclient", "pytest", "dask")},
    "cythonize": "Cython.Build.Cythonize",
}
# What would change the machine is asked whether it could.
ASKED = {
    "pip": f'exec {sys.executable} -I {HERE / "asked_pip.py"} "$@"',
    "sudo": 'exec "$@"',
    "apt-get": 'exec /usr/bin/apt-get --simulate "$@"',
}
# A venv that leads back here: without programs of its own.
IN_VENV = f"""if [ "$1 $2" = "-m venv" ]; then
    {sys.executable} -m venv --without-pip "$3" && exec rm "$3"/bin/python*
fi"""
# A checkout's door: whether it has such a command.
IN_CHECKOUT = f"""if [ "$1" = dev.py ]; then
    cd {ROOT} && {sys.executable} dev.py | grep "^ *$2 " >/dev/null
    exit
fi"""
PORT = re.compile(r"(?<=[ :])8\d{3}\b")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Reader:
    def __init__(self, folder: Path, environment: dict[str, str], rate: float = RATE) -> None:
        self._folder = folder / "page"
        self._state, self._where = folder / "state", folder / "where"
        self._stack = ExitStack()
        self._rate = rate
        self._serial = itertools.count()
        self._services: dict[str, str] = {}
        self._running: list[tuple[subprocess.Popen[bytes], str, Path]] = []
        self._ports: dict[str, str] = {}
        self._folder.mkdir()
        self._where.write_text(f"{self._folder}\n")
        self._state.write_text("")
        programs = folder / "programs"
        programs.mkdir()
        python = f'{IN_VENV}\n{IN_CHECKOUT}\nexec {sys.executable} "$@"'
        by_module = {
            name: f'exec {sys.executable} -m {module} "$@"' for name, module in MODULES.items()
        }
        for name, line in {**ASKED, **by_module, "python": python, "python3": python}.items():
            (programs / name).write_text(f"#!/bin/sh\n{line}\n")
            (programs / name).chmod(0o755)
        self._environment = {
            **environment,
            "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
            "PYTHONPATH": f"{HERE / 'reader'}",
            "PYTHONWARNINGS": "error",
            "SYNTHFLOW_API_KEY": KEY,
            "DOCUMENTATION_RATE": f"{rate}",
            "COLUMNS": "80",
            "NO_COLOR": "1",
        }
        for path in (ROOT / "examples" / "conversations").iterdir():
            (self._folder / path.name).write_bytes(path.read_bytes())

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        over = [
            (command, log.read_text())
            for process, command, log in self._running
            if process.poll() is not None
        ]
        self._stack.close()
        assert any(error) or not over, over

    def write(self, block: Block) -> Path:
        """A block that is a file, where the page has it; at another place of the machine: in the folder."""
        name = block.name or f"line-{block.line}.{block.language}"
        path = self._folder / (Path(name).name if name.startswith(("/", "~")) else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._with_ports(block.text))
        return path

    def run(self, block: Block, command: str, output: str = "") -> None:
        """Run a command of the block; `output` is what the page says that it prints."""
        script = self._script(command)
        environment = self._environment | {"DOCUMENTATION_SERVICE": self._service(block)}
        log = self._folder.parent / f"log-{next(self._serial)}"
        with log.open("w") as told_to:
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", script],
                cwd=self._where.read_text().strip(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=told_to,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # In a group of its own: what it started ends with it.
            )
        if "background" in block.words:
            self._stack.callback(end, process)
            self._running.append((process, command, log))
            self._wait_for(process, block.words.get("ready", ""), log, command)
            return
        try:
            if until := block.words.get("until"):
                self._wait_for(process, until, log, command)
                os.killpg(process.pid, signal.SIGINT)
            status = process.wait(SECONDS)
        finally:
            end(process)
        status = status if status >= 0 else 128 - status  # as a shell gives it
        told = log.read_text(errors="replace")
        expected = int(block.words.get("exits", 0))
        assert status == expected, f"{block}: {command}: exit status {status}\n{told}"
        assert expected or "Traceback (most" not in told, f"{block}: {command}\n{told}"
        if output:
            assert matches(output, told), f"{block}: {command} prints\n{told}"

    def _service(self, block: Block) -> str:
        agent = block.words.get("agent", "echo")
        if agent not in self._services:
            self._services[agent] = self._stack.enter_context(serving(agent, self._rate))
        return self._services[agent]

    def _script(self, command: str) -> str:
        """It goes on where the one before was, with what that exported."""
        state, where = (shlex.quote(f"{path}") for path in (self._state, self._where))
        keep = f"export -p | grep -v DOCUMENTATION_ >{state}; pwd >{where}"
        return f"trap {shlex.quote(keep)} EXIT\n. {state}\n{self._with_ports(command)}\n"

    def _with_ports(self, text: str) -> str:
        """Those of the page may be taken."""
        for port in PORT.findall(text):
            if port not in self._ports:
                with socket.create_server(("127.0.0.1", 0)) as free:
                    self._ports[port] = str(free.getsockname()[1])
        return PORT.sub(lambda found: self._ports[found[0]], text)

    def _wait_for(
        self, process: subprocess.Popen[bytes], text: str, log: Path, command: str
    ) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in log.read_text(errors="replace"):
            over = process.poll() is not None or time.monotonic() > deadline
            assert not over, f"{command} did not print {text!r}:\n{log.read_text(errors='replace')}"
            time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def matches(shown: str, told: str) -> bool:
    """Line by line, but for figures; ``...`` stands for anything, on a line of its own for any lines, or none."""
    lines = (NUMBER.sub("N", line.strip()) for line in shown.strip().splitlines())
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", r"[\s\S]*?") + r"\n"
        for line in lines
    )
    said = "".join(f"{NUMBER.sub('N', line.strip())}\n" for line in told.strip().splitlines())
    return re.fullmatch(pattern, said) is not None


def read_page(reader: Reader, blocks: list[Block], marks: tuple[str, ...]) -> int:
    """Do what the blocks with these marks say, and what they need of those before them; how many were run."""
    done = 0
    pieces: list[tuple[Block, Path]] = []
    for block in blocks:
        is_asked_for = block.marks == marks
        done += is_asked_for
        if "of" in block.words:
            source = (ROOT / block.words["of"]).read_text()
            assert f"\n{block.text}" in f"\n{source}", f"{block} is no piece of it"
        elif block.language in SHELLS:
            is_needed = block.text.startswith(("export ", "$ export ")) and not block.marks
            if is_asked_for or is_needed:
                for command, output in block.commands:
                    reader.run(block, command, output)
        else:
            path = reader.write(block)
            if is_asked_for and ("given" in block.words or is_nameless(block)):
                pieces.append((block, path))
            elif is_asked_for and not is_named(path.name, blocks):
                use(reader, block, path)
    run_pieces(reader, pieces)
    return done


def run_pieces(reader: Reader, pieces: list[tuple[Block, Path]]) -> None:
    """And programs without a name: in one process for each agent that answers, since each costs a start."""
    by_agent: dict[str | None, list[tuple[Block, Path]]] = {}
    for block, path in pieces:
        by_agent.setdefault(block.words.get("agent"), []).append((block, path))
    for group in by_agent.values():
        words = [
            f"{block.words.get('given', '-')} {shlex.quote(f'{path}')}" for block, path in group
        ]
        reader.run(group[0][0], f"python {HERE / 'reader' / 'piece.py'} {' '.join(words)}")


def is_nameless(block: Block) -> bool:
    """A whole program, that nothing else on the page can need."""
    return block.language == "python" and block.name is None


def is_named(name: str, blocks: list[Block]) -> bool:
    """In a command, or in another file: there it is used."""
    is_there = re.compile(rf"(?<![\w.]){re.escape(name)}\b")
    module = re.compile(
        rf"-m (\S+\.)?{re.escape(Path(name).stem)}\b|\b{re.escape(Path(name).stem)}:\w"
    )
    return any(
        is_there.search(block.text) or (block.language in SHELLS and module.search(block.text))
        for block in blocks
        if block.name != name
    )


def use(reader: Reader, block: Block, path: Path) -> None:
    """A file that no command names, by what it is for."""
    file = shlex.quote(f"{path}")
    match block.language, path.name:
        case "python", name if name.startswith("test_"):
            reader.run(block, f"pytest -q -p no:cacheprovider {file}")
        case "python", _:
            reader.run(block, f"python {file}")
        case "cython", _:
            reader.run(block, f"cythonize -q -i {file}")
        case "ini", name if name.endswith((".service", ".socket", ".timer")):
            # What it starts is where the page says on the reader's machine, not on this one.
            path.write_text(
                re.sub(r"(?<=^ExecStart=)\S+", sys.executable, path.read_text(), flags=re.M)
            )
            reader.run(block, f"systemd-analyze verify --man=no {file}")
        case "yaml", ".gitlab-ci.yml":
            on_the_page = block.page.read_text().splitlines()
            lines = re.findall(r"^ +- (\w.*)", block.text, re.M)
            assert lines, f"{block}: no line of a script"
            assert not {f"$ {line}" for line in lines} - {*on_the_page}, f"{block}: is not run"
        case "toml", "pyproject.toml":
            tomllib.loads(block.text)
        case _:
            raise AssertionError(f"{block}: no command and no other file names {path.name}")
