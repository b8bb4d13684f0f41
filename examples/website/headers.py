"""What browsers are told to refuse, with every answer."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# No script, style or picture but the page's own files, none written into the page, nothing from anybody else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self' {websockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
ANYWHERE = "wss:"  # where the service wants its websockets is known only when it gives a session
THIS_MACHINE = "ws://127.0.0.1:* ws://localhost:*"  # as with a simulator


class SafeHeaders:
    """An ASGI app with these headers, unless it sets them itself."""

    def __init__(self, app: ASGIApp, *, websockets: str) -> None:
        self._app = app
        self._headers: Mapping[str, str] = {
            "Cache-Control": "no-cache",  # asked for anew, and taken from the cache if it is the same
            "Content-Security-Policy": POLICY.format(websockets=websockets),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_more)
