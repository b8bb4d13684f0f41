"""What a dialect is: the words of one wire contract, without I/O.

A dialect is made anew for each connection. It is told what happened and answers with actions, in
order; it never waits, reads no clock and opens nothing. A new dialect is a subclass in a file of
its own, and a line in the table of ``_dialects/__init__.py``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message now: text or binary."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class Play:
    """The agent's speech: PCM16 little-endian mono at `Dialect.playout_samplerate`, split
    anywhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The agent can hear the caller."""


@dataclass(frozen=True, slots=True)
class PassOn:
    """A text message that the dialect has no use for; `fields` if it is a JSON object, else
    None."""

    text: str
    fields: dict[str, Any] | None


Action = Send | Play | AgentReady | PassOn


class Dialect(ABC):
    """One side of one connection."""

    name: ClassVar[str]
    capture_samplerate: ClassVar[int]
    """Of the caller's speech on the wire, in Hz."""
    playout_samplerate: ClassVar[int]
    """Of the agent's speech on the wire, in Hz."""

    @abstractmethod
    def recording(self) -> Iterable[Action]:
        """The socket is open and the first chunk is recorded, not yet sent."""

    @abstractmethod
    def received(self, message: str | bytes) -> Iterable[Action]:
        """A message came. Whatever it is, the call goes on."""

    @abstractmethod
    def encode(self, chunk: bytes) -> bytes:
        """The binary message that carries a chunk of PCM16 little-endian mono at
        `capture_samplerate`."""
