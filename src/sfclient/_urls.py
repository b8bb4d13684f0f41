"""Which URLs may carry speech and secrets."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from sfclient._errors import InsecureURLError, UsageError


def check_url(
    url: str, schemes: tuple[str, str], *, allow_insecure: bool, what: str
) -> SplitResult:
    """Split a URL whose scheme is the secure one of `schemes`, or the other toward loopback.

    The URL may hold a token: the errors name no more of it than its scheme and host.
    """
    secure, insecure = schemes
    url = url.strip()
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"the {what} holds characters that no URL has: copy it again")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"the {what} is no valid URL: {error}") from None
    if parts.scheme not in schemes or not host:
        came = (
            f"it begins with {parts.scheme}://"
            if parts.scheme and host
            else "it has no scheme or host"
        )
        raise UsageError(f"the {what} must be like {secure}://HOST/..., but {came}")
    if parts.scheme == insecure and not allow_insecure and not is_loopback(host):
        raise InsecureURLError(
            f"the {what} is {insecure}:// to {host}, which would send speech and secrets in the clear: "
            f"use {secure}://, or allow it by name (allow_insecure=True, --allow-insecure)"
        )
    return parts


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
