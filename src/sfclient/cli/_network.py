"""``--network``: what lies between this program and a service, for the commands that put something there."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sfclient._errors import UsageError
from sfclient._spool import in_thread

if TYPE_CHECKING:
    from sfclient.testing import Network


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


async def network_of(args: argparse.Namespace) -> "Network | None":
    """What was asked for. Raises `UsageError` for what is none."""
    if args.network is None:
        if args.network_seed:
            raise UsageError("--network-seed goes with --network only")
        return None
    from sfclient.testing import network_named

    return await in_thread(lambda: network_named(args.network, args.network_seed))


def words_of(args: argparse.Namespace) -> str:
    """What lies in between, for a person."""
    from sfclient.testing import NETWORKS

    what = NETWORKS.get(args.network, "as recorded")
    return f"In between lies the network {args.network} (seed {args.network_seed}): {what}."


@asynccontextmanager
async def way_through(
    network: "Network | None", base_url: str, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """By which URL a service without TLS is reached: if there is a network, through a proxy that listens there.

    Raises OSError if it cannot listen.
    """
    if network is None:
        yield base_url
        return
    from sfclient.testing import open_proxy

    async with open_proxy(base_url, network, host=host, port=port) as proxy:
        yield proxy.through(base_url)
