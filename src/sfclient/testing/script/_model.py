"""What a scripted caller does and expects, as data: the same objects, whoever made them, Python or a file.

Each step has a limit in time, so that an agent who never answers ends within it. Times are in seconds. All that is wrong
in an object is told when it is made, as a `ScriptError` that names file and line.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from sfclient._errors import UsageError

# An agent who looks something up is silent for some seconds; one who is silent for longer is not going to answer.
HEAR_SECONDS = 10.0
# What an agent says in one go; the longest menus and greetings are shorter.
SPEECH_SECONDS = 30.0
READY_SECONDS = (
    10.0  # from dialling until the agent hears us: a cold start of a model, and some seconds
)
LASTING_SECONDS = 0.5  # as the core's energy gate has it: longer than the pauses between words
LONGEST_SECONDS = 86_400.0  # a day: more is a slip of the unit

EndedBy = Literal["agent", "network"]


class Place(NamedTuple):
    """Where something is written, for who has to mend it."""

    path: str
    line: int
    """From 1; 0 for the whole file."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Fault(NamedTuple):
    """What is wrong in a script."""

    place: Place | None
    text: str
    key: str = ""
    """Of the value that it is about, if it is about one."""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class ScriptError(UsageError):
    """A script that cannot be meant: all its faults, a line each, with file and line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults,)


class Wrong(NamedTuple):
    """A value that cannot be, by the name of it."""

    key: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is written somewhere, and checked as it is made. Raises `ScriptError`."""

    place: Place | None = field(default=None, repr=False, compare=False)
    """Where; None: where it is made in Python."""

    def __post_init__(self) -> None:
        if self.place is None:
            object.__setattr__(self, "place", _place_of_caller())
        if faults := list(self.faults()):
            raise ScriptError(faults)

    def faults(self) -> Iterator[Fault]:
        """All that cannot be meant."""
        for wrong in self.wrongs():
            yield Fault(self.place, wrong.text, wrong.key)

    def wrongs(self) -> Iterator["Wrong"]:
        """What of its values cannot be."""
        yield from ()


