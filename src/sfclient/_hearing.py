"""What is heard on both sides of a call: levels, a silent microphone, who speaks when, how fast the agent answers."""

from collections.abc import Callable

from sfclient._events import Event


class Hearing:
    """Looks at the meters of both sides."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def look(self, now: float) -> None:
        """See `sfclient._watch.Observer`."""
