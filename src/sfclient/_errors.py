"""The errors of a call, by whose fault it is: `UsageError`, `RemoteError`, `DeviceError`.

Each says what came, and what to do about it; none holds a key or a token.
"""

import errno
import os
import socket
import ssl
from types import TracebackType
from typing import Literal

Party = Literal["caller", "agent", "network", "device"]


class SfclientError(Exception):
    """What every error of this package derives from."""

    exit_status = 1
    """What the `sfclient` command exits with."""

    party: Party = "network"
    """Who ended the call, as in `Ended.by`."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        call_id: str | None = None,
        retry_after: float | None = None,
        may_have_begun: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status or websocket close code that it came with, None if there was none."""
        self.call_id = call_id or None
        """Under which the service keeps the record of the call, None if it did not tell."""
        self.retry_after = retry_after
        """In how many seconds it may be tried again, None if the far side did not tell."""
        self.may_have_begun = may_have_begun
        """Whether the service may hold a call that nobody has: it was asked to start one, and what became of that is
        not known, or it was lost before sound flowed. Another try may be a second call. False where it certainly did
        not begin, None where nothing was asked that would start one."""


class UsageError(SfclientError):
    """Wrong use: an argument, the key, the agent ID."""

    exit_status = 2
    party: Party = "caller"


class AuthenticationError(UsageError):
    """The service refused the API key (HTTP 401 or 403), or there is none."""


class AgentNotFoundError(UsageError):
    """The service knows no such agent (HTTP 404)."""


class InsecureURLError(UsageError):
    """A ``ws://`` or ``http://`` URL that leads beyond this machine, or an `ssl_context` that verifies nobody. Nothing
    was sent."""


class AudioFileError(UsageError):
    """A sound file that is missing, unreadable, or cannot be written."""


class RemoteError(SfclientError):
    """The far side failed: the network, the service or the agent."""


class NetworkError(RemoteError):
    """The way to the service failed: unreachable, a bad certificate, silence, a connection reset."""


class ServiceError(RemoteError):
    """The service or the agent answered in a way that the contract does not know."""

    party: Party = "agent"


class DeviceError(SfclientError):
    """A sound device that is missing, unknown, refuses its settings, or stopped."""

    exit_status = 3
    party: Party = "device"


Refusal = tuple[type[SfclientError], str, str]
Refusals = dict[int | None, Refusal]
"""By HTTP status, None for any other: the error, what it says, and the remedy."""

KEY_REFUSED: Refusal = (AuthenticationError, "the service refused the API key", "check the key")
BUSY: Refusal = (ServiceError, "the service is busy or out of order", "try again later")
ELSEWHERE: Refusal = (ServiceError, "a redirect, which is not followed", "is the URL right?")
EVERYWHERE: Refusals = {
    301: ELSEWHERE,
    302: ELSEWHERE,
    303: ELSEWHERE,
    307: ELSEWHERE,
    308: ELSEWHERE,
    407: (
        NetworkError,
        "a proxy on the way wants to know who asks",
        "give it USER:PASSWORD in HTTPS_PROXY, or ask who runs it",
    ),
    429: (ServiceError, "too many requests or calls at a time", "wait before the next"),
    502: BUSY,
    503: BUSY,
    504: BUSY,
}
REFUSALS: Refusals = EVERYWHERE | {
    401: KEY_REFUSED,
    402: (UsageError, "the account may not make calls", "check its plan and its credit"),
    403: KEY_REFUSED,
}
"""Of any request; one that knows better lays its own on top."""

USED_UP = "a session is short-lived and good for one call, so request a new one"
SESSION_REFUSED: Refusal = (ServiceError, "the websocket was refused", USED_UP)
UPGRADE_REFUSALS: Refusals = EVERYWHERE | {
    401: SESSION_REFUSED,
    403: SESSION_REFUSED,
    404: SESSION_REFUSED,
    410: SESSION_REFUSED,
    None: (
        ServiceError,
        "the websocket was refused",
        "is the session URL right, and no call held with it yet?",
    ),
}


def refused(
    status: int,
    refusals: Refusals,
    detail: str = "",
    call_id: str = "",
    retry_after: float | None = None,
) -> SfclientError:
    """The error for an HTTP status that was not hoped for; `detail` is what the answer says of it."""
    kind: type[SfclientError] = ServiceError
    told = f"the service answered HTTP {status}{detail}"
    if refusal := refusals.get(status) or refusals.get(None):
        kind, what, remedy = refusal
        told = f"{what} (HTTP {status}){detail}: {remedy}"
    if retry_after:
        told += f"; it asks to wait {retry_after:.0f} s"
    if call_id:
        told += f"; its call {call_id} may have begun: look at its record first"
    # Others, such as 502, may come from a gateway behind which it has begun.
    is_certain = (status < 500 or status == 503) and not call_id
    return kind(
        told,
        status=status,
        call_id=call_id,
        retry_after=retry_after,
        may_have_begun=False if is_certain else None,
    )


def printable(text: str, longest: int | None = 200) -> str:
    """What the far side said, fit for an error or a terminal: short, and without control characters."""
    return "".join(character if character.isprintable() else " " for character in text[:longest])


class Unchained:
    """An error of ours that leaves this block has no cause, no context and none of the frames inside: they held
    requests, keys and tokens."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, SfclientError):
            error.__cause__ = error.__context__ = error.__traceback__ = None


def unreachable(host: str, error: BaseException, if_unknown: str = "") -> SfclientError:
    """Why there is no way to a host, from what a library raised: its innermost cause knows.

    `if_unknown` is said if there is no host of this name.
    """
    if exhaustion := exhausted(error):
        return exhaustion
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NetworkError(
                f"the certificate of {host} is not to be trusted: {cause.verify_message}"
            )
        if isinstance(cause, ssl.SSLError):
            return NetworkError(f"no TLS with {host}: {cause.reason or cause}")
        error, cause = cause, _inner(cause)
    if if_unknown and isinstance(error, socket.gaierror):
        return NetworkError(f"cannot reach {host}: {error}: {if_unknown}")
    why = str(error) or type(error).__name__
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        why = os.strerror(error.errno)  # without the address, which trio puts before it
    return NetworkError(f"cannot reach {host}: {why}")


def exhausted(error: BaseException) -> UsageError | None:
    """The error for a process or a system that has no file descriptors left, None if it was not that."""
    cause: BaseException | None = error
    while cause is not None:
        # A resolver without descriptors knows no name, or tells what no connection does (seen with glibc).
        is_of_name = isinstance(cause, OSError) and cause.errno == errno.EBUSY
        if isinstance(cause, socket.gaierror) or is_of_name:
            try:
                socket.socket().close()
            except OSError as why:
                cause = why
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return UsageError(
                f"there are too few file descriptors ({cause.strerror}): raise ulimit -n, or close some"
            )
        cause = _inner(cause)
    return None


def _inner(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):  # trio tells of several addresses in a group
        return error.exceptions[0]
    return error.__cause__ or error.__context__