def _place_of_caller() -> Place | None:
    """The first frame outside of this package, and of what `dataclass` makes."""
    frame = sys._getframe(1)
    own = __name__.rpartition(".")[0]
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(own):
        frame = frame.f_back  # type: ignore[assignment]
    return Place(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


@dataclass(frozen=True, slots=True)
class Step(Written):
    """One thing that the caller does, or waits for. It begins when the one before it is over."""

    verb: ClassVar[str]
    """What it is called, and the key of its main value in a file."""

    @property
    def least_seconds(self) -> float:
        """That it takes, without what is said in it."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Say(Step):
    """Say a WAV file, and be done with the last speech in it; silence at its end is said while the next step goes on."""

    verb: ClassVar[str] = "say"
    say: str | Path
    """A path: relative to the script's file, or in a script of none to the working directory."""
    after_silence: float | None = None
    """Wait until nobody has spoken for so long; None: say it at once."""
    within: float = SPEECH_SECONDS
    """For which it is waited at most for that silence."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _path(self.verb, self.say)
        yield from _seconds("after_silence", self.after_silence, optional=True)
        yield from _seconds("within", self.within)
        yield from _shorter("after_silence", self.after_silence, "within", self.within)

    @property
    def least_seconds(self) -> float:
        return self.after_silence or 0.0


@dataclass(frozen=True, slots=True)
class Hear(Step):
    """The agent is heard. Behind a `Say` it is waited from the end of what the caller said; as the first step it means
    that the agent speaks first."""

    verb: ClassVar[str] = "hear"
    hear: float = HEAR_SECONDS
    """Within so many seconds."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _seconds(self.verb, self.hear)


@dataclass(frozen=True, slots=True)
class Silence(Step):
    """The agent falls silent, or is it."""

    verb: ClassVar[str] = "silence"
    silence: float = SPEECH_SECONDS
    """Within so many seconds its last sound is over."""
    lasting: float = LASTING_SECONDS
    """For which nothing must follow."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _seconds(self.verb, self.silence, zero=True)
        yield from _seconds("lasting", self.lasting)


@dataclass(frozen=True, slots=True)
class Interrupt(Step):
    """When the agent has spoken for a while, say a WAV file over it, and expect that it falls silent."""

    verb: ClassVar[str] = "interrupt"
    interrupt: str | Path
    """As `Say.say`."""
    after_speech: float = 1.0
    """So long the agent has spoken by then, without a pause of half a second."""
    within: float = HEAR_SECONDS
    """For which it is waited at most for that."""
    silence_within: float = 1.0
    """From the first speech in the file until the agent's last sound is over."""
    flush: bool = False
    """Whether to throw away, then, what has come of the agent and was not heard yet: see `Call.flush`. Without, an agent
    who sends ahead of time is heard until all of that is played."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _path(self.verb, self.interrupt)
        for name in ("after_speech", "within", "silence_within"):
            yield from _seconds(name, getattr(self, name))
        yield from _shorter("after_speech", self.after_speech, "within", self.within)
        if not isinstance(self.flush, bool):
            yield Wrong("flush", f"flush must be true or false, not {self.flush!r}")

    @property
    def least_seconds(self) -> float:
        return self.after_speech


@dataclass(frozen=True, slots=True)
class Hold(Step):
    """Go on in silence, whatever the agent says, as long as it does not hang up."""

    verb: ClassVar[str] = "hold"
    hold: float
    """For so many seconds."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _seconds(self.verb, self.hold)

    @property
    def least_seconds(self) -> float:
        return self.hold


@dataclass(frozen=True, slots=True)
class End(Step):
    """The far side ends the call. The last step."""

    verb: ClassVar[str] = "end"
    end: float = SPEECH_SECONDS
    """Within so many seconds, its last words played."""
    code: int | None = None
    """With this close code; None: with any."""
    by: EndedBy = "agent"
    """Who ends it, as `Ended.by` tells."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _seconds(self.verb, self.end)
        is_code = isinstance(self.code, int) and not isinstance(self.code, bool)
        if self.code is not None and not (is_code and 1000 <= self.code < 5000):
            yield Wrong("code", f"code must be a close code, 1000 to 4999, not {self.code!r}")
        if self.by not in get_args(EndedBy):
            yield Wrong("by", f"by must be {' or '.join(get_args(EndedBy))}, not {self.by!r}")


@dataclass(frozen=True, slots=True)
class HangUp(Step):
    """The caller hangs up: as it does behind the last step of every script, but for `End`."""

    verb: ClassVar[str] = "hang_up"


STEPS: dict[str, type[Step]] = {
    step.verb: step for step in (Say, Hear, Silence, Interrupt, Hold, End, HangUp)
}
"""By their verbs."""


@dataclass(frozen=True, slots=True)
class Limits(Written):
    """What the whole conversation must keep within; None: anything."""

    ready: float = READY_SECONDS
    """From dialling until the agent has said that it hears the caller; no step begins before."""
    response: float | None = None
    """From the end of what the caller says until the agent answers, each time."""
    response_p95: float | None = None
    """What 95 % of them stay within."""
    gap: float | None = None
    """The longest silence between two stretches of the agent's speech, while the caller does not speak in between: a
    pause as Heldner and Edlund have it, see `sfclient._conversation`. As it is heard, whoever's fault it is."""
    late: float | None = None
    """The longest time by which the agent's speech came late, in the midst of it: `SpeechLate`, which is of 0.15 s at
    least."""
    interruptions: int | None = None
    """Times that the agent began to speak while the caller did."""
    agent_share: tuple[float, float] | None = None
    """For which part of the conversation the agent spoke, 0 to 1: at least, and at most."""
    caller_share: tuple[float, float] | None = None
    """Likewise the caller."""
    seconds: float | None = None
    """The whole, from when sound flows until all is said; then the caller hangs up."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from _seconds("ready", self.ready)
        for name in ("response", "response_p95", "gap", "late", "seconds"):
            yield from _seconds(name, getattr(self, name), optional=True)
        for name in ("agent_share", "caller_share"):
            yield from _share(name, getattr(self, name))
        is_whole = isinstance(self.interruptions, int) and not isinstance(self.interruptions, bool)
        if self.interruptions is not None and not (is_whole and self.interruptions >= 0):
            yield Wrong(
                "interruptions", f"interruptions must be 0 or more, not {self.interruptions!r}"
            )
        if _are_numbers(self.response, self.response_p95) and self.response_p95 > self.response:  # type: ignore[operator]
            yield Wrong(
                "response_p95",
                f"response_p95 of {self.response_p95:g} s says nothing, since each response must stay within"
                f" {self.response:g} s: make it smaller",
            )


def _are_numbers(*values: object) -> bool:
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def _seconds(
    key: str, value: object, *, optional: bool = False, zero: bool = False
) -> Iterator[Wrong]:
    if value is None and optional:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number:
        yield Wrong(key, f"{key} must be a number of seconds, not {value!r}")
    elif not (isfinite(value) and (value > 0 or (zero and value == 0))):  # type: ignore[arg-type, operator]
        least = "0 seconds or more" if zero else "more than 0 seconds"
        yield Wrong(key, f"{key} must be {least}, not {value!r}")
    elif value > LONGEST_SECONDS:  # type: ignore[operator]
        yield Wrong(key, f"{key} is more than a day, {value!r}: give it in seconds")


def _shorter(key: str, value: object, other: str, limit: object) -> Iterator[Wrong]:
    if _are_numbers(value, limit) and value >= limit:  # type: ignore[operator]
        yield Wrong(
            key, f"{key} of {value:g} s can never be within {limit:g} s: make {other} longer"
        )


def _share(key: str, value: object) -> Iterator[Wrong]:
    if value is None:
        return
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(pair) != 2 or not _are_numbers(*pair) or not all(0 <= each <= 1 for each in pair):
        yield Wrong(key, f"{key} must be two parts of 1, as [0.2, 0.8], not {value!r}")
    elif pair[0] > pair[1]:
        yield Wrong(key, f"{key} is at least {pair[0]:g} and at most {pair[1]:g}: swap them")


def _path(key: str, value: object) -> Iterator[Wrong]:
    if not isinstance(value, str | Path) or not str(value):
        yield Wrong(key, f"{key} must be the path of a WAV file, not {value!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Script(Written):
    """A conversation as it should be. Raises `ScriptError` for steps that contradict each other."""

    name: str
    """For a person, and the name of its test."""
    steps: tuple[Step, ...]
    """In order, one at least; any sequence may be given."""
    limits: Limits = field(default_factory=Limits)
    simulator: Mapping[str, Any] = field(default_factory=dict)
    """The table ``[simulator]`` of the file, as it is: which agent to simulate where there is no service."""
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, kw_only=True)
    """Of each key of that table, where it is written, and of the table itself as ``""``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        super(Script, self).__post_init__()

    @property
    def path(self) -> Path | None:
        """The file that it is from, TOML or Python."""
        return Path(self.place.path) if self.place else None

    def faults(self) -> Iterator[Fault]:
        yield from super(Script, self).faults()
        strangers = [step for step in self.steps if not isinstance(step, Step)]
        for stranger in strangers:
            yield Fault(self.place, f"{stranger!r} is no step: make one of {', '.join(STEPS)}")
        if not self.steps:
            yield Fault(
                self.place, "it has no steps: say something, or wait for something to be heard"
            )
        if not strangers:
            yield from self._contradictions()

    def _contradictions(self) -> Iterator[Fault]:
        ended: Step | None = None
        least = 0.0
        for step in self.steps:
            if ended is not None:
                text = f"{step.verb} comes after {ended.verb}, when the call is over: leave out one of them"
                yield Fault(step.place, text)
            if isinstance(step, End | HangUp):
                ended = ended or step
            before, least = least, least + step.least_seconds
            if self.limits.seconds is not None and before <= self.limits.seconds < least:
                text = (
                    f"{step.verb} is over after {least:g} s at the earliest, and the conversation after"
                    f" {self.limits.seconds:g} s: make limits.seconds longer"
                )
                yield Fault(step.place, text)
