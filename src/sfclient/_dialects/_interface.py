"""What a dialect is: one wire contract, without I/O.

A `Dialect` is made anew for each connection. It is told what happened and answers with actions, in order; it never
waits, reads no clock and opens nothing. An `Order` is its HTTP half, for where the key is: it says what to ask, and
reads the answers. A new dialect is one more file, and a line in the table of ``_dialects/__init__.py``.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sfclient._errors import REFUSALS, Refusals, ServiceError, UsageError, refused

LONGEST_TEXT = 1 << 16  # characters


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message now: text or binary."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class Play:
    """The agent's speech: whole samples of PCM16 little-endian mono at `Dialect.playout_samplerate`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class WaitAtMost:
    """Tell `Dialect.timed_out` after so many seconds, unless another of these comes, or `Established`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StartCall:
    """Have the service start the call on this connection, and tell `Dialect.started` of it."""

    server_name: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Close this connection, open one to this URL instead, and tell `Dialect.opened` again."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is over: sound may flow from here on."""


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The agent can hear the caller."""


@dataclass(frozen=True, slots=True)
class PassOn:
    """A text message that the dialect has no use for. What it says is looked into when the program reads it."""

    text: str
    cut_characters: int = 0
    """Of its end, which was too long."""


Action = Send | Play | WaitAtMost | StartCall | Reconnect | Established | AgentReady | PassOn


@dataclass(frozen=True, slots=True)
class StartedCall:
    """A call that the service has started on an open connection, as its answer tells."""

    sid: str = field(repr=False)
    """What binds the connection to the call. Empty in an older flow, in which `url` is connected to instead."""
    call_id: str = ""
    """Under which the service keeps its record."""
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to ask of the service; made once, whatever becomes of it."""

    method: str
    path: str
    """Percent-encoded, below the service's base URL."""
    json: Mapping[str, str] | None = field(default=None, repr=False)
    seconds: float = 8.0
    """To wait for the whole answer."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the service answered."""

    status: int
    fields: dict[str, object] | None = field(repr=False)
    """The body, if it is a JSON object."""
    detail: str
    """What the body says of an error, ready to be put behind ours; empty if it says nothing."""
    retry_after: float | None = None
    """In how many seconds to ask again, if it says."""

    def check(self, refusals: Refusals = REFUSALS, call_id: str = "") -> None:
        """Raises what the table says, unless the service has done what it was asked for."""
        if self.status not in (200, 201):
            raise refused(self.status, refusals, self.detail, call_id, self.retry_after)

    def text(self, name: str) -> str:
        """A field that is a string, or else the empty string."""
        value = (self.fields or {}).get(name)
        return value if isinstance(value, str) else ""

    def required(self, name: str, call_id: str = "") -> str:
        """Likewise, but raises `ServiceError` if there is none."""
        if text := self.text(name):
            return text
        lack = f"has no {name}{self.detail}"
        if self.fields is None:
            lack = "is no JSON object: is the base URL right?"
        raise self.unusable(f"the service's answer {lack}", call_id)

    def unusable(self, what: str, call_id: str = "") -> ServiceError:
        """The error for an answer of no use, although the service has done what it was asked for."""
        return ServiceError(what, status=self.status, call_id=call_id)


@dataclass(frozen=True)
class Order(ABC):
    """What is asked of the service over HTTP before sound flows, for one call.

    A subclass adds the options of `request_session` that it knows as fields.
    """

    base_urls: ClassVar[Mapping[str | None, str]]
    """Where the service is, by region; None: in no particular one."""
    successor: ClassVar[str] = ""
    """What to know if the service is gone from there."""

    assistant_id: str
    dialect: "Dialect"
    """Whose codec and framing are asked for."""

    @abstractmethod
    def session_request(self) -> HttpRequest:
        """What to ask for a place to connect to."""

    @abstractmethod
    def session_url(self, answer: HttpAnswer) -> str:
        """Where to connect to. Raises an `SfclientError` for an answer that does not say."""

    def start_request(self, server_name: str) -> HttpRequest:
        """What to ask for a call on an open connection."""
        raise NotImplementedError

    def started(self, answer: HttpAnswer) -> StartedCall:
        """The call. Raises an `SfclientError` for an answer that does not tell of one."""
        raise NotImplementedError


