"""The way to a host: TCP, and TLS on top."""

import ssl
from urllib.parse import SplitResult

import httpx
import trio

from sfclient._errors import NetworkError, bad_environment, unreachable
from sfclient._limits import TimeLimits


async def connect(
    parts: SplitResult, ssl_context: ssl.SSLContext | None, limits: TimeLimits
) -> trio.abc.Stream:
    """A stream to the host of a ``ws://`` or ``wss://`` URL. Raises `NetworkError`, and `UsageError` for what the
    environment says."""
    secure = parts.scheme == "wss"
    host, port = str(parts.hostname), parts.port or (443 if secure else 80)
    stream: trio.abc.Stream | None = None
    try:
        with trio.move_on_after(limits.connect):
            stream = await trio.open_tcp_stream(host, port)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        raise unreachable(f"{host}:{port}", error) from None
    if stream is None:
        raise NetworkError(f"cannot connect to {host}:{port} within {limits.connect:g} s")
    if not secure:
        return stream
    try:
        context = ssl_context or httpx.create_ssl_context()
    except OSError as error:
        raise bad_environment(error) from None
    tls = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        with trio.fail_after(limits.tls):
            await tls.do_handshake()
    except trio.TooSlowError:
        await trio.aclose_forcefully(stream)
        raise NetworkError(f"{host} did not answer with TLS within {limits.tls:g} s") from None
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(stream)
        raise unreachable(f"{host}:{port}", error) from None
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return tls
