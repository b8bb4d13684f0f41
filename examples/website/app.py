"""The app: the page, and two questions that it asks.

``POST session`` gives the right to hold one call; in the ws-media dialect ``POST start``, with the handle that came
with it, starts the call when its websocket is open. The key is in neither answer.
"""

import inspect
import json
import mimetypes
import re
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import sfclient
import sfclient.aio
from sfclient import Session, SfclientError

from . import answers
from .admission import Admission, Rate, visitor_at
from .answers import RefusalError, refusal_of
from .handles import Handles
from .headers import ANYWHERE, THIS_MACHINE, SafeHeaders

PAGE = Path(__file__).parent / "page"
LONGEST_BODY = 4096  # bytes; a handle and the name of a server are some hundred
BODY_SECONDS = 10.0  # for them to come
# As browsers write it: small letters, no name of a user, no port where it is the usual one.
ORIGIN = re.compile(
    r"(?!http:.*:80$|https:.*:443$)https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?"
)
EACH_VISITOR = Rate(5, 60.0)  # an office may be one visitor
IN_ALL = Rate(60, 60.0)

# Browsers run no module of another type, and some systems have one for the editor of the day.
mimetypes.add_type("text/javascript", ".js")


def website(
    assistant_id: str,
    *,
    api_key: str,
    origins: Collection[str] | None = None,
    each_visitor: Rate = EACH_VISITOR,
    in_all: Rate = IN_ALL,
    **order: Any,
) -> ASGIApp:
    """An ASGI app to serve under trio or asyncio, alone or mounted: ``app.mount("/talk", website(...))``.

    It keeps what it knows in the memory of one process.

    Parameters
    ----------
    assistant_id, api_key, order
        As `sfclient.request_session` takes them: `dialect`, `from_number`, `region`, and so on.
    origins
        Of the pages that may ask for sessions, such as ``"https://example.org"``. None: those of the host that is
        asked.
    each_visitor, in_all
        How often sessions are given out. A visitor is an address, as the server tells it; of IPv6 a /64.

    Raises `ValueError` for an origin that no browser would send, `TypeError` for an option that there is not. What is
    wrong with the rest is known, and logged, when the first visitor asks.
    """
    for origin in origins or ():
        if not ORIGIN.fullmatch(origin):
            raise ValueError(
                f"origins are a list of such as https://example.org, not {origin!r}: as browsers write it, in small "
                "letters, without a path or the usual port"
            )
    inspect.signature(sfclient.request_session).bind(assistant_id, api_key=api_key, **order)

    async def request_session() -> Session:
        in_trio = trio.lowlevel.in_trio_run()
        request = sfclient.request_session if in_trio else sfclient.aio.request_session
        return await request(assistant_id, api_key=api_key, **order)

    desk = Desk(request_session, origins, Admission(each_visitor, in_all))
    app = Starlette(
        routes=[
            Route("/session", desk.session, methods=["POST"]),
            Route("/start", desk.start, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        exception_handlers={
            RefusalError: answers.refused,
            HTTPException: answers.not_routed,
            Exception: answers.broken,
        },
    )
    is_local = str(order.get("base_url")).startswith("http://")
    return SafeHeaders(app, websockets=f"{ANYWHERE} {THIS_MACHINE}" if is_local else ANYWHERE)


class Desk:
    """Where sessions are given out, and calls are started. Raises `RefusalError` for whom it sends away."""

    def __init__(
        self,
        request_session: Callable[[], Awaitable[Session]],
        origins: Collection[str] | None,
        admission: Admission,
    ) -> None:
        self._request_session = request_session
        self._origins = origins
        self._admission = admission
        self._handles = Handles()

    async def session(self, request: Request) -> JSONResponse:
        """The right to hold one call."""
        self._check_origin(request)
        await _posted(request)
        visitor = visitor_at(request.client.host if request.client else "")
        asked_too_often, pause = self._admission.ask(visitor, time.monotonic())
        if asked_too_often:
            code = "too_many_requests" if asked_too_often == "visitor" else "busy"
            raise RefusalError(code, pause)
        try:
            session = await self._request_session()
        except SfclientError as error:
            raise refusal_of(error) from None
        handle = self._handles.give(session, time.monotonic()) if session.start_call else None
        return _told(
            dialect=session.dialect,
            url=session.url,
            codec=session.codec,
            framing=session.framing,
            handle=handle,
        )

    async def start(self, request: Request) -> JSONResponse:
        """A call on the websocket that is open; never asked for again, as it may have begun whatever is answered."""
        self._check_origin(request)
        posted = await _posted(request)
        handle, server_name = posted.get("handle"), posted.get("server_name")
        if not isinstance(handle, str) or not isinstance(server_name, str):
            raise RefusalError("bad_request")
        if not server_name or not server_name.isprintable():
            raise RefusalError("bad_request")
        session = self._handles.take(handle, time.monotonic())
        if session is None or session.start_call is None:
            raise RefusalError("handle_used")
        try:
            started = await session.start_call(server_name)
        except SfclientError as error:
            raise refusal_of(error, starting=True) from None
        return _told(sid=started.sid, url=started.url, call_id=started.call_id)

    def _check_origin(self, request: Request) -> None:
        """Browsers say whose page asks; without this, any other website could have its visitors ask."""
        origin = request.headers.get("origin", "")
        _, _, host = origin.partition("://")
        is_own = host != "" and host == request.headers.get("host")
        if not (is_own if self._origins is None else origin in self._origins):
            raise RefusalError("wrong_origin")


async def _posted(request: Request) -> dict[str, object]:
    """The JSON object that came."""
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json":
        raise RefusalError("wrong_type")
    try:
        with anyio.fail_after(BODY_SECONDS):
            posted = json.loads(await _body(request))
    except TimeoutError:
        raise RefusalError("too_slow") from None
    except (ClientDisconnect, ValueError, RecursionError):
        raise RefusalError("bad_request") from None
    if not isinstance(posted, dict):
        raise RefusalError("bad_request")
    return posted


async def _body(request: Request) -> bytes:
    body = b""
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > LONGEST_BODY:
                raise RefusalError("too_large")
    return body


def _told(**fields: str | None) -> JSONResponse:
    return JSONResponse(fields, headers={"Cache-Control": "no-store"})
