"""The files of the command: looked at before anybody is called, written whatever happens, and never in its way."""

import json
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from sfclient import NetworkError, cli
from sfclient._devices import _ends
from sfclient.cli import _call, main
from sfclient.cli._hold import hold
from sfclient.cli._leavings import Called, Files, Leavings, next_free
from sfclient.simulator import SpeakAgent, open_simulator

from ..conftest import noise, write_wav
from .conftest import KEY, POSIX, SILENT, Told, figures, sfclient

NOWHERE = ("call", "a", "--base-url", "http://127.0.0.1:1")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)


@POSIX
class TestPlaces:
    @pytest.mark.parametrize(
        "option", ["--input", "--output", "--record", "--stats", "--report", "--log"]
    )
    @pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
    def test_that_are_no_files_are_refused(
        self, option: str, kind: str, tmp_path: Path, told: Told
    ) -> None:
        path = tmp_path / "odd.wav"
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "device":
                path.symlink_to("/dev/null")
            case "loop":
                path.symlink_to(path)
        status, error = told(*NOWHERE, *SILENT, option, path)
        assert status == 2
        (line,) = error.splitlines()
        assert "odd.wav" in line
        assert ("Too many levels" if kind == "loop" else "not a file") in line

    @pytest.mark.parametrize(
        "option", ["--input", "--output", "--record", "--stats", "--report", "--log"]
    )
    def test_where_the_working_directory_is_gone(
        self, option: str, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        status, error = told(*NOWHERE, *SILENT, option, "x.wav")
        assert status == 2
        assert "is the working directory gone?" in error

    @pytest.mark.parametrize(
        "option", ["--input", "--output", "--record", "--stats", "--report", "--log"]
    )
    def test_whose_name_no_terminal_has(self, option: str, tmp_path: Path, told: Told) -> None:
        name = os.fsdecode(os.fsencode(tmp_path) + b"/gone/\xff.wav")
        status, error = told(*NOWHERE, *SILENT, option, name)
        assert status == 2
        assert "cannot" in error

    @pytest.mark.parametrize("option", ["--output", "--record", "--stats", "--report", "--log"])
    @pytest.mark.parametrize("link", [os.link, os.symlink, None])
    def test_that_are_the_input_are_refused_and_it_is_unharmed(
        self, option: str, link: Any, tmp_path: Path, told: Told
    ) -> None:
        spoken, other = write_wav(tmp_path / "in.wav", noise(0.1, 8000), 8000), tmp_path / "o.wav"
        content = spoken.read_bytes()
        if link is None:
            other = spoken
        else:
            link(spoken, other)
        status, error = told(*NOWHERE, *SILENT, "--input", spoken, option, other)
        assert status == 2
        assert "it is the input" in error
        assert spoken.read_bytes() == content

    @pytest.mark.parametrize(
        "wrong",
        [["--volume", "0.5"], ["--record", "gone/r.wav"], ["--log", "gone/l"]],
        ids=str,
    )
    def test_are_free_for_the_next_try_when_another_argument_was_wrong(
        self, wrong: list[str], tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "c.html").write_text("mine")
        status, _ = told(
            *NOWHERE, *SILENT, "--stats", "c.json", "--report", "c.html", "--overwrite", *wrong
        )
        assert status == 2
        assert os.listdir(tmp_path) == ["c.html"]
        assert (tmp_path / "c.html").read_text() == "mine"

    def test_two_outputs_in_one_are_refused(self, tmp_path: Path, told: Told) -> None:
        one = tmp_path / "one.wav"
        (tmp_path / "two").symlink_to(tmp_path)
        other = tmp_path / "two" / "one.wav"
        status, error = told(*NOWHERE, *SILENT, "--record", one, "--stats", other)
        assert status == 2
        assert "must be different" in error
        assert not one.exists()

    def test_input_of_an_impossible_rate_leaves_no_recording(
        self, tmp_path: Path, told: Told
    ) -> None:
        spoken = write_wav(tmp_path / "in.wav", bytes(200), 47_999)
        record = tmp_path / "both.wav"
        status, error = told(*NOWHERE, *SILENT, "--input", spoken, "--record", record)
        assert status == 2
        assert "47999" in error
        assert not record.exists()

    def test_input_that_never_opens_is_left_by_a_signal(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        let = threading.Event()

        def read_wav(path: Path) -> None:
            signal.raise_signal(signal.SIGTERM)
            assert let.wait(20)

        monkeypatch.setattr(_ends, "read_wav", read_wav)
        status, _ = told(*NOWHERE, *SILENT, "--input", "stalled.wav")
        assert status == 0
        let.set()


class TestFigures:
    """Are written whatever happened."""

    async def test_are_on_a_page_without_the_sound_that_cannot_be_read(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page, sound = tmp_path / "c.html", tmp_path / "c.wav"
        sound.touch()
        leavings = Leavings(Files(report=page), sound, Called("widget", "agent-7"))
        assert not await leavings.write(None, None, None)
        assert "c.wav is no WAV file" in capsys.readouterr().err
        assert "agent-7" in page.read_text(encoding="utf-8")

    def test_of_a_fault_of_ours(
        self, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stats = tmp_path / "s.json"

        @asynccontextmanager
        async def open_call(*_: object, **__: object) -> AsyncIterator[float]:
            yield 1 / 0

        monkeypatch.setattr(_call, "open_call", open_call)
        status, error = told(*NOWHERE, *SILENT, "--stats", stats)
        assert status == 4
        assert "ZeroDivisionError: this is a fault of sfclient" in error
        assert json.loads(stats.read_text())["ended"]["reason"].endswith("ZeroDivisionError")

    def test_of_a_call_that_was_never_to_be(self, tmp_path: Path, told: Told) -> None:
        stats = tmp_path / "s.json"
        status, error = told(*NOWHERE, *SILENT, "--stats", stats)
        assert status == 1
        tell = figures(stats)
        assert tell["ended"]["reason"] in error
        assert (tell["agent_id"], tell["dialect"]) == ("a", "widget")

    def test_of_an_earlier_call_stay_when_nothing_was_asked_for(
        self, tmp_path: Path, told: Told
    ) -> None:
        stats = tmp_path / "s.json"
        stats.write_text("earlier")
        assert told("call", *SILENT, "--stats", stats)[0] == 2
        assert stats.read_text() == "earlier"

    def test_do_not_hide_how_the_call_failed(
        self, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stats = tmp_path / "s.json"

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        status, error = told(*NOWHERE, *SILENT, "--stats", stats)
        assert status == 1
        first, second = error.splitlines()
        assert first == f"sfclient: cannot write {stats}: No space left on device"
        assert "127.0.0.1" in second
        assert os.listdir(tmp_path) == []

    @POSIX
    def test_are_private_to_the_user(self, tmp_path: Path, told: Told) -> None:
        stats = tmp_path / "s.json"
        stats.touch(0o644)
        told(*NOWHERE, *SILENT, "--stats", stats, "--overwrite")
        assert stat.S_IMODE(stats.stat().st_mode) == 0o600


class TestOutcomes:
    """What else can go wrong with a program: told in a line, with a remedy."""

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (MemoryError(), "out of memory: close"),
            (OSError(24, "Too many open files"), "too few file descriptors: .*ulimit -n"),
            (RuntimeError("can't start new thread"), "no more threads: .*ulimit -u"),
            (KeyError("secret-7"), "KeyError: this is a fault of sfclient, not yours; .*DEBUG=1"),
            (ExceptionGroup("several", [OSError(24, "")]), "too few file descriptors"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_is_told_in_a_line(
        self,
        error: Exception,
        line: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(cli.trio, "run", fail)
        assert main([*NOWHERE, *SILENT]) == 4
        shown = capsys.readouterr().err
        assert len(shown.splitlines()) == 1
        assert re.match(f"sfclient: {line}", shown)
        assert "secret-7" not in shown
        monkeypatch.setenv("SFCLIENT_DEBUG", "1")
        assert main([*NOWHERE, *SILENT]) == 4
        assert "Traceback" in capsys.readouterr().err

    def test_interrupt_is_told_by_the_status_alone(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_: object) -> None:
            raise BaseExceptionGroup("several", [KeyboardInterrupt()])

        monkeypatch.setattr(cli.trio, "run", interrupt)
        assert told(*NOWHERE, *SILENT) == (130, "")

    @POSIX
    @pytest.mark.slow
    async def test_too_few_descriptors(self) -> None:
        def limit() -> None:
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, (7, 7))

        # Not with warnings as errors: trio leaves a socket behind.
        command = [sys.executable, "-m", "sfclient"]
        done = await sfclient(*NOWHERE, *SILENT, command=command, preexec_fn=limit)
        assert done.status == 4
        done.check_error("too few file descriptors", "ulimit -n")


class TestPlacesThatAreTaken:
    """By files: they stay as they are, unless it is allowed to replace them."""

    @pytest.mark.parametrize("option", ["--output", "--record", "--stats", "--report"])
    def test_are_refused(self, option: str, tmp_path: Path, told: Told) -> None:
        taken = tmp_path / "taken.wav"
        taken.write_text("earlier")
        status, error = told(*NOWHERE, *SILENT, option, taken)
        assert (status, error.splitlines()) == (
            2,
            [f"sfclient: {taken} is there already: give another name, or --overwrite"],
        )
        assert taken.read_text() == "earlier"
        status, error = told(*NOWHERE, *SILENT, option, taken, "--overwrite")
        assert "is there already" not in error

    @pytest.mark.parametrize("option", ["--record", "--report"])
    def test_by_a_further_attempt_are_refused(
        self, option: str, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SYNTHFLOW_API_KEY", KEY)
        taken = tmp_path / "call-12.wav"
        taken.write_text("earlier")
        redialled = ("call", "a", "--base-url", "http://127.0.0.1:1", *SILENT, "--redial")
        limits = ("--redial-in-a-row", "1", option, tmp_path / "call.wav")
        status, error = told(*redialled, *limits)
        assert status == 2
        assert f"{taken} is there already" in error
        assert taken.read_text() == "earlier"

    def test_are_passed_over_by_what_takes_the_next_free_name(self, tmp_path: Path) -> None:
        for name in ("call.wav", "call-2.wav", "call-3.wav"):
            assert next_free(tmp_path / "call.wav") == tmp_path / name
            (tmp_path / name).touch()


class TestReport:
    @pytest.mark.slow
    async def test_has_the_sound_also_where_no_recording_is_kept(self, tmp_path: Path) -> None:
        page, other = tmp_path / "call.html", tmp_path / "other.html"
        async with open_simulator(SpeakAgent(noise(0.3, 16_000), then="close"), key=KEY) as sim:
            call = ("call", "a", "--base-url", sim.base_url, *SILENT)
            done = await sfclient(*call, "--report", page)
            kept = await sfclient(*call, "--report", other, "--record", tmp_path / "c.wav")
        assert (done.status, kept.status) == (0, 0)
        assert sorted(os.listdir(tmp_path)) == ["c.wav", "call.html", "other.html"]
        marks = [path.read_text().count("<path") for path in (page, other)]
        assert marks[0] == marks[1] > 0

    def test_is_written_of_a_call_that_was_never_to_be(self, tmp_path: Path, told: Told) -> None:
        page = tmp_path / "call.html"
        status, error = told(*NOWHERE, *SILENT, "--report", page, "--record", tmp_path / "c.wav")
        assert (status, len(error.splitlines())) == (1, 1)
        assert "127.0.0.1" in page.read_text()
        assert os.listdir(tmp_path) == ["call.html"]


class TestWaiting:
    async def test_for_the_server_is_told_while_it_lasts(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        autojump_clock: Any,
    ) -> None:
        @asynccontextmanager
        async def open_call(**_: object) -> AsyncIterator[None]:
            await trio.sleep(11)
            raise NetworkError("nobody answers")
            yield

        with pytest.raises(NetworkError):
            await hold(open_call, Files(), Called("widget"))
        assert capsys.readouterr().out.splitlines() == [
            "Connecting to server",
            "Connecting to server, for 5 s so far",
            "Connecting to server, for 10 s so far",
        ]
