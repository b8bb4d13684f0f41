"""A desktop app, or a kiosk, that holds calls and no key: its sessions come from the server in `website/`.

    python desktop.py https://example.org/talk/ ws-media

When the network or the service ends the call, it is redialled. It needs httpx, or any other library for HTTP in its
place.
"""

import sys
from collections.abc import Mapping
from typing import Any

import httpx
import trio

from sfclient import (
    Audio,
    NetworkError,
    Redial,
    ServiceError,
    Session,
    StartedCall,
    UsageError,
    open_call,
)

ANSWER_SECONDS = 30.0  # the service has 20 s to start a call
# What another try may mend, in HTTP; 410 comes from a website that was restarted in the midst of it.
PASSING = (408, 410, 429, 502, 503, 504)


class Backend:
    """The website, which keeps the key. Raises `UsageError` for a URL that is none: no other try would help."""

    def __init__(self, url: str) -> None:
        try:
            self._url = httpx.URL(url if url.endswith("/") else f"{url}/")
        except httpx.InvalidURL:
            self._url = httpx.URL("/")
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise UsageError(
                f"the URL of the website is such as https://example.org/talk/, not {url!r}"
            )
        # It answers its own pages, and who says that they are one.
        self._origin = f"{self._url.scheme}://{self._url.netloc.decode()}"

    async def get_session(self) -> Session:
        """The right to hold one call: what `open_call` asks for, once for each attempt.

        Raises `NetworkError` or `ServiceError`, after which a call is redialled, or `UsageError`.
        """
        told = await self._ask("session")
        handle = told["handle"]

        async def start_call(server_name: str) -> StartedCall:
            return StartedCall(**await self._ask("start", handle=handle, server_name=server_name))

        starts = start_call if handle else None
        return Session(told["url"], told["dialect"], told["codec"], told["framing"], starts)

    async def _ask(self, what: str, **posted: str) -> Mapping[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
                answer = await http.post(
                    self._url.join(what), json=posted, headers={"Origin": self._origin}
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NetworkError(
                f"no way to {self._url.host}: {error}", may_have_begun=False
            ) from None
        except httpx.HTTPError as error:
            raise NetworkError(f"no answer from {self._url.host}: {error}") from None
        told = _object(answer)
        if answer.status_code == 200 and told:
            return told
        kind = ServiceError if answer.status_code in PASSING else UsageError
        raise kind(
            f"{self._url.host} answered HTTP {answer.status_code}: "
            f"{told.get('message', 'is this the URL of the website?')}",
            status=answer.status_code,
            retry_after=told.get("retry_after"),
            may_have_begun=told.get("may_have_begun"),
        )


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    """The JSON object that was answered; empty if it was none, as of another server than the website."""
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


async def talk(url: str, dialect: str, audio: Audio) -> None:
    """Until somebody hangs up; what the network ends is redialled."""
    get_session = Backend(url).get_session
    async with open_call(get_session, audio, dialect=dialect, redial=Redial()) as call:
        async for event in call:
            print(event)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    trio.run(talk, sys.argv[1], sys.argv[2], Audio())
