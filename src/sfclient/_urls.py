"""Which URLs may carry speech and secrets, and whom they may be told."""

import ipaddress
import ssl
from urllib.parse import SplitResult, urlsplit

from sfclient._errors import InsecureURLError, Unchained, UsageError

LONGEST_URL = (
    8000  # characters (RFC 9110, 4.1); its tokens are looked for in every text from then on
)
LONGEST_HOST = 253  # characters (RFC 1035, 2.3.4), which are told of one


def check_url(
    url: str, schemes: tuple[str, str], *, allow_insecure: bool, what: str
) -> SplitResult:
    """Split a URL whose scheme is the secure one of `schemes`, or the other toward loopback.

    The URL may hold a token: the errors name no more of it than its scheme and host.
    """
    secure, insecure = schemes
    with Unchained():
        parts = _split(url.strip(), what)
    host = parts.hostname and parts.hostname[:LONGEST_HOST]
    if parts.scheme not in schemes or not host:
        came = (
            f"it begins with {parts.scheme[:20]}://"
            if parts.scheme and host
            else "it has no scheme or host"
        )
        raise UsageError(f"the {what} must be like {secure}://HOST/..., but {came}")
    if parts.scheme == insecure and not allow_insecure and not is_loopback(host):
        raise InsecureURLError(
            f"the {what} is {insecure}:// to {host}, which would send speech and secrets in the clear: "
            f"use {secure}://, or allow it by name (allow_insecure=True)"
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"the {what} holds a user or password, which nobody asks for: leave out what is before the @"
        )
    return parts


def _split(url: str, what: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"the {what} holds characters that no URL has: copy it again")
    if len(url) > LONGEST_URL:
        raise UsageError(f"the {what} has {len(url)} characters, more than any URL: copy it again")
    try:
        parts = urlsplit(url)
        _host, _port = parts.hostname, parts.port
    except ValueError:  # it shows what it does not like, which may be part of a password
        raise UsageError(f"the {what} is no valid URL: is its host or its port mistyped?") from None
    return parts


def check_trust(ssl_context: ssl.SSLContext | None, *, allow_insecure: bool) -> None:
    """Raises `InsecureURLError` for a context that would tell speech and secrets to anybody."""
    if ssl_context is None or allow_insecure:
        return
    if ssl_context.verify_mode is not ssl.CERT_REQUIRED or not ssl_context.check_hostname:
        raise InsecureURLError(
            "the ssl_context does not verify who answers: set verify_mode to CERT_REQUIRED and check_hostname to True, "
            "with load_verify_locations for an authority of your own; or allow it by name (allow_insecure=True)"
        )


def is_loopback(host: str) -> bool:
    """Does the host name this machine, without asking a resolver?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def sendable(text: str, what: str) -> str:
    """The text itself. Raises `UsageError` if it is none, as what a terminal could not decode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the {what} {text!r} holds characters that cannot be sent") from None
    return text
