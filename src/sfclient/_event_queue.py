"""The events of a call on their way to the program: it may read them late, or never."""

import trio

from sfclient._events import Disconnected, Ended, Event, MessageReceived

UNREAD_EVENTS = 1000
UNREAD_CHARACTERS = 1 << 20  # of the agent's texts among them


class EventQueue:
    """Bounded: an event for which there is no room is dropped, and counted. For the thread that runs trio."""

    def __init__(self) -> None:
        self._in, self._out = trio.open_memory_channel[Event](UNREAD_EVENTS)
        self._unread_characters = 0
        self._ended: Ended | None = None
        self.dropped_events = 0

    def tell(self, event: Event) -> None:
        """Never waits."""
        characters = _characters(event)
        try:
            if self._unread_characters + characters > UNREAD_CHARACTERS:
                raise trio.WouldBlock
            self._in.send_nowait(event)
            self._unread_characters += characters
        except trio.WouldBlock:
            self.dropped_events += 1

    def close(self, ended: Ended) -> None:
        """No more is to come but the end."""
        self._ended = ended
        self._in.close()

    async def receive(self) -> Event:
        """The next one; `Disconnected` is the last, then `StopAsyncIteration` is raised."""
        try:
            event = await self._out.receive()
        except trio.EndOfChannel:
            if self._ended is None:
                raise StopAsyncIteration from None
            ended, self._ended = self._ended, None
            return Disconnected(ended)
        self._unread_characters -= _characters(event)
        return event


def _characters(event: Event) -> int:
    return len(event.text) if isinstance(event, MessageReceived) else 0
