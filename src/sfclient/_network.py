"""What the network does to a call: stalls in both directions, speech that comes late, what waits and for how long."""

from collections.abc import Callable

from sfclient._events import Event


class Network:
    """Is told of each message that comes and leaves, and looks at what does not."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def arrived(self, now: float, length: int) -> None:
        """So many bytes of the agent's speech came."""

    def look(self, now: float) -> None:
        """See `sfclient._watch.Observer`."""
