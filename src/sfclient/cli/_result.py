"""``sfclient result``: what became of a call."""

import argparse

from sfclient._errors import printable
from sfclient._result import request_result
from sfclient.cli._service import api_key
from sfclient.cli._telling import give_out


async def run_result(args: argparse.Namespace) -> int:
    """Raises what the request raises."""
    result = await request_result(
        args.call_id,
        api_key=api_key(),
        region=args.region,
        base_url=args.base_url,
        allow_insecure=args.allow_insecure,
    )
    give_out(
        [
            f"status: {printable(result.status)}",
            f"end reason: {printable(result.end_reason)}",
            "transcript:",
            *(f"  {printable(line, None)}" for line in result.transcript.splitlines()),
        ]
    )
    return 0
