"""Where the service is, and the key to it."""

import argparse
import os
from typing import Any

from sfclient._dialects import DIALECTS

KEY_VARIABLE = "SYNTHFLOW_API_KEY"

ORDER_OPTIONS = (
    "from_number",
    "to_number",
    "lead_name",
    "agent_version",
    "codec",
    "framing",
    "region",
    "base_url",
)


def api_key() -> str:
    """That of the environment; empty if there is none."""
    return os.environ.get(KEY_VARIABLE, "")


def add_service(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--region", metavar="us|eu", help="where the workspace is (ws-media)")
    parser.add_argument("--base-url", metavar="URL", help="of the service, if it is elsewhere")
    parser.add_argument(
        "--allow-insecure", action="store_true", help="allow ws:// and http:// beyond this machine"
    )


def add_dialect(parser: argparse.ArgumentParser) -> None:
    """What is spoken with it, and what that needs."""
    parser.add_argument(
        "--dialect", choices=DIALECTS, default="widget", help="what to speak (%(default)s)"
    )
    ws_media = parser.add_argument_group("in the ws-media dialect")
    ws_media.add_argument("--from", metavar="NUMBER", dest="from_number", help="who calls: needed")
    ws_media.add_argument("--to", metavar="NUMBER", dest="to_number", help="who is called: needed")
    ws_media.add_argument("--lead-name", metavar="NAME", help="of who calls")
    ws_media.add_argument("--agent-version", metavar="draft|UUID", help="not the live one")
    ws_media.add_argument("--codec", metavar="l16|pcmu|pcma", help="of the sound (l16)")
    ws_media.add_argument("--framing", metavar="payload|rtp", help="of the sound (payload)")


def order_of(args: argparse.Namespace) -> dict[str, Any]:
    """What goes into the order of a session, and where it is."""
    return {name: getattr(args, name) for name in ORDER_OPTIONS}
