"""Telling never ends a call: a full disk, a closed pipe or a reader who has stopped behind what is printed."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from sfclient.cli import main
from sfclient.simulator import open_simulator

from .conftest import KEY, MODULE, POSIX, SILENT, Command, figures, open_pipe, running, sfclient

NOWHERE = ("call", "a", "--base-url", "http://127.0.0.1:1", *SILENT)
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


def redirected(how: str) -> list[str]:
    return ["sh", "-c", f'exec "$@" {how}', "sh", *MODULE]


@POSIX
class TestTelling:
    async def call(self, stats: Path, **options: object) -> Command:
        async with open_simulator(key=KEY) as sim:
            done = await sfclient(
                *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.4),
                *("--stats", stats),
                **options,
            )
            ended = await sim.calls[0].wait_ended()
        assert (ended.by, ended.code) == ("client", 1000)
        assert ended.at - sim.calls[0].started > 0.3
        assert figures(stats)["ended"]["by"] == "caller"
        return done

    @FULL
    async def test_to_a_full_disk(self, tmp_path: Path) -> None:
        done = await self.call(tmp_path / "s.json", command=redirected(">/dev/full"))
        assert (done.status, done.stderr) == (0, "")

    async def test_to_nobody(self, tmp_path: Path) -> None:
        done = await self.call(tmp_path / "s.json", command=redirected(">&- 2>&-"))
        assert done.status == 0

    def test_what_is_closed_is_not_where_a_file_of_ours_is(self) -> None:
        saved = os.dup(2)
        os.close(2)
        try:
            main(NOWHERE)
            there = os.path.samestat(os.fstat(2), os.stat(os.devnull))
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        assert there

    async def test_to_a_reader_who_has_stopped(self, tmp_path: Path) -> None:
        """As a pager does, or a terminal after Ctrl-S."""
        with open_pipe() as (_, end):
            os.set_blocking(end, False)
            with suppress(BlockingIOError):
                while os.write(end, bytes(4096)):
                    pass
            os.set_blocking(end, True)
            done = await self.call(tmp_path / "s.json", stdout=end)
        assert (done.status, done.stderr) == (0, "")

    @pytest.mark.slow
    async def test_to_a_reader_who_leaves(self, tmp_path: Path) -> None:
        stats = tmp_path / "s.json"
        async with open_simulator(key=KEY) as sim:
            reading, writing = os.pipe()
            try:
                async with running(
                    *("call", "a", "--base-url", sim.base_url, *SILENT, "--duration", 0.4),
                    *("--stats", stats),
                    stdout=writing,
                ) as command:
                    await sim.wait_call()
                    os.close(reading)
            finally:
                os.close(writing)
        assert (command.status, command.stderr) == (0, "")
        assert figures(stats)["ended"]["by"] == "caller"

    @FULL
    @pytest.mark.slow
    async def test_of_a_failure_keeps_its_status(self) -> None:
        done = await sfclient(*NOWHERE, command=redirected(">/dev/full 2>&1"))
        assert done.status == 1

    @FULL
    async def test_what_was_asked_for_and_cannot_be_told_is_a_failure(self) -> None:
        async with open_simulator(
            answers={"GET /calls/c-7": (200, {"status": "ok"})}, key=KEY
        ) as sim:
            asked = ("result", "c-7", "--base-url", sim.base_url)
            done = await sfclient(*asked, command=redirected(">/dev/full"))
        assert done.status == 2
        done.check_error("standard output", "No space left")

    @FULL
    @pytest.mark.slow
    async def test_help_to_a_full_disk(self) -> None:
        done = await sfclient("--help", command=redirected(">/dev/full"))
        assert (done.status, done.stderr) == (0, "")


def test_letters_that_a_terminal_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*NOWHERE, "--input", "\udcff.wav"]) == 2
    assert "udcff.wav: No such file" in capsys.readouterr().err
