"""Where the service is, and the key to it."""

import argparse
import os

KEY_VARIABLE = "SYNTHFLOW_API_KEY"


def api_key() -> str:
    """That of the environment; empty if there is none."""
    return os.environ.get(KEY_VARIABLE, "")


def add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", metavar="us|eu", help="where the workspace is (ws-media)")
    parser.add_argument("--base-url", metavar="URL", help="of the service, if it is elsewhere")
    parser.add_argument(
        "--allow-insecure", action="store_true", help="allow ws:// and http:// beyond this machine"
    )
