"""The live screen on a terminal: drawn, resized, given back whatever ends it."""

import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

if sys.platform == "win32":
    pytest.skip("no pty on Windows", allow_module_level=True)

from sfclient.cli import _terminal
from sfclient.cli._facts import Snapshot, State
from sfclient.cli._live import open_screen
from sfclient.simulator import Simulator, SpeakAgent, open_simulator

from ..conftest import noise
from ..raw_servers import accepted, frame, read_head, serving
from .conftest import KEY, SILENT, first_on_the_path
from .terminal import Pty, Session, terminal

READY = b'{"type": "status_agent_ready"}'
COLOURS = re.compile(rb"\x1b\[[0-9;]*3[0-9]")


@pytest.fixture
def pty() -> Iterator[Pty]:
    pty = Pty()
    yield pty
    pty.close()


class Shown:
    """A live screen on a terminal, and what was pressed."""

    def __init__(self, pty: Pty) -> None:
        self.pty = pty
        self.keys = ""
        self.title = "agent-7"
        self.looks = 0

    def look(self) -> Snapshot:
        self.looks += 1
        return Snapshot(self.title, 0, State.LISTENS, keys=(("q", "hang up"),))

    def press(self, key: str) -> None:
        self.keys += key

    async def until(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(2000):  # of a clock that jumps
            while not condition():
                await trio.sleep(0.05)
                await trio.to_thread.run_sync(lambda: None)  # others write meanwhile
                self.pty.read()

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.pty.screen.text)


@asynccontextmanager
async def shown(pty: Pty) -> AsyncIterator[Shown]:
    seen = Shown(pty)
    async with open_screen(pty.stream, pty.stream, seen.look, seen.press):
        yield seen


class TestScreen:
    async def test_shows_what_is_to_be_seen_and_gives_the_terminal_back(
        self, pty: Pty, autojump_clock: Any
    ) -> None:
        async with shown(pty) as seen:
            await seen.shows("The agent listens")
            assert pty.screen.is_other
            assert not pty.screen.has_cursor
            assert not pty.is_given_back
            seen.title = "agent-8"
            await seen.shows("agent-8")
        pty.read()
        assert pty.is_given_back
        assert pty.screen.text == ""

    async def test_is_as_wide_as_the_terminal_whatever_columns_says(
        self, pty: Pty, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "0")
        async with shown(pty) as seen:
            await seen.shows("agent-7")

    async def test_hands_over_keys_but_not_arrows(self, pty: Pty, autojump_clock: Any) -> None:
        async with shown(pty) as seen:
            await seen.shows("hang up")
            pty.press("mi\x1b[A")
            await seen.until(lambda: seen.keys == "mi")
            pty.press("q")
            await seen.until(lambda: seen.keys == "miq")
        assert b"^[[A" not in pty.told  # no echo

    async def test_fits_itself_into_another_size(
        self, pty: Pty, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_terminal, "REPAINT_SECONDS", 1e9)
        async with shown(pty) as seen:
            await seen.shows("hang up")
            pty.resize(60, 24)
            await seen.shows("sfclient  agent-7")  # which is the same line as before
            pty.resize(40, 5)
            await seen.shows("hang up")
            assert len(pty.screen.text.splitlines()) == 5

    async def test_paints_over_what_others_write(
        self, pty: Pty, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_terminal, "REPAINT_SECONDS", 0.0)
        async with shown(pty) as seen:
            await seen.shows("agent-7")
            pty.screen.write(b"\x1b[1;1HALSA lib pcm.c: underrun")
            await seen.until(lambda: "ALSA" not in pty.screen.text)

    @pytest.mark.parametrize("ending", [ValueError, trio.Cancelled, KeyboardInterrupt])
    async def test_gives_the_terminal_back_whatever_ends_it(
        self, ending: type[BaseException], pty: Pty, autojump_clock: Any
    ) -> None:
        with suppress(ValueError, KeyboardInterrupt), trio.CancelScope() as scope:
            async with shown(pty) as seen:
                await seen.shows("agent-7")
                if ending is trio.Cancelled:
                    scope.cancel()
                    await trio.sleep_forever()
                raise ending
        pty.read()
        assert pty.is_given_back

    async def test_waits_for_a_terminal_that_takes_nothing(
        self, pty: Pty, autojump_clock: Any
    ) -> None:
        pty.hold()
        async with shown(pty) as seen:
            await trio.sleep(1)
            looks = seen.looks
            await trio.sleep(60)
            assert seen.looks == looks
            pty.hold(False)
            await seen.until(lambda: seen.looks > looks)


@asynccontextmanager
async def calling(*args: object, **options: Any) -> AsyncIterator[tuple[Session, Simulator]]:
    """A call in a terminal, whose agent speaks for long."""
    async with open_simulator(SpeakAgent(noise(60, 16_000)), key=KEY) as sim:
        with terminal(
            "call", "a", "--base-url", sim.base_url, *SILENT, *args, **options
        ) as session:
            yield session, sim


async def at(work: Callable[..., Any], *args: Any) -> Any:
    """In a thread: the simulator is in this one."""
    return await trio.to_thread.run_sync(partial(work, *args))


