"""`sfclient doctor` tells what is wrong here, and what to do about it."""

import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import trio

from sfaudio import Meter, MeterStatistics
from sfaudio.checkup import Finding
from sfclient.cli import _doctor, main
from sfclient.simulator import open_simulator

from .conftest import KEY, first_on_the_path, sfclient
from .test_devices import NO_PORTAUDIO


@pytest.fixture
def no_portaudio(tmp_path: Path) -> dict[str, str]:
    if sys.platform != "linux":
        pytest.skip("the wheel of sounddevice brings PortAudio along")
    (tmp_path / "sitecustomize.py").write_text(NO_PORTAUDIO)
    return first_on_the_path(tmp_path)


async def test_a_bare_container_is_told_what_it_lacks(no_portaudio: dict[str, str]) -> None:
    version("sounddevice")  # Else it is told that there is none.
    async with open_simulator() as sim:
        done = await sfclient("doctor", "--base-url", sim.base_url, env=no_portaudio, key=None)
    assert done.status == 1
    assert done.stderr == ""
    for line in (
        "ok  self-test: ",
        "BAD PortAudio: cannot be used",
        "libportaudio2",
        "BAD API key: SYNTHFLOW_API_KEY is not set",
        "export SYNTHFLOW_API_KEY=",
        "ok  service: 127.0.0.1 answers, no TLS",
    ):
        assert line in done.stdout


async def test_a_key_is_there_and_is_not_shown(no_portaudio: dict[str, str]) -> None:
    done = await sfclient("doctor", "--base-url", "http://127.0.0.1:9", env=no_portaudio)
    assert "ok  API key: SYNTHFLOW_API_KEY is set" in done.stdout
    assert KEY not in done.stdout
    assert "BAD service: cannot reach 127.0.0.1:9" in done.stdout


@pytest.mark.parametrize(
    ("ahead", "told"),
    [(0, None), (-59, None), (120, "120 s behind its"), (-3600, "3600 s ahead of its")],
)
async def test_a_clock_that_is_wrong_is_told(ahead: int, told: str | None) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
        await stream.receive_some()
        await stream.send_all(f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\n\r\n".encode())
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        (finding,) = await _doctor._check_service(url, False)
        nursery.cancel_scope.cancel()
    assert finding.is_good == (told is None)
    # To a second, as the header has it.
    assert told is None or told.split(maxsplit=1)[1] in finding.text
    assert told is None or "set the clock" in finding.remedy


def heard(peak: float, rms: float, frames: int = 57_600) -> MeterStatistics:
    return replace(Meter(48_000).statistics(), frames=frames, peak=peak, rms=rms)


def test_a_microphone_is_judged_by_what_it_gives() -> None:
    good = _doctor._judge("Desk", heard(0.1, 0.01))
    assert (good.is_good, good.text) == (True, "Desk, peak -20 dBFS, RMS -40 dBFS")
    zeros = _doctor._judge("Desk", heard(0, 0))
    assert (zeros.is_good, zeros.text) == (False, "Desk, only zeros")
    assert "choose another input" in zeros.remedy
    assert not _doctor._judge("Desk", heard(0, 0, frames=0)).is_good


def test_a_microphone_at_the_second_channel_is_told() -> None:
    (advice,) = _doctor._advise([heard(0.01, 0.001), heard(0.1, 0.02)])
    assert "--input-channel 2" in advice.remedy
    assert _doctor._advise([heard(0.1, 0.01), heard(0.1, 0.011)]) == []
    assert _doctor._advise([heard(0.1, 0.01)]) == []


async def test_portaudio_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_doctor, "PORTAUDIO_SECONDS", 0.01)
    goes_on = threading.Event()

    def hang() -> list[Finding]:
        goes_on.wait()
        return []

    (finding,) = await _doctor._of_portaudio("PortAudio", hang)
    goes_on.set()
    assert (finding.is_good, finding.text) == (False, "does not answer")


def test_a_region_that_no_dialect_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--region", "mars"]) == 2
    told = capsys.readouterr()
    assert told.err == "sfclient: there is no region 'mars': choose eu or us, or leave it out\n"
    assert told.out == ""
