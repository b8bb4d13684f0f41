"""The events of a call on their way to the program: it may read them late, or never.

What is never read costs no more than its bytes: a text of the agent is looked into, and what is to be told nobody is
taken out of it, when it is read.
"""

import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import trio

from sfclient._dialects import PassOn, json_object
from sfclient._events import Disconnected, Event, MessageReceived

_logger = logging.getLogger(__name__)
_calls = count(1)  # in the log, which may hold several at a time
_counting = threading.Lock()  # two threads at once would count a call once, without the GIL

ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"\\/]))")  # RFC 8259, 7, but for what no secret has

UNREAD_EVENTS = 1000
UNREAD_BYTES = 1 << 20  # of the agent's texts among them, in UTF-8, as they came


@dataclass(frozen=True, slots=True, repr=False)
class _Unread:
    """A text of the agent, which may hold what `hide` is to take out."""

    utf8: bytes
    cut_characters: int
    hide: Callable[[str], str]
    at: float

    def read(self) -> MessageReceived:
        text = self.utf8.decode(errors="surrogatepass")
        fields = None if self.cut_characters else json_object(text)
        return MessageReceived(*masked(text, fields, self.hide), self.cut_characters, at=self.at)


def masked(
    text: str, fields: dict[str, Any] | None, hide: Callable[[str], str]
) -> tuple[str, dict[str, Any] | None]:
    """A text and its fields without what is to be told nobody; JSON may hold it in escapes (``\\/``, ``\\u002f``), also
    where it cannot be read, or an object has the same key twice."""
    plain = ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)
    try:
        told = plain if fields is None else json.dumps(fields, ensure_ascii=False)
    except RecursionError:  # deeper than can be looked into
        told, fields = plain, None
    hidden = hide(told)
    if hidden == told and hide(text) == text and hide(plain) == plain:
        return text, fields
    return hidden, json_object(hidden)


class EventQueue:
    """Bounded: an event for which there is no room is dropped, and counted. For the thread that runs trio.

    Each is logged as it happens, read or not; of the agent's texts, what they say is not.
    """

    def __init__(self) -> None:
        with _counting:
            self._call = next(_calls)
        self._in, self._out = trio.open_memory_channel[Event | _Unread](UNREAD_EVENTS)
        self._unread_bytes = 0
        self._last: Disconnected | None = None
        self.dropped_events = 0

    def tell(self, event: Event) -> None:
        """Never waits."""
        self._log(event.at, event)
        self._put(event, 0)

    def pass_on(self, message: PassOn, hide: Callable[[str], str], at: float) -> None:
        """Tell a text of the agent that came at `at`, as `hide` leaves it when it is read. Never waits."""
        utf8 = message.text.encode(errors="surrogatepass")
        self._log(at, f"A message of {len(message.text) + message.cut_characters} characters came")
        self._put(_Unread(utf8, message.cut_characters, hide, at), len(utf8))

    def _log(self, at: float, what: object) -> None:
        _logger.info("Call %d, %.3f s: %s", self._call, at, what)

    def _put(self, event: Event | _Unread, length: int) -> None:
        try:
            if self._unread_bytes + length > UNREAD_BYTES:
                raise trio.WouldBlock
            self._in.send_nowait(event)
            self._unread_bytes += length
        except trio.WouldBlock:
            self.dropped_events += 1

    def close(self, last: Disconnected) -> None:
        """No more is to come but this one."""
        self._log(last.at, last)
        self._last = last
        self._in.close()

    async def receive(self) -> Event:
        """The next one; `Disconnected` is the last, then `StopAsyncIteration` is raised."""
        try:
            return self._opened(await self._out.receive())
        except trio.EndOfChannel:
            return self._take_last()

    def receive_nowait(self) -> Event:
        """The same, but raises `trio.WouldBlock` where that would wait; after the end in any thread."""
        try:
            return self._opened(self._out.receive_nowait())
        except trio.EndOfChannel:
            return self._take_last()

    def _take_last(self) -> Event:
        if self._last is None:
            raise StopAsyncIteration from None
        last, self._last = self._last, None
        return last

    def _opened(self, event: Event | _Unread) -> Event:
        if isinstance(event, _Unread):
            self._unread_bytes -= len(event.utf8)
            return event.read()
        return event
