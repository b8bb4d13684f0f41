"""What a scripted caller does and expects, as data: the same objects, whoever made them, Python or a file.

Each step has a limit in time, so that an agent who never answers ends within it. Times are in seconds. All that is wrong
in an object is told when it is made, as a `ScriptError` that names file and line.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeGuard, get_args

from sfclient._errors import UsageError
from sfclient.testing.script._sounds import Sound, Sounds

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
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Of its values, in a file."""

    def __post_init__(self) -> None:
        if self.place is None:
            object.__setattr__(self, "place", _place_of_caller())
        if faults := list(self.faults()):
            raise ScriptError(faults)

    def place_of(self, key: str) -> Place | None:
        """Where a value of it is written, as far as that is known."""
        place = self.place
        return place and place._replace(line=self.lines.get(key, place.line))

    def faults(self) -> Iterator[Fault]:
        """All that cannot be meant."""
        for wrong in self.wrongs():
            yield Fault(self.place_of(wrong.key), wrong.text)

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
    def file(self) -> Path:
        return Path(self.say)

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
        if self.flush not in (True, False):
            yield Wrong("flush", f"flush must be true or false, not {self.flush!r}")

    @property
    def file(self) -> Path:
        return Path(self.interrupt)

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
    """The longest silence in what the agent says, as it is heard, whoever's fault it is: from its last sound to its
    next, without the caller's speech between; nor behind speech that the caller spoke over, where it is half a second
    or more. Heldner and Edlund call that a pause, see `sfclient._conversation`."""
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
        each, p95 = self.response, self.response_p95
        if _is_number(each) and _is_number(p95) and p95 > each:
            yield Wrong(
                "response_p95",
                f"response_p95 of {p95:g} s says nothing, since each response must stay within"
                f" {each:g} s: make it smaller",
            )


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _seconds(
    key: str, value: object, *, optional: bool = False, zero: bool = False
) -> Iterator[Wrong]:
    if value is None and optional:
        return
    least = "0 seconds or more" if zero else "more than 0 seconds"
    if not _is_number(value):
        yield Wrong(key, f"{key} must be a number of seconds, not {value!r}")
    elif value == 0 and zero:
        return
    elif not 0 < value < inf:
        yield Wrong(key, f"{key} must be {least}, not {value!r}")
    elif value > LONGEST_SECONDS:
        yield Wrong(key, f"{key} is more than a day, {value!r}: give it in seconds")


def _shorter(key: str, value: object, other: str, limit: object) -> Iterator[Wrong]:
    if _is_number(value) and _is_number(limit) and value >= limit:
        yield Wrong(
            key, f"{key} of {value:g} s can never be within {limit:g} s: make {other} longer"
        )


def _share(key: str, value: object) -> Iterator[Wrong]:
    if value is None:
        return
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(pair) != 2 or not all(map(_is_number, pair)) or not all(0 <= each <= 1 for each in pair):
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
    """The table ``[simulator]`` of the file, as it is: which agent to simulate where there is no service.
    Where it is written is in `lines`: of the table itself as ``"simulator"``, of a key as ``"simulator.agent"``."""
    folder: Path = field(default=Path(), init=False, repr=False)
    """To which the paths in it are relative: that of its file, or the working directory."""
    sounds: Sounds = field(default_factory=Sounds, init=False, repr=False)
    """Of its files, those that were read."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        super(Script, self).__post_init__()
        if self.path is not None and self.path.is_file():  # and not ``<stdin>``
            object.__setattr__(self, "folder", self.path.parent)

    @property
    def path(self) -> Path | None:
        """The file that it is from, TOML or Python."""
        return Path(self.place.path) if self.place else None

    def sound_of(self, step: Say | Interrupt, samplerate: int | None = None) -> Sound:
        """What it says, at this rate in Hz, None for the file's. It may block. Raises `ScriptError`."""
        path = self.folder / step.file
        try:
            return self.sounds.at_rate(path, samplerate or self.sounds.read(path)[0])
        except UsageError as error:
            raise ScriptError([Fault(step.place_of(step.verb), str(error))]) from None

    def read_sounds(self, samplerate: int | None = None) -> None:
        """All of them, so that `sound_of` does not block any more. Raises `ScriptError` for all that cannot be read."""
        faults: list[Fault] = []
        for step in self.steps:
            if isinstance(step, Say | Interrupt):
                try:
                    self.sound_of(step, samplerate)
                except ScriptError as error:
                    faults += error.faults
        if faults:
            raise ScriptError(faults)

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