class Dialect(ABC):
    """One side of one connection.

    Raises `UsageError` for a codec or a framing that it does not speak; None is its first.
    """

    name: ClassVar[str]
    order: ClassVar[type[Order] | None] = None
    """None: sessions of this dialect come from elsewhere."""
    starts_calls: ClassVar[bool] = False
    """Whether the handshake asks for `StartCall`."""
    codecs: ClassVar[tuple[str, ...]] = ("l16",)
    framings: ClassVar[tuple[str, ...]] = ("payload",)
    chunk_seconds: ClassVar[float] = 0.02
    """Of speech in a message to the agent."""
    paced: ClassVar[bool] = False
    """Whether messages leave on a steady clock, with zeros where speech is missing; else as soon as it is recorded."""

    orderly_codes: ClassVar[Container[int]] = {1000, 1001, 1005, *range(3000, 5000)}
    """Close codes of an end in order: normal, going away, none given (RFC 6455, 7.4.1), and an application's own."""

    capture_samplerate: int
    """Of the caller's speech on the wire, in Hz."""
    playout_samplerate: int
    """Of the agent's speech on the wire, in Hz."""
    bytes_a_frame: int = 2
    """Of the agent's speech on the wire."""

    def __init__(self, codec: str | None = None, framing: str | None = None) -> None:
        self.codec = self._one_of("codec", self.codecs, codec)
        self.framing = self._one_of("framing", self.framings, framing)
        self._split_frame = b""  # its first bytes

    def _one_of(self, what: str, choices: tuple[str, ...], chosen: str | None) -> str:
        if chosen is None:
            return choices[0]
        if chosen not in choices:
            raise UsageError(
                f"{self.name} is not spoken here with {what} {chosen!r}: choose {' or '.join(choices)}"
            )
        return chosen

    def _whole_frames(self, speech: bytes) -> bytes:
        """Rejoin what messages have split anywhere; an incomplete frame waits for what comes next."""
        speech = self._split_frame + speech
        whole = len(speech) - len(speech) % self.bytes_a_frame
        self._split_frame = speech[whole:]
        return speech[:whole]

    @abstractmethod
    def opened(self) -> Iterable[Action]:
        """The socket is open. What follows is the handshake, until `Established`."""

    def resumed(self) -> None:
        """Instead of all that: the handshake lies behind us, as in a call that is played again."""
        self._split_frame = b""

    def started(self, call: StartedCall) -> Iterable[Action]:
        """The call that `StartCall` asked for has been started."""
        return ()

    def timed_out(self) -> Iterable[Action]:
        """The time of `WaitAtMost` is over. Raises `ServiceError` if it cannot go on without what did not come."""
        return ()

    def recording(self) -> Iterable[Action]:
        """The first chunk is recorded, not yet sent."""
        return ()

    @abstractmethod
    def received(self, message: str | bytes) -> Iterable[Action]:
        """A message came. Raises `ServiceError` for one that makes a call impossible."""

    def closed(self) -> Iterable[Action]:
        """The far side has closed: what has been held back."""
        return ()

    @abstractmethod
    def encode(self, chunk: bytes) -> str | bytes:
        """The message that carries a chunk of PCM16 little-endian mono at `capture_samplerate`."""

    def statistics(self) -> dict[str, int]:
        """Counts of what only this dialect knows."""
        return {}


def passed_on(text: str) -> PassOn:
    """A text message for the program; one too long is cut."""
    return PassOn(text[:LONGEST_TEXT], max(0, len(text) - LONGEST_TEXT))


def object_of_type(text: str, kind: str) -> dict[str, object] | None:
    """The JSON object that a text message is, if its ``type`` is this word. One too long is not looked into."""
    if len(text) > LONGEST_TEXT or (kind not in text and "\\" not in text):  # it may hold escapes
        return None
    fields = json_object(text)
    return fields if fields is not None and fields.get("type") == kind else None


def json_object(body: str | bytes) -> dict[str, object] | None:
    """The JSON object that this is, None if it is something else."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
