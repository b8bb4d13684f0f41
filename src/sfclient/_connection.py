"""What a call needs of the way to an agent: a websocket, or what stands in for one. See `_websocket`, which is one."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import NamedTuple, Protocol

from sfclient._errors import NetworkError, RemoteError, ServiceError
from sfclient._limits import TimeLimits
from sfclient._running import sleep_on_time
from sfclient._secrets import Secrets

ABNORMAL_CLOSURE = 1006  # RFC 6455, 7.4.1: the connection ended without a close frame
# Without a byte, after which the far side is asked for one: a call should know within two seconds that the network
# stands still, and an answer has the rest of them.
ASK_SECONDS = 0.8
TICK_SECONDS = 1.0  # in which silence is measured


class WebSocketClosed(Exception):  # noqa: N818 -- an end, not always an error
    """The far side closed the websocket, or the connection is gone (`ABNORMAL_CLOSURE`)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def as_error(self, when: str) -> RemoteError:
        """What it is where it is no end in order."""
        if self.code == ABNORMAL_CLOSURE:
            return NetworkError(f"the connection was lost {when}")
        told = f"the websocket was closed {when}: {self.code} {self.reason}".rstrip()
        return ServiceError(told, status=self.code)


class Traffic(NamedTuple):
    """What has moved through a connection, in bytes of TCP but for those received; times are trio's."""

    received_bytes: int
    """Of the websocket's own stream, within TLS."""
    received_at: float
    """When the last of them came."""
    resumed_at: float
    """When the first came after the last silence of more than `ASK_SECONDS`."""
    is_open: bool
    """Whether it is not being closed yet."""
    is_receiving: bool
    """Whether somebody waits for a message: else it is we who do not read."""
    sent_bytes: int
    """Given to the system."""
    left_bytes: int
    """Of them: acknowledged by the far side's system; where ours does not tell, all."""
    is_waiting: bool
    """Whether something has not left."""


class Connection(Protocol):
    """An open one. One task receives; several may send."""

    @property
    def secrets(self) -> Secrets:
        """What is masked in the reason of a close; more can be added."""

    async def receive(self) -> str | bytes:
        """The next message. Raises `WebSocketClosed` once all that came before the close has been given."""

    async def send(self, message: str | bytes, within: float = inf) -> None:
        """Send a message whole: once begun, only `close` can stop it, or that it takes longer than `within` seconds,
        and then the connection is given up. Raises `WebSocketClosed`."""

    async def keep_alive(self) -> None:
        """Until the end. Raises `NetworkError` when the far side stays silent, though it is asked."""

    def ask(self) -> bool:
        """Have the far side asked for a sign of life, unless it is being asked; whether it gives any."""

    def traffic(self) -> Traffic:
        """What has moved so far."""

    async def close(self) -> None:
        """Close in order if the far side plays along, else give it up, in a few seconds at most."""


class Connect(Protocol):
    """Opens connections."""

    def __call__(
        self, url: str, /, *, limits: TimeLimits, secrets: Secrets | None
    ) -> AbstractAsyncContextManager[Connection]:
        """One to where a session leads, closed on leaving, whatever happens.

        `secrets` are masked wherever the far side repeats them. Raises `NetworkError` if there is no way,
        `ServiceError` if what is there refuses.
        """


async def raise_silence(
    received_bytes: Callable[[], int],
    is_receiving: Callable[[], bool],
    is_over: Callable[[], bool],
    limit: float,
) -> None:
    """Until a connection is over. Raises `NetworkError` when nothing has come for `limit` seconds, though it was asked.

    Any byte is a sign of life. Time in which nobody received, or the program was kept from running, does not count.
    """
    heard, silence = received_bytes(), 0.0
    while not is_over():
        on_time = await sleep_on_time(TICK_SECONDS)
        if received_bytes() != heard:
            heard, silence = received_bytes(), 0.0
        elif on_time and is_receiving():
            silence += TICK_SECONDS
        if silence >= limit:
            raise NetworkError(
                f"the connection is dead: not a byte for {silence:g} s, and no answer to a ping"
            )
