"""``sfclient simulator``: a local agent to develop against, if its parts are installed."""

import argparse
from functools import partial

from sfclient._errors import UsageError
from sfclient.cli._network import network_of, way_through, words_of
from sfclient.cli._telling import complain


async def run_simulator(args: argparse.Namespace) -> int:
    """Raises `UsageError` without the simulator, or for what is no network."""
    try:
        from sfclient.simulator._command import run
    except ImportError as error:
        raise UsageError(str(error)) from None
    network = await network_of(args)
    if network is None:
        return await run(args)
    complain(words_of(args))
    return await run(args, partial(way_through, network))
