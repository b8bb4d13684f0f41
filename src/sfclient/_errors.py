"""The errors of a call, by whose fault it is: `UsageError`, `RemoteError`, `DeviceError`.

Each says what came, and what to do about it; none holds a key or a token.
"""

import ssl
from typing import Literal

Party = Literal["caller", "agent", "network", "device"]


class SfclientError(Exception):
    """What every error of this package derives from."""

    exit_status = 1
    """What the `sfclient` command exits with."""

    party: Party = "network"
    """Who ended the call, as in `Ended.by`."""

    def __init__(
        self, message: str, *, status: int | None = None, call_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status or websocket close code that it came with, None if there was none."""
        self.call_id = call_id or None
        """Under which the service keeps the record of the call, None if it did not tell."""


class UsageError(SfclientError):
    """Wrong use: an argument, the key, the agent ID."""

    exit_status = 2
    party: Party = "caller"


class AuthenticationError(UsageError):
    """The service refused the API key (HTTP 401 or 403), or there is none."""


class AgentNotFoundError(UsageError):
    """The service knows no such agent (HTTP 404)."""


class InsecureURLError(UsageError):
    """A ``ws://`` or ``http://`` URL that leads beyond this machine. Nothing was sent."""


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


Refusals = dict[int | None, tuple[type[SfclientError], str, str]]
"""By HTTP status, None for any other: the error, what it says, and the remedy."""

KEY_REFUSED = (AuthenticationError, "the service refused the API key", "check the key")
REFUSALS: Refusals = {
    401: KEY_REFUSED,
    402: (UsageError, "the account may not make calls", "check its plan and its credit"),
    403: KEY_REFUSED,
    429: (ServiceError, "too many requests or calls at a time", "wait before the next"),
}
"""Of any request; one that knows better lays its own on top."""

USED_UP = "a session is short-lived and good for one call, so request a new one"
UPGRADE_REFUSALS: Refusals = {
    **dict.fromkeys((401, 403, 404, 410), (ServiceError, "the websocket was refused", USED_UP)),
    None: (ServiceError, "the websocket was refused", "is the session URL right?"),
}


def refused(status: int, refusals: Refusals, detail: str = "", call_id: str = "") -> SfclientError:
    """The error for an HTTP status that was not hoped for; `detail` is what the answer says of it."""
    kind: type[SfclientError] = ServiceError
    told = f"the service answered HTTP {status}{detail}"
    if refusal := refusals.get(status) or refusals.get(None):
        kind, what, remedy = refusal
        told = f"{what} (HTTP {status}){detail}: {remedy}"
    if call_id:
        told += f"; its call {call_id} may have begun: look at its record first"
    return kind(told, status=status, call_id=call_id)


def printable(text: str, longest: int | None = 200) -> str:
    """What the far side said, fit for an error or a terminal: short, and without control characters."""
    return "".join(character if character.isprintable() else " " for character in text[:longest])


def unreachable(host: str, error: BaseException) -> NetworkError:
    """Why there is no way to a host, from what a library raised: its innermost cause knows."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NetworkError(
                f"the certificate of {host} is not to be trusted: {cause.verify_message}"
            )
        if isinstance(cause, ssl.SSLError):
            return NetworkError(f"no TLS with {host}: {cause.reason or cause}")
        if isinstance(cause, BaseExceptionGroup):  # trio tells of several addresses in a group
            cause = cause.exceptions[0]
            continue
        error, cause = cause, cause.__cause__ or cause.__context__
    return NetworkError(f"cannot connect to {host}: {error or type(error).__name__}")


def bad_environment(error: Exception) -> UsageError:
    """Proxies and certificates that the environment names are read by a library, which raises anything."""
    return UsageError(
        f"a proxy or certificate variable of the environment (HTTPS_PROXY, SSL_CERT_FILE, ...) is of no use: {error}"
    )
