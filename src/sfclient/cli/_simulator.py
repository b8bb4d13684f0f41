"""``sfclient simulator``: a local agent to develop against, if its parts are installed."""

import argparse

from sfclient._errors import UsageError


async def run_simulator(args: argparse.Namespace) -> int:
    """Raises `UsageError` without the simulator."""
    try:
        from sfclient.simulator._command import run
    except ImportError as error:
        raise UsageError(str(error)) from None
    return await run(args)
