"""Which proxy the environment wants between this machine and a host."""

import os
import re
from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from sfclient._errors import UsageError
from sfclient._urls import is_loopback

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that tunnels (``CONNECT``)."""

    variable: str
    """That named it."""
    host: str
    port: int
    is_secure: bool
    """Whether TLS is spoken with the proxy itself."""
    authorization: str = field(repr=False)
    """The value of ``Proxy-Authorization``; empty for none."""

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port} ({self.variable})"


def proxy_toward(host: str, port: int) -> Proxy | None:
    """The proxy for TLS to a host: ``HTTPS_PROXY``, or else ``ALL_PROXY``, unless ``NO_PROXY`` names the host.

    None toward this machine. Variables in lower case come first, as everywhere; where there are none, the settings of
    macOS or Windows are asked. Raises `UsageError` for a variable that is of no use.
    """
    if is_loopback(host):
        return None
    told = getproxies()
    scheme = "https" if told.get("https") else "all"
    url = told.get(scheme, "").strip()
    if not url or any(_names(entry, host, port) for entry in _entries(told.get("no", ""))):
        return None
    names = sorted(name for name in os.environ if name.lower() == f"{scheme}_proxy")
    return _parse(url, names[-1] if names else "of the system's settings")  # lower case is last


def _parse(url: str, variable: str) -> Proxy:
    """The value may hold a password, so it is not shown."""
    scheme, colons, _ = url.partition("://")
    if not colons:
        scheme, url = "http", f"http://{url}"
    if (scheme := scheme.lower()) not in DEFAULT_PORTS:
        named = f"{scheme}://, which is" if scheme.isalnum() and scheme.isascii() else "what is"
        raise UsageError(
            f"the environment variable {variable} names a proxy by {named} not supported: "
            "use one like http://HOST:PORT or https://HOST:PORT, or list the service's host in NO_PROXY"
        )
    broken = (
        f"the environment variable {variable} is no URL of a proxy: it must be like http://HOST:PORT or "
        "http://USER:PASSWORD@HOST:PORT, with %XX for what no URL may hold"
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(broken) from None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(broken)
    authorization = ""
    if "@" in parts.netloc:
        who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(who.encode()).decode()}"
    if port is None:
        port = DEFAULT_PORTS[scheme]
    return Proxy(variable, host, port, scheme == "https", authorization)


def _entries(no_proxy: str) -> list[str]:
    return [entry for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry]


def _names(entry: str, host: str, port: int) -> bool:
    """``*``, a host, ``.domain`` or ``*.domain``, an address, ``[address]``, ``network/bits``; each with ``:port``."""
    if entry == "*":
        return True
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        try:
            return ip_address(host) in network
        except ValueError:
            return False
    name, colon, only = entry.rpartition(":")
    if colon:
        return only == str(port) and _names(name, host, port)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and f".{host.rstrip('.')}".endswith(f".{name}")