class TestCall:
    async def test_is_shown_and_its_lines_are_left_behind(self) -> None:
        async with calling("--duration", 0.7) as (session, _):
            await at(session.shows, "a, widget", "The agent speaks", "q hang up")
            assert session.screen.colours
            assert await at(session.ended) == 0
        lines = session.screen.text.splitlines()
        assert lines[:2] == ["Connecting to server", "Connected to call"]
        assert lines[-1].startswith("Disconnected from server (by caller, 1000")

    @pytest.mark.slow
    async def test_keys_mute_interrupt_and_hang_up(self) -> None:
        async with calling() as (session, sim):
            await at(session.shows, "The agent speaks")
            session.press("m")
            await at(session.shows, "unmute")
            session.press("i")
            await at(session.shows, "00:02")
            session.press("q")
            assert await at(session.ended) == 0
            assert (await sim.calls[0].wait_ended()).by == "client"

    @pytest.mark.slow
    async def test_before_there_is_a_call_it_is_shown_and_can_be_given_up(self) -> None:
        async def keep_waiting(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        async with serving(keep_waiting) as peer:
            with terminal("call", "--session-url", f"ws://{peer.authority}/", *SILENT) as session:
                await at(session.shows, "Connecting to the server", "q give up", "00:01")
                session.press("q")
                assert await at(session.ended) == 0

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    async def test_a_signal_ends_it_and_the_terminal_is_as_before(self, name: str) -> None:
        async with calling() as (session, _):
            await at(session.shows, "The agent speaks")
            session.process.send_signal(getattr(signal, name))
            assert await at(session.ended) == 0

    @pytest.mark.slow
    async def test_killed_by_ctrl_backslash_it_gives_the_terminal_back(self) -> None:
        async with calling(shell='ulimit -c 0; exec "$@"') as (session, _):
            await at(session.shows, "The agent speaks")
            session.press("\x13")  # Ctrl-S, which stops nothing
            session.press("\x1c")
            assert await at(session.ended) == -signal.SIGQUIT

    @pytest.mark.slow
    async def test_a_failure_ends_it_and_is_told_on_the_terminal_as_before(self) -> None:
        async def reset(stream: trio.SocketStream) -> None:
            await stream.send_all(accepted(await read_head(stream)) + frame(1, READY))
            await trio.sleep(1)
            await stream.aclose()

        async with serving(reset) as peer:
            with terminal("call", "--session-url", f"ws://{peer.authority}/", *SILENT) as session:
                await at(session.shows, "The agent listens")
                assert await at(session.ended) == 1
        assert "sfclient: " in session.screen.text.splitlines()[-1]

    @pytest.mark.slow
    async def test_stopped_by_ctrl_z_it_gives_the_terminal_back_until_it_goes_on(self) -> None:
        """As a shell with job control does it, which this one has."""
        shell = 'set -m; echo before; "$@"; echo stopped; read line; fg; echo over'
        async with calling(shell=shell) as (session, _):
            await at(session.shows, "The agent speaks")
            session.press("\x1a")
            await at(session.shows, "before", "stopped")
            await at(session.until, lambda: session.is_given_back)
            session.press("\n")
            await at(session.shows, "The agent speaks", "q hang up")
            session.press("q")
            assert await at(session.ended) == 0
            assert session.screen.text.endswith("over")

    @pytest.mark.slow
    async def test_in_the_background_it_leaves_the_terminal_alone(self) -> None:
        shell = 'set -m; "$@" & echo there; read line; fg; echo over'
        async with calling(shell=shell) as (session, sim):
            await at(session.shows, "there")
            await sim.wait_call()
            await trio.sleep(1)
            assert session.is_given_back
            session.press("\n")
            await at(session.shows, "The agent speaks")
            session.press("q")
            assert await at(session.ended) == 0

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "terminal_that",
        [{"TERM": "dumb"}, {"TERM": ""}, {"shell": 'exec "$@" | cat'}, {"plain": True}],
        ids=str,
    )
    async def test_lines_where_there_is_no_screen(self, terminal_that: dict[str, Any]) -> None:
        more = ("--plain",) if terminal_that.pop("plain", False) else ()
        async with calling("--duration", 0.5, *more, **terminal_that) as (session, _):
            assert await at(session.ended) == 0
        assert b"\x1b" not in session.told
        assert "\nDisconnected from server" in session.screen.text

    @pytest.mark.slow
    async def test_a_terminal_without_colours_and_letters(self) -> None:
        async with calling(size=(40, 12), NO_COLOR="1", LC_ALL="C") as (session, _):
            await at(session.shows, "* The agent speaks", "q hang up", "####")
            assert session.screen.text.isascii()
            assert not COLOURS.search(session.told)
            session.process.send_signal(signal.SIGINT)
            assert await at(session.ended) == 0

    @pytest.mark.slow
    async def test_without_rich_there_are_lines_and_what_to_type(self, tmp_path: Path) -> None:
        (tmp_path / "rich.py").write_text("raise ModuleNotFoundError('no rich', name='rich')")
        async with calling("--duration", 0.5, **first_on_the_path(tmp_path)) as (session, _):
            assert await at(session.ended) == 0
        assert session.screen.text.startswith("For a live screen of the call: pip install")
