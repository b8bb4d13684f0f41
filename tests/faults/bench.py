"""Holds a call that fails, and tells what came of it: a scenario in, an outcome out."""

import gc
import io
import logging
import os
import signal
import ssl
import sys
import sysconfig
import threading
import traceback
import wave
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch
from weakref import WeakSet

import numpy as np
import trio

from sfclient import (
    Audio,
    Call,
    MemoryInput,
    MemoryOutput,
    SfclientError,
    open_call,
    request_session,
)
from sfclient._playout import Playout
from sfclient._recording import Recorder
from sfclient._uplink import Uplink
from sfclient._websocket import WebSocket
from sfclient.simulator import SpeakAgent, open_simulator
from sfclient.testing import Network, open_proxy

from ..sfclient.books import capture_errors, playout_errors
from ..sfclient.conftest import NUMBERS, UnhurriedClock
from ..sfclient.raw_servers import client_context, server_context
from .far_side import KEY, SECRETS, Moment, Step, far_side

WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
RATE = 40  # virtual seconds in a real one
PATIENCE_SECONDS = {"library": 4.0, "command": 5.0}
"""Of a machine that is busy: virtual, in which threads that write files take long; real."""
LONGEST_SECONDS = 200.0  # virtual; what takes longer hangs
LONGEST_REAL_SECONDS = 30.0
OURS = (Call, Playout, Recorder, Uplink, WebSocket)

Dialect = Literal["widget", "ws-media"]
BOTH: tuple[Dialect, ...] = ("widget", "ws-media")


@dataclass(frozen=True)
class Scenario:
    """What the far side or the network does, and what is expected of the client."""

    name: str
    at: Moment | Literal["simulator"]
    script: tuple[Step, ...]
    error: type[SfclientError] | None
    """None: the call ends in order."""
    party: str
    """Who is to blame, or who ended it."""
    within: float = 1.0
    """Virtual seconds from the fault to the end of the call."""
    played: float = 0.0
    """Seconds of the agent's speech that must have sounded, at least."""
    says: str = ""
    """A part of the error."""
    status: int | None = None
    hang_up: float | None = None
    """Virtual seconds after which the caller does."""
    dialects: tuple[Dialect, ...] = BOTH
    network: Network = field(default_factory=Network)
    """Of the websocket's connection."""
    tls: Literal["", "trusted", "unknown", "other host"] = ""
    quirks: tuple[str, ...] = ()
    """Of the simulator."""
    is_recorded: bool = True
    """Not, where the clock runs so fast that no disk keeps up."""
    command: bool = False
    """Whether `sfclient call` is tried as well."""


@dataclass
class Outcome:
    """A row of the table."""

    scenario: str
    dialect: str
    held_by: Literal["library", "command"]
    error: str = ""
    message: str = ""
    party: str = ""
    status: int | None = None
    seconds: float = 0.0
    """From the fault to the end, virtual; real of the command."""
    played: float = 0.0
    left: list[str] = field(default_factory=list)
    """Tasks, threads, descriptors, objects."""
    wrong: list[str] = field(default_factory=list)

    def row(self) -> str:
        played, left = f"{self.played:.2f}", ", ".join(self.left) or "nothing"
        verdict = "; ".join(self.wrong) or "ok"
        return (
            f"{self.scenario:<48.48} {self.dialect:<8} {self.held_by:<7} {self.error or '-':<20} "
            f"{self.party or '-':<8} {self.seconds:7.2f} {played:>7} {left:<8} {verdict}"
        )


HEAD = (
    f"{'scenario':<48} {'dialect':<8} {'as':<7} {'error':<20} {'fault':<8} {'seconds':>7} "
    f"{'played':>7} {'left':<8}"
)


class HangError(BaseException):
    """So much real time has passed that it hangs."""


def hold(scenario: Scenario, dialect: Dialect, folder: Path) -> Outcome:
    """A call as library, with all that must hold of any."""
    outcome = Outcome(scenario.name, dialect, "library")
    log = io.StringIO()
    with _logging_to(log), _no_longer_than(LONGEST_REAL_SECONDS), _nothing_left(outcome):
        told = trio.run(_hold, scenario, dialect, folder, outcome, clock=UnhurriedClock(RATE))
    told += log.getvalue()
    _check_secrets(outcome, told, folder)
    _compare(outcome, scenario)
    return outcome


async def _hold(scenario: Scenario, dialect: Dialect, folder: Path, outcome: Outcome) -> str:
    living = trio.lowlevel.current_statistics().tasks_living
    async with _service(scenario, dialect) as (base_url, context, struck_at):
        told = await _call(scenario, dialect, base_url, context, folder, outcome, struck_at)
    if left := trio.lowlevel.current_statistics().tasks_living - living:
        outcome.left.append(f"{left} tasks")
    return told


