"""A conversation by a script, with an agent: one call, and what became of it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from sfclient._devices import Audio
from sfclient._errors import SfclientError, UsageError
from sfclient._events import Event
from sfclient._host import check_runs_trio
from sfclient._interface import Call
from sfclient._limits import TimeLimits
from sfclient._open import open_call
from sfclient._session import GetSession, Session, way_to_session
from sfclient._spool import in_thread, in_time
from sfclient._stats import record_of, record_of_event, without_a_call
from sfclient.testing.script._caller import Caller
from sfclient.testing.script._keep import Keeper, record_of_outcome
from sfclient.testing.script._model import Script
from sfclient.testing.script._outcome import Failure, Outcome, Verdict
from sfclient.testing.script._verdict import Noted, failures_of, figures_of, is_expected_end

OWN = ("audio", "record", "redial", "timeline", "tap", "max_seconds", "silence_seconds")
KEEP_SECONDS = 10.0  # for record and report to be written, of a conversation that was cancelled too
CANNOT_KEEP = f"record and report were not written within {KEEP_SECONDS:g} s: is the disk stalled?"


async def hold_conversation(
    script: Script,
    session: Session | GetSession | str,
    *,
    folder: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    **options: Any,
) -> Outcome:
    """Hold it, and say what became of it.

    Each step is decided within a block of sound, and to 10 ms, by the core's energy gate; whatever is installed, and
    on any clock of trio's. The first begins when the agent has said that it hears the caller. A step that fails ends
    the conversation: the caller hangs up. Limits of the whole are looked at when it is over.

    Parameters
    ----------
    script
        May be held by many calls at the same time, which share its sounds.
    session
        As of `open_call`.
    folder
        Keep the recording ``both.wav``, the record ``call.json`` and the report ``report.html`` in this folder, which
        is made; None: keep figures only, so that an hour costs no more memory than a minute.
    on_event
        Is told the events of the call, as they come.
    on_outcome
        Is told the outcome before it is returned; also that of a conversation that is cancelled, as far as it came.
    options
        Others of `open_call`: ``dialect`` and the like of a session that is fetched, ``playout``, ``limits``.

    Raises
    ------
    ScriptError
        A file cannot be read (any more).
    UsageError
        An argument, the key or the agent's ID is wrong, as it comes out before sound flows. All that goes wrong besides
        is told by the outcome.
    """
    check_runs_trio("hold_conversation")
    for name in OWN:
        if name in options:
            raise UsageError(
                f"{name} is not for a scripted conversation, whose script says all of it"
            )
    spoken = (options.get(name) for name in ("codec", "framing"))
    _, new_dialect = way_to_session(session, options.get("dialect", "widget"), *spoken)
    samplerate = new_dialect().capture_samplerate
    # What the agent does not do is told by the script's limit, not by the client's.
    limits = options.get("limits") or TimeLimits()
    first_message = max(limits.first_message, script.limits.ready + 1)
    options["limits"] = replace(limits, first_message=first_message)
    await in_thread(partial(script.read_sounds, samplerate))
    keeper = None
    if folder is not None:
        keeper = await in_thread(partial(Keeper, Path(folder)))
        options |= {"record": keeper.recording, "timeline": True}
    held = _Held(script, samplerate, keeper, on_event)
    try:
        await held.run(session, options)
    except SfclientError as error:
        if held.call is None and isinstance(error, UsageError):
            raise
        held.failed(error)
    except BaseException:  # it is cancelled, or Ctrl-C
        await held.tell(on_outcome, "cancelled")
        raise
    return await held.tell(on_outcome)


class _Held:
    """A conversation that is held, or was."""

    def __init__(
        self,
        script: Script,
        samplerate: int,
        keeper: Keeper | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._script = script
        self._caller = Caller(script, samplerate)
        self._keeper = keeper
        self._on_event = on_event
        self._noted = Noted(script)
        self._error: SfclientError | None = None
        self.call: Call | None = None
        """None until sound flows."""

    async def run(self, session: Session | GetSession | str, options: dict[str, Any]) -> None:
        """Until the call is over. Raises what `open_call` does."""
        caller = self._caller
        try:
            async with open_call(session, Audio(caller.mouth, caller.ear), **options) as call:
                self.call = caller.call = call
                async for event in call:
                    self._take(event)
        finally:
            caller.close()
            if self.call is not None:
                self._take_rest(self.call)

    def failed(self, error: SfclientError) -> None:
        # Its traceback refers to frames, and they to the queues of the call.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self._error = error

    def _take(self, event: Event) -> None:
        self._noted.note(event)
        if self._keeper is not None:
            self._keeper.events.append(record_of_event(event))
        if self._on_event is not None:
            self._on_event(event)

    def _take_rest(self, call: Call) -> None:
        """What was not read when the call failed."""
        with suppress(StopAsyncIteration, trio.WouldBlock):
            while True:
                self._take(call._events.receive_nowait())

    async def tell(
        self, on_outcome: Callable[[Outcome], None] | None, verdict: Verdict | None = None
    ) -> Outcome:
        """What became of it, when it is over; a verdict of None is what failures and errors make of it."""
        outcome = self._outcome(verdict)
        if self._keeper is not None:
            outcome = await self._kept(self._keeper, outcome)
        if on_outcome is not None:
            on_outcome(outcome)
        return outcome

    def _outcome(self, verdict: Verdict | None) -> Outcome:
        script, caller, noted = self._script, self._caller, self._noted
        statistics = self.call.statistics() if self.call else without_a_call(self._error, None)
        ended = self.call.ended if self.call else None
        failures: tuple[Failure, ...] = ()
        if self.call is not None and verdict is None:
            failures = tuple(failures_of(script, ended, caller, statistics, noted))
        error = None if failures or is_expected_end(ended, caller) else self._error
        return Outcome(
            script,
            verdict or ("failed" if failures else "error" if error else "passed"),
            failures,
            error,
            figures_of(statistics, noted, caller),
            statistics,
            heard_hash=caller.ear.hash,
            said_hash=caller.mouth.hash,
        )

    async def _kept(self, keeper: Keeper, outcome: Outcome) -> Outcome:
        began = outcome.statistics.times.ready or 0.0
        events = keeper.events + [
            {"at": failure.at + began, "kind": "ExpectationFailed", "text": str(failure)}
            for failure in outcome.failures
        ]
        timeline = self.call.timeline if self.call else None
        record = record_of(outcome.statistics, events, timeline)
        outcome = replace(outcome, record=record | {"script": record_of_outcome(outcome)})
        try:
            await in_time(partial(keeper.keep, outcome), KEEP_SECONDS)
        except (UsageError, TimeoutError) as error:
            told = error if isinstance(error, UsageError) else UsageError(CANNOT_KEEP)
            told.__traceback__ = None
            verdict: Verdict = "error" if outcome.verdict == "passed" else outcome.verdict
            return replace(outcome, verdict=verdict, error=outcome.error or told)
        return outcome
