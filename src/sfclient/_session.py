"""From an API key to a session: the HTTP requests of a dialect, made where the key is kept."""

import dataclasses
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Protocol

import trio

from sfclient._connection import Connect
from sfclient._dialects import Dialect, Order, StartedCall, dialect_named
from sfclient._errors import NetworkError, SfclientError, Unchained, UsageError
from sfclient._host import check_runs_trio
from sfclient._http import Service, service_at
from sfclient._limits import TimeLimits
from sfclient._secrets import Secrets
from sfclient._urls import check_url, sendable


@dataclass(frozen=True, slots=True)
class Session:
    """The right to hold one call. The URL may hold a token, so it is a secret and is left out of the repr.

    A session is short-lived and good for one call: request it just before.
    """

    url: str = field(repr=False)
    dialect: str = "widget"
    codec: str | None = None
    """Of a dialect that leaves the choice, as `start_call` asks for it; None for its first."""
    framing: str | None = None
    """Likewise."""
    start_call: Callable[[str], Awaitable[StartedCall]] | None = field(default=None, repr=False)
    """Starts the call when the socket is open, in the ws-media dialect; it gets the server's name.

    `request_session` gives a function that makes the request, and so holds the key. Where the key must not be, give one
    that asks your backend.
    """
    agent_id: str | None = None
    """With whom, for the figures of the call; None if it is not known here."""
    secrets: Secrets | None = field(default=None, repr=False, compare=False)
    """What else than the URL must not be told, where the far side repeats it: the key, if it is known."""
    connect: Connect | None = field(default=None, repr=False, compare=False)
    """Goes the way to an agent that no websocket leads to, as of `sfclient.testing.open_memory_agent`."""


class GetSession(Protocol):
    """Fetches a session when the call wants one: a program's own async function without arguments, such as one that
    asks the program's server, where the key is; or ``partial(request_session, ...)``.

    It is asked when the sound devices and files of the call are open, so that none is spent on those; once for a call,
    and once more each time that it is redialled. An `SfclientError` that it raises ends the call as it is: a
    `NetworkError` or `ServiceError`, perhaps with `retry_after`, is what may be redialled. An OSError becomes a
    `NetworkError`, any other error a `UsageError`.
    """

    async def __call__(self) -> Session:
        """The right to hold one call."""