async def _call(
    scenario: Scenario,
    dialect: Dialect,
    base_url: str,
    context: ssl.SSLContext,
    folder: Path,
    outcome: Outcome,
    struck_at: Any,
) -> str:
    call: Call | None = None
    speaker = MemoryOutput()
    events: list[str] = []
    told = ""
    began = trio.current_time()
    try:
        with trio.fail_after(LONGEST_SECONDS):
            session = await request_session(
                "agent",
                api_key=KEY,
                base_url=base_url,
                dialect=dialect,
                ssl_context=context,
                **NUMBERS if dialect == "ws-media" else {},
            )
            async with open_call(
                session,
                Audio(MemoryInput(), speaker),
                record=folder / "both.wav" if scenario.is_recorded else None,
                ssl_context=context,
            ) as call:
                with trio.move_on_after(scenario.hang_up or LONGEST_SECONDS):
                    async for event in call:
                        events.append(repr(event))
                if call.ended is None:
                    began = trio.current_time()
                    struck_at = lambda: None  # noqa: E731 -- it is the hanging up that is timed
                    call.hang_up()
                    await call.wait_ended()
    except trio.TooSlowError:
        outcome.wrong.append("hangs")
    except BaseException as error:
        outcome.error, outcome.message = type(error).__name__, str(error)
        if not isinstance(error, SfclientError):
            outcome.wrong.append(f"is bare: {error!r}")
        else:
            outcome.party, outcome.status = error.party, error.status
        told = _chain(error)
        if isinstance(error, HangError | KeyboardInterrupt):
            raise
    outcome.seconds = trio.current_time() - (struck_at() or began)
    outcome.played = np.count_nonzero(np.frombuffer(speaker.played, np.int16)) / 16_000
    if call is not None:
        figures = call.statistics()
        told += f"{figures} {call!r} {session!r} {events}"
        if figures.ended is None:
            outcome.wrong.append("has not ended")
        else:
            outcome.party = figures.ended.by
            outcome.status = outcome.status or figures.ended.code
        outcome.wrong += capture_errors(figures.capture) + playout_errors(figures.playout)
    return told


@asynccontextmanager
async def _service(
    scenario: Scenario, dialect: Dialect
) -> AsyncIterator[tuple[str, ssl.SSLContext, Any]]:
    """The far side behind the network: its base URL, the client's context, when the fault came."""
    server, client = _contexts(scenario.tls)
    async with AsyncExitStack() as stack:
        if scenario.at == "simulator":
            agent = SpeakAgent(b"\x10\x10" * 16_000 * 3, "burst")
            simulator = await stack.enter_async_context(
                open_simulator(agent, key=KEY, quirks=scenario.quirks)
            )
            base_url, struck_at = simulator.base_url, lambda: None
        else:
            far, base_url = await stack.enter_async_context(
                far_side(dialect, scenario.at, scenario.script, server)
            )
            struck_at = lambda: far.struck_at  # noqa: E731
        proxy = await stack.enter_async_context(
            open_proxy(base_url, Network(), scenario.network, Network())
        )
        scheme = base_url.partition(":")[0]
        yield f"{scheme}://{proxy.authority}", client, struck_at


@cache
def _contexts(tls: str) -> tuple[ssl.SSLContext | None, ssl.SSLContext]:
    if not tls:
        return None, ssl.create_default_context()  # made once, and not for every request
    import trustme  # not for every Python there is a wheel of what it needs

    authority = trustme.CA()
    name = "agents.example" if tls == "other host" else "127.0.0.1"
    trusted = trustme.CA() if tls == "unknown" else authority
    return server_context(authority, name), client_context(trusted)


# The command.


def run_command(scenario: Scenario, dialect: Dialect, folder: Path) -> Outcome:
    """The same as `sfclient call`, in real seconds."""
    outcome = Outcome(scenario.name, dialect, "command")
    told = trio.run(_run_command, scenario, dialect, folder, outcome)
    _check_secrets(outcome, told, folder)
    if not (folder / "stats.json").exists():
        outcome.wrong.append("no stats")
    _compare(outcome, scenario)
    return outcome


