"""``--network``: what lies between this program and a service, for the commands that put something there."""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sfclient._errors import UsageError
from sfclient._proxy import proxy_toward
from sfclient._spool import in_thread
from sfclient._urls import is_loopback

if TYPE_CHECKING:
    from sfclient.testing import Network

PROXY_VARIABLE = (
    "https_proxy"  # in lower case, it comes before all others that name a proxy for TLS
)


def add_network(parser: argparse._ActionsContainer) -> None:
    """Declare ``--network`` and ``--network-seed``."""
    parser.add_argument(
        "--network",
        metavar="NAME|trace:FILE",
        help="put a network in between: steady, jitter, stall, slow-producer, burst-3x, burst-10x, throttled, or with "
        "the arrival times in a file, in ms, of messages sent every 20 ms",
    )
    parser.add_argument(
        "--network-seed",
        metavar="NUMBER",
        type=int,
        default=0,
        help="of what is random in it (%(default)s)",
    )


async def network_of(
    args: argparse.Namespace, *, up: float = 96_000, down: float = 32_000
) -> "Network | None":
    """What was asked for, with the speeds of sound as `network_named` takes them. Raises `UsageError`."""
    if args.network is None:
        if args.network_seed:
            raise UsageError("--network-seed goes with --network only")
        return None
    from sfclient.testing import network_named

    return await in_thread(lambda: network_named(args.network, args.network_seed, up=up, down=down))


def words_of(args: argparse.Namespace) -> str:
    """What lies in between, for a person."""
    from sfclient.testing import NETWORKS

    what = NETWORKS.get(args.network, "as recorded")
    return f"In between lies the network {args.network} (seed {args.network_seed}): {what}."


@asynccontextmanager
async def way_through(
    network: "Network", base_url: str, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """By which URL the service is reached through a proxy that listens there.

    TLS is asked for by the service's own name, so toward ``https://`` the proxy is that of this process's environment
    for the while. Raises OSError if it cannot listen, `UsageError` if the environment has another proxy.
    """
    from sfclient.testing import open_proxy

    parts = urlsplit(base_url)
    if parts.scheme != "https":
        async with open_proxy(base_url, network, host=host, port=port) as proxy:
            yield proxy.through(base_url)
        return
    service = parts.hostname or ""
    if is_loopback(service) or proxy_toward(service, parts.port or 443):
        raise UsageError(
            f"no network can be put in between on the way to {service}: it is on this machine, or behind a proxy"
        )
    async with open_proxy(None, network, host=host, port=port) as proxy:
        before = os.environ.get(PROXY_VARIABLE)
        os.environ[PROXY_VARIABLE] = f"http://{proxy.authority}"
        try:
            if proxy_toward(service, parts.port or 443) is None:
                raise UsageError(f"no network can be put in between: NO_PROXY names {service}")
            yield base_url
        finally:
            if before is None:
                del os.environ[PROXY_VARIABLE]
            else:
                os.environ[PROXY_VARIABLE] = before
