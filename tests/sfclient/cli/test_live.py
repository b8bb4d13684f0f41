"""The live screen on a terminal: drawn, resized, given back whatever ends it."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio

if sys.platform == "win32":
    pytest.skip("no pty on Windows", allow_module_level=True)

from sfclient.cli import _terminal
from sfclient.cli._facts import Snapshot, State
from sfclient.cli._live import open_screen
from sfclient.simulator import SpeakAgent, open_simulator

from ..conftest import noise
from .conftest import KEY, SILENT
from .terminal import Pty, Session, terminal


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

    async def test_hands_over_keys_but_not_arrows(self, pty: Pty, autojump_clock: Any) -> None:
        async with shown(pty) as seen:
            await seen.shows("hang up")
            pty.press("mi\x1b[A")
            await seen.until(lambda: seen.keys == "mi")
            pty.press("q")
            await seen.until(lambda: seen.keys == "miq")
        assert "miq" not in pty.screen.text  # no echo

    async def test_fits_itself_into_another_size(self, pty: Pty, autojump_clock: Any) -> None:
        async with shown(pty) as seen:
            await seen.shows("hang up")
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
        pty.resize(500, 24)
        async with shown(pty) as seen:
            with trio.move_on_after(60):  # of a clock that jumps
                while True:  # until it is full
                    seen.title = f"{seen.looks % 10}" * 500
                    await trio.sleep(0.05)
            looks = seen.looks
            await trio.sleep(60)
            assert seen.looks == looks
            pty.read()
            await seen.until(lambda: seen.looks > looks)


@asynccontextmanager
async def calling(*args: object, **options: Any) -> AsyncIterator[Session]:
    """A call in a terminal, whose agent speaks."""
    agent = SpeakAgent(noise(20, 16_000))
    async with open_simulator(agent, key=KEY) as sim:
        with terminal(
            "call", "a", "--base-url", sim.base_url, *SILENT, *args, **options
        ) as session:
            yield session