async def _run_command(scenario: Scenario, dialect: Dialect, folder: Path, outcome: Outcome) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    async with _service(scenario, dialect) as (base_url, _, struck_at):
        words = ["call", "agent", "--base-url", base_url, "--dialect", dialect, "--input", "none"]
        words += ["--output", str(folder / "heard.wav"), "--stats", str(folder / "stats.json")]
        words += ["--record", str(folder / "both.wav")]
        if dialect == "ws-media":
            words += ["--from", "+49301234", "--to", "+49305678"]
        if scenario.hang_up:
            words += ["--duration", str(scenario.hang_up)]
        began = trio.current_time()
        with trio.move_on_after(LONGEST_REAL_SECONDS) as patience:
            done = await trio.run_process(
                [sys.executable, "-W", "error", "-m", "sfclient", *words],
                env=environment | {"SYNTHFLOW_API_KEY": KEY},
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        if patience.cancelled_caught:
            outcome.wrong.append("hangs")
            return ""
        outcome.seconds = trio.current_time() - (struck_at() or began)
    told, errors = done.stdout.decode(), done.stderr.decode()
    if "Traceback" in told + errors:
        outcome.wrong.append(f"is bare: {errors.splitlines()[-1]}")
    expected = scenario.error.exit_status if scenario.error else 0
    if done.returncode != expected:
        outcome.wrong.append(f"exits with {done.returncode}, not {expected}: {errors.strip()}")
    if scenario.error and len(errors.splitlines()) != 1:
        outcome.wrong.append("tells more or less than one line of the error")
    # It tells no more of them than this.
    outcome.error = scenario.error.__name__ if scenario.error else ""
    outcome.party, outcome.status, outcome.message = scenario.party, scenario.status, errors
    if (folder / "heard.wav").exists():
        with wave.open(str(folder / "heard.wav")) as heard:
            samples = np.frombuffer(heard.readframes(heard.getnframes()), np.int16)
            outcome.played = np.count_nonzero(samples) / heard.getframerate()
    return told + errors


# What must hold.


def _compare(outcome: Outcome, scenario: Scenario) -> None:
    expected = scenario.error.__name__ if scenario.error else ""
    if "hangs" in outcome.wrong:
        return
    if outcome.error != expected:
        outcome.wrong.append(f"not {expected or 'in order'}: {outcome.message}")
    elif scenario.says not in outcome.message:
        outcome.wrong.append(f"does not say {scenario.says!r}: {outcome.message}")
    if outcome.party != scenario.party:
        outcome.wrong.append(f"by {outcome.party}, not {scenario.party}")
    if scenario.status is not None and outcome.status != scenario.status:
        outcome.wrong.append(f"status {outcome.status}, not {scenario.status}")
    if outcome.seconds > scenario.within + PATIENCE_SECONDS[outcome.held_by]:
        outcome.wrong.append(f"takes more than {scenario.within:g} s")
    if outcome.played < scenario.played:
        outcome.wrong.append(f"played less than {scenario.played:g} s")
    if outcome.left:
        outcome.wrong.append("leaves something")


def _chain(error: BaseException) -> str:
    """All that an error holds: its text, its traceback, and that of whatever hangs on it."""
    told, waiting, seen = "", [error], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        told += "".join(traceback.format_exception(each, chain=False))
        told += f"{each!r} {each.args!r} {vars(each)!r}"
        for name in ("request", "_request", "response"):
            if (held := vars(each).get(name)) is not None:
                told += f"{held!r} {getattr(held, 'url', '')} {dict(getattr(held, 'headers', {}))}"
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]
    return told


def _check_secrets(outcome: Outcome, told: str, folder: Path) -> None:
    places = {"what is told": told}
    places |= {file.name: file.read_bytes().decode("latin-1") for file in folder.iterdir()}
    for place, text in places.items():
        for secret in SECRETS:
            if secret in text:
                at = text.index(secret)
                around = text[max(0, at - 60) : at + 30]
                outcome.wrong.append(f"{secret[:3]} in {place}: ...{around!r}")


@contextmanager
def _logging_to(log: io.StringIO) -> Iterator[None]:
    """All, and nowhere else."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    root.handlers, root.level = [logging.StreamHandler(log)], logging.DEBUG
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Also when it never comes back to trio. Where there are no alarms, nobody looks."""

    def ring(*_: object) -> None:
        raise HangError

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _nothing_left(outcome: Outcome) -> Iterator[None]:
    """Nor any of our objects, though the collector is off."""
    alive: WeakSet[object] = WeakSet()
    with ExitStack() as stack:
        for kind in OURS:
            stack.enter_context(patch.object(kind, "__init__", _registering(kind.__init__, alive)))
        gc.disable()
        stack.callback(gc.enable)
        before = _left(())
        yield
        if WITHOUT_GIL:
            # There a nested function waits for the collector (on 3.13), as does what another thread let go of.
            gc.collect()
        left = _left(alive)
        outcome.left += [
            f"{left[what] - before[what]} {what}" for what in left if left[what] > before[what]
        ]


def _registering(init: Callable[..., None], alive: WeakSet[object]) -> Callable[..., None]:
    def registering(self: object, *args: object, **options: object) -> None:
        alive.add(self)
        init(self, *args, **options)

    return registering


def _left(objects: Collection[object]) -> dict[str, int]:
    threads = [one for one in threading.enumerate() if not one.name.startswith("Trio")]
    descriptors = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    return {"threads": len(threads), "descriptors": len(descriptors), "objects": len(objects)}
