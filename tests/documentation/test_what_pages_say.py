"""What pages say outside of their blocks: lines of the command in the text, tables, how a kiosk talks with systemd."""

import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sfclient.cli._arguments import make_parser
from sfclient.testing import NETWORKS

from ..portaudio.conftest import Jack
from .pages import PAGES, ROOT, blocks_of
from .service import KEY, serving

HOW_TO = ROOT / "docs" / "how-to"
ALONE = ("call", "demo", "devices", "doctor", "replay", "report", "result", "simulator")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_command_knows_each_of_its_lines_in_the_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rows = [f"call ASSISTANT_ID {row}" for row in re.findall(r"`\.\.\. (--[^`]+)`", text)]
    lines = re.findall(rf"`sfclient ((?:{'|'.join(ALONE)}) [^`]+)`", text)
    for line in [*rows, *lines]:
        make_parser().parse_args(shlex.split(line.replace("...", "")))


def test_dev_py_knows_each_of_its_commands_in_the_text() -> None:
    texts = [page.read_text(encoding="utf-8") for page in (*PAGES, ROOT / "CONTRIBUTING.md")]
    told = {name for text in texts for name in re.findall(r"`python3 dev\.py (\S+?)[ `]", text)}
    known = (ROOT / "dev.py").read_text(encoding="utf-8")
    assert told
    assert {name for name in told if f'\n    "{name}": ' not in known} == set()


def test_the_networks_are_those_that_have_names() -> None:
    page = (HOW_TO / "without-an-account.md").read_text(encoding="utf-8")
    for name, what in NETWORKS.items():
        assert f"\n| `{name}` | {what} |\n" in page


@pytest.mark.jack
@pytest.mark.slow
def test_a_kiosk_tells_systemd_that_it_is_well(jack: Jack, tmp_path: Path) -> None:
    """While it holds a call; on SIGTERM it hangs up."""
    (program,) = (
        block.text for block in blocks_of(HOW_TO / "kiosk.md") if block.name == "kiosk.py"
    )
    (tmp_path / "kiosk.py").write_text(program)
    (tmp_path / "synthflow-key").write_text(f"{KEY}\n")
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, serving("echo", 1) as url:
        systemd.bind(address)
        systemd.settimeout(30)
        kiosk = subprocess.Popen(
            [sys.executable, "kiosk.py"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **jack.env,
                "CREDENTIALS_DIRECTORY": str(tmp_path),
                "DOCUMENTATION_SERVICE": url,
                "KIOSK_AGENT": "agent",
                "NOTIFY_SOCKET": address,
                "PYTHONPATH": str(Path(__file__).parent / "reader"),
            },
        )
        # As it is ready, as a visitor comes, and in the call.
        told = [systemd.recv(100) for _ in range(3)]
        kiosk.send_signal(signal.SIGTERM)
        _, log = kiosk.communicate(timeout=30)
    assert told == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert kiosk.returncode == 0, log
    assert "Connected to call" in log
    assert "Disconnected from server (by caller" in log
