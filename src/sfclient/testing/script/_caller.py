"""A caller who goes by a script: what it does, and expects, at each block of sound, without clock or tasks.

Each verb is a generator that goes on after each block that was heard, and is over when its step is: with None, or with
the `Failure` that ends the conversation. Times are those of ``_ends``: in seconds since sound flowed.
"""

from collections.abc import Callable, Generator
from math import inf
from typing import Any

from sfclient._interface import Call
from sfclient.testing.script._ends import SURE_SECONDS, Ear, Mouth
from sfclient.testing.script._model import (
    LASTING_SECONDS,
    End,
    HangUp,
    Hear,
    Hold,
    Interrupt,
    Say,
    Script,
    Silence,
    Step,
)
from sfclient.testing.script._outcome import Failure, FailureKind
from sfclient.testing.script._worst import exceeds

# That speech has begun is known when it has lasted so long, and a step of the gate more.
KNOWN_SECONDS = SURE_SECONDS + 0.01

Wait = Generator[None, None, Failure | None]


class Caller:
    """Of one conversation. `call` is None until it is held; then the first step waits until the agent is ready."""

    def __init__(self, script: Script, samplerate: int) -> None:
        self._script = script
        self._samplerate = samplerate
        self.mouth = Mouth(samplerate)
        self.ear = Ear(self.mouth, self._look, script.limits.gap)
        self.call: Call | None = None
        self.failure: Failure | None = None
        """Of a step."""
        self.has_hung_up = False
        self._verbs = self._follow()
        self._number = 0
        self.step: Step | None = None
        """That is under way, or was when the call ended; None before the agent was ready."""
        self._began = 0.0  # it
        self._answer_from: float | None = None  # where the step before said something

    @property
    def now(self) -> float:
        """What is said next is said now; what was heard has ended a block later."""
        return self.mouth.seconds

    def close(self) -> None:
        """The call is over."""
        # Both know this caller.
        self._verbs.close()
        self.ear.close()
        self.call = None

    def _look(self) -> None:
        """A block was heard."""
        if self.call is None or self.has_hung_up:
            return
        self.failure = self._overtime()
        if self.failure is None:
            try:
                next(self._verbs)
                return
            except StopIteration as over:
                self.failure = over.value
        self.has_hung_up = True
        self.mouth.close()
        self.ear.close()
        self.call.hang_up()

    def _overtime(self) -> Failure | None:
        limit = self._script.limits.seconds
        if limit is None or not exceeds(self.now, limit):
            return None
        doing = f"{self.step.verb} was still under way" if self.step else "the agent was not ready"
        limits = self._script.limits
        return Failure(
            "too long",
            f"the conversation to be over after {limit:g} s",
            f"{doing} then" + self._last_heard(),
            self.now,
            self._number or None,
            limits.place_of("seconds"),
        )

    def _follow(self) -> Wait:
        if (failure := (yield from self._be_ready())) is not None:
            return failure
        for number, step in enumerate(self._script.steps, 1):
            self._number, self.step, self._began = number, step, self.now
            if (failure := (yield from VERBS[type(step)](self, step))) is not None:
                return failure
            if not isinstance(step, Say | Interrupt):
                self._answer_from = None
        return None

    def fail(self, kind: FailureKind, expected: str, instead: str) -> Failure:
        """The step under way."""
        assert self.step is not None
        return Failure(kind, expected, instead, self.now, self._number, self.step.place)

    def _be_ready(self) -> Wait:
        limits = self._script.limits
        while self.call is None or not self.call.connected:
            if self.call is not None and exceeds(self.call.seconds, limits.ready):
                expected = f"the agent to say within {limits.ready:g} s that it hears the caller"
                instead = f"it has not{self._last_heard()}"
                place = limits.place_of("ready")
                return Failure("never ready", expected, instead, self.now, None, place)
            yield
        return None

    def _last_heard(self) -> str:
        """A clause for a sentence."""
        ear = self.ear
        if ear.spoke_until == -inf:
            return "; nothing was ever heard of it"
        if self.now - ear.spoke_until < LASTING_SECONDS:
            return f"; it has been speaking since {ear.spoke_from:.2f} s"
        return f"; it was last heard from {ear.spoke_from:.2f} to {ear.spoke_until:.2f} s"

    def _until(self, is_so: Callable[[], bool], deadline: float) -> Generator[None, None, bool]:
        """Wait; whether it came to be so by then."""
        while not is_so():
            if exceeds(self.now, deadline):
                return False
            yield
        return True

    def _say(self, step: Say) -> Wait:
        silence = step.after_silence or 0.0

        def is_silent() -> bool:
            spoke_until = max(self.ear.spoke_until, self.mouth.spoke_until, 0.0)
            return not exceeds(silence, self.now - spoke_until)

        if silence and not (yield from self._until(is_silent, self._began + step.within)):
            return self.fail(
                "no turn",
                f"{silence:g} s of silence within {step.within:g} s, to say {step.file.name}",
                f"there was none until {self.now:.2f} s{self._last_heard()}",
            )
        self.mouth.say(self._script.sound_of(step, self._samplerate), at_once=bool(silence))
        yield from self._until(lambda: self.now >= self.mouth.spoke_until, inf)
        self._answer_from = self.mouth.spoke_until
        return None

    def _hear(self, step: Hear) -> Wait:
        ear, answer_from = self.ear, self._answer_from
        since = self._began if answer_from is None else answer_from
        deadline = since + step.hear
        is_heard = yield from self._until(
            lambda: exceeds(ear.spoke_until, since), deadline + KNOWN_SECONDS
        )
        began = max(ear.spoke_from, since)
        if is_heard and not exceeds(began, deadline):
            return None
        what, when = "it", f", that is by {deadline:.2f} s"
        if answer_from is not None:
            what, when = "an answer", f" of the end of what was said at {since:.2f} s"
        return self.fail(
            "not heard",
            f"{what} to be heard within {step.hear:g} s{when}",
            f"it began at {began:.2f} s" if is_heard else f"it was silent{self._last_heard()}",
        )

    def _silence(self, step: Silence) -> Wait:
        ear, deadline = self.ear, self._began + step.silence

        def is_silent() -> bool:
            return not exceeds(step.lasting, self.now - max(ear.spoke_until, self._began))

        while not is_silent():
            if exceeds(ear.spoke_until, deadline):
                return self.fail(
                    "not silent",
                    f"it to be silent from {deadline:.2f} s on, for {step.lasting:g} s",
                    f"it spoke until {ear.spoke_until:.2f} s at least",
                )
            yield
        return None

    def _interrupt(self, step: Interrupt) -> Wait:
        ear, began = self.ear, self._began
        longest = 0.0

        def has_spoken() -> bool:
            nonlocal longest
            if ear.spoke_until > began:
                longest = max(longest, ear.spoke_until - ear.spoke_from)
            return not exceeds(step.after_speech, longest)

        if not (yield from self._until(has_spoken, began + step.within)):
            spoke = f"it spoke for {longest:.2f} s at most" if longest else "it was silent"
            return self.fail(
                "not heard",
                f"it to speak for {step.after_speech:g} s within {step.within:g} s, to be interrupted",
                spoke + self._last_heard(),
            )
        if step.flush and self.call is not None:
            self.call.flush()
        self.mouth.say(self._script.sound_of(step, self._samplerate), at_once=True)
        interrupted = self.mouth.spoke_from
        deadline = interrupted + step.silence_within
        while self.now - ear.spoke_until < LASTING_SECONDS:
            if exceeds(ear.spoke_until, deadline):
                return self.fail(
                    "not interrupted",
                    f"it to fall silent within {step.silence_within:g} s of {interrupted:.2f} s, where the caller"
                    " spoke up",
                    f"it spoke until {ear.spoke_until:.2f} s at least",
                )
            yield
        silent_from = ear.spoke_until
        yield from self._until(lambda: self.now >= self.mouth.spoke_until, inf)
        self._answer_from = max(self.mouth.spoke_until, silent_from)
        return None

    def _hold(self, step: Hold) -> Wait:
        yield from self._until(lambda: not exceeds(self._began + step.hold, self.now), inf)
        return None

    def _end(self, step: End) -> Wait:
        yield from self._until(lambda: False, self._began + step.end)
        return self.fail(
            "not ended",
            f"the {step.by} to end the call within {step.end:g} s, by {self.now:.2f} s",
            f"it went on{self._last_heard()}",
        )

    def _hang_up(self, _step: HangUp) -> Wait:
        yield from ()
        return None


VERBS: dict[type[Step], Callable[[Caller, Any], Wait]] = {
    Say: Caller._say,
    Hear: Caller._hear,
    Silence: Caller._silence,
    Interrupt: Caller._interrupt,
    Hold: Caller._hold,
    End: Caller._end,
    HangUp: Caller._hang_up,
}
