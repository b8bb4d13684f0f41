"""What is heard on both sides of a call: levels, a silent microphone, who speaks when, how fast the agent answers."""

from collections.abc import Callable
from math import inf

from sfclient._events import Event, Speaker


class Hearing:
    """Looks at the meters of both sides."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def look(self, now: float) -> None:
        """See `sfclient._watch.Observer`."""

    def spoke_until(self, speaker: Speaker) -> float:
        """When this side was last heard to speak, up to now."""
        return -inf
