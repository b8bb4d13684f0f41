"""One HTTP request on a fresh connection: read it, answer it, or hand the connection over."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import h11
import trio

# On every answer, because a web page that follows the contract asks from another origin, and
# because a token must not be kept by a cache.
_COMMON_HEADERS = (("Access-Control-Allow-Origin", "*"), ("Cache-Control", "no-store"))
MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A request. Its repr leaves out what may hold the key or a token."""

    method: str
    path: str = field(repr=False)
    """Percent-encoded, without the query."""
    query: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """Names in lower case; the last of equal names wins."""
    body: bytes | None = field(repr=False)
    """None if it is longer than `MAX_BODY_BYTES`."""
    arrived: float
    """Seconds on trio's clock."""


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer; `Exchange.answer` adds the headers that every answer has."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: int, body: Mapping[str, object], *headers: tuple[str, str]) -> "Answer":
        return cls(
            status, json.dumps(body).encode(), (("Content-Type", "application/json"), *headers)
        )

    @classmethod
    def error(cls, status: int, text: str, *headers: tuple[str, str]) -> "Answer":
        """What went wrong and the remedy, under the key that clients look for."""
        return cls.json(status, {"error": text}, *headers)


class Exchange:
    """One request and one answer over `stream`; the answer says that the connection closes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None

    async def read(self) -> Request | None:
        """The request, or None when the client left or sent no HTTP (which is answered here)."""
        try:
            head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            self._head = head
            body = await self._read_body()
        except h11.RemoteProtocolError as exc:
            # The parser's own text may quote the headers, and so the key.
            await self.answer(Answer.error(exc.error_status_hint, "this is not an HTTP request"))
            return None
        target, _, query = head.target.decode("latin-1").partition("?")
        return Request(
            method=head.method.decode("ascii"),
            path=target,
            query=query,
            headers={n.decode("ascii"): v.decode("latin-1") for n, v in head.headers},
            body=body,
            arrived=trio.current_time(),
        )

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._http.send(go_on) or b"")
            self._http.receive_data(await self._stream.receive_some())
        return event

    async def _read_body(self) -> bytes | None:
        body = bytearray()
        while len(body) <= MAX_BODY_BYTES:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
        return None

    async def answer(self, answer: Answer) -> None:
        """Send `answer`, without its body if the request was a HEAD, and wait for the client.

        What it still sends, such as a body, is dropped as it comes: to close on unread bytes
        would reset the connection, and the answer might be lost.
        """
        headers = [*_COMMON_HEADERS, *answer.headers, ("Connection", "close")]
        if answer.status != 204:
            headers.append(("Content-Length", str(len(answer.body))))
        events: list[h11.Event] = [h11.Response(status_code=answer.status, headers=headers)]
        if self._head is None or self._head.method != b"HEAD":
            events.append(h11.Data(data=answer.body))
        events.append(h11.EndOfMessage())
        await self._stream.send_all(b"".join(self._http.send(event) or b"" for event in events))
        await self._stream.send_eof()
        while await self._stream.receive_some():
            pass

    def hand_over(self, path: str) -> trio.abc.HalfCloseableStream:
        """The connection as if nothing had been read, for a websocket library to start afresh.

        `path` takes the place of the target, and any credentials are left out: the library logs
        the head at level DEBUG, and a token in it is a secret.
        """
        assert self._head is not None, "read() comes first"
        lines = [b"GET " + path.encode() + b" HTTP/" + self._head.http_version]
        lines += [n + b": " + v for n, v in self._head.headers if n != b"authorization"]
        beyond, _ = self._http.trailing_data
        unread = b"\r\n".join(lines) + b"\r\n\r\n" + beyond
        return trio.StapledStream(self._stream, _PrefixedStream(unread, self._stream))


class _PrefixedStream(trio.abc.ReceiveStream):
    """`stream` with bytes pushed back, to be received first."""

    def __init__(self, prefix: bytes, stream: trio.SocketStream) -> None:
        self._prefix = prefix
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._prefix:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        data = self._prefix[:max_bytes]
        self._prefix = self._prefix[len(data) :]
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


def path_segments(path: str) -> list[str]:
    """``/a/b%20c`` as ``["a", "b c"]``; an escaped slash does not split."""
    return [unquote(segment) for segment in path.split("/")[1:]]
