"""How long a call waits for what, in one place."""

from dataclasses import dataclass, fields

from sfclient._errors import UsageError


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long each step may take, in seconds; ``math.inf`` for one without a limit.

    Raises `UsageError` for what is no positive number.
    """

    connect: float = 8.0
    """To reach a host: its address found, TCP connected, through a proxy too."""
    tls: float = 8.0
    """For the TLS handshake."""
    upgrade: float = 8.0
    """For the answer to the websocket's request, and for a message of the handshake to leave."""
    get_session: float = 30.0
    """For a program's own function that fetches a session."""
    start_call: float = 30.0
    """For a program's own `Session.start_call`."""
    first_message: float = 30.0
    """From an open call to the first message of the agent. One that only answers pings holds no call."""
    silence: float = 20.0
    """Without a single byte from the far side, which is pinged again and again, while we were reading and running."""
    close: float = 2.0
    """For the far side to answer our close."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            seconds = getattr(self, limit.name)
            if not isinstance(seconds, int | float) or not seconds > 0:
                raise UsageError(
                    f"the time limit {limit.name} must be more than 0 seconds, not {seconds!r}"
                )
