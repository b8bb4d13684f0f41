"""What a scripted caller does and expects, as data: the same objects, whoever made them, Python or a file.

Each step has a limit in time, so that an agent who never answers ends within it. Times are in seconds. All that is
wrong in an object is told when it is made, as a `ScriptError` that names file and line.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from sfclient._errors import UsageError
from sfclient.testing.script._sounds import Sound, Sounds
from sfclient.testing.script._written import (
    Fault,
    ScriptError,
    Written,
    Wrong,
    is_number,
    path_wrongs,
    seconds_wrongs,
    share_wrongs,
    shorter_wrongs,
)

# An agent who looks something up is silent for some seconds; one who is silent for longer is not going to answer.
HEAR_SECONDS = 10.0
# What an agent says in one go; the longest menus and greetings are shorter.
SPEECH_SECONDS = 30.0
READY_SECONDS = (
    10.0  # from dialling until the agent hears us: a cold start of a model, and some seconds
)
LASTING_SECONDS = 0.5  # as the core's energy gate has it: longer than the pauses between words

EndedBy = Literal["agent", "network"]


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
    """Say a WAV file, and be done with the last speech in it: what is silent behind that is part of the next step."""

    verb: ClassVar[str] = "say"
    say: str | Path
    """A path: relative to the script's file, or in a script of none to the working directory."""
    after_silence: float | None = None
    """Wait until nobody has spoken for so long; None: say it at once."""
    within: float = SPEECH_SECONDS
    """For which it is waited at most for that silence."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from path_wrongs(self.verb, self.say)
        yield from seconds_wrongs("after_silence", self.after_silence, optional=True)
        yield from seconds_wrongs("within", self.within)
        yield from shorter_wrongs("after_silence", self.after_silence, "within", self.within)

    @property
    def file(self) -> Path:
        """What is said, as it is written."""
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
        yield from seconds_wrongs(self.verb, self.hear)


@dataclass(frozen=True, slots=True)
class Silence(Step):
    """The agent falls silent, or is it."""

    verb: ClassVar[str] = "silence"
    silence: float = SPEECH_SECONDS
    """Within so many seconds its last sound is over."""
    lasting: float = LASTING_SECONDS
    """For which nothing must follow, from the step's beginning at the earliest."""

    @property
    def least_seconds(self) -> float:
        return self.lasting

    def wrongs(self) -> Iterator[Wrong]:
        yield from seconds_wrongs(self.verb, self.silence, zero=True)
        yield from seconds_wrongs("lasting", self.lasting)


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
    """Whether to throw away, then, what has come of the agent and was not heard yet: see `Call.flush`. Without, an
    agent who sends ahead of time is heard until all of that is played."""

    def wrongs(self) -> Iterator[Wrong]:
        yield from path_wrongs(self.verb, self.interrupt)
        for name in ("after_speech", "within", "silence_within"):
            yield from seconds_wrongs(name, getattr(self, name))
        yield from shorter_wrongs("after_speech", self.after_speech, "within", self.within)
        if self.flush not in (True, False):
            yield Wrong("flush", f"flush must be true or false, not {self.flush!r}")

    @property
    def file(self) -> Path:
        """What is said, as it is written."""
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
        yield from seconds_wrongs(self.verb, self.hold)

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
        yield from seconds_wrongs(self.verb, self.end)
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
        yield from seconds_wrongs("ready", self.ready)
        for name in ("response", "response_p95", "gap", "late", "seconds"):
            yield from seconds_wrongs(name, getattr(self, name), optional=True)
        for name in ("agent_share", "caller_share"):
            yield from share_wrongs(name, getattr(self, name))
        is_whole = isinstance(self.interruptions, int) and not isinstance(self.interruptions, bool)
        if self.interruptions is not None and not (is_whole and self.interruptions >= 0):
            yield Wrong(
                "interruptions", f"interruptions must be 0 or more, not {self.interruptions!r}"
            )
        each, p95 = self.response, self.response_p95
        if is_number(each) and is_number(p95) and p95 > each:
            yield Wrong(
                "response_p95",
                f"response_p95 of {p95:g} s says nothing, since each response must stay within"
                f" {each:g} s: make it smaller",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Script(Written):
    """A conversation as it should be. Raises `ScriptError` for steps that contradict each other."""

    name: str
    """For a person, and the name of its test."""
    steps: Sequence[Step]
    """In order, one at least; kept as a tuple."""
    limits: Limits = field(default_factory=Limits)
    simulator: Mapping[str, Any] = field(default_factory=dict)
    """The table ``[simulator]`` of the file, as it is: which agent to simulate where there is no service.
    Where it is written is in `lines`: of the table itself as ``"simulator"``, of a key as ``"simulator.agent"``."""
    folder: Path = field(default=Path(), init=False, repr=False)
    """To which the paths in it are relative: that of its file, or the working directory."""
    sounds: Sounds = field(default_factory=Sounds, init=False, repr=False)
    """Of its files, those that were read."""

    def __post_init__(self) -> None:
        is_several = isinstance(self.steps, Iterable)
        object.__setattr__(self, "steps", tuple(self.steps) if is_several else (self.steps,))
        super(Script, self).__post_init__()
        if self.path is not None and self.path.is_file():  # and not ``<stdin>``
            object.__setattr__(self, "folder", self.path.parent)

    @property
    def path(self) -> Path | None:
        """The file that it is from, TOML or Python."""
        return Path(self.place.path) if self.place else None

    def sound_of(self, step: Say | Interrupt, samplerate: int) -> Sound:
        """What it says where the wire has this rate, in Hz. It blocks unless `read_sounds` was called. Raises
        `AudioFileError`."""
        return self.sounds.at_rate(self.folder / step.file, samplerate)

    def read_sounds(self, samplerate: int | None = None) -> None:
        """Read all its files; and get them ready for a wire of this rate. It may block. Raises `ScriptError`."""
        if faults := list(sound_faults(self.steps, self.folder, self.sounds, samplerate)):
            raise ScriptError(faults)

    def wrongs(self) -> Iterator[Wrong]:
        if not isinstance(self.name, str) or not self.name.strip():
            yield Wrong("name", f"name must be a text, not {self.name!r}")
        for name, kind in (("limits", Limits), ("simulator", Mapping)):
            if not isinstance(value := getattr(self, name), kind):
                yield Wrong(name, f"{name} must be {kind.__name__}, not {value!r}")

    def faults(self) -> Iterator[Fault]:
        yield from super(Script, self).faults()
        strangers = [step for step in self.steps if type(step) not in STEPS.values()]
        for stranger in strangers:
            yield Fault(self.place, f"{stranger!r} is no step: make one of {', '.join(STEPS)}")
        if not self.steps:
            yield Fault(
                self.place, "it has no steps: say something, or wait for something to be heard"
            )
        if not strangers and isinstance(self.limits, Limits):
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


def sound_faults(
    steps: Iterable[Step],
    folder: Path,
    sounds: Sounds | None = None,
    samplerate: int | None = None,
) -> Iterator[Fault]:
    """Read what is said; all that cannot be."""
    sounds = sounds or Sounds()
    for step in steps:
        if isinstance(step, Say | Interrupt):
            try:
                if samplerate is None:
                    sounds.read(folder / step.file)
                else:
                    sounds.at_rate(folder / step.file, samplerate)
            except UsageError as error:
                yield Fault(step.place_of(step.verb), str(error))
