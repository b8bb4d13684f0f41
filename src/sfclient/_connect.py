"""The way to a host: TCP, a proxy's tunnel if the environment wants one, and TLS on top."""

import os
import ssl
from urllib.parse import SplitResult

import certifi
import h11
import trio

from sfclient._errors import NetworkError, UsageError, exhausted, unreachable
from sfclient._http1 import Unanswered, exchange
from sfclient._limits import TimeLimits
from sfclient._proxy import Proxy, proxy_toward
from sfclient._tcp import TcpStream

MOZILLAS_LIST = certifi.where()  # at once: it opens files the first time
REMEDIES = {  # for a tunnel that a proxy refuses, by its HTTP status
    403: "ask who runs it to let this host through",
    407: "it wants a user and password: http://USER:PASSWORD@HOST:PORT",
}


async def connect(
    parts: SplitResult,
    ssl_context: ssl.SSLContext | None,
    limits: TimeLimits,
    if_unknown: str = "",
) -> trio.abc.Stream:
    """A stream to the host of a URL, with TLS if its scheme is ``wss`` or ``https``.

    Only TLS goes through a proxy, which so sees no key and no speech. Raises `NetworkError`, with `if_unknown` if no
    host has this name, and `UsageError` for what the environment says.
    """
    is_secure = parts.scheme in ("wss", "https")
    host, port = str(parts.hostname), parts.port or (443 if is_secure else 80)
    where = f"{host}:{port}"
    proxy = proxy_toward(host, port) if is_secure else None
    context = (ssl_context or await _default_context(limits.tls)) if is_secure else None
    stream: trio.abc.Stream | None = None
    with trio.move_on_after(limits.connect):
        if proxy is None:
            stream = await _open_tcp(host, port, where, if_unknown)
        else:
            stream = await _open_tunnel(proxy, host, port, limits.tls)
    if stream is None:
        through = f" through {proxy}" if proxy else ""
        raise NetworkError(f"cannot reach {where}{through} within {limits.connect:g} s")
    if context is None:
        return stream
    tls: trio.abc.Stream | None = None
    with trio.move_on_after(limits.tls):
        tls = await _start_tls(stream, context, host, where)
    if tls is None:
        raise NetworkError(f"{host} did not answer with TLS within {limits.tls:g} s")
    return tls


def abandon(stream: trio.abc.Stream) -> None:
    """Close what `connect` gave, without a word or a wait.

    `trio.aclose_forcefully` leaves a cycle behind, by way of a `trio.Cancelled`, and with it the error on whose account
    it was called.
    """
    tcp_of(stream).close()


def tcp_of(stream: trio.abc.Stream) -> TcpStream:
    """What it is on top of."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    assert isinstance(stream, TcpStream)
    return stream


async def _open_tcp(host: str, port: int, who: str, if_unknown: str = "") -> trio.abc.Stream:
    try:
        return TcpStream(await trio.open_tcp_stream(host, port))
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        why = unreachable(who, error, if_unknown)
        # Each try's frames know the list of errors that it is in: a cycle.
        causes = error.__cause__
        for cause in causes.exceptions if isinstance(causes, ExceptionGroup) else [causes]:
            if cause is not None:
                cause.__traceback__ = None
    raise why


async def _open_tunnel(proxy: Proxy, host: str, port: int, tls_seconds: float) -> trio.abc.Stream:
    context = await _default_context(tls_seconds) if proxy.is_secure else None
    stream = await _open_tcp(proxy.host, proxy.port, str(proxy))
    if context is not None:
        stream = await _start_tls(stream, context, proxy.host, str(proxy))
    try:
        await _ask_for_tunnel(
            stream, proxy, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        )
    except BaseException:
        abandon(stream)
        raise
    return stream


async def _ask_for_tunnel(stream: trio.abc.Stream, proxy: Proxy, target: str) -> None:
    headers = [("Host", target)]
    if proxy.authorization:
        headers.append(("Proxy-Authorization", proxy.authorization))
    request = h11.Request(method="CONNECT", target=target, headers=headers)
    try:
        answer = await exchange(stream, request, seconds=float("inf"))
    except Unanswered as failure:
        raise NetworkError(f"{proxy} {failure}: is it a proxy?") from None
    if not 200 <= answer.status < 300:
        remedy = REMEDIES.get(answer.status, "can it reach that host?")
        raise NetworkError(
            f"{proxy} refused the way to {target} (HTTP {answer.status}): {remedy}",
            status=answer.status,
            retry_after=answer.retry_after,
        )
    if answer.rest:  # who is asked for TLS never speaks first
        raise NetworkError(f"{proxy} spoke into its own tunnel: is it a proxy?")


async def _start_tls(
    stream: trio.abc.Stream, context: ssl.SSLContext, host: str, who: str
) -> trio.abc.Stream:
    """Closes the stream if it fails or is cancelled."""
    try:
        tls = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        await tls.do_handshake()
    except BaseException as error:
        abandon(stream)
        # ValueError: a name that no certificate can have.
        if isinstance(error, trio.BrokenResourceError | OSError | ValueError):
            raise unreachable(who, error) from None
        raise
    return tls


async def _default_context(seconds: float) -> ssl.SSLContext:
    """Trusts whom ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` say, or else whom Mozilla does."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(name):
            source = f"the environment variable {name} is"
            break
    else:
        name, path = "", MOZILLAS_LIST
        source = "the list of certifi is"
    try:
        with trio.fail_after(seconds):  # it reads a file, and works for 20 ms
            return await trio.to_thread.run_sync(_trusting, name, path, abandon_on_cancel=True)
    except trio.TooSlowError:
        raise UsageError(f"{source} of no use: {path!r} cannot be read") from None
    except OSError as error:
        why = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise exhausted(error) or UsageError(f"{source} of no use: {path!r}: {why}") from None


def _trusting(name: str, path: str) -> ssl.SSLContext:
    if name == "SSL_CERT_DIR":
        os.listdir(path)  # OpenSSL says nothing of one that is not there
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
