"""Comes first in every Python that a page's commands start: the service is a simulator, and time may run faster."""

import os
import sys
from pathlib import Path
from typing import Any

URL, RATE = os.environ.get("DOCUMENTATION_SERVICE"), float(os.environ.get("DOCUMENTATION_RATE", 1))


def lead(url: str) -> None:
    from sfclient._dialects._widget import WidgetOrder
    from sfclient._dialects._ws_media_http import WsMediaOrder

    for order in (WidgetOrder, WsMediaOrder):
        order.base_urls = dict.fromkeys(order.base_urls, url)


def hurry(rate: float) -> None:
    import trio

    sys.path.append(str(Path(__file__).parents[2]))
    from unhurried import UnhurriedClock

    del sys.path[-1]
    run = trio.run

    def run_fast(*args: Any, **kwargs: Any) -> Any:
        return run(*args, **{"clock": UnhurriedClock(rate), **kwargs})

    trio.run = run_fast


if URL:
    lead(URL)
if RATE != 1:
    hurry(RATE)