class Fetching:
    """A program's function that fetches sessions, out of sight: it may hold a key, and a traceback may show the values
    of its frames."""

    def __init__(self, get_session: GetSession) -> None:
        self._get_session = get_session

    async def fetch(self, limits: TimeLimits) -> Session:
        """Ask for one. Raises `NetworkError` if that takes too long, and see `GetSession`."""
        came: object = None
        with trio.move_on_after(limits.get_session) as patience:
            try:
                came = self._get_session()
                came = await came if isawaitable(came) else came
            except SfclientError:
                raise
            except (OSError, trio.TooSlowError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                raise NetworkError(f"no session was fetched: {why}") from error
            except Exception as error:
                # Not what it says: nobody knows what is in it.
                raise UsageError(
                    f"the function that fetches a session raised {type(error).__name__}: let it raise a NetworkError"
                    " or ServiceError for what may be tried again"
                ) from error
        if patience.cancelled_caught:
            raise NetworkError(f"no session was fetched within {limits.get_session:g} s")
        if not isinstance(came, Session):
            raise UsageError(
                f"the function that fetches a session must return a Session, not {type(came).__name__}"
            )
        return came


def way_to_session(
    session: Session | GetSession | str, dialect: str, codec: str | None, framing: str | None
) -> tuple[Session | Fetching, Callable[[], Dialect]]:
    """By which a call gets its session, and what is spoken on it. Raises `UsageError`."""
    if isinstance(session, str):
        session = Session(session, dialect, codec, framing)
    elif isinstance(session, Session):
        if codec is not None or framing is not None:
            raise UsageError("codec and framing are said by the session: leave them out")
    elif callable(session):
        return Fetching(session), partial(dialect_named(dialect), codec, framing)
    else:
        raise UsageError(
            f"the session must be a Session or the URL of one, not {_named(type(session))}:"
            " or give an async function that fetches one"
        )
    new_dialect = partial(dialect_named(session.dialect), session.codec, session.framing)
    check_session(session, new_dialect())
    return session, new_dialect


def _named(kind: type) -> str:
    """With where it is from, since another door has a `Session` of its own."""
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def check_session(session: Session, dialect: Dialect) -> None:
    """It is spoken on as the call expects. Raises `UsageError`."""
    if not isinstance(session.url, str):
        raise UsageError(
            f"the URL of a session must be text, not {type(session.url).__name__}: is it what the server gave?"
        )
    speaks = dialect_named(session.dialect)(session.codec, session.framing)
    for what, expected, came in (
        ("dialect", dialect.name, speaks.name),
        ("codec", dialect.codec, speaks.codec),
        ("framing", dialect.framing, speaks.framing),
    ):
        if came != expected:
            raise UsageError(
                f"the session that was fetched has the {what} {came}, and open_call was told {expected}:"
                f" pass {what}={came!r}"
            )
    if speaks.starts_calls and session.start_call is None:
        raise UsageError(
            f"a {speaks.name} session needs start_call: take it from request_session, or give your own function"
        )


async def request_session(
    assistant_id: str,
    *,
    api_key: str,
    dialect: str = "widget",
    from_number: str | None = None,
    to_number: str | None = None,
    lead_name: str | None = None,
    agent_version: str | None = None,
    codec: str | None = None,
    framing: str | None = None,
    region: str | None = None,
    base_url: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
    limits: TimeLimits | None = None,
) -> Session:
    """Ask the service for a session with an agent.

    The key stays with whoever calls this: run it on a server of yours. To kiosks and apps hand only the session's URL,
    and in the ws-media dialect let them ask you for `Session.start_call`.

    Parameters
    ----------
    assistant_id
        The ID of an agent as the dashboard shows it; of type *widget* for the widget dialect.
    api_key
        Sent as a bearer token; it appears in no error, log or repr.
    dialect
        ``"widget"`` or ``"ws-media"``.
    from_number, to_number
        ws-media, required: the phone numbers that the call is recorded under.
    lead_name, agent_version
        ws-media: who calls; ``"draft"`` or the UUID of a version, None for the live one.
    codec, framing
        ws-media: ``"l16"`` (None), ``"pcmu"`` or ``"pcma"``; ``"payload"`` (None) or ``"rtp"``.
    region
        ws-media: ``"us"`` or ``"eu"``, where the workspace is.
    base_url
        Where the service is, instead of what `region` says. ``http://`` only toward this machine.
    ssl_context
        For certificates that the default does not know. One that does not verify them is refused.
    allow_insecure
        Allow ``http://`` beyond this machine, and an `ssl_context` that does not verify who answers.
    limits
        To connect to the service, and for TLS with it; an answer may take 8 s, the start of a call 20 s.

    Raises
    ------
    AuthenticationError, AgentNotFoundError, InsecureURLError, UsageError
        The key, the ID, an option or the URL is at fault.
    NetworkError
        The service cannot be reached, its certificate is bad, or it does not answer in time.
    ServiceError
        The service answered something else than a session.
    """
    check_runs_trio("request_session")
    with Unchained():
        try:
            where, order = look_at_order(
                assistant_id,
                dialect=dialect,
                from_number=from_number,
                to_number=to_number,
                lead_name=lead_name,
                agent_version=agent_version,
                codec=codec,
                framing=framing,
                region=region,
                base_url=base_url,
            )
            service = service_at(where, api_key, ssl_context, limits, allow_insecure=allow_insecure)
        finally:
            del api_key  # which a traceback with the values of its frames would show
    speaks = order.dialect
    with Unchained():
        url = await _session_url(service, order, order.successor if base_url is None else "")
    if not speaks.starts_calls:
        return Session(url, dialect, agent_id=order.assistant_id, secrets=service.secrets)

    async def start_call(server_name: str) -> StartedCall:
        with Unchained():
            return order.started(await service.ask(order.start_request(server_name)))

    return Session(
        url, dialect, speaks.codec, speaks.framing, start_call, order.assistant_id, service.secrets
    )


def look_at_order(
    assistant_id: str,
    *,
    dialect: str,
    codec: str | None,
    framing: str | None,
    region: str | None,
    base_url: str | None,
    **options: str | None,
) -> tuple[str, Order]:
    """The URL of the service and what is asked of it, by the words of `request_session`. Raises `UsageError`."""
    kind = dialect_named(dialect)
    speaks = kind(codec, framing)
    if kind.order is None:
        raise UsageError(f"sessions of {dialect} cannot be requested here: open_call takes a URL")
    where = base_url_of(kind, region, base_url)
    if not sendable(assistant_id, "agent ID").strip():
        raise UsageError("the agent ID is empty: copy it from the dashboard")
    given = {name: value for name, value in options.items() if value is not None}
    known = {field.name for field in dataclasses.fields(kind.order)}
    for name, value in given.items():
        if name not in known:
            raise UsageError(
                f"{name} is not for the {dialect} dialect: leave it out, or choose another dialect"
            )
        sendable(value, name)
    return where, kind.order(assistant_id.strip(), speaks, **given)


async def _session_url(service: Service, order: Order, if_unknown: str) -> str:
    answer = await service.ask(order.session_request(), if_unknown)
    url = order.session_url(answer)
    try:
        check_url(url, ("wss", "ws"), allow_insecure=True, what="service's session URL")
    except UsageError as error:
        raise answer.unusable(str(error)) from None
    service.secrets.add_url(url)
    return url


def base_url_of(dialect: type[Dialect], region: str | None, base_url: str | None) -> str:
    """Where sessions of a dialect are asked for. Raises `UsageError` for a region that it does not have."""
    if base_url is not None:
        if region is not None:
            raise UsageError(f"give a base URL or a region ({region!r}), not both")
        return base_url
    urls = dialect.order.base_urls if dialect.order else {}
    if region not in urls:
        regions = " or ".join(name for name in urls if name)
        remedy = f"choose {regions}, or leave it out" if regions else "leave it out"
        raise UsageError(f"{dialect.name} has no region {region!r}: {remedy}")
    return urls[region]
